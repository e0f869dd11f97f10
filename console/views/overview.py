"""Overview: what needs attention, and this month's costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from console import ui
from console.identity import User
from console.services import Services
from console.views.invoices.listing import Filters, list_invoices
from console.views.reports import read_report, summary
from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.invoices.domain import InvoiceStatus
from finops.shared.errors import FinOpsError


def show(services: Services, _user: User) -> None:
    """Draw the page."""
    st.title("Overview")
    st.fragment(run_every="15s")(_waiting)(services)
    _costs(services)
    _next_reviews(services)


def _waiting(services: Services) -> None:
    cards: Sequence[tuple[str, str, Callable[[], int], str, Mapping[str, str]]] = (
        (
            "Invoices to review",
            "Review them",
            lambda: invoices_in(services, InvoiceStatus.NEEDS_REVIEW),
            "Invoices",
            {"status": ui.words(InvoiceStatus.NEEDS_REVIEW)},
        ),
        (
            "Failed invoices",
            "View them",
            lambda: invoices_in(services, InvoiceStatus.PROCESSING_FAILED),
            "Invoices",
            {"status": ui.words(InvoiceStatus.PROCESSING_FAILED)},
        ),
        (
            "Billing files with rejects",
            "Fix their rows",
            lambda: files_in(services, FileStatus.LOADED_WITH_REJECTS),
            "Billing",
            {"file_status": ui.words(FileStatus.LOADED_WITH_REJECTS)},
        ),
        (
            "Failed billing files",
            "View them",
            lambda: files_in(services, FileStatus.FAILED),
            "Billing",
            {"file_status": ui.words(FileStatus.FAILED)},
        ),
        (
            "Rejected budgets",
            "Correct them",
            lambda: budgets_in(services, Status.REJECTED),
            "Budgets",
            {"budget_status": ui.words(Status.REJECTED)},
        ),
        (
            "Failed budgets",
            "View them",
            lambda: budgets_in(services, Status.FAILED),
            "Budgets",
            {"budget_status": ui.words(Status.FAILED)},
        ),
    )
    st.header("Needs attention")
    for start in (0, 3):
        columns = st.columns(3)
        for column, (label, doing, count, title, query) in zip(
            columns, cards[start : start + 3], strict=True
        ):
            with column, st.container(border=True, height="stretch"):
                _card(label, doing, count, title, query)


def _card(
    label: str, doing: str, count: Callable[[], int], title: str, query: Mapping[str, str]
) -> None:
    try:
        found = count()
    except FinOpsError as error:
        st.metric(label, "—", help=error.explanation)
        st.caption("Cannot be read right now.")
        return
    st.metric(label, f"{found:,}")
    if found:
        ui.link(title, doing, **query)
    else:
        st.markdown(":green[Nothing to do]")


@st.cache_data(ttl=10, max_entries=20, show_spinner=False)
def _counted_invoices(_services: Services, _deployment: str, status: InvoiceStatus) -> int:
    return _services.invoices.store.count(status)


def invoices_in(services: Services, status: InvoiceStatus) -> int:
    """How many invoices are in a status."""
    return _counted_invoices(services, services.environment.name, status)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def _counted_files(_services: Services, _deployment: str) -> Mapping[FileStatus, int]:
    return _services.billing.store.count_by_status()


def files_in(services: Services, status: FileStatus) -> int:
    """How many billing files are in a status."""
    return _counted_files(services, services.environment.name).get(status, 0)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def _budget_statuses(_services: Services, _deployment: str) -> Sequence[Status]:
    return [one.status for one in _services.budgets.statuses.all()]


def budgets_in(services: Services, status: Status) -> int:
    """How many budgets are in a status."""
    return _budget_statuses(services, services.environment.name).count(status)


def _costs(services: Services) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    st.header(f"Costs in {month}")
    with ui.failures("The report of this month cannot be read"):
        report = read_report(services, services.environment.name, month)
        if report is None:
            ui.empty("This month has not been reconciled yet.")
            ui.link("Reports", "Reconcile it", month=month)
            return
        summary.head(report.report)
        summary.units(report.report)
        ui.link("Reports", "Full report", month=month)


def _next_reviews(services: Services) -> None:
    with ui.failures("The invoices cannot be read"):
        filters = Filters(status=InvoiceStatus.NEEDS_REVIEW.value, newest_first=False)
        found, _ = list_invoices(services, services.environment.name, filters, None)
        if not found:
            return
        st.header("Next to review")
        for record in found[:5]:
            read = record.invoice
            vendor = read.text("vendor") if read else ""
            amount = ""
            if read and read.text("total"):
                amount = ui.amount(Decimal(read.text("total")), read.text("currency"))
            days = (datetime.now(UTC) - record.received_at).days
            since = f"for {days} days" if days > 1 else f"since {ui.moment(record.received_at)}"
            ui.link(
                "Invoice",
                f"**{ui.escaped(vendor or record.file)}** {ui.escaped(amount)} waiting {since}",
                id=record.id,
            )
