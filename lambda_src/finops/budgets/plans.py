"""Amounts that change from period to period: what a row plans, and the limits that AWS gets.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from finops.shared.money import phased, total
from finops.shared.periods import Month

#: Of a fiscal year.
MONTHS: Final = 12
_CENTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PlannedAmount:
    """An amount from a month on, until the next one starts.

    `annual` says that it is of the fiscal year that begins with the month, and of each that
    follows; else it is of each period.
    """

    start: Month
    amount: Decimal
    annual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountPlan:
    """The amounts of a budget.

    Attributes:
        amount: Of each period before the first planned one.
        planned: In the order of their starts.
        phasing: Weights of the twelve months of a fiscal year, from its first; alike where empty.
        months: Of a period: 1 or 3.
    """

    amount: Decimal
    planned: Sequence[PlannedAmount]
    phasing: Sequence[Decimal]
    months: int

    def of(self, period: Month) -> Decimal:
        """The amount of the period that begins with this month.

        Those of a fiscal year add up to its amount, to the cent.
        """
        begun = [one for one in self.planned if one.start <= period]
        if not begun:
            return self.amount
        latest = begun[-1]
        if not latest.annual:
            return latest.amount
        parts = self._parts(latest)
        first = _months_between(latest.start, period) % MONTHS
        return total(parts[first : first + self.months])

    def limits(self, current: Month) -> dict[Month, Decimal]:
        """The amounts of twelve months or four quarters from the current period on.

        https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
        """
        starts = [current.plus(after) for after in range(0, MONTHS, self.months)]
        return {start: self.of(start) for start in starts}

    @property
    def smallest(self) -> Decimal:
        """The smallest amount that is planned."""
        parts = [
            part
            for one in self.planned
            for part in (self._parts(one) if one.annual else [one.amount])
        ]
        return min([self.amount, *parts])

    @property
    def largest(self) -> Decimal:
        """The largest amount of a period, of those before the plan and those that it has."""
        periods = [
            self.of(one.start.plus(after))
            for one in self.planned
            for after in range(0, MONTHS if one.annual else 1, self.months)
        ]
        return max([self.amount, *periods])

    def _parts(self, planned: PlannedAmount) -> list[Decimal]:
        weights = self.phasing or [Decimal(1)] * MONTHS
        return phased(planned.amount, weights, _CENTS)


def epoch_seconds(month: Month) -> int:
    """The start of a month in UTC, as AWS names it in planned limits."""
    first: date = month.first
    return int(datetime(first.year, first.month, 1, tzinfo=UTC).timestamp())


def _months_between(first: Month, later: Month) -> int:
    return (later.first.year - first.first.year) * 12 + later.first.month - first.first.month
