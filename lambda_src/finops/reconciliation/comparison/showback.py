"""All costs of the month by owner and by tag: each table adds up to the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

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


#: Exact costs of the month, and of the month before.
_Pair = list[Decimal]


class _Sums:
    """Exact costs by name (an owner, or a value of a tag), and by what each name's costs are of."""

    def __init__(self) -> None:
        self.of: dict[str, _Pair] = {}
        self.units: dict[str, dict[str, _Pair]] = {}
        self.services: dict[str, dict[str, _Pair]] = {}
        self.accounts: dict[str, dict[str, _Pair]] = {}

    def add(self, name: str, amount: Decimal, *, is_now: bool, **keys: str) -> None:
        """Add a cost; `units` and so on say what it is of."""
        at = 0 if is_now else 1
        self.of.setdefault(name, [_ZERO, _ZERO])[at] += amount
        for kind, key in keys.items():
            of_name = getattr(self, kind).setdefault(name, {})
            of_name.setdefault(key, [_ZERO, _ZERO])[at] += amount


def by_owner(costs: Costs, units: Sequence[Unit], totals: Totals) -> Iterator[Showback]:
    """All costs by owner; nothing where nobody is one.

    A charge is of the owner of its account or tag rule. What is shared by a rule is of the owner
    of the unit that bears it, where the unit has one owner.
    """
    if not costs.evidence.mapping.has_owners:
        return
    sums = _owned(costs)
    of_owner = _units_of(costs, units, sums)
    amounts = {
        name: (total(one.actual for one in lines), total(one.previous for one in lines))
        for name, lines in of_owner.items()
    }
    yield _showback(costs, ("owner", ""), amounts, sums, totals, of_owner)


def by_tags(costs: Costs, totals: Totals) -> Iterator[Showback]:
    """All costs by the values of each tag that the source was asked for."""
    for tag, found in costs.evidence.tagged.items():
        sums = _tagged(costs, found)
        values = sorted(sums.of)
        if any(values):
            now, before = (
                costs.rounded_lines([sums.of[value][at] for value in values]) for at in (0, 1)
            )
            amounts = dict(zip(values, zip(now, before, strict=True), strict=True))
            yield _showback(costs, ("tag", tag), amounts, sums, totals, {})


def _tagged(costs: Costs, found: Sequence[TaggedCosts]) -> _Sums:
    sums, first = _Sums(), costs.evidence.month.first
    for one in found:
        rate = costs.rate(one.currency, Month.of(one.first))
        if rate:
            sums.add(
                one.value,
                one.amount * rate.rate,
                is_now=one.first == first,
                services=one.service,
                accounts=one.linked_account,
            )
    return sums


def _owned(costs: Costs) -> _Sums:
    mapping, sums = costs.evidence.mapping, _Sums()
    of_unit = cache(lambda unit: mapping.ownership_of_unit(unit).owner)
    for is_now, allocated in ((True, costs.current), (False, costs.previous)):
        for one in costs.compared(allocated):
            found = None if one.shared else mapping.ownership(one.charge)
            sums.add(
                of_unit(one.unit) if one.shared else found.owner if found else "",
                one.amount,
                is_now=is_now,
                units=one.unit,
                services=one.charge.service,
                accounts=one.charge.linked_account,
            )
    return sums


def _units_of(costs: Costs, units: Sequence[Unit], sums: _Sums) -> dict[str, list[ShowbackUnit]]:
    """Of each owner, the units; what the owners have of a unit adds up to its own line."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name in sorted(sums.units):
        for unit in sums.units[name]:
            owners[unit].append(name)
    found: dict[str, list[ShowbackUnit]] = defaultdict(list)
    for one in units:
        if costs.evidence.mapping.has_one_owner(one.name):
            found[one.owner].append(_whole(one))
            continue
        names = owners[one.name]
        now, before = (
            costs.rounded_lines([sums.units[name][one.name][at] for name in names], whole)
            for at, whole in enumerate((one.actual, one.previous))
        )
        for name, actual, previous in zip(names, now, before, strict=True):
            found[name].append(_part(one.name, actual, previous))
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


def _showback(
    costs: Costs,
    by: tuple[str, str],
    amounts: Mapping[str, tuple[Decimal, Decimal]],
    sums: _Sums,
    totals: Totals,
    units: Mapping[str, Sequence[ShowbackUnit]],
) -> Showback:
    """The largest have pages; what has no name comes last, and always has one.

    Args:
        costs: For names and rounding.
        by: `owner` or `tag`, and the tag's key.
        amounts: By name, now and before, rounded.
        sums: The same, exact, with what they are of.
        totals: Of the report.
        units: Of owners.
    """
    named = sorted(filter(None, amounts), key=lambda name: (-amounts[name][0], name))
    kept, rest = named[:MOST_PAGES], named[MOST_PAGES:]
    statements = tuple(
        _statement(costs, (*by, name), amounts[name], sums, totals, units.get(name, ()))
        for name in (*kept, *([""] if "" in amounts else []))
    )
    if not rest:
        return Showback(by=by[0], tag=by[1], statements=statements)
    actual, previous = (total(amounts[name][at] for name in rest) for at in (0, 1))
    kind = "owner" if by[0] == "owner" else "value"
    return Showback(
        by=by[0],
        tag=by[1],
        statements=statements,
        others=ShowbackLine(
            item=f"{len(rest):,} more {kind}{'' if len(rest) == 1 else 's'}",
            name="",
            actual=actual,
            previous=previous,
            change=actual - previous,
        ),
        other_count=len(rest),
    )


def _statement(
    costs: Costs,
    of: tuple[str, str, str],
    amounts: tuple[Decimal, Decimal],
    sums: _Sums,
    totals: Totals,
    units: Sequence[ShowbackUnit],
) -> Statement:
    """A page: of an owner or a tag's key, and the name."""
    name, (actual, previous) = of[2], amounts
    planned = [one for one in units if one.budget is not None]
    budget = total(one.budget or _ZERO for one in planned) if planned else None
    variance = total(one.variance or _ZERO for one in planned) if planned else None
    is_running = totals.forecast is not None
    foreseen = total(one.forecast or _ZERO for one in planned)
    is_foreseen = is_running and bool(units) and all(one.is_whole for one in units)
    return Statement(
        name=name,
        page=page_name(*of),
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
        services=_lines(costs, sums.services.get(name, {}), "services", amounts),
        accounts=_lines(costs, sums.accounts.get(name, {}), "accounts", amounts),
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
    costs: Costs, sums: Mapping[str, _Pair], kind: str, amounts: tuple[Decimal, Decimal]
) -> tuple[ShowbackLine, ...]:
    """The largest, and a line of the others, which add up to the page; none without names."""
    keys = sorted(sums, key=lambda one: (-abs(sums[one][0]), -abs(sums[one][1]), one))
    if not any(keys):
        return ()
    most = _MOST_LINES if len(keys) > _MOST_LINES + 1 else len(keys)
    kept, rest = keys[:most], keys[most:]
    exact = [sums[one] for one in kept]
    if rest:
        exact.append([total(sums[one][at] for one in rest) for at in (0, 1)])
    now, before = (
        costs.rounded_lines([one[at] for one in exact], whole) for at, whole in enumerate(amounts)
    )
    names = [*kept, *([f"{len(rest):,} more {kind}"] if rest else [])]
    return tuple(
        ShowbackLine(
            item=name,
            name=costs.account_name(name) if kind == "accounts" else "",
            actual=actual,
            previous=previous,
            change=actual - previous,
        )
        for name, actual, previous in zip(names, now, before, strict=True)
    )
