"""The billing database behind the ports: the ledger, rows in bulk, and rates.

Rows travel as one JSON document a statement, which JSON_TABLE unpacks: four to five times more of
them a request than parameter sets carry, in one statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any, Final

from finops.billing.batches import Batch
from finops.billing.domain import FileStatus, SourceObject, Sums, Tally
from finops.billing.ports import FileEntry, Reconversion, Stored, Written
from finops.billing.schemas import Column, Kind, Schema
from finops.shared.data_api import DataApi, Value
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure
from finops.shared.money import EXACT
from finops.shared.rates import Rate

_LOADED: Final = f"('{FileStatus.LOADED}', '{FileStatus.LOADED_WITH_REJECTS}')"
_OPEN: Final = f"('{FileStatus.RECEIVED}', '{FileStatus.LOADING}', '{FileStatus.FAILED}')"
_RATES_AT_ONCE: Final = 20_000
_PURGED_AT_ONCE: Final = 20_000
#: An answer holds 1 MiB, and a row of it may take 400 bytes.
_RECONVERTED_AT_ONCE: Final = 2_000


class Statements:
    """The statements that write a schema's rows, made from its declaration."""

    def __init__(self, schema: Schema) -> None:
        usd = [name for _, name in schema.usd]
        money = f"DECIMAL({schema.digits + schema.decimals},{schema.decimals})"
        cells = [
            ("line", "BIGINT UNSIGNED"),
            ("rate", "DECIMAL(30,15)"),
            ("rate_date", "DATE"),
            *((name, money) for name in usd),
            *((column.name, _sql_type(column, money)) for column in schema.columns),
        ]
        unpacked = ", ".join(
            f"{name} {kind} PATH '$[{position}]'" for position, (name, kind) in enumerate(cells)
        )
        names = [name for name, _ in cells]
        rows = f"JSON_TABLE(:rows, '$[*]' COLUMNS ({unpacked})) j"
        self.table = schema.table
        amount, currency = schema.amount, schema.currency
        if not schema.key:
            self.insert = (
                f"INSERT INTO {schema.table} (load_id, dataset, {', '.join(names)})"
                f" SELECT :load_id, :dataset, {_of('j', names)} FROM {rows}"
            )
            return
        # IGNORE, since what it counts is what it inserted, whichever way a driver counts rows
        # that were there; values were checked before, and sums are after.
        self.insert = (
            f"INSERT IGNORE INTO {schema.table}"
            f" (dataset, load_id, seen_load_id, version_order, {', '.join(names)})"
            f" SELECT :dataset, :load_id, :load_id, :version_order, {_of('j', names)} FROM {rows}"
        )
        there = (
            f"{schema.table} t JOIN {rows} ON t.dataset = :dataset"
            f" AND t.{schema.key} = j.{schema.key}"
        )
        same = " AND ".join(
            f"t.{column.name} <=> j.{column.name}"
            for column in schema.columns
            if column.name != schema.key
        )
        self.duplicates = (
            f"SELECT j.line FROM {there} WHERE t.seen_load_id = :load_id"
            " AND NOT (t.load_id = :load_id AND t.line = j.line)"
        )
        self.update = (
            f"UPDATE {there} SET {', '.join(f't.{name} = j.{name}' for name in names)},"
            " t.load_id = :load_id, t.seen_load_id = :load_id, t.version_order = :version_order"
            " WHERE t.seen_load_id <> :load_id AND t.version_order <= :version_order"
            f" AND NOT ({same})"
        )
        newer = "t.version_order > :version_order"
        self.kept = (
            f"SELECT j.{currency} AS currency, COUNT(*) AS kept,"
            f" SUM(CASE WHEN {newer} THEN 1 ELSE 0 END) AS superseded,"
            f" SUM(CASE WHEN {newer} THEN j.{amount} ELSE t.{amount} END) AS amount,"
            f" SUM(CASE WHEN {newer} THEN 0 ELSE t.{usd[0]} END) AS amount_usd"
            f" FROM {there} WHERE t.seen_load_id <> :load_id GROUP BY j.{currency}"
        )
        # What an older file says of the row no longer counts from now on.
        self.see = (
            f"UPDATE {there} SET t.seen_load_id = :load_id,"
            " t.version_order = GREATEST(t.version_order, :version_order)"
            " WHERE t.seen_load_id <> :load_id"
        )


