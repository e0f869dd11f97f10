"""The events that flows record in the audit trail, and their canonical bytes.

A service takes an `AuditRecorder` and calls `record` after each action. Handlers pass
`finops.audit.recorder.audit_recorder()`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

#: Details beyond this many bytes are left out of an entry, which then holds their digest.
DETAILS_LIMIT: Final = 16_384
#: What the digests of personal data begin with.
PERSONAL_PREFIX: Final = "hmac-sha256:"
#: Levels of a document whose parts are digested one by one.
_PIECES_DEEP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that a flow did.

    Attributes:
        stream: The flow: budgets, billing, invoices, reconciliation or console.
        action: What was done to what, such as `billing_file.loaded`.
        actor: Who did it: an IAM principal, a user's name, or `schedule`.
        subject: Id of the thing, such as a load id, an S3 URI or ACCOUNT/BUDGET.
        version: Distinguishes repeated actions on one subject, and is the same in every replay: a
            sequence number, an execution's name.
        occurred_at: UTC.
        input_sha256: Digest of the input (see `digest`), or empty.
        output_sha256: Digest of the output, or empty.
        counts: Such as rows_read; whole numbers.
        correlation_id: The same as in the flow's log lines.
        details: Small facts such as `before` and `after`. What JSON has no type for, such as a
            Decimal, is written as its text; floats too.
    """

    stream: str
    action: str
    actor: str
    subject: str
    version: str
    occurred_at: datetime
    input_sha256: str = ""
    output_sha256: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    correlation_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entry_id(self) -> str:
        """The same for every replay: 32 hexadecimal digits."""
        return entry_id(self.stream, self.action, self.subject, self.version)

    def document(self, code_version: str) -> dict[str, Any]:
        """The message to the trail."""
        details = json_value(self.details)
        written = canonical(details)
        if len(written) > DETAILS_LIMIT:
            details = {"omitted_bytes": len(written), "omitted_sha256": digest(written)}
        return {
            "entry_id": self.entry_id,
            "stream": json_value(self.stream),
            "action": json_value(self.action),
            "actor": json_value(self.actor),
            "subject": json_value(self.subject),
            "version": json_value(self.version),
            "occurred_at": rfc3339(self.occurred_at),
            "input_sha256": self.input_sha256,
            "output_sha256": self.output_sha256,
            "counts": json_value(self.counts),
            "correlation_id": json_value(self.correlation_id),
            "code_version": code_version,
            "details": details,
        }


class AuditRecorder(Protocol):
    """Takes what a flow did. It never raises, and never keeps a flow for more than seconds."""

    def record(self, *events: AuditEvent) -> None:
        """Send these, in this order for each stream."""


class NoAudit:
    """Where the module audit is not deployed."""

    def record(self, *events: AuditEvent) -> None:
        """Forget them."""


def entry_id(stream: str, action: str, subject: str, version: str) -> str:
    """Id of what was done: 32 hexadecimal digits."""
    return digest([json_value(part) for part in (stream, action, subject, version)])[:32]


def digest(content: bytes | str | Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 in hexadecimal: of bytes, of text as UTF-8, or of a document's canonical form."""
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    found = hashlib.sha256()
    for piece in [content] if isinstance(content, bytes) else _pieces(content, _PIECES_DEEP):
        found.update(piece)
    return found.hexdigest()


def _pieces(content: Any, deep: int) -> Iterator[bytes]:
    """`canonical(json_value(content))`, of which a large document need not be in memory at once."""
    if deep and isinstance(content, list):
        yield b"["
        for at, one in enumerate(content):
            yield b"," if at else b""
            yield from _pieces(one, deep - 1)
        yield b"]"
    elif deep and isinstance(content, Mapping):
        named = {json_value(str(name)): one for name, one in content.items()}
        yield b"{"
        for at, name in enumerate(sorted(named)):
            yield (b"," if at else b"") + canonical(name) + b":"
            yield from _pieces(named[name], deep - 1)
        yield b"}"
    else:
        yield canonical(json_value(content))


def personal_digest(salt: str, name: str, value: str) -> str:
    """What an entry states in place of personal data: it proves the value to who has the salt.

    The trail is locked, and the salt is not: it is kept beside the value, and erased with it. From
    then on nobody can try values against the digest.

    Args:
        salt: Random, of the record that the value belongs to.
        name: What the value is, so that equal values of two fields have two digests.
        value: The value.

    Returns:
        `hmac-sha256:` and 64 hexadecimal digits; empty without a salt or a value.
    """
    if not salt or not value:
        return ""
    text = canonical([json_value(name), json_value(value)])
    return PERSONAL_PREFIX + hmac.new(salt.encode(), text, hashlib.sha256).hexdigest()


def canonical(document: Any) -> bytes:
    """The one way to write a JSON document: sorted keys, no spaces, ASCII only.

    ASCII, so that neither SQS, which refuses some characters, nor an editor changes a byte.
    """
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def json_value(value: Any) -> Any:
    """The value in JSON's types, without floats: text in place of what JSON has no type for."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {json_value(str(name)): json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    if isinstance(value, AbstractSet):
        return sorted((json_value(one) for one in value), key=canonical)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return json_value(str(value))


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds, so that texts sort as moments do; a moment without a zone is UTC."""
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="microseconds")
