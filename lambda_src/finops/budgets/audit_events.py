"""What the budgets flow tells the audit trail.

Amounts and periods stand in the entries, addresses of people do not: digests vouch for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.documents import BudgetDocument, document_for
from finops.budgets.domain import BudgetChange, BudgetKey, decimal_text
from finops.budgets.ports import BudgetResult, BudgetStatus
from finops.shared.audit import AuditEvent, digest, rfc3339
from finops.shared.errors import FinOpsError

STREAM: Final = "budgets"
#: Who did what nobody is known to have asked for.
PUBLISHER: Final = "publish-budget"
APPLIER: Final = "apply-budget"
EXPIRER: Final = "expire-pending-budget"
SCHEDULE: Final = "schedule"

_AUDITED: Final = tuple(one.name for one in ATTRIBUTES if one.audited)


def edit_event(action: str, change: BudgetChange, error: FinOpsError | None = None) -> AuditEvent:
    """An edit of the table was `published`, `rejected`, `kept`, or has `failed` on its way."""
    output = document_for(change).encode() if action == "published" else ""
    row = change.row
    return AuditEvent(
        stream=STREAM,
        action=f"budget.{action}",
        # Streams do not say who removed a row.
        actor=str((row or {}).get("updated_by") or PUBLISHER),
        subject=subject(change.key),
        version=_attempt(change.version, error if action == "failed" else None),
        occurred_at=change.edited_at,
        input_sha256="" if row is None else digest(row),
        output_sha256=digest(output) if output else "",
        correlation_id=change.request_id,
        details={"before": _shown(change.previous), "after": _shown(row), **_reason(error)},
    )


def result_event(result: BudgetResult) -> AuditEvent:
    """A spoke says that a budget was applied or removed, or has failed there."""
    return AuditEvent(
        stream=STREAM,
        action=f"budget.{result.status.lower()}",
        actor=APPLIER,
        subject=subject(result.key),
        version=f"{result.version} {rfc3339(result.reported_at)}",
        occurred_at=result.reported_at,
        correlation_id=result.request_id,
        details={"action": result.action, "amount": result.amount, **_reason(result.error)},
    )


def foreign_result_event(result: BudgetResult, sender: str, error: FinOpsError) -> AuditEvent:
    """An account reported for another one."""
    return AuditEvent(
        stream=STREAM,
        action="budget_result.refused",
        actor=f"account {sender}",
        subject=subject(result.key),
        version=f"{result.version} {rfc3339(result.reported_at)}",
        occurred_at=result.reported_at,
        correlation_id=result.request_id,
        details=_reason(error),
    )


def unanswered_event(key: BudgetKey, version: str, error: FinOpsError, now: datetime) -> AuditEvent:
    """A spoke did not say in time what became of an edit."""
    return AuditEvent(
        stream=STREAM,
        action="budget.failed",
        actor=EXPIRER,
        subject=subject(key),
        version=_attempt(version, error),
        occurred_at=now,
        details=_reason(error),
    )


def repair_event(
    document: BudgetDocument,
    *,
    reason: str,
    actual: str | None,
    actor: str,
    now: datetime,
    error: FinOpsError | None,
) -> AuditEvent:
    """A budget that was not as its row says was published again, or could not be."""
    budget = document.budget
    return AuditEvent(
        stream=STREAM,
        action="drift.failed" if error else "drift.repaired",
        actor=actor,
        subject=subject(document.key),
        version=document.version,
        occurred_at=now,
        output_sha256="" if error else digest(document.encode()),
        correlation_id=document.request_id,
        details={
            "drift": reason,
            "before": {"amount": actual} if actual else None,
            "after": {"amount": decimal_text(budget.amount)} if budget else None,
            **_reason(error),
        },
    )


def unseen_rejection_event(status: BudgetStatus, error: FinOpsError, now: datetime) -> AuditEvent:
    """A bad row whose edit never came was found by the schedule."""
    return AuditEvent(
        stream=STREAM,
        action="budget.rejected",
        actor=SCHEDULE,
        subject=subject(status.key),
        version=status.version,
        occurred_at=now,
        correlation_id=status.request_id,
        details=_reason(error),
    )


def subject(key: BudgetKey) -> str:
    """The budget as entries name it."""
    return f"{key.account_id}/{key.budget_name}"


def _attempt(version: str, error: FinOpsError | None) -> str:
    """Attempts that fail alike are one entry."""
    return f"{version} {error.step} {error.code}" if error else version


def _shown(row: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if row is None else {name: row[name] for name in _AUDITED if name in row}


def _reason(error: FinOpsError | None) -> dict[str, Any]:
    if error is None:
        return {}
    return {"error": str(error), "error_code": error.code, "error_step": error.step}
