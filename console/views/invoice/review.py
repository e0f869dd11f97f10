"""The review of an invoice: corrections, approval, rejection, and the retry of a failed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.invoice import facts, inbox
from console.views.invoice.decisions import desk, record_decision
from console.views.invoice.inbox import form_key
from finops.invoices.domain import Invoice, InvoiceKind, InvoiceRecord
from finops.invoices.inbox import FieldToCheck, fields_to_check
from finops.invoices.second_decision import already_decided, intended
from finops.shared.errors import FinOpsError


def show(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the review form; to those who may not edit, the values only."""
    if record.invoice is None:
        return
    if not user.may(Role.EDITOR):
        st.info("This invoice waits for an editor or approver.", icon=":material/lock:")
        facts.fields(record)
        return
    st.header("Review")
    obstacle = _obstacle(services, user, record)
    # What is typed is kept while nobody decides: a reminder changes the record, and no review.
    # Enter in a field approves nothing.
    with st.form(form_key(record, "form"), enter_to_submit=False):
        pressed = _buttons(record, obstacle)
        reason = st.text_input(
            "Reason",
            key=form_key(record, "reason"),
            help="Stored with the decision. A rejection needs one.",
        )
        kind, typed = _inputs(record, record.invoice)
    if not pressed:
        return
    reject = pressed == "reject"
    corrections = {
        name: value.strip()
        for name, value in typed.items()
        if value.strip() != record.invoice.text(name)
    }
    if kind != record.invoice.kind:
        corrections["kind"] = kind
    decide(
        services,
        user,
        record,
        corrections={} if reject else corrections,
        approve=pressed in {"approve", "approve-next"},
        reject=reject,
        reason=reason,
        and_next=pressed in {"approve-next", "reject"},
    )


def _obstacle(services: Services, user: User, record: InvoiceRecord) -> str:
    """Why this person cannot approve the invoice; empty if they can."""
    if not user.may(Role.APPROVER):
        return "You can correct values. Only an approver can approve or reject."
    if reason := desk(services, user).obstacle(record, user.identity):
        return f"You cannot approve it: {reason}."
    return ""


def _buttons(record: InvoiceRecord, obstacle: str) -> str:
    """Draw the decisions, above the fields: on a phone nobody scrolls to them."""
    may_reject = not obstacle.startswith("You can correct")
    buttons = (
        ("approve-next", "Approve and next", "primary", ":material/done_all:", bool(obstacle)),
        ("approve", "Approve", "secondary", ":material/check:", bool(obstacle)),
        ("correct", "Save corrections", "secondary", ":material/edit:", False),
        ("reject", "Reject", "secondary", ":material/close:", not may_reject),
    )
    pressed = ""
    with st.container(horizontal=True):
        for name, label, kind, icon, disabled in buttons:
            if presses.submit(
                label,
                key=form_key(record, name),
                type=cast("Literal['primary', 'secondary']", kind),
                icon=icon,
                disabled=disabled,
                note=(record.id, len(record.reviews), name),
            ):
                pressed = name
    if obstacle:
        st.caption(f":material/lock: {ui.escaped(obstacle)}")
    return pressed


def tell_if_late(record: InvoiceRecord) -> None:
    """Say that somebody else came first, where the form that was pressed is there no more."""
    identifier, seen, pressed = presses.unanswered() or ("", 0, "")
    if identifier == record.id and len(record.reviews) > seen:
        presses.forget()
        asked = intended(approve=pressed.startswith("approve"), reject=pressed == "reject")
        ui.show_failure("The decision was not saved", already_decided(record, asked))
        inbox.forget()
        ui.link("Invoice", "Go on with what waits")


def _inputs(record: InvoiceRecord, invoice: Invoice) -> tuple[str, dict[str, str]]:
    """Draw the fields, doubtful ones first; returns the kind and the values as they are typed."""
    found = fields_to_check(record)
    typed = {one.name: _input(record, one) for one in found if one.is_doubtful or one.is_required}
    kind = st.selectbox(
        "Kind · check" if invoice.kind_doubt else "Kind",
        [one.value for one in InvoiceKind],
        index=list(InvoiceKind).index(invoice.kind),
        format_func=lambda value: ui.words(value.lower()),
        key=form_key(record, "kind"),
        help=ui.escaped(invoice.kind_doubt) or None,
    )
    further = [one for one in found if one.name not in typed]
    if further:
        with st.expander(f"Further fields ({len(further)})"):
            typed |= {one.name: _input(record, one) for one in further}
    return kind, typed


def _input(record: InvoiceRecord, one: FieldToCheck) -> str:
    found = one.reading
    confidence = f"{found.confidence:.0f} %" if found else "not found"
    value = st.text_input(
        f"{ui.words(one.name)} · {confidence}{' · check' if one.is_doubtful else ''}",
        value=found.value if found else "",
        key=form_key(record, one.name),
        placeholder="2026-03-31" if one.name.endswith("date") else None,
    )
    for doubt in one.doubts:
        st.markdown(f":material/visibility: {ui.escaped(doubt)}")
    if found:
        st.caption(f"In the document: {ui.escaped(one.evidence)}")
    return value


def decide(
    services: Services,
    user: User,
    record: InvoiceRecord,
    *,
    corrections: Mapping[str, str],
    approve: bool,
    reject: bool,
    reason: str,
    and_next: bool = False,
) -> None:
    """Hand the decision to the workflow, record it in the audit trail, and draw the page again.

    With `and_next` the page is that of the next invoice of the inbox.
    """
    # The buttons are disabled for others, but a browser can send what it likes.
    if not user.may(Role.APPROVER if approve or reject else Role.EDITOR):
        st.error("Your role does not allow that.", icon=":material/lock:")
        return
    try:
        decided = desk(services, user).decide(
            record.id,
            user.identity,
            corrections=corrections,
            approve=approve,
            reject=reject,
            reason=reason,
            seen=len(record.reviews),
        )
    except FinOpsError as error:
        ui.show_failure("The decision was not saved", error)
        return
    _tell(services, user, decided, and_next=and_next)


def _tell(
    services: Services, user: User, decided: InvoiceRecord, *, and_next: bool = False
) -> None:
    """Record the last decision in the audit trail, and draw the page again, or the next one."""
    inbox.forget()
    record_decision(services, user, decided)
    ui.flash(f"{ui.escaped(decided.file)}: {ui.words(decided.reviews[-1].decision.lower())}")
    if and_next:
        inbox.open_invoice(inbox.after(services, user, decided))
    st.rerun()


def not_duplicate(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the form by which an approver says that a duplicate is an invoice of its own."""
    if not user.may(Role.APPROVER):
        return
    with st.form(f"not-duplicate-{record.id}-{record.revision}"):
        reason = st.text_input("Reason", help="Stored with the decision; it needs one.")
        pressed = presses.submit("Not a duplicate", icon=":material/difference:")
    if not pressed:
        return
    try:
        decided = desk(services, user).not_a_duplicate(
            record.id, user.identity, reason=reason, seen=len(record.reviews)
        )
    except FinOpsError as error:
        ui.show_failure("The decision was not saved", error)
        return
    _tell(services, user, decided)


def retry(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the button that runs a failed workflow again from the step that failed."""
    if user.may(Role.EDITOR) and presses.button("Retry the failed step", icon=":material/replay:"):
        with ui.failures("The step cannot be retried"):
            services.invoices.workflow.redrive(record.execution_name)
            services.record(
                user, "invoice.retried", record.id, version=f"{record.id}/{record.revision}"
            )
            st.rerun()
