"""What of the budgets has to wait for two people, as a deployment is set up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from finops.budgets.approvals import RaiseLimit, baseline_after, is_approved
from finops.budgets.documents import content_digest
from finops.budgets.domain import Budget, Status
from finops.budgets.ports import BudgetStatus


class Raises:
    """The deployment's limit, None where nothing waits, and what raises are measured against."""

    def __init__(self, limit: RaiseLimit | None, clock: Callable[[], datetime]) -> None:
        self.limit = limit
        self._clock = clock

    def reason_to_wait(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """Why a budget has to wait for two people; empty where it may take effect."""
        if self.limit is None or budget is None:
            return ""
        return self.limit.reason_to_wait(budget, known, self._clock())

    def reason_to_go_on_waiting(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """Why a budget has to wait that nobody has edited since; empty where it may take effect.

        What waits goes on waiting in a new month, too, and when the limit is changed.
        """
        if self.limit and known and known.status is Status.WAITING:
            content = content_digest(budget)
            if known.content == content:
                return "" if is_approved(known, content) else known.error
        return self.reason_to_wait(budget, known)

    def baseline_after(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """What later raises are measured against; empty where nobody measures them."""
        return baseline_after(budget, known, self._clock()) if self.limit else ""
