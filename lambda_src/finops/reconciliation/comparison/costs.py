"""Charges in the report's currency, each with the business unit that bears it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Final, TypeVar

from finops.reconciliation.comparison.evidence import Evidence
from finops.reconciliation.domain import Charge, Metric
from finops.reconciliation.mapping import Allocated, allocate
from finops.reconciliation.report import RateUsed
from finops.shared.money import minor_units, rounded, rounded_to_sum
from finops.shared.periods import Month

_Key = TypeVar("_Key")
AccountKey = tuple[str, str]
DailyCosts = dict[date, Decimal]
_ZERO: Final = Decimal(0)


class Costs:
    """What the parts of a report share: amounts converted, allocated and summed.

    Attributes:
        digits: Of the report's currency, after the point.
        notes: What a reader must know of charges that could not be converted.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.digits = minor_units().get(evidence.currency) or 0
        self.notes: list[str] = []
        self._rates: dict[tuple[str, date], RateUsed | None] = {}

    # Money

    def rate(self, currency: str, month: Month) -> RateUsed | None:
        """The rate into the report's currency, None if none is known."""
        key = (currency, month.first)
        if key not in self._rates:
            self._rates[key] = self.evidence.rate(currency, month)
        return self._rates[key]

    @property
    def rates_used(self) -> list[RateUsed]:
        """The rates by which amounts of the month were converted, by currency."""
        used = {
            rate
            for (currency, first), rate in self._rates.items()
            if rate and first == self.evidence.month.first and currency != self.evidence.currency
        }
        return sorted(used, key=lambda rate: rate.currency)

    def converted(self, charge: Charge, metric: Metric | None = None) -> Decimal:
        """The charge's cost in the report's currency, not rounded; by default the compared one."""
        cost = charge.cost(metric or self.evidence.metric)
        return self.exchanged(cost, charge.currency, Month.of(charge.period_start))

    def exchanged(self, amount: Decimal, currency: str, month: Month) -> Decimal:
        """An amount of a month in the report's currency, not rounded."""
        rate = self.rate(currency, month)
        # The amount's own number: of hundreds of thousands, another one each takes memory.
        return amount if rate and rate.rate == 1 else amount * (rate.rate if rate else 0)

    def rounded(self, amount: Decimal) -> Decimal:
        """The amount in the report's minor units."""
        return rounded(amount, self.digits)

    def rounded_lines(
        self, amounts: Sequence[Decimal], whole: Decimal | None = None
    ) -> list[Decimal]:
        """The amounts, rounded so that they add up to their rounded sum, or to `whole`."""
        return rounded_to_sum(amounts, self.digits, whole)

    # Charges

    @property
    def current(self) -> list[Allocated]:
        """Of the month."""
        return self.of_month(self.evidence.month)

    @property
    def previous(self) -> list[Allocated]:
        """Of the month before."""
        return self.of_month(self.evidence.month.plus(-1))

    def of_month(self, month: Month) -> list[Allocated]:
        """In a fixed order."""
        return self._allocated.get(month.first, [])

    def compared(self, allocated: Iterable[Allocated]) -> list[Allocated]:
        """Without excluded categories."""
        excluded = self.evidence.excluded
        return [one for one in allocated if one.charge.category not in excluded]

    @cached_property
    def _allocated(self) -> dict[date, list[Allocated]]:
        found: dict[date, list[Allocated]] = defaultdict(list)
        known = self._convertible(self.evidence.charges)
        for one in allocate(known, self.evidence.mapping, self.converted):
            found[Month.of(one.charge.period_start).first].append(one)
        return found

    def _convertible(self, charges: Iterable[Charge]) -> Iterator[Charge]:
        """Without charges of months before for whose currency no rate is known; a note says so."""
        for charge in charges:
            month = Month.of(charge.period_start)
            if self.rate(charge.currency, month) is None:
                self.notes.append(
                    f"Charges in {charge.currency} of {month} are left out of trends, because no"
                    " exchange rate is known for that month."
                )
            else:
                yield charge

    # Days

    @cached_property
    def account_series(self) -> dict[AccountKey, DailyCosts]:
        """Usage by day of the billing period, of each account."""
        usual, moved = self._account_days
        return self._series(moved, account_key, known=usual) if moved else usual

    @cached_property
    def fee_series(self) -> dict[tuple[AccountKey, str], DailyCosts]:
        """Fees by day of each account and service."""
        return self._series(
            self.evidence.fee_days, lambda charge: (account_key(charge), charge.service)
        )

    @cached_property
    def service_series(self) -> dict[str, DailyCosts]:
        """Usage by day of each service."""
        return self._series(
            (one for one in self.evidence.service_days if one.day >= self._first_known),
            lambda charge: charge.service,
            lambda charge: charge.day,
        )

    @cached_property
    def _first_known(self) -> date:
        """Where the source begins. A correction may have arisen before, on an unknown day."""
        firsts = (Month.of(one.period_start).first for one in self.evidence.charges)
        return min(firsts, default=date.min)

    @cached_property
    def account_usage(self) -> dict[AccountKey, DailyCosts]:
        """Usage of each account by the day on which it arose."""
        usual, moved = self._account_days
        moved = [one for one in moved if one.day >= self._first_known]
        if not moved:
            return usual
        return self._series(moved, account_key, lambda charge: charge.day, known=usual)

    @cached_property
    def _account_days(self) -> tuple[dict[AccountKey, DailyCosts], list[Charge]]:
        """Usage by day, but for the charges that arose on another day than they are billed for."""
        moved: list[Charge] = []

        def usual() -> Iterator[Charge]:
            for charge in self.evidence.account_days:
                if charge.arose_on is None:
                    yield charge
                else:
                    moved.append(charge)

        return self._series(usual(), account_key), moved

    def _series(
        self,
        charges: Iterable[Charge],
        key: Callable[[Charge], _Key],
        day: Callable[[Charge], date] = lambda charge: charge.period_start,
        *,
        known: dict[_Key, DailyCosts] | None = None,
    ) -> dict[_Key, DailyCosts]:
        """The charges by day, with those that are known already."""
        series: dict[_Key, DailyCosts] = defaultdict(dict)
        series |= {one: dict(days) for one, days in (known or {}).items()}
        for charge in self._convertible(charges):
            days, on, cost = series[key(charge)], day(charge), self.converted(charge)
            days[on] = days[on] + cost if on in days else cost
        return series

    # Accounts

    def account_name(self, account: str) -> str:
        """By the mapping, else by the newest charge; empty if neither has one."""
        return self.evidence.mapping.account_name(account) or self._names.get(account, "")

    @cached_property
    def _names(self) -> dict[str, str]:
        return {
            charge.linked_account: charge.linked_account_name
            for charge in sorted(
                self.evidence.charges, key=lambda one: (one.period_start, one.linked_account_name)
            )
            if charge.linked_account_name
        }

    @cached_property
    def units_of_account(self) -> dict[AccountKey, set[str]]:
        """The business units that bear an account's costs of the month, but for shared costs."""
        units: dict[AccountKey, set[str]] = defaultdict(set)
        for one in self.current:
            if not one.shared:
                units[account_key(one.charge)].add(one.unit)
        return units


def account_key(charge: Charge) -> AccountKey:
    """The charge's payer and linked account."""
    return charge.payer_account, charge.linked_account


def sum_by(allocated: Iterable[Allocated], key: Callable[[Allocated], _Key]) -> dict[_Key, Decimal]:
    """The exact sums of the amounts that have the same key."""
    sums: dict[_Key, Decimal] = {}
    for one in allocated:
        add_to(sums, key(one), one.amount)
    return sums


def add_to(sums: dict[_Key, Decimal], key: _Key, amount: Decimal) -> None:
    """Add an amount to the sum of its key."""
    # A sum of one amount is that number itself: another one each takes memory.
    sums[key] = sums[key] + amount if key in sums else amount or _ZERO