def _sql_type(column: Column, money: str) -> str:
    return {
        Kind.TEXT: f"VARCHAR({column.length})",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "DATETIME",
        Kind.DECIMAL: money,
        Kind.CURRENCY: "CHAR(3)",
        Kind.JSON: "LONGTEXT",
    }[column.kind]


def _of(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


_statements = cache(Statements)


class Dimension(StrEnum):
    """By what bills are added up."""

    MONTH = "month"
    PRODUCT_LINE = "product_line"
    COUNTRY = "country"
    CURRENCY = "currency"


_TOTALS: Final = {
    Dimension.MONTH: ("billing_by_month", "month"),
    Dimension.PRODUCT_LINE: ("billing_by_product_line", "product_line"),
    Dimension.COUNTRY: ("billing_by_country", "country"),
    Dimension.CURRENCY: ("billing_by_month", "currency"),
}


class AuroraTransaction:
    """`LoadTransaction` on the Data API."""

    def __init__(self, database: DataApi, identifier: str) -> None:
        self._database = database
        self._identifier = identifier

    def _execute(self, sql: str, **values: Value) -> Any:
        return self._database.execute(sql, values, transaction=self._identifier)

    def lock(self, load_id: int) -> FileEntry:
        """See the port."""
        try:
            found = self._execute(
                "SELECT * FROM billing_files WHERE load_id = :load_id FOR UPDATE NOWAIT",
                load_id=load_id,
            )
        except TransientFailure as error:
            if error.code in {"busy", "lock_timeout"}:
                raise TransientFailure(
                    f"load {load_id} is held by another loader; if that died, its transaction "
                    "ends within three minutes",
                    code="file_is_busy",
                    step="lock_file",
                ) from error
            raise
        return _entry(found.rows, load_id)

    def newer_version(self, entry: FileEntry) -> FileEntry | None:
        """See the port."""
        found = self._execute(
            "SELECT * FROM billing_files WHERE key_hash = :key_hash"
            f" AND version_order > :version_order AND status IN {_LOADED}"
            " ORDER BY version_order DESC LIMIT 1",
            key_hash=entry.source.key_hash,
            version_order=entry.source.order,
        )
        return _entry(found.rows, 0) if found.rows else None

    def write(self, entry: FileEntry, schema: Schema, batch: Batch) -> Written:
        """See the port."""
        sql = _statements(schema)
        values: dict[str, Value] = {
            "rows": batch.document,
            "load_id": entry.load_id,
            "dataset": entry.dataset,
        }
        total = len(batch.rows)
        if not schema.key:
            inserted = self._execute(sql.insert, **values).changed
            return Written(inserted=inserted, updated=0, kept_sums={})
        values["version_order"] = entry.source.order
        inserted = self._execute(sql.insert, **values).changed
        if inserted == total:
            return Written(inserted=inserted, updated=0, kept_sums={})
        unordered = {key: value for key, value in values.items() if key != "version_order"}
        lines = [row["line"] for row in self._execute(sql.duplicates, **unordered).rows]
        updated = self._execute(sql.update, **values).changed
        kept: Sequence[Mapping[str, Any]] = ()
        if inserted + updated + len(lines) < total:
            kept = self._execute(sql.kept, **values).rows
            self._execute(sql.see, **values)
        return Written(
            inserted=inserted,
            updated=updated,
            unchanged=sum(row["kept"] for row in kept),
            superseded=sum(int(row["superseded"]) for row in kept),
            kept_sums={row["currency"]: Decimal(row["amount"]) for row in kept},
            kept_usd=sum((Decimal(row["amount_usd"]) for row in kept), Decimal(0)),
            duplicates=lines,
        )

    def stored(self, entry: FileEntry, schema: Schema, first: int, last: int | None) -> Stored:
        """See the port."""
        found = self._execute(
            f"SELECT {schema.currency} AS currency, COUNT(*) AS counted,"
            f" SUM({schema.amount}) AS amount, SUM({schema.usd[0][1]}) AS amount_usd"
            f" FROM {schema.table} WHERE load_id = :load_id AND line >= :first"
            f" AND (:last IS NULL OR line < :last) GROUP BY {schema.currency}",
            load_id=entry.load_id,
            first=first,
            last=last,
        ).rows
        return Stored(
            rows=sum(row["counted"] for row in found),
            sums={row["currency"]: Decimal(row["amount"]) for row in found},
            amount_usd=sum((Decimal(row["amount_usd"]) for row in found), Decimal(0)),
        )

    def claim_content(self, entry: FileEntry, sha256: str) -> FileEntry | None:
        """See the port."""
        found = self._execute(
            f"SELECT * FROM billing_files WHERE content_sha256 = :sha256 AND status IN {_LOADED}"
            " AND load_id <> :load_id ORDER BY (dataset = :dataset) DESC, load_id LIMIT 1",
            sha256=sha256,
            load_id=entry.load_id,
            dataset=entry.dataset,
        )
        # A load that failed or hangs has no claim; one that ends meanwhile is waited for.
        self._execute(
            "UPDATE billing_files SET original_sha256 = NULL WHERE original_sha256 = :sha256"
            f" AND load_id <> :load_id AND status NOT IN {_LOADED}",
            sha256=sha256,
            load_id=entry.load_id,
        )
        self._execute(
            "UPDATE billing_files SET content_sha256 = :sha256, original_sha256 = :original"
            " WHERE load_id = :load_id",
            sha256=sha256,
            original=None if found.rows else sha256,
            load_id=entry.load_id,
        )
        return _entry(found.rows, 0) if found.rows else None

    def supersede_older(self, entry: FileEntry) -> None:
        """See the port."""
        self._execute(
            f"UPDATE billing_files SET status = '{FileStatus.SUPERSEDED}', original_sha256 = NULL"
            " WHERE key_hash = :key_hash AND version_order < :version_order"
            f" AND status IN {_LOADED}",
            key_hash=entry.source.key_hash,
            version_order=entry.source.order,
        )

    def finish(
        self,
        entry: FileEntry,
        status: FileStatus,
        tally: Tally,
        *,
        schema: str,
        quarantine_uri: str,
    ) -> None:
        """See the port."""
        self._execute(
            "UPDATE billing_files SET status = :status, schema_name = :schema,"
            " rows_read = :rows_read, rows_inserted = :inserted, rows_updated = :updated,"
            " rows_unchanged = :unchanged, rows_superseded = :superseded,"
            " rows_quarantined = :quarantined, amounts = :amounts, amount_usd = :amount_usd,"
            " quarantine_uri = :quarantine_uri, error = NULL, error_code = '',"
            " finished_at = :finished_at WHERE load_id = :load_id",
            status=status.value,
            schema=schema,
            rows_read=tally.read,
            inserted=tally.inserted,
            updated=tally.updated,
            unchanged=tally.unchanged,
            superseded=tally.superseded,
            quarantined=tally.quarantined,
            amounts=_sums_text(tally.read_sums),
            amount_usd=tally.amount_usd,
            quarantine_uri=quarantine_uri,
            finished_at=_now(),
            load_id=entry.load_id,
        )

    def chunk_is_loaded(self, load_id: int, number: int) -> bool:
        """See the port."""
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
        """See the port."""
        self._execute(
            "UPDATE billing_chunks SET tally = :tally, quarantine_uri = :uri, loaded_at = :now"
            " WHERE load_id = :load_id AND number = :number",
            tally=_tally_text(tally),
            uri=quarantine_uri,
            now=_now(),
            load_id=load_id,
            number=number,
        )

    def chunks(self, load_id: int) -> tuple[int, list[int], Tally, str]:
        """See the port."""
        rows = self._execute(
            "SELECT number, tally, quarantine_uri FROM billing_chunks WHERE load_id = :load_id"
            " ORDER BY number",
            load_id=load_id,
        ).rows
        tally = Tally()
        for row in rows:
            if row["tally"]:
                tally.add(_tally(row["tally"]))
        folders = {row["quarantine_uri"].rpartition("/")[0] for row in rows}
        folder = next((f"{one}/" for one in sorted(folders) if one), "")
        return len(rows), [row["number"] for row in rows if not row["tally"]], tally, folder


class AuroraBillingStore:
    """`BillingStore` on the Data API."""

    def __init__(self, database: DataApi) -> None:
        self._database = database

    def receive(self, source: SourceObject, dataset: str) -> FileEntry:
        """See the port."""
        entry = self.by_file_id(source.file_id)
        if entry is None:
            self._database.execute(
                "INSERT IGNORE INTO billing_files (file_id, bucket, object_key, key_hash,"
                " version_id, etag, version_order, size_bytes, dataset, principal, received_at)"
                " VALUES (:file_id, :bucket, :object_key, :key_hash, :version_id, :etag,"
                " :version_order, :size_bytes, :dataset, :principal, :received_at)",
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
                    "received_at": _now(),
                },
            )
            entry = self.by_file_id(source.file_id)
        if entry is None:
            raise TransientFailure(
                f"{source.uri} could not be entered into the ledger",
                code="not_entered",
                step="receive_file",
            )
        return entry

    def by_file_id(self, file_id: str) -> FileEntry | None:
        """The ledger's row of a version of an object."""
        found = self._database.execute(
            "SELECT * FROM billing_files WHERE file_id = :file_id", {"file_id": file_id}
        ).rows
        return _entry(found, 0) if found else None

    def find(self, load_id: int) -> FileEntry:
        """See the port."""
        found = self._database.execute(
            "SELECT * FROM billing_files WHERE load_id = :load_id", {"load_id": load_id}
        )
        return _entry(found.rows, load_id)

    def files(
        self, *, ending: str = "", dataset: str = "", status: str = "", limit: int = 100
    ) -> list[FileEntry]:
        """The newest files of the ledger, newest first.

        Args:
            ending: How the key ends, such as a file's name.
            dataset: Of this dataset only.
            status: In this status only.
            limit: At most so many.
        """
        given: dict[str, Value] = {"ending": ending, "dataset": dataset, "status": status}
        wanted = {name: value for name, value in given.items() if value}
        columns = {"ending": "RIGHT(object_key, CHAR_LENGTH(:ending)) = :ending"}
        where = " AND ".join(columns.get(name, f"{name} = :{name}") for name in wanted) or "1 = 1"
        found = self._database.execute(
            f"SELECT * FROM billing_files WHERE {where} ORDER BY load_id DESC LIMIT {limit:d}",
            wanted,
        )
        return [_entry([row], 0) for row in found.rows]

    def count_by_status(self) -> dict[FileStatus, int]:
        """How many files of the ledger are in each status."""
        found = self._database.execute(
            "SELECT status, COUNT(*) AS counted FROM billing_files GROUP BY status"
        )
        return {FileStatus(row["status"]): row["counted"] for row in found.rows}

    def totals(self, by: Dimension, month: str = "") -> list[dict[str, Any]]:
        """What the loaded bills add up to, by a dimension and currency, the largest first.

        Args:
            by: What is told apart.
            month: Bills of this one only, as YYYY-MM.

        Returns:
            `name`, `currency`, `bills`, and as texts `amount` and `amount_usd`; at most a thousand.
        """
        view, column = _TOTALS[by]
        found = self._database.execute(
            f"SELECT COALESCE({column}, '') AS name, currency, SUM(bills) AS bills,"
            " SUM(bill_amount) AS amount, SUM(amount_usd) AS amount_usd"
            f" FROM {view} WHERE :month IN ('', month) GROUP BY {column}, currency"
            " ORDER BY SUM(amount_usd) DESC LIMIT 1000",
            {"month": month},
        )
        return [{**row, "bills": int(row["bills"])} for row in found.rows]

    @contextmanager
    def transaction(self) -> Iterator[AuroraTransaction]:
        """See the port."""
        with self._database.transaction() as identifier:
            yield AuroraTransaction(self._database, identifier)

    def mark(
        self, load_id: int, status: FileStatus, error: FinOpsError | None = None, **facts: Any
    ) -> None:
        """See the port."""
        further = "".join(f", {name} = :{name}" for name in facts)
        finished = _now() if status in (FileStatus.REJECTED, FileStatus.FAILED) else None
        self._database.execute(
            "UPDATE billing_files SET status = :status, error = :error, error_code = :code,"
            f" finished_at = :finished_at{further}"
            f" WHERE load_id = :load_id AND status IN {_OPEN}",
            {
                "status": status.value,
                "error": str(error)[:4000] if error else None,
                "code": error.code[:64] if error else "",
                "finished_at": finished,
                "load_id": load_id,
                **facts,
            },
        )

    def plan_chunks(self, load_id: int, numbers: Iterable[int]) -> None:
        """See the port."""
        self._database.execute(
            "INSERT IGNORE INTO billing_chunks (load_id, number) SELECT :load_id, j.number"
            " FROM JSON_TABLE(:numbers, '$[*]' COLUMNS (number INT UNSIGNED PATH '$')) j",
            {"load_id": load_id, "numbers": json.dumps(list(numbers))},
        )

    def purge_superseded(self, schema: Schema) -> int:
        """See the port."""
        if schema.key:
            return 0
        removed = 0
        loads = self._database.execute(
            f"SELECT load_id FROM billing_files f WHERE status = '{FileStatus.SUPERSEDED}'"
            " AND schema_name = :schema AND EXISTS"
            f" (SELECT 1 FROM {schema.table} c WHERE c.load_id = f.load_id)",
            {"schema": schema.name},
        ).rows
        for load in loads:
            while changed := self._database.execute(
                f"DELETE FROM {schema.table} WHERE load_id = :load_id LIMIT {_PURGED_AT_ONCE}",
                {"load_id": load["load_id"]},
            ).changed:
                removed += changed
        return removed

    def reconvert(
        self,
        dataset: str,
        first: date,
        last: date,
        convert: Callable[[str, date, Decimal], tuple[Rate, Decimal] | None],
        *,
        requested_by: str,
        reason: str,
    ) -> Reconversion:
        """Convert the bills of a dataset again, in one transaction with its audit entry.

        Args:
            dataset: Of which the bills are.
            first: First bill date.
            last: Last bill date, included.
            convert: (currency, bill date, amount) → (rate, USD); None keeps what stands.
            requested_by: Who asked for it.
            reason: Why.
        """
        changed, before, after = 0, Decimal(0), Decimal(0)
        requested_at = datetime.now(UTC)
        with self._database.transaction() as transaction:
            position = ""
            while True:
                rows = self._database.execute(
                    "SELECT record_id, currency, bill_date, bill_amount, amount_usd, rate,"
                    " rate_date FROM billing_rows WHERE dataset = :dataset"
                    " AND record_id > :position AND bill_date BETWEEN :first AND :last"
                    f" ORDER BY record_id LIMIT {_RECONVERTED_AT_ONCE} FOR UPDATE",
                    {
                        "dataset": dataset,
                        "position": position,
                        "first": first.isoformat(),
                        "last": last.isoformat(),
                    },
                    transaction=transaction,
                ).rows
                if not rows:
                    break
                position = rows[-1]["record_id"]
                edits = []
                for row in rows:
                    amount, old_usd = Decimal(row["bill_amount"]), Decimal(row["amount_usd"])
                    day = date.fromisoformat(row["bill_date"])
                    found = convert(row["currency"], day, amount)
                    if found is None:
                        continue
                    rate, usd = found
                    same_day = rate.rate_date.isoformat() == row["rate_date"]
                    if same_day and rate.usd_per_unit == Decimal(row["rate"]):
                        continue
                    before, after = EXACT.add(before, old_usd), EXACT.add(after, usd)
                    changed += 1
                    edits.append(
                        [
                            row["record_id"],
                            f"{usd:f}",
                            f"{rate.usd_per_unit:f}",
                            rate.rate_date.isoformat(),
                        ]
                    )
                if edits:
                    self._database.execute(
                        "UPDATE billing_rows t JOIN JSON_TABLE(:edits, '$[*]' COLUMNS ("
                        "record_id VARCHAR(128) PATH '$[0]', amount_usd DECIMAL(20,6) PATH '$[1]',"
                        " rate DECIMAL(30,15) PATH '$[2]', rate_date DATE PATH '$[3]')) j"
                        " ON t.dataset = :dataset AND t.record_id = j.record_id"
                        " SET t.amount_usd = j.amount_usd, t.rate = j.rate,"
                        " t.rate_date = j.rate_date",
                        {"edits": json.dumps(edits), "dataset": dataset},
                        transaction=transaction,
                    )
            self._database.execute(
                "INSERT INTO billing_reconversions (requested_by, requested_at, reason, dataset,"
                " first_day, last_day, rows_changed, usd_before, usd_after) VALUES (:requested_by,"
                " :now, :reason, :dataset, :first, :last, :changed, :before, :after)",
                {
                    "requested_by": requested_by[:255],
                    "now": _datetime(requested_at),
                    "reason": reason[:1024],
                    "dataset": dataset,
                    "first": first.isoformat(),
                    "last": last.isoformat(),
                    "changed": changed,
                    "before": before,
                    "after": after,
                },
                transaction=transaction,
            )
        return Reconversion(
            requested_at=requested_at, rows_changed=changed, usd_before=before, usd_after=after
        )

    def rates(self, currency: str, first: date, last: date) -> list[Rate]:
        """See the port."""
        found: list[Rate] = []
        after = first.isoformat()
        while True:
            rows = self._database.execute(
                "SELECT currency, rate_date, usd_per_unit, source FROM fx_rates"
                " WHERE currency = :currency AND rate_date >= :first AND rate_date <= :last"
                " ORDER BY rate_date LIMIT 5000",
                {"currency": currency, "first": after, "last": last.isoformat()},
            ).rows
            found += [
                Rate(
                    currency=row["currency"],
                    rate_date=date.fromisoformat(row["rate_date"]),
                    usd_per_unit=Decimal(row["usd_per_unit"]),
                    source=row["source"],
                )
                for row in rows
                if not found or row["rate_date"] > found[-1].rate_date.isoformat()
            ]
            if len(rows) < 5000:
                return found
            after = rows[-1]["rate_date"]

    def put_rates(self, rates: Iterable[Rate]) -> Tally:
        """See the port."""
        total = Tally()
        source = iter(rates)
        unpacked = (
            "JSON_TABLE(:rates, '$[*]' COLUMNS (currency CHAR(3) PATH '$[0]', rate_date DATE PATH"
            " '$[1]', usd_per_unit DECIMAL(30,15) PATH '$[2]', source VARCHAR(64) PATH '$[3]')) j"
        )
        with self._database.transaction() as transaction:
            while some := list(islice(source, _RATES_AT_ONCE)):
                values: dict[str, Value] = {
                    "rates": json.dumps(
                        [
                            [
                                one.currency,
                                one.rate_date.isoformat(),
                                f"{one.usd_per_unit:f}",
                                one.source,
                            ]
                            for one in some
                        ]
                    ),
                    "now": _now(),
                }
                inserted = self._database.execute(
                    "INSERT IGNORE INTO fx_rates (currency, rate_date, usd_per_unit, source,"
                    " loaded_at) SELECT j.currency, j.rate_date, j.usd_per_unit, j.source, :now"
                    f" FROM {unpacked}",
                    values,
                    transaction=transaction,
                ).changed
                updated = self._database.execute(
                    f"UPDATE fx_rates t JOIN {unpacked} ON t.currency = j.currency"
                    " AND t.rate_date = j.rate_date SET t.usd_per_unit = j.usd_per_unit,"
                    " t.source = j.source, t.loaded_at = :now"
                    " WHERE t.usd_per_unit <> j.usd_per_unit",
                    values,
                    transaction=transaction,
                ).changed
                total.read += len(some)
                total.inserted += inserted
                total.updated += updated
                total.unchanged += len(some) - inserted - updated
        return total


