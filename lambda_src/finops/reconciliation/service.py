"""A month reconciled: everything is gathered, compared, kept, and told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from finops.reconciliation.anomalies import HISTORY_DAYS, Unusual
from finops.reconciliation.comparison import TREND_MONTHS, Evidence, compare
from finops.reconciliation.configuration import Configuration, DatedRate
from finops.reconciliation.domain import Charge, UnitBudget, total
from finops.reconciliation.invoice_check import check_invoices, focus_rule
from finops.reconciliation.mapping import Account, CostMapping, Ownership
from finops.reconciliation.ports import (
    BudgetRows,
    ChargeQuery,
    CostSource,
    Detail,
    Directory,
    IssuedInvoices,
    ProcessedInvoices,
    Rates,
    ReportStore,
    RevisionTaken,
    Stored,
)
from finops.reconciliation.report import Check, InvoiceLine, RateUsed, Report, as_document
from finops.reconciliation.revisions import differences
from finops.shared.audit import AuditEvent, AuditRecorder, NoAudit, digest
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.money import WIDE, rounded
from finops.shared.periods import Month, days_between

#: Days before an anomaly by which its services are told.
_BEFORE: Final = 28
_SERVICES_NAMED: Final = 3
_RATE_DIGITS: Final = 15
#: Runs that may close the same month at once before one gives up.
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run made.

    Attributes:
        is_new: Whether it wrote anything: a closed month whose numbers stand is left alone.
    """

    report: Report
    stored: Stored
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """The use case. What is None is not compared.

    Attributes:
        render: A report in one format.
        formats: Which files are written.
        number_key: An invoice number as it is compared with others.
        actor: Who wanted it, for the audit trail.
    """

    source_key: str
    source: CostSource
    configuration: Configuration
    store: ReportStore
    render: Callable[[Report, str], bytes]
    formats: Sequence[str]
    number_key: Callable[[str], str]
    issued: IssuedInvoices | None = None
    processed: ProcessedInvoices | None = None
    directory: Directory | None = None
    budget_rows: BudgetRows | None = None
    rates: Rates | None = None
    audit: AuditRecorder = field(default_factory=NoAudit)
    actor: str = "schedule"
    correlation_id: str = ""

    def run(self, month: Month, *, now: datetime, close: bool = False) -> Outcome:
        """Reconcile a month and keep the report.

        A month that is not closed has one report, which each run replaces. Closing makes it
        revision 1. After that, numbers that changed make a new revision, which says what changed;
        numbers that stand make nothing.

        Args:
            month: Which.
            now: UTC.
            close: Whether the month is to be closed, where it is not.

        Raises:
            RejectedInput: the month has not begun, has no rate for a currency, or is closed too
                early.
        """
        today = now.date()
        if month.first > today:
            raise RejectedInput(f"{month} has not begun", code="invalid_month", value=str(month))
        if close and month.end > today:
            raise RejectedInput(
                f"{month} is not over before {month.end}",
                code="closed_too_early",
                remedy="Reconcile it without closing it",
            )
        report = self._report(month, today)
        for _ in range(_TRIES):
            newest = self.store.newest(str(month))
            if newest is None and not close:
                return self._written(report, now)
            revision = self._revision(report, newest)
            if newest and not revision.changes:
                report = replace(revision, revision=newest.revision, changes=())
                return Outcome(report=report, stored=newest, is_new=False)
            try:
                return self._written(revision, now)
            except RevisionTaken:
                continue
        raise ConfigurationError(
            f"other runs kept writing revisions of {month}", code="contended", step="write_report"
        )

    def _revision(self, report: Report, newest: Stored | None) -> Report:
        """The report as the next revision of its month, with what it changes."""
        closed = replace(report, is_open=False)
        if newest is None:
            return replace(closed, revision=1)
        changes = differences(newest.document, as_document(closed))
        return replace(closed, revision=newest.revision + 1, changes=changes)

    def _written(self, report: Report, now: datetime) -> Outcome:
        files = {name: self.render(report, name) for name in self.formats}
        stored = self.store.write(report, files)
        self._record(report, stored, now)
        return Outcome(report=report, stored=stored, is_new=True)

    def _record(self, report: Report, stored: Stored, now: datetime) -> None:
        document = digest(as_document(report))
        self.audit.record(
            AuditEvent(
                stream="reconciliation",
                action="month.closed" if report.revision == 1 else "month.reconciled",
                actor=self.actor,
                subject=report.month,
                version=f"{report.revision}/{document}",
                occurred_at=now,
                output_sha256=document,
                counts={
                    "units": len(report.units),
                    "unmapped_accounts": len(report.unmapped),
                    "anomalies": len(report.anomalies),
                    "invoices": len(report.invoices),
                    "changes": len(report.changes),
                },
                correlation_id=self.correlation_id,
                details={
                    "source": report.source,
                    "revision": report.revision,
                    "actual": report.totals.actual,
                    "budget": report.totals.budget,
                    "currency": report.currency,
                    "reports": dict(stored.locations),
                },
            )
        )

    # Gathering

    def _report(self, month: Month, today: date) -> Report:
        mapping = self._mapping()
        charges = list(
            self.source.charges(self._query(mapping, month.plus(1 - TREND_MONTHS).first, month))
        )
        if not charges:
            raise RejectedInput(
                f"{self.source.name} has no charge of {month} or the year before",
                code="no_charges",
                value=str(month),
                remedy="Look at the month, the input and the payer accounts",
            )
        first_day = month.first - timedelta(days=HISTORY_DAYS)
        rates = _MonthRates(self.configuration, self.rates, today)
        current = [one for one in charges if Month.of(one.period_start) == month]
        rates.require({one.currency for one in current}, month)
        known_until = self.source.known_until(month)
        lines, rule = self._invoices(current, month, today)
        report = compare(
            Evidence(
                month=month,
                currency=self.configuration.currency,
                metric=self.configuration.metric,
                source=self.source_key,
                source_name=self.source.name,
                mapping=mapping,
                apart=self.configuration.apart,
                smallest_line=self.configuration.smallest_line,
                charges=charges,
                account_days=list(
                    self.source.charges(self._query(mapping, first_day, month, Detail.ACCOUNT_DAYS))
                ),
                service_days=list(
                    self.source.charges(self._query(mapping, first_day, month, Detail.SERVICE_DAYS))
                ),
                rate=rates.rate,
                budgets=self._budgets(mapping, rates, month),
                known_until=known_until,
                control_totals=[
                    (one.name, one.amount, one.currency)
                    for one in self.source.control_totals(month)
                ],
                invoices=lines,
                invoice_rule=rule,
                anomaly_services=lambda account, days: self._drivers_of(account, days, first_day),
                notes=self._notes(month, known_until),
            )
        )
        return replace(report, notes=tuple(dict.fromkeys((*report.notes, *self.source.notes))))

    def _query(
        self, mapping: CostMapping, first: date, month: Month, detail: Detail = Detail.MONTHS
    ) -> ChargeQuery:
        return ChargeQuery(first=first, end=month.end, detail=detail, tag_rules=mapping.tag_rules)

    def _mapping(self) -> CostMapping:
        """The configuration's rules; accounts that it does not name, by Organizations' tags."""
        mapping = self.configuration.mapping
        tags = self.configuration.organization_tags
        if not (tags and self.directory):
            return mapping
        found = {account.id: account for account in self.directory.accounts(tags)}
        linked = {**found, **{one.id: _named(one, found) for one in mapping.linked.values()}}
        return replace(mapping, linked=linked)

    def _budgets(
        self, mapping: CostMapping, rates: _MonthRates, month: Month
    ) -> dict[str, UnitBudget]:
        """The configuration's; of units that it does not name, the sums of their accounts' rows."""
        budgets = dict(self.configuration.budgets)
        rows = self.budget_rows.monthly() if self.budget_rows else {}
        currency = self.configuration.currency
        found: dict[str, list[UnitBudget]] = {}
        for account, of_account in sorted(rows.items()):
            ownership = _ownership_of_account(mapping, account)
            if ownership and ownership.business_unit not in budgets:
                found.setdefault(ownership.business_unit, []).extend(of_account)
        for unit, parts in found.items():
            rates.require({one.currency for one in parts}, month)
            count = len(parts)
            budgets[unit] = UnitBudget(
                monthly_target=total(
                    WIDE.multiply(one.monthly_target, rates.required(one.currency, month))
                    for one in parts
                ),
                currency=currency,
                origin=f"budgets table, {count} {'account' if count == 1 else 'accounts'}",
            )
        rates.require({one.currency for one in budgets.values()}, month)
        return budgets

    def _invoices(
        self, current: Sequence[Charge], month: Month, today: date
    ) -> tuple[list[InvoiceLine], Check]:
        issued = self.issued.of_month(month) if self.issued else None
        numbers = {one.invoice_id for one in current if one.invoice_id}
        numbers |= {one.number for one in issued or ()}
        processed = self.processed.numbered(sorted(numbers), month) if self.processed else ()
        every = {*numbers, *(one.number for one in processed)}
        lines = check_invoices(
            current,
            issued,
            processed,
            is_open=today < month.end + _FINAL_AFTER,
            number_key={number: self.number_key(number) for number in every},
        )
        return lines, focus_rule(lines)

    def _drivers_of(self, account: str, days: Unusual, first_day: date) -> list[str]:
        """The services of an account that moved most on some days, the largest first."""
        last = days.last + timedelta(days=1)
        charges = self.source.charges(
            ChargeQuery(
                first=max(first_day, days.first - timedelta(days=_BEFORE)),
                end=last,
                detail=Detail.SERVICE_DAYS,
                accounts=(account,),
            )
        )
        return _moved(charges, days)

    def _notes(self, month: Month, known_until: date) -> tuple[str, ...]:
        notes = []
        if known_until < month.end:
            notes.append(
                f"{month} is open: costs are known up to {known_until - timedelta(days=1)} (UTC),"
                " changes compare them with whole months, and statuses go by the forecast. The"
                " forecast adds to what is known, for each day to come, the median cost of the"
                " same weekday in the four weeks before, and the tax and discounts that go with it;"
                " fees and credits are taken as they are by now."
            )
        return tuple(notes)


