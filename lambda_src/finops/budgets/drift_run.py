"""One run that compares accounts, and what it tells of budgets that it could not compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from finops.budgets.comparison import Drift
from finops.budgets.domain import (
    Budget,
    BudgetChange,
    BudgetKey,
    Delivery,
    decimal_text,
    repair_version,
)
from finops.budgets.ports import BudgetStatus
from finops.budgets.values import text_of
from finops.shared.errors import FinOpsError

#: The reason of drift that is not known, since a run had no time for the account.
NO_TIME_LEFT: Final = "no_time_left"

Clock = Callable[[], datetime]
#: The rows and statuses of one account.
Known = tuple[list[Mapping[str, Any]], dict[BudgetKey, BudgetStatus]]
#: The parameters of one account by budget name, where they are delivered so.
Documents = Callable[[Delivery], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run was asked for, and by whom."""

    repair: bool
    request_id: str
    scheduled: bool
    requested_by: str
    #: Where the flow has nothing, or nobody knows.
    unreached: set[Delivery] = field(default_factory=set)

    def seen(self, key: BudgetKey, status: BudgetStatus | None, now: datetime) -> BudgetChange:
        """What the run has found, as an edit that nobody made."""
        return BudgetChange(
            key=key,
            version=repair_version(status.version if status else None),
            request_id=self.request_id,
            edited_at=now,
            row={},
        )


def not_compared(key: BudgetKey, error: Exception) -> Drift:
    """A budget that could not be compared for any reason."""
    return Drift(key=key, wanted=None, actual=None, reason="not_compared", error=reason_of(error))


def not_reached(key: BudgetKey) -> Drift:
    """A budget for whose account no time was left."""
    return Drift(
        key=key,
        wanted=None,
        actual=None,
        reason=NO_TIME_LEFT,
        error="The run had no time left for this account: ask for fewer accounts at once",
    )


def unreachable(key: BudgetKey, budget: Budget | None, error: FinOpsError) -> Drift:
    """A budget whose account refused to be read; `budget` is None where it has to go."""
    return Drift(
        key=key,
        wanted=decimal_text(budget.amount) if budget else None,
        actual=None,
        reason="unreachable",
        error=error.explanation,
    )


def reason_of(error: Exception) -> str:
    """An error as a run tells it."""
    return text_of(error.explanation if isinstance(error, FinOpsError) else repr(error))
