"""The fiscal year to date, as a part of a report."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from finops.shared.periods import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class YearLine:
    """A business unit's fiscal year up to the report's month; `All` is a line too.

    Attributes:
        actual: Costs of the months that have data, without excluded categories.
        budget: Of these months; None where none has a budget, as the other amounts of it then.
        variance: Costs of the months with a budget, less `budget`.
        year_budget: Of the whole fiscal year.
        remaining: `year_budget` less the costs of the months with a budget.
        year_before: Costs of the report's month a year before; None where they are unknown.
        change: The report's month less `year_before`; None while the month runs.
    """

    unit: str
    actual: Decimal
    budget: Decimal | None
    variance: Decimal | None
    year_budget: Decimal | None
    remaining: Decimal | None
    remaining_pct: Decimal | None
    year_before: Decimal | None
    change: Decimal | None
    change_pct: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The fiscal year up to the report's month.

    Attributes:
        first_month: Of the fiscal year, such as `2026-01`, and `last_month` its last.
        months: To date, with or without data.
        months_without_data: Of `months`.
        lines: The first one is of everything.
    """

    first_month: str
    last_month: str
    months: tuple[str, ...]
    months_without_data: tuple[str, ...]
    lines: tuple[YearLine, ...]


def fiscal_year(month: Month, starts_in: int) -> tuple[Month, ...]:
    """The twelve months of the fiscal year that a month is in.

    Args:
        month: Which.
        starts_in: The month in which a fiscal year starts, from 1.
    """
    first = month.plus(-((month.first.month - starts_in) % 12))
    return tuple(first.plus(number) for number in range(12))
