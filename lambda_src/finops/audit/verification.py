"""Finding changes to a chain: the hash of each entry is known before it is read.

A chain is read from its newest entry to its oldest. Heads hold the hashes of
the newest entries, and each entry holds the hash of the one before it, so a difference names the
bad entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from finops.audit.domain import (
    GENESIS,
    DamagedEntry,
    Link,
    facts_digest,
    is_unauthorized,
    key_sequence,
    lines_of,
    principal,
    read_entry,
)
from finops.audit.ports import StoredObject


class Kind(StrEnum):
    """What was found.

    - CHANGED: an entry's bytes are not those that were written.
    - REPLACED: a sound entry is not the one that the next entry, or a head, was linked to.
    - MISSING, TRUNCATED: entries are not there, before others or at the end.
    - REORDERED, REPEATED, INSERTED: an entry stands where another one belongs, is there twice, or
      does not belong there at all.
    - CONTRADICTED: another principal stated something else about the same action.
    - UNAUTHORIZED: the entry came from a sender that may not write its stream.
    - OVERWRITTEN, DELETED: S3 has further versions of an object, or hides it; the first counts.
    - UNSIGNED, FORGED, STALE: the newest head's signature is missing, or is not the key's; or a
      newer head should be there.
    """

    CHANGED = "changed"
    REPLACED = "replaced"
    MISSING = "missing"
    TRUNCATED = "truncated"
    REORDERED = "reordered"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    UNAUTHORIZED = "unauthorized"
    INSERTED = "inserted"
    OVERWRITTEN = "overwritten"
    DELETED = "deleted"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A difference from what was written.

    Attributes:
        sequence: The bad entry, or the first of several.
        key: The object, where there is one.
    """

    stream: str
    sequence: int
    kind: Kind
    message: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a head states about an entry of a stream.

    Attributes:
        head: The head's own number.
        written_at: When it was written.
    """

    hash: str
    head: int
    written_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An entry that was read before, newer than those to come.

    Attributes:
        facts: See `facts_digest`.
        principal: Who sent it.
    """

    sequence: int
    facts: str
    principal: str


