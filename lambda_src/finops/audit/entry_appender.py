"""Appending entries to the trail, each id once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from finops.audit.chains import CALLS, chain_end, first_version
from finops.audit.domain import (
    DamagedEntry,
    Link,
    chain_prefix,
    claim_key,
    last_link,
    lines_of,
    object_key,
    read_entry,
    written,
)
from finops.audit.ports import TrailStore
from finops.shared.audit import rfc3339

Clock = Callable[[], datetime]


class EntryAppender:
    """Appends entries: each id once, no matter how often or by how many senders it is sent.

    An id is claimed before its entry is written. The claim holds the lowest number that the entry
    can have, so a writer that finds a claim searches from there. A writer that finds the next key
    taken reads the object under it. So nobody appends after entries that they have not read.
    """

    def __init__(self, store: TrailStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ends: dict[str, Link] = {}

    def append(self, stream: str, documents: Sequence[Mapping[str, Any]]) -> int:
        """Append those documents that the stream does not hold yet. Returns how many were added."""
        end = self._ends.get(stream) or chain_end(self._store, stream)
        unique: dict[str, Mapping[str, Any]] = {}
        for document in documents:
            unique.setdefault(document["entry_id"], document)
        with ThreadPoolExecutor(CALLS) as pool:
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
            # Another writer is claiming it at this moment, and has not written its entry yet.
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


def _ids(body: bytes) -> set[str]:
    """The ids of an object's entries."""
    found = set()
    for line in lines_of(body):
        try:
            found.add(str(read_entry(line).get("entry_id")))
        except DamagedEntry:
            continue
    return found
