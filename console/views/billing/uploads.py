"""Uploads of bills and exchange rates, and the panel that follows them until they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import streamlit as st

from console import components, tracking
from console.identity import User
from console.services import Services
from console.views.billing.listing import list_files, list_totals, state
from finops.billing.domain import BILLING_PREFIX, RATES_PREFIX, FileEntry
from finops.deployment.uploads import LARGEST_FORM

KINDS: Final = ("csv", "txt", "tsv", "gz", "zip", "xlsx", "parquet")
_BILLS: Final = "Bills"
_RATES: Final = "Exchange rates"
_TRACKED: Final = "tracked_billing_files"
_FAILED: Final = "failed_billing_files"


def show(services: Services, user: User) -> None:
    """Draw where bills and exchange rates are dropped."""
    kind, dataset = st.columns([2, 3], vertical_alignment="bottom")
    what = kind.segmented_control("Upload", [_BILLS, _RATES], default=_BILLS, required=True)
    prefix, folder = RATES_PREFIX, ""
    if what == _BILLS:
        folder = dataset.text_input(
            "Dataset",
            placeholder="The name of each file",
            max_chars=128,
            help="Record ids are unique within a dataset. Upload a corrected file into the dataset "
            "of the file that it corrects.",
        ).strip("/ ")
        prefix = f"{BILLING_PREFIX}{folder}/" if folder else BILLING_PREFIX
    receive(
        services,
        user,
        "upload-billing",
        prefix,
        label=f"Drop {str(what).lower()} here, or choose files",
        hint="CSV, .gz, .zip, .xlsx or .parquet. Your browser sends them directly to S3"
        + (f", into the dataset {folder}." if folder else "."),
    )


@st.fragment(run_every="10m")  # S3 accepts a signed form for 15 minutes
def receive(
    services: Services,
    user: User,
    key: str,
    prefix: str,
    *,
    label: str,
    hint: str,
    said: Mapping[str, str] | None = None,
) -> None:
    """Draw where files are dropped, and follow those that were.

    Args:
        services: The deployment's services.
        user: Who uploads.
        key: The widget's key.
        prefix: How the files' keys in the bucket begin.
        label: What to do here.
        hint: Which files are accepted, and where they go.
        said: What they are to other files, as metadata.
    """
    services.require(user)
    uploaded = components.upload(
        key,
        services.billing.upload_form(prefix, user.identity, said),
        prefix=prefix,
        kinds=KINDS,
        largest=LARGEST_FORM,
        label=label,
        hint=hint,
    )
    if not uploaded:
        return
    for one in uploaded:
        # The dataset may have been changed during the upload.
        if one.error or not one.key.startswith((BILLING_PREFIX, RATES_PREFIX)):
            continue
        source = services.billing.source(one.key, one.version_id)
        tracking.track(_TRACKED, source.file_id, one.name)
        services.record(
            user,
            "billing_file.dropped",
            f"s3://{source.bucket}/{source.key}",
            version=source.file_id,
            bytes=source.size,
            **(said or {}),
        )
    list_files.clear()
    st.rerun()


def track_again(entry: FileEntry) -> None:
    """Follow a file that is loaded again."""
    tracking.track(_TRACKED, entry.source.file_id, entry.source.key)
    st.session_state.setdefault(_FAILED, {})[entry.source.file_id] = entry


def track_copy(file_id: str, key: str) -> None:
    """Follow a file that was copied to another dataset."""
    tracking.track(_TRACKED, file_id, key)


def follow(services: Services) -> None:
    """Draw the panel of this session's uploads."""

    def look_up(names: Mapping[str, str]) -> list[tracking.Progress]:
        before = st.session_state.get(_FAILED, {})
        found: dict[str, FileEntry | None] = {}
        for one in names:
            entry = services.billing.store.by_file_id(one)
            found[one] = None if entry and entry.is_same_attempt(before.get(one)) else entry
        return [
            tracking.Progress(
                finished=entry is not None and entry.is_settled,
                draw=partial(st.markdown, state(names[one], entry)),
            )
            for one, entry in found.items()
        ]

    tracking.follow(
        _TRACKED, "Your files", look_up, seconds=1.0, when_finished=_forget_what_was_listed
    )


def _forget_what_was_listed() -> None:
    list_files.clear()
    list_totals.clear()
