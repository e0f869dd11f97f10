"""What the status of a budget says of each way in which an edit can go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeGuard

from finops.budgets.approvals import amounts_of, standing_budget
from finops.budgets.defaults import is_default
from finops.budgets.documents import BudgetDocument, content_digest
from finops.budgets.domain import (
    Budget,
    BudgetChange,
    Delivery,
    Status,
    decimal_text,
    repair_version,
)
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import editor_of, read_budget
from finops.budgets.values import text_of
from finops.shared.errors import FinOpsError, RejectedInput

#: The error's code of a raise that waits.
RAISE_WAITS: Final = "raise_waits"
#: What was done with a budget whose row is gone, and which stays.
KEPT: Final = "kept"
#: What was done with a default.
HANDED_ON: Final = "handed_on"


def initial_status(
    change: BudgetChange,
    status: Status,
    *,
    document: BudgetDocument | None = None,
    error: FinOpsError | None = None,
    action: str = "",
    wanted_since: datetime | None = None,
    repairs: int = 0,
    default_of: str = "",
) -> BudgetStatus:
    """The status of an edit before the spoke has reported its result."""
    row = change.row or {}
    budget = document.budget if document else None
    return BudgetStatus(
        key=change.key,
        version=change.version,
        status=status,
        request_id=change.request_id,
        document=document.encode() if document else "",
        amount=decimal_text(budget.amount) if budget else text_of(row.get("amount", "")),
        error=error.explanation if error else "",
        error_code=error.code if error else "",
        error_step=error.step if error else "",
        updated_by=editor_of(change.row, change.previous),
        action=action,
        edited_at=change.edited_at,
        content=document.content_digest if document else "",
        wanted_since=wanted_since or change.edited_at,
        repairs=repairs,
        default_of=default_of,
        delivery=document.delivery if document else Delivery.SPOKE,
        published=budget is not None,
    )


def may_begin(version: str, status: BudgetStatus | None) -> bool:
    """Whether a version is newer than the status, or has begun and not ended."""
    if status is None or status.version < version:
        return True
    return status.version == version and status.status in (Status.PENDING, Status.FAILED)


def still_stands(row: Mapping[str, object], status: BudgetStatus | None) -> Budget | None:
    """What was published of a row that people may not write any more; None where it was not.

    A rule that came later refuses new edits, and not what stands.
    """
    if status is None or status.status in (Status.WAITING, Status.REJECTED, Status.REMOVED):
        return None
    try:
        asked = read_budget(row, defaults=is_default(status.key.account_id))
    except RejectedInput:
        return None
    return asked if asked == standing_budget(status) else None


def was_handed_on(row: Mapping[str, object], status: BudgetStatus) -> bool:
    """Whether accounts inherit what a default's row says, whatever became of an edit since."""
    try:
        return read_budget(row, defaults=True) == standing_budget(status)
    except RejectedInput:
        return False


def was_removed_by_flow(status: BudgetStatus) -> bool:
    """Whether nobody wants the budget, and nothing shall be kept of it.

    What was published last may not be its removal: a run may have found it gone where the status
    has it, after a move that failed.
    """
    return status.status is Status.REMOVED and status.action != KEPT and bool(status.document)


def raise_waits(reason: str) -> RejectedInput:
    """Why an edit has the status WAITING."""
    return RejectedInput(
        reason,
        code=RAISE_WAITS,
        field="amount",
        step="approve_budget",
        remedy="Two people approve it, each with `finops budgets approve`, or correct the row",
    )


def waiting_status(
    change: BudgetChange, budget: Budget | None, reason: str, default_of: str = ""
) -> BudgetStatus:
    """The status of a raise that waits. What was published before it stays."""
    return replace(
        initial_status(change, Status.WAITING, error=raise_waits(reason), default_of=default_of),
        amount=decimal_text(budget.amount) if budget else "",
        amounts=amounts_of(budget) if budget else "",
        content=content_digest(budget),
    )


def is_of_old_version(status: BudgetStatus | None) -> TypeGuard[BudgetStatus]:
    """Whether a default was handed on by a version that did not keep what."""
    return status is not None and status.status is Status.APPLIED and not status.document


def default_document(change: BudgetChange, budget: Budget | None) -> BudgetDocument:
    """What a default hands on, which its status keeps: no account has it as a document."""
    return BudgetDocument(
        key=change.key,
        version=change.version,
        request_id=change.request_id,
        edited_at=change.edited_at,
        budget=budget,
    )


def handed_on(status: BudgetStatus, budget: Budget, baseline: str) -> BudgetStatus:
    """The status of a default that its accounts may inherit, without an edit of its own."""
    document = BudgetDocument(
        key=status.key,
        version=repair_version(status.version),
        request_id=status.request_id,
        edited_at=status.edited_at,
        budget=budget,
    )
    return replace(
        status,
        version=document.version,
        status=Status.APPLIED,
        action=HANDED_ON,
        amount=decimal_text(budget.amount),
        error="",
        error_code="",
        error_step="",
        content=document.content_digest,
        document=document.encode(),
        delivery=document.delivery,
        baseline=baseline,
    )
