"""From charges to a report: by business unit, against budgets, months before and invoices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from functools import cached_property
from typing import Any, Final

from finops.reconciliation.anomalies import Unusual, expected_rest, unusual_days
from finops.reconciliation.domain import (
    UNMAPPED,
    Charge,
    ChargeCategory,
    Metric,
    UnitBudget,
    percent,
    rounded_to_sum,
    total,
    unit_status,
)
from finops.reconciliation.mapping import Allocated, CostMapping, allocate
from finops.reconciliation.report import (
    AccountLine,
    Anomaly,
    CategoryLine,
    Check,
    DailyCost,
    Driver,
    InvoiceLine,
    RateUsed,
    Report,
    ServiceLine,
    Totals,
    Trend,
    Unit,
    UnmappedAccount,
)
from finops.shared.money import WIDE, minor_units, product, rounded
from finops.shared.periods import Month

TREND_MONTHS: Final = 12
_DRIVERS: Final = 5
_PLAN_MONTHS: Final = 3
_REST: Final = "Everything else"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a report is made from.

    Attributes:
        charges: By month, of the month and of those before that the source has.
        account_days: Usage by day and linked account, of the month and some weeks before.
        service_days: The same by service.
        rate: USD for one unit of the currency at the end of a month, None where none is known.
        budgets: By business unit, each in its own currency.
        known_until: The first day of the month of which nothing is known yet.
        control_totals: (name, amount, currency) of all billed charges of the month.
        invoices: The lines of the invoice check, and `invoice_rule` its invariant.
    """

    month: Month
    currency: str
    metric: Metric
    source: str
    source_name: str
    mapping: CostMapping
    apart: frozenset[ChargeCategory]
    smallest_line: Decimal
    charges: Sequence[Charge]
    account_days: Sequence[Charge]
    service_days: Sequence[Charge]
    rate: Callable[[str, Month], RateUsed | None]
    budgets: Mapping[str, UnitBudget]
    known_until: date
    control_totals: Sequence[tuple[str, Decimal, str]] = ()
    invoices: Sequence[InvoiceLine] = ()
    invoice_rule: Check | None = None
    anomaly_services: Callable[[str, Unusual], Sequence[str]] = lambda _account, _days: ()
    is_open: bool = True
    notes: tuple[str, ...] = field(default=())


def compare(evidence: Evidence) -> Report:
    """The report. The same evidence in any order gives the same report."""
    with localcontext(WIDE):
        return _Comparison(evidence).report()


