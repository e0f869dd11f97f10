"""The review of an invoice: corrections, approval, rejection, and the retry of a failed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.invoice import facts
from finops.invoices.audit_events import review_facts
from finops.invoices.domain import FIELDS, REQUIRED, InvoiceKind, InvoiceRecord, Reading
from finops.invoices.review import ReviewDesk
from finops.shared.errors import FinOpsError


def show(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the review form; to those who may not edit, the values only."""
    if record.invoice is None:
        return
    if not user.may(Role.EDITOR):
        st.info("This invoice waits for an editor or approver.", icon=":material/lock:")
        facts.fields(record)
        return
    st.subheader("Review")
    is_approver = user.may(Role.APPROVER)
    with st.form(f"review-{record.id}-{record.revision}"):
        kind = st.selectbox(
            "Kind",
            [one.value for one in InvoiceKind],
            index=list(InvoiceKind).index(record.invoice.kind),
            format_func=lambda value: ui.words(value.lower()),
            help=ui.escaped(record.invoice.kind_doubt) or None,
        )
        typed = _inputs(record.invoice.readings)
        reason = st.text_input("Reason", help="Stored with the decision. A rejection needs one.")
        with st.container(horizontal=True):
            approve = st.form_submit_button(
                "Approve", type="primary", icon=":material/check:", disabled=not is_approver
            )
            correct = st.form_submit_button("Save corrections", icon=":material/edit:")
            reject = st.form_submit_button(
                "Reject", icon=":material/close:", disabled=not is_approver
            )
    if not is_approver:
        st.caption("You can correct values. Only an approver can approve or reject.")
    if not (approve or correct or reject):
        return
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
        approve=approve,
        reject=reject,
        reason=reason,
    )


def _inputs(readings: Mapping[str, Reading]) -> dict[str, str]:
    always = (*REQUIRED, "due_date", "subtotal", "tax")
    names = [name for name in FIELDS if name in always or name in readings]
    columns = st.columns(2)
    typed = {}
    for number, name in enumerate(names):
        with columns[number % 2]:
            typed[name] = _input(name, readings.get(name))
    return typed


def _input(name: str, reading: Reading | None) -> str:
    check = not facts.is_sure(reading) if reading else name in REQUIRED
    confidence = f"{reading.confidence:.0f} %" if reading else "not found"
    about = ""
    if reading:
        text = reading.text and f"in the document: {reading.text}"
        about = "; ".join(filter(None, (reading.doubt, text)))
    return st.text_input(
        f"{ui.words(name)} · {confidence}{' :orange[●]' if check else ''}",
        value=reading.value if reading else "",
        help=ui.escaped(about) or None,
        placeholder="2026-03-31" if name.endswith("date") else None,
    )


def decide(
    services: Services,
    user: User,
    record: InvoiceRecord,
    *,
    corrections: Mapping[str, str],
    approve: bool,
    reject: bool,
    reason: str,
) -> None:
    """Hand the decision to the workflow, record it in the audit trail, and draw the page again."""
    # The buttons are disabled for others, but a browser can send what it likes.
    if not user.may(Role.APPROVER if approve or reject else Role.EDITOR):
        st.error("Your role does not allow that.", icon=":material/lock:")
        return
    try:
        decided = _desk(services, user).decide(
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
    _tell(services, user, decided)


def _desk(services: Services, user: User) -> ReviewDesk:
    """The review desk; Cognito has proven who a person with a `sub` is."""
    return replace(services.review_desk, proven=bool(user.sub))


def _tell(services: Services, user: User, decided: InvoiceRecord) -> None:
    """Record the last decision in the audit trail, and draw the page again."""
    review = decided.reviews[-1]
    if review.reviewer == user.identity:  # not what somebody else has decided meanwhile
        services.record(
            user,
            f"invoice.{review.decision.lower()}",
            decided.id,
            version=f"{decided.id}/{decided.revision}",
            **review_facts(decided, review),
        )
    ui.flash(f"{decided.file}: {ui.words(review.decision.lower())}")
    st.rerun()


def not_duplicate(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the form by which an approver says that a duplicate is an invoice of its own."""
    if not user.may(Role.APPROVER):
        return
    with st.form(f"not-duplicate-{record.id}-{record.revision}"):
        reason = st.text_input("Reason", help="Stored with the decision; it needs one.")
        pressed = st.form_submit_button("Not a duplicate", icon=":material/difference:")
    if not pressed:
        return
    try:
        decided = _desk(services, user).not_a_duplicate(
            record.id, user.identity, reason=reason, seen=len(record.reviews)
        )
    except FinOpsError as error:
        ui.show_failure("The decision was not saved", error)
        return
    _tell(services, user, decided)


def retry(services: Services, user: User, record: InvoiceRecord) -> None:
    """Draw the button that runs a failed workflow again from the step that failed."""
    if user.may(Role.EDITOR) and st.button("Retry the failed step", icon=":material/replay:"):
        with ui.failures("The step cannot be retried"):
            services.invoices.workflow.redrive(record.execution_name)
            services.record(
                user, "invoice.retried", record.id, version=f"{record.id}/{record.revision}"
            )
            st.rerun()
