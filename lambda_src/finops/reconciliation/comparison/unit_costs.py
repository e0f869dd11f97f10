"""What a business unit's costs are made of: services, their accounts, and the days of each."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from operator import add
from typing import Final, TypeVar

from finops.reconciliation.comparison.costs import Costs, add_to, sum_by
from finops.reconciliation.domain import Charge, ChargeCategory, UsageSource
from finops.reconciliation.mapping import Allocated
from finops.reconciliation.report import Unit, UnitAccount, UnitService
from finops.shared.money import total

#: Accounts of services of units that may have a line of their own: the largest.
LINES: Final = 2_000

#: A unit, and the titles of a service's and an account's line.
_Line = tuple[str, str, str]
_Amounts = Mapping[str, Decimal]
_Key = TypeVar("_Key")


def with_services(costs: Costs, units: Iterable[Unit], days: Sequence[date]) -> tuple[Unit, ...]:
    """The units with their services. The lines of each level add up to the one above.

    Args:
        costs: Of the month.
        units: Without services.
        days: Those whose usage is known.
    """
    lines = _Lines(costs)
    usage = _usage(costs, lines, days) if days else {}
    return tuple(
        replace(unit, services=_services(costs, lines, unit, usage, len(days))) for unit in units
    )


class _Lines:
    """On which line each of a unit's charges is, and what the charges of a line come to."""

    def __init__(self, costs: Costs) -> None:
        self.charges = costs.compared(costs.current)
        least = _least(costs, self.charges)
        of_services = _nested(sum_by(self.charges, lambda one: (one.unit, one.charge.service)))
        self._services = {
            unit: _titles(amounts, least, "services") for unit, amounts in of_services.items()
        }
        of_accounts = _nested(
            sum_by(
                self.charges,
                lambda one: (
                    (one.unit, self._services[one.unit][one.charge.service]),
                    one.charge.linked_account,
                ),
            )
        )
        self._accounts = {
            of: _titles(amounts, least, "accounts") for of, amounts in of_accounts.items()
        }
        self.amounts = {
            unit: {
                service: _summed(of_accounts[unit, service], self._accounts[unit, service])
                for service in dict.fromkeys(titles.values())
            }
            for unit, titles in self._services.items()
        }

    def line(self, unit: str, source: UsageSource) -> _Line:
        service = self._services[unit][source.service]
        return unit, service, self._accounts[unit, service][source.linked_account]


def _least(costs: Costs, charges: Iterable[Allocated]) -> Decimal:
    """The smallest amount that has a line of its own."""
    sums = sum_by(
        charges, lambda one: (one.unit, one.charge.service, one.charge.linked_account)
    ).values()
    largest = heapq.nlargest(LINES, map(abs, sums))
    fewest = largest[-1] if len(sums) > LINES else Decimal(0)
    return max(costs.evidence.smallest_line, fewest)


def _nested(sums: Mapping[tuple[_Key, str], Decimal]) -> dict[_Key, dict[str, Decimal]]:
    found: dict[_Key, dict[str, Decimal]] = defaultdict(dict)
    for (outer, inner), amount in sums.items():
        found[outer][inner] = amount
    return found


def _titles(amounts: _Amounts, least: Decimal, noun: str) -> dict[str, str]:
    """Of each name its line: its own, the largest first, or that of all others, which are small."""
    ordered = sorted(amounts, key=lambda name: (-abs(amounts[name]), name))
    shown = [name for name in ordered if abs(amounts[name]) >= least]
    if len(ordered) - len(shown) < 2:
        shown = ordered
    others = f"{len(ordered) - len(shown)} other {noun}"
    return {name: name if name in shown else others for name in ordered}


def _summed(amounts: _Amounts, titles: Mapping[str, str]) -> dict[str, Decimal]:
    """By line, in the order of the titles."""
    found = dict.fromkeys(titles.values(), Decimal(0))
    for name, amount in amounts.items():
        found[titles[name]] += amount
    return found


