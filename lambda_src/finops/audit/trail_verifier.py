"""Verifying the whole trail against its heads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from finops.audit.actors import is_actor_proven
from finops.audit.chains import walk
from finops.audit.domain import HEADS, TRAIL_PREFIX, Link
from finops.audit.heads import gather_claims, head_problem, written_at_of
from finops.audit.ports import Signer, TrailStore
from finops.audit.verification import ChainCheck, Claim, Kind, Problem, Seen
from finops.shared.audit import canonical, rfc3339

#: Problems that are kept: those found last, so the oldest entries'.
_KEPT_PROBLEMS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """The result of verifying one stream.

    Attributes:
        entries: The number of valid entries.
        end: The newest entry; None if it cannot be read.
        sealed: The newest entry that a head lists, 0 for none: later entries could be removed
            without a trace.
        unproven: The number of entries whose actor nobody has proven.
    """

    stream: str
    entries: int
    end: Link | None
    sealed: int
    unproven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of verifying the whole trail.

    Attributes:
        entries: The number of valid entries.
        problems: At most a thousand, by stream and number.
        problem_count: How many there were.
        heads: The number of valid heads.
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
        """Whether every entry is present and unchanged."""
        return not self.problem_count

    @property
    def unproven(self) -> int:
        """The number of entries whose actor nobody has proven; they may be genuine."""
        return sum(one.unproven for one in self.streams)

    @property
    def first_bad(self) -> Problem | None:
        """The oldest bad entry of the first stream that has one."""
        return self.problems[0] if self.problems else None


class TrailVerifier:
    """Verifies the whole trail. Memory grows with the number of heads, not of entries.

    Args:
        signer: The key that signs the deployment's heads, if any. The newest head must be
            signed by it, which protects all heads before it.
        repeats: Takes a stream and an entry; returns the entries of its id that were taken before.
    """

    def __init__(
        self,
        store: TrailStore,
        signer: Signer | None,
        repeats: Callable[[str, Mapping[str, Any]], Sequence[Seen]],
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
        """Read the whole trail, and find everything that differs from what was written.

        Args:
            progress: Called with the number of checked entries and of all known entries.
            oldest_head: The newest head must not be older than this, and there must be one where an
                entry is older.
        """
        problems = _Problems()
        claims: dict[str, dict[int, Claim]] = {}
        heads, last_head = self._verify_heads(claims, problems.add)
        if last_head and oldest_head and written_at_of(last_head) < rfc3339(oldest_head):
            what = (
                f"the newest head was written at {written_at_of(last_head)}: newer heads were "
                "removed, or none was written"
            )
            problems.add(head_problem(last_head, Kind.STALE, what))
        oldest_entry = "9"  # later than any time of this millennium
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
            unproven = 0
            for sound in walk(self._store, stream, check):
                done += len(sound)
                for entry in sound:
                    oldest_entry = min(oldest_entry, str(entry.get("received_at", "")))
                    unproven += not is_actor_proven(entry)
                progress(done, max(known, done))
            summaries.append(
                StreamSummary(
                    stream=stream,
                    entries=check.entries,
                    end=check.newest,
                    sealed=max(seen, default=0),
                    unproven=unproven,
                )
            )
        if last_head is None and oldest_head and oldest_entry < rfc3339(oldest_head):
            what = "no head protects the end of the trail: heads were removed, or none was written"
            problems.add(Problem(stream=HEADS, sequence=1, kind=Kind.STALE, message=what))
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
                report(head_problem(newest, Kind.UNSIGNED, "the newest head is not signed"))
            elif not self._signer.verify(canonical(signed), signature):
                what = f"the newest head is not signed by {self._signer.key}"
                report(head_problem(newest, Kind.FORGED, what))
        return check.entries, newest


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