def _entry(rows: Sequence[Mapping[str, Any]], load_id: int) -> FileEntry:
    if not rows:
        raise ConfigurationError(
            f"load {load_id} is not in the ledger", code="unknown_load", step="read_ledger"
        )
    row = rows[0]
    usd = row["amount_usd"]
    return FileEntry(
        load_id=row["load_id"],
        source=SourceObject(
            bucket=row["bucket"],
            key=row["object_key"],
            version_id=row["version_id"],
            etag=row["etag"],
            size=row["size_bytes"],
            order=row["version_order"],
            principal=row["principal"],
        ),
        dataset=row["dataset"],
        status=FileStatus(row["status"]),
        schema=row["schema_name"],
        execution=row["execution"],
        tally=Tally(
            read=row["rows_read"],
            inserted=row["rows_inserted"],
            updated=row["rows_updated"],
            unchanged=row["rows_unchanged"],
            superseded=row["rows_superseded"],
            quarantined=row["rows_quarantined"],
        ),
        amounts=_sums(json.loads(row["amounts"] or "{}")),
        amount_usd=None if usd is None else Decimal(usd),
        quarantine_uri=row["quarantine_uri"],
        content_sha256=row["content_sha256"],
        error=row["error"] or "",
        error_code=row["error_code"],
        received_at=_moment(row["received_at"]),
        finished_at=_moment(row["finished_at"]),
    )


