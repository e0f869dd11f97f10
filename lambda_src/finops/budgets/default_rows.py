"""The defaults that the table holds at one moment, and who inherits them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from finops.budgets.defaults import (
    EVERY_ACCOUNT,
    InheritedRow,
    inherited_rows,
    is_default,
    is_unit,
    units_above,
)
from finops.budgets.ports import BudgetTable, Organization


class DefaultRows:
    """Reads the defaults once, when they are first asked for.

    Args:
        table: The table that people edit.
        organization: Who knows the units.
        known: `*` and the units that have rows, where somebody has looked; the whole table is
            looked through where nobody has.
    """

    def __init__(
        self,
        table: BudgetTable,
        organization: Organization,
        *,
        known: Iterable[str] | None = None,
    ) -> None:
        self._table = table
        self._organization = organization
        self._known = known
        self._lock = threading.Lock()

    def of(
        self,
        account_id: str,
        *,
        own: Collection[str],
        so_far: Collection[str] = (),
        in_effect: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = lambda row: row,
    ) -> dict[str, InheritedRow]:
        """What an account inherits, by budget name.

        Args:
            account_id: The account.
            own: Names of the budgets that have a row of the account's own.
            so_far: From which defaults it has budgets until now. It has left a unit only by its own
                word: a list of a unit's accounts may miss one that is being moved within it.
            in_effect: What accounts inherit of a default's row; None where that is nothing.

        Raises:
            FinOpsError: the organization could not be asked, so that nobody knows.
        """
        with self._lock:
            rows = self._rows
            if not rows or not self._organization.inherits(account_id):
                return {}
            units = self._units_above(account_id, so_far)
        found = [one for row in rows if (one := in_effect(row)) is not None]
        return inherited_rows(account_id, found, units=units, own=own)

    def _units_above(self, account_id: str, so_far: Collection[str]) -> tuple[str, ...]:
        """The units above an account, the nearest first."""
        listed = units_above(account_id, self._parents)
        with_rows = {row["account_id"] for row in self._rows if is_unit(row["account_id"])}
        missed = [
            (unit, *units_above(unit, self._parents))
            for unit in sorted(with_rows.intersection(so_far).difference(listed))
            if self._organization.is_below(account_id, unit)
        ]
        return max(missed, key=len) if missed else listed

    def has_lost(self, account_id: str, default_of: str, budget_name: str) -> bool:
        """Whether an account that inherited a default does not any more.

        Where the unit's row still stands, the account has to be out of the unit by its own word,
        too: a list of a unit's accounts may miss one that is being moved within it.

        Raises:
            FinOpsError: the organization could not be asked, so that nobody knows.
        """
        with self._lock:
            stands = any(
                (row["account_id"], row["budget_name"]) == (default_of, budget_name)
                for row in self._rows
            )
            moved = is_unit(default_of) and stands and self._organization.inherits(account_id)
            return not moved or not self._organization.is_below(account_id, default_of)

    @cached_property
    def _rows(self) -> list[Mapping[str, Any]]:
        known = self._table.accounts() if self._known is None else self._known
        accounts = {EVERY_ACCOUNT, *(one for one in known if is_default(one))}
        return [row for one in sorted(accounts) for row in self._table.rows(one)]

    @cached_property
    def _parents(self) -> Mapping[str, str]:
        units = {row["account_id"] for row in self._rows if is_unit(row["account_id"])}
        return self._organization.parents(units) if units else {}
