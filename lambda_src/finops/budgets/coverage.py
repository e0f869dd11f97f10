"""Use case of the management account: which accounts have budgets, and who made them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import is_default
from finops.budgets.documents import is_removal
from finops.budgets.domain import ActualBudget, Delivery, Status, decimal_text
from finops.budgets.ports import BudgetStatus, BudgetTable, Organization, Spokes, StatusTable
from finops.shared.errors import FinOpsError

_CONCURRENCY: Final = 16


class Source(enum.StrEnum):
    """Why an account has a budget, or has none."""

    #: A row of the table asks for it.
    TABLE = "table"
    #: The flow made it, and its row is gone: it stays, or its removal is under way.
    KEPT = "kept"
    #: A default asks for it: the account has no row of its own.
    DEFAULT = "default"
    BY_HAND = "by_hand"
    #: A row asks for it, and the account does not have it.
    MISSING = "missing"
    #: The account has no budget, and no row asks for one.
    NONE = "none"
    #: The account could not be asked.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredAccount:
    """A budget of an account, or that it has none.

    `budget` is the budget's name and `amount` its limit in USD; None where there is none.
    """

    account_id: str
    source: Source
    budget: str | None = None
    amount: str | None = None
    error: str = ""


def coverage(
    account_ids: Sequence[str],
    *,
    table: BudgetTable,
    statuses: StatusTable,
    spokes: Spokes,
    organization: Organization | None = None,
) -> list[CoveredAccount]:
    """The budgets of each account, in the order of the accounts and of the budgets' names."""
    defaults = DefaultRows(table, organization) if organization else None

    def look(account_id: str) -> list[CoveredAccount]:
        rows = {str(row.get("budget_name")) for row in table.rows(account_id)}
        flows = [one for one in statuses.all(account_id) if _is_the_flows(one)]
        made = {one.key.budget_name for one in flows}
        in_payer = {one.key.budget_name for one in flows if one.delivery is Delivery.PAYER}
        inherited: set[str] = set()
        actual: dict[str, ActualBudget] = {}
        try:
            if defaults:
                inherited = set(defaults.of(account_id, own=rows))
            if in_payer:
                actual = spokes.payer_budgets(account_id, in_payer)
            needs_no_spoke = bool(in_payer) and rows | inherited <= in_payer
            actual = _in_account(spokes, account_id, optional=needs_no_spoke) | actual
        except FinOpsError as error:
            return [
                CoveredAccount(
                    account_id=account_id,
                    source=Source.UNKNOWN,
                    budget=name,
                    error=error.explanation,
                )
                for name in (*sorted(rows | inherited),) or (None,)
            ]
        found = list(_of_account(account_id, rows, inherited, made, actual))
        return found or [CoveredAccount(account_id=account_id, source=Source.NONE)]

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        accounts = sorted({one for one in account_ids if not is_default(one)})
        return [one for found in pool.map(look, accounts) for one in found]


def _in_account(spokes: Spokes, account_id: str, *, optional: bool) -> dict[str, ActualBudget]:
    """The budgets in the account itself; none where nobody can look and nobody has to."""
    try:
        return spokes.budgets(account_id)
    except FinOpsError:
        if not optional:
            raise
        return {}


def _is_the_flows(status: BudgetStatus) -> bool:
    """Whether the flow made what the account has under this name, and has not removed it since."""
    removed = is_removal(status.document) and status.status is Status.REMOVED
    return bool(status.document) and not removed


def _of_account(
    account_id: str,
    rows: set[str],
    inherited: set[str],
    made: set[str],
    actual: dict[str, ActualBudget],
) -> Iterator[CoveredAccount]:
    for name in sorted(rows | inherited | set(actual)):
        amount = actual[name].amount if name in actual else None
        if name not in actual:
            source = Source.MISSING
        elif name in rows:
            source = Source.TABLE
        elif name in inherited:
            source = Source.DEFAULT
        else:
            source = Source.KEPT if name in made else Source.BY_HAND
        yield CoveredAccount(
            account_id=account_id,
            source=source,
            budget=name,
            amount=None if amount is None else decimal_text(amount),
        )
