"""What the page reads from the ledger of billing files, and how it shows a file's state."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from console import ui
from console.services import Services
from finops.billing.database.totals import Dimension
from finops.billing.domain import FileEntry, FileStatus

#: A choice beside the statuses: what nobody has corrected or loaded again yet.
TO_FIX: Final = "TO_FIX"


@st.cache_data(ttl=5, max_entries=100, show_spinner=False)
def list_files(
    _services: Services, _deployment: str, ending: str, dataset: str, status: str, limit: int
) -> list[FileEntry]:
    """The newest files of the ledger that match these filters; an empty filter matches all.

    Args:
        ending: How the key ends.
        dataset: The whole name.
        status: A status, or `TO_FIX`.
        limit: How many at most.
    """
    to_fix = status == TO_FIX
    return _services.billing.store.files(
        ending=ending,
        dataset=dataset,
        status="" if to_fix else status,
        to_fix=to_fix,
        limit=limit,
    )


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def list_totals(
    _services: Services, _deployment: str, by: Dimension, month: str
) -> list[dict[str, Any]]:
    """The sums of loaded bills by a dimension and currency; of all months where none is given."""
    return _services.billing.totals(by, month)


def state(name: str, entry: FileEntry | None) -> str:
    """A file's status, counts and error on one line, in Markdown."""
    if entry is None:
        return f"{ui.badge(FileStatus.RECEIVED)} **{ui.escaped(name)}**"
    tally = entry.tally
    counts = ""
    if tally.read:
        loaded = tally.inserted + tally.updated + tally.unchanged
        counts = (
            f" {ui.counted(tally.read, 'row')} read, {loaded:,} loaded,"
            f" {tally.quarantined:,} quarantined"
        )
    return f"{ui.badge(entry.status)} **{ui.escaped(name)}**{counts} {ui.escaped(entry.error)}"
