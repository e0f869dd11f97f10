"""Use case of the management account: which accounts have budgets, and who made them."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from finops.budgets.comparison import left_in
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import is_default
from finops.budgets.domain import ActualBudget, Delivery, Status, decimal_text
from finops.budgets.ports import BudgetTable, Organization, Spokes, StatusTable
from finops.shared.errors import FinOpsError
from finops.shared.money import rounded

_CONCURRENCY: Final = 16
T = TypeVar("T")


class Source(enum.StrEnum):
    """Why an account has a budget, or has none."""

    #: A row of the table asks for it.
    TABLE = "table"
    #: The flow made it, and its row is gone or wants it in the other account: it stays, or its
    #: removal is under way.
    KEPT = "kept"
    #: A default asks for it: the account has no row of its own.
    DEFAULT = "default"
    #: No row asks for it: somebody made it, or the spoke began with it.
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
    `delivery` says which account has it: one that two accounts have is named twice.
    """

    account_id: str
    source: Source
    budget: str | None = None
    amount: str | None = None
    error: str = ""
    delivery: Delivery = Delivery.SPOKE


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
        made = {
            one.key.budget_name: one.delivery
            for one in statuses.all(account_id)
            if one.published or one.status is not Status.REMOVED
        }
        in_payer = {name for name, delivery in made.items() if delivery is Delivery.PAYER}
        inherited: set[str] = set()
        try:
            if defaults:
                inherited = set(defaults.of(account_id, own=rows))
            needs_no_spoke = bool(in_payer) and rows | inherited <= in_payer
            look_in = partial(_left, spokes, account_id)
            left = {Delivery.PAYER: _where_reached(partial(look_in, Delivery.PAYER)) or set()}
            names = in_payer | left[Delivery.PAYER]
            actual = {
                Delivery.PAYER: spokes.payer_budgets(account_id, names) if names else {},
                Delivery.SPOKE: _where_reached(partial(spokes.budgets, account_id)) or {}
                if needs_no_spoke
                else spokes.budgets(account_id),
            }
            twice = bool(in_payer & actual[Delivery.SPOKE].keys())
            left[Delivery.SPOKE] = look_in(Delivery.SPOKE) if twice else set()
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
        found = list(_of_account(account_id, rows, inherited, made, actual, left))
        return found or [CoveredAccount(account_id=account_id, source=Source.NONE)]

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        accounts = sorted({one for one in account_ids if not is_default(one)})
        return [one for found in pool.map(look, accounts) for one in found]


def _left(spokes: Spokes, account_id: str, delivery: Delivery) -> set[str]:
    return left_in(spokes.documents(account_id, delivery))


def _where_reached(look: Callable[[], T]) -> T | None:
    """What is found where nobody has to look; None where nobody can."""
    try:
        return look()
    except FinOpsError:
        return None


def _of_account(
    account_id: str,
    rows: set[str],
    inherited: set[str],
    made: Mapping[str, Delivery],
    actual: Mapping[Delivery, Mapping[str, ActualBudget]],
    left: Mapping[Delivery, set[str]],
) -> Iterator[CoveredAccount]:
    """The budgets of an account by name, where each is wanted before what there is elsewhere."""
    for name in sorted({*rows, *inherited, *itertools.chain.from_iterable(actual.values())}):
        wanted = Source.TABLE if name in rows else Source.DEFAULT if name in inherited else None
        delivery = made.get(name, Delivery.SPOKE)
        if here := actual[delivery].get(name):
            source = wanted or (Source.KEPT if name in made else Source.BY_HAND)
            yield _covered(account_id, name, source, delivery, here)
        elif wanted:
            yield _covered(account_id, name, Source.MISSING, delivery, None)
        if there := actual[delivery.other].get(name):
            source = Source.KEPT if name in left[delivery.other] else Source.BY_HAND
            yield _covered(account_id, name, source, delivery.other, there)


def _covered(
    account_id: str, name: str, source: Source, delivery: Delivery, actual: ActualBudget | None
) -> CoveredAccount:
    amount = actual.amount if actual else None
    return CoveredAccount(
        account_id=account_id,
        source=source,
        budget=name,
        amount=None if amount is None else decimal_text(rounded(amount, 2)),
        delivery=delivery,
    )
