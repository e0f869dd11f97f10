"""Appending to the trail, sealing it with heads, reading and verifying it: over the ports."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from finops.audit.domain import (
    GENESIS,
    HEADS,
    TRAIL_PREFIX,
    DamagedEntry,
    Link,
    chain_prefix,
    chained,
    claim_key,
    key_sequence,
    last_link,
    lines_of,
    numbered,
    object_key,
    read_entry,
    written,
)
from finops.audit.ports import Signer, StoredObject, TrailStore
from finops.audit.verification import ChainCheck, Claim, Kind, Problem
from finops.shared.audit import canonical, rfc3339

Clock = Callable[[], datetime]
#: Calls to the bucket at once.
_CALLS: Final = 16
#: Problems that are kept: those found last, so the oldest entries'.
_KEPT_PROBLEMS: Final = 1000
#: How much earlier than a flow says its entry may have been received: clocks differ.
_CLOCK_SKEW: Final = timedelta(minutes=5)


class EntryAppender:
    """Appends entries: each id once, however often and by how many it is sent.

    An id is claimed before its entry is written, with the number from which on the entry may be
    found. Whoever meets a claim looks from there on; whoever finds the next key taken reads
    what took it. So nobody appends after entries that they have not read.
    """

    def __init__(self, store: TrailStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ends: dict[str, Link] = {}

    def append(self, stream: str, documents: Sequence[Mapping[str, Any]]) -> int:
        """Append to a stream what it does not hold yet. Returns how many entries were added."""
        end = self._ends.get(stream) or chain_end(self._store, stream)
        unique: dict[str, Mapping[str, Any]] = {}
        for document in documents:
            unique.setdefault(document["entry_id"], document)
        with ThreadPoolExecutor(_CALLS) as pool:
            held = pool.map(lambda entry_id: self._holds(stream, entry_id, end), unique)
            waiting = [one for one, there in zip(unique.values(), held, strict=True) if not there]
        while waiting:
            now = rfc3339(self._clock())
            body, after = written(end, ({**one, "received_at": now} for one in waiting))
            if self._store.create(object_key(stream, end.sequence + 1), body):
                end = after
                break
            taken = first_version(self._store, object_key(stream, end.sequence + 1))
            if taken is not None:
                end = last_link(end.sequence + 1, taken)
                there = _ids(taken)
                waiting = [one for one in waiting if one["entry_id"] not in there]
        self._ends[stream] = end
        return len(waiting)

    def _holds(self, stream: str, entry_id: str, end: Link) -> bool:
        """Claim the id. Returns whether its entry is in the chain up to `end`."""
        key = claim_key(stream, entry_id)
        if self._store.create(key, str(end.sequence + 1).encode()):
            return False
        claim = first_version(self._store, key)
        if claim is None:
            # Somebody is claiming it at this moment, and has not written its entry yet.
            return False
        sequence = int(claim) if claim.isdigit() else 0
        while sequence <= end.sequence:
            body = first_version(self._store, object_key(stream, sequence))
            if body is None:
                # The claim or the chain is not as it was written: look everywhere.
                chain = self._store.objects(chain_prefix(stream))
                return any(entry_id in _ids(self._store.read(found)) for found in chain)
            if entry_id in _ids(body):
                return True
            sequence = last_link(sequence, body).sequence + 1
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHead:
    """A head, how many streams it tells of, and what was found on the way to it."""

    sequence: int
    streams: int
    problems: list[Problem]


class HeadWriter:
    """Writes heads: how far every stream has come.

    What came since the last head is verified first. A head is written in any case, with the count
    of problems, so that what comes after them stays guarded.
    """

    def __init__(self, store: TrailStore, signer: Signer | None, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock

    def write(self) -> WrittenHead:
        """Verify what is new, and write a head."""
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
        """Where the chain of heads ends, and what its last one has seen; None if it is damaged."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """What was found of a stream.

    Attributes:
        entries: How many are sound.
        end: The newest entry; None if it cannot be read.
        sealed: The newest entry that a head has seen, 0 for none: what is after it could be cut
            off without a trace.
    """

    stream: str
    entries: int
    end: Link | None
    sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying the whole trail found.

    Attributes:
        entries: How many entries are sound.
        problems: At most a thousand, by stream and number.
        problem_count: How many there were.
        heads: How many heads are sound.
        last_head: The newest of them.
    """

    entries: int
    problems: Sequence[Problem]
    problem_count: int
    streams: Sequence[StreamSummary]
    heads: int
    last_head: Mapping[str, Any] | None

    @property
    def ok(self) -> bool:
        """Whether every entry is there, as it was written."""
        return not self.problem_count

    @property
    def first_bad(self) -> Problem | None:
        """The oldest entry at fault, of the first stream that has one."""
        return self.problems[0] if self.problems else None