class _Comparison:
    def __init__(self, evidence: Evidence) -> None:
        self._given = evidence
        self._digits = minor_units().get(evidence.currency) or 0
        self._rates: dict[tuple[str, date], RateUsed | None] = {}
        self._notes = list(evidence.notes)

    def report(self) -> Report:
        given = self._given
        units = self._units()
        totals = self._totals(units)
        return Report(
            month=str(given.month),
            currency=given.currency,
            source=given.source,
            source_name=given.source_name,
            metric=given.metric.value,
            is_open=given.is_open,
            known_until=given.known_until if self._runs else None,
            revision=0,
            totals=totals,
            units=units,
            unmapped=self._unmapped(totals),
            categories=self._categories(totals),
            accounts=self._accounts(totals),
            services=self._services(totals),
            daily=self._daily(),
            trend_months=tuple(str(month) for month in self._trend_months),
            trends=self._trends([unit.name for unit in units]),
            anomalies=self._anomalies(),
            invoices=tuple(given.invoices),
            checks=tuple(self._checks(totals)),
            rates=tuple(
                sorted(
                    {
                        rate
                        for (currency, first), rate in self._rates.items()
                        if rate and first == given.month.first and currency != given.currency
                    },
                    key=lambda rate: rate.currency,
                )
            ),
            changes=(),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    @property
    def _runs(self) -> bool:
        """Whether days of the month are still to come, or not known yet."""
        return self._given.known_until < self._given.month.end

    # Money

    def _rate(self, currency: str, month: Month) -> RateUsed | None:
        key = (currency, month.first)
        if key not in self._rates:
            self._rates[key] = self._given.rate(currency, month)
        return self._rates[key]

    def _converted(self, charge: Charge) -> Decimal:
        rate = self._rate(charge.currency, Month.of(charge.period_start))
        return charge.cost(self._given.metric) * (rate.rate if rate else 0)

    def _known(self, charges: Iterable[Charge]) -> list[Charge]:
        """Without charges of months before for whose currency no rate is known; a note says so."""
        known = []
        for charge in charges:
            month = Month.of(charge.period_start)
            if self._rate(charge.currency, month) is None:
                self._notes.append(
                    f"Charges in {charge.currency} of {month} are left out of trends: no rate of"
                    " that month or the days before is known."
                )
            else:
                known.append(charge)
        return known

    def _rounded(self, amounts: Sequence[Decimal], whole: Decimal | None = None) -> list[Decimal]:
        return rounded_to_sum(amounts, self._digits, whole)

    # Costs

    @cached_property
    def _allocated(self) -> dict[date, list[Allocated]]:
        """Of each month, in a fixed order."""
        found: dict[date, list[Allocated]] = defaultdict(list)
        known = self._known(self._given.charges)
        for one in allocate(known, self._given.mapping, self._converted):
            found[Month.of(one.charge.period_start).first].append(one)
        return found

    def _of(self, month: Month) -> list[Allocated]:
        return self._allocated.get(month.first, [])

    @cached_property
    def _current(self) -> list[Allocated]:
        return self._of(self._given.month)

    @cached_property
    def _previous(self) -> list[Allocated]:
        return self._of(self._given.month.plus(-1))

    def _compared(self, allocated: Iterable[Allocated]) -> list[Allocated]:
        """Without what is shown apart."""
        apart = self._given.apart
        return [one for one in allocated if one.charge.category not in apart]

    def _by_unit(self, allocated: Iterable[Allocated]) -> dict[str, Decimal]:
        return _sums(allocated, lambda one: one.unit)

    # Business units

    def _units(self) -> tuple[Unit, ...]:
        given = self._given
        current, before = self._compared(self._current), self._compared(self._previous)
        actual, previous = self._by_unit(current), self._by_unit(before)
        apart = self._by_unit(one for one in self._current if one.charge.category in given.apart)
        rest = self._rest_of_month()
        names = sorted(
            {*actual, *previous, *apart, *given.budgets, *given.mapping.units} - {UNMAPPED}
        )
        if UNMAPPED in actual or UNMAPPED in previous or UNMAPPED in apart:
            names.append(UNMAPPED)
        zero = Decimal(0)
        actuals = self._rounded([actual.get(name, zero) for name in names])
        aparts = self._rounded([apart.get(name, zero) for name in names])
        befores = self._rounded([previous.get(name, zero) for name in names])
        forecasts = self._rounded([actual.get(name, zero) + rest.get(name, zero) for name in names])
        by_unit, by_unit_before = _grouped(current), _grouped(before)
        plan_mix = self._plan_mix()
        units = []
        for at, name in enumerate(names):
            budget = given.budgets.get(name)
            target = self._target(budget) if budget else None
            spent = forecasts[at] if self._runs else actuals[at]
            threshold = budget.alert_threshold_pct if budget else None
            owner = given.mapping.ownership_of_unit(name)
            variance = None if target is None else actuals[at] - target
            units.append(
                Unit(
                    name=name,
                    cost_centre=owner.cost_centre,
                    owner=owner.owner,
                    environment=owner.environment,
                    actual=actuals[at],
                    apart=aparts[at],
                    previous=befores[at],
                    change=actuals[at] - befores[at],
                    change_pct=percent(actuals[at] - befores[at], befores[at]),
                    budget=target,
                    budget_origin=budget.origin if budget else "",
                    alert_threshold_pct=threshold,
                    variance=variance,
                    variance_pct=None
                    if variance is None or target is None
                    else percent(variance, target),
                    forecast=forecasts[at] if self._runs else None,
                    status=unit_status(spent, target, threshold or Decimal(0)),
                    drivers=self._drivers(
                        by_unit.get(name, {}),
                        by_unit_before.get(name, {}),
                        actuals[at],
                        befores[at],
                    ),
                    plan_drivers=()
                    if target is None or name not in plan_mix
                    else self._drivers(
                        by_unit.get(name, {}),
                        _scaled(plan_mix[name], target),
                        actuals[at],
                        target,
                    ),
                )
            )
        return tuple(units)

    def _target(self, budget: UnitBudget) -> Decimal:
        rate = self._rate(budget.currency, self._given.month)
        factor = rate.rate if rate else Decimal(0)
        return product(budget.monthly_target, factor, self._digits)

    def _drivers(
        self,
        now: Mapping[tuple[str, str], Decimal],
        before: Mapping[tuple[str, str], Decimal],
        whole_now: Decimal,
        whole_before: Decimal,
    ) -> tuple[Driver, ...]:
        """The largest changes, and a line of all others, which add up to the unit's own change."""
        zero = Decimal(0)
        keys = sorted(
            now.keys() | before.keys(),
            key=lambda key: (-abs(now.get(key, zero) - before.get(key, zero)), key),
        )
        drivers = []
        for service, account in keys[:_DRIVERS]:
            new = rounded(now.get((service, account), zero), self._digits)
            old = rounded(before.get((service, account), zero), self._digits)
            if new != old:
                drivers.append(self._driver(service, account, new, old))
        new = whole_now - total(one.now for one in drivers)
        old = whole_before - total(one.before for one in drivers)
        if drivers and (new or old):
            drivers.append(self._driver(_REST, "", new, old))
        return tuple(drivers)

    def _driver(self, service: str, account: str, now: Decimal, before: Decimal) -> Driver:
        return Driver(
            service=service,
            account=account,
            account_name=self._account_name(account),
            now=now,
            before=before,
            change=now - before,
        )

    def _plan_mix(self) -> dict[str, dict[tuple[str, str], Decimal]]:
        """Each unit's costs by service and account over the three months before."""
        months = [self._given.month.plus(-back) for back in range(1, _PLAN_MONTHS + 1)]
        return _grouped(one for month in months for one in self._compared(self._of(month)))

    # Forecast

    def _rest_of_month(self) -> dict[str, Decimal]:
        """What the days that are not known yet will add to each unit.

        Fees and credits are taken as they are by now.
        """
        given = self._given
        if not self._runs:
            return {}
        shares = self._shares()
        rest: dict[str, Decimal] = defaultdict(Decimal)
        for account, series in sorted(self._account_series.items()):
            known = {day: cost for day, cost in series.items() if day < given.known_until}
            partly = total(cost for day, cost in series.items() if day >= given.known_until)
            coming = expected_rest(known, given.known_until, given.month.end) - partly
            for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
                rest[unit] += coming * share
        return {unit: coming + self._follows(unit, coming) for unit, coming in rest.items()}

    def _follows(self, unit: str, coming: Decimal) -> Decimal:
        """What goes with coming usage as it went with usage so far: tax, and agreed discounts."""
        mine = [one for one in self._compared(self._current) if one.unit == unit]
        usage = total(one.amount for one in mine if one.charge.category is ChargeCategory.USAGE)
        if usage <= 0:
            return Decimal(0)
        follows = (ChargeCategory.TAX, ChargeCategory.ADJUSTMENT)
        return total(one.amount for one in mine if one.charge.category in follows) * coming / usage

    def _shares(self) -> dict[tuple[str, str], dict[str, Decimal]]:
        """Which part of each account's usage each unit bears, by the newest month with usage."""
        shares: dict[tuple[str, str], dict[str, Decimal]] = {}
        for allocated in (self._previous, self._current):
            by_account: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(
                lambda: defaultdict(Decimal)
            )
            for one in allocated:
                if one.charge.category is ChargeCategory.USAGE:
                    by_account[_account_key(one.charge)][one.unit] += one.amount
            for account, amounts in by_account.items():
                whole = total(amounts.values())
                if whole > 0 and all(amount >= 0 for amount in amounts.values()):
                    shares[account] = {unit: part / whole for unit, part in amounts.items()}
        return shares

    # Days

    @cached_property
    def _account_series(self) -> dict[tuple[str, str], dict[date, Decimal]]:
        return self._series(self._given.account_days, _account_key)

    def _series(
        self, charges: Iterable[Charge], key: Callable[[Charge], tuple[str, str]]
    ) -> dict[tuple[str, str], dict[date, Decimal]]:
        series: dict[tuple[str, str], dict[date, Decimal]] = defaultdict(
            lambda: defaultdict(Decimal)
        )
        for charge in self._known(charges):
            series[key(charge)][charge.period_start] += self._converted(charge)
        return series

    def _daily(self) -> tuple[DailyCost, ...]:
        month = self._given.month
        by_day: dict[date, Decimal] = defaultdict(Decimal)
        for series in self._account_series.values():
            for day, amount in series.items():
                if month.first <= day < month.end:
                    by_day[day] += amount
        days = [day for day in month.days if day < self._given.known_until]
        amounts = self._rounded([by_day.get(day, Decimal(0)) for day in days]) if by_day else []
        return tuple(
            DailyCost(day=day, amount=amount) for day, amount in zip(days, amounts, strict=False)
        )

    def _anomalies(self) -> tuple[Anomaly, ...]:
        given = self._given
        units: dict[str, set[str]] = defaultdict(set)
        for one in self._current:
            if not one.shared:
                units[one.charge.linked_account].add(one.unit)
        found = []
        for (_, account), series in sorted(self._account_series.items()):
            for days in unusual_days(series, given.month, given.known_until):
                services = given.anomaly_services(account, days)
                found.append(
                    self._anomaly("account", account, days, sorted(units[account]), services)
                )
        explained = {
            (service, day)
            for one in found
            for service in one.services
            for day in (one.first, one.last)
        }
        by_service = self._series(given.service_days, lambda charge: ("", charge.service))
        for (_, service), series in sorted(by_service.items()):
            found += [
                self._anomaly("service", service, days, [], ())
                for days in unusual_days(series, given.month, given.known_until)
                if not {(service, days.first), (service, days.last)} & explained
            ]
        return tuple(sorted(found, key=lambda one: (-abs(one.impact), one.scope, one.subject)))

    def _anomaly(
        self,
        scope: str,
        subject: str,
        days: Unusual,
        units: Sequence[str],
        services: Sequence[str],
    ) -> Anomaly:
        actual = rounded(days.actual, self._digits)
        expected = rounded(days.expected, self._digits)
        return Anomaly(
            scope=scope,
            subject=subject,
            name=self._account_name(subject) if scope == "account" else "",
            units=tuple(units),
            first=days.first,
            last=days.last,
            actual=actual,
            expected=expected,
            impact=actual - expected,
            score=days.score,
            services=tuple(services),
            evidence=(
                f"The {days.days_before} days before let expect {expected:,f}"
                f" {self._given.currency} by weekday; the worst day is {abs(days.score)} robust"
                f" deviations {'above' if days.score > 0 else 'below'} it."
            ),
        )

    # Tables

    def _totals(self, units: Sequence[Unit]) -> Totals:
        actual = total(unit.actual for unit in units)
        previous = total(unit.previous for unit in units)
        planned = [unit for unit in units if unit.budget is not None]
        budget = total(unit.budget or Decimal(0) for unit in planned)
        variance = total(unit.actual for unit in planned) - budget
        foreseen = total(unit.forecast or Decimal(0) for unit in planned) - budget
        return Totals(
            actual=actual,
            apart=total(unit.apart for unit in units),
            previous=previous,
            change=actual - previous,
            change_pct=percent(actual - previous, previous),
            budget=budget,
            unbudgeted=total(unit.actual for unit in units if unit.budget is None),
            variance=variance,
            variance_pct=percent(variance, budget),
            forecast=total(unit.forecast or Decimal(0) for unit in units) if self._runs else None,
            forecast_variance=foreseen if self._runs else None,
            unmapped=total(unit.actual for unit in units if unit.name == UNMAPPED),
        )

    def _unmapped(self, totals: Totals) -> tuple[UnmappedAccount, ...]:
        sums = _sums(
            (one for one in self._compared(self._current) if one.unit == UNMAPPED),
            lambda one: _account_key(one.charge),
        )
        keys = sorted(sums, key=lambda key: (-sums[key], key))
        amounts = self._rounded([sums[key] for key in keys], totals.unmapped) if keys else []
        return tuple(
            UnmappedAccount(
                account=account, name=self._account_name(account), payer=payer, amount=amount
            )
            for (payer, account), amount in zip(keys, amounts, strict=True)
        )

    def _categories(self, totals: Totals) -> tuple[CategoryLine, ...]:
        sums = _sums(self._current, lambda one: one.charge.category)
        lines: dict[ChargeCategory, Decimal] = {}
        for apart, whole in ((False, totals.actual), (True, totals.apart)):
            members = [one for one in ChargeCategory if one in sums]
            members = [one for one in members if (one in self._given.apart) is apart]
            if members:
                amounts = self._rounded([sums[one] for one in members], whole)
                lines |= dict(zip(members, amounts, strict=True))
        return tuple(
            CategoryLine(category=one.value, amount=lines[one], apart=one in self._given.apart)
            for one in ChargeCategory
            if one in lines
        )

    def _accounts(self, totals: Totals) -> tuple[AccountLine, ...]:
        units: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self._current:
            if not one.shared:
                units[_account_key(one.charge)].add(one.unit)
        return tuple(
            AccountLine(
                account=key[1] if key else f"{count} accounts below {self._least}",
                name=self._account_name(key[1]) if key else "",
                payer=key[0] if key else "",
                units=tuple(sorted(units[key])) if key else (),
                amount=now,
                previous=before,
                change=now - before,
            )
            for key, count, now, before in self._lines(lambda one: _account_key(one.charge), totals)
        )

    def _services(self, totals: Totals) -> tuple[ServiceLine, ...]:
        return tuple(
            ServiceLine(
                service=key or f"{count} services below {self._least}",
                amount=now,
                previous=before,
                change=now - before,
            )
            for key, count, now, before in self._lines(lambda one: one.charge.service, totals)
        )

    @property
    def _least(self) -> str:
        return f"{rounded(self._given.smallest_line, self._digits):f} {self._given.currency}"

    def _lines(
        self, key: Callable[[Allocated], Any], totals: Totals
    ) -> list[tuple[Any, int, Decimal, Decimal]]:
        """(key, 1, now, before), the largest first; then (None, how many, …) of all small ones."""
        now, before = _sums(self._current, key), _sums(self._previous, key)
        zero, least = Decimal(0), self._given.smallest_line
        keys = sorted(now.keys() | before.keys(), key=lambda one: (-now.get(one, zero), one))
        small = [
            one
            for one in keys
            if abs(now.get(one, zero)) < least and abs(before.get(one, zero)) < least
        ]
        if len(small) > 1:
            keys = [one for one in keys if one not in set(small)]
        else:
            small = []
        rows = [(one, 1, now.get(one, zero), before.get(one, zero)) for one in keys]
        if small:
            rest = [total(sums.get(one, zero) for one in small) for sums in (now, before)]
            rows.append((None, len(small), rest[0], rest[1]))
        nows = self._rounded([row[2] for row in rows], totals.actual + totals.apart)
        befores = self._rounded([row[3] for row in rows])
        return [(row[0], row[1], nows[at], befores[at]) for at, row in enumerate(rows)]

    @cached_property
    def _trend_months(self) -> tuple[Month, ...]:
        return self._given.month.back(TREND_MONTHS)

    def _trends(self, units: Sequence[str]) -> tuple[Trend, ...]:
        columns: list[list[Decimal | None]] = []
        for month in self._trend_months:
            allocated = self._compared(self._of(month))
            if not allocated:
                columns.append([None] * (len(units) + 1))
                continue
            sums = self._by_unit(allocated)
            others = total(amount for unit, amount in sums.items() if unit not in units)
            amounts = self._rounded([sums.get(unit, Decimal(0)) for unit in units] + [others])
            columns.append([total(amounts), *amounts[:-1]])
        return tuple(
            Trend(unit=name, amounts=tuple(column[at] for column in columns))
            for at, name in enumerate(("All", *units))
        )

    @cached_property
    def _names(self) -> dict[str, str]:
        return {
            charge.linked_account: charge.linked_account_name
            for charge in sorted(
                self._given.charges, key=lambda one: (one.period_start, one.linked_account_name)
            )
            if charge.linked_account_name
        }

    def _account_name(self, account: str) -> str:
        return self._given.mapping.account_name(account) or self._names.get(account, "")

    # What must hold

    def _checks(self, totals: Totals) -> list[Check]:
        charged = total(self._converted(one.charge) for one in self._whole_charges())
        checks = [
            self._check(
                "units_add_up",
                "Every charge is in exactly one business unit, or in Unmapped.",
                charged,
                totals.actual + totals.apart,
                "All charges against all units, with what is shown apart.",
            )
        ]
        for name, amount, currency in self._given.control_totals:
            billed = total(
                charge.billed
                for charge in self._given.charges
                if charge.currency == currency
                and Month.of(charge.period_start) == self._given.month
            )
            checks.append(
                self._check(
                    "source_total",
                    "Nothing is lost on the way: all charges add up to the source's own sum.",
                    amount,
                    billed,
                    f"{name}: its own sum of billed costs against that of all charges, {currency}.",
                )
            )
        usage = total(
            one.amount for one in self._current if one.charge.category is ChargeCategory.USAGE
        )
        days = total(
            amount
            for series in self._account_series.values()
            for day, amount in series.items()
            if self._given.month.first <= day < self._given.month.end
        )
        if self._account_series:
            checks.append(
                self._check(
                    "days_add_up",
                    "Usage by day adds up to usage by month.",
                    usage,
                    days,
                    "Two queries of the same charges.",
                )
            )
        if self._given.invoice_rule:
            checks.append(self._given.invoice_rule)
        return checks

    def _whole_charges(self) -> Iterable[Allocated]:
        """Each charge once, whole, whatever was divided."""
        seen: set[int] = set()
        for one in self._current:
            if id(one.charge) not in seen:
                seen.add(id(one.charge))
                yield one

    def _check(self, name: str, rule: str, expected: Decimal, found: Decimal, note: str) -> Check:
        wanted, got = rounded(expected, self._digits), rounded(found, self._digits)
        # Either side was rounded once.
        holds = abs(wanted - got) <= Decimal(1).scaleb(-self._digits)
        return Check(name=name, rule=rule, holds=holds, expected=wanted, found=got, note=note)


def _account_key(charge: Charge) -> tuple[str, str]:
    return charge.payer_account, charge.linked_account


def _sums(allocated: Iterable[Allocated], key: Callable[[Allocated], Any]) -> dict[Any, Decimal]:
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for one in allocated:
        sums[key(one)] += one.amount
    return dict(sums)


def _grouped(allocated: Iterable[Allocated]) -> dict[str, dict[tuple[str, str], Decimal]]:
    """By unit, the amounts by service and account."""
    found: dict[str, dict[tuple[str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in allocated:
        found[one.unit][one.charge.service, one.charge.linked_account] += one.amount
    return found


def _scaled(
    amounts: Mapping[tuple[str, str], Decimal], whole: Decimal
) -> dict[tuple[str, str], Decimal]:
    """The amounts, scaled to add up to the whole."""
    present = total(amounts.values())
    if present <= 0:
        return {}
    return {key: amount * whole / present for key, amount in amounts.items()}
