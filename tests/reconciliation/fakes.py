"""Charges made by hand, and what a reconciliation talks to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops.invoices.identity import number_key
from finops.reconciliation.anomaly_services import ServiceCosts
from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.collection import EvidenceCollector
from finops.reconciliation.configuration import parse
from finops.reconciliation.daily_usage import services_of_charges, usage_of_charges
from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    CommittedCosts,
    IssuedInvoice,
    LineUsage,
    Metric,
    PriceEffect,
    TaggedCosts,
    UnitBudget,
)
from finops.reconciliation.ports import (
    AnomalyQuery,
    ChargeQuery,
    ControlTotal,
    Detail,
    RevisionTaken,
    Stored,
    TagQuery,
    UsageQuery,
)
from finops.reconciliation.report import Report, as_document
from finops.reconciliation.service import Reconciler
from finops.shared.periods import Month
from tests.audit.recorders import MemoryRecorder

PAYER = "111111111111"
PAYMENTS = "222222222222"
PLATFORM = "333333333333"
STRANGER = "444444444444"
OCTOBER = Month.parse("2026-10")
SETTINGS = parse(
    """
payer_accounts: [{id: "111111111111", name: Holding, business_unit: Corporate IT}]
linked_accounts:
  - {id: "222222222222", business_unit: Payments}
  - {id: "333333333333", business_unit: Platform}