class TrailVerifier:
    """Verifies the whole trail, in memory that grows with the heads only.

    Args:
        signer: The key that the deployment signs heads with, if any: the newest head must be
            signed by it, and vouches for all before it.
        repeats: Takes (stream, entry id, number); returns the number that had the id before.
    """

    def __init__(
        self,
        store: TrailStore,
        signer: Signer | None,
        repeats: Callable[[str, str, int], int | None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._repeats = repeats

    def verify(
        self,
        *,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        oldest_head: datetime | None = None,
    ) -> Verdict:
        """Read everything, and say what is not as it was written.

        Args:
            progress: Is called with how many entries are checked and how many are known of.
            oldest_head: When the newest head must have been written at the latest.
        """
        problems = _Problems()
        claims: dict[str, dict[int, Claim]] = {}
        heads, last_head = self._verify_heads(claims, problems.add)
        if last_head and oldest_head and _written_at(last_head) < rfc3339(oldest_head):
            what = (
                f"the newest head is of {_written_at(last_head)}: newer heads were removed, or "
                "none was written"
            )
            problems.add(_head_problem(last_head, Kind.STALE, what))
        folders = self._store.folders(TRAIL_PREFIX)
        known = sum(max(one, default=0) for one in claims.values())
        done = 0
        summaries = []
        for stream in sorted({*folders, *claims}):
            seen = claims.get(stream, {})
            check = ChainCheck(
                stream,
                claims=seen,
                report=problems.add,
                repeats=partial(self._repeats, stream),
            )
            for sound in walk(self._store, stream, check):
                done += len(sound)
                progress(done, max(known, done))
            summaries.append(
                StreamSummary(
                    stream=stream,
                    entries=check.entries,
                    end=check.newest,
                    sealed=max(seen, default=0),
                )
            )
        return Verdict(
            entries=done,
            problems=problems.sorted(),
            problem_count=problems.count,
            streams=summaries,
            heads=heads,
            last_head=last_head,
        )

    def _verify_heads(
        self, claims: dict[str, dict[int, Claim]], report: Callable[[Problem], None]
    ) -> tuple[int, Mapping[str, Any] | None]:
        check = ChainCheck(HEADS, claims={}, report=report)
        newest: Mapping[str, Any] | None = None
        for sound in walk(self._store, HEADS, check):
            for head in sound:
                newest = newest or head
                gather_claims(claims, head, report)
        if newest is not None and self._signer is not None:
            signature = newest.get("signature")
            signed = {
                name: value for name, value in newest.items() if name not in ("hash", "signature")
            }
            if not isinstance(signature, str):
                report(_head_problem(newest, Kind.UNSIGNED, "the newest head is not signed"))
            elif not self._signer.verify(canonical(signed), signature):
                what = f"the newest head is not signed by {self._signer.key}"
                report(_head_problem(newest, Kind.FORGED, what))
        return check.entries, newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries to show.

    Attributes:
        stream: Only this one.
        subject: Glob pattern.
        actor: Glob pattern.
        action: Glob pattern.
        since: First moment at which it may have occurred.
        until: End of the time, exclusive.
    """

    stream: str | None = None
    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether the entry is wanted."""
        for name in ("subject", "actor", "action"):
            pattern = getattr(self, name)
            if pattern is not None and not fnmatchcase(str(entry.get(name, "")), pattern):
                return False
        occurred_at = str(entry.get("occurred_at", ""))
        if self.since is not None and occurred_at < rfc3339(self.since):
            return False
        return self.until is None or occurred_at < rfc3339(self.until)


class TrailReader:
    """Reads entries, the newest first, without verifying more than each one's own hash."""

    def __init__(self, store: TrailStore) -> None:
        self._store = store
        #: Lines that are not entries.
        self.damaged = 0

    def entries(self, selection: Selection) -> Iterator[Mapping[str, Any]]:
        """The entries of all streams in the order in which they were received, newest first."""
        streams = self._store.folders(TRAIL_PREFIX)
        chains = [
            self._chain(stream, selection)
            for stream in streams
            if selection.stream in (None, stream)
        ]
        return heapq.merge(*chains, key=_received_at, reverse=True)

    def _chain(self, stream: str, selection: Selection) -> Iterator[Mapping[str, Any]]:
        since = selection.since and rfc3339(selection.since - _CLOCK_SKEW)
        for _, body in bodies(self._store, chain_prefix(stream)):
            for line in reversed(lines_of(body)):
                try:
                    entry = read_entry(line)
                except DamagedEntry:
                    self.damaged += 1
                    continue
                if since and _received_at(entry) < since:
                    return
                if selection.takes(entry):
                    yield entry


class _Problems:
    """The problems found: all are counted, those of the oldest entries kept."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[Problem] = deque(maxlen=_KEPT_PROBLEMS)

    def add(self, problem: Problem) -> None:
        self.count += 1
        self._kept.append(problem)

    def sorted(self) -> list[Problem]:
        """By stream and number, heads last."""
        return sorted(self._kept, key=lambda one: (one.stream == HEADS, one.stream, one.sequence))


def walk(store: TrailStore, stream: str, check: ChainCheck) -> Iterator[list[dict[str, Any]]]:
    """Check a chain as far as it is asked for. Yields each object's sound entries."""
    for found, body in bodies(store, chain_prefix(stream)):
        yield check.check(found, body)
        if check.is_done:
            break
    check.close()


def bodies(store: TrailStore, prefix: str) -> Iterator[tuple[StoredObject, bytes]]:
    """Objects with what they hold, in order; some are read ahead."""
    pool = ThreadPoolExecutor(_CALLS, thread_name_prefix="audit-reader")
    try:
        waiting: deque[tuple[StoredObject, Future[bytes]]] = deque()
        for found in store.objects(prefix):
            waiting.append((found, pool.submit(store.read, found)))
            if len(waiting) > 2 * _CALLS:
                first, body = waiting.popleft()
                yield first, body.result()
        for found, body in waiting:
            yield found, body.result()
    finally:
        pool.shutdown(cancel_futures=True)


def gather_claims(
    claims: dict[str, dict[int, Claim]],
    head: Mapping[str, Any],
    report: Callable[[Problem], None],
) -> None:
    """Add what a head says to what newer heads have said; where they disagree, the newer counts."""
    try:
        written_at = str(head["written_at"])
        ends = [
            Link(sequence=int(end["sequence"]), hash=str(end["hash"]))
            for end in head["streams"].values()
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        report(_head_problem(head, Kind.CHANGED, "the head does not say what heads say"))
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
                    message=f"heads {claim.head} and {newer.head} have seen two different ones",
                )
            )


def newest_head(store: TrailStore) -> Mapping[str, Any] | None:
    """The newest head, unverified; None before the first one, or where it is damaged."""
    found = newest_object(store, HEADS)
    lines = lines_of(store.read(found)) if found else []
    try:
        return read_entry(lines[-1]) if lines else None
    except DamagedEntry:
        return None


def chain_end(store: TrailStore, stream: str) -> Link:
    """Where a chain ends, by its newest object."""
    found = newest_object(store, stream)
    if found is None:
        return GENESIS
    return last_link(key_sequence(stream, found.key) or 1, store.read(found))


def newest_object(store: TrailStore, stream: str) -> StoredObject | None:
    """The chain's newest object; what is no part of the chain is passed over."""
    for found in store.objects(chain_prefix(stream), page_size=10):
        if key_sequence(stream, found.key):
            return found
    return None


def first_version(store: TrailStore, key: str) -> bytes | None:
    """What was written first under a key, or None."""
    for found in store.objects(key, page_size=10):
        if found.key == key:
            return store.read(found)
    return None


def _received_at(entry: Mapping[str, Any]) -> str:
    return str(entry.get("received_at", ""))


def _written_at(head: Mapping[str, Any]) -> str:
    return str(head.get("written_at", ""))


def _head_problem(head: Mapping[str, Any], kind: Kind, message: str) -> Problem:
    sequence = head["sequence"]
    return Problem(
        stream=HEADS,
        sequence=sequence,
        kind=kind,
        message=message,
        key=object_key(HEADS, sequence),
    )


def _ids(body: bytes) -> set[str]:
    """The ids of an object's entries."""
    found = set()
    for line in lines_of(body):
        try:
            found.add(str(read_entry(line).get("entry_id")))
        except DamagedEntry:
            continue
    return found
