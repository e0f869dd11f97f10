"""Entry ids in a temporary table on disk."""

from __future__ import annotations


class SeenIds:
    """The entry ids found so far, in a temporary table on disk: a trail may hold millions."""

    def __init__(self) -> None:
        import sqlite3  # which no function uses

        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute(
            "CREATE TABLE seen (stream TEXT, entry_id TEXT, sequence INTEGER, "
            "PRIMARY KEY (stream, entry_id)) WITHOUT ROWID"
        )

    def repeats(self, stream: str, entry_id: str, sequence: int) -> int | None:
        """Add an id. Returns the number of the earlier entry with that id, if any."""
        added = self._table.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (stream, entry_id, sequence)
        )
        if added.rowcount:
            return None
        row = self._table.execute(
            "SELECT sequence FROM seen WHERE stream = ? AND entry_id = ?", (stream, entry_id)
        ).fetchone()
        return int(row[0])
