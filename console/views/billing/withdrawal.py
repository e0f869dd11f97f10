"""Taking the rows of a loaded file back, and moving a file to another dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.billing import uploads
from console.views.billing.listing import list_files, list_totals
from finops.billing.domain import LOADED, RATES_PREFIX, FileEntry, FileStatus
from finops.shared.errors import RejectedInput

_TOLD: Final = "told_of_withdrawals"
_LONGEST_REASON: Final = 500


def show(services: Services, user: User, entry: FileEntry) -> None:
    """Draw the buttons, and what the last withdrawal of this file left to do."""
    for text in st.session_state.get(_TOLD, {}).get(entry.source.key, ()):
        st.warning(text, icon=":material/info:")
    counts = entry.status in LOADED
    # What was cut off is done again: a move after its first half, a withdrawal that left rows.
    if entry.source.key.startswith(RATES_PREFIX) or not (
        counts or entry.status is FileStatus.WITHDRAWN
    ):
        return
    may = user.may(Role.APPROVER)
    why_not = "" if may else "Only an approver can withdraw or move a file."
    with st.container(horizontal=True):
        for name, title, icon in (
            ("withdraw", "Withdraw", ":material/undo:"),
            ("move", "Move to another dataset", ":material/sync_alt:"),
        ):
            if name == "withdraw" and not (counts or services.billing.held(entry).rows):
                continue
            # The key names the file: a press never counts for one that took its place in the list.
            key = f"{name}-{entry.load_id}"
            if presses.button(title, icon=icon, disabled=not may, help=why_not or None, key=key):
                st.dialog(title)(ask)(services, user, entry, moves=name == "move")


def ask(services: Services, user: User, entry: FileEntry, *, moves: bool) -> None:
    """Draw what would happen, and ask for the reason; the button does it."""
    services.require(user)
    st.markdown(f"**{ui.escaped(entry.source.key)}**")
    with ui.failures("What the file holds cannot be read"):
        _preview(services, entry)
    dataset = st.text_input("To the dataset", max_chars=128).strip() if moves else ""
    reason = st.text_input(
        "Reason",
        max_chars=_LONGEST_REASON,
        help="It is kept with your name and the time, in the ledger and in the audit trail.",
    ).strip()
    is_ready = bool(reason and (dataset or not moves))
    label = "Move it" if moves else "Withdraw it"
    if presses.button(label, type="primary", disabled=not is_ready, key=f"{label}-{entry.load_id}"):
        with ui.failures(f"The file was not {'moved' if moves else 'withdrawn'}"):
            take_back(services, user, entry, reason=reason, dataset=dataset)
            st.rerun()


def _preview(services: Services, entry: FileEntry) -> None:
    held = services.billing.held(entry)
    amounts = ", ".join(ui.amount(one, currency) for currency, one in held.amounts.items())
    if held.rows:
        st.markdown(
            f"{ui.counted(held.rows, 'row')} of it will not count any more: "
            f"{ui.escaped(amounts)}, which is {ui.escaped(ui.amount(held.amount_usd, 'USD'))}."
        )
    else:
        st.markdown("No row of it counts.")
    if held.kept:
        st.markdown(
            f"{ui.counted(held.kept, 'row')} will stay, because another loaded file holds them too."
        )
    st.caption("This is of all its versions. The file itself stays in the bucket.")


def take_back(
    services: Services, user: User, entry: FileEntry, *, reason: str, dataset: str = ""
) -> None:
    """Withdraw a file, or move it to a dataset, in this person's name.

    Raises:
        RejectedInput: The role may not, or the flow refuses it.
    """
    if not user.may(Role.APPROVER):
        raise RejectedInput("your role cannot withdraw files", code="not_allowed")
    done = services.billing.take_back(
        entry, requested_by=user.identity, reason=reason, dataset=dataset
    )
    facts = {name: done[name] for name in ("rows_removed", "rows_kept")}
    facts |= {"load_id": entry.load_id, "reason": reason}
    if dataset:
        for name, file_id in done["copies"].items():
            uploads.track_copy(file_id, name)
        services.record(user, "billing_file.moved", entry.source.uri, moved_to=done["key"], **facts)
    else:
        services.record(user, "billing_file.withdrawn", entry.source.uri, **facts)
    list_files.clear()
    list_totals.clear()
    st.session_state.setdefault(_TOLD, {})[entry.source.key] = _told(done)
    name = ui.escaped(entry.source.key.rpartition("/")[2])
    ui.flash(f"{ui.counted(done['rows_removed'], 'row')} of {name} taken back")


def _told(done: Mapping[str, Any]) -> list[str]:
    """What is left to do, in words."""
    told = [
        f"It had replaced rows of {ui.escaped(one['file'])}, which do not count now. To have them "
        f"count again: `finops billing retry {int(one['load_id'])}`"
        for one in done["replaced"]
    ]
    if len(loads := done["versions"]) > 1:
        again = ", ".join(f"`finops billing retry {int(one)}`" for one in loads)
        told.append(
            f"{len(loads)} versions of the file counted. To load all of them again: {again}"
        )
    if done["also_in"]:
        files = ui.escaped(", ".join(done["also_in"]))
        told.append(f"These files may have held some of the rows too; drop them again: {files}")
    return told
