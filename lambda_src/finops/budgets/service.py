"""Use case of the management account: publish edits of the table.

Every step compares before it writes and reads again afterwards. So it can be stopped after any side
effect and run again, and when two run at once the newer version wins (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from finops.budgets.approvals import RaiseLimit
from finops.budgets.audit_events import approval_events, edit_event
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import InheritedRow, is_default
from finops.budgets.document_writer import MAX_ROUNDS, DocumentWriter, overtaken
from finops.budgets.documents import BudgetDocument, document_for
from finops.budgets.domain import (
    BudgetChange,
    BudgetKey,
    Delivery,
    RemovalPolicy,
    Status,
)
from finops.budgets.handing_on import HandedOnDefaults
from finops.budgets.ownership import may_be_untagged
from finops.budgets.ports import BudgetStatus, Spokes, StatusTable
from finops.budgets.publications import Outcome, Publication
from finops.budgets.raises import Raises
from finops.budgets.rows import parse_budget
from finops.budgets.statuses import (
    HANDED_ON,
    KEPT,
    RAISE_WAITS,
    initial_status,
    may_begin,
    raise_waits,
    waiting_status,
)
from finops.budgets.values import text_of
from finops.shared.audit import AuditEvent, AuditRecorder
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure

Clock = Callable[[], datetime]


#: What an outcome is called in the audit trail.
_ACTIONS: Final = {
    Outcome.PUBLISHED: "published",
    Outcome.REJECTED: "rejected",
    Outcome.WAITING: "waiting",
    Outcome.FAILED: "failed",
    Outcome.KEPT: "kept",
    Outcome.SUPERSEDED: "superseded",
    Outcome.DEFAULTED: "defaulted",
    Outcome.HANDED_ON: "handed_on",
}
_OF_A_DEFAULT: Final = {Status.REJECTED: Outcome.REJECTED, Status.WAITING: Outcome.WAITING}
_NEVER_PUBLISHED: Final = "never_published"


class BudgetPublisher:
    """Publishes edits of the table to the spokes' parameters."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        spokes: Spokes,
        removal: RemovalPolicy,
        audit: AuditRecorder,
        defaults: Callable[[], DefaultRows] | None = None,
        units_known: bool = False,
        raises: RaiseLimit | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.raises = Raises(raises, clock)
        self.defaults = HandedOnDefaults(
            statuses=statuses,
            audit=audit,
            raises=self.raises,
            units_known=units_known,
            clock=clock,
        )
        self._clock = clock
        self.documents = DocumentWriter(statuses=statuses, spokes=spokes)
        self._statuses = statuses
        self._removal = removal
        self._audit = audit
        self._default_rows = defaults
        self._published: dict[BudgetKey, str] = {}

    def publish(self, change: BudgetChange) -> Publication:
        """Validate an edit and publish it, unless a newer one is known.

        Raises:
            TransientFailure: after marking the edit as FAILED; the same edit can be retried.
            ConfigurationError: after marking the edit as FAILED, for anything unexpected.
        """
        try:
            return self._publish(change)
        except TransientFailure:
            raise
        except ConfigurationError as error:
            # Until somebody has fixed it, drift runs try again, and the stream goes on.
            self._mark_failed(change, error, self._statuses.get(change.key))
            return Publication(outcome=Outcome.FAILED, error=error)
        except Exception as error:
            raise self.fail(change, error) from error

    def fail(self, change: BudgetChange, error: Exception) -> ConfigurationError:
        """Mark an edit as FAILED that cannot be read or published. Returns the reason."""
        reason = ConfigurationError(
            f"this edit could not be handled: {text_of(f'{type(error).__name__}: {error}')}",
            code="unexpected",
            step="publish_budget",
            remedy="Read the log of the function publish-budget, and report what it says",
        )
        # Without the row, which may be what cannot be written.
        bare = replace(change, row={}, previous=None)
        self._mark_failed(bare, reason, self._statuses.get(change.key))
        return reason

    def _mark_failed(
        self, change: BudgetChange, error: FinOpsError, known: BudgetStatus | None
    ) -> None:
        """Mark an edit as FAILED: one that has begun keeps what it is about to publish."""
        begun = known is not None and known.version == change.version
        failed = initial_status(change, Status.FAILED, error=error)
        if begun or not self._begin(failed, known):
            # Its answer may be what was lost.
            standing = known.status if known and begun else Status.PENDING
            if standing in (Status.PENDING, Status.FAILED):
                self._statuses.mark_failed(change.key, change.version, error, standing=standing)

    def _begin(self, status: BudgetStatus, known: BudgetStatus | None) -> bool:
        """Begin a version, where the status is of the version that it was decided upon."""
        return self._statuses.begin(status, after=known.version if known else "")

    def _publish(self, change: BudgetChange) -> Publication:
        if is_default(change.key.account_id):
            return self._hand_on(change)
        for _ in range(MAX_ROUNDS):
            known = self._statuses.get(change.key)
            done = self._publish_after(known, change)
            newest = self._statuses.get(change.key) if done.outcome is Outcome.SKIPPED else known
            if newest is known or not may_begin(change.version, newest):
                return done
        raise overtaken(change.key)

    def _publish_after(self, known: BudgetStatus | None, change: BudgetChange) -> Publication:
        """Publish an edit where the status is still `known`; SKIPPED where it is not."""
        if change.row is None and (inherited := self._inherited(change.key)):
            return self._publish_inherited(change, inherited, known)
        if change.row is None and (kept := self._reason_to_keep(known)):
            taken = self._begin(initial_status(change, Status.REMOVED, action=kept), known)
            return Publication(outcome=Outcome.KEPT if taken else Outcome.SKIPPED)
        try:
            removed_from = known.delivery if known else Delivery.SPOKE
            document = _document_after(known, document_for(change, removed_from=removed_from))
        except RejectedInput as error:
            taken = self._begin(initial_status(change, Status.REJECTED, error=error), known)
            return Publication(outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error)
        return self._begin_and_publish(change, document, known)

    def would_wait(self, change: BudgetChange) -> bool:
        """Whether a valid edit would have to wait; approvals of an earlier one do not count."""
        if self.raises.limit is None:
            return False
        row, default = change.row, is_default(change.key.account_id)
        if row is not None:
            budget = parse_budget(row, defaults=default)
        elif not default and (inherited := self._inherited(change.key)):
            budget = self.defaults.budget_of(inherited)
        else:
            return False
        known = self._statuses.get(change.key)
        if known:
            known = replace(known, approvals=())
        return bool(self.raises.reason_to_wait(budget, known))

    def record_approvals(self, status: BudgetStatus | None) -> None:
        """Record again who has approved what is about to take effect; see `ApprovalDesk`."""
        if status and status.approvals:
            self._audit.record(*approval_events(status, self._clock()))

    def _begin_and_publish(
        self,
        change: BudgetChange,
        document: BudgetDocument,
        known: BudgetStatus | None,
        default_of: str = "",
    ) -> Publication:
        if reason := self.raises.reason_to_wait(document.budget, known):
            waiting = waiting_status(change, document.budget, reason, default_of)
            taken = self._begin(waiting, known)
            return Publication(
                outcome=Outcome.WAITING if taken else Outcome.SKIPPED, error=raise_waits(reason)
            )
        self.record_approvals(known)
        pending = replace(
            initial_status(change, Status.PENDING, document=document, default_of=default_of),
            baseline=self.raises.baseline_after(document.budget, known),
        )
        try:
            begun = self.documents.begin_where_wanted(pending, document, known)
        except FinOpsError as error:
            self._mark_failed(change, error, known)
            if isinstance(error, TransientFailure):
                raise
            return Publication(outcome=Outcome.FAILED, error=error)
        if not begun:
            return Publication(outcome=Outcome.SKIPPED)
        if self._published.get(change.key) == change.version:
            # The stream delivers a batch again from its first failure.
            return Publication(outcome=Outcome.PUBLISHED, document=document)
        done = self.documents.write(document, published=bool(known and known.published))
        if done.outcome is Outcome.PUBLISHED:
            self._published[change.key] = change.version
        return done

    def _hand_on(self, change: BudgetChange) -> Publication:
        """Check a default. The drift run that follows brings it to its accounts."""
        status, error = self.defaults.after(change)
        taken = self._statuses.begin(status)
        outcome = _OF_A_DEFAULT.get(status.status, Outcome.HANDED_ON)
        return Publication(outcome=outcome if taken else Outcome.SKIPPED, error=error)

    def _inherited(self, key: BudgetKey) -> InheritedRow | None:
        """The default of an account that has lost its own row, if there is one."""
        if self._default_rows is None:
            return None
        in_effect = partial(self.defaults.row_in_effect, ends=True)
        rows = self._default_rows().of(key.account_id, own=(), in_effect=in_effect)
        return rows.get(key.budget_name)

    def _publish_inherited(
        self, change: BudgetChange, inherited: InheritedRow, known: BudgetStatus | None
    ) -> Publication:
        """Publish the default in place of the removal, so that the budget is never gone."""
        try:
            absence = document_for(replace(change, row=None))
            wanted = replace(absence, budget=self.defaults.budget_of(inherited))
            document = _document_after(known, wanted)
        except RejectedInput as error:
            rejected = initial_status(
                change, Status.REJECTED, error=error, default_of=inherited.default_of
            )
            taken = self._begin(rejected, known)
            return Publication(outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error)
        done = self._begin_and_publish(change, document, known, inherited.default_of)
        published = done.outcome is Outcome.PUBLISHED
        return replace(done, outcome=Outcome.DEFAULTED) if published else done

    def audit(self, done: Sequence[tuple[BudgetChange, Publication | Exception]]) -> None:
        """Record in the audit trail how each edit of a batch ended."""
        events: list[AuditEvent] = []
        failures: list[Exception] = []
        for change, found in done:
            if isinstance(found, Publication):
                if action := _ACTIONS.get(found.outcome) or self._action_of_earlier_run(
                    change, found
                ):
                    written = self._written(change, found) if action == "published" else ""
                    events.append(edit_event(action, change, found.error, document=written))
            elif isinstance(found, FinOpsError) and found not in failures:
                # Later edits of the same budget carry the same error, and were not tried.
                failures.append(found)
                events.append(edit_event("failed", change, found))
        self._audit.record(*events)

    def _written(self, change: BudgetChange, found: Publication) -> str:
        """What the parameter was given by an edit, in this run or an earlier one."""
        if found.document and found.document.version == change.version:
            return found.document.encode()
        known = self._statuses.get(change.key)
        at_this = known is not None and known.version == change.version
        return known.document if known and at_this else document_for(change).encode()

    def _action_of_earlier_run(self, change: BudgetChange, skipped: Publication) -> str:
        """What an earlier run did with this edit; it may have stopped before it recorded that."""
        known = self._statuses.get(change.key)
        if known is None or known.version != change.version:
            return ""
        if skipped.error:
            return "waiting" if skipped.error.code == RAISE_WAITS else "rejected"
        if is_default(change.key.account_id):
            return HANDED_ON
        if change.row is None and known.default_of:
            return "defaulted"
        return "kept" if known.action in (KEPT, _NEVER_PUBLISHED) else "published"

    def _reason_to_keep(self, status: BudgetStatus | None) -> str:
        """Why the spoke keeps the budget of a removed row; empty where it has to delete it."""
        if self._removal is RemovalPolicy.KEEP:
            return KEPT
        return "" if status and status.published else _NEVER_PUBLISHED


def _document_after(known: BudgetStatus | None, document: BudgetDocument) -> BudgetDocument:
    """The document, which says what is known of the budget before it."""
    return replace(document, untagged=may_be_untagged(known, document.delivery))
