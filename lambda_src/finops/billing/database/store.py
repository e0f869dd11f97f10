"""The ledger: every file, and its status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from finops.billing.database.ledger_rows import (
    FILES_AT_ONCE,
    LOADED,
    OPEN,
    file_entry,
    format_columns,
    now,
    unknown_load,
)
from finops.billing.database.row_statements import PENDING
from finops.billing.database.runs import keep_manifest, waiting_files
from finops.billing.domain import TO_FIX, FileEntry, FileStatus, SourceObject
from finops.billing.schemas import BILLING, Schema
from finops.shared.data_api import DataApi, Value
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

if TYPE_CHECKING:
    from finops.billing.database.load_transaction import AuroraLoadTransaction

_REMOVED_AT_ONCE: Final = 20_000
#: A file is settled where a newer version of its object is loaded, or where files that correct it
#: brought as many rows as it quarantined, or leave the rest out. What these quarantine is theirs.
#: Bills of a file that failed are in no newer version, unless it has them, too. Of versions that
#: were refused, the newest waits; a copy of a loaded file is settled.
_UNSETTLED: Final = (
    " AND NOT EXISTS (SELECT 1 FROM billing_files n WHERE n.key_hash = f.key_hash"
    f" AND n.version_order > f.version_order AND (n.status IN {LOADED}"
    f" OR (f.status = '{FileStatus.REJECTED}' AND n.status = '{FileStatus.REJECTED}'))"
    f" AND NOT (f.status = '{FileStatus.FAILED}' AND f.schema_name = '{BILLING.name}'))"
    f" AND NOT (f.status = '{FileStatus.REJECTED}' AND (f.error_code = 'duplicate_content'"
    " OR EXISTS (SELECT 1 FROM billing_files c WHERE c.corrects = f.file_id"
    f" AND c.status IN {LOADED})))"
    f" AND (f.status IN ('{FileStatus.FAILED}', '{FileStatus.REJECTED}')"
    " OR f.rows_quarantined > (SELECT COALESCE(SUM("
    "CASE WHEN c.leaves_out THEN f.rows_quarantined ELSE c.rows_read END), 0)"
    " FROM billing_files c WHERE c.corrects = f.file_id AND c.dataset = f.dataset"
    f" AND c.status IN {LOADED}))"
)
_NEWEST: Final = (1 << 63) - 1
#: Who waits for a lock is told so before the Data API cuts the statement off after 45 s; the
#: server's own limit is 50 s. The modes of MySQL 8.0, whatever a parameter group says: a value that
#: does not fit is an error. https://dev.mysql.com/doc/refman/8.0/en/sql-mode.html
_SESSION: Final = (
    "SET SESSION innodb_lock_wait_timeout = 30, sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,"
    "NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)


class AuroraBillingStore:
    """`BillingStore` on the Data API."""

    def __init__(self, database: DataApi) -> None:
        self._database = database

    def receive(self, source: SourceObject, dataset: str) -> FileEntry:
        entry = self.by_file_id(source.file_id)
        if entry is None:
            self._database.execute(
                "INSERT IGNORE INTO billing_files (file_id, bucket, object_key, key_hash,"
                " version_id, etag, version_order, size_bytes, dataset, principal, submitted_by,"
                " restates, part_of, corrects, leaves_out, received_at)"
                " VALUES (:file_id, :bucket, :object_key, :key_hash, :version_id, :etag,"
                " :version_order, :size_bytes, :dataset, :principal, :submitted_by,"
                " :restates, :part_of, :corrects, :leaves_out, :received_at)",
                {
                    "file_id": source.file_id,
                    "bucket": source.bucket,
                    "object_key": source.key,
                    "key_hash": source.key_hash,
                    "version_id": source.version_id,
                    "etag": source.etag,
                    "version_order": source.order,
                    "size_bytes": source.size,
                    "dataset": dataset,
                    "principal": source.principal[:256],
                    "submitted_by": source.submitted_by[:256],
                    "restates": int(source.restates),
                    "part_of": source.part_of[:1024],
                    "corrects": source.corrects[:32],
                    "leaves_out": int(source.leaves_out),
                    "received_at": now(),
                },
            )
            entry = self.by_file_id(source.file_id)
        if entry is None:
            raise TransientFailure(
                f"{source.uri} could not be added to the ledger",
                code="not_entered",
                step="receive_file",
            )
        return entry

    def by_file_id(self, file_id: str) -> FileEntry | None:
        """The ledger entry of a version of an object, if there is one."""
        found = self._database.execute(
            "SELECT * FROM billing_files WHERE file_id = :file_id", {"file_id": file_id}
        ).rows
        return file_entry(found[0]) if found else None

    def find(self, load_id: int) -> FileEntry:
        found = self._database.execute(
            "SELECT * FROM billing_files WHERE load_id = :load_id", {"load_id": load_id}
        )
        if not found.rows:
            raise unknown_load(load_id)
        return file_entry(found.rows[0])

    def files(
        self,
        *,
        ending: str = "",
        dataset: str = "",
        status: str = "",
        to_fix: bool = False,
        limit: int = 100,
    ) -> list[FileEntry]:
        """The newest files of the ledger, newest first.

        Args:
            ending: How the key ends, such as a file's name.
            dataset: Only files of this dataset.
            status: Only files with this status.
            to_fix: Only those that `count_to_fix` counts.
            limit: How many at most.
        """
        given: dict[str, Value] = {"ending": ending, "dataset": dataset, "status": status}
        wanted = {name: value for name, value in given.items() if value}
        columns = {"ending": "RIGHT(object_key, CHAR_LENGTH(:ending)) = :ending"}
        where = "".join(f" AND {columns.get(name, f'{name} = :{name}')}" for name in wanted)
        if to_fix:
            where += f" AND status IN {_sql_list(TO_FIX)}{_UNSETTLED}"
        found: list[FileEntry] = []
        before = _NEWEST
        while len(found) < limit:
            count = min(limit - len(found), FILES_AT_ONCE)
            page = self._database.execute(
                f"SELECT * FROM billing_files f WHERE load_id < :before{where}"
                f" ORDER BY load_id DESC LIMIT {count:d}",
                {**wanted, "before": before},
            ).rows
            found += map(file_entry, page)
            if len(page) < count:
                break
            before = page[-1]["load_id"]
        return found

    def count_by_status(self) -> dict[FileStatus, int]:
        """How many files the ledger has in each status."""
        found = self._database.execute(
            "SELECT status, COUNT(*) AS counted FROM billing_files GROUP BY status"
        )
        return {FileStatus(row["status"]): row["counted"] for row in found.rows}

    def count_to_fix(self) -> dict[FileStatus, int]:
        """How many files that were refused or failed, or have quarantined rows, wait for somebody.

        A file is settled once a newer version of its object is loaded, or once loaded files of its
        dataset that correct it brought as many rows as it quarantined, or leave the rest out. One
        that was refused is settled by any loaded file that corrects it, or where it is a copy.
        """
        found = self._database.execute(
            "SELECT status, COUNT(*) AS counted FROM billing_files f"
            f" WHERE status IN {_sql_list(TO_FIX)}{_UNSETTLED} GROUP BY status"
        )
        return {FileStatus(row["status"]): row["counted"] for row in found.rows}

    def is_to_fix(self, entry: FileEntry) -> bool:
        """Whether `count_to_fix` counts a file."""
        return bool(
            self._database.execute(
                "SELECT load_id FROM billing_files f WHERE load_id = :load_id"
                f" AND status IN {_sql_list(TO_FIX)}{_UNSETTLED}",
                {"load_id": entry.load_id},
            ).rows
        )

    def corrections(self, entry: FileEntry) -> list[FileEntry]:
        """The loaded files of its dataset that correct a file, oldest first; at most 50."""
        found = self._database.execute(
            "SELECT * FROM billing_files WHERE corrects = :file_id AND dataset = :dataset"
            f" AND status IN {LOADED} ORDER BY load_id LIMIT {FILES_AT_ONCE:d}",
            {"file_id": entry.source.file_id, "dataset": entry.dataset},
        )
        return [file_entry(row) for row in found.rows]

    @contextmanager
    def transaction(self) -> Iterator[AuroraLoadTransaction]:
        # What reads files, for which commands that only read the ledger do not wait.
        from finops.billing.database.load_transaction import AuroraLoadTransaction

        with self._database.transaction() as identifier:
            self._database.execute(_SESSION, transaction=identifier)
            yield AuroraLoadTransaction(self._database, identifier)

    def mark(
        self, load_id: int, status: FileStatus, error: FinOpsError | None = None, **facts: Any
    ) -> None:
        if "used_format" in facts:
            facts |= format_columns(facts["used_format"])
        further = "".join(f", {name} = :{name}" for name in facts)
        # A rejected file is its sender's to fix; only an operator asks which step failed.
        reason = error.explanation if isinstance(error, RejectedInput) else str(error or "")
        ended = (FileStatus.REJECTED, FileStatus.FAILED, FileStatus.IGNORED)
        finished = now() if status in ended else None
        self._database.execute(
            "UPDATE billing_files SET status = :status, error = :error, error_code = :code,"
            f" finished_at = :finished_at{further}"
            f" WHERE load_id = :load_id AND status IN {OPEN}",
            {
                "status": status.value,
                "error": reason[:4000] or None,
                "code": error.code[:64] if error else "",
                "finished_at": finished,
                "load_id": load_id,
                **facts,
            },
        )

    def waiting(self, folder: str) -> Sequence[FileEntry]:
        return waiting_files(self._database, folder)

    def replaced_by_parts(self, prefix: str) -> Sequence[tuple[FileEntry, int]]:
        found = self._database.execute(
            "SELECT b.*, o.load_id AS replaced FROM billing_files b"
            " JOIN billing_replacements r ON r.replaced_by = b.load_id"
            " JOIN billing_files o ON o.load_id = r.load_id AND o.key_hash <> b.key_hash"
            " WHERE :prefix IN (LEFT(b.object_key, CHAR_LENGTH(:prefix)),"
            " LEFT(b.part_of, CHAR_LENGTH(:prefix)))"
            f" AND b.status IN {LOADED} AND o.status = '{FileStatus.SUPERSEDED}'"
            f" ORDER BY b.load_id, o.load_id LIMIT {FILES_AT_ONCE:d}",
            {"prefix": prefix},
        ).rows
        return [(file_entry(row), int(row["replaced"])) for row in found]

    def keep_manifest(self, folder: str, names: AbstractSet[str]) -> None:
        keep_manifest(self._database, folder, names)

    def plan_chunks(self, load_id: int, lines: Mapping[int, int], schema: Schema) -> None:
        before = self._database.execute(
            "SELECT number, first_line FROM billing_chunks WHERE load_id = :load_id",
            {"load_id": load_id},
        ).rows
        if before and {row["number"]: int(row["first_line"]) for row in before} != lines:
            self.forget_parts(load_id, schema)
        self._database.execute(
            "INSERT IGNORE INTO billing_chunks (load_id, number, first_line)"
            " SELECT :load_id, j.number, j.line FROM JSON_TABLE(:lines, '$[*]' COLUMNS"
            " (number INT UNSIGNED PATH '$[0]', line BIGINT UNSIGNED PATH '$[1]')) j",
            {"load_id": load_id, "lines": json.dumps(sorted(lines.items()))},
        )

    def forget_parts(self, load_id: int, schema: Schema) -> None:
        # First the parts, so that whoever is cut off finds them missing.
        self._database.execute(
            "DELETE FROM billing_chunks WHERE load_id = :load_id", {"load_id": load_id}
        )
        self._forget_pending(load_id)
        self._remove_rows(load_id, schema)

    def _forget_pending(self, load_id: int) -> None:
        """Rows of other loads know nothing of this one any more, nor wait to be changed by it."""
        with self._database.transaction() as transaction:
            for sql in (
                f"UPDATE {BILLING.table} t JOIN billing_files f ON f.load_id = :load_id"
                " AND t.dataset = f.dataset SET t.seen_load_id = t.load_id"
                " WHERE t.seen_load_id = :load_id AND t.load_id <> :load_id",
                f"DELETE FROM {PENDING} WHERE load_id = :load_id",
            ):
                self._database.execute(sql, {"load_id": load_id}, transaction=transaction)

    def _remove_rows(self, load_id: int, schema: Schema) -> int:
        removed = 0
        while changed := self._database.execute(
            f"DELETE FROM {schema.table} WHERE load_id = :load_id LIMIT {_REMOVED_AT_ONCE}",
            {"load_id": load_id},
        ).changed:
            removed += changed
        return removed

    def purge_superseded(self, schema: Schema) -> int:
        if schema.key:
            return 0
        loads = self._database.execute(
            "SELECT load_id FROM billing_files f"
            f" WHERE status IN ('{FileStatus.SUPERSEDED}', '{FileStatus.REJECTED}',"
            f" '{FileStatus.WITHDRAWN}')"
            " AND schema_name = :schema AND EXISTS"
            f" (SELECT 1 FROM {schema.table} c WHERE c.load_id = f.load_id)",
            {"schema": schema.name},
        ).rows
        return sum(self._remove_rows(load["load_id"], schema) for load in loads)


def _sql_list(statuses: Iterable[FileStatus]) -> str:
    return "(" + ", ".join(f"'{one}'" for one in statuses) + ")"
