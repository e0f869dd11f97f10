"""Appending entries to the trail, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from finops.audit.chains import CALLS, chain_end, first_version
from finops.audit.domain import (
    DamagedEntry,
    Link,
    chain_prefix,
    claim_key,
    contradicts,
    facts_digest,
    last_link,
    lines_of,
    object_key,
    read_entry,
    repeats,
    written,
)
from finops.audit.ports import TrailStore
from finops.shared.audit import rfc3339

Clock = Callable[[], datetime]
Entry = Mapping[str, Any]


def _ignore(_entry: Entry, _held: Entry) -> None:
    pass


class EntryAppender:
    """Appends entries: each once, no matter how often or by how many senders it is sent.

    An id is claimed before its entry is written. The claim holds the lowest number that the entry
    can have, so a writer that finds a claim searches from there. A writer that finds the next key
    taken reads the object under it. So nobody appends after entries that they have not read.

    An id alone suppresses nothing, because whoever may send can guess it. An entry whose facts
    differ from those that the chain holds under its id is appended too.

    Args:
        store: The bucket.
        clock: UTC.
        contradiction: Takes an entry and the one of the same id that it contradicts.
    """

    def __init__(
        self,
        store: TrailStore,
        clock: Clock,
        contradiction: Callable[[Entry, Entry], None] = _ignore,
    ) -> None:
        self._store = store
        self._clock = clock
        self._contradiction = contradiction
        self._ends: dict[str, Link] = {}

    def append(self, stream: str, documents: Sequence[Entry]) -> int:
        """Append those documents that the stream does not hold yet. Returns how many were added."""
        end = self._ends.get(stream) or chain_end(self._store, stream)
        batch: list[Entry] = []
        for one in documents:
            if not _repeats(one, [two for two in batch if two["entry_id"] == one["entry_id"]]):
                batch.append(one)
        with ThreadPoolExecutor(CALLS) as pool:
            held = pool.map(lambda one: self._held(stream, one, end), batch)
            found = list(zip(batch, held, strict=True))
        waiting = [one for one, there in found if not _repeats(one, there)]
        others = {one["entry_id"]: there for one, there in found}
        while waiting:
            now = rfc3339(self._clock())
            body, after = written(end, ({**one, "received_at": now} for one in waiting))
            if self._store.create(object_key(stream, end.sequence + 1), body):
                end = after
                break
            taken = first_version(self._store, object_key(stream, end.sequence + 1))
            if taken is not None:
                end = last_link(end.sequence + 1, taken)
                for one in waiting:
                    others[one["entry_id"]] = [
                        *others[one["entry_id"]],
                        *_entries(taken, one["entry_id"]),
                    ]
                waiting = [one for one in waiting if not _repeats(one, others[one["entry_id"]])]
        self._ends[stream] = end
        for place, one in enumerate(waiting):
            before = (two for two in waiting[:place] if two["entry_id"] == one["entry_id"])
            for other in (*others[one["entry_id"]], *before):
                if contradicts(one, other):
                    self._contradiction(one, other)
                    break
        return len(waiting)

    def _held(self, stream: str, document: Entry, end: Link) -> list[Entry]:
        """Claim the id. Returns the entry of the same facts in the chain up to `end`, or another.

        Without a second claim, an entry that differs from the first of its id would be searched in
        the whole chain.
        """
        entry_id = document["entry_id"]
        first = self._claimed(stream, entry_id, claim_key(stream, entry_id), end)
        if not first or _repeats(document, first):
            return first
        key = claim_key(stream, entry_id, facts_digest(document))
        return [*first, *self._claimed(stream, entry_id, key, end, document)]

    def _claimed(
        self, stream: str, entry_id: str, key: str, end: Link, document: Entry | None = None
    ) -> list[Entry]:
        """Write a claim. Where there is one, find the object with the entry that it stands for."""
        if self._store.create(key, str(end.sequence + 1).encode()):
            return []
        claim = first_version(self._store, key)
        if claim is None:
            # Another writer is claiming it at this moment, and has not written its entry yet.
            return []
        sequence = int(claim) if claim.isdigit() else 0
        while sequence <= end.sequence:
            body = first_version(self._store, object_key(stream, sequence))
            if body is None:
                # The claim or the chain is not as it was written: look everywhere.
                chain = self._store.objects(chain_prefix(stream))
                return [
                    one for found in chain for one in _entries(self._store.read(found), entry_id)
                ]
            found = list(_entries(body, entry_id))
            if found and (document is None or _repeats(document, found)):
                return found
            sequence = last_link(sequence, body).sequence + 1
        return []


def _repeats(document: Entry, held: Sequence[Entry]) -> bool:
    """Whether one of these states what the document states."""
    return any(repeats(document, one) for one in held)


def _entries(body: bytes, entry_id: str) -> Iterator[Entry]:
    """The entries of an object that have this id."""
    for line in lines_of(body):
        try:
            entry = read_entry(line)
        except DamagedEntry:
            continue
        if entry.get("entry_id") == entry_id:
            yield entry