budgets: {Payments: {monthly_target: 1000}}
"""
)


def charge(
    cost: str | Decimal,
    *,
    account: str = PAYMENTS,
    service: str = "Amazon EC2",
    start: date = OCTOBER.first,
    category: ChargeCategory = ChargeCategory.USAGE,
    payer: str = PAYER,
    currency: str = "USD",
    amortized: str | None = None,
    invoice: str = "",
    tag_rule: int = 0,
    name: str = "",
) -> Charge:
    """A charge of October, if nothing else is said."""
    amount = Decimal(cost)
    return Charge(
        payer_account=payer,
        linked_account=account,
        linked_account_name=name,
        service=service,
        period_start=start,
        category=category,
        unblended=amount,
        billed=amount,
        amortized=amount if amortized is None else Decimal(amortized),
        currency=currency,
        invoice_id=invoice,
        tag_rule=tag_rule,
    )


class FakeSource:
    """`CostSource` over daily charges."""

    name = "Charges made by hand"
    notes: Sequence[str] = ()

    def __init__(self, charges: Iterable[Charge], *, known_until: date | None = None) -> None:
        self.daily = list(charges)
        self.known = known_until
        self.queries: list[ChargeQuery] = []

    def charges(self, query: ChargeQuery) -> Iterator[Charge]:
        self.queries.append(query)
        sums: dict[tuple[Any, ...], Charge] = {}
        for one in self.daily:
            if not query.first <= one.period_start < query.end:
                continue
            if query.detail is Detail.DAILY_FEES:
                continue
            if query.accounts and one.linked_account not in query.accounts:
                continue
            shown = one
            if query.detail is Detail.MONTHS:
                shown = replace(one, period_start=one.period_start.replace(day=1))
            elif one.category is not ChargeCategory.USAGE:
                continue
            elif query.detail is Detail.ACCOUNT_DAYS:
                shown = replace(one, service="", invoice_id="")
            elif query.detail is Detail.ACCOUNT_SERVICE_DAYS:
                shown = replace(one, invoice_id="")
            else:
                shown = replace(one, linked_account="", linked_account_name="", invoice_id="")
            nothing = replace(shown, billed=Decimal(0), unblended=Decimal(0), amortized=Decimal(0))
            key = tuple(
                getattr(nothing, name) for name in Charge.__dataclass_fields__ if name != "notes"
            )
            before = sums.get(key, nothing)
            sums[key] = replace(
                shown,
                billed=before.billed + shown.billed,
                unblended=before.unblended + shown.unblended,
                amortized=before.amortized + shown.amortized,
            )
        return iter(sums.values())

    def usage_by_day(self, query: UsageQuery) -> Iterator[LineUsage]:
        return usage_of_charges(self.charges, query)

    def costs_by_service(self, query: AnomalyQuery) -> Sequence[Mapping[str, ServiceCosts]]:
        return services_of_charges(self.charges, query)

    def lacks(self, _metric: Metric, _month: Month) -> str:
        return ""

    def known_until(self, month: Month, _today: date) -> date:
        return self.known or month.end

    def committed_costs(self, _month: Month) -> Sequence[CommittedCosts]:
        return ()

    def price_effects(self, _month: Month, _metric: Metric) -> Sequence[PriceEffect]:
        return ()

    def tagged_costs(self, _query: TagQuery) -> Sequence[TaggedCosts] | None:
        return None

    def control_totals(self, month: Month) -> list[ControlTotal]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for one in self.daily:
            if Month.of(one.period_start) == month:
                sums[one.currency] += one.billed
        return [ControlTotal(f"By hand, {name}", sums[name], name) for name in sorted(sums)]


class FakeStore:
    """`ReportStore` in memory."""

    def __init__(self) -> None:
        self.open: dict[str, Stored] = {}
        self.revisions: dict[tuple[str, int], Stored] = {}
        self.files: dict[tuple[str, int], Mapping[str, bytes]] = {}
        #: Written by another run just before the next write.
        self.meanwhile: list[Report] = []

    def newest(self, month: str) -> Stored | None:
        numbers = [number for one, number in self.revisions if one == month]
        return self.revisions[month, max(numbers)] if numbers else None

    def provisional(self, month: str) -> Mapping[str, Any] | None:
        return self.open[month].document if month in self.open else None

    def write(
        self, report: Report, files: Mapping[str, bytes], pages: Mapping[str, bytes] | None = None
    ) -> Stored:
        if self.meanwhile:
            self._keep(self.meanwhile.pop(), {})
        return self._keep(report, files)

    def _keep(self, report: Report, files: Mapping[str, bytes]) -> Stored:
        stored = Stored(
            revision=report.revision,
            document=as_document(report),
            locations={kind: f"memory/{report.month}/{kind}" for kind in files},
        )
        if not report.revision:
            self.open[report.month] = stored
            return stored
        key = (report.month, report.revision)
        if key in self.revisions:
            raise RevisionTaken("taken", code="revision_taken")
        self.revisions[key] = stored
        self.files[key] = files
        return stored


class FakeIssued:
    """`IssuedInvoices` and `ProcessedInvoices` by hand."""

    def __init__(self, *invoices: IssuedInvoice) -> None:
        self.invoices = invoices

    def of_month(self, month: Month) -> Sequence[IssuedInvoice]:
        return self.invoices

    def numbered(self, numbers: Iterable[str], month: Month) -> Sequence[IssuedInvoice]:
        wanted = set(numbers)
        return [one for one in self.invoices if one.number in wanted]


class FakeBudgetRows:
    """`BudgetRows` by hand."""

    def __init__(
        self,
        rows: Mapping[str, Sequence[UnitBudget]],
        aws_budgets: Sequence[AwsBudget] | None = None,
    ) -> None:
        self.rows = rows
        self.aws_budgets = aws_budgets

    def monthly(self, _month: Month) -> Mapping[str, Sequence[UnitBudget]]:
        return self.rows

    def calculated(self) -> Sequence[AwsBudget] | None:
        return self.aws_budgets


def days(first: date, end: date) -> list[date]:
    """Every day of a range."""
    return [first + timedelta(days=number) for number in range((end - first).days)]


def reconciler(charges: Iterable[Charge], **facts: Any) -> Reconciler:
    """The use case over charges and fakes; facts replace what it is made of."""
    run: dict[str, Any] = {
        "store": FakeStore(),
        "render": lambda report, kind: f"{kind} of {report.month}".encode(),
        "render_pages": lambda _report: {},
        "formats": ("html", "json"),
        "audit": MemoryRecorder(),
    }
    evidence: dict[str, Any] = {
        "source_key": "focus",
        "source": FakeSource(charges),
        "configuration": SETTINGS,
        "number_key": number_key,
    }
    for name, value in facts.items():
        (run if name in run else evidence)[name] = value
    return Reconciler(evidence=EvidenceCollector(**evidence), **run)


def usual() -> list[Charge]:
    """10 USD a day of two accounts, from July to October."""
    return [
        charge("10", start=day, account=account)
        for day in days(date(2026, 7, 1), OCTOBER.end)
        for account in (PAYMENTS, PLATFORM)
    ]
