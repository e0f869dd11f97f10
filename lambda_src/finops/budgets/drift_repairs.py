"""Drift is repaired: what a row asks for is published again, in turn and not too often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from finops.budgets.audit_events import repair_event
from finops.budgets.comparison import (
    IN_BOTH_ACCOUNTS,
    AccountState,
    Drift,
    next_repair,
    repairs_so_far,
)
from finops.budgets.documents import BudgetDocument, decode_document
from finops.budgets.domain import BudgetChange, BudgetKey, Delivery, Status, repair_version
from finops.budgets.drift_run import Clock, Run, reason_of
from finops.budgets.ownership import may_be_untagged
from finops.budgets.ports import BudgetStatus, Deadlines, StatusTable
from finops.budgets.publications import Outcome, Publication
from finops.budgets.service import BudgetPublisher
from finops.budgets.statuses import initial_status
from finops.budgets.unanswered import UnansweredEdits
from finops.shared.audit import AuditRecorder, rfc3339
from finops.shared.errors import FinOpsError, TransientFailure

#: Budgets that a scheduled run publishes again in one account.
MAX_REPAIRS: Final = 100


class DriftRepairs:
    """Publishes again what has drifted, and removes what the flow has where nobody wants it."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        publisher: BudgetPublisher,
        deadlines: Deadlines,
        unanswered: UnansweredEdits,
        audit: AuditRecorder,
        clock: Clock,
    ) -> None:
        self._statuses = statuses
        self._publisher = publisher
        self._deadlines = deadlines
        self._unanswered = unanswered
        self._audit = audit
        self._clock = clock

    def repair(
        self,
        found: Sequence[Drift],
        state: AccountState,
        run: Run,
        default_of: Mapping[BudgetKey, str],
    ) -> list[Drift]:
        """Publish each budget again that is due. Returns the drift with what became of it."""
        repaired: list[Drift] = []
        waiting: list[BudgetDocument] = []
        for drift in found:
            if not run.requested_by and (
                pause := self._pause(state.answered(drift.key), len(waiting))
            ):
                repaired.append(replace(drift, error=pause))
                continue
            try:
                source = default_of.get(drift.key, "")
                publication = self._repair_one(drift, state, run, source)
            except Exception as error:  # noqa: BLE001 - one budget must not stop the others
                repaired.append(replace(drift, error=reason_of(error)))
                continue
            if publication.document:
                waiting.append(publication.document)
            failure = publication.error.explanation if publication.error else ""
            repaired.append(replace(drift, repaired=not failure, error=failure))
        self._deadlines.schedule(waiting)
        return repaired

    def _pause(self, status: BudgetStatus | None, published: int) -> str:
        """Why a budget is not published again by this run; empty where it is."""
        if published >= MAX_REPAIRS:
            return f"A later run repairs it: one repairs at most {MAX_REPAIRS} budgets an account"
        due = next_repair(status)
        if due and self._clock() < due:
            tried = status.repairs if status else 0
            unanswered = repairs_so_far(status) > 0
            problem = "Its account has not answered" if unanswered else "It is not right after"
            return f"{problem} {tried} repairs; the next is after {due:%H:%M} UTC"
        return ""

    def _repair_one(
        self, drift: Drift, state: AccountState, run: Run, default_of: str
    ) -> Publication:
        status = state.statuses.get(drift.key)
        if status and drift.reason == IN_BOTH_ACCOUNTS:
            return self.remove_from(status.delivery.other, drift, status, run)
        if status and drift.key in state.held:
            return self._repair_held(drift, status, run)
        document = BudgetDocument(
            key=drift.key,
            version=repair_version(status.version if status else None),
            request_id=run.request_id,
            edited_at=None,
            budget=state.wanted[drift.key],
            removed_from=status.delivery if status else Delivery.SPOKE,
        )
        document = replace(document, untagged=may_be_untagged(status, document.delivery))
        self._publisher.record_approvals(status)
        publication = self._publish_again(document, status, default_of)
        if publication.outcome is not Outcome.SKIPPED:
            self._record_repair(drift, document, document.version, publication, run)
        return publication

    def remove_from(
        self, delivery: Delivery, drift: Drift, status: BudgetStatus, run: Run
    ) -> Publication:
        """Remove what the flow has where it is not wanted; what is where it is wanted stays."""
        document = decode_document(status.document)
        self._publisher.documents.remove_from(delivery, document)
        done = Publication(outcome=Outcome.PUBLISHED)
        version = f"{status.version} {rfc3339(self._clock())}"
        self._record_repair(drift, document, version, done, run)
        return done

    def _repair_held(self, drift: Drift, status: BudgetStatus, run: Run) -> Publication:
        """Publish again what stands beside an edit that waits or is rejected.

        The status stays that edit's, and no answer is recorded.
        """
        document, now = decode_document(status.document), self._clock()
        self._statuses.note_repairs(drift.key, status.version, status.repairs + 1, now)
        try:
            publication = self._publisher.documents.write(document)
        except TransientFailure as error:
            publication = Publication(outcome=Outcome.FAILED, error=error)
        version = f"{status.version} {rfc3339(now)}"
        self._record_repair(drift, document, version, publication, run)
        return replace(publication, document=None)

    def _record_repair(
        self,
        drift: Drift,
        document: BudgetDocument,
        version: str,
        publication: Publication,
        run: Run,
    ) -> None:
        self._audit.record(
            repair_event(
                document,
                version=version,
                reason=drift.reason,
                actual=drift.actual,
                scheduled=run.scheduled,
                requested_by=run.requested_by,
                now=self._clock(),
                error=publication.error,
            )
        )

    def _publish_again(
        self, document: BudgetDocument, status: BudgetStatus | None, default_of: str
    ) -> Publication:
        change = BudgetChange(
            key=document.key,
            version=document.version,
            request_id=document.request_id,
            edited_at=self._clock(),
            row={"updated_by": status.updated_by if status else ""},
        )
        same = status is not None and status.content == document.content_digest
        pending = replace(
            initial_status(
                change,
                Status.PENDING,
                document=document,
                wanted_since=status.wanted_since if status and same else None,
                repairs=1 if default_of and not same else repairs_so_far(status) + 1,
                default_of=default_of,
            ),
            baseline=self._publisher.raises.baseline_after(document.budget, status),
        )
        try:
            # After what it has read only: another run at once may have read another default.
            if not self._publisher.documents.begin_where_wanted(pending, document, status):
                return Publication(outcome=Outcome.SKIPPED)
        except FinOpsError as error:
            self._unanswered.fail(
                change, document.budget, error, status, default_of, pending.repairs
            )
            return Publication(outcome=Outcome.FAILED, error=error)
        before = bool(status and status.published)
        try:
            return self._publisher.documents.write(document, published=before)
        except TransientFailure as error:
            return Publication(outcome=Outcome.FAILED, error=error)
