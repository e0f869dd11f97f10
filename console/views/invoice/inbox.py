"""The inbox: what waits for this person's review, oldest first, and the keys to get through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import streamlit as st

from console import cards, components, presses, ui
from console.identity import Role, User
from console.services import Services
from finops.invoices.domain import InvoiceRecord
from finops.invoices.inbox import fields_to_check, own_part, waiting

#: So many are looked at; more are counted only.
MOST: Final = 200
_SHOWN: Final = 4
_RUNS: Final = "inbox_runs"
_HELP: Final = """
| key | what it does |
| --- | --- |
| `j`, `k` | next, previous invoice |
| `a` | approve, and go to the next |
| `r` | to the reason, which a rejection needs |
| `?` | this list |
| `Esc` | leave a field; keys work outside of fields only |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What waits for one person.

    Attributes:
        mine: What they may decide about, in the order of the inbox.
        others: How many wait for somebody else, because the person submitted or corrected them.
        more: Whether more wait than were looked at.
    """

    mine: Sequence[InvoiceRecord]
    others: int
    more: bool

    def around(
        self, record: InvoiceRecord
    ) -> tuple[Sequence[InvoiceRecord], Sequence[InvoiceRecord]]:
        """The invoices before and after another one, which need not be in the inbox."""

        def place(one: InvoiceRecord) -> tuple[Any, str]:
            return one.received_at, one.id

        return (
            [one for one in self.mine if place(one) < place(record)],
            [one for one in self.mine if place(one) > place(record)],
        )

    @property
    def count(self) -> str:
        """How many wait for this person, in words."""
        number = f"{len(self.mine)} or more" if self.more else f"{len(self.mine) or 'Nothing'}"
        waits = "wait" if self.more or len(self.mine) > 1 else "waits"
        return f"{number} {waits} for your review"


@st.cache_data(ttl=5, max_entries=20, show_spinner=False)
def _waiting(_services: Services, _deployment: str) -> list[InvoiceRecord]:
    return list(islice(_services.invoices.waiting(), MOST + 1))


def forget() -> None:
    """Read the inbox anew: something in it was decided."""
    _waiting.clear()


def of(services: Services, user: User) -> Inbox:
    """This person's inbox."""
    found = _waiting(services, services.environment.name)
    against = own_part(services.review_desk.separation_of_duties, user.identity)
    mine = [one for one in found[:MOST] if not (user.may(Role.APPROVER) and against(one))]
    return Inbox(mine=mine, others=min(len(found), MOST) - len(mine), more=len(found) > MOST)


def after(services: Services, user: User, decided: InvoiceRecord) -> InvoiceRecord | None:
    """Where to go once an invoice is decided: to the next one that still waits, else the oldest.

    The index that the inbox is read from may be a moment late.
    """
    earlier, later = of(services, user).around(decided)
    now = (services.invoices.store.find(one.id) for one in (*later, *earlier))
    return next(waiting(now), None)


def open_invoice(record: InvoiceRecord | None) -> None:
    """Show another invoice on this page; without one, what the inbox says when it is empty."""
    if record:
        st.query_params["id"] = record.id
    else:
        st.query_params.clear()
    st.rerun()


def show(inbox: Inbox, record: InvoiceRecord | None) -> None:
    """Draw how many wait, the way from one to the next, and the list."""
    others = f" · {inbox.others} for somebody else" if inbox.others else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{inbox.count}**{others}", width="content")
        if record:
            earlier, later = inbox.around(record)
            _step("Previous", "inbox-previous", ":material/arrow_upward:", earlier[-1:])
            _step("Next", "inbox-next", ":material/arrow_downward:", later[:1])
        with st.popover("Keys", icon=":material/keyboard:", key="inbox-help"):
            st.markdown(_HELP)
    if inbox.mine:
        (_choice if cards.is_narrow() else _list)(inbox.mine, record)


def _step(label: str, key: str, icon: str, target: Sequence[InvoiceRecord]) -> None:
    if presses.button(label, key=key, icon=icon, disabled=not target):
        open_invoice(target[0])


def _choice(mine: Sequence[InvoiceRecord], record: InvoiceRecord | None) -> None:
    """The list on a phone, whose decisions are to be seen without scrolling."""

    def title(number: int) -> str:
        row = _row(mine[number], record)
        facts = row["vendor"] or row["file"], ui.amount(row["total"], row["currency"])
        # The browser answers with this text: the number tells invoices that are alike apart.
        return f"{number + 1}. " + " · ".join(filter(None, facts))

    here = next((at for at, one in enumerate(mine) if record and one.id == record.id), None)
    chosen = st.selectbox(
        "Waiting, oldest first",
        range(len(mine)),
        index=here,
        key=_list_key("choice", mine, record),
        format_func=title,
        placeholder="Open one",
    )
    if chosen is not None and chosen != here:
        open_invoice(mine[chosen])


def _list_key(name: str, mine: Sequence[InvoiceRecord], record: InvoiceRecord | None) -> str:
    """Another one for each invoice and list: a choice goes to the row that was seen."""
    return f"inbox-{name}-{hash((record.id if record else '', *(one.id for one in mine)))}"


def _list(mine: Sequence[InvoiceRecord], record: InvoiceRecord | None) -> None:
    event = st.dataframe(
        ui.money_table([_row(one, record) for one in mine], ("total",)),
        hide_index=True,
        height=ui.height(len(mine), most=_SHOWN),
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key=_list_key("list", mine, record),
        alt="Invoices that wait for your review, oldest first",
        column_config={
            "here": st.column_config.TextColumn("Open", width=50),
            "received": st.column_config.DatetimeColumn(
                "Received (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC", width=150
            ),
            "vendor": st.column_config.TextColumn("Vendor", width="medium"),
            "file": st.column_config.TextColumn("File", width="medium"),
            "total": ui.money_column("Total", width="small"),
            "currency": st.column_config.TextColumn("Currency", width=80),
            "check": st.column_config.TextColumn("To check", width="medium"),
        },
    )
    for number in event["selection"]["rows"]:
        if number < len(mine) and (record is None or mine[number].id != record.id):
            open_invoice(mine[number])


def _row(one: InvoiceRecord, record: InvoiceRecord | None) -> dict[str, Any]:
    read = one.invoice
    doubtful = [ui.words(field.name) for field in fields_to_check(one) if field.is_doubtful]
    return {
        "here": "▸" if record and one.id == record.id else "",
        "received": one.received_at,
        "vendor": read.text("vendor") if read else "",
        "file": one.file,
        "total": (read.text("total") or None) if read else None,
        "currency": read.text("currency") if read else "",
        "check": ", ".join(doubtful) or "; ".join(issue.message for issue in one.issues),
    }


def keys(record: InvoiceRecord) -> None:
    """Let keys work, and start in the first field to check. Draw it last."""
    run = st.session_state[_RUNS] = st.session_state.get(_RUNS, 0) + 1
    first = next((one for one in fields_to_check(record) if one.is_doubtful), None)
    components.keys(
        "inbox-keys",
        {
            "j": "inbox-next",
            "k": "inbox-previous",
            "a": form_key(record, "approve-next"),
            "r": form_key(record, "reason"),
            "?": "inbox-help",
        },
        start=form_key(record, first.name) if first else "",
        once=f"{record.id}/{len(record.reviews)}",
        run=run,
    )


def form_key(record: InvoiceRecord, name: str) -> str:
    """The key of a part of the form of a review.

    Each review of each invoice has its own: a value that was typed, or a second click, never counts
    for another invoice.
    """
    return f"review-{name}-{record.id}-{len(record.reviews)}"
