"""Each business unit against its budget and the month before, and what drove the difference."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from finops.reconciliation.comparison.costs import Costs, add_to, sum_by
from finops.reconciliation.comparison.forecast import Rest
from finops.reconciliation.domain import UNMAPPED, UnitBudget, percent, unit_status
from finops.reconciliation.mapping import Allocated
from finops.reconciliation.report import Driver, Totals, Unit
from finops.shared.money import product, total

_DRIVERS: Final = 5
_WHOLE_DRIVERS: Final = 10
_PLAN_MONTHS: Final = 3
_REST: Final = "Everything else"

#: Amounts by service and linked account.
_Mix = Mapping[tuple[str, str], Decimal]


def unit_lines(costs: Costs, rest: Rest) -> tuple[Unit, ...]:
    """A line for each business unit by name, `Unmapped` last.

    Args:
        costs: Of the month and those before.
        rest: What the rest of a running month will add.
    """
    given = costs.evidence
    current, before = costs.compared(costs.current), costs.compared(costs.previous)
    actual, previous = sum_by(current, _unit), sum_by(before, _unit)
    excluded = sum_by(
        (one for one in costs.current if one.charge.category in given.excluded), _unit
    )
    with_costs = {*actual, *previous, *excluded}
    names = sorted({*with_costs, *given.budgets, *given.mapping.units} - {UNMAPPED})
    if UNMAPPED in with_costs or rest.units.get(UNMAPPED):
        names.append(UNMAPPED)
    zero = Decimal(0)
    actuals = costs.rounded_lines([actual.get(name, zero) for name in names])
    excluded_amounts = costs.rounded_lines([excluded.get(name, zero) for name in names])
    befores = costs.rounded_lines([previous.get(name, zero) for name in names])
    forecasts = costs.rounded_lines(
        [actual.get(name, zero) + rest.units.get(name, zero) for name in names]
    )
    ranges = [costs.rounded(rest.ranges.get(name, zero)) for name in names]
    mix, mix_before, mix_by_plan = _mixes(current), _mixes(before), _plan_mixes(costs)
    units = []
    for at, name in enumerate(names):
        budget = given.budgets.get(name)
        planned = target(costs, budget) if budget else None
        threshold = budget.alert_threshold_pct if budget else None
        owner = given.mapping.ownership_of_unit(name)
        variance = None if planned is None else actuals[at] - planned
        spent = forecasts[at] if given.is_running else actuals[at]
        units.append(
            Unit(
                name=name,
                cost_centre=owner.cost_centre,
                owner=owner.owner,
                environment=owner.environment,
                actual=actuals[at],
                excluded=excluded_amounts[at],
                previous=befores[at],
                change=actuals[at] - befores[at],
                change_pct=percent(actuals[at] - befores[at], befores[at]),
                budget=planned,
                budget_origin=budget.origin if budget else "",
                alert_threshold_pct=threshold,
                variance=variance,
                variance_pct=None
                if variance is None or planned is None
                else percent(variance, planned),
                forecast=forecasts[at] if given.is_running else None,
                forecast_low=forecasts[at] - ranges[at] if given.is_running else None,
                forecast_high=forecasts[at] + ranges[at] if given.is_running else None,
                status=unit_status(spent, planned, threshold or Decimal(0)),
                drivers=_drivers(
                    costs, mix.get(name, {}), mix_before.get(name, {}), actuals[at], befores[at]
                ),
                plan_drivers=()
                if planned is None or name not in mix_by_plan
                else _drivers(
                    costs,
                    mix.get(name, {}),
                    _scaled(mix_by_plan[name], planned),
                    actuals[at],
                    planned,
                ),
            )
        )
    return tuple(units)


def whole_drivers(costs: Costs, totals: Totals) -> tuple[Driver, ...]:
    """What changed the costs of all units together, against the month before."""
    now, before = (
        sum_by(
            costs.compared(allocated),
            lambda one: (one.charge.service, one.charge.linked_account),
        )
        for allocated in (costs.current, costs.previous)
    )
    return _drivers(costs, now, before, totals.actual, totals.previous, most=_WHOLE_DRIVERS)


def totals_of(units: Iterable[Unit], off: Decimal | None) -> Totals:
    """All units together.

    Args:
        units: Their lines.
        off: How far the forecast of a running month may be off, either way; None of others.
    """
    units = tuple(units)
    actual = total(unit.actual for unit in units)
    previous = total(unit.previous for unit in units)
    planned = [unit for unit in units if unit.budget is not None]
    budget = total(unit.budget or Decimal(0) for unit in planned)
    variance = total(unit.actual for unit in planned) - budget
    foreseen = total(unit.forecast or Decimal(0) for unit in planned) - budget
    forecast = None if off is None else total(unit.forecast or Decimal(0) for unit in units)
    return Totals(
        actual=actual,
        excluded=total(unit.excluded for unit in units),
        previous=previous,
        change=actual - previous,
        change_pct=percent(actual - previous, previous),
        budget=budget,
        unbudgeted=total(unit.actual for unit in units if unit.budget is None),
        variance=variance,
        variance_pct=percent(variance, budget),
        forecast=forecast,
        forecast_low=None if forecast is None or off is None else forecast - off,
        forecast_high=None if forecast is None or off is None else forecast + off,
        forecast_variance=None if off is None else foreseen,
        unmapped=total(unit.actual for unit in units if unit.name == UNMAPPED),
    )


def _unit(one: Allocated) -> str:
    return one.unit


def target(costs: Costs, budget: UnitBudget) -> Decimal:
    """A budget in the report's currency, by the rate of its month."""
    rate = costs.rate(budget.currency, costs.evidence.month)
    return product(budget.monthly_target, rate.rate if rate else Decimal(0), costs.digits)


