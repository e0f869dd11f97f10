"""Overview: what waits for a person, and where money stands this month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from console import ui
from console.identity import User
from console.services import Services
from console.views import invoices, reports
from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.invoices.domain import InvoiceStatus
from finops.shared.errors import FinOpsError


def show(services: Services, _user: User) -> None:
    """The page."""
    st.title("Overview")
    # What arrives is shown without being asked for.
    st.fragment(run_every="15s")(_waiting)(services)
    _money(services)
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
            "Invoices that failed",
            "See them",
            lambda: invoices_in(services, InvoiceStatus.PROCESSING_FAILED),
            "Invoices",
            {"status": ui.words(InvoiceStatus.PROCESSING_FAILED)},
        ),
        (
            "Billing files with rejects",
            "Mend their rows",
            lambda: files_in(services, FileStatus.LOADED_WITH_REJECTS),
            "Billing",
            {"file_status": ui.words(FileStatus.LOADED_WITH_REJECTS)},
        ),
        (
            "Billing files that failed",
            "See them",
            lambda: files_in(services, FileStatus.FAILED),
            "Billing",
            {"file_status": ui.words(FileStatus.FAILED)},
        ),
        (
            "Budgets refused",
            "Correct them",
            lambda: budgets_in(services, Status.REJECTED),
            "Budgets",
            {"budget_status": ui.words(Status.REJECTED)},
        ),
        (
            "Budgets that failed",
            "See them",
            lambda: budgets_in(services, Status.FAILED),
            "Budgets",
            {"budget_status": ui.words(Status.FAILED)},
        ),
    )
    st.subheader("Waiting for somebody")
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
        st.metric(label, "—", help=str(error))
        st.caption("Cannot be read just now.")
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
    """How many budgets' newest edits ended so."""
    return _budget_statuses(services, services.environment.name).count(status)


def _money(services: Services) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    st.subheader(f"Money in {month}")
    with ui.failures("The report of this month cannot be read"):
        report = reports.stored(services, services.environment.name, month)
        if report is None:
            ui.empty("This month has not been reconciled yet.")
            ui.link("Reports", "Reconcile it", month=month)
            return
        reports.totals(report.document)
        reports.units(report.document)
        ui.link("Reports", "The whole report", month=month)


def _next_reviews(services: Services) -> None:
    with ui.failures("The invoices cannot be read"):
        filters = invoices.Filters(status=InvoiceStatus.NEEDS_REVIEW.value, newest_first=False)
        found, _ = invoices.listed(services, services.environment.name, filters, None)
        if not found:
            return
        st.subheader("Reviewed next")
        for record in found[:5]:
            read = record.invoice
            vendor = read.text("vendor") if read else ""
            amount = ""
            if read and read.text("total"):
                amount = ui.amount(Decimal(read.text("total")), read.text("currency"))
            waits = (datetime.now(UTC) - record.received_at).days
            since = f"for {waits} days" if waits > 1 else f"since {ui.moment(record.received_at)}"
            ui.link(
                "Invoice",
                f"**{ui.plain(vendor or record.file)}** {ui.plain(amount)} waits {since}",
                id=record.id,
            )
