"""Use cases of the management account: publish edits of the table, and record what spokes report.

Every step compares before it writes and looks again afterwards, so that it can be killed after any
side effect and run again, and so that of two runs at once the newer version stands.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from finops.budgets.audit_events import (
    edit_event,
    foreign_result_event,
    result_event,
    unanswered_event,
)
from finops.budgets.documents import BudgetDocument, decode_document, document_for
from finops.budgets.domain import (
    BudgetChange,
    BudgetKey,
    RemovalPolicy,
    Status,
    decimal_text,
)
from finops.budgets.ports import (
    BudgetResult,
    BudgetStatus,
    Spokes,
    StatusTable,
)
from finops.shared.audit import AuditEvent, AuditRecorder
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure

# A writer that was overtaken writes the newer version again; each round needs another overtaking.
MAX_ROUNDS: Final = 5

Clock = Callable[[], datetime]


class Outcome(enum.StrEnum):
    """What became of one edit in the publisher; also the name of its metric."""

    PUBLISHED = "BudgetsPublished"
    REJECTED = "BudgetsRejected"
    FAILED = "BudgetsFailed"
    SKIPPED = "BudgetsSkipped"
    KEPT = "BudgetsKept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An edit's outcome, with the document that now waits for the spoke's answer."""

    outcome: Outcome
    document: BudgetDocument | None = None
    error: FinOpsError | None = None


#: What an outcome is called in the audit trail.
_ACTIONS: Final = {
    Outcome.PUBLISHED: "published",
    Outcome.REJECTED: "rejected",
    Outcome.FAILED: "failed",
    Outcome.KEPT: "kept",
}
_KEPT: Final = "kept"
_NEVER_PUBLISHED: Final = "never_published"


