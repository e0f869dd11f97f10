"""Collects the evidence of a month from every source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from finops.reconciliation.anomalies import HISTORY_DAYS, Unusual
from finops.reconciliation.anomaly_services import AccountDays, driving_services
from finops.reconciliation.comparison.breakdowns import ASKED_MONTHS
from finops.reconciliation.comparison.evidence import Evidence
from finops.reconciliation.configuration import Configuration
from finops.reconciliation.domain import FINAL_AFTER, Charge, Metric, TaggedCosts, UnitBudget
from finops.reconciliation.invoice_check import check_invoices, focus_rule
from finops.reconciliation.mapping import Account, CostMapping, Ownership
from finops.reconciliation.month_rates import MonthRates
from finops.reconciliation.ports import (
    AnomalyQuery,
    BudgetRows,
    ChargeQuery,
    CostSource,
    Detail,
    Directory,
    IssuedInvoices,
    ProcessedInvoices,
    TagQuery,
    UsageQuery,
)
from finops.reconciliation.report import Check, InvoiceLine
from finops.reconciliation.year import fiscal_year
from finops.shared.errors import RejectedInput
from finops.shared.money import WIDE, total
from finops.shared.periods import Month
from finops.shared.rates import DatedRates, ExchangeRates, RatePolicy

ClosedBudgets = Callable[[Month], Mapping[str, UnitBudget] | None]


@dataclass(frozen=True, kw_only=True)
class EvidenceCollector:
    """Collects everything that a month's report is made from. What is None is not compared.

    Attributes:
        number_key: An invoice number as it is compared with others.
        rates: Those of the billing database; of two of one day, the configuration's counts.
        rate_policy: Which rate converts: the billing flow is given the same.
    """

    source_key: str
    source: CostSource
    configuration: Configuration
    number_key: Callable[[str], str]
    issued: IssuedInvoices | None = None
    processed: ProcessedInvoices | None = None
    directory: Directory | None = None
    budget_rows: BudgetRows | None = None
    rates: DatedRates | None = None
    rate_policy: RatePolicy = field(default_factory=RatePolicy)

    def collect(
        self,
        month: Month,
        today: date,
        *,
        closed: bool = False,
        allow_empty: bool = False,
        closed_budgets: ClosedBudgets = lambda _month: None,
    ) -> Evidence:
        """Ask for everything; services of anomalies are asked for when the report is made.

        Args:
            month: Which.
            today: UTC.
            closed: Whether the month is closed, or will be: all of it counts as known.
            allow_empty: Whether a month that is over may be without any charge.
            closed_budgets: What a closed month was compared with, by unit; None of an open one,
                whose budgets are the configuration's and those of the budgets table.

        Raises:
            RejectedInput: the source has no charges, or no rate is known for a currency.
        """
        mapping = self._mapping()
        charges = list(
            _with_service(
                self.source.charges(self._query(mapping, month.plus(1 - ASKED_MONTHS).first, month))
            )
        )
        if not charges:
            raise RejectedInput(
                f"{self.source.name} has no charges in {month} or the 12 months before",
                code="no_charges",
                value=str(month),
                remedy="Check the month, the input and the payer accounts",
            )
        missing = self.source.lacks(self.configuration.metric, month)
        if missing:
            raise RejectedInput(
                f"{self.source.name} lacks {missing}, which {self.configuration.metric} cost needs",
                code="metric_unknown",
                field="metric",
                value=self.configuration.metric,
                remedy="Add them to the export, or set `metric: billed`",
            )
        first_day = month.first - timedelta(days=HISTORY_DAYS)
        rates = MonthRates(self.configuration.currency, self._exchange_rates(), today)
        current = [one for one in charges if Month.of(one.period_start) == month]
        if not current and month.end <= today and not allow_empty:
            raise RejectedInput(
                f"{self.source.name} has no charges in {month}, which is over",
                code="empty_month",
                value=str(month),
                remedy="Check that the export of this month was delivered; if there were no costs,"
                " use --allow-empty",
            )
        rates.require({one.currency for one in current}, month)
        budgets = closed_budgets(month)
        if budgets is None:
            budgets = self._budgets(mapping, month, rates)
        rates.require({one.currency for one in budgets.values()}, month)
        notes_of_parts: list[str] = []
        year_budgets = self._year_budgets(mapping, month, rates, notes_of_parts, closed_budgets)
        source_knows = self.source.known_until(month, today)
        known_until = month.end if closed else source_knows
        lines, rule = self._invoices(current, month, today)
        tagged = self._tagged(month, notes_of_parts)
        controls = self.source.control_totals(month)
        return Evidence(
            month=month,
            currency=self.configuration.currency,
            metric=self.configuration.metric,
            source=self.source_key,
            source_name=self.source.name,
            mapping=mapping,
            excluded=self.configuration.excluded,
            smallest_line=self.configuration.smallest_line,
            charges=charges,
            account_days=self.source.charges(
                self._query(mapping, first_day, month, Detail.ACCOUNT_DAYS)
            ),
            service_days=list(
                _with_service(
                    self.source.charges(self._query(mapping, first_day, month, Detail.SERVICE_DAYS))
                )
            ),
            fee_days=list(
                _with_service(
                    self.source.charges(self._query(mapping, first_day, month, Detail.DAILY_FEES))
                )
            )
            if known_until < month.end
            else (),
            usage_by_day=lambda lines: self.source.usage_by_day(
                UsageQuery(
                    month=month,
                    metric=self.configuration.metric,
                    lines=lines,
                    tag_rules=mapping.tag_rules,
                )
            ),
            rate=rates.rate,
            budgets=budgets,
            known_until=known_until,
            control_totals=[(one.name, one.amount, one.currency) for one in controls],
            without_amortized={one.currency: one.without_amortized for one in controls},
            invoices=lines,
            invoice_rule=rule,
            groups=self.configuration.groups,
            acknowledgements=self.configuration.acknowledgements,
            anomaly_services=lambda unusual: self._drivers_of(unusual, first_day),
            knows_amortized=not self.source.lacks(Metric.AMORTIZED, month),
            is_open=not closed,
            notes=(*self._notes(month, source_knows, closed=closed), *notes_of_parts),
            committed=self.source.committed_costs(month),
            price_effects=()
            if known_until < month.end
            else self.source.price_effects(month, self.configuration.metric),
            year_budgets=year_budgets,
            fiscal_year_starts_in=self.configuration.fiscal_year_starts_in,
            aws_budgets=self.budget_rows.calculated() if self.budget_rows else None,
            tagged=tagged,
        )

    def _tagged(self, month: Month, notes: list[str]) -> dict[str, Sequence[TaggedCosts]]:
        """By the key of each tag that costs are shown by; a note where the source knows none."""
        asked = {
            key.key: self.source.tagged_costs(
                TagQuery(
                    month=month,
                    key=key,
                    metric=self.configuration.metric,
                    excluded=self.configuration.excluded,
                )
            )
            for key in self.configuration.showback_tags
        }
        unknown = [key for key, found in asked.items() if found is None]
        if unknown:
            notes.append(f"{self.source.name} has no tags: no table by {', '.join(unknown)}.")
        return {key: found for key, found in asked.items() if found is not None}

    def _exchange_rates(self) -> ExchangeRates:
        policy = self.rate_policy.with_static(self.configuration.static_rates)
        loaded = (self.rates,) if self.rates else ()
        return ExchangeRates(policy, *loaded, self.configuration.dated_rates)

    def _query(
        self, mapping: CostMapping, first: date, month: Month, detail: Detail = Detail.MONTHS
    ) -> ChargeQuery:
        return ChargeQuery(
            first=first,
            end=month.end,
            detail=detail,
            tag_rules=mapping.tag_rules,
            tag_keys=self.configuration.showback_tags,
        )

    def _mapping(self) -> CostMapping:
        """The configuration's rules; accounts that it does not name, by Organizations' tags."""
        mapping = self.configuration.mapping
        tags = self.configuration.organization_tags
        if not (tags and self.directory):
            return mapping
        found = {account.id: account for account in self.directory.accounts(tags)}
        linked = {**found, **{one.id: _named(one, found) for one in mapping.linked.values()}}
        return replace(mapping, linked=linked)

    def _year_budgets(
        self,
        mapping: CostMapping,
        month: Month,
        rates: MonthRates,
        notes: list[str],
        closed_budgets: ClosedBudgets,
    ) -> dict[Month, Mapping[str, UnitBudget]]:
        """By the other months of the fiscal year, by the rates of the report's month."""
        year = set(fiscal_year(month, self.configuration.fiscal_year_starts_in)) - {month}
        found: dict[Month, Mapping[str, UnitBudget]] = {}
        for one in sorted(year):
            try:
                kept = closed_budgets(one)
                found[one] = (
                    self._budgets(mapping, one, rates, converted_in=month) if kept is None else kept
                )
                rates.require({budget.currency for budget in found[one].values()}, month)
            except RejectedInput:
                found[one] = {}
                notes.append(f"The year leaves out budgets of {one}: no rate converts them.")
        return found

    def _budgets(
        self,
        mapping: CostMapping,
        month: Month,
        rates: MonthRates,
        *,
        converted_in: Month | None = None,
    ) -> dict[str, UnitBudget]:
        """The configuration's; of units that it does not name, the sums of their accounts' rows.

        Args:
            mapping: Which unit an account belongs to.
            month: Whose budgets.
            rates: For rows in other currencies.
            converted_in: The month whose rates count; that of the budgets where it is None.
        """
        of = converted_in or month
        budgets = self.configuration.budgets(month)
        rows = self.budget_rows.monthly(month) if self.budget_rows else {}
        currency = self.configuration.currency
        found: dict[str, list[UnitBudget]] = {}
        for account, of_account in sorted(rows.items()):
            ownership = _ownership_of_account(mapping, account)
            if ownership and ownership.business_unit not in budgets:
                found.setdefault(ownership.business_unit, []).extend(of_account)
        for unit, parts in found.items():
            rates.require({one.currency for one in parts}, of)
            count = len(parts)
            budgets[unit] = UnitBudget(
                monthly_target=total(
                    WIDE.multiply(one.monthly_target, rates.required(one.currency, of))
                    for one in parts
                ),
                currency=currency,
                origin=f"budgets table, {count} {'account' if count == 1 else 'accounts'}",
            )
        return budgets

    def _invoices(
        self, current: Sequence[Charge], month: Month, today: date
    ) -> tuple[list[InvoiceLine], Check]:
        issued = self.issued.of_month(month) if self.issued else None
        numbers = {one.invoice_id for one in current if one.invoice_id}
        numbers |= {one.number for one in issued or () if one.number}
        processed = self.processed.numbered(sorted(numbers), month) if self.processed else ()
        every = {*numbers, *(one.number for one in processed)}
        lines = check_invoices(
            current,
            issued,
            processed,
            is_open=today < month.end + FINAL_AFTER,
            number_key={number: self.number_key(number) for number in every},
        )
        return lines, focus_rule(lines)

    def _drivers_of(
        self, unusual: Sequence[tuple[str, Unusual]], first_day: date
    ) -> list[list[str]]:
        """Of each account and its days, the services that moved most, the largest first."""
        if not unusual:
            return []
        anomalies = [AccountDays(account, days.first, days.last) for account, days in unusual]
        found = self.source.costs_by_service(AnomalyQuery(since=first_day, anomalies=anomalies))
        return [
            driving_services(services, days)
            for services, (_, days) in zip(found, unusual, strict=True)
        ]

    def _notes(self, month: Month, known_until: date, *, closed: bool) -> tuple[str, ...]:
        notes = []
        if known_until < month.end and closed:
            notes.append(
                f"{self.source.name} knows costs up to {known_until - timedelta(days=1)} (UTC):"
                " those of later days may be missing."
            )
        elif known_until < month.end:
            notes.append(
                f"{month} is open. Costs are known up to {known_until - timedelta(days=1)} (UTC)."
                " Changes compare these costs with the whole month before, and statuses follow the"
                " forecast. The forecast adds, for each remaining day, the median cost of the same"
                " weekday in the last four weeks (where the last week is at another level, at"
                " that), with the tax and discounts that go with it; the fees that are charged day"
                " by day; and fees and credits that came in both months before, about alike. In"
                " about 80% of all cases the month ends within the range that is given."
            )
        return tuple(notes)


def _with_service(charges: Iterable[Charge]) -> Iterator[Charge]:
    """The charges; those of no service are told by their category, such as Tax."""
    for one in charges:
        yield one if one.service else replace(one, service=one.category.value)


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
