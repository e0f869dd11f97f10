"""Writing the rows of bills into their table, in as few statements as the rows need.

Rows that are new need one statement. Rows that are known and the same need two, which compare
digests. Whatever is left is written by the statements of `RowStatements` one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from finops.billing.batches import Batch, document_of
from finops.billing.database.ledger_rows import LOADED, LOST, in_groups
from finops.billing.database.row_statements import PENDING, row_digest, row_statements
from finops.billing.domain import FileEntry, add_amounts
from finops.billing.ports import RowsTakenOver, Written
from finops.billing.rows import Row
from finops.billing.schemas import Schema
from finops.shared.data_api import Result, Value
from finops.shared.errors import TransientFailure
from finops.shared.money import EXACT

#: Lines whose rows one statement changes, within seconds; it may take 45 s.
_LINES_AT_ONCE: Final = 50_000
_NOTHING: Final = Written(inserted=0, updated=0, kept_sums={})
_encode = msgspec.json.Encoder().encode


class Execute(Protocol):
    """Runs a statement within the load's transaction."""

    def __call__(self, sql: str, /, **values: Value) -> Result:
        """Its result."""


class RowWriter:
    """Writes the rows of a load.

    Args:
        execute: Runs a statement within its transaction.
        read: Runs one outside of it, which sees what others have committed.
        entry: The load.
        schema: Of its rows.
        may_replace: Whether it may correct what other objects brought.
        later: Whether rows that count are changed later, by `apply`.
    """

    def __init__(
        self,
        execute: Execute,
        read: Execute,
        entry: FileEntry,
        schema: Schema,
        *,
        may_replace: bool,
        later: bool = False,
    ) -> None:
        self._execute = execute
        self._read = read
        self._entry = entry
        self._schema = schema
        self._sql = row_statements(schema)
        self._may_replace = may_replace
        self._later = later
        #: Of which rows were counted that are there already.
        self._kept_from: set[int] = set()
        self._earlier: tuple[str, str] | None = None
        self._meets_known_rows: bool | None = None
        self._load: dict[str, Value] = {"load_id": entry.load_id, "dataset": entry.dataset}
        self._object: dict[str, Value] = {"object_hash": entry.source.object_hash}
        self._version: dict[str, Value] = {"version_order": entry.source.order}

    def write(self, batch: Batch) -> Written:
        """Write a batch; see `LoadTransaction.write`."""
        total = len(batch.rows)
        if not self._schema.key:
            changed = self._execute(self._sql.insert, rows=batch.document, **self._load).changed
            return Written(inserted=changed, updated=0, kept_sums={})
        known = ""
        if self._meets_known_rows is None:
            # An earlier version of the same object brought most rows of this one.
            self._meets_known_rows = bool(self._earlier_loads()[0])
        if self._meets_known_rows:
            known = self._known(batch)
            same = self._same(self._sql.same, known)
            if same.unchanged == total:
                self._see(known, total)
                return same
        mine = self._load | self._object | self._version
        inserted = self._execute(self._sql.insert, rows=batch.document, **mine).changed
        if inserted == total:
            self._meets_known_rows = False
            return replace(_NOTHING, inserted=inserted)
        # Now all of them are there, so what is not the same can be locked without locking gaps, in
        # which other loads would wait to insert.
        known = known or self._known(batch)
        same = self._same(self._sql.same_locked, known)
        self._meets_known_rows = same.unchanged == total
        left = total - inserted - same.unchanged
        document = batch.document
        if left and same.unchanged:
            document = document_of(self._others(batch, known))
        self._see(known, same.unchanged)
        written = _both(same, self._changed(document, left)) if left else same
        return replace(written, inserted=inserted)

    def _known(self, batch: Batch) -> str:
        """What asks for rows that may be there: line, key and digest of each."""
        rows = [(row.line, row.key, row_digest(self._schema, row)) for row in batch.rows]
        return _encode(rows).decode()

    def _same(self, sql: str, known: str) -> Written:
        """The rows that are there already and are the same."""
        _, lost = self._earlier_loads()
        mine = self._load | self._object | self._version
        return self._kept(self._execute(sql, known=known, lost=lost, **mine).rows)

    def _others(self, batch: Batch, known: str) -> list[Row]:
        """The rows of a batch that are there already, and are not the same."""
        _, lost = self._earlier_loads()
        found = self._execute(self._sql.others, known=known, lost=lost, **self._load).rows
        lines = {row["line"] for row in found}
        return [row for row in batch.rows if row.line in lines]

    def _see(self, known: str, count: int) -> None:
        """Note that this load holds the rows that are the same: exactly so many."""
        if not count:
            return
        _, lost = self._earlier_loads()
        given = self._load | self._version | {"known": known, "lost": lost}
        seen = self._execute(self._sql.see_same, **given).changed
        if seen != count:
            raise TransientFailure(
                f"another load changed rows that {self._entry.source.uri} holds, too",
                code="busy",
                step="write_rows",
            )

    def _changed(self, document: str, count: int) -> Written:
        """Write so many rows that are there already; the others of the document are inserted."""
        sql = self._sql
        own, lost = self._earlier_loads()
        rows: dict[str, Value] = {"rows": document, **self._load}
        may = self._object | {"own": own, "replace": int(self._may_replace)}
        lines = [row["line"] for row in self._execute(sql.duplicates, **rows).rows]
        replaced = {}
        if self._may_replace and not self._later:
            mine = rows | self._object | self._version
            found = self._execute(sql.replaced, **mine, own=own, lost=lost).rows
            replaced = {int(row["load_id"]): int(row["counted"]) for row in found}
        given = {**rows, **may, **self._version, "lost": lost}
        if self._later:
            updated = self._pended(given) + self._execute(sql.update_lost, **given).changed
        else:
            updated = self._execute(sql.update, **given).changed
        left = count - updated - len(lines)
        conflicts: Mapping[int, str] = {}
        if left and not self._may_replace:
            conflicts = self._conflicts(self._execute(sql.conflicts, **rows, **may).rows)
        kept: Sequence[Mapping[str, Any]] = ()
        if left > len(conflicts):
            kept = self._execute(sql.kept, **rows, **may, **self._version).rows
            self._execute(sql.see, **rows, **may, **self._version)
        return replace(
            self._kept(kept),
            updated=updated,
            duplicates=lines,
            conflicts=conflicts,
            replaced=replaced,
        )

    def _pended(self, given: Mapping[str, Value]) -> int:
        """Keep the rows that change others until the file is loaded. Returns how many."""
        pended = self._execute(self._sql.pend, **given).changed
        if self._execute(self._sql.mark, **given).changed != pended:
            raise TransientFailure(
                f"another load changed rows that {self._entry.source.uri} holds, too",
                code="busy",
                step="write_rows",
            )
        return pended

    def _earlier_loads(self) -> tuple[str, str]:
        """The loads of this object, and those of its dataset that failed: ids with commas."""
        if self._earlier is None:
            found = self._read(
                f"SELECT load_id, key_hash = :key_hash AS own, status IN {LOST} AS lost"
                " FROM billing_files"
                " WHERE load_id <> :load_id AND dataset = :dataset"
                f" AND (key_hash = :key_hash OR status IN {LOST})",
                key_hash=self._entry.source.key_hash,
                **self._load,
            ).rows
            self._earlier = (
                ",".join(str(row["load_id"]) for row in found if int(row["own"])),
                ",".join(str(row["load_id"]) for row in found if int(row["lost"])),
            )
        return self._earlier

    def _kept(self, rows: Sequence[Mapping[str, Any]]) -> Written:
        """Rows that were there and stay, from their counts and sums by currency and load."""
        sums: dict[str, Decimal] = {}
        for row in rows:
            self._kept_from.add(int(row["load_id"]))
            add_amounts(sums, {row["currency"]: Decimal(row["amount"])})
        return Written(
            inserted=0,
            updated=0,
            unchanged=sum(int(row["kept"]) for row in rows),
            superseded=sum(int(row["superseded"]) for row in rows),
            elsewhere=sum(int(row["elsewhere"]) for row in rows),
            kept_sums=sums,
            kept_usd=sum((Decimal(row["amount_usd"]) for row in rows), Decimal(0)),
        )

    def refuse_uncertain(self) -> None:
        """Refuse to end where rows that were counted as they are do not surely count.

        Raises:
            TransientFailure: with code `busy`: their file was taken back meanwhile, so that the
                next attempt takes them over, or is still being loaded.
        """
        for some in in_groups(sorted(self._kept_from - {self._entry.load_id})):
            found = self._read(
                f"SELECT object_key, status FROM billing_files WHERE load_id IN ({some})"
                f" AND status NOT IN {LOADED} LIMIT 1"
            ).rows
            if found:
                raise TransientFailure(
                    f"{found[0]['object_key']} holds rows of {self._entry.source.uri}, too, and is "
                    f"{found[0]['status']}: whose they are shows when that is over",
                    code="busy",
                    step="write_rows",
                    remedy="The queue tries again; later `finops billing retry "
                    f"{self._entry.load_id}`",
                )

    def apply(self, last_line: int) -> dict[int, int]:
        """Change the rows that count, as the load's parts have it, whose last line is given.

        Returns:
            How many rows of other objects were changed, by their load.

        Raises:
            RowsTakenOver: another load changed some of them.
        """
        own, _ = self._earlier_loads()
        replaced: dict[int, int] = {}
        load = {"load_id": self._entry.load_id}
        for first in range(0, last_line + 1, _LINES_AT_ONCE):
            lines = {"first": first, "end": first + _LINES_AT_ONCE}
            waiting = self._execute(
                f"SELECT COUNT(*) AS counted FROM {PENDING} WHERE load_id = :load_id"
                " AND line >= :first AND line < :end",
                **load,
                **lines,
            ).rows[0]["counted"]
            if not waiting:
                continue
            mine = {**load, **lines, **self._object}
            for row in self._execute(self._sql.pending_replaced, **mine, own=own).rows:
                by = int(row["load_id"])
                replaced[by] = replaced.get(by, 0) + int(row["counted"])
            if self._execute(self._sql.apply_pending, **mine, **self._version).changed != waiting:
                uri = self._entry.source.uri
                raise RowsTakenOver(self._entry.load_id, f"files took rows over from {uri}")
        self._execute(f"DELETE FROM {PENDING} WHERE load_id = :load_id", **load)
        return replaced

    def _conflicts(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """The URI of the file that wrote each row, by the line of the row that differs from it."""
        loads = sorted({int(row["load_id"]) for row in rows})
        files: dict[int, str] = {}
        for some in in_groups(loads):
            found = self._execute(
                f"SELECT load_id, bucket, object_key FROM billing_files WHERE load_id IN ({some})"
            ).rows
            files |= {row["load_id"]: f"s3://{row['bucket']}/{row['object_key']}" for row in found}
        return {row["line"]: files.get(row["load_id"], "another file") for row in rows}


def _both(one: Written, other: Written) -> Written:
    """The second result, with the rows that the first one kept."""
    sums = dict(one.kept_sums)
    add_amounts(sums, other.kept_sums)
    return replace(
        other,
        unchanged=one.unchanged + other.unchanged,
        superseded=one.superseded + other.superseded,
        elsewhere=one.elsewhere + other.elsewhere,
        kept_sums=sums,
        kept_usd=EXACT.add(one.kept_usd, other.kept_usd),
    )
