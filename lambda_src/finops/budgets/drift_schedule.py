"""Use case of the management account: a scheduled run over all accounts, in parts of some accounts.

Each part is a message, so that any number of accounts is compared within the schedule's period, and
a part that fails is repeated alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from finops.budgets.comparison import is_long_unreached, is_overdue
from finops.budgets.defaults import is_default
from finops.budgets.domain import Status
from finops.budgets.ports import AccountQueue, BudgetTable, StatusOutline, StatusTable

#: Accounts of one message. Each takes some calls, and the function has five minutes.
ACCOUNTS_A_PART: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """What a scheduled run found before it compared anything.

    Attributes:
        accounts: All accounts with a row or a status.
        failing: Those of them with a budget whose newest edit failed, or has had no answer in time,
            or that no run could read for an hour.
        failing_budgets: How many budgets that are.
        begun: False where the run before is not over yet.
    """

    accounts: Sequence[str]
    failing: Sequence[str]
    failing_budgets: int
    begun: bool


class DriftSchedule:
    """Hands all accounts to the queue that `repair-budget-drift` works off."""

    def __init__(
        self,
        *,
        table: BudgetTable,
        statuses: StatusTable,
        queue: AccountQueue,
        clock: Callable[[], datetime],
        members: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._table = table
        self._statuses = statuses
        self._queue = queue
        self._clock = clock
        self._members = members

    def begin(self, *, at_once: bool = False) -> ScheduledRun:
        """Begin a run, unless accounts of the one before still wait.

        Where there are defaults, it takes all members of the organization.

        Args:
            at_once: Begin it also where accounts of the one before wait: a default was edited.
        """
        accounts = set(self._table.accounts())
        defaults = set(filter(is_default, accounts))
        if defaults:
            accounts.update(self._members())
        failing: list[str] = []
        now = self._clock()
        for one in self._statuses.outlines():
            if one.status is not Status.REMOVED:
                accounts.add(one.account_id)
            if _is_failing(one, now):
                failing.append(one.account_id)
        # A unit may have the status of a default, and no row any more.
        defaults.update(filter(is_default, accounts))
        accounts -= defaults
        begun = at_once or self._queue.is_empty()
        if begun:
            self._queue.send(parts_of(sorted(accounts)), defaults=sorted(defaults))
        return ScheduledRun(
            accounts=sorted(accounts),
            failing=sorted(set(failing)),
            failing_budgets=len(failing),
            begun=begun,
        )


def _is_failing(one: StatusOutline, now: datetime) -> bool:
    if one.status in (Status.FAILED, Status.REMOVED):
        return one.status is Status.FAILED
    return is_overdue(one.status, one.edited_at, now) or is_long_unreached(one.unreached_at, now)


def parts_of(accounts: Sequence[str], size: int = ACCOUNTS_A_PART) -> list[Sequence[str]]:
    """The accounts in parts of at most `size`."""
    return [accounts[start : start + size] for start in range(0, len(accounts), size)]