class _MonthRates:
    """Rates into the report's currency, by the last day of each month, or today in the running one.

    A rate is the last one on or before that day, never a later one.
    """

    def __init__(self, configuration: Configuration, rates: Rates | None, today: date) -> None:
        self._configuration = configuration
        self._rates = rates
        self._today = today
        self._known: dict[tuple[str, date], DatedRate | None] = {}

    def rate(self, currency: str, month: Month) -> RateUsed | None:
        """What one unit of the currency is worth in the report's, None where no rate is known."""
        wanted = self._configuration.currency
        if currency == wanted:
            return RateUsed(currency=currency, rate=Decimal(1), rate_date=month.last, source="")
        day = min(month.last, self._today)
        one, other = self._usd(currency, day), self._usd(wanted, day)
        if one is None or other is None:
            return None
        told = one if wanted == "USD" else other if currency == "USD" else one
        return RateUsed(
            currency=currency,
            rate=rounded(WIDE.divide(one.usd_per_unit, other.usd_per_unit), _RATE_DIGITS),
            rate_date=told.rate_date,
            source=told.source,
        )

    def required(self, currency: str, month: Month) -> Decimal:
        """The rate, where there must be one."""
        self.require({currency}, month)
        found = self.rate(currency, month)
        return found.rate if found else Decimal(0)

    def require(self, currencies: Iterable[str], month: Month) -> None:
        """Refuse a currency without a rate in the month.

        Raises:
            RejectedInput: `no_rate`.
        """
        for currency in sorted(currencies):
            if self.rate(currency, month) is None:
                raise RejectedInput(
                    f"no rate of {currency} to {self._configuration.currency} is known on or before"
                    f" {min(month.last, self._today)}",
                    code="no_rate",
                    field="rates",
                    value=currency,
                    remedy="Write one under rates, or load rates: finops fx load FILE",
                )

    def _usd(self, currency: str, day: date) -> DatedRate | None:
        if currency == "USD":
            return DatedRate("USD", day, Decimal(1), "")
        key = (currency, day)
        if key not in self._known:
            known = [
                one
                for one in self._configuration.rates
                if one.currency == currency and one.rate_date <= day
            ]
            loaded = self._rates.rate(currency, day) if self._rates else None
            if loaded:
                known.insert(0, loaded)
            # Where two are of one day, the configuration's own counts.
            self._known[key] = max(reversed(known), key=lambda one: one.rate_date, default=None)
        return self._known[key]


