"""Entries as the flows send them."""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import Meta, Struct

from finops.audit.domain import HEADS
from finops.shared.audit import entry_id
from finops.shared.errors import RejectedInput

Digest = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=2048)]


class _Message(Struct, frozen=True, forbid_unknown_fields=True):
    """What a flow sends, as `AuditEvent.document` writes it."""

    entry_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    stream: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
    action: Name
    actor: Name
    subject: Name
    version: str
    occurred_at: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00\Z")]
    input_sha256: Digest
    output_sha256: Digest
    counts: dict[str, int]
    correlation_id: str
    code_version: str
    details: dict[str, Any]


def decode_message(body: str) -> dict[str, Any]:
    """A flow's message as a document for the chain.

    Raises:
        RejectedInput: the message is not an entry.
    """
    try:
        document = json.loads(body, parse_float=_refuse, parse_constant=_refuse)
        message = msgspec.convert(document, _Message)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise RejectedInput(
            f"the message is not an audit entry: {error}",
            code="invalid_audit_entry",
            value=body[:2000],
            remedy="Send entries through finops.shared.audit.AuditRecorder",
        ) from None
    named = entry_id(message.stream, message.action, message.subject, message.version)
    if message.stream == HEADS or message.entry_id != named:
        raise RejectedInput(
            f"the message has the id {message.entry_id} in stream {message.stream}, but its "
            f"content makes {named}",
            code="invalid_audit_entry",
            field="entry_id",
            value=message.entry_id,
        )
    return dict(document)


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is a floating-point number")
