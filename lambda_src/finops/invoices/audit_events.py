"""The audit events of the invoice flow.

Entries are locked for years, so they state no personal data of invoices: a digest stands in its
place, which the salt in the invoice's record makes provable (see `personal_digest`). Who acted is
named, because that is what the trail is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from finops.invoices.domain import (
    IMPERSONAL,
    Erasure,
    Failure,
    InvoiceRecord,
    InvoiceStatus,
    Issue,
    Review,
    Severity,
)
from finops.shared.audit import (
    PERSONAL_PREFIX,
    AuditEvent,
    canonical,
    json_value,
    personal_digest,
    rfc3339,
)

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
            "object": _private(record, "object", document.uri),
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
            "findings": _stated(record, record.findings),
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
    """The invoice was validated, again after each review: then the reviewer had it validated."""
    actor, proof = _last_reviewer(record)
    return _event(
        record,
        "validated",
        actor=actor,
        version=f"{len(record.reviews)} {outcome}",
        occurred_at=now,
        output_sha256=_content(record),
        details={"outcome": outcome, "issues": _issues(record), **proof, **_shown(record)},
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
                **_proof(review),
                **review_facts(record, review),
            },
        )
        for number, review in enumerate(record.reviews, 1)
    ]


def filed_event(record: InvoiceRecord, now: datetime) -> AuditEvent | None:
    """The invoice was processed, is a duplicate, or resembles another; None in other statuses.

    Its actor is who approved it, where it was reviewed.
    """
    action = _FILED.get(record.status)
    if action is None:
        return None
    waits = record.status is InvoiceStatus.NEEDS_REVIEW
    actor, proof = _last_reviewer(record)
    return _event(
        record,
        action,
        actor=actor,
        version=f"{len(record.reviews)} {record.duplicate_of}"
        if waits
        else record.serial_number or record.duplicate_of,
        occurred_at=record.processed_at or now,
        output_sha256=_content(record),
        details={
            "serial_number": record.serial_number,
            "duplicate_of": record.duplicate_of,
            **proof,
            **_shown(record),
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
        details={
            "step": failure.step,
            "error": failure.error,
            "cause": _private(record, "cause", failure.cause),
        },
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


def erased_event(record: InvoiceRecord, erasure: Erasure) -> AuditEvent:
    """A person erased the personal data of an invoice, and its original."""
    return _event(
        record,
        "erased",
        actor=erasure.by,
        version=rfc3339(erasure.at),
        occurred_at=erasure.at,
        details={"serial_number": record.serial_number, "reason": erasure.reason},
    )


def review_facts(record: InvoiceRecord, review: Review) -> dict[str, Any]:
    """What an entry states of a review, with digests in place of personal data."""
    return {
        "reason": _private(record, "reason", review.reason),
        "before": _fields(record, review.before),
        "after": _fields(record, review.after),
    }


def personal_values(record: InvoiceRecord) -> dict[str, str]:
    """The personal data that the record still has, by the digests that stand for them in entries.

    Empty once they are erased.
    """
    readings = record.invoice.readings if record.invoice else {}
    known = [(name, one.value) for name, one in readings.items()]
    known += [("object", record.document.uri)]
    known += [(one.code, one.message) for one in (*record.issues, *record.findings)]
    known += [("cause", record.failure.cause)] if record.failure else []
    for review in record.reviews:
        known += [("reason", review.reason), *review.before.items(), *review.after.items()]
        known += [(code, text) for code, _, text in (one.partition(": ") for one in review.settled)]
    found = {_private(record, name, value): value for name, value in known}
    return {stated: value for stated, value in found.items() if stated}


def _last_reviewer(record: InvoiceRecord) -> tuple[str, dict[str, str]]:
    """Whose decision the flow carries out, and what is known of who that was."""
    if not record.reviews:
        return "", {}
    return record.reviews[-1].reviewer, _proof(record.reviews[-1])


def _proof(review: Review) -> dict[str, str]:
    # Otherwise a client wrote who it was: CloudTrail's data events of the table name the principal.
    return {"actor_proven": "yes" if review.proven else "no"}


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


def _private(record: InvoiceRecord, name: str, value: str) -> str:
    return personal_digest(record.audit_salt, name, value)


def _fields(record: InvoiceRecord, values: Mapping[str, str]) -> dict[str, str]:
    """Values of fields, of which those that may be personal are digests."""
    plain = IMPERSONAL | {"kind", "duplicate_of"}
    return {
        name: value if name in plain else _private(record, name, value)
        for name, value in values.items()
    }


def _issues(record: InvoiceRecord) -> list[str]:
    """Each issue without notes."""
    return _stated(record, [one for one in record.issues if one.severity is not Severity.FLAG])


def _stated(record: InvoiceRecord, issues: Iterable[Issue]) -> list[str]:
    """Each issue as its code, and the digest of its message, which may hold any value."""
    return [f"{one.code}: {_private(record, one.code, one.message)}" for one in issues]


def _content(record: InvoiceRecord) -> str:
    """Salted digest of the values, without their confidence."""
    invoice = record.invoice
    if invoice is None:
        return ""
    content = {
        "kind": invoice.kind.value,
        "fields": {name: one.value for name, one in invoice.readings.items()},
        "line_items": [asdict(one) | {"confidence": None} for one in invoice.line_items],
    }
    stated = _private(record, "content", canonical(json_value(content)).decode())
    return stated.removeprefix(PERSONAL_PREFIX)


def _shown(record: InvoiceRecord) -> dict[str, str]:
    invoice = record.invoice
    return _fields(record, {name: invoice.text(name) for name in _SHOWN}) if invoice else {}
