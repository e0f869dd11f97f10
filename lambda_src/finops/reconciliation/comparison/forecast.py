"""Forecasts the rest of an open month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from statistics import median
from typing import Final, NamedTuple

from finops.reconciliation.comparison.costs import (
    AccountKey,
    Costs,
    DailyCosts,
    account_key,
    sum_by,
)
from finops.reconciliation.domain import UNMAPPED, ChargeCategory
from finops.reconciliation.forecasting import DailyForecast
from finops.shared.money import total
from finops.shared.periods import Month, days_between

_FEE_DAYS: Final = 7
#: Categories that go with usage, or with usage and fees: tax, and agreed discounts.
_FOLLOWING: Final = (ChargeCategory.TAX, ChargeCategory.DISCOUNT, ChargeCategory.ADJUSTMENT)
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
    follows = _Follows(costs)
    rest = defaultdict(
        Decimal,
        {unit: coming * (1 + follows.shares(unit).of_usage) for unit, coming in usage.items()},
    )
    for account, category, coming in _recurring(costs):
        shares = _unit_shares(costs, category)
        for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
            of_fees = follows.shares(unit).of_fees if category is ChargeCategory.PURCHASE else 0
            rest[unit] += coming * share * (1 + of_fees)

    def half(series: Mapping[date, Decimal]) -> Decimal:
        return DailyForecast(series, given.known_until).half_range(given.month.end)

    return Rest(
        units=rest,
        ranges={unit: half(daily[unit]) * (1 + follows.shares(unit).of_usage) for unit in daily},
        whole=half(everything) * (1 + follows.shares(None).of_usage),
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
    daily = {
        key: series
        for key, series in sorted(costs.fee_series.items())
        if _is_daily(series, given.known_until)
    }
    for (account, _), series in daily.items():
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
            for day, fee in daily.get((account, service), {}).items():
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


def _is_daily(series: Mapping[date, Decimal], known_until: date) -> bool:
    """Whether a fee came on most days since it began, or of the last week; not on one day only.

    A monthly fee may be of one day, too.
    """
    charged = sorted(day for day, fee in series.items() if fee and day < known_until)
    if len(charged) <= 1:
        return False
    week = [day for day in charged if day >= known_until - timedelta(days=_FEE_DAYS)]
    days = (charged[-1] - charged[0]).days + 1
    return len(charged) * 2 > days or len(week) * 2 > _FEE_DAYS


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


class _Shares(NamedTuple):
    """What tax and discounts add to usage and to fees, each as a share of it."""

    of_usage: Decimal
    of_fees: Decimal


class _Follows:
    """The tax and discounts that go with a unit's usage, or with its usage and fees."""

    def __init__(self, costs: Costs) -> None:
        self._following = [one for one in _FOLLOWING if one not in costs.evidence.excluded]
        self._months = [
            sum_by(months, lambda one: (one.unit, one.charge.category))
            for months in (costs.current, costs.previous)
        ]

    @cache  # noqa: B019 -- it lives as long as one forecast
    def shares(self, unit: str | None) -> _Shares:
        """Of a unit; of all units where it is None.

        Of the two ways to share a category out, that counts by which the month before had about
        the same share: a month with days to come has another ratio of monthly fees to usage.
        """
        of_usage = of_fees = Decimal(0)
        for category in self._following:
            by_usage = self._of_months(unit, category, ChargeCategory.USAGE)
            by_both = self._of_months(unit, category, ChargeCategory.USAGE, ChargeCategory.PURCHASE)
            if _change(*by_usage) < _change(*by_both):
                of_usage += by_usage[0]
            else:
                of_usage += by_both[0]
                of_fees += by_both[0]
        return _Shares(of_usage, of_fees)

    def _of_months(
        self, unit: str | None, category: ChargeCategory, *bases: ChargeCategory
    ) -> tuple[Decimal, Decimal]:
        now, before = (
            whole and self._sum(month, unit, category) / whole
            for month in self._months
            for whole in [max(self._sum(month, unit, *bases), Decimal(0))]
        )
        return now, before

    @staticmethod
    def _sum(
        month: Mapping[tuple[str, ChargeCategory], Decimal],
        unit: str | None,
        *categories: ChargeCategory,
    ) -> Decimal:
        return total(
            amount
            for (of_unit, category), amount in month.items()
            if category in categories and unit in {None, of_unit}
        )


def _change(now: Decimal, before: Decimal) -> Decimal:
    most = max(abs(now), abs(before))
    return abs(now - before) / most if most else Decimal(0)


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
