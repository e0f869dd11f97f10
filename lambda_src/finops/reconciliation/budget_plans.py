"""What a business unit may spend in each month, by targets of months, quarters or years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from finops.reconciliation.domain import UnitBudget
from finops.shared.money import minor_units, phased
from finops.shared.periods import Month


class BudgetPeriod(StrEnum):
    """What a target is for."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        """How many it has."""
        return {BudgetPeriod.MONTH: 1, BudgetPeriod.QUARTER: 3, BudgetPeriod.YEAR: 12}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target from a month on, until the next one starts.

    Attributes:
        start: The first month that it is for; None for all.
        amount: Of a whole period, in `currency`.
        phasing: Weights of the twelve months of a fiscal year; a period's months share its amount
            by theirs. Alike where it is empty.
    """

    start: Month | None
    period: BudgetPeriod
    amount: Decimal
    phasing: tuple[Decimal, ...]
    currency: str
    alert_threshold_pct: Decimal
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPlan:
    """The targets of a business unit.

    Attributes:
        targets: Ordered by their start.
        first_month: Of the fiscal year, from 1.
    """

    targets: Sequence[Target]
    first_month: int = 1

    def of_month(self, month: Month) -> UnitBudget | None:
        """The budget of a month, None before the first target starts."""
        begun = [one for one in self.targets if one.start is None or one.start <= month]
        if not begun:
            return None
        target = begun[-1]
        return UnitBudget(
            monthly_target=self._part(target, month),
            currency=target.currency,
            alert_threshold_pct=target.alert_threshold_pct,
            origin=target.origin,
        )

    def _part(self, target: Target, month: Month) -> Decimal:
        """The month's part; those of a period's months add up to its amount, to the cent."""
        if target.period is BudgetPeriod.MONTH:
            return target.amount
        of_year = (month.first.month - self.first_month) % 12
        count = target.period.months
        first = of_year - of_year % count
        weights = (target.phasing or (Decimal(1),) * 12)[first : first + count]
        digits = minor_units().get(target.currency) or 0
        return phased(target.amount, weights, digits)[of_year - first]