class ChainCheck:
    """Checks one chain, object by object, the newest first, in constant memory.

    Args:
        stream: Whose chain.
        claims: What heads state about it, by sequence.
        report: Takes each problem, the newest entry's first.
        repeats: Takes an entry; returns the newer entries of its id.
        until: The oldest entry to be checked, 1 for all.
    """

    def __init__(
        self,
        stream: str,
        *,
        claims: Mapping[int, Claim],
        report: Callable[[Problem], None],
        repeats: Callable[[Mapping[str, Any]], Sequence[Seen]] = lambda _entry: (),
        until: int = 1,
    ) -> None:
        self._stream = stream
        self._claims = claims
        self._report = report
        self._repeats = repeats
        self._until = until
        #: The number that the next entry must have, and its hash where that is known.
        self._next: int | None = None
        self._hash: str | None = None
        self._key = ""
        self.entries = 0
        self.newest: Link | None = None

    @property
    def is_done(self) -> bool:
        """Whether the oldest entry to be checked was met."""
        return self._next is not None and self._next < self._until

    def check(self, found: StoredObject, body: bytes) -> list[dict[str, Any]]:
        """Check the next object. Returns its sound entries, the newest first."""
        self._key = found.key
        first = key_sequence(self._stream, found.key)
        if first is None or first < 1:
            self._problem(self._next or 0, Kind.INSERTED, "this object is not part of the trail")
            return []
        if found.versions > 1:
            times = found.versions - 1
            self._problem(
                first,
                Kind.OVERWRITTEN,
                f"the object was overwritten {times} {'time' if times == 1 else 'times'}",
            )
        if found.deleted:
            self._problem(first, Kind.DELETED, "the object was deleted, so that S3 hides it")
        lines = lines_of(body)
        if self._next is None:
            self._start(first, lines)
        sound = [entry for line in reversed(lines) if (entry := self._line(line, first))]
        if self._next is None:
            raise AssertionError("_start sets it")
        if self._next >= first:
            self._missing(first, self._next)
        elif self._next < first - 1:
            self._problem(first, Kind.INSERTED, "the object holds more entries than belong there")
            self._hash = None
        self._next = first - 1
        self.entries += len(sound)
        return sound

    def close(self) -> None:
        """Report entries that should have followed: missing, cut off, or before the first."""
        self._key = ""
        if self._next is None:
            self._truncated(0)
        elif self._next >= self._until:
            self._missing(self._until, self._next)
        elif self._next == 0 and self._hash not in (None, GENESIS.hash):
            self._problem(1, Kind.REPLACED, "it names an entry before it, but it is the first")

    def _start(self, first: int, lines: list[bytes]) -> None:
        """Find the newest entry's number: its own, where it can be read."""
        newest = first + max(len(lines), 1) - 1
        if lines:
            try:
                entry = read_entry(lines[-1])
                newest = max(entry["sequence"], first)
                self.newest = Link(sequence=newest, hash=entry["hash"])
            except DamagedEntry:
                pass
        self._next = newest
        self._truncated(newest)

    def _truncated(self, newest: int) -> None:
        known = max(self._claims, default=0)
        if known > newest:
            claim = self._claims[known]
            self._problem(
                newest + 1,
                Kind.TRUNCATED,
                f"the trail ends at entry {newest}, but head {claim.head} of {claim.written_at} "
                f"lists entry {known}",
            )

    def _line(self, line: bytes, first: int) -> dict[str, Any] | None:
        expected = self._next or 0
        # A line that was cut in two leaves one line too many.
        place = max(expected, first)
        try:
            entry = read_entry(line)
        except DamagedEntry as damage:
            self._problem(place, Kind.CHANGED, f"the entry {damage}")
            self._went(expected, None)
            return None
        sequence = entry["sequence"]
        if entry.get("stream") != self._stream:
            what = f"an entry of stream {entry.get('stream')} is in its place"
            self._problem(place, Kind.INSERTED, what)
            self._went(expected, None)
            return None
        if sequence > expected:
            self._problem(
                sequence,
                Kind.REORDERED,
                f"it is in the place of entry {expected}, or a second time in the chain",
            )
            self._hash = None
            return None
        if sequence < first:
            self._problem(place, Kind.REORDERED, f"entry {sequence} is in its place")
            self._went(expected, None)
            return None
        if sequence < expected:
            self._missing(sequence + 1, expected)
        self._went(sequence, entry["previous"] if self._is_the_one(entry) else None)
        if is_unauthorized(entry):
            what = f"{entry.get('sender')} may not write this stream: the entry is forged"
            self._problem(sequence, Kind.UNAUTHORIZED, what)
        self._compare(entry)
        return entry

    def _compare(self, entry: Mapping[str, Any]) -> None:
        """Report newer entries of the same id that repeat this one, or contradict it."""
        if "entry_id" not in entry:
            return
        sequence = entry["sequence"]
        for newer in self._repeats(entry):
            if newer.facts == facts_digest(entry):
                what = f"it has the id of entry {sequence}"
                self._problem(newer.sequence, Kind.REPEATED, what)
            elif newer.principal != principal(entry):
                self._problem(
                    newer.sequence,
                    Kind.CONTRADICTED,
                    f"entry {sequence}, by another sender, states something else about the same "
                    "action: one of the two is forged",
                )

    def _is_the_one(self, entry: Mapping[str, Any]) -> bool:
        sequence, found = entry["sequence"], entry["hash"]
        if self._hash not in (None, found):
            what = f"entry {sequence + 1} links to a different entry, with hash {self._hash}"
            self._problem(sequence, Kind.REPLACED, what)
            return False
        claim = self._claims.get(sequence)
        if claim is not None and claim.hash != found:
            self._problem(
                sequence,
                Kind.REPLACED,
                f"head {claim.head} of {claim.written_at} lists a different entry, with hash "
                f"{claim.hash}: this entry, or one between it and the head before, was rewritten",
            )
            return False
        return True

    def _went(self, sequence: int, previous: str | None) -> None:
        self._next, self._hash = sequence - 1, previous

    def _missing(self, first: int, last: int) -> None:
        which = f"entries {first} to {last} are" if last > first else f"entry {first} is"
        self._problem(first, Kind.MISSING, f"{which} missing")
        self._hash = None

    def _problem(self, sequence: int, kind: Kind, message: str) -> None:
        self._report(
            Problem(
                stream=self._stream, sequence=sequence, kind=kind, message=message, key=self._key
            )
        )