_COUNTS: Final = ("read", "inserted", "updated", "unchanged", "superseded", "quarantined")
_SUMS: Final = ("read_sums", "stored_sums", "kept_sums", "quarantined_sums")


def _tally_text(tally: Tally) -> str:
    return json.dumps(
        {name: getattr(tally, name) for name in _COUNTS}
        | {name: _texts(getattr(tally, name)) for name in _SUMS}
        | {"amount_usd": f"{tally.amount_usd:f}"}
    )


def _tally(text: str) -> Tally:
    document = json.loads(text)
    return Tally(
        read_sums=_sums(document["read_sums"]),
        stored_sums=_sums(document["stored_sums"]),
        kept_sums=_sums(document["kept_sums"]),
        quarantined_sums=_sums(document["quarantined_sums"]),
        amount_usd=Decimal(document["amount_usd"]),
        **{name: int(document[name]) for name in _COUNTS},
    )


def _sums_text(sums: Sums) -> str:
    return json.dumps(_texts(sums))


def _texts(sums: Sums) -> dict[str, str]:
    return {currency: f"{amount:f}" for currency, amount in sorted(sums.items())}


def _sums(document: Mapping[str, str]) -> Sums:
    return {currency: Decimal(amount) for currency, amount in document.items()}


def _now() -> str:
    return _datetime(datetime.now(UTC))


def _datetime(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