def _drivers(
    costs: Costs,
    now: _Mix,
    before: _Mix,
    whole_now: Decimal,
    whole_before: Decimal,
    *,
    most: int = _DRIVERS,
) -> tuple[Driver, ...]:
    """The largest changes, and a line of all others, which add up to the unit's own change."""
    zero = Decimal(0)
    keys = heapq.nsmallest(
        most,
        now.keys() | before.keys(),
        key=lambda key: (-abs(now.get(key, zero) - before.get(key, zero)), key),
    )
    drivers = []
    for service, account in keys:
        new = costs.rounded(now.get((service, account), zero))
        old = costs.rounded(before.get((service, account), zero))
        if new != old:
            drivers.append(_driver(costs, service, account, new, old))
    new = whole_now - total(one.now for one in drivers)
    old = whole_before - total(one.before for one in drivers)
    if drivers and (new or old):
        drivers.append(_driver(costs, _REST, "", new, old))
    return tuple(drivers)


def _driver(costs: Costs, service: str, account: str, now: Decimal, before: Decimal) -> Driver:
    return Driver(
        service=service,
        account=account,
        account_name=costs.account_name(account),
        now=now,
        before=before,
        change=now - before,
        kind="" if not account else "new" if not before else "gone" if not now else "",
    )


def _mixes(allocated: Iterable[Allocated]) -> dict[str, dict[tuple[str, str], Decimal]]:
    """By unit, the amounts by service and account."""
    found: dict[str, dict[tuple[str, str], Decimal]] = defaultdict(dict)
    for one in allocated:
        add_to(found[one.unit], (one.charge.service, one.charge.linked_account), one.amount)
    return found


def _plan_mixes(costs: Costs) -> dict[str, dict[tuple[str, str], Decimal]]:
    """By unit, the amounts by service and account over the three months before."""
    months = [costs.evidence.month.plus(-back) for back in range(1, _PLAN_MONTHS + 1)]
    return _mixes(one for month in months for one in costs.compared(costs.of_month(month)))


def _scaled(amounts: _Mix, whole: Decimal) -> dict[tuple[str, str], Decimal]:
    """The amounts, scaled to add up to the whole."""
    present = total(amounts.values())
    if present <= 0:
        return {}
    return {key: amount * whole / present for key, amount in amounts.items()}
