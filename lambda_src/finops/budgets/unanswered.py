"""How edits end that their account does not answer: it cannot be reached, or has nothing to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from finops.budgets.approvals import is_approved
from finops.budgets.audit_events import REPAIRER, result_event
from finops.budgets.comparison import is_being_published, was_published
from finops.budgets.documents import content_digest
from finops.budgets.domain import Budget, BudgetChange, BudgetKey, Status, decimal_text
from finops.budgets.drift_run import Clock, Run
from finops.budgets.ports import UNKNOWN_ACCOUNT, BudgetResult, BudgetStatus, StatusTable
from finops.budgets.statuses import KEPT, initial_status
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, TransientFailure


class UnansweredEdits:
    """Writes the statuses of edits whose account does not do it."""

    def __init__(self, *, statuses: StatusTable, audit: AuditRecorder, clock: Clock) -> None:
        self._statuses = statuses
        self._audit = audit
        self._clock = clock

    def fail_unreached(
        self,
        key: BudgetKey,
        budget: Budget | None,
        error: FinOpsError,
        status: BudgetStatus | None,
        sources: Mapping[BudgetKey, str],
        run: Run,
    ) -> None:
        """Tell that an account cannot be reached, so that nobody knows what it has.

        One call that AWS throttles or does not answer says nothing of the account.
        """
        if isinstance(error, TransientFailure):
            return
        if status and budget is None and error.code == UNKNOWN_ACCOUNT:
            # It has left, and whatever it has is its own.
            self.end(status, run)
            return
        if status and budget is None and status.status in (Status.WAITING, Status.REJECTED):
            return
        if status and was_published(budget, status):
            told = (status.error_code, status.error_step) == (error.code, error.step)
            failed = status.status is Status.FAILED and told
            # What was never applied has failed by itself, and its reason says whether the account
            # was told of it.
            if (
                status.applied_amount
                and not failed
                and not is_being_published(status, self._clock())
            ):
                self._statuses.mark_unreached(key, status.version, error)
            return
        if status and status.error == error.explanation:
            return
        self.fail(run.seen(key, status, self._clock()), budget, error, status, sources.get(key, ""))

    def fail(
        self,
        change: BudgetChange,
        budget: Budget | None,
        error: FinOpsError,
        status: BudgetStatus | None,
        default_of: str,
        repairs: int = 0,
    ) -> None:
        """Mark as FAILED what was not published. What stood before stays, and so do approvals."""
        if status and budget and is_approved(status, content_digest(budget)):
            self._statuses.mark_failed(change.key, status.version, error, standing=status.status)
            return
        failed = replace(
            initial_status(change, Status.FAILED, error=error, repairs=repairs),
            amount=decimal_text(budget.amount) if budget else "",
            default_of=default_of or (status.default_of if status and not budget else ""),
            # An account that has the default later has it by the default's own edit.
            content=content_digest(budget) if default_of else "",
        )
        self._statuses.begin(failed, after=status.version if status else "")

    def end(self, status: BudgetStatus, run: Run) -> None:
        """Record that nobody wants a budget any more, and that what there may be is kept."""
        ended = initial_status(
            run.seen(status.key, status, self._clock()),
            Status.REMOVED,
            action=KEPT if status.document else "",
        )
        self._statuses.begin(
            replace(ended, amount=status.amount, default_of=status.default_of),
            after=status.version,
        )

    def record_removal(self, status: BudgetStatus) -> None:
        """Record what the account has not answered: the budget is gone."""
        result = BudgetResult(
            key=status.key,
            version=status.version,
            request_id=status.request_id,
            status=Status.REMOVED,
            action="unchanged",
            amount="",
            reported_at=self._clock(),
            delivery=status.delivery,
        )
        if self._statuses.write_result(result).written:
            self._audit.record(result_event(result, seen_by=REPAIRER))
