"""The month's costs by category, account, service and month. Each table adds up to the total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from finops.reconciliation.comparison.costs import Costs, account_key, sum_by
from finops.reconciliation.domain import UNMAPPED, ChargeCategory
from finops.reconciliation.mapping import Allocated
from finops.reconciliation.report import (
    AccountLine,
    CategoryLine,
    ServiceLine,
    Totals,
    Trend,
    UnmappedAccount,
)
from finops.shared.money import total
from finops.shared.periods import Month

TREND_MONTHS: Final = 12
#: What is asked for: the trends, and the same month a year before.
ASKED_MONTHS: Final = TREND_MONTHS + 1

_Key = TypeVar("_Key", str, tuple[str, str])


def unmapped_accounts(costs: Costs, totals: Totals) -> tuple[UnmappedAccount, ...]:
    """Accounts with costs that no rule claims, the largest first."""
    sums = sum_by(
        (one for one in costs.compared(costs.current) if one.unit == UNMAPPED),
        lambda one: account_key(one.charge),
    )
    keys = sorted(sums, key=lambda key: (-sums[key], key))
    amounts = costs.rounded_lines([sums[key] for key in keys], totals.unmapped) if keys else []
    return tuple(
        UnmappedAccount(
            account=account, name=costs.account_name(account), payer=payer, amount=amount
        )
        for (payer, account), amount in zip(keys, amounts, strict=True)
    )


def category_lines(costs: Costs, totals: Totals) -> tuple[CategoryLine, ...]:
    """Costs by charge category, in FOCUS's order."""
    sums = sum_by(costs.current, lambda one: one.charge.category)
    excluded = costs.evidence.excluded
    found = [one for one in ChargeCategory if one in sums]
    lines: dict[ChargeCategory, Decimal] = {}
    for is_excluded, whole in ((False, totals.actual), (True, totals.excluded)):
        members = [one for one in found if (one in excluded) is is_excluded]
        if members:
            amounts = costs.rounded_lines([sums[one] for one in members], whole)
            lines |= dict(zip(members, amounts, strict=True))
    return tuple(
        CategoryLine(category=one.value, amount=lines[one], excluded=one in excluded)
        for one in found
    )


def account_lines(costs: Costs, totals: Totals) -> tuple[AccountLine, ...]:
    """Costs by linked account, the largest first; small ones are one line together."""
    units = costs.units_of_account
    return tuple(
        AccountLine(
            account=key[1] if key else f"{count} accounts below {_least(costs)}",
            name=costs.account_name(key[1]) if key else "",
            payer=key[0] if key else "",
            units=tuple(sorted(units.get(key, ()))) if key else (),
            amount=now,
            previous=before,
            change=now - before,
        )
        for key, count, now, before in _lines(costs, lambda one: account_key(one.charge), totals)
    )


def service_lines(costs: Costs, totals: Totals) -> tuple[ServiceLine, ...]:
    """Costs by service, the largest first; small ones are one line together."""
    return tuple(
        ServiceLine(
            service=f"{count} services below {_least(costs)}" if key is None else key,
            amount=now,
            previous=before,
            change=now - before,
        )
        for key, count, now, before in _lines(costs, lambda one: one.charge.service, totals)
    )


def trend_months(month: Month) -> tuple[Month, ...]:
    """The months of the trends, the report's own last."""
    return month.back(TREND_MONTHS)


def trend_lines(costs: Costs, units: Sequence[str]) -> tuple[Trend, ...]:
    """Costs by month: of everything, then of each unit."""
    columns: list[list[Decimal | None]] = []
    named = set(units)
    for month in trend_months(costs.evidence.month):
        allocated = costs.of_month(month)
        if not allocated:
            columns.append([None] * (len(units) + 1))
            continue
        sums = sum_by(costs.compared(allocated), lambda one: one.unit)
        others = total(amount for unit, amount in sums.items() if unit not in named)
        amounts = costs.rounded_lines([sums.get(unit, Decimal(0)) for unit in units] + [others])
        columns.append([total(amounts), *amounts[:-1]])
    return tuple(
        Trend(unit=name, amounts=tuple(column[at] for column in columns))
        for at, name in enumerate(("All", *units))
    )


def _least(costs: Costs) -> str:
    return f"{costs.rounded(costs.evidence.smallest_line):f} {costs.evidence.currency}"


def _lines(
    costs: Costs, key: Callable[[Allocated], _Key], totals: Totals
) -> list[tuple[_Key | None, int, Decimal, Decimal]]:
    """(key, 1, now, before), the largest first; then (None, how many, …) of all small ones."""
    now, before = sum_by(costs.current, key), sum_by(costs.previous, key)
    zero, least = Decimal(0), costs.evidence.smallest_line
    keys = sorted(now.keys() | before.keys(), key=lambda one: (-now.get(one, zero), one))
    small = {
        one
        for one in keys
        if abs(now.get(one, zero)) < least and abs(before.get(one, zero)) < least
    }
    if len(small) < 2:
        small = set()
    rows: list[tuple[_Key | None, int, Decimal, Decimal]] = [
        (one, 1, now.get(one, zero), before.get(one, zero)) for one in keys if one not in small
    ]
    if small:
        rest = [total(sums.get(one, zero) for one in small) for sums in (now, before)]
        rows.append((None, len(small), rest[0], rest[1]))
    nows = costs.rounded_lines([row[2] for row in rows], totals.actual + totals.excluded)
    befores = costs.rounded_lines([row[3] for row in rows])
    return [(row[0], row[1], nows[at], befores[at]) for at, row in enumerate(rows)]
