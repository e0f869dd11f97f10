"""One invoice: its document beside the values read from it, and the review, one after another."""

from __future__ import annotations

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.invoice import document, facts, inbox, review, same_vendor
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.inbox import fields_to_check


def show(services: Services, user: User) -> None:
    """Draw the page of the invoice in the address, or of the oldest that waits for this person.

    It updates itself while the workflow runs.
    """
    if presses.button("All invoices", icon=":material/arrow_back:", type="tertiary"):
        ui.open_page("Invoices")
    with ui.failures("The invoice cannot be shown"):
        identifier = st.query_params.get("id", "")
        if not identifier:
            _oldest(services, user)
            return
        _invoice(services, user, services.invoices.store.find(identifier))


def _oldest(services: Services, user: User) -> None:
    found = inbox.of(services, user)
    if found.mine:
        inbox.open_invoice(found.mine[0])
    st.title("Review")
    inbox.show(found, None)
    ui.empty("Nothing waits for your review.")


def _invoice(services: Services, user: User, record: InvoiceRecord) -> None:
    waits = record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision
    reviews = waits and user.may(Role.EDITOR) and record.invoice is not None
    facts.head(record)
    review.tell_if_late(record)
    if reviews:
        waiting = inbox.of(services, user)
        inbox.show(waiting, record)
        same_vendor.show(services, user, waiting, record)
    if not record.is_settled:
        _watch(services, record)
    # On a phone the columns stand below each other: who reviews has the form above the document.
    if reviews:
        form, page = st.columns([9, 11], gap="medium")
    else:
        page, form = st.columns([11, 9], gap="medium")
    with form:
        doubtful = [one.name for one in fields_to_check(record) if one.is_doubtful]
        facts.issues(record, beside=doubtful if reviews else ())
        if waits:
            review.show(services, user, record)
        else:
            facts.fields(record)
        if record.status is InvoiceStatus.DUPLICATE:
            review.not_duplicate(services, user, record)
        if record.status is InvoiceStatus.PROCESSING_FAILED:
            review.retry(services, user, record)
    with page:
        document.show(services, record)
    facts.line_items(record)
    facts.decisions(record)
    if reviews:
        inbox.keys(record)


def _watch(services: Services, record: InvoiceRecord) -> None:
    @st.fragment(run_every=1.0)
    def look() -> None:
        now = services.invoices.store.find(record.id)
        st.info(f"In progress: {ui.words(now.status.value)}", icon=":material/sync:")
        if now.revision != record.revision:
            st.rerun()

    look()
