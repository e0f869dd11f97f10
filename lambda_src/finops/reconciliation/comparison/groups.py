"""Business units summed up by the groups that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from finops.reconciliation.comparison.units import totals_of
from finops.reconciliation.mapping import UnitGroup
from finops.reconciliation.report import Group, Unit


def group_lines(
    groups: Sequence[UnitGroup], units: Sequence[Unit], *, is_running: bool
) -> tuple[Group, ...]:
    """A line for each group, each before those that are in it; otherwise as they are listed."""
    by_name = {one.name: one for one in groups}
    parents = {member: one.name for one in groups for member in one.members if member in by_name}

    def lines(group: UnitGroup) -> Iterator[Group]:
        yield _line(group, parents.get(group.name, ""), by_name, units, is_running=is_running)
        for member in group.members:
            if member in by_name:
                yield from lines(by_name[member])

    return tuple(line for one in groups if one.name not in parents for line in lines(one))


def _line(
    group: UnitGroup,
    parent: str,
    groups: Mapping[str, UnitGroup],
    units: Sequence[Unit],
    *,
    is_running: bool,
) -> Group:
    names = set(_units_of(group, groups))
    mine = [one for one in units if one.name in names]
    sums = totals_of(mine, Decimal(0) if is_running else None)
    has_budget = any(one.budget is not None for one in mine)
    return Group(
        name=group.name,
        owner=group.owner,
        parent=parent,
        units=tuple(one.name for one in mine),
        actual=sums.actual,
        previous=sums.previous,
        change=sums.change,
        change_pct=sums.change_pct,
        budget=sums.budget if has_budget else None,
        unbudgeted=sums.unbudgeted,
        variance=sums.variance if has_budget else None,
        variance_pct=sums.variance_pct if has_budget else None,
        forecast=sums.forecast,
        forecast_variance=sums.forecast_variance if has_budget else None,
    )


def _units_of(group: UnitGroup, groups: Mapping[str, UnitGroup]) -> Iterator[str]:
    for member in group.members:
        if member in groups:
            yield from _units_of(groups[member], groups)
        else:
            yield member
