"""The chain: how entries are written, linked, and laid out in the bucket.

A stream is a chain of entries, numbered from 1. An entry is a line of canonical JSON that holds
its own SHA-256 and that of the entry before it. An object holds the entries that were written at
once. Heads are a chain of their own: each says how far every stream had come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from finops.shared.audit import canonical, digest
from finops.shared.people import is_caller

FORMAT: Final = 1
#: The chain of heads; no flow may use its name.
HEADS: Final = "heads"
TRAIL_PREFIX: Final = "trail/"
CLAIMS_PREFIX: Final = "ids/"
#: The mark of an entry whose sender may not write its stream.
UNAUTHORIZED: Final = "unauthorized"
#: False in an entry that a person sent, and that names somebody else as its actor.
ACTOR_PROVEN: Final = "actor_proven"
_LAST_SEQUENCE: Final = 10**12 - 1
#: What an entry states. Replays of one action agree in these; the clock, the code's version and the
#: correlation id of a replay may differ.
_FACTS: Final = (
    "stream",
    "action",
    "actor",
    "subject",
    "version",
    "input_sha256",
    "output_sha256",
    "counts",
    "details",
)
_KEY: Final = re.compile(r"([0-9]{12})-([0-9]{12})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a chain stands: the last entry's number and its hash."""

    sequence: int
    hash: str


GENESIS: Final = Link(sequence=0, hash="0" * 64)


class DamagedEntry(Exception):
    """A line is not an entry as it was written; the text says why."""


def chained(last: Link, document: Mapping[str, Any]) -> tuple[bytes, Link]:
    """Append a document to a chain. Returns its line, and where the chain then stands."""
    body = numbered(last, document)
    link = Link(sequence=last.sequence + 1, hash=digest(canonical(body)))
    return canonical({**body, "hash": link.hash}) + b"\n", link


def numbered(last: Link, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its place in the chain."""
    return {
        **document,
        "format": FORMAT,
        "sequence": last.sequence + 1,
        "previous": last.hash,
    }


def written(last: Link, documents: Iterable[Mapping[str, Any]]) -> tuple[bytes, Link]:
    """The object that appends these documents, and where the chain then stands."""
    lines = []
    for document in documents:
        line, last = chained(last, document)
        lines.append(line)
    return b"".join(lines), last


def lines_of(body: bytes) -> list[bytes]:
    """The lines of an object; one that does not end stays without its end."""
    return [line for line in re.split(rb"(?<=\n)", body) if line]


def read_entry(line: bytes) -> dict[str, Any]:
    """The entry that a line holds, if every byte of it is as it was written.

    Raises:
        DamagedEntry: it is not.
    """
    try:
        found = json.loads(line, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise DamagedEntry("is not JSON") from None
    if not isinstance(found, dict):
        raise DamagedEntry("is not a JSON object")
    stated = found.pop("hash", None)
    if stated != digest(canonical(found)):
        raise DamagedEntry("has a hash that does not match its content")
    if canonical({**found, "hash": stated}) + b"\n" != line:
        raise DamagedEntry("is not in the canonical form of entries")
    if type(found.get("sequence")) is not int or not isinstance(found.get("previous"), str):
        raise DamagedEntry("has no sequence number or no hash of the entry before")
    return {**found, "hash": stated}


def last_link(first: int, body: bytes) -> Link:
    """Where the chain stands after an object whose first entry has the number `first`.

    A chain goes on after a damaged entry, which stays for all to see: its bytes are what the next
    one is linked to.
    """
    lines = lines_of(body)
    if not lines:
        return Link(sequence=first, hash=digest(b""))
    try:
        entry = read_entry(lines[-1])
        return Link(sequence=max(entry["sequence"], first), hash=entry["hash"])
    except DamagedEntry:
        return Link(sequence=first + len(lines) - 1, hash=digest(lines[-1]))


def chain_prefix(stream: str) -> str:
    """What the keys of a chain begin with."""
    return f"{HEADS}/" if stream == HEADS else f"{TRAIL_PREFIX}{stream}/"


def object_key(stream: str, sequence: int) -> str:
    """Key of the object whose first entry has this number.

    S3 lists in ascending order only: the number that counts down makes the newest come first. The
    key follows from the number alone, so that of two writers who would fork a chain one finds the
    key taken.
    """
    return f"{chain_prefix(stream)}{_LAST_SEQUENCE - sequence:012}-{sequence:012}.jsonl"


def key_sequence(stream: str, key: str) -> int | None:
    """The number in a key, or None if it is not a key of this chain."""
    match = _KEY.fullmatch(key.removeprefix(chain_prefix(stream)))
    if match is None:
        return None
    sequence = int(match[2])
    return sequence if object_key(stream, sequence) == key else None


def claim_key(stream: str, entry_id: str, facts: str = "") -> str:
    """Key of the object that says that an entry id is, or is about to be, in the chain.

    Where the chain holds the id with other facts, the facts' digest is part of the key.
    """
    return f"{CLAIMS_PREFIX}{stream}/{entry_id}{'-' if facts else ''}{facts}"


def facts_digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 of what an entry states, which is the same in every replay."""
    facts = {name: entry.get(name) for name in _FACTS}
    if is_unauthorized(entry):
        # Whoever may not write the stream cannot say it in place of whoever may.
        facts[UNAUTHORIZED] = True
    if entry.get(ACTOR_PROVEN) is False:
        # Nor can a person say it in place of whoever knows who it was.
        facts[ACTOR_PROVEN] = False
    return digest(canonical(facts))


def repeats(entry: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Whether `held` states what `entry` states, and proves no less."""
    proven = {name: value for name, value in entry.items() if name != ACTOR_PROVEN}
    return facts_digest(held) in {facts_digest(entry), facts_digest(proven)}


def is_unauthorized(entry: Mapping[str, Any]) -> bool:
    """Whether the entry came from a sender that may not write its stream."""
    return bool(entry.get(UNAUTHORIZED))


def may_write(senders: Mapping[str, Collection[str]], entry: Mapping[str, Any]) -> bool:
    """Whether an entry's sender may write its stream.

    Args:
        senders: Unique ids of roles and users by stream; those of `*` may write every stream. Where
            it is empty, everybody may.
        entry: With its sender.
    """
    allowed = {*senders.get(entry["stream"], ()), *senders.get("*", ())}
    return not senders or principal(entry) in allowed


def proves_its_actor(senders: Mapping[str, Collection[str]], entry: Mapping[str, Any]) -> bool:
    """Whether its sender may say who did it.

    A flow's function and the console know who it was. A person, on the command line, can only say
    that it was this person; whoever recovers entries from a log sends what others did.

    Args:
        senders: As of `may_write`; those of `*` are people.
        entry: With its sender.
    """
    people = {*senders.get("*", ())} - {*senders.get(entry["stream"], ())}
    return principal(entry) not in people or is_caller(entry["actor"], entry["sender"])


def principal(entry: Mapping[str, Any]) -> str:
    """The IAM user or role that sent an entry, by its unique id: SQS's SenderId without a session.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
    """
    return str(entry.get("sender", "")).partition(":")[0]


def contradicts(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two entries of one id state different things, and come from different principals.

    A sender that does something again may find other facts, such as another reading of a document.
    """
    return facts_digest(entry) != facts_digest(other) and principal(entry) != principal(other)


def _refuse(number: str) -> NoReturn:
    raise ValueError(number)
