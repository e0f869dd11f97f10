"""One billing file: its state, its quarantined rows to download and fix, and the retry."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import streamlit as st

from console import cards, presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.billing import uploads, withdrawal
from console.views.billing.listing import list_files, state
from finops.billing.domain import (
    BILLING_PREFIX,
    CORRECTS,
    LEAVES_OUT,
    LOADED,
    FileEntry,
    FileStatus,
)
from finops.deployment.descriptions import file_document
from finops.shared.errors import RejectedInput
from finops.shared.spreadsheets import guard

#: Quarantined rows that are shown; the downloads hold all of them.
SHOWN_ROWS: Final = 500


def show(services: Services, user: User, entry: FileEntry) -> None:
    """Draw the file."""
    st.header(ui.escaped(entry.source.key.rpartition("/")[2]))
    document = file_document(entry)
    amounts = " · ".join(ui.amount(one, currency) for currency, one in document["amounts"].items())
    st.markdown(f"{state(entry.source.key, entry)}  \n{ui.escaped(amounts)}")
    for note in document["notes"]:
        st.caption(ui.escaped(note["message"]))
    if entry.status is FileStatus.FAILED and user.may(Role.EDITOR):
        _retry(services, user, entry)
    withdrawal.show(services, user, entry)
    _relations(services, entry)
    if not entry.tally.quarantined:
        return
    with ui.failures("The quarantined rows cannot be read"):
        rows = list(islice(services.billing.quarantined(entry), SHOWN_ROWS + 1))
        _quarantined(entry, rows)
        _downloads(services, entry)
        if user.may(Role.EDITOR):
            _fixed_rows(services, user, entry)


def _relations(services: Services, entry: FileEntry) -> None:
    """Say which file it corrects, and which files have brought its rows, corrected."""
    if entry.source.corrects:
        before = services.billing.store.by_file_id(entry.source.corrects)
        if before:
            st.markdown(f"It corrects {ui.escaped(before.source.key)}.")
    if entry.status is not FileStatus.LOADED_WITH_REJECTS:
        return
    for one in services.billing.store.corrections(entry):
        left = ", and leaves out the rest" if one.source.leaves_out else ""
        st.markdown(
            f":green[:material/check:] {ui.escaped(one.source.key)} brought "
            f"{ui.counted(one.tally.read, 'row')} of these, corrected{left}."
        )
    if not services.billing.store.is_to_fix(entry):
        st.success("Nothing of it is left to fix.", icon=":material/check_circle:")


def _fixed_rows(services: Services, user: User, entry: FileEntry) -> None:
    """Draw where quarantined rows are dropped once they are corrected."""
    if entry.status not in LOADED:
        return
    said = {CORRECTS: entry.source.file_id}
    if st.checkbox(
        "Rows that I have deleted are no bills",
        key=f"leaves-out-{entry.load_id}",
        help="Without this, the file waits to be fixed until as many rows have been dropped as "
        "are quarantined.",
    ):
        said[LEAVES_OUT] = "yes"
    uploads.receive(
        services,
        user,
        f"fixed-{entry.load_id}",
        f"{BILLING_PREFIX}{entry.dataset}/",
        label="Drop the fixed rows here",
        hint=f"They are added to the dataset {entry.dataset}, beside the rows that are "
        "loaded already.",
        said=said,
    )


def _retry(services: Services, user: User, entry: FileEntry) -> None:
    if not presses.button("Load it again", icon=":material/replay:"):
        return
    if entry.status.is_final:
        raise RejectedInput("the file has been processed already", code="ended")
    services.billing.deliver_again(entry)
    services.record(user, "billing_file.retried", str(entry.load_id))
    uploads.track_again(entry)
    list_files.clear()
    st.rerun()


def _quarantined(entry: FileEntry, rows: Sequence[Mapping[str, Any]]) -> None:
    st.markdown(f"**{ui.counted(entry.tally.quarantined, 'row')} quarantined**")
    if cards.is_narrow():
        titled = [{**one, "title": f"Line {one['line']}: {one['message']}"} for one in rows]
        labels = {"title": "", "field": "Column", "value": "Value", "raw": "Row"}
        cards.plain("quarantined", titled[:SHOWN_ROWS], labels)
    else:
        st.dataframe(
            rows[:SHOWN_ROWS],
            hide_index=True,
            placeholder="",
            height=ui.height(len(rows), 8),
            alt="Quarantined rows: line, reason, column, value and the row itself",
            column_order=("line", "message", "field", "value", "raw"),
            column_config={
                "line": st.column_config.NumberColumn("Line", width=70, format="localized"),
                "message": st.column_config.TextColumn("Reason", width="large"),
                "field": "Column",
                "value": "Value",
                "raw": st.column_config.TextColumn("Row", width="large"),
            },
        )
    if len(rows) > SHOWN_ROWS:
        st.caption(f"Only the first {SHOWN_ROWS} rows are shown. The downloads hold all of them.")


def _downloads(services: Services, entry: FileEntry) -> None:
    stem = entry.source.key.rpartition("/")[2].split(".")[0]
    with st.container(horizontal=True):
        st.download_button(
            "Rows to fix",
            data=lambda: services.billing.quarantined_csv(entry),
            file_name=f"{stem}-fixed.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="The quarantined rows as they are, with the file's header.",
        )
        st.download_button(
            "Rows with reasons",
            data=lambda: with_reasons(services, entry),
            file_name=f"{stem}-quarantined.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def with_reasons(services: Services, entry: FileEntry) -> bytes:
    """The quarantined rows and their reasons as CSV that a spreadsheet opens safely."""
    text = io.StringIO(newline="")
    columns = ("line", "reason", "field", "value", "message", "raw")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in services.billing.quarantined(entry):
        writer.writerow([row["line"], *(guard(str(row[name])) for name in columns[1:])])
    return text.getvalue().encode("utf-8-sig")
