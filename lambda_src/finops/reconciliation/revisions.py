"""The changes between two revisions of a closed month."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.domain import UnitBudget
from finops.reconciliation.report import FORMER_KEYS, Change

#: Of each table: what names a line, and the amounts that count.
_REVISED_TABLES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "units": (("name",), ("actual", "excluded", "budget")),
    "categories": (("category",), ("amount",)),
    "accounts": (("payer", "account"), ("amount",)),
    "services": (("service",), ("amount",)),
    "invoices": (("payer", "invoice_id", "currency"), ("charged", "invoiced", "processed")),
}
#: The line of all accounts or services that are too small for one of their own, and how small.
_SMALL: Final = re.compile(r"\d+ (?:accounts|services) below (\d+(?:\.\d+)?) ")

_Rows = Mapping[str, Mapping[str, Any]]


def closed_budgets(document: Mapping[str, Any]) -> dict[str, UnitBudget]:
    """The budgets that a closed month was compared with, by business unit.

    Args:
        document: Its report, as `as_document` gives it.
    """
    return {
        unit["name"]: UnitBudget(
            monthly_target=Decimal(unit["budget"]),
            currency=document["currency"],
            alert_threshold_pct=Decimal(unit["alert_threshold_pct"] or 0),
            origin=unit["budget_origin"],
        )
        for unit in document["units"]
        if unit["budget"] is not None
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The amounts in which two reports differ, each as `as_document` gives it.

    Which accounts and services share the line of small ones does not count: it depends on the
    setting and on the month before, too.
    """
    changes = []
    for table, (keys, amounts) in _REVISED_TABLES.items():
        old, new = (
            {" ".join(filter(None, (row[key] for key in keys))): row for row in one[table]}
            for one in (before, after)
        )
        regrouped = {name: _regrouped(old, new, name) for name in amounts}
        for line in sorted(old.keys() | new.keys()):
            for name in amounts:
                values = [_amount(rows.get(line), name) for rows in (old, new)]
                if values[0] != values[1] and line not in regrouped[name]:
                    title = line if len(amounts) == 1 else f"{line}: {name}"
                    changes.append(
                        Change(table=table, line=title, before=values[0], after=values[1])
                    )
    return tuple(changes)


def _regrouped(old: _Rows, new: _Rows, name: str) -> set[str]:
    """The lines that only share the line of small ones in one report and not in the other."""
    limits = {line: Decimal(found[1]) for line in (*old, *new) if (found := _SMALL.match(line))}
    lines = old.keys() ^ new.keys() | limits.keys()
    was, now = (
        {line: _amount(rows.get(line), name) or Decimal(0) for line in lines} for rows in (old, new)
    )
    most = max(
        (max(abs(was[one]), abs(now[one])) for one in lines - limits.keys()), default=Decimal(0)
    )
    is_same = sum(was.values()) == sum(now.values())
    return lines if limits and is_same and most < max(limits.values()) else set()


def _amount(row: Mapping[str, Any] | None, name: str) -> Decimal | None:
    # A month may have been closed by a version with former keys.
    text = row.get(name, row.get(FORMER_KEYS.get(name, name))) if row else None
    return None if text is None else Decimal(text)
