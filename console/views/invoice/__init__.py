"""One invoice: its document beside the values read from it, and the review."""

from __future__ import annotations

import streamlit as st

from console import ui
from console.identity import User
from console.services import Services
from console.views.invoice import document, facts, review
from finops.invoices.domain import InvoiceRecord, InvoiceStatus


def show(services: Services, user: User) -> None:
    """Draw the page of the invoice in the address; it updates itself while the workflow runs."""
    if st.button("All invoices", icon=":material/arrow_back:", type="tertiary"):
        ui.open_page("Invoices")
    with ui.failures("The invoice cannot be shown"):
        _invoice(services, user, services.invoices.store.find(st.query_params.get("id", "")))


def _invoice(services: Services, user: User, record: InvoiceRecord) -> None:
    facts.head(record)
    if not record.is_settled:
        _watch(services, record)
    left, right = st.columns([11, 9], gap="medium")
    with left:
        document.show(services, record)
    with right:
        facts.issues(record)
        if record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision:
            review.show(services, user, record)
        else:
            facts.fields(record)
        if record.status is InvoiceStatus.DUPLICATE:
            review.not_duplicate(services, user, record)
        if record.status is InvoiceStatus.PROCESSING_FAILED:
            review.retry(services, user, record)
    facts.line_items(record)
    facts.decisions(record)


def _watch(services: Services, record: InvoiceRecord) -> None:
    @st.fragment(run_every=1.0)
    def look() -> None:
        now = services.invoices.store.find(record.id)
        st.info(f"In progress: {ui.words(now.status.value)}", icon=":material/sync:")
        if now.revision != record.revision:
            st.rerun()

    look()
