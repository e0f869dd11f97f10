"""The table of billing files, and the file that is selected in it."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from console import cards, presses, ui
from console.identity import User
from console.services import Services
from console.views.billing import file
from console.views.billing.listing import TO_FIX, list_files, state
from finops.billing.domain import BILLING_PREFIX, FileEntry, FileStatus

COUNTS: Final = ("read", "inserted", "updated", "unchanged", "quarantined")
LIMIT: Final = 200
_OPENED: Final = "billing_opened"


def show(services: Services, user: User) -> None:
    """Draw the newest files that match the filters, and the selected one."""
    ending, dataset, status = _filters()
    with st.skeleton(height=300):
        found = list_files(services, services.environment.name, ending, dataset, status, LIMIT)
    if not found:
        filtered = ending or dataset or status
        ui.empty("No files match your filters." if filtered else "No files have been uploaded yet.")
        return
    if cards.is_narrow():
        _cards(services, user, found)
        return
    selected = _table(found)
    if selected:
        file.show(services, user, services.billing.store.find(selected.load_id))
    else:
        st.caption("Tick the box to the left of a file to see its quarantined rows.")


def _cards(services: Services, user: User, found: list[FileEntry]) -> None:
    """Draw the files as cards, or the one that was opened."""
    opened = st.session_state.get(_OPENED)
    if opened is None:
        cards.draw("billing", found, _card)
        return
    if presses.button("All files", icon=":material/arrow_back:"):
        del st.session_state[_OPENED]
        st.rerun()
    file.show(services, user, services.billing.store.find(opened))


def _card(entry: FileEntry) -> None:
    st.markdown(state(entry.source.key.removeprefix(BILLING_PREFIX), entry))
    loaded = None if entry.amount_usd is None else ui.amount(entry.amount_usd, "USD")
    st.caption(
        ui.escaped(" · ".join(filter(None, (entry.dataset, loaded, ui.moment(entry.received_at)))))
    )
    if presses.button("Open file", key=f"open-{entry.load_id}"):
        st.session_state[_OPENED] = entry.load_id
        st.rerun()


def _filters() -> tuple[str, str, str]:
    name, dataset, status = st.columns([3, 2, 2])
    ending = name.text_input("File name", placeholder="How the name ends", icon=":material/search:")
    wanted = dataset.text_input("Filter by dataset", placeholder="Any")
    with status:
        return (
            ending.strip(),
            wanted.strip(),
            ui.status_filter([TO_FIX, *FileStatus], "file_status"),
        )


def _table(found: list[FileEntry]) -> FileEntry | None:
    """Draw the files; returns the one that is selected."""
    column = st.column_config
    chosen = ui.ticked(
        [_row(one) for one in found],
        [one.load_id for one in found],
        height=ui.height(len(found), 10),
        key="billing_grid",
        mode="single-row",
        alt="Billing files: status, file, dataset, counts of rows, and USD",
        column_config={
            "status": ui.status_column(list(FileStatus)),
            "file": column.TextColumn("File", width="medium"),
            "dataset": "Dataset",
            **{
                one: column.NumberColumn(
                    f"Rows {one}" if one == "read" else one.capitalize(), format="localized"
                )
                for one in COUNTS
            },
            "usd": column.NumberColumn("Loaded (USD)", format="dollar"),
            "received": column.DatetimeColumn(
                "Received (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "error": column.TextColumn("Error", width="large"),
        },
    )
    return found[chosen[0]] if chosen else None


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
