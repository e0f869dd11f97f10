"""Reading the trail's entries, the newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from finops.audit.actors import is_actor_proven
from finops.audit.chains import bodies
from finops.audit.domain import TRAIL_PREFIX, DamagedEntry, chain_prefix, lines_of, read_entry
from finops.audit.ports import TrailStore
from finops.shared.audit import rfc3339

#: How much earlier than a flow says its entry may have been received: clocks differ.
_CLOCK_SKEW: Final = timedelta(minutes=5)


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
        unproven: Only entries whose actor nobody has proven.
    """

    stream: str | None = None
    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    unproven: bool = False

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether the entry is wanted."""
        for name in ("subject", "actor", "action"):
            pattern = getattr(self, name)
            if pattern is not None and not fnmatchcase(str(entry.get(name, "")), pattern):
                return False
        if self.unproven and is_actor_proven(entry):
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


def _received_at(entry: Mapping[str, Any]) -> str:
    return str(entry.get("received_at", ""))
