"""Heads, which tell how far every stream has come: writing and reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finops.audit.chains import chain_end, newest_object, walk
from finops.audit.domain import (
    GENESIS,
    HEADS,
    TRAIL_PREFIX,
    DamagedEntry,
    Link,
    chained,
    key_sequence,
    last_link,
    lines_of,
    numbered,
    object_key,
    read_entry,
)
from finops.audit.ports import Signer, TrailStore
from finops.audit.verification import ChainCheck, Claim, Kind, Problem
from finops.shared.audit import canonical, rfc3339

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHead:
    """A head: its number, how many streams it covers, and the problems found before."""

    sequence: int
    streams: int
    problems: list[Problem]


class HeadWriter:
    """Writes heads, each of which records the newest entry of every stream.

    Entries since the last head are verified first. The head is written even if problems are found,
    with their count, so that later entries stay protected.
    """

    def __init__(self, store: TrailStore, signer: Signer | None, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock

    def write(self) -> WrittenHead:
        """Verify the new entries, and write a head."""
        while True:
            problems: list[Problem] = []
            end, seen = self._last_head(problems)
            streams = {}
            for stream in sorted({*self._store.folders(TRAIL_PREFIX), *(seen or ())}):
                link = chain_end(self._store, stream)
                streams[stream] = {"sequence": link.sequence, "hash": link.hash}
                if seen is not None:
                    self._check(stream, seen.get(stream, {}), problems)
            document: dict[str, Any] = {
                "stream": HEADS,
                "written_at": rfc3339(self._clock()),
                "streams": streams,
                "problems": len(problems),
            }
            if self._signer is not None:
                document["signing_key"] = self._signer.key
                message = canonical(numbered(end, document))
                document["signature"] = self._signer.sign(message)
            line, after = chained(end, document)
            if self._store.create(object_key(HEADS, after.sequence), line):
                return WrittenHead(sequence=after.sequence, streams=len(streams), problems=problems)

    def _last_head(
        self, problems: list[Problem]
    ) -> tuple[Link, Mapping[str, Mapping[int, Claim]] | None]:
        """The end of the chain of heads, and the last head's claims; None if it is damaged."""
        found = newest_object(self._store, HEADS)
        if found is None:
            return GENESIS, {}
        body = self._store.read(found)
        heads = ChainCheck(HEADS, claims={}, report=problems.append).check(found, body)
        claims: dict[str, dict[int, Claim]] = {}
        for head in heads[:1]:
            gather_claims(claims, head, problems.append)
        return last_link(key_sequence(HEADS, found.key) or 1, body), claims if heads else None

    def _check(self, stream: str, claims: Mapping[int, Claim], problems: list[Problem]) -> None:
        until = max(claims, default=1)
        check = ChainCheck(stream, claims=claims, report=problems.append, until=until)
        for _ in walk(self._store, stream, check):
            pass


def newest_head(store: TrailStore) -> Mapping[str, Any] | None:
    """The newest head, unverified; None before the first one, or where it is damaged."""
    found = newest_object(store, HEADS)
    lines = lines_of(store.read(found)) if found else []
    try:
        return read_entry(lines[-1]) if lines else None
    except DamagedEntry:
        return None


def gather_claims(
    claims: dict[str, dict[int, Claim]],
    head: Mapping[str, Any],
    report: Callable[[Problem], None],
) -> None:
    """Add a head's claims to those of newer heads; where they disagree, the newer head counts."""
    try:
        written_at = str(head["written_at"])
        ends = [
            Link(sequence=int(end["sequence"]), hash=str(end["hash"]))
            for end in head["streams"].values()
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        report(head_problem(head, Kind.CHANGED, "the head lacks the fields of a head"))
        return
    for stream, end in zip(head["streams"], ends, strict=True):
        if end.sequence < 1:
            continue
        claim = Claim(hash=end.hash, head=head["sequence"], written_at=written_at)
        newer = claims.setdefault(stream, {}).setdefault(end.sequence, claim)
        if newer.hash != claim.hash:
            report(
                Problem(
                    stream=stream,
                    sequence=end.sequence,
                    kind=Kind.REPLACED,
                    message=f"heads {claim.head} and {newer.head} list two different entries",
                )
            )


def written_at_of(head: Mapping[str, Any]) -> str:
    """When a head was written (RFC 3339, UTC); empty if it does not say."""
    return str(head.get("written_at", ""))


def head_problem(head: Mapping[str, Any], kind: Kind, message: str) -> Problem:
    """A problem of the head itself."""
    sequence = head["sequence"]
    return Problem(
        stream=HEADS,
        sequence=sequence,
        kind=kind,
        message=message,
        key=object_key(HEADS, sequence),
    )
