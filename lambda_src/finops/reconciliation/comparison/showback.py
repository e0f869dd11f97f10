"""All costs of the month by owner and by tag: each table adds up to the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.domain import TaggedCosts, percent
from finops.reconciliation.report import Totals, Unit
from finops.reconciliation.showback import (
    Showback,
    ShowbackLine,
    ShowbackUnit,
    Statement,
    page_name,
)
from finops.shared.money import total
from finops.shared.periods import Month

#: Owners, or values of a tag, that have pages of their own.
MOST_PAGES: Final = 100
_MOST_UNITS: Final = 50
_MOST_LINES: Final = 15
_ZERO: Final = Decimal(0)


class _Cost(NamedTuple):
    """A part of the costs of the month, or of the month before, exact."""

    name: str
    unit: str
    service: str
    account: str
    is_now: bool
    amount: Decimal


def by_owner(costs: Costs, units: Sequence[Unit], totals: Totals) -> Iterator[Showback]:
    """All costs by owner; nothing where nobody is one.

    A charge is of the owner of its account or tag rule. What is shared by a rule is of the owner
    of the unit that bears it, where the unit has one owner.
    """
    parts = list(_owned(costs))
    if not any(one.name for one in parts) and not any(unit.owner for unit in units):
        return
    lines = _unit_parts(costs, units, parts)
    of_owner: dict[str, list[_Cost]] = defaultdict(list)
    for part in parts:
        of_owner[part.name].append(part)
    made = [
        _statement(costs, ("owner", "", name), of_owner[name], _sums(of_units), totals, of_units)
        for name, of_units in lines.items()
    ]
    yield _bounded("owner", "", made)


def _sums(units: Sequence[ShowbackUnit]) -> tuple[Decimal, Decimal]:
    return total(one.actual for one in units), total(one.previous for one in units)


def by_tags(costs: Costs, totals: Totals) -> Iterator[Showback]:
    """All costs by the values of each tag that the source was asked for."""
    for tag, found in costs.evidence.tagged.items():
        parts = list(_tagged(costs, found))
        sums: tuple[dict[str, Decimal], ...] = (defaultdict(Decimal), defaultdict(Decimal))
        of_value: dict[str, list[_Cost]] = defaultdict(list)
        for part in parts:
            sums[0 if part.is_now else 1][part.name] += part.amount
            of_value[part.name].append(part)
        if not any(of_value):
            continue
        values = sorted(of_value)
        columns = [costs.rounded_lines([one.get(value, _ZERO) for value in values]) for one in sums]
        yield _bounded(
            "tag",
            tag,
            [
                _statement(costs, ("tag", tag, value), of_value[value], (now, before), totals)
                for value, now, before in zip(values, *columns, strict=True)
            ],
        )


def _tagged(costs: Costs, found: Sequence[TaggedCosts]) -> Iterator[_Cost]:
    month = costs.evidence.month
    for one in found:
        rate = costs.rate(one.currency, Month.of(one.first))
        if rate:
            amount = one.amount * rate.rate
            is_now = one.first == month.first
            yield _Cost(one.value, "", one.service, one.linked_account, is_now, amount)


def _owned(costs: Costs) -> Iterator[_Cost]:
    mapping = costs.evidence.mapping
    of_unit = cache(lambda unit: mapping.ownership_of_unit(unit).owner)
    for is_now, allocated in ((True, costs.current), (False, costs.previous)):
        for one in costs.compared(allocated):
            found = None if one.shared else mapping.ownership(one.charge)
            owner = of_unit(one.unit) if one.shared else found.owner if found else ""
            yield _Cost(
                owner,
                one.unit,
                one.charge.service,
                one.charge.linked_account,
                is_now,
                one.amount,
            )


def _unit_parts(
    costs: Costs, units: Sequence[Unit], parts: Sequence[_Cost]
) -> dict[str, list[ShowbackUnit]]:
    """Of each owner, the units; what the owners have of a unit adds up to its own line."""
    sums: dict[tuple[str, bool], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for part in parts:
        sums[part.unit, part.is_now][part.name] += part.amount
    found: dict[str, list[ShowbackUnit]] = defaultdict(list)
    for unit in units:
        if costs.evidence.mapping.has_one_owner(unit.name):
            found[unit.owner].append(_whole(unit))
            continue
        now, before = sums[unit.name, True], sums[unit.name, False]
        names = sorted(now.keys() | before.keys())
        actuals = costs.rounded_lines([now.get(name, _ZERO) for name in names], unit.actual)
        befores = costs.rounded_lines([before.get(name, _ZERO) for name in names], unit.previous)
        for name, actual, previous in zip(names, actuals, befores, strict=True):
            found[name].append(_part(unit.name, actual, previous))
    return dict(found)


def _whole(unit: Unit) -> ShowbackUnit:
    return ShowbackUnit(
        unit=unit.name,
        is_whole=True,
        actual=unit.actual,
        previous=unit.previous,
        change=unit.change,
        budget=unit.budget,
        variance=unit.variance,
        forecast=unit.forecast,
        status=unit.status,
    )


def _part(unit: str, actual: Decimal, previous: Decimal) -> ShowbackUnit:
    return ShowbackUnit(
        unit=unit,
        is_whole=False,
        actual=actual,
        previous=previous,
        change=actual - previous,
        budget=None,
        variance=None,
        forecast=None,
        status=None,
    )


def _statement(
    costs: Costs,
    of: tuple[str, str, str],
    parts: Sequence[_Cost],
    amounts: tuple[Decimal, Decimal],
    totals: Totals,
    units: Sequence[ShowbackUnit] = (),
) -> Statement:
    """A page.

    Args:
        costs: For names and rounding.
        of: `owner` or `tag`, the tag's key, and the name.
        parts: Its costs, exact.
        amounts: What they come to, now and before, rounded.
        totals: Of the report.
        units: Of an owner.
    """
    by, tag, name = of
    actual, previous = amounts
    planned = [one for one in units if one.budget is not None]
    budget = total(one.budget or _ZERO for one in planned) if planned else None
    variance = total(one.variance or _ZERO for one in planned) if planned else None
    is_running = totals.forecast is not None
    foreseen = total(one.forecast or _ZERO for one in planned)
    is_foreseen = is_running and bool(units) and all(one.is_whole for one in units)
    return Statement(
        name=name,
        page=page_name(by, tag, name),
        actual=actual,
        previous=previous,
        change=actual - previous,
        change_pct=percent(actual - previous, previous),
        share_pct=percent(actual, totals.actual),
        budget=budget,
        variance=variance,
        variance_pct=None if variance is None or budget is None else percent(variance, budget),
        forecast=total(one.forecast or _ZERO for one in units) if is_foreseen else None,
        forecast_variance=foreseen - budget if is_running and budget is not None else None,
        units=_cut_units(units),
        services=_lines(costs, parts, lambda one: one.service, "services", amounts),
        accounts=_lines(costs, parts, lambda one: one.account, "accounts", amounts),
    )


def _cut_units(units: Sequence[ShowbackUnit]) -> tuple[ShowbackUnit, ...]:
    """The largest, and a line of the others."""
    ordered = sorted(units, key=lambda one: (-one.actual, one.unit))
    kept, rest = ordered[:_MOST_UNITS], ordered[_MOST_UNITS:]
    if len(rest) < 2:
        return tuple(ordered)
    known = {
        name: [getattr(one, name) for one in rest if getattr(one, name) is not None]
        for name in ("budget", "variance", "forecast")
    }
    actual, previous = (total(getattr(one, of) for one in rest) for of in ("actual", "previous"))
    others = ShowbackUnit(
        unit=f"{len(rest):,} more business units",
        is_whole=all(one.is_whole for one in rest),
        actual=actual,
        previous=previous,
        change=actual - previous,
        status=None,
        **{name: total(found) if found else None for name, found in known.items()},
    )
    return (*kept, others)


def _lines(
    costs: Costs,
    parts: Sequence[_Cost],
    key: Callable[[_Cost], str],
    kind: str,
    amounts: tuple[Decimal, Decimal],
) -> tuple[ShowbackLine, ...]:
    """The largest, and a line of the others, which add up to the page; none without names."""
    sums: tuple[dict[str, Decimal], ...] = (defaultdict(Decimal), defaultdict(Decimal))
    for part in parts:
        sums[0 if part.is_now else 1][key(part)] += part.amount
    keys = sorted(
        sums[0].keys() | sums[1].keys(),
        key=lambda one: (-abs(sums[0].get(one, _ZERO)), -abs(sums[1].get(one, _ZERO)), one),
    )
    if not any(keys):
        return ()
    most = _MOST_LINES if len(keys) > _MOST_LINES + 1 else len(keys)
    kept, rest = keys[:most], keys[most:]
    columns = [
        costs.rounded_lines(
            [found.get(one, _ZERO) for one in kept]
            + ([total(found.get(one, _ZERO) for one in rest)] if rest else []),
            whole,
        )
        for found, whole in zip(sums, amounts, strict=True)
    ]
    names = [*kept, *([f"{len(rest):,} more {kind}"] if rest else [])]
    return tuple(
        ShowbackLine(
            item=name,
            name=costs.account_name(name) if kind == "accounts" else "",
            actual=actual,
            previous=previous,
            change=actual - previous,
        )
        for name, actual, previous in zip(names, *columns, strict=True)
    )


def _bounded(by: str, tag: str, made: Sequence[Statement]) -> Showback:
    """The largest have pages; what has no name comes last, and always has one."""
    named = sorted((one for one in made if one.name), key=lambda one: (-one.actual, one.name))
    nameless = [one for one in made if not one.name]
    kept, rest = named[:MOST_PAGES], named[MOST_PAGES:]
    if not rest:
        return Showback(by=by, tag=tag, statements=(*kept, *nameless))
    actual, previous = (total(getattr(one, of) for one in rest) for of in ("actual", "previous"))
    kind = "owner" if by == "owner" else "value"
    others = ShowbackLine(
        item=f"{len(rest):,} more {kind}{'' if len(rest) == 1 else 's'}",
        name="",
        actual=actual,
        previous=previous,
        change=actual - previous,
    )
    return Showback(
        by=by,
        tag=tag,
        statements=(*kept, *nameless),
        others=others,
        other_count=len(rest),
    )
