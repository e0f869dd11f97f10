"""How edits end that their account does not answer: it cannot be reached, or has nothing to do."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from finops.budgets.approvals import is_approved
from finops.budgets.audit_events import REPAIRER, result_event
from finops.budgets.comparison import is_being_published, is_long_unreached, was_published
from finops.budgets.documents import content_digest
from finops.budgets.domain import Budget, BudgetChange, BudgetKey, Status, decimal_text
from finops.budgets.drift_run import Clock, Run, reason_of
from finops.budgets.ports import UNKNOWN_ACCOUNT, BudgetResult, BudgetStatus, StatusTable
from finops.budgets.statuses import KEPT, initial_status
from finops.shared.audit import AuditRecorder
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

_OF_ANOTHER: Final = (Status.WAITING, Status.REJECTED)


def _unexpected(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the account could not be compared: {reason_of(error)}",
        code="unexpected",
        step="compare_account",
        remedy="Read the log of the function repair-budget-drift, and report what it says",
    )


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
        run: Run,
        *,
        default_of: str,
        beside: bool,
    ) -> None:
        """Tell that an account cannot be reached, so that nobody knows what it has.

        Calls that AWS throttles or does not answer say nothing of the account, unless they go on.

        Args:
            key: Which budget.
            budget: What the account shall have; None where the budget has to go.
            error: Why it cannot be reached.
            status: The status until now.
            run: Which run has found it.
            default_of: Whose default it is.
            beside: Whether it stands beside an edit that waits or is rejected. The status stays
                that edit's, with since when the account is not reached.
        """
        if status and budget is None and error.code == UNKNOWN_ACCOUNT:
            # It has left, and whatever it has is its own.
            self.end(status, run)
            return
        beside |= budget is None and status is not None and status.status in _OF_ANOTHER
        if beside or isinstance(error, TransientFailure):
            lasts = status is not None and is_long_unreached(status.unreached_at, self._clock())
            if status and status.unreached_at is None:
                self._statuses.note_unreached(key, self._clock())
            if beside or not lasts:
                return
        if status and was_published(budget, status):
            self._mark_unreached(status, error)
        elif status is None or status.error != error.explanation:
            change = run.seen(key, status, self._clock())
            self.fail(change, budget, error, status, default_of)

    def _mark_unreached(self, status: BudgetStatus, error: FinOpsError) -> None:
        """Mark what was published as FAILED, once for each reason.

        What was never applied has failed by itself, and its reason says whether the account was
        told of it.
        """
        now = self._clock()
        told = (status.error_code, status.error_step) == (error.code, error.step)
        failed = status.status is Status.FAILED and told and status.unreached_at is not None
        if status.applied_amount and not failed and not is_being_published(status, now):
            since = status.unreached_at or now
            self._statuses.mark_unreached(status.key, status.version, error, since)

    def note_not_compared(self, statuses: Iterable[BudgetStatus], error: Exception) -> None:
        """Tell that a run could not compare an account, where that goes on."""
        reason = error if isinstance(error, FinOpsError) else _unexpected(error)
        for one in statuses:
            if one.status is Status.REMOVED:
                continue
            with suppress(FinOpsError):  # what has failed already is told
                if is_long_unreached(one.unreached_at, self._clock()):
                    self._mark_unreached(one, reason)
                elif one.unreached_at is None:
                    self._statuses.note_unreached(one.key, self._clock())

    def reached(self, statuses: Iterable[BudgetStatus]) -> None:
        """Note that an account can be read again."""
        for one in statuses:
            if one.unreached_at:
                self._statuses.note_unreached(one.key, None)

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
            action=KEPT if status.published else "",
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
