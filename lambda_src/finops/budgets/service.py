"""Use case of the management account: publish edits of the table.

Every step compares before it writes and reads again afterwards. So it can be stopped after any side
effect and run again, and when two run at once the newer version wins (docs/decisions/0002).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from finops.budgets.approvals import RaiseLimit, baseline_after, is_approved, standing_document
from finops.budgets.audit_events import approval_events, edit_event
from finops.budgets.comparison import was_published
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import InheritedRow, is_default, is_unit
from finops.budgets.documents import (
    BudgetDocument,
    budget_of,
    content_digest,
    decode_document,
    default_of_accounts,
    document_for,
    is_removal,
    row_of,
)
from finops.budgets.domain import (
    Budget,
    BudgetChange,
    BudgetKey,
    Delivery,
    RemovalPolicy,
    Status,
    repair_version,
)
from finops.budgets.ports import BudgetStatus, BudgetTable, Spokes, StatusTable
from finops.budgets.rows import parse_budget, read_budget
from finops.budgets.statuses import (
    HANDED_ON,
    KEPT,
    RAISE_WAITS,
    default_document,
    handed_on,
    initial_status,
    is_gone_already,
    is_of_old_version,
    may_begin,
    raise_waits,
    still_stands,
    waiting_status,
    was_handed_on,
)
from finops.budgets.values import text_of
from finops.shared.audit import AuditEvent, AuditRecorder
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure

# A writer that finds a newer version publishes that one; each round needs yet another edit.
MAX_ROUNDS: Final = 5

Clock = Callable[[], datetime]


class Outcome(enum.StrEnum):
    """How publishing one edit ended; also the name of its metric."""

    PUBLISHED = "BudgetsPublished"
    REJECTED = "BudgetsRejected"
    WAITING = "BudgetsWaiting"
    FAILED = "BudgetsFailed"
    SKIPPED = "BudgetsSkipped"
    KEPT = "BudgetsKept"
    SUPERSEDED = "BudgetsSuperseded"
    #: The account's own row is gone, and it has a default again.
    DEFAULTED = "BudgetsDefaulted"
    #: A default was edited, which a drift run brings to its accounts.
    HANDED_ON = "BudgetDefaultsHandedOn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An edit's outcome, with the document whose result the spoke has yet to report."""

    outcome: Outcome
    document: BudgetDocument | None = None
    error: FinOpsError | None = None


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
_NEVER_PUBLISHED: Final = "never_published"
_OF_NO_EDIT: Final = "0"


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
        self._raises = raises
        self._clock = clock
        self._statuses = statuses
        self._spokes = spokes
        self._removal = removal
        self._audit = audit
        self._defaults = defaults
        self._units_known = units_known
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
        raise _overtaken(change.key)

    def _publish_after(self, known: BudgetStatus | None, change: BudgetChange) -> Publication:
        """Publish an edit where the status is still `known`; SKIPPED where it is not."""
        if change.row is None and (inherited := self._inherited(change.key)):
            return self._publish_inherited(change, inherited, known)
        if change.row is None and (kept := self._reason_to_keep(known)):
            taken = self._begin(initial_status(change, Status.REMOVED, action=kept), known)
            return Publication(outcome=Outcome.KEPT if taken else Outcome.SKIPPED)
        try:
            document = document_for(
                change, removed_from=known.delivery if known else Delivery.SPOKE
            )
        except RejectedInput as error:
            taken = self._begin(initial_status(change, Status.REJECTED, error=error), known)
            return Publication(outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error)
        return self._begin_and_publish(change, document, known)

    def reason_to_wait(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """Why a budget has to wait for two people; empty where it may take effect."""
        if self._raises is None or budget is None:
            return ""
        return self._raises.reason_to_wait(budget, known, self._clock())

    def would_wait(self, change: BudgetChange) -> bool:
        """Whether a valid edit would have to wait; approvals of an earlier one do not count."""
        if self._raises is None:
            return False
        row, default = change.row, is_default(change.key.account_id)
        if row is not None:
            budget = parse_budget(row, defaults=default)
        elif not default and (inherited := self._inherited(change.key)):
            budget = self.inherited_budget(inherited)
        else:
            return False
        known = self._statuses.get(change.key)
        if known:
            known = replace(known, approvals=())
        return bool(self.reason_to_wait(budget, known))

    def reason_to_go_on_waiting(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """Why a budget has to wait that nobody has edited since; empty where it may take effect.

        What waits goes on waiting in a new month, too, and when the limit is changed.
        """
        if self._raises and known and known.status is Status.WAITING:
            content = content_digest(budget)
            if known.content == content:
                return "" if is_approved(known, content) else known.error
        return self.reason_to_wait(budget, known)

    def row_in_effect(
        self, row: Mapping[str, Any], *, ends: bool, table: BudgetTable | None = None
    ) -> Mapping[str, Any] | None:
        """What accounts inherit of a default's row: what it handed on last while a raise waits.

        Args:
            row: The default's row.
            ends: Whether to write what becomes of the default: that it waits no more, and what its
                stream record would have said, where that was lost.
            table: Where the row is read again before that; None for who may not read all statuses.

        Returns:
            A row of the default; None where it has handed on nothing, or nobody knows what.
        """
        key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
        known = self._statuses.get(key)
        try:
            budget = self._default_of(row)
        except RejectedInput as error:
            seen = (known and known.status is Status.REJECTED) or still_stands(row, known)
            if ends and table and not seen:
                if known and (older := self._handed_on_by_older(row, known)):
                    self._hand_on_again(known, older)
                else:
                    reject = partial(self._rejected_default, error=error, known=known)
                    self._note_unseen(row, known, table, reject, error)
            return row
        kept = self._is_kept(row, known, in_any=table is not None)
        reason = "" if kept else self.reason_to_go_on_waiting(budget, known)
        wanted = Status.WAITING if reason else Status.APPLIED
        content = content_digest(budget)
        if ends and not (known and (known.status, known.content) == (wanted, content)):
            if not reason and known and ((kept and table) or known.content == content):
                self._hand_on_again(known, budget)
            elif table and reason:
                wait = partial(self._waiting_default, budget=budget, reason=reason, known=known)
                self._note_unseen(row, known, table, wait, raise_waits(reason))
            elif table:
                hand_on = partial(self._handed_on_default, budget=budget, known=known)
                self._note_unseen(row, known, table, hand_on)
        if not reason:
            return row
        standing = standing_document(known) if known else None
        return row_of(standing) if standing else None

    def inherited_budget(self, inherited: InheritedRow) -> Budget:
        """The budget of an account by its default, as the default was handed on.

        A rule that came later refuses new edits of a default, and not what stands.

        Raises:
            RejectedInput: the default's row is refused, and has handed on nothing like it.
        """
        try:
            return budget_of(inherited.row)
        except RejectedInput:
            default = {**inherited.row, "account_id": inherited.default_of}
            key = BudgetKey(
                account_id=inherited.default_of, budget_name=str(inherited.row["budget_name"])
            )
            known = self._statuses.get(key)
            if known is None or not was_handed_on(default, known):
                raise
            return read_budget(inherited.row)

    def _is_kept(self, row: Mapping[str, Any], known: BudgetStatus | None, *, in_any: bool) -> bool:
        """Whether a default stands that an older version handed on, which kept not what.

        Only who may read all statuses knows. For others it stands, so that no account is without a
        budget meanwhile: what raises an account's own waits in any case.
        """
        if self._raises is None or not is_of_old_version(known):
            return False
        return not in_any or self._handed_on_by_older(row, known) is not None

    def _handed_on_by_older(self, row: Mapping[str, Any], known: BudgetStatus) -> Budget | None:
        """The budget of a default as an older version handed it on; None where no account has it.

        Somebody may have edited the row since.
        """
        if not is_of_old_version(known):
            return None
        try:
            budget = read_budget(row, defaults=True)
        except RejectedInput:
            return None
        has = any(
            one.default_of == known.key.account_id
            and one.key.budget_name == known.key.budget_name
            and was_published(read_budget({**row, "account_id": one.key.account_id}), one)
            for one in self._statuses.all()
        )
        return budget if has else None

    def _hand_on_again(self, known: BudgetStatus, budget: Budget) -> None:
        self.record_approvals(known)
        baseline = self.baseline_after(budget, known)
        self._statuses.begin(handed_on(known, budget, baseline), after=known.version)

    def _note_unseen(
        self,
        row: Mapping[str, Any],
        known: BudgetStatus | None,
        table: BudgetTable,
        status_of: Callable[[BudgetChange], BudgetStatus],
        error: RejectedInput | None = None,
    ) -> None:
        """Write what becomes of a default whose stream record was lost, unless it is edited since.

        The row may have been read before its status was.
        """
        name, account_id = row["budget_name"], row["account_id"]
        if row not in [one for one in table.rows(account_id) if one["budget_name"] == name]:
            return
        change = BudgetChange(
            key=BudgetKey(account_id=account_id, budget_name=name),
            version=repair_version(known.version if known else None),
            request_id=text_of(row.get("request_id", "")),
            edited_at=self._clock(),
            row=row,
        )
        status = status_of(change)
        if self._statuses.begin(status, after=known.version if known else ""):
            action = HANDED_ON if status.status is Status.APPLIED else status.status.value.lower()
            self._audit.record(edit_event(action, change, error))

    def _default_of(self, row: Mapping[str, Any]) -> Budget:
        """The budget of a default's row.

        Raises:
            RejectedInput: no account can have it.
        """
        budget = default_of_accounts(row)
        if is_unit(row["account_id"]) and not self._units_known:
            raise RejectedInput(
                f"account_id {row['account_id']} is an organizational unit, and this deployment has"
                " a list of accounts",
                code="unknown_units",
                field="account_id",
                value=row["account_id"],
                remedy="Write *, or deploy budgets_management with organization_id",
            )
        return budget

    def record_approvals(self, status: BudgetStatus | None) -> None:
        """Record again who has approved what is about to take effect; see `ApprovalDesk`."""
        if status and status.approvals:
            self._audit.record(*approval_events(status, self._clock()))

    @staticmethod
    def _rejected_default(
        change: BudgetChange, error: RejectedInput, known: BudgetStatus | None
    ) -> BudgetStatus:
        rejected = initial_status(change, Status.REJECTED, error=error)
        return replace(rejected, document=_nothing_yet(change, known))

    @staticmethod
    def _waiting_default(
        change: BudgetChange, budget: Budget, reason: str, known: BudgetStatus | None
    ) -> BudgetStatus:
        waiting = waiting_status(change, budget, reason)
        return replace(waiting, document=_nothing_yet(change, known))

    def _handed_on_default(
        self, change: BudgetChange, budget: Budget, known: BudgetStatus | None
    ) -> BudgetStatus:
        document = default_document(change, budget)
        applied = initial_status(change, Status.APPLIED, action=HANDED_ON, document=document)
        return replace(applied, baseline=self.baseline_after(budget, known))

    def _removed_default(self, change: BudgetChange, known: BudgetStatus | None) -> BudgetStatus:
        absence = default_document(change, None).encode()
        return replace(
            initial_status(change, Status.REMOVED, action=HANDED_ON),
            document=absence if known is None or known.document else "",
            baseline=self.baseline_after(None, known),
        )

    def end_defaults(self, default_of: str, table: BudgetTable) -> None:
        """Write that defaults are gone whose removal's stream record was lost.

        Args:
            default_of: `*` or a unit.
            table: Where no row asks for them; read after their statuses.
        """
        known = [one for one in self._statuses.all(default_of) if one.status is not Status.REMOVED]
        rows = {row["budget_name"] for row in table.rows(default_of)} if known else set()
        for status in known:
            if status.key.budget_name in rows:
                continue
            change = BudgetChange(
                key=status.key,
                version=repair_version(status.version),
                request_id="",
                edited_at=self._clock(),
                row=None,
            )
            ended = self._removed_default(change, status)
            if self._statuses.begin(ended, after=status.version):
                self._audit.record(edit_event(HANDED_ON, change))

    def baseline_after(self, budget: Budget | None, known: BudgetStatus | None) -> str:
        """What later raises are measured against; empty where nobody measures them."""
        return baseline_after(budget, known, self._clock()) if self._raises else ""

    def _begin_and_publish(
        self,
        change: BudgetChange,
        document: BudgetDocument,
        known: BudgetStatus | None,
        default_of: str = "",
    ) -> Publication:
        if reason := self.reason_to_wait(document.budget, known):
            waiting = waiting_status(change, document.budget, reason, default_of)
            taken = self._begin(waiting, known)
            return Publication(
                outcome=Outcome.WAITING if taken else Outcome.SKIPPED, error=raise_waits(reason)
            )
        self.record_approvals(known)
        pending = replace(
            initial_status(change, Status.PENDING, document=document, default_of=default_of),
            baseline=self.baseline_after(document.budget, known),
        )
        try:
            begun = self.begin_where_wanted(pending, document, known)
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
        done = self.publish_document(document)
        if done.outcome is Outcome.PUBLISHED:
            self._published[change.key] = change.version
        return done

    def _hand_on(self, change: BudgetChange) -> Publication:
        """Check a default. The drift run that follows brings it to its accounts."""
        known = self._statuses.get(change.key)
        if change.row is None:
            status = self._removed_default(change, known)
        else:
            try:
                budget = self._default_of(change.row)
            except RejectedInput as error:
                taken = self._statuses.begin(self._rejected_default(change, error, known))
                return Publication(
                    outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error
                )
            if reason := self.reason_to_wait(budget, known):
                taken = self._statuses.begin(self._waiting_default(change, budget, reason, known))
                return Publication(
                    outcome=Outcome.WAITING if taken else Outcome.SKIPPED,
                    error=raise_waits(reason),
                )
            status = self._handed_on_default(change, budget, known)
        taken = self._statuses.begin(status)
        return Publication(outcome=Outcome.HANDED_ON if taken else Outcome.SKIPPED)

    def _inherited(self, key: BudgetKey) -> InheritedRow | None:
        """The default of an account that has lost its own row, if there is one."""
        if self._defaults is None:
            return None
        in_effect = partial(self.row_in_effect, ends=True)
        rows = self._defaults().of(key.account_id, own=(), in_effect=in_effect)
        return rows.get(key.budget_name)

    def _publish_inherited(
        self, change: BudgetChange, inherited: InheritedRow, known: BudgetStatus | None
    ) -> Publication:
        """Publish the default in place of the removal, so that the budget is never gone."""
        try:
            absence = document_for(replace(change, row=None))
            document = replace(absence, budget=self.inherited_budget(inherited))
        except RejectedInput as error:
            rejected = initial_status(
                change, Status.REJECTED, error=error, default_of=inherited.default_of
            )
            taken = self._begin(rejected, known)
            return Publication(outcome=Outcome.REJECTED if taken else Outcome.SKIPPED, error=error)
        done = self._begin_and_publish(change, document, known, inherited.default_of)
        published = done.outcome is Outcome.PUBLISHED
        return replace(done, outcome=Outcome.DEFAULTED) if published else done

    def begin_where_wanted(
        self,
        pending: BudgetStatus,
        document: BudgetDocument,
        before: BudgetStatus | None,
    ) -> bool:
        """Begin a version; before, move what an earlier one made in the other account.

        In this order a process that is stopped does it again. What cannot be written where it is
        wanted stays where it is. Returns whether to work on it: not where the status is of another
        version by now, whose budget may be elsewhere.

        Args:
            pending: The version's status.
            document: What is to be published.
            before: The status until now.
        """
        moved = (
            before is not None
            and before.version <= document.version
            and before.delivery is not document.delivery
            and bool(before.document)
            and not is_gone_already(before)
        )
        if before and moved:
            self._spokes.put_document(document)
            self._remove_elsewhere(before.delivery, document)
        if self._begin(pending, before):
            return True
        if moved and (newest := self._statuses.get(document.key)):
            # It may want the budget where this one has removed it, and not where this one put it.
            wanted = decode_document(newest.document)
            if wanted.delivery is not document.delivery:
                self._remove_elsewhere(document.delivery, wanted)
            self._spokes.put_document(wanted)
        return False

    def remove_from(self, delivery: Delivery, document: BudgetDocument) -> None:
        """Remove the budget of a document's key from an account, unless it is wanted there by now.

        Raises:
            FinOpsError: it could not be removed.
        """
        self._remove_elsewhere(delivery, document)
        newest = self._statuses.get(document.key)
        if newest and newest.document:
            wanted = decode_document(newest.document)
            if wanted.delivery is delivery:
                self._spokes.put_document(wanted)

    def _remove_elsewhere(self, delivery: Delivery, document: BudgetDocument) -> None:
        """Remove the budget of a document's key from the account that shall not have it.

        An account whose spoke is gone has none: the spoke's removal has removed it. The answer is
        of a version that no status has, so that nobody takes it for one to the document.
        """
        removal = replace(
            document, version=_OF_NO_EDIT, edited_at=None, budget=None, removed_from=delivery
        )
        try:
            self._spokes.put_document(removal)
        except ConfigurationError as error:
            if error.step != "assume_role":
                raise

    def publish_document(self, document: BudgetDocument) -> Publication:
        """Write a document whose status is PENDING, or the newer one that replaced it meanwhile.

        Parameter Store has no conditional write, so a slow writer may overwrite a newer version.
        Each writer therefore reads the status afterwards, and writes the newer document again.
        """
        try:
            for _ in range(MAX_ROUNDS):
                self._spokes.put_document(document)
                current = self._statuses.get(document.key)
                if current is None or current.version <= document.version:
                    return Publication(outcome=Outcome.PUBLISHED, document=document)
                newest = decode_document(current.document)
                if newest.version <= document.version:
                    return Publication(outcome=Outcome.PUBLISHED, document=document)
                if newest.delivery is not document.delivery:
                    self._remove_elsewhere(document.delivery, document)
                document = newest
        except ConfigurationError as error:
            self._statuses.mark_failed(document.key, document.version, error)
            return Publication(outcome=Outcome.FAILED, error=error)
        except TransientFailure as error:
            self._statuses.mark_failed(document.key, document.version, error)
            raise
        raise _overtaken(document.key)

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
        if status is None or not status.document or is_gone_already(status):
            return _NEVER_PUBLISHED
        # A move that failed has no content: what was published before it is elsewhere, and stays.
        # One of an approved raise is not what was published, either.
        failed = status.status is Status.FAILED and bool(status.content) and not status.approvals
        if not failed or status.applied_amount:
            return ""
        unreached = status.error_step == "assume_role"
        return "" if not unreached and self._has_document(status) else _NEVER_PUBLISHED

    def _has_document(self, status: BudgetStatus) -> bool:
        """Whether an account was told of a budget, or cannot be asked.

        One that was not has none of the flow's: whatever has the name was made by hand.
        """
        key = status.key
        try:
            found = self._spokes.documents(key.account_id, status.delivery).get(key.budget_name)
        except ConfigurationError:
            return True
        return found is not None and not is_removal(found)


def _nothing_yet(change: BudgetChange, known: BudgetStatus | None) -> str:
    """What accounts inherit of a default that is not handed on.

    What an older version handed on stays unknown until the next default is handed on.
    """
    return default_document(change, None).encode() if known is None else ""


def _overtaken(key: BudgetKey) -> TransientFailure:
    return TransientFailure(
        f"budget {key.budget_name} of account {key.account_id} is edited faster than it can be"
        " published",
        code="overtaken",
        step="put_parameter",
    )
