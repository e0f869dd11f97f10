"""How a load ends: loaded, superseded or refused in the ledger, and recorded in the audit trail."""

from __future__ import annotations

from datetime import datetime

from finops.billing.audit_events import ended_event
from finops.billing.domain import FileEntry, Tally
from finops.billing.ports import LoadTransaction
from finops.billing.schemas import Schema
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput


def record_outcome(audit: AuditRecorder, entry: FileEntry, now: datetime) -> None:
    """Record a final status in the audit trail.

    A replay records it again, since the first attempt may have been lost.
    """
    if event := ended_event(entry, now):
        audit.record(event)


def is_superseded(transaction: LoadTransaction, entry: FileEntry, schema: Schema) -> bool:
    """Whether a newer version of the object, which replaces this one, is loaded.

    Rows with an identity don't need this rule: each stores the version of the file that wrote it.
    """
    return not schema.key and transaction.newer_version(entry) is not None


def enter_loaded(
    transaction: LoadTransaction, entry: FileEntry, schema: Schema, tally: Tally, uri: str
) -> None:
    """Enter a file as loaded; where rows have no identity, it supersedes its earlier versions."""
    transaction.finish(entry, tally.status, tally, schema=schema.name, quarantine_uri=uri)
    if not schema.key:
        transaction.supersede_older(entry)


def refuse_duplicate_content(first: FileEntry | None, entry: FileEntry, schema: Schema) -> None:
    """Refuse a copy of a loaded file whose rows would count twice.

    The same rows in the same dataset change nothing. In another dataset, or in a schema whose rows
    have no identity, they would be added once more.

    Args:
        first: An earlier loaded file of the same content that still holds rows, if there is one.
        entry: The file that is being loaded.
        schema: Its schema.

    Raises:
        RejectedInput: with code `duplicate_content`.
    """
    if first is None or first.source.key_hash == entry.source.key_hash:
        return
    if schema.key and first.dataset == entry.dataset:
        return
    raise RejectedInput(
        f"the content is the same as that of {first.source.uri} (load {first.load_id}, dataset "
        f"{first.dataset}), so its rows would count twice",
        code="duplicate_content",
        step="load_file",
        remedy="Remove this copy; to move a file to another dataset, remove the first file's rows",
    )
