"""Edits whose stream record was lost: a run that finds them tells what becomes of them."""

from __future__ import annotations

from finops.budgets.audit_events import unseen_rejection_event
from finops.budgets.documents import content_digest
from finops.budgets.domain import Budget, BudgetKey, Status
from finops.budgets.drift_run import Clock, Run
from finops.budgets.ports import BudgetStatus, StatusTable
from finops.budgets.statuses import initial_status, waiting_status
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput


class UnseenEdits:
    """Writes the statuses of edits that no stream record told of."""

    def __init__(self, *, statuses: StatusTable, audit: AuditRecorder, clock: Clock) -> None:
        self._statuses = statuses
        self._audit = audit
        self._clock = clock

    def reject(
        self, key: BudgetKey, error: RejectedInput, status: BudgetStatus | None, run: Run
    ) -> dict[BudgetKey, BudgetStatus]:
        """Reject a bad row, so that its editor learns why. Returns its status, where it is new."""
        if status is not None and status.status is Status.REJECTED:
            return {}
        change = run.seen(key, status, self._clock())
        rejection = initial_status(change, Status.REJECTED, error=error)
        if not self._statuses.begin(rejection):
            return {}
        self._audit.record(
            unseen_rejection_event(
                rejection,
                error,
                scheduled=run.scheduled,
                requested_by=run.requested_by,
                now=change.edited_at,
            )
        )
        return {key: found} if (found := self._statuses.get(key)) else {}

    def hold(
        self,
        key: BudgetKey,
        budget: Budget,
        reason: str,
        status: BudgetStatus | None,
        source: str,
        run: Run,
    ) -> dict[BudgetKey, BudgetStatus]:
        """Have a raise wait. Returns its status, where it is new."""
        content = content_digest(budget)
        if status and status.status is Status.WAITING and status.content == content:
            return {}
        change = run.seen(key, status, self._clock())
        waiting = waiting_status(change, budget, reason, source)
        if not self._statuses.begin(waiting, after=status.version if status else ""):
            return {}
        return {key: found} if (found := self._statuses.get(key)) else {}
