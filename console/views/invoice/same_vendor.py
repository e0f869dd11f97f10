"""Several invoices of one vendor, approved at once by a person who ticks each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.invoice.decisions import desk, record_decision
from console.views.invoice.inbox import Inbox, forget, form_key
from finops.invoices.domain import InvoiceRecord
from finops.shared.errors import FinOpsError


def others_of(inbox: Inbox, record: InvoiceRecord) -> list[InvoiceRecord]:
    """The other invoices of the inbox that are of the same vendor, by its id, else by its name."""
    vendor = _vendor(record)
    return [one for one in inbox.mine if vendor and one.id != record.id and _vendor(one) == vendor]


def _vendor(record: InvoiceRecord) -> str:
    name = record.invoice.text("vendor") if record.invoice else ""
    return record.vendor_id or " ".join(name.casefold().split())


def show(services: Services, user: User, inbox: Inbox, record: InvoiceRecord) -> None:
    """Draw the others of the vendor, and the button that approves those that are ticked."""
    others = others_of(inbox, record) if user.may(Role.APPROVER) else []
    if not others:
        return
    with st.expander(f"{len(others)} more of this vendor"):
        chosen = _chosen(record, others)
        reason = st.text_input(
            "Common reason",
            key=form_key(record, "vendor-reason"),
            help="Stored with each decision.",
        )
        label = f"Approve {ui.counted(len(chosen), 'ticked invoice')}"
        if presses.button(
            label,
            key=form_key(record, "vendor-approve"),
            icon=":material/done_all:",
            disabled=not chosen,
            help="Each is checked as if it were approved by itself.",
        ):
            problems = approve(services, user, chosen, reason)
            done = len(chosen) - len(problems)
            forget()
            if done:
                ui.flash(f"{ui.counted(done, 'invoice')} approved")
            st.session_state["same_vendor_problems"] = problems
            st.rerun()
    for file, problem in st.session_state.pop("same_vendor_problems", ()):
        ui.show_failure(f"{file} was not approved", problem)


def approve(
    services: Services, user: User, chosen: Sequence[InvoiceRecord], reason: str
) -> list[tuple[str, FinOpsError]]:
    """Approve each as it was shown. Returns the file and the reason of those that were refused."""
    problems = []
    for one in chosen:
        try:
            decided = desk(services, user).decide(
                one.id,
                user.identity,
                corrections={},
                approve=True,
                reject=False,
                reason=reason,
                seen=len(one.reviews),
            )
        except FinOpsError as error:
            problems.append((one.file, error))
        else:
            record_decision(services, user, decided)
    return problems


def _chosen(record: InvoiceRecord, others: Sequence[InvoiceRecord]) -> list[InvoiceRecord]:
    chosen = ui.ticked(
        ui.money_table([_row(one) for one in others], ("total",)),
        [one.id for one in others],
        height=ui.height(len(others), most=8),
        key=f"same-vendor-{record.id}",
        alt="Other invoices of this vendor that wait for your review",
        column_config={
            "file": st.column_config.TextColumn("File", width="medium"),
            "number": "Invoice no.",
            "date": st.column_config.DateColumn("Date", format="YYYY-MM-DD"),
            "total": ui.money_column("Total", width="small"),
            "currency": st.column_config.TextColumn("Currency", width=80),
            "check": st.column_config.TextColumn("Why it waits", width="large"),
        },
    )
    return [others[number] for number in chosen]


def _row(one: InvoiceRecord) -> dict[str, Any]:
    read = one.invoice
    return {
        "file": one.file,
        "number": read.text("invoice_number") if read else "",
        "date": ui.day(read.text("invoice_date") or None) if read else None,
        "total": (read.text("total") or None) if read else None,
        "currency": read.text("currency") if read else "",
        "check": "; ".join(issue.message for issue in one.issues),
    }
