"""Use case of the management account: record what the spokes report.

Every step compares before it writes, so that it can be stopped and run again, and the newer version
wins (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from finops.budgets.audit_events import foreign_result_event, result_event, unanswered_event
from finops.budgets.documents import SEED_REQUEST_ID, SEED_VERSION
from finops.budgets.domain import CLOCK_SKEW, BudgetKey, Delivery, Status
from finops.budgets.ports import BudgetResult, ReportCounts, StatusTable
from finops.shared.audit import AuditEvent, AuditRecorder
from finops.shared.errors import ConfigurationError, RejectedInput

#: How many reports that answer no edit are audited a day (UTC): of each budget those that change
#: its status, and of an account the others.
UNASKED_REPORTS: Final = 100

Clock = Callable[[], datetime]


class ResultRecorder:
    """Writes what the spokes report to the status that people read."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        reports: ReportCounts,
        audit: AuditRecorder,
        withheld: Callable[[AuditEvent], None],
        clock: Clock,
        payer_account_id: str = "",
    ) -> None:
        self._payer_account_id = payer_account_id
        self._statuses = statuses
        self._reports = reports
        self._audit = audit
        self._withheld = withheld
        self._clock = clock

    def record(self, result: BudgetResult, *, sender: str) -> bool:
        """Record a result. Returns False where it is of an older version.

        The answer to an edit is always audited, and there is one for each edit. Whatever else an
        account reports about budgets that were published, or about the one that a new spoke makes
        by itself, is audited so many times a day. That something goes on failing is not.

        Args:
            result: What the spoke reported.
            sender: The account that sent it, which AWS sets.

        Raises:
            RejectedInput: the sender reports a budget of another account, and is not the payer; or
                it reports for the payer, and is not.
        """
        now = self._clock()
        in_payer = result.delivery is Delivery.PAYER
        if sender != (self._payer_account_id if in_payer else result.key.account_id):
            error = RejectedInput(
                f"account {sender} reported a budget of account {result.key.account_id}",
                code="foreign_result",
                field="account_id",
                value=result.key.account_id,
                step="record_result",
            )
            self._record_some(sender, foreign_result_event(result, sender, error, now), now)
            raise error
        effect = self._statuses.write_result(not_ahead(result, now))
        before = effect.before
        seed = before is None and is_of_seed(result)
        if seed and result.status is Status.FAILED:
            return effect.written  # nothing was done, and the schedule says so again
        if effect.written or not result.may_repeat:
            # The spoke did what an outdated result reports, so the trail has that too.
            event = result_event(result, now)
            failed = result.status is Status.FAILED
            if effect.written and before and before.reported_at is None:
                self._audit.record(event)
            elif not seed and (before is None or result.version > before.version):
                self._withheld(event)  # nothing like it was ever published
            elif effect.written:
                if not (failed and before and before.status is Status.FAILED):
                    budget = f"{sender}/{result.key.account_id}/{result.key.budget_name}"
                    self._record_some(budget, event, now)
            else:
                self._record_some(sender, event, now, harmless=failed)
        return effect.written

    def _record_some(
        self, counted: str, event: AuditEvent, now: datetime, *, harmless: bool = False
    ) -> None:
        """Audit what nobody has asked for, up to the day's limit of what is counted together.

        Of what is harmless nobody has to know more: nothing was done, and no status says so.
        """
        if self._reports.count(counted, now.date(), at_most=UNASKED_REPORTS):
            self._audit.record(event)
        elif not harmless:
            self._withheld(event)

    def expire(self, key: BudgetKey, version: str) -> bool:
        """Mark a version as FAILED if its spoke has not reported; a late report still wins."""
        error = ConfigurationError(
            f"account {key.account_id} did not report whether this edit was applied",
            code="no_answer",
            step="apply_budget",
            remedy="Check the log and the failure queue of its apply-budget function, and the"
            " EventBridge rule that invokes it. The drift schedule will try again",
        )
        failed = self._statuses.mark_failed(key, version, error)
        if failed:
            self._audit.record(unanswered_event(key, version, error, self._clock()))
        return failed


def is_of_seed(result: BudgetResult) -> bool:
    """Whether it is about the budget that a new spoke makes by itself, which no edit asks for."""
    return (
        (result.version, result.request_id) == (SEED_VERSION, SEED_REQUEST_ID)
        and result.delivery is Delivery.SPOKE
        and result.status is not Status.REMOVED
        and result.latency_ms is None
    )


def not_ahead(result: BudgetResult, now: datetime) -> BudgetResult:
    """The result as of now where its clock is ahead, so that later ones are not taken for older."""
    return replace(result, reported_at=now) if result.reported_at > now + CLOCK_SKEW else result
