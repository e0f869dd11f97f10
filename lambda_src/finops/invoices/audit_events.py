"""The audit events of the invoice flow."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from finops.invoices.domain import Failure, Invoice, InvoiceRecord, InvoiceStatus, Severity
from finops.shared.audit import AuditEvent, digest, rfc3339

STREAM: Final = "invoices"
#: The actors of what no person is known to have asked for.
RECEIVER: Final = "receive-invoices"
NOTIFIER: Final = "notify-invoice"
FAILER: Final = "fail-invoice"
REVIEWER: Final = "review-invoice"

_SHOWN: Final = ("vendor", "invoice_number", "invoice_date", "currency", "total", "iban")
_FILED: Final = {
    InvoiceStatus.PROCESSED: "processed",
    InvoiceStatus.DUPLICATE: "duplicate",
    InvoiceStatus.NEEDS_REVIEW: "resembles_another",
}


def received_event(record: InvoiceRecord) -> AuditEvent:
    """A file was received, or a further invoice was found in it."""
    document = record.document
    return _event(
        # An event that comes again states the same, whatever the workflow has found meanwhile.
        replace(record, content_sha256="", submitted_by=""),
        "received",
        version=document.version_id or document.etag,
        occurred_at=record.received_at,
        details={
            "object": document.uri,
            "version_id": document.version_id,
            "etag": document.etag,
            "size_bytes": document.size,
            "principal": document.principal,
            "part_of": document.document_id if record.id != document.document_id else "",
        },
    )


def extracted_event(record: InvoiceRecord, now: datetime) -> AuditEvent:
    """An engine has read the document."""
    return _event(
        record,
        "extracted",
        version=record.document.version_id or record.document.etag,
        occurred_at=now,
        output_sha256=record.response_sha256,
        counts={"pages": record.pages},
        details={
            "engine": record.engine,
            "response_key": record.response_key,
            "cost_usd": f"{record.cost_usd:f}",
            "saved_usd": f"{record.saved_usd:f}" if record.saved_usd else "",
            "findings": [f"{one.code}: {one.message}" for one in record.findings],
        },
    )


def rejected_event(record: InvoiceRecord, now: datetime) -> AuditEvent:
    """The document could not be read."""
    return _event(
        record,
        "rejected",
        version=record.document.version_id or record.document.etag,
        occurred_at=now,
        details={"issues": _issues(record)},
    )


def checked_event(record: InvoiceRecord, outcome: str, now: datetime) -> AuditEvent:
    """The invoice was validated, again after each review."""
    return _event(
        record,
        "validated",
        version=f"{len(record.reviews)} {outcome}",
        occurred_at=now,
        output_sha256=_content(record.invoice),
        details={"outcome": outcome, "issues": _issues(record), **_shown(record.invoice)},
    )


def reviewed_events(record: InvoiceRecord) -> list[AuditEvent]:
    """The decisions of reviewers, with their names as actors."""
    return [
        _event(
            record,
            "reviewed",
            actor=review.reviewer,
            version=str(number),
            occurred_at=review.at,
            details={
                "decision": review.decision,
                # The client wrote it. CloudTrail's data events of the table name the principal.
                "actor_proven": "no",
                "reason": review.reason,
                "before": review.before,
                "after": review.after,
            },
        )
        for number, review in enumerate(record.reviews, 1)
    ]


def filed_event(record: InvoiceRecord, now: datetime) -> AuditEvent | None:
    """The invoice was processed, is a duplicate, or resembles another; None in other statuses."""
    action = _FILED.get(record.status)
    if action is None:
        return None
    waits = record.status is InvoiceStatus.NEEDS_REVIEW
    return _event(
        record,
        action,
        version=f"{len(record.reviews)} {record.duplicate_of}"
        if waits
        else record.serial_number or record.duplicate_of,
        occurred_at=record.processed_at or now,
        output_sha256=_content(record.invoice),
        details={
            "serial_number": record.serial_number,
            "duplicate_of": record.duplicate_of,
            **_shown(record.invoice),
        },
    )


def notified_event(record: InvoiceRecord, event: str, notice: str, now: datetime) -> AuditEvent:
    """A notification was sent."""
    return _event(
        record,
        "notified",
        actor=NOTIFIER,
        version=notice,
        occurred_at=now,
        details={"event": event},
    )


def given_up_event(record: InvoiceRecord, now: datetime) -> AuditEvent:
    """Nobody reviewed the invoice, despite reminders."""
    return _event(
        record,
        "given_up",
        actor=REVIEWER,
        version=str(len(record.reviews)),
        occurred_at=now,
        counts={"reminders": record.escalations},
    )


def failed_event(record: InvoiceRecord, failure: Failure, now: datetime) -> AuditEvent:
    """A step failed, or a redriven execution continued with it."""
    return _event(
        record,
        "resumed" if failure.resumed else "failed",
        actor=FAILER,
        version=f"{failure.entered}/{failure.redrive}",
        occurred_at=now,
        details={"step": failure.step, "error": failure.error, "cause": failure.cause[:2000]},
    )


def retried_event(record: InvoiceRecord, actor: str, now: datetime) -> AuditEvent:
    """A person retried a failed execution."""
    return _event(
        record,
        "retried",
        actor=actor,
        version=rfc3339(now),
        occurred_at=now,
        details={"step": record.failure.step if record.failure else ""},
    )


def _event(
    record: InvoiceRecord,
    action: str,
    *,
    actor: str = "",
    details: dict[str, Any] | None = None,
    **facts: Any,
) -> AuditEvent:
    # The file's metadata are what its uploader wrote.
    said = {} if actor else {"said_to_be": record.submitted_by}
    return AuditEvent(
        stream=STREAM,
        action=f"invoice.{action}",
        actor=actor or record.document.principal or RECEIVER,
        subject=record.id,
        input_sha256=record.content_sha256,
        correlation_id=record.id,
        details={name: value for name, value in {**said, **(details or {})}.items() if value},
        **facts,
    )


def _issues(record: InvoiceRecord) -> list[str]:
    """Each issue as `code: message`, without notes."""
    return [
        f"{one.code}: {one.message}" for one in record.issues if one.severity is not Severity.FLAG
    ]


def _content(invoice: Invoice | None) -> str:
    """Digest of the values, without their confidence."""
    if invoice is None:
        return ""
    return digest(
        {
            "kind": invoice.kind.value,
            "fields": {name: one.value for name, one in invoice.readings.items()},
            "line_items": [asdict(one) | {"confidence": None} for one in invoice.line_items],
        }
    )


def _shown(invoice: Invoice | None) -> dict[str, str]:
    return {name: invoice.text(name) for name in _SHOWN} if invoice else {}