def _usage(costs: Costs, lines: _Lines, days: Sequence[date]) -> dict[_Line, list[Decimal]]:
    """Usage of each day, by line. Who bears a charge of the month bears as much of its days."""
    usage = [one for one in lines.charges if one.charge.category is ChargeCategory.USAGE]
    unit_of: dict[UsageSource, str] = {}
    shared: dict[UsageSource, dict[str, Decimal]] = {}
    for one in usage:
        source = _source(one.charge)
        if unit_of.setdefault(source, one.unit) != one.unit:
            shared[source] = {}
    for one in usage if shared else ():
        source = _source(one.charge)
        if source in shared:
            add_to(shared[source], one.unit, one.amount)
    # A source of one unit is summed with others of its line, a shared one on its own.
    numbers: dict[tuple[str, ...] | UsageSource, int] = {}
    asked: dict[UsageSource, int] = {}
    for source, unit in unit_of.items():
        key = source if source in shared else (*lines.line(unit, source), source.currency)
        asked[source] = numbers.setdefault(key, len(numbers))
    source_of = {number: source for source, number in asked.items()}
    found: dict[_Line, list[Decimal]] = {}
    for number, costs_of in _by_day(costs, asked, days).items():
        source = source_of[number]
        amounts = [costs.exchanged(one, source.currency, costs.evidence.month) for one in costs_of]
        parts = (
            _parts(amounts, shared[source]) if source in shared else [(unit_of[source], amounts)]
        )
        for unit, part in parts:
            line = lines.line(unit, source)
            found[line] = [*map(add, found[line], part)] if line in found else part
    return found


def _by_day(
    costs: Costs, lines: Mapping[UsageSource, int], days: Sequence[date]
) -> dict[int, list[Decimal]]:
    """Usage of each day, by the number of a line, in the line's currency."""
    at = {day: number for number, day in enumerate(days)}
    found: dict[int, list[Decimal]] = {}
    for line, day, amount in costs.evidence.usage_by_day(lines):
        if day in at:
            if line not in found:
                found[line] = [Decimal(0)] * len(days)
            found[line][at[day]] += amount
    return found


def _source(charge: Charge) -> UsageSource:
    return UsageSource(
        *(charge.payer_account, charge.linked_account, charge.service),
        *(charge.tag_rule, charge.currency),
    )


def _parts(amounts: Sequence[Decimal], borne: _Amounts) -> list[tuple[str, list[Decimal]]]:
    """The amounts as the units bear them; nothing where their month's charges cancel each other."""
    whole = total(borne.values())
    return [
        (unit, [one * part / whole for one in amounts]) for unit, part in borne.items() if whole
    ]


def _services(
    costs: Costs,
    lines: _Lines,
    unit: Unit,
    usage: Mapping[_Line, Sequence[Decimal]],
    days: int,
) -> tuple[UnitService, ...]:
    exact = {
        service: total(accounts.values())
        for service, accounts in lines.amounts.get(unit.name, {}).items()
    }
    found = []
    for service, amount in _rounded(costs, exact, unit.actual):
        of_accounts = lines.amounts[unit.name][service]
        accounts = tuple(
            _account(
                costs,
                account,
                of_accounts[account],
                rounded,
                usage.get((unit.name, service, account), [Decimal(0)] * days),
            )
            for account, rounded in _rounded(costs, of_accounts, amount)
        )
        found.append(UnitService(service=service, amount=amount, accounts=accounts))
    return tuple(found)


def _rounded(costs: Costs, exact: _Amounts, whole: Decimal) -> list[tuple[str, Decimal]]:
    """Each line with its rounded amount."""
    return list(zip(exact, costs.rounded_lines([*exact.values()], whole), strict=True))


def _account(
    costs: Costs, account: str, exact: Decimal, amount: Decimal, days: Sequence[Decimal]
) -> UnitAccount:
    rest = exact - total(days)
    # Without a rest the days alone are rounded, so that a cent of theirs does not become one.
    *by_day, monthly = (
        [*costs.rounded_lines(days, amount), Decimal(0)]
        if days and not rest
        else costs.rounded_lines([*days, rest], amount)
    )
    return UnitAccount(
        account=account,
        name=costs.account_name(account),
        amount=amount,
        days=tuple(by_day),
        monthly=monthly,
    )
