"""What the budgets flow records in the audit trail.

Entries hold the attributes that are declared as audited, never addresses of people; digests prove
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from finops.budgets.approvals import people_of
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import CLOCK_SKEW, BudgetChange, BudgetKey, decimal_text
from finops.budgets.ports import BudgetResult, BudgetStatus
from finops.budgets.rows import editor_of
from finops.shared.audit import AuditEvent, digest, rfc3339
from finops.shared.errors import FinOpsError, RejectedInput

STREAM: Final = "budgets"
#: The actors, where nobody is known to have asked.
PUBLISHER: Final = "publish-budget"
APPLIER: Final = "apply-budget"
EXPIRER: Final = "expire-pending-budget"
REPAIRER: Final = "repair-budget-drift"
SCHEDULE: Final = "schedule"

_LATE: Final = timedelta(days=1)
_AUDITED: Final = tuple(one.name for one in ATTRIBUTES if one.audited)


def edit_event(
    action: str,
    change: BudgetChange,
    error: FinOpsError | None = None,
    *,
    document: str = "",
) -> AuditEvent:
    """An edit of the table was `published`, `rejected` or `kept`, or its publication `failed`.

    `document` is what was published, as the parameter holds it.
    """
    output = document if action == "published" else ""
    row = change.row
    return AuditEvent(
        stream=STREAM,
        action=f"budget.{action}",
        # Streams do not say who edits or removes a row, and anybody may write any name into it.
        actor=PUBLISHER,
        subject=subject(change.key),
        version=_attempt(change.version, error if action == "failed" else None),
        occurred_at=change.edited_at,
        input_sha256="" if row is None else digest(row),
        output_sha256=digest(output) if output else "",
        correlation_id=change.request_id,
        details={
            "before": _shown(change.previous),
            "after": _shown(row),
            **_said_to_be(editor_of(row, change.previous)),
            **_reason(error),
        },
    )


def result_event(
    result: BudgetResult, now: datetime | None = None, *, seen_by: str = APPLIER
) -> AuditEvent:
    """A spoke reported that a budget was applied or removed, or that this failed.

    Args:
        result: The report.
        now: When it was received, which counts where the spoke's clock says something else.
        seen_by: Another function than the spoke's may have seen it.
    """
    return AuditEvent(
        stream=STREAM,
        action=f"budget.{result.status.lower()}",
        actor=seen_by,
        subject=subject(result.key),
        version=f"{result.version} {rfc3339(result.reported_at)}",
        occurred_at=_when(result, now),
        correlation_id=result.request_id,
        details={
            "action": result.action,
            "amount": result.amount,
            **_said_at(result, now),
            **_reason(result.error),
        },
    )


def foreign_result_event(
    result: BudgetResult, sender: str, error: FinOpsError, now: datetime
) -> AuditEvent:
    """An account reported a budget of another account."""
    return AuditEvent(
        stream=STREAM,
        action="budget_result.refused",
        actor=f"account {sender}",
        subject=subject(result.key),
        version=f"{result.version} {rfc3339(result.reported_at)}",
        occurred_at=_when(result, now),
        correlation_id=result.request_id,
        details={**_said_at(result, now), **_reason(error)},
    )


def approval_events(status: BudgetStatus, now: datetime) -> list[AuditEvent]:
    """Who has approved a raise that waits, in their order. They are the same in every replay."""
    after = {"amount": status.amount, **({"amounts": status.amounts} if status.amounts else {})}
    return [
        AuditEvent(
            stream=STREAM,
            action="budget.approved",
            actor=approver,
            subject=subject(status.key),
            version=f"{status.version} {people}",
            occurred_at=now,
            correlation_id=status.request_id,
            details={"after": after, "content": status.content, "people": people},
        )
        for number, approver in enumerate(status.approvals, start=1)
        for people in [people_of(status.approvals[:number])]
    ]


def unanswered_event(key: BudgetKey, version: str, error: FinOpsError, now: datetime) -> AuditEvent:
    """A spoke did not report in time whether an edit was applied."""
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
    version: str,
    reason: str,
    actual: str | None,
    scheduled: bool,
    requested_by: str,
    now: datetime,
    error: FinOpsError | None,
) -> AuditEvent:
    """A budget that had drifted from its row was published again, or that failed.

    Lambda does not say who invokes a function, so a person's name is what the caller wrote. Whoever
    invokes it without one is not known.
    """
    budget = document.budget
    return AuditEvent(
        stream=STREAM,
        action="drift.failed" if error else "drift.repaired",
        actor=_repairer(scheduled),
        subject=subject(document.key),
        version=version,
        occurred_at=now,
        output_sha256="" if error else digest(document.encode()),
        correlation_id=document.request_id,
        details={
            "drift": reason,
            "before": {"amount": actual} if actual else None,
            "after": {"amount": decimal_text(budget.amount)} if budget else None,
            **_said_to_be(requested_by),
            **_reason(error),
        },
    )


def unseen_rejection_event(
    status: BudgetStatus,
    error: FinOpsError,
    *,
    scheduled: bool,
    requested_by: str,
    now: datetime,
) -> AuditEvent:
    """A repair found a row that is not valid and whose stream record was lost."""
    return AuditEvent(
        stream=STREAM,
        action="budget.rejected",
        actor=_repairer(scheduled),
        subject=subject(status.key),
        version=status.version,
        occurred_at=now,
        correlation_id=status.request_id,
        details={**_said_to_be(requested_by), **_reason(error)},
    )


def subject(key: BudgetKey) -> str:
    """How entries name the budget."""
    return f"{key.account_id}/{key.budget_name}"


def _repairer(scheduled: bool) -> str:
    return SCHEDULE if scheduled else REPAIRER


def _attempt(version: str, error: FinOpsError | None) -> str:
    """Attempts that fail for the same reason share one entry."""
    return f"{version} {error.step} {error.code}" if error else version


def _shown(row: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if row is None else {name: row[name] for name in _AUDITED if name in row}


def _when(result: BudgetResult, now: datetime | None) -> datetime:
    """When the spoke did it by its own clock, or when that is not credible, when it was received.

    EventBridge and Lambda deliver within a day what they could not deliver at once:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    """
    far = now is not None and not now - _LATE <= result.reported_at <= now + CLOCK_SKEW
    return now if now is not None and far else result.reported_at


def _said_at(result: BudgetResult, now: datetime | None) -> dict[str, str]:
    said = result.reported_at
    return {} if _when(result, now) == said else {"said_at": rfc3339(said)}


def _said_to_be(name: str) -> dict[str, str]:
    """A name that nobody has proven."""
    return {"said_to_be": name} if name else {}


def _reason(error: FinOpsError | None) -> dict[str, Any]:
    if error is None:
        return {}
    # A refusal quotes the value, and the trail takes no addresses of people.
    private = isinstance(error, RejectedInput) and error.field == "emails"
    said = "the value of emails was refused" if private else str(error)
    return {"error": said, "error_code": error.code, "error_step": error.step}