#: A month's costs still change for so long: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html
_FINAL_AFTER: Final = timedelta(days=15)


def _named(account: Account, found: Mapping[str, Account]) -> Account:
    """An account of the configuration, with what Organizations says where it says nothing."""
    other = found.get(account.id)
    if other is None:
        return account
    return Account(
        id=account.id,
        name=account.name or other.name,
        ownership=account.ownership or other.ownership,
    )


def _ownership_of_account(mapping: CostMapping, account: str) -> Ownership | None:
    for accounts in (mapping.linked, mapping.payers):
        if account in accounts:
            return accounts[account].ownership
    return None


def _moved(charges: Iterable[Charge], days: Unusual) -> list[str]:
    """Services by how far they were off their own median, the largest first."""
    series: dict[str, dict[date, Decimal]] = {}
    for charge in charges:
        of_service = series.setdefault(charge.service, {})
        of_service[charge.period_start] = total(
            (of_service.get(charge.period_start, Decimal(0)), charge.billed)
        )
    window = list(days_between(days.first, days.last + timedelta(days=1)))
    before = list(days_between(days.first - timedelta(days=_BEFORE), days.first))
    moved: dict[str, Decimal] = {}
    for service, costs in series.items():
        usual = median(costs.get(day, Decimal(0)) for day in before)
        off = total(costs.get(day, Decimal(0)) for day in window) - usual * len(window)
        moved[service] = off if days.score > 0 else -off
    largest = max(moved.values(), default=Decimal(0))
    ranked = sorted(moved, key=lambda service: (-moved[service], service))
    return [one for one in ranked if moved[one] * 10 >= largest > 0][:_SERVICES_NAMED]
