"""The services that the pages use, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.identity import Role, User
from console.services import Services
from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.domain import BudgetKey
from finops.budgets.editing import edited_meanwhile
from finops.deployment.environment import Environment
from finops.invoices.domain import (
    Invoice,
    InvoiceRecord,
    InvoiceStatus,
    Issue,
    Place,
    Reading,
    Severity,
)
from finops.invoices.inbox import waiting as waiting_in_order
from finops.invoices.review import ReviewDesk
from finops.invoices.vendors.desk import VendorDesk
from finops.shared.audit import AuditRecorder, NoAudit
from finops.shared.errors import ConfigurationError
from tests.audit.recorders import MemoryRecorder
from tests.budgets.fakes import FakeAccountQueue, FakeStatuses, FakeTable
from tests.invoices.builders import record
from tests.invoices.fakes import FakeClock, FakeObjects, FakeStore, FakeVendors, FakeWorkflow

PLACE = Place(page=1, left=0.1, top=0.2, width=0.3, height=0.02)
READINGS = {
    "vendor": "Bäckerei Ähre GmbH",
    "invoice_number": "RE-7",
    "invoice_date": "2026-03-31",
    "currency": "EUR",
    "subtotal": "1000.00",
    "tax": "190.00",
    "total": "1200.00",
}


def waiting(key: str = "raw/march.pdf", **facts: Any) -> InvoiceRecord:
    """An invoice that waits for review, since its total is wrong."""
    readings = {name: Reading(value=value, place=PLACE) for name, value in READINGS.items()}
    return record(
        key,
        status=InvoiceStatus.NEEDS_REVIEW,
        invoice=Invoice(readings=readings),
        issues=(
            Issue(
                code="total_is_not_the_sum",
                severity=Severity.REVIEW,
                message="1000.00 + 190.00 is 1190.00",
            ),
        ),
        submitted_by="edda",
        task_token="token",
        media_type="application/pdf",
        pages=1,
        received_at=datetime.now(UTC),
        **facts,
    )


class PagedStore(FakeStore):
    """The table with its indexes."""

    def page(
        self,
        *,
        status: str = "",
        month: str = "",
        newest_first: bool = True,
        limit: int = 100,
        start: Mapping[str, Any] | None = None,
        search: str = "",
    ) -> tuple[list[InvoiceRecord], Mapping[str, Any] | None]:
        found = [
            one
            for one in self.records.values()
            if (not status or one.status == status)
            and (not month or f"{one.received_at:%Y-%m}" == month)
            and search.casefold() in one.file.casefold()
        ]
        found.sort(key=lambda one: (one.received_at, one.id), reverse=newest_first)
        begin = start["at"] if start else 0
        end = begin + limit
        return found[begin:end], {"at": end} if len(found) > end else None

    def all(
        self, *, status: str, months: Sequence[str], search: str, newest_first: bool
    ) -> Iterator[InvoiceRecord]:
        for month in months:
            yield from self.page(
                status=status, month=month, search=search, newest_first=newest_first, limit=10_000
            )[0]

    def search(
        self, text: str, **wanted: Any
    ) -> tuple[list[Mapping[str, Any]], Mapping[str, Any] | None]:
        found, following = self.page(**wanted, search=text)
        return [{"id": one.id} for one in found], following

    def read(self, keys: Iterable[Mapping[str, Any]], *, status: str = "") -> list[InvoiceRecord]:
        found = (self.find(one["id"]) for one in keys)
        return [one for one in found if not status or one.status == status]

    def count(self, status: InvoiceStatus) -> int:
        return sum(one.status is status for one in self.records.values())


@dataclass
class Invoices:
    """As `InvoiceDeployment`."""

    store: PagedStore = field(default_factory=PagedStore)
    objects: FakeObjects = field(default_factory=FakeObjects)
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)
    separation_of_duties: bool = True
    vendors: FakeVendors = field(default_factory=FakeVendors)
    #: For whom forms were signed.
    signed: list[str] = field(default_factory=list)

    @property
    def review_desk(self) -> ReviewDesk:
        return ReviewDesk(
            store=self.store,
            workflow=self.workflow,
            clock=FakeClock(),
            separation_of_duties=self.separation_of_duties,
        )

    @property
    def vendor_desk(self) -> VendorDesk:
        return VendorDesk(
            store=self.vendors, audit=NoAudit(), clock=FakeClock(), new_salt=lambda: "salt"
        )

    def waiting(self) -> Iterator[InvoiceRecord]:
        found = self.store.page(status="NEEDS_REVIEW", newest_first=False, limit=10_000)[0]
        return waiting_in_order(found)

    def upload_form(self, owner: str) -> dict[str, Any]:
        self.signed.append(owner)
        return {"url": "http://bucket", "fields": {"x-amz-meta-submitted-by": owner}}


@dataclass
class Edits:
    """As `BudgetRows`."""

    table: FakeTable

    def merge(
        self, key: BudgetKey, attributes: Mapping[str, Any], *, seen: Mapping[str, Any]
    ) -> None:
        names = {"account_id": key.account_id, "budget_name": key.budget_name}
        before = self.table.items.get((key.account_id, key.budget_name), {})
        changed = attributes.keys() - {"updated_by", "request_id"}
        if bool(seen) != bool(before) or any(seen.get(k) != before.get(k) for k in changed):
            raise edited_meanwhile()
        self.table.items[key.account_id, key.budget_name] = before | names | dict(attributes)

    def delete(self, key: BudgetKey) -> bool:
        return self.table.items.pop((key.account_id, key.budget_name), None) is not None


@dataclass
class Budgets:
    """As `BudgetDeployment`."""

    rows: FakeTable = field(default_factory=FakeTable)
    statuses: FakeStatuses = field(default_factory=FakeStatuses)
    accounts: FakeAccountQueue = field(default_factory=FakeAccountQueue)

    def approval_desk(self, audit: AuditRecorder) -> ApprovalDesk:
        return ApprovalDesk(
            table=self.rows,
            statuses=self.statuses,
            accounts=self.accounts,
            audit=audit,
            clock=lambda: datetime.now(UTC),
        )

    @property
    def edits(self) -> Edits:
        return Edits(self.rows)


class NotDeployed:
    """A flow whose module is not deployed."""

    def __getattr__(self, name: str) -> Any:
        raise ConfigurationError("there is no function", code="not_deployed", remedy="Deploy it")


@dataclass
class Audit:
    """As `AuditDeployment`."""

    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)


@dataclass
class Stage:
    """The services, and the pages on them."""

    invoices: Invoices = field(default_factory=Invoices)
    budgets: Budgets = field(default_factory=Budgets)
    audit: Audit = field(default_factory=Audit)
    settings: dict[str, Any] = field(default_factory=dict)
    #: Whose session it is.
    who: User | None = None

    @property
    def services(self) -> Services:
        parts: dict[str, Any] = {
            "budgets": self.budgets,
            "billing": NotDeployed(),
            "invoices": self.invoices,
            "audit": self.audit,
            "reports": NotDeployed(),
        }
        environment = Environment(name="test", prefix="finops")
        return Services(environment=environment, who=lambda: self.who, **parts | self.settings)

    def page(self, name: str, role: Role = Role.VIEWER, **query: str) -> AppTest:
        """A page as this person sees it."""
        self.who = user(role)
        app = AppTest.from_function(
            _script, default_timeout=120, args=(name, self.services, user(role))
        )
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    def recorded(self) -> list[tuple[str, str, str]]:
        """The recorded events: actor, action and subject."""
        return [(one.actor, one.action, one.subject) for one in self.audit.recorder.events]


def user(role: Role, name: str = "") -> User:
    return User(name=name or f"the {role}", role=role)


def _script(name: str, services: object, user: object) -> None:
    from importlib import import_module

    import_module(f"console.views.{name}").show(services, user)


@pytest.fixture
def stage() -> Iterator[Stage]:
    st.cache_data.clear()
    yield Stage()
    st.cache_data.clear()


def put(stage: Stage, *records: InvoiceRecord) -> None:
    """Put invoices into the table."""
    for one in records:
        stage.invoices.store.records[one.id] = replace(one)
        if one.task_token:
            stage.invoices.workflow.waiting.add(one.task_token)
