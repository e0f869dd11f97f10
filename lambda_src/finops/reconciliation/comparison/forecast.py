"""Forecasts the rest of an open month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from finops.reconciliation.comparison.costs import AccountKey, Costs, DailyCosts, account_key
from finops.reconciliation.domain import UNMAPPED, ChargeCategory
from finops.reconciliation.forecasting import DailyForecast
from finops.shared.money import total
from finops.shared.periods import Month, days_between

_FEE_DAYS: Final = 7
#: Categories that go with usage: tax, and agreed discounts.
_FOLLOW_USAGE: Final = (*(ChargeCategory.TAX, ChargeCategory.DISCOUNT, ChargeCategory.ADJUSTMENT),)
#: Categories whose charges come again if they came in both months before, about alike.
_RECURRING: Final = (ChargeCategory.PURCHASE, ChargeCategory.CREDIT)
_ALIKE: Final = 2


@dataclass(frozen=True)
class Rest:
    """What the remaining days of a running month will add, not rounded.

    Attributes:
        units: By business unit.
        ranges: By business unit, how far that may be off, either way, in 80% of all cases.
        whole: The same of all units together.
    """

    units: Mapping[str, Decimal] = field(default_factory=dict)
    ranges: Mapping[str, Decimal] = field(default_factory=dict)
    whole: Decimal = Decimal(0)


def rest_of_month(costs: Costs) -> Rest:
    """The rest of a running month: usage, fees and credits, each by its own recurrence."""
    given = costs.evidence
    if not given.is_running:
        return Rest()
    usage: dict[str, Decimal] = defaultdict(Decimal)
    daily: dict[str, DailyCosts] = defaultdict(lambda: defaultdict(Decimal))
    shares = _unit_shares(costs, ChargeCategory.USAGE)
    everything: DailyCosts = defaultdict(Decimal)
    for account, series in sorted(costs.account_series.items()):
        known = {day: cost for day, cost in series.items() if day < given.known_until}
        coming = _rest_of_account(series, known, given.known_until, given.month.end)
        for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
            usage[unit] += coming * share
            for day, cost in known.items():
                daily[unit][day] += cost * share
        for day, cost in known.items():
            everything[day] += cost
    follows = {unit: _follow_share(costs, unit) for unit in usage}
    rest = defaultdict(
        Decimal, {unit: coming + coming * follows[unit] for unit, coming in usage.items()}
    )
    for account, category, coming in _recurring(costs):
        shares = _unit_shares(costs, category)
        for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
            rest[unit] += coming * share

    def half(series: Mapping[date, Decimal]) -> Decimal:
        return DailyForecast(series, given.known_until).half_range(given.month.end)

    return Rest(
        units=rest,
        ranges={unit: half(daily[unit]) * (1 + follows[unit]) for unit in daily},
        whole=half(everything) * (1 + _follow_share(costs, None)),
    )


def expected_rest(series: Mapping[date, Decimal], first: date, end: date) -> Decimal:
    """What the days from `first` to before `end` will cost, by the 28 days before them."""
    return total(DailyForecast(series, first).days(end).values())


def _rest_of_account(
    series: Mapping[date, Decimal], known: Mapping[date, Decimal], known_until: date, end: date
) -> Decimal:
    """What is known of a coming day already is a part of it, and at most the whole."""
    zero = Decimal(0)
    return total(
        expected - min(max(series.get(day, zero), zero), max(expected, zero))
        for day, expected in DailyForecast(known, known_until).days(end).items()
    )


def _recurring(costs: Costs) -> Iterator[tuple[AccountKey, ChargeCategory, Decimal]]:
    """(account, category, what is still to come) of fees and credits."""
    given = costs.evidence
    for (account, _), series in sorted(costs.fee_series.items()):
        if ChargeCategory.PURCHASE not in given.excluded:
            coming = _coming_fees(series, given.known_until, given.month.end)
            yield account, ChargeCategory.PURCHASE, coming
    months = [given.month.plus(-back) for back in range(3)]
    sums: dict[tuple[AccountKey, str, ChargeCategory], dict[Month, Decimal]] = {}
    for month in months:
        for one in costs.compared(costs.of_month(month)):
            if one.charge.category in _RECURRING:
                key = account_key(one.charge), one.charge.service, one.charge.category
                of_months = sums.setdefault(key, dict.fromkeys(months, Decimal(0)))
                of_months[month] += one.amount
    for (account, service, category), of_months in sorted(sums.items()):
        if category is ChargeCategory.PURCHASE:
            for day, fee in costs.fee_series.get((account, service), {}).items():
                if Month.of(day) in of_months:
                    of_months[Month.of(day)] -= fee
        now, *before = (of_months[month] for month in months)
        yield account, category, _to_come(now, before, category)


def _to_come(now: Decimal, before: list[Decimal], category: ChargeCategory) -> Decimal:
    """What a monthly charge still lacks; a fee that has come this month comes no more.

    A credit may be used up day by day, so that it goes on up to what it was.
    """
    least, most = min(before, key=abs), max(before, key=abs)
    if least * most <= 0 or abs(least) * _ALIKE < abs(most):
        return Decimal(0)
    usual = total(before) / len(before)
    has_come = bool(now) if category is ChargeCategory.PURCHASE else abs(now) >= abs(usual)
    return Decimal(0) if has_come or now * usual < 0 else usual - now


def _coming_fees(series: Mapping[date, Decimal], known_until: date, end: date) -> Decimal:
    """A fee goes on as it was on most of the last seven days; one that began later, since then."""
    week = list(days_between(known_until - timedelta(days=_FEE_DAYS), known_until))
    charged = [day for day in week if series.get(day)]
    if not charged:
        return Decimal(0)
    daily = median(series.get(day, Decimal(0)) for day in week if day >= charged[0])
    # What is charged ahead is no more to come.
    return total(
        max(daily - series.get(day, Decimal(0)), Decimal(0))
        for day in days_between(known_until, end)
    )


def _follow_share(costs: Costs, unit: str | None) -> Decimal:
    """The tax and discounts that go with usage, as a share of it; of all units where it is None."""
    mine = [one for one in costs.compared(costs.current) if unit is None or one.unit == unit]
    usage = total(one.amount for one in mine if one.charge.category is ChargeCategory.USAGE)
    if usage <= 0:
        return Decimal(0)
    return total(one.amount for one in mine if one.charge.category in _FOLLOW_USAGE) / usage


def _unit_shares(costs: Costs, category: ChargeCategory) -> dict[AccountKey, dict[str, Decimal]]:
    """The share of an account's charges that each unit bears, by the newest month with any."""
    shares: dict[AccountKey, dict[str, Decimal]] = {}
    for allocated in (costs.previous, costs.current):
        by_account: dict[AccountKey, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for one in allocated:
            if one.charge.category is category:
                by_account[account_key(one.charge)][one.unit] += one.amount
        for account, amounts in by_account.items():
            whole = total(amounts.values())
            if whole and all(amount * whole >= 0 for amount in amounts.values()):
                shares[account] = {unit: part / whole for unit, part in amounts.items()}
    return shares
