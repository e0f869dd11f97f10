"""The fiscal year to date against its budget, and the month against the same one a year before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from finops.reconciliation.comparison.costs import Costs, sum_by
from finops.reconciliation.comparison.units import target
from finops.reconciliation.domain import percent
from finops.reconciliation.report import Trend
from finops.reconciliation.year import Year, YearLine, fiscal_year
from finops.shared.money import total
from finops.shared.periods import Month

#: Of trends and of the year: the line of everything.
_ALL: Final = "All"


def year_to_date(costs: Costs, trends: Sequence[Trend]) -> Year:
    """A line for everything, each unit of the trends, and each that only a budget names.

    Args:
        costs: Of the last thirteen months.
        trends: Of the last twelve.
    """
    given = costs.evidence
    year = fiscal_year(given.month, given.fiscal_year_starts_in)
    to_date = [month for month in year if month <= given.month]
    known = {
        trend.unit: dict(zip(to_date, trend.amounts[-len(to_date) :], strict=True))
        for trend in trends
    }
    budgets = {month: _targets(costs, month) for month in year}
    gone = {unit for month in year for unit in budgets[month]} - known.keys()
    known |= {unit: _nothing_in(known[_ALL]) for unit in gone}
    units = [*(trend.unit for trend in trends[1:]), *sorted(gone)]
    before = _year_before(costs, units)
    lines = [
        _line(unit, known[unit], {month: budgets[month].get(unit) for month in year}, before[unit])
        for unit in units
    ]
    whole = known[_ALL]
    lines.insert(0, _whole(whole, lines, before[_ALL]))
    if given.is_running:
        lines = [replace(one, change=None, change_pct=None) for one in lines]
    return Year(
        first_month=str(year[0]),
        last_month=str(year[-1]),
        months=tuple(map(str, to_date)),
        months_without_data=tuple(str(month) for month in to_date if whole[month] is None),
        lines=tuple(lines),
    )


def _nothing_in(whole: Mapping[Month, Decimal | None]) -> dict[Month, Decimal | None]:
    """Costs of a unit that has none, such as one that closed months had a budget for."""
    return {month: None if amount is None else Decimal(0) for month, amount in whole.items()}


def _targets(costs: Costs, month: Month) -> dict[str, Decimal]:
    """In the report's currency, of a month; those of the report's month as it compares them."""
    given = costs.evidence
    budgets = given.budgets if month == given.month else given.year_budgets.get(month, {})
    return {unit: target(costs, budget) for unit, budget in budgets.items()}


def _year_before(costs: Costs, units: Sequence[str]) -> dict[str, Decimal | None]:
    """Costs of the same month a year before, by unit and of everything."""
    allocated = costs.of_month(costs.evidence.month.plus(-12))
    if not allocated:
        return dict.fromkeys((_ALL, *units))
    sums, named = sum_by(costs.compared(allocated), lambda one: one.unit), set(units)
    others = total(amount for unit, amount in sums.items() if unit not in named)
    amounts = costs.rounded_lines([sums.get(unit, Decimal(0)) for unit in units] + [others])
    return {_ALL: total(amounts), **dict(zip(units, amounts, strict=False))}


def _line(
    unit: str,
    known: Mapping[Month, Decimal | None],
    budgets: Mapping[Month, Decimal | None],
    year_before: Decimal | None,
) -> YearLine:
    planned = {month: budget for month, budget in budgets.items() if budget is not None}
    compared = [month for month in planned if known.get(month) is not None]
    return _summed(
        unit,
        known,
        spent=total(known[month] or Decimal(0) for month in compared),
        budget=total(planned[month] for month in compared) if planned else None,
        year_budget=total(planned.values()) if planned else None,
        year_before=year_before,
    )


def _whole(
    known: Mapping[Month, Decimal | None],
    lines: Sequence[YearLine],
    year_before: Decimal | None,
) -> YearLine:
    planned = [one for one in lines if one.budget is not None]
    budget = total(one.budget or Decimal(0) for one in planned)
    return _summed(
        _ALL,
        known,
        spent=budget + total(one.variance or Decimal(0) for one in planned),
        budget=budget if planned else None,
        year_budget=total(one.year_budget or Decimal(0) for one in planned) if planned else None,
        year_before=year_before,
    )


def _summed(
    unit: str,
    known: Mapping[Month, Decimal | None],
    *,
    spent: Decimal,
    budget: Decimal | None,
    year_budget: Decimal | None,
    year_before: Decimal | None,
) -> YearLine:
    """A line.

    Args:
        unit: Whose.
        known: Costs by month.
        spent: Those of the months with a budget.
        budget: Of these months.
        year_budget: Of the whole year.
        year_before: Costs of the last month a year before.
    """
    amounts = list(known.values())
    now = amounts[-1] or Decimal(0)
    remaining = None if year_budget is None else year_budget - spent
    change = None if year_before is None else now - year_before
    return YearLine(
        unit=unit,
        actual=total(one for one in amounts if one is not None),
        budget=budget,
        variance=None if budget is None else spent - budget,
        year_budget=year_budget,
        remaining=remaining,
        remaining_pct=None
        if remaining is None or year_budget is None
        else percent(remaining, year_budget),
        year_before=year_before,
        change=change,
        change_pct=None if change is None or year_before is None else percent(change, year_before),
    )
