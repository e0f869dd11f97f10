"""What entries state, by id, in a temporary table on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finops.audit.domain import facts_digest, principal
from finops.audit.verification import Seen


class SeenIds:
    """The entries found so far, in a temporary table on disk: a trail may hold millions."""

    def __init__(self) -> None:
        import sqlite3  # which no function uses

        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute(
            "CREATE TABLE seen (stream TEXT, entry_id TEXT, sequence INTEGER, facts TEXT, "
            "principal TEXT, PRIMARY KEY (stream, entry_id, sequence)) WITHOUT ROWID"
        )

    def repeats(self, stream: str, entry: Mapping[str, Any]) -> Sequence[Seen]:
        """Add an entry. Returns those with its id that were added before."""
        where = (stream, str(entry["entry_id"]))
        rows = self._table.execute(
            "SELECT sequence, facts, principal FROM seen WHERE stream = ? AND entry_id = ?", where
        ).fetchall()
        self._table.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?)",
            (*where, entry["sequence"], facts_digest(entry), principal(entry)),
        )
        return [
            Seen(sequence=int(sequence), facts=facts, principal=sender)
            for sequence, facts, sender in rows
        ]
