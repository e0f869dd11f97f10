"""Billing: files dropped and followed, rows that were not loaded, and what it all adds up to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pandas as pd
import streamlit as st

from console import components, ui
from console.identity import Role, User
from console.services import Services
from finops.billing.database import Dimension
from finops.billing.domain import BILLING_PREFIX, RATES_PREFIX, FileStatus
from finops.billing.ports import FileEntry
from finops.deployment.descriptions import file_document
from finops.deployment.uploads import LARGEST_FORM
from finops.shared.errors import RejectedInput
from finops.shared.periods import last_months
from finops.shared.spreadsheets import guard

KINDS: Final = ("csv", "txt", "tsv", "gz")
COUNTS: Final = ("read", "inserted", "updated", "unchanged", "quarantined")
#: Bad rows that are shown; all of them are in the download.
SHOWN_ROWS: Final = 500
_TRACKED: Final = "tracked_billing_files"
_FILES, _TOTALS = "Files", "Totals"


def show(services: Services, user: User) -> None:
    """The page."""
    st.title("Billing")
    with ui.failures("The billing files cannot be read"):
        if user.may(Role.EDITOR):
            _drop(services, user)
            _follow(services)
        part = st.segmented_control(
            "Show",
            [_FILES, _TOTALS],
            default=_FILES,
            required=True,
            key="billing_part",
            label_visibility="collapsed",
        )
        if part == _TOTALS:
            _totals(services)
        else:
            _files(services, user)


def _drop(services: Services, user: User) -> None:
    kind, dataset = st.columns([2, 3], vertical_alignment="bottom")
    what = kind.segmented_control(
        "What is dropped", ["Bills", "Exchange rates"], default="Bills", required=True
    )
    folder = ""
    if what == "Bills":
        folder = dataset.text_input(
            "Dataset",
            placeholder="Each file's own name",
            max_chars=128,
            help="What the record ids are unique in. A corrected file goes into the dataset of "
            "the file that it corrects.",
        ).strip("/ ")
    prefix = RATES_PREFIX
    if what == "Bills":
        prefix = f"{BILLING_PREFIX}{folder}/" if folder else BILLING_PREFIX
    receive(
        services,
        user,
        "upload-billing",
        prefix,
        label=f"Drop {what.lower()} here, or choose files",
        hint="CSV, also compressed as .gz. They go from your browser straight to S3"
        + (f", into the dataset {folder}." if folder else "."),
    )


@st.fragment(run_every="10m")  # a form is good for a quarter of an hour
def receive(
    services: Services, user: User, key: str, prefix: str, *, label: str, hint: str
) -> None:
    """Take files below this prefix, and follow them from then on."""
    ended = components.upload(
        key,
        services.billing.upload_form(prefix),
        prefix=prefix,
        kinds=KINDS,
        largest=LARGEST_FORM,
        label=label,
        hint=hint,
    )
    if not ended:
        return
    tracked: dict[str, str] = st.session_state.setdefault(_TRACKED, {})
    for one in ended:
        # The dataset may have been changed while the file was on its way.
        if one.error or not one.key.startswith((BILLING_PREFIX, RATES_PREFIX)):
            continue
        source = services.billing.source(one.key, one.version_id)
        tracked[source.file_id] = one.name
        services.record(
            user,
            "billing_file.dropped",
            f"s3://{source.bucket}/{source.key}",
            version=source.file_id,
            bytes=source.size,
        )
    listed.clear()
    st.rerun()


def _follow(services: Services) -> None:
    """Show what becomes of this session's files, until each has ended."""
    tracked: dict[str, str] = st.session_state.get(_TRACKED, {})
    if not tracked:
        return
    store = services.billing.store
    open_ = not all(rests(store.by_file_id(one)) for one in tracked)

    @st.fragment(run_every=1.0 if open_ else None)
    def progress() -> None:
        known = {one: store.by_file_id(one) for one in tracked}
        done = sum(rests(one) for one in known.values())
        with st.container(border=True):
            st.markdown(f"**Your files**: {done} of {len(tracked)} loaded or refused")
            st.progress(done / len(tracked))
            for one, name in tracked.items():
                st.markdown(_state(name, known[one]))
        if open_ and done == len(tracked):
            listed.clear()
            added_up.clear()
            st.rerun()

    progress()
    if not open_ and st.button("Clear this list", type="tertiary", icon=":material/done_all:"):
        del st.session_state[_TRACKED]
        st.rerun()