class BudgetPublisher:
    """Brings edits of the table to the spokes' parameters."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        spokes: Spokes,
        removal: RemovalPolicy,
        audit: AuditRecorder,
    ) -> None:
        self._statuses = statuses
        self._spokes = spokes
        self._removal = removal
        self._audit = audit

    def publish(self, change: BudgetChange) -> Publication:
        """Validate an edit and publish it, unless a newer one is known.

        Raises:
            TransientFailure: after marking the edit as FAILED; the same edit may be tried again.
        """
        if change.row is None and (kept := self._reason_to_keep(change.key)):
            taken = self._statuses.begin(initial_status(change, Status.REMOVED, action=kept))
            return Publication(outcome=Outcome.KEPT if taken else Outcome.SKIPPED)
        try:
            document = document_for(change)
        except RejectedInput as error:
            taken = self._statuses.begin(initial_status(change, Status.REJECTED, error=error))
            return Publication(outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error)
        if not self._statuses.begin(initial_status(change, Status.PENDING, document=document)):
            return Publication(outcome=Outcome.SKIPPED)
        return self.publish_document(document)

    def publish_document(self, document: BudgetDocument) -> Publication:
        """Write an opened document, and whatever newer one was opened meanwhile.

        Parameter Store has no conditional write: a slow writer may land on top of a newer version.
        So each writer looks at the status afterwards, and puts the newer document back.
        """
        try:
            for _ in range(MAX_ROUNDS):
                self._spokes.put_document(document)
                current = self._statuses.get(document.key)
                newest = decode_document(current.document) if current else document
                if newest.version <= document.version:
                    return Publication(outcome=Outcome.PUBLISHED, document=document)
                document = newest
        except ConfigurationError as error:
            self._statuses.mark_failed(document.key, document.version, error)
            return Publication(outcome=Outcome.FAILED, error=error)
        except TransientFailure as error:
            self._statuses.mark_failed(document.key, document.version, error)
            raise
        raise TransientFailure(
            f"budget {document.key.budget_name} of {document.key.account_id} is edited faster than"
            " it can be published",
            code="overtaken",
            step="put_parameter",
        )

    def audit(self, done: Sequence[tuple[BudgetChange, Publication | Exception]]) -> None:
        """Tell the audit trail what became of a batch, at once."""
        events: list[AuditEvent] = []
        failures: list[Exception] = []
        for change, found in done:
            if isinstance(found, Publication):
                if action := _ACTIONS.get(found.outcome) or self._action_of_earlier_run(
                    change, found
                ):
                    events.append(edit_event(action, change, found.error))
            elif isinstance(found, FinOpsError) and found not in failures:
                # Later edits of the same budget bear the same failure, and were not tried.
                failures.append(found)
                events.append(edit_event("failed", change, found))
        self._audit.record(*events)

    def _action_of_earlier_run(self, change: BudgetChange, skipped: Publication) -> str:
        """What another run made of this very edit: it may have been killed before it said so."""
        known = self._statuses.get(change.key)
        if known is None or known.version != change.version:
            return ""
        if skipped.error:
            return "rejected"
        return "kept" if known.action in (_KEPT, _NEVER_PUBLISHED) else "published"

    def _reason_to_keep(self, key: BudgetKey) -> str:
        """Why a removed row leaves the spoke untouched; empty where the spoke must remove too."""
        if self._removal is RemovalPolicy.KEEP:
            return _KEPT
        status = self._statuses.get(key)
        if status is None or not status.document:
            return _NEVER_PUBLISHED
        unreached = status.status is Status.FAILED and status.error_step == "assume_role"
        return _NEVER_PUBLISHED if unreached and not status.applied_amount else ""


class ResultRecorder:
    """Closes the loop: what the spokes report becomes the status that people read."""

    def __init__(self, *, statuses: StatusTable, audit: AuditRecorder, clock: Clock) -> None:
        self._statuses = statuses
        self._audit = audit
        self._clock = clock

    def record(self, result: BudgetResult, *, sender: str) -> bool:
        """Write a result down. Returns False where it is stale.

        Raises:
            RejectedInput: when `sender`, the account that AWS says sent it, reports for another.
        """
        if sender != result.key.account_id:
            error = RejectedInput(
                f"account {sender} reported a budget of account {result.key.account_id}",
                code="foreign_result",
                field="account_id",
                value=result.key.account_id,
                step="record_result",
            )
            self._audit.record(foreign_result_event(result, sender, error))
            raise error
        closed = self._statuses.record_result(result)
        # A stale result is no status any more, but the spoke did it.
        self._audit.record(result_event(result))
        return closed

    def expire(self, key: BudgetKey, version: str) -> bool:
        """Mark a version as FAILED if its spoke has not answered; a late answer still wins."""
        error = ConfigurationError(
            f"account {key.account_id} did not report what became of this edit",
            code="no_answer",
            step="apply_budget",
            remedy="Look at the log and the failure queue of its apply-budget function, and at"
            " the EventBridge rule that starts it; the drift schedule tries again",
        )
        failed = self._statuses.mark_failed(key, version, error)
        if failed:
            self._audit.record(unanswered_event(key, version, error, self._clock()))
        return failed


def publish_in_order(
    changes: Iterable[BudgetChange],
    publish: Callable[[BudgetChange], Publication],
    *,
    concurrency: int,
) -> list[tuple[BudgetChange, Publication | Exception]]:
    """Publish a batch: budgets side by side, edits of the same budget one after the other.

    After a failure the later edits of that budget are not tried, so that the event source, which
    delivers them all again, finds them in order.
    """
    lanes: dict[BudgetKey, list[BudgetChange]] = defaultdict(list)
    for change in changes:
        lanes[change.key].append(change)

    def work(lane: list[BudgetChange]) -> list[tuple[BudgetChange, Publication | Exception]]:
        done: list[tuple[BudgetChange, Publication | Exception]] = []
        for change in lane:
            try:
                done.append((change, publish(change)))
            except Exception as error:  # noqa: BLE001 - one edit must not fail its neighbours
                done.extend((later, error) for later in lane[len(done) :])
                break
        return done

    with ThreadPoolExecutor(max(1, min(concurrency, len(lanes)))) as pool:
        return [pair for lane in pool.map(work, lanes.values()) for pair in lane]


def initial_status(
    change: BudgetChange,
    status: Status,
    *,
    document: BudgetDocument | None = None,
    error: FinOpsError | None = None,
    action: str = "",
) -> BudgetStatus:
    """The status with which a change is taken up."""
    row = change.row or {}
    budget = document.budget if document else None
    return BudgetStatus(
        key=change.key,
        version=change.version,
        status=status,
        request_id=change.request_id,
        document=document.encode() if document else "",
        amount=decimal_text(budget.amount) if budget else str(row.get("amount", "")),
        error=str(error or ""),
        error_code=error.code if error else "",
        error_step=error.step if error else "",
        updated_by=str(row.get("updated_by", "")),
        action=action,
        edited_at=change.edited_at,
    )
