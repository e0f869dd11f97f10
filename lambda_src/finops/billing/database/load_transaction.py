"""One transaction of a load: the file's rows and its ledger entry, together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from finops.billing.batches import Batch
from finops.billing.database.ledger_rows import (
    FILES_AT_ONCE,
    LOADED,
    OPEN,
    file_entry,
    format_columns,
    in_groups,
    now,
    sums_text,
    tally_of,
    tally_text,
    unknown_load,
)
from finops.billing.database.other_datasets import bills_of_other_datasets
from finops.billing.database.row_statements import PENDING
from finops.billing.database.row_writer import RowWriter
from finops.billing.database.runs import loaded_files, run_files
from finops.billing.domain import (
    BILLS_REPLACED,
    REPLACED,
    FileEntry,
    FileStatus,
    Tally,
    add_notes,
)
from finops.billing.period_identity import Period, identity_of
from finops.billing.ports import PeriodHolder, RunFiles, SameBills, Stored, Written
from finops.billing.schemas import Schema
from finops.shared.data_api import DataApi, Result, Value
from finops.shared.errors import ConfigurationError, TransientFailure

#: Charges that one statement removes, within seconds; it may take 45 s.
_REMOVED_AT_ONCE: Final = 20_000
#: An account takes up to 1 KB, and an answer holds 1 MiB.
_ACCOUNTS_AT_ONCE: Final = 500
#: A key takes up to 1 KB. First parts sort before others.
_KEYS_AT_ONCE: Final = 500
#: A part's row takes up to 2 KB with its tally and URI, and an answer holds 1 MiB.
_PARTS_AT_ONCE: Final = 400


class AuroraLoadTransaction:
    """`LoadTransaction` on the Data API."""

    def __init__(self, database: DataApi, identifier: str) -> None:
        self._database = database
        self._identifier = identifier
        self._writer: RowWriter | None = None

    def _execute(self, sql: str, /, **values: Value) -> Result:
        return self._database.execute(sql, values, transaction=self._identifier)

    def _read(self, sql: str, /, **values: Value) -> Result:
        """Outside this transaction, which may not see what others committed since it began."""
        return self._database.execute(sql, values)

    def lock(self, load_id: int) -> FileEntry:
        try:
            found = self._execute(
                "SELECT * FROM billing_files WHERE load_id = :load_id FOR UPDATE NOWAIT",
                load_id=load_id,
            )
        except TransientFailure as error:
            if error.code in {"busy", "lock_timeout"}:
                raise TransientFailure(
                    f"load {load_id} is locked by another loader; if that has died, its lock ends "
                    "within three minutes",
                    code="file_is_busy",
                    step="lock_file",
                ) from error
            raise
        if not found.rows:
            raise unknown_load(load_id)
        return file_entry(found.rows[0])

    def newer_version(self, entry: FileEntry) -> PeriodHolder | None:
        found = self._execute(
            "SELECT * FROM billing_files WHERE key_hash = :key_hash"
            f" AND version_order > :version_order AND status IN {LOADED}"
            " ORDER BY version_order DESC LIMIT 1",
            key_hash=entry.source.key_hash,
            version_order=entry.source.order,
        )
        if not found.rows:
            return None
        newer = file_entry(found.rows[0])
        return PeriodHolder(entry=newer, periods=self.periods_of(newer))

    def write(
        self,
        entry: FileEntry,
        schema: Schema,
        batch: Batch,
        *,
        replace: bool,
        later: bool = False,
    ) -> Written:
        if self._writer is None:
            self._writer = RowWriter(
                self._execute, self._read, entry, schema, may_replace=replace, later=later
            )
        written = self._writer.write(batch)
        self._note_replaced(written.replaced, entry)
        return written

    def _note_replaced(self, replaced: Mapping[int, int], by: FileEntry) -> None:
        for load_id, count in sorted(replaced.items()):
            self._add_note(load_id, BILLS_REPLACED, count)
            self._enter_replacement(load_id, by)

    def apply_pending(self, entry: FileEntry, schema: Schema) -> None:
        found = self._execute(
            f"SELECT MAX(line) AS line FROM {PENDING} WHERE load_id = :load_id",
            load_id=entry.load_id,
        ).rows[0]["line"]
        if not schema.key or found is None:
            return
        writer = RowWriter(self._execute, self._read, entry, schema, may_replace=entry.replaces)
        self._note_replaced(writer.apply(int(found)), entry)

    def stored(self, entry: FileEntry, schema: Schema, first: int, last: int | None) -> Stored:
        lines = {"first": first} if last is None else {"first": first, "last": last}
        which = "load_id = :load_id AND line >= :first" + (
            "" if last is None else " AND line < :last"
        )
        columns = f"{schema.currency} AS currency, {schema.amount} AS amount"
        columns += f", {schema.usd[0][1]} AS amount_usd"
        rows = f"SELECT {columns} FROM {schema.table} WHERE {which}"
        if schema.key:
            rows += f" UNION ALL SELECT {columns} FROM {PENDING} WHERE {which}"
        found = self._execute(
            "SELECT currency, COUNT(*) AS counted, SUM(amount) AS amount,"
            f" SUM(amount_usd) AS amount_usd FROM ({rows}) s GROUP BY currency",
            load_id=entry.load_id,
            **lines,
        ).rows
        return Stored(
            rows=sum(row["counted"] for row in found),
            sums={row["currency"]: Decimal(row["amount"]) for row in found},
            amount_usd=sum((Decimal(row["amount_usd"]) for row in found), Decimal(0)),
        )

    def last_line(self, entry: FileEntry, schema: Schema) -> int:
        found = self._execute(
            f"SELECT COALESCE(MAX(line), -1) AS line FROM {schema.table} WHERE load_id = :load_id",
            load_id=entry.load_id,
        )
        return int(found.rows[0]["line"])

    def claim_content(
        self, entry: FileEntry, sha256: str, schema: Schema | None = None
    ) -> FileEntry | None:
        holds = (
            f"EXISTS (SELECT 1 FROM {schema.table} r WHERE r.load_id = f.load_id)"
            if schema
            else "f.rows_read > 0"
        )
        found = self._execute(
            f"SELECT f.* FROM billing_files f WHERE content_sha256 = :sha256 AND status IN {LOADED}"
            f" AND load_id <> :load_id AND {holds}"
            " ORDER BY (dataset = :dataset) DESC, load_id LIMIT 1",
            sha256=sha256,
            load_id=entry.load_id,
            dataset=entry.dataset,
        )
        # A load that failed, hangs or holds no row has no claim; one that is finishing is waited
        # for. A loaded file gets no further rows, so what is read here stays true.
        empty = self._execute(
            "SELECT load_id FROM billing_files f WHERE original_sha256 = :sha256"
            f" AND status IN {LOADED} AND NOT {holds}",
            sha256=sha256,
        ).rows
        self._execute(
            "UPDATE billing_files SET original_sha256 = NULL WHERE original_sha256 = :sha256"
            f" AND load_id <> :load_id AND (status NOT IN {LOADED} OR load_id = :empty)",
            sha256=sha256,
            load_id=entry.load_id,
            empty=empty[0]["load_id"] if empty else 0,
        )
        self._execute(
            "UPDATE billing_files SET content_sha256 = :sha256, original_sha256 = :original"
            " WHERE load_id = :load_id",
            sha256=sha256,
            original=None if found.rows else sha256,
            load_id=entry.load_id,
        )
        return file_entry(found.rows[0]) if found.rows else None

    def same_bills(self, entry: FileEntry, tally: Tally) -> SameBills | None:
        return bills_of_other_datasets(self._database, self._identifier, entry, tally)

    def other_ids(self, entry: FileEntry, schema: Schema) -> FileEntry | None:
        self._lock_dataset(entry)
        # Outside this transaction, which may not see what others committed since it began.
        found = self._database.execute(
            f"SELECT * FROM billing_files f WHERE dataset = :dataset AND status IN {LOADED}"
            " AND schema_name = :schema AND id_rule <> :id_rule AND load_id <> :load_id"
            f" AND EXISTS (SELECT 1 FROM {schema.table} r WHERE r.load_id = f.load_id) LIMIT 1",
            {
                "dataset": entry.dataset,
                "schema": schema.name,
                "id_rule": entry.id_rule,
                "load_id": entry.load_id,
            },
        ).rows
        return file_entry(found[0]) if found else None

    def _lock_dataset(self, entry: FileEntry) -> None:
        """Whoever asks for this dataset afterwards waits until this transaction has ended."""
        self._execute(
            "INSERT INTO billing_datasets (dataset) VALUES (:dataset)"
            " ON DUPLICATE KEY UPDATE dataset = VALUES(dataset)",
            dataset=entry.dataset,
        )

    def loaded_below(self, entry: FileEntry, folder: str) -> Sequence[FileEntry]:
        self._lock_dataset(entry)
        return loaded_files(self._database, folder)

    def older_versions(self, entry: FileEntry, schema: Schema) -> list[PeriodHolder]:
        others = " AND schema_name <> :schema" if schema.key else ""
        found = self._execute(
            "SELECT * FROM billing_files WHERE key_hash = :key_hash"
            f" AND version_order < :version_order AND status IN {LOADED}{others}"
            f" ORDER BY version_order DESC LIMIT {FILES_AT_ONCE:d}"
            f"{'' if schema.key else ' FOR UPDATE'}",
            key_hash=entry.source.key_hash,
            version_order=entry.source.order,
            **({"schema": schema.name} if schema.key else {}),
        ).rows
        return [
            PeriodHolder(entry=one, periods=self.periods_of(one)) for one in map(file_entry, found)
        ]

    def period_holders(self, entry: FileEntry, periods: AbstractSet[Period]) -> list[PeriodHolder]:
        starts = sorted({date.fromisoformat(identity_of(one).start) for one in periods})
        for start in starts:
            # Of no dataset, since a period counts once wherever its files lie.
            self._execute(
                "INSERT INTO focus_periods (dataset, billing_period_start)"
                " VALUES ('', :start) ON DUPLICATE KEY UPDATE dataset = ''",
                start=str(start),
            )
        # Outside this transaction, which may not see what others committed since it began.
        read = self._database.execute
        accounts = {identity_of(one).account for one in periods}
        loads = {
            int(row["load_id"])
            for days in [_around(start) for start in starts]
            for account in self._accounts(days)
            if identity_of((account, "", "")).account in accounts
            for row in read(
                "SELECT DISTINCT load_id FROM focus_charges WHERE billing_account_id = :account"
                " AND billing_period_start BETWEEN :first AND :last",
                {"account": account, **days},
            ).rows
        } - {entry.load_id}
        found = []
        for some in in_groups(sorted(loads)):
            rows = read(
                f"SELECT * FROM billing_files WHERE load_id IN ({some}) AND status IN {LOADED}"
            ).rows
            found += [file_entry(row) for row in rows]
        return [
            PeriodHolder(entry=one, periods=self.periods_of(one))
            for one in found
            if one.source.key_hash != entry.source.key_hash
        ]

    def _accounts(self, days: Mapping[str, str]) -> Iterator[str]:
        """The billing accounts of these days, as they are written."""
        after = ""
        while True:
            page = self._database.execute(
                "SELECT DISTINCT billing_account_id AS account FROM focus_charges"
                " WHERE billing_period_start BETWEEN :first AND :last"
                " AND billing_account_id > :after ORDER BY billing_account_id"
                f" LIMIT {_ACCOUNTS_AT_ONCE:d}",
                {"after": after, **days},
            ).rows
            yield from (row["account"] for row in page)
            if len(page) < _ACCOUNTS_AT_ONCE:
                return
            after = page[-1]["account"]

    def sub_accounts(self, load_id: int) -> AbstractSet[str]:
        rows = self._execute(
            "SELECT DISTINCT COALESCE(sub_account_id, '') AS sub_account FROM focus_charges"
            " WHERE load_id = :load_id",
            load_id=load_id,
        ).rows
        return {row["sub_account"] for row in rows}

    def on_their_way(self, prefix: str) -> list[str]:
        rows = self._database.execute(
            f"SELECT DISTINCT object_key FROM billing_files WHERE status IN {OPEN}"
            " AND LEFT(object_key, CHAR_LENGTH(:prefix)) = :prefix"
            f" ORDER BY object_key LIMIT {_KEYS_AT_ONCE:d}",
            {"prefix": prefix},
        ).rows
        return [row["object_key"] for row in rows]

    def passed_over(self, prefix: str) -> list[FileEntry]:
        found: list[FileEntry] = []
        after = 0
        while True:
            page = self._database.execute(
                "SELECT * FROM billing_files f WHERE load_id > :after"
                " AND :prefix IN (LEFT(object_key, CHAR_LENGTH(:prefix)),"
                " LEFT(part_of, CHAR_LENGTH(:prefix)))"
                f" AND (status = '{FileStatus.REJECTED}' AND error_code <> 'duplicate_content'"
                f" OR status = '{FileStatus.SUPERSEDED}' AND EXISTS (SELECT 1 FROM"
                " billing_replacements r JOIN billing_files b ON b.load_id = r.replaced_by"
                " WHERE r.load_id = f.load_id AND b.key_hash <> f.key_hash))"
                " AND NOT EXISTS (SELECT 1 FROM billing_files n WHERE n.key_hash = f.key_hash"
                " AND n.version_order > f.version_order)"
                f" ORDER BY load_id LIMIT {FILES_AT_ONCE:d}",
                {"after": after, "prefix": prefix},
            ).rows
            found += map(file_entry, page)
            if len(page) < FILES_AT_ONCE:
                return found
            after = page[-1]["load_id"]

    def versions_until(self, entry: FileEntry) -> int:
        found = self._database.execute(
            "SELECT COUNT(*) AS counted FROM billing_files WHERE key_hash = :key_hash"
            " AND version_order <= :version_order",
            {"key_hash": entry.source.key_hash, "version_order": entry.source.order},
        )
        return int(found.rows[0]["counted"])

    def run_files(self, folder: str) -> RunFiles:
        return run_files(self._database, folder)

    def hold(self, entry: FileEntry) -> None:
        found = self._execute(
            f"SELECT load_id FROM billing_files WHERE load_id = :load_id AND status IN {LOADED}"
            " LOCK IN SHARE MODE",
            load_id=entry.load_id,
        ).rows
        if not found:
            raise TransientFailure(
                f"{entry.source.uri} (load {entry.load_id}) does not count any more",
                code="busy",
                step="settle_periods",
            )

    def periods_of(self, entry: FileEntry) -> AbstractSet[Period]:
        rows = self._database.execute(
            "SELECT DISTINCT billing_account_id, billing_period_start,"
            " COALESCE(provider_name, '') AS provider FROM focus_charges WHERE load_id = :load_id",
            {"load_id": entry.load_id},
        ).rows
        return {
            (row["billing_account_id"], row["billing_period_start"][:19], row["provider"])
            for row in rows
        }

    def supersede(self, files: Sequence[FileEntry], by: FileEntry) -> None:
        for one in files:
            self._execute(
                f"UPDATE billing_files SET status = '{FileStatus.SUPERSEDED}',"
                " original_sha256 = NULL, error = :reason, error_code = 'replaced'"
                f" WHERE load_id = :load_id AND status IN {LOADED}",
                load_id=one.load_id,
                reason=f"replaced by {by.source.uri} (load {by.load_id})",
            )
            self._enter_replacement(one.load_id, by)

    def take_periods(self, entry: FileEntry, periods: Sequence[Period], by: FileEntry) -> None:
        removed = 0
        for account, start, provider in periods:
            while changed := self._execute(
                "DELETE FROM focus_charges WHERE load_id = :load_id"
                " AND billing_period_start = :start AND billing_account_id = :account"
                f" AND COALESCE(provider_name, '') = :provider LIMIT {_REMOVED_AT_ONCE:d}",
                load_id=entry.load_id,
                start=start,
                account=account,
                provider=provider,
            ).changed:
                removed += changed
        self._add_note(entry.load_id, REPLACED, removed)
        self._execute(
            "UPDATE billing_files SET amount_usd ="
            " (SELECT COALESCE(SUM(billed_cost_usd), 0) FROM focus_charges"
            " WHERE load_id = :load_id) WHERE load_id = :load_id",
            load_id=entry.load_id,
        )
        self._enter_replacement(entry.load_id, by)

    def _add_note(self, load_id: int, name: str, count: int) -> None:
        found = self._execute(
            "SELECT notes FROM billing_files WHERE load_id = :load_id FOR UPDATE", load_id=load_id
        ).rows
        notes = json.loads(found[0]["notes"] or "{}")
        add_notes(notes, {name: count})
        self._execute(
            "UPDATE billing_files SET notes = :notes WHERE load_id = :load_id",
            load_id=load_id,
            notes=json.dumps(notes, sort_keys=True),
        )

    def _enter_replacement(self, load_id: int, by: FileEntry) -> None:
        self._execute(
            "INSERT IGNORE INTO billing_replacements (load_id, replaced_by)"
            " VALUES (:load_id, :replaced_by)",
            load_id=load_id,
            replaced_by=by.load_id,
        )

    def finish(
        self,
        entry: FileEntry,
        status: FileStatus,
        tally: Tally,
        *,
        schema: str,
        quarantine_uri: str,
        why: str = "",
    ) -> None:
        if self._writer is not None:
            self._writer.refuse_uncertain()
        self._execute(
            "UPDATE billing_files SET status = :status, schema_name = :schema,"
            " rows_read = :rows_read, rows_inserted = :inserted, rows_updated = :updated,"
            " rows_unchanged = :unchanged, rows_superseded = :superseded,"
            " rows_quarantined = :quarantined, amounts = :amounts, amount_usd = :amount_usd,"
            " quarantine_uri = :quarantine_uri, notes = :notes, used_format = :used_format,"
            " id_rule = :id_rule, first_day = :first_day, last_day = :last_day,"
            " error = :why, error_code = :why_code,"
            " finished_at = :finished_at WHERE load_id = :load_id",
            status=status.value,
            schema=schema,
            rows_read=tally.read,
            inserted=tally.inserted,
            updated=tally.updated,
            unchanged=tally.unchanged,
            superseded=tally.superseded,
            quarantined=tally.quarantined,
            amounts=sums_text(tally.read_sums),
            amount_usd=tally.amount_usd,
            quarantine_uri=quarantine_uri,
            notes=json.dumps(tally.notes, sort_keys=True) if tally.notes else None,
            **format_columns(entry.format),
            why=why or None,
            why_code="run_is_incomplete" if why else "",
            first_day=tally.first_day or None,
            last_day=tally.last_day or None,
            finished_at=now(),
            load_id=entry.load_id,
        )

    def chunk_is_loaded(self, load_id: int, number: int) -> bool:
        found = self._execute(
            "SELECT loaded_at FROM billing_chunks WHERE load_id = :load_id AND number = :number"
            " FOR UPDATE",
            load_id=load_id,
            number=number,
        ).rows
        if not found:
            raise ConfigurationError(
                f"load {load_id} has no part {number}", code="unknown_chunk", step="load_chunk"
            )
        return found[0]["loaded_at"] is not None

    def enter_chunk(self, load_id: int, number: int, tally: Tally, quarantine_uri: str) -> None:
        if self._writer is not None:
            self._writer.refuse_uncertain()
        self._execute(
            "UPDATE billing_chunks SET tally = :tally, quarantine_uri = :uri, loaded_at = :now"
            " WHERE load_id = :load_id AND number = :number",
            tally=tally_text(tally),
            uri=quarantine_uri,
            now=now(),
            load_id=load_id,
            number=number,
        )

    def withdrawn_since_parts(self, entry: FileEntry) -> bool:
        found = self._read(
            "SELECT COUNT(*) AS counted FROM billing_files WHERE dataset = :dataset"
            f" AND status = '{FileStatus.WITHDRAWN}' AND finished_at >="
            " (SELECT MIN(loaded_at) FROM billing_chunks WHERE load_id = :load_id)",
            dataset=entry.dataset,
            load_id=entry.load_id,
        )
        return bool(found.rows[0]["counted"])

    def chunks(self, load_id: int) -> tuple[int, list[int], Tally, str]:
        rows: list[Mapping[str, Any]] = []
        while True:
            page = self._execute(
                "SELECT number, tally, quarantine_uri FROM billing_chunks"
                " WHERE load_id = :load_id AND number > :after"
                f" ORDER BY number LIMIT {_PARTS_AT_ONCE:d}",
                load_id=load_id,
                after=rows[-1]["number"] if rows else -1,
            ).rows
            rows += page
            if len(page) < _PARTS_AT_ONCE:
                break
        tally = Tally()
        for row in rows:
            if row["tally"]:
                tally.add(tally_of(row["tally"]))
        folders = {row["quarantine_uri"].rpartition("/")[0] for row in rows}
        folder = next((f"{one}/" for one in sorted(folders) if one), "")
        return len(rows), [row["number"] for row in rows if not row["tally"]], tally, folder


def _around(day: date) -> dict[str, str]:
    """The first and the last time that a period of this first day may be stored with."""
    a_day = timedelta(days=1)
    return {"first": str(day - a_day), "last": str(day + a_day)}