def rests(entry: FileEntry | None) -> bool:
    """Whether nothing more happens to it by itself."""
    return entry is not None and (entry.status.is_final or entry.status is FileStatus.FAILED)


def _state(name: str, entry: FileEntry | None) -> str:
    if entry is None:
        return f"{ui.badge(FileStatus.RECEIVED)} **{ui.plain(name)}**"
    tally = entry.tally
    counts = ""
    if tally.read:
        loaded = tally.inserted + tally.updated + tally.unchanged
        counts = f" {tally.read:,} rows read, {loaded:,} loaded, {tally.quarantined:,} refused"
    return f"{ui.badge(entry.status)} **{ui.plain(name)}**{counts} {ui.plain(entry.error)}"


@st.cache_data(ttl=5, max_entries=100, show_spinner=False)
def listed(
    _services: Services, _deployment: str, ending: str, dataset: str, status: str, limit: int
) -> list[FileEntry]:
    """The newest files of the ledger."""
    return _services.billing.store.files(ending=ending, dataset=dataset, status=status, limit=limit)


def _files(services: Services, user: User) -> None:
    name, dataset, status = st.columns([3, 2, 2])
    ending = name.text_input("File", placeholder="Its name ends so", icon=":material/search:")
    of = dataset.text_input("Of dataset", placeholder="Any")
    wanted = status.selectbox(
        "Status",
        ["", *(one.value for one in FileStatus)],
        key="file_status",
        bind="query-params",
        format_func=lambda one: ui.words(one) if one else "Any",
    )
    with st.skeleton(height=300):
        found = listed(services, services.environment.name, ending.strip(), of.strip(), wanted, 200)
    if not found:
        ui.empty("No file is like that." if ending or of or wanted else "No file was dropped yet.")
        return
    event = st.dataframe(
        [_row(one) for one in found],
        hide_index=True,
        height=ui.height(len(found), 10),
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key="billing_grid",
        alt="Billing files: status, file, dataset, rows by what became of them, and USD",
        column_config={
            "status": ui.status_column(list(FileStatus)),
            "file": st.column_config.TextColumn("File", width="medium"),
            "dataset": "Dataset",
            **{
                one: st.column_config.NumberColumn(
                    f"Rows {one}" if one == "read" else one.capitalize(), format="localized"
                )
                for one in COUNTS
            },
            "usd": st.column_config.NumberColumn("Loaded (USD)", format="dollar"),
            "received": st.column_config.DatetimeColumn(
                "Received (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "error": st.column_config.TextColumn("What is wrong", width="large"),
        },
    )
    chosen = [found[number] for number in event["selection"]["rows"] if number < len(found)]
    if chosen:
        _file(services, user, services.billing.store.find(chosen[0].load_id))
    else:
        st.caption("Choose a file by the box at its left to see the rows that were refused.")


def _row(entry: FileEntry) -> dict[str, Any]:
    return {
        "status": [ui.words(entry.status)],
        "file": entry.source.key.removeprefix(BILLING_PREFIX),
        "dataset": entry.dataset,
        **{one: getattr(entry.tally, one) for one in COUNTS},
        "usd": None if entry.amount_usd is None else float(entry.amount_usd),
        "received": entry.received_at,
        "error": entry.error,
    }


def _file(services: Services, user: User, entry: FileEntry) -> None:
    st.subheader(entry.source.key.rpartition("/")[2])
    shown = file_document(entry)
    amounts = " · ".join(ui.amount(one, code) for code, one in shown["amounts"].items())
    st.markdown(f"{_state(entry.source.key, entry)}  \n{amounts}")
    if entry.status is FileStatus.FAILED and user.may(Role.EDITOR):
        _retry(services, user, entry)
    if not entry.tally.quarantined:
        return
    with ui.failures("The refused rows cannot be read"):
        rows = list(islice(services.billing.quarantined(entry), SHOWN_ROWS + 1))
        st.markdown(f"**{entry.tally.quarantined:,} rows were refused**")
        st.dataframe(
            rows[:SHOWN_ROWS],
            hide_index=True,
            placeholder="",
            height=ui.height(len(rows), 8),
            alt="Rows that were refused: line, why, field, value and the row itself",
            column_order=("line", "message", "field", "value", "raw"),
            column_config={
                "line": st.column_config.NumberColumn("Line", width=70, format="localized"),
                "message": st.column_config.TextColumn("Why", width="large"),
                "field": "Field",
                "value": "Value",
                "raw": st.column_config.TextColumn("The row", width="large"),
            },
        )
        if len(rows) > SHOWN_ROWS:
            st.caption(f"The first {SHOWN_ROWS} are shown; the downloads hold all.")
        _mend(services, user, entry)


def _mend(services: Services, user: User, entry: FileEntry) -> None:
    stem = entry.source.key.rpartition("/")[2].split(".")[0]
    with st.container(horizontal=True):
        st.download_button(
            "Rows to mend",
            data=lambda: services.billing.mendable(entry),
            file_name=f"{stem}-mended.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="The refused rows as they are, below the file's header.",
        )
        st.download_button(
            "Rows with reasons",
            data=lambda: with_reasons(services, entry),
            file_name=f"{stem}-refused.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    if user.may(Role.EDITOR):
        receive(
            services,
            user,
            f"mend-{entry.load_id}",
            f"{BILLING_PREFIX}{entry.dataset}/",
            label="Drop the mended rows here",
            hint=f"They go into the dataset {entry.dataset}, beside the rows that were loaded.",
        )


def with_reasons(services: Services, entry: FileEntry) -> bytes:
    """The refused rows with why, for spreadsheets."""
    text = io.StringIO(newline="")
    columns = ("line", "reason", "field", "value", "message", "raw")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in services.billing.quarantined(entry):
        writer.writerow([row["line"], *(guard(str(row[name])) for name in columns[1:])])
    return text.getvalue().encode("utf-8-sig")


def _retry(services: Services, user: User, entry: FileEntry) -> None:
    if not st.button("Load it again", icon=":material/replay:"):
        return
    if entry.status.is_final:
        raise RejectedInput("nothing is left to do", code="ended")
    services.billing.store.mark(entry.load_id, FileStatus.RECEIVED)
    services.billing.deliver_again(entry)
    services.record(user, "billing_file.retried", str(entry.load_id))
    st.session_state.setdefault(_TRACKED, {})[entry.source.file_id] = entry.source.key
    listed.clear()
    st.rerun()


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def added_up(
    _services: Services, _deployment: str, by: Dimension, month: str
) -> list[dict[str, Any]]:
    """What the loaded bills add up to."""
    return _services.billing.store.totals(by, month)


def _totals(services: Services) -> None:
    left, right = st.columns([3, 1.4], vertical_alignment="bottom")
    by = left.segmented_control(
        "By",
        list(Dimension),
        default=Dimension.MONTH,
        required=True,
        format_func=ui.words,
        key="totals_by",
    )
    month = right.selectbox(
        "Month",
        ["", *last_months(datetime.now(UTC), 24)],
        format_func=lambda one: one or "All months",
        key="totals_month",
    )
    dimension = Dimension(by or Dimension.MONTH)
    with st.skeleton(height=360):
        found = added_up(services, services.environment.name, dimension, month)
    if not found:
        ui.empty("No bills are loaded" + (f" for {month}." if month else " yet."))
        return
    total = sum((Decimal(one["amount_usd"]) for one in found), Decimal(0))
    bills = sum(one["bills"] for one in found)
    st.markdown(f"**{ui.amount(f'{total:.2f}', 'USD')}** in {bills:,} bills")
    _chart(found, dimension)
    rows = [
        {
            **one,
            "name": one["name"] or "not named",
            "amount_usd": ui.amount(f"{Decimal(one['amount_usd']):.2f}"),
        }
        for one in found
    ]
    st.dataframe(
        ui.money_table(rows, ("amount",)),
        hide_index=True,
        height=ui.height(len(rows), 12),
        placeholder="",
        alt=f"Bills by {ui.words(dimension).lower()} and currency",
        column_order=("name", "currency", "bills", "amount", "amount_usd"),
        column_config={
            "name": ui.words(dimension),
            "currency": "Currency",
            "bills": st.column_config.NumberColumn("Bills", format="localized"),
            "amount": ui.money_column("Amount"),
            "amount_usd": st.column_config.TextColumn("USD", alignment="right"),
        },
    )


def _chart(found: Sequence[dict[str, Any]], dimension: Dimension) -> None:
    frame = pd.DataFrame(
        {
            "name": [one["name"] or "not named" for one in found],
            "usd": [float(one["amount_usd"]) for one in found],
        }
    )
    summed = frame.groupby("name", as_index=False)["usd"].sum()
    by_month = dimension is Dimension.MONTH
    summed = summed.sort_values("name") if by_month else summed.nlargest(15, "usd")
    st.bar_chart(
        summed,
        x="name",
        y="usd",
        x_label=ui.words(dimension),
        y_label="USD",
        horizontal=not by_month,
        sort=True if by_month else "-usd",
        height=320,
    )
