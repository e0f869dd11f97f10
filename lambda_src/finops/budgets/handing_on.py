"""Defaults: what they hand on to the accounts that inherit them, and what their statuses say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from finops.budgets.approvals import standing_document
from finops.budgets.audit_events import approval_events, edit_event
from finops.budgets.comparison import was_published
from finops.budgets.defaults import InheritedRow, is_unit
from finops.budgets.documents import budget_of, content_digest, default_of_accounts, row_of
from finops.budgets.domain import Budget, BudgetChange, BudgetKey, Status, repair_version
from finops.budgets.ports import BudgetStatus, BudgetTable, StatusTable
from finops.budgets.raises import Raises
from finops.budgets.rows import read_budget
from finops.budgets.statuses import (
    HANDED_ON,
    default_document,
    handed_on,
    initial_status,
    is_of_old_version,
    raise_waits,
    still_stands,
    waiting_status,
    was_handed_on,
)
from finops.budgets.values import text_of
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput


class HandedOnDefaults:
    """The defaults of a deployment, by their rows and statuses."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        audit: AuditRecorder,
        raises: Raises,
        units_known: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._statuses = statuses
        self._audit = audit
        self._raises = raises
        self._units_known = units_known
        self._clock = clock

    def after(self, change: BudgetChange) -> tuple[BudgetStatus, RejectedInput | None]:
        """The status of an edit of a default, and why it is not handed on where it is not."""
        known = self._statuses.get(change.key)
        if change.row is None:
            return self._removed(change, known), None
        try:
            budget = self._default_of(change.row)
        except RejectedInput as error:
            return self._rejected(change, error, known), error
        if reason := self._raises.reason_to_wait(budget, known):
            return self._waiting(change, budget, reason, known), raise_waits(reason)
        return self._handed_on(change, budget, known), None

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
                    reject = partial(self._rejected, error=error, known=known)
                    self._note_unseen(row, known, table, reject, error)
            return row
        kept = self._is_kept(row, known, in_any=table is not None)
        reason = "" if kept else self._raises.reason_to_go_on_waiting(budget, known)
        wanted = Status.WAITING if reason else Status.APPLIED
        content = content_digest(budget)
        if ends and not (known and (known.status, known.content) == (wanted, content)):
            if not reason and known and ((kept and table) or known.content == content):
                self._hand_on_again(known, budget)
            elif table and reason:
                wait = partial(self._waiting, budget=budget, reason=reason, known=known)
                self._note_unseen(row, known, table, wait, raise_waits(reason))
            elif table:
                hand_on = partial(self._handed_on, budget=budget, known=known)
                self._note_unseen(row, known, table, hand_on)
        if not reason:
            return row
        standing = standing_document(known) if known else None
        return row_of(standing) if standing else None

    def budget_of(self, inherited: InheritedRow) -> Budget:
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
        if self._raises.limit is None or not is_of_old_version(known):
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
        if known.approvals:
            self._audit.record(*approval_events(known, self._clock()))
        baseline = self._raises.baseline_after(budget, known)
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

    @staticmethod
    def _rejected(
        change: BudgetChange, error: RejectedInput, known: BudgetStatus | None
    ) -> BudgetStatus:
        rejected = initial_status(change, Status.REJECTED, error=error)
        return replace(rejected, document=_nothing_yet(change, known))

    @staticmethod
    def _waiting(
        change: BudgetChange, budget: Budget, reason: str, known: BudgetStatus | None
    ) -> BudgetStatus:
        waiting = waiting_status(change, budget, reason)
        return replace(waiting, document=_nothing_yet(change, known))

    def _handed_on(
        self, change: BudgetChange, budget: Budget, known: BudgetStatus | None
    ) -> BudgetStatus:
        document = default_document(change, budget)
        applied = initial_status(change, Status.APPLIED, action=HANDED_ON, document=document)
        return replace(applied, baseline=self._raises.baseline_after(budget, known))

    def _removed(self, change: BudgetChange, known: BudgetStatus | None) -> BudgetStatus:
        absence = default_document(change, None).encode()
        return replace(
            initial_status(change, Status.REMOVED, action=HANDED_ON),
            document=absence if known is None or known.document else "",
            baseline=self._raises.baseline_after(None, known),
        )

    def end_lost(self, default_of: str, table: BudgetTable) -> None:
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
            ended = self._removed(change, status)
            if self._statuses.begin(ended, after=status.version):
                self._audit.record(edit_event(HANDED_ON, change))


def _nothing_yet(change: BudgetChange, known: BudgetStatus | None) -> str:
    """What accounts inherit of a default that is not handed on.

    What an older version handed on stays unknown until the next default is handed on.
    """
    return default_document(change, None).encode() if known is None else ""
