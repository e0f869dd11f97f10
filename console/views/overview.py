"""Overview: what needs attention, and this month's costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.billing.listing import TO_FIX
from console.views.invoice import inbox
from console.views.reports import read_report, summary
from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.invoices.domain import InvoiceStatus
from finops.shared.errors import FinOpsError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """A number that somebody can bring to zero, and where.

    Attributes:
        doing: What its link says to those who may do it.
        may: Who may; the others can look only.
        count: The number.
        page: Where it is done.
        query: What of that page.
        others: What is left to others, in words; empty for nothing.
    """

    label: str
    doing: str
    may: Role
    count: Callable[[], int]
    page: str
    query: Mapping[str, str] = field(default_factory=dict)
    others: Callable[[], str] = str


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Overview")
    st.fragment(run_every="15s")(_waiting)(services, user)
    _costs(services)
    _next_reviews(services, user)


def _waiting(services: Services, user: User) -> None:
    def status(one: str) -> str:
        return ui.words(one)

    cards = (
        _Card(
            label="Invoices to review",
            doing="Review them",
            may=Role.EDITOR,
            count=lambda: _reviews(services, user)[0],
            page="Invoices",
            query={"status": status(InvoiceStatus.NEEDS_REVIEW)},
            others=lambda: _reviews(services, user)[1],
        ),
        _Card(
            label="Failed invoices",
            doing="Retry them",
            may=Role.EDITOR,
            count=lambda: invoices_in(services, InvoiceStatus.PROCESSING_FAILED),
            page="Invoices",
            query={"status": status(InvoiceStatus.PROCESSING_FAILED)},
        ),
        _Card(
            label="Billing files with rejects",
            doing="Fix their rows",
            may=Role.EDITOR,
            count=lambda: files_to_fix(services, FileStatus.LOADED_WITH_REJECTS),
            page="Billing",
            query={"file_status": status(TO_FIX)},
        ),
        _Card(
            label="Billing files not loaded",
            doing="Find out why",
            may=Role.EDITOR,
            count=lambda: (
                files_to_fix(services, FileStatus.REJECTED)
                + files_to_fix(services, FileStatus.FAILED)
            ),
            page="Billing",
            query={"file_status": status(TO_FIX)},
        ),
        _Card(
            label="Rejected budgets",
            doing="Correct them",
            may=Role.EDITOR,
            count=lambda: budgets_in(services, Status.REJECTED),
            page="Budgets",
            query={"budget_status": status(Status.REJECTED)},
        ),
        _Card(
            label="Failed budgets",
            doing="Find out why",
            may=Role.VIEWER,
            count=lambda: budgets_in(services, Status.FAILED),
            page="Budgets",
            query={"budget_status": status(Status.FAILED)},
        ),
    )
    st.header("Needs attention")
    for start in (0, 3):
        columns = st.columns(3)
        for column, card in zip(columns, cards[start : start + 3], strict=True):
            with column, st.container(border=True, height="stretch"):
                _draw(card, user)


def _draw(card: _Card, user: User) -> None:
    try:
        found, others = card.count(), card.others()
    except FinOpsError as error:
        st.metric(card.label, "—", help=error.explanation)
        st.caption("Cannot be read right now.")
        return
    st.metric(card.label, f"{found:,}")
    if found:
        doing = card.doing if user.may(card.may) else "View them"
        ui.link(card.page, doing, **card.query)
    else:
        st.markdown(":green[Nothing to do]")
    if others:
        st.caption(others)


def _reviews(services: Services, user: User) -> tuple[int, str]:
    """How many invoices wait for this person, and what is said of those that wait for others.

    An approver cannot decide about what they submitted or corrected.
    """
    total = invoices_in(services, InvoiceStatus.NEEDS_REVIEW)
    if not user.may(Role.APPROVER):
        return total, ""
    others = min(inbox.of(services, user).others, total)
    return total - others, f"{others} wait{'s' * (others == 1)} for somebody else" * bool(others)


@st.cache_data(ttl=10, max_entries=20, show_spinner=False)
def _counted_invoices(_services: Services, _deployment: str, status: InvoiceStatus) -> int:
    return _services.invoices.store.count(status)


def invoices_in(services: Services, status: InvoiceStatus) -> int:
    """How many invoices are in a status."""
    return _counted_invoices(services, services.environment.name, status)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def _counted_files(_services: Services, _deployment: str) -> Mapping[FileStatus, int]:
    return _services.billing.store.count_to_fix()


def files_to_fix(services: Services, status: FileStatus) -> int:
    """How many billing files of a status nobody has settled yet."""
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


def _next_reviews(services: Services, user: User) -> None:
    with ui.failures("The invoices cannot be read"):
        found = inbox.of(services, user).mine
        if not found:
            return
        st.header("Next to review" if user.may(Role.EDITOR) else "Waiting for review")
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
