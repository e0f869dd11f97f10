"""The audit events of the billing flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from finops.billing.domain import RATES_PREFIX, FileEntry, FileStatus, Reconversion
from finops.shared.audit import AuditEvent, digest, rfc3339
from finops.shared.errors import FinOpsError

STREAM: Final = "billing"
#: The actor where S3 names no principal.
LOADER: Final = "load-billing-file"

_ACTIONS: Final = {
    FileStatus.LOADED: "loaded",
    FileStatus.LOADED_WITH_REJECTS: "loaded",
    FileStatus.REJECTED: "rejected",
    FileStatus.SUPERSEDED: "superseded",
}


def ended_event(entry: FileEntry, now: datetime) -> AuditEvent | None:
    """A file was `loaded`, `rejected` or `superseded`; None while it is in progress."""
    action = _ACTIONS.get(entry.status)
    if action is None:
        return None
    tally = entry.tally
    counts = {
        "rows_read": tally.read,
        "rows_inserted": tally.inserted,
        "rows_updated": tally.updated,
        "rows_unchanged": tally.unchanged,
        "rows_superseded": tally.superseded,
        "rows_quarantined": tally.quarantined,
    }
    written = {
        "dataset": entry.dataset,
        "schema": entry.schema,
        "amounts": {currency: f"{amount:f}" for currency, amount in entry.amounts.items()},
        "amount_usd": None if entry.amount_usd is None else f"{entry.amount_usd:f}",
        "quarantine_uri": entry.quarantine_uri,
    }
    return _event(
        entry,
        action,
        version=entry.source.file_id,
        occurred_at=entry.finished_at or now,
        output_sha256=digest(counts | written) if action == "loaded" else "",
        counts=counts,
        details=written | {"error": entry.error, "error_code": entry.error_code},
    )


def failed_event(
    entry: FileEntry, error: FinOpsError, now: datetime, attempt: str = ""
) -> AuditEvent:
    """An attempt to load a file failed; `attempt` names it, else the time does."""
    return _event(
        entry,
        "failed",
        version=f"{entry.source.file_id} {attempt or rfc3339(now)}",
        occurred_at=now,
        details={"error": str(error), "error_code": error.code, "error_step": error.step},
    )


def retried_event(
    entry: FileEntry, actor: str, now: datetime, *, restates: bool = False, part_of: str = ""
) -> AuditEvent:
    """A person had a file loaded again, and said what it is to others; see `SourceObject`."""
    return _event(
        entry,
        "retried",
        actor=actor,
        version=f"{entry.source.file_id} {rfc3339(now)}",
        occurred_at=now,
        details={
            "status": entry.status.value,
            "error_code": entry.error_code,
            "restates": "yes" if restates else "",
            "part_of": part_of,
        },
    )


def withdrawn_event(
    entry: FileEntry,
    actor: str,
    reason: str,
    counts: dict[str, int],
    now: datetime,
    *,
    said_to_be: str = "",
) -> AuditEvent:
    """A person took the rows of a file back; a function did it for whom its caller named."""
    return _event(
        entry,
        "withdrawn",
        actor=actor,
        version=f"{entry.source.file_id} {rfc3339(now)}",
        occurred_at=now,
        counts=counts,
        details={"dataset": entry.dataset, "reason": reason, "said_to_be": said_to_be},
    )


def format_event(
    dataset: str, uri: str, document: Mapping[str, Any], actor: str, now: datetime
) -> AuditEvent:
    """A person changed the format of a dataset."""
    return AuditEvent(
        stream=STREAM,
        action="format.changed",
        actor=actor,
        subject=uri,
        version=rfc3339(now),
        occurred_at=now,
        details={"dataset": dataset, "format": json.dumps(document, sort_keys=True)},
    )


def reconverted_event(done: Reconversion) -> AuditEvent:
    """A person converted bills again, with the rates that are known now."""
    return AuditEvent(
        stream=STREAM,
        action="bills.reconverted",
        actor=done.requested_by,
        subject=done.dataset,
        version=rfc3339(done.requested_at),
        occurred_at=done.requested_at,
        counts={"rows_changed": done.rows_changed},
        details={
            "first_day": done.first_day,
            "last_day": done.last_day,
            "usd_before": f"{done.usd_before:f}",
            "usd_after": f"{done.usd_after:f}",
            "reason": done.reason,
        },
    )


def _event(
    entry: FileEntry,
    action: str,
    *,
    actor: str = "",
    details: dict[str, Any],
    **facts: Any,
) -> AuditEvent:
    source = entry.source
    # What the upload said of itself. The console signs it, and records who dropped the file.
    said = {} if actor else {"said_to_be": source.submitted_by}
    kind = "rates" if source.key.startswith(RATES_PREFIX) else "billing_file"
    return AuditEvent(
        stream=STREAM,
        action=f"{kind}.{action}",
        actor=actor or source.principal or LOADER,
        subject=source.uri,
        input_sha256=entry.content_sha256,
        correlation_id=source.file_id,
        details={
            "load_id": entry.load_id,
            "version_id": source.version_id,
            "etag": source.etag,
            "size_bytes": source.size,
        }
        | {name: value for name, value in (said | details).items() if value not in (None, "")},
        **facts,
    )
