"""Forecasts the rest of an open month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from finops.reconciliation.comparison.costs import AccountKey, Costs, account_key
from finops.reconciliation.domain import UNMAPPED, ChargeCategory, total
from finops.shared.periods import days_between

#: Days by which the days to come are forecast.
_DAYS_BEFORE: Final = 28
_FEE_DAYS: Final = 7
#: Categories that go with usage: tax, and agreed discounts.
_FOLLOW_USAGE: Final = (*(ChargeCategory.TAX, ChargeCategory.DISCOUNT, ChargeCategory.ADJUSTMENT),)


def rest_of_month(costs: Costs) -> dict[str, Decimal]:
    """Costs that the remaining days will add to each business unit, not rounded.

    Usage, and fees that are charged day by day. Other fees and credits are not forecast.
    """
    given = costs.evidence
    if not given.is_running:
        return {}
    usage: dict[str, Decimal] = defaultdict(Decimal)
    shares = _unit_shares(costs, ChargeCategory.USAGE)
    for account, series in sorted(costs.account_series.items()):
        coming = _rest_of_account(series, given.known_until, given.month.end)
        for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
            usage[unit] += coming * share
    rest = defaultdict(
        Decimal, {unit: coming + _follows(costs, unit, coming) for unit, coming in usage.items()}
    )
    shares = _unit_shares(costs, ChargeCategory.PURCHASE)
    for account, series in sorted(costs.fee_series.items()):
        coming = _coming_fees(series, given.known_until, given.month.end)
        for unit, share in shares.get(account, {UNMAPPED: Decimal(1)}).items():
            rest[unit] += coming * share
    return rest


def expected_rest(series: Mapping[date, Decimal], first: date, end: date) -> Decimal:
    """What the days from `first` to before `end` will cost, by the 28 days before them.

    Each weekday is forecast as the median of its last four, so one expensive day changes nothing.
    A series that began within the last week has no forecast.
    """
    return total(_expected_days(series, first, end).values())


def _rest_of_account(series: Mapping[date, Decimal], known_until: date, end: date) -> Decimal:
    """What is known of a coming day already is a part of it, and at most the whole."""
    known = {day: cost for day, cost in series.items() if day < known_until}
    zero = Decimal(0)
    return total(
        expected - min(max(series.get(day, zero), zero), max(expected, zero))
        for day, expected in _expected_days(known, known_until, end).items()
    )


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


def _expected_days(series: Mapping[date, Decimal], first: date, end: date) -> dict[date, Decimal]:
    if not series:
        return {}
    start = max(min(series), first - timedelta(days=_DAYS_BEFORE))
    known = list(days_between(start, first))
    if len(known) < 7:
        return {}
    by_weekday = {
        weekday: median(series.get(day, Decimal(0)) for day in known if day.weekday() == weekday)
        for weekday in range(7)
    }
    return {day: by_weekday[day.weekday()] for day in days_between(first, end)}


def _follows(costs: Costs, unit: str, coming: Decimal) -> Decimal:
    """The tax and discounts that go with coming usage, as they went with usage so far."""
    mine = [one for one in costs.compared(costs.current) if one.unit == unit]
    usage = total(one.amount for one in mine if one.charge.category is ChargeCategory.USAGE)
    if usage <= 0:
        return Decimal(0)
    return (
        total(one.amount for one in mine if one.charge.category in _FOLLOW_USAGE) * coming / usage
    )


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
            if whole > 0 and all(amount >= 0 for amount in amounts.values()):
                shares[account] = {unit: part / whole for unit, part in amounts.items()}
    return shares
