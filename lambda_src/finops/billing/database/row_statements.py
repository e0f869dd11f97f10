"""The SQL that writes rows in bulk.

Rows travel as one JSON document a statement, which JSON_TABLE unpacks: a request carries four to
five times more rows than it could as parameter sets, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from finops.billing.schemas import Column, Kind, Schema

if TYPE_CHECKING:
    from finops.billing.rows import Row


class RowStatements:
    """The statements that write rows of a schema, derived from its declaration."""

    def __init__(self, schema: Schema) -> None:
        usd = [name for _, name in schema.usd]
        money = f"DECIMAL({schema.digits + schema.decimals},{schema.decimals})"
        cells = [
            ("line", "BIGINT UNSIGNED"),
            ("rate", "DECIMAL(30,15)"),
            ("rate_date", "DATE"),
            ("rate_source", "VARCHAR(64)"),
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
        # IGNORE, because it counts exactly the rows that it inserted, however a driver counts
        # existing rows. Values were checked before, and sums are checked after.
        self.insert = (
            f"INSERT IGNORE INTO {schema.table}"
            f" (dataset, load_id, seen_load_id, version_order, object_hash, {', '.join(names)})"
            " SELECT :dataset, :load_id, :load_id, :version_order, :object_hash,"
            f" {_of('j', names)} FROM {rows}"
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
        # A row of the file with the same digest is the same row. The database makes it of what is
        # stored, so it is never out of date.
        digest = _digest(schema)
        keys = (
            "line BIGINT UNSIGNED PATH '$[0]', record_key VARCHAR(128) PATH '$[1]',"
            f" digest CHAR({DIGEST}) PATH '$[2]'"
        )
        # MySQL takes no locking read of JSON_TABLE itself.
        known = (
            f"{schema.table} t JOIN (SELECT * FROM JSON_TABLE(:known, '$[*]' COLUMNS ({keys})) o) k"
            f" ON t.dataset = :dataset AND t.{schema.key} = k.record_key"
        )
        # The rows of a load that failed are taken over, so they are no such rows.
        is_same = (
            f"(t.seen_load_id <> :load_id AND NOT FIND_IN_SET(t.load_id, :lost)"
            f" AND {digest} = k.digest)"
        )
        self.same = (
            f"SELECT t.{currency} AS currency, t.load_id, COUNT(*) AS kept,"
            " SUM(CASE WHEN t.version_order > :version_order THEN 1 ELSE 0 END) AS superseded,"
            " SUM(CASE WHEN t.object_hash IN ('', :object_hash) THEN 0 ELSE 1 END) AS elsewhere,"
            f" SUM(t.{amount}) AS amount, SUM(CASE WHEN t.version_order > :version_order THEN 0"
            f" ELSE t.{usd[0]} END) AS amount_usd"
            f" FROM {known} WHERE {is_same} GROUP BY t.{currency}, t.load_id"
        )
        self.same_locked = f"{self.same} FOR UPDATE"
        self.others = (
            f"SELECT k.line FROM {known} WHERE NOT {is_same}"
            " AND NOT (t.load_id = :load_id AND t.line = k.line) FOR UPDATE"
        )
        self.see_same = (
            f"UPDATE {known} SET t.seen_load_id = :load_id,"
            " t.version_order = GREATEST(t.version_order, :version_order)"
            f" WHERE {is_same}"
        )
        self.duplicates = (
            f"SELECT j.line FROM {there} WHERE t.seen_load_id = :load_id"
            " AND NOT (t.load_id = :load_id AND t.line = j.line)"
        )
        # A row that this file may change: its object wrote it. `own` has the loads that wrote rows
        # of the object before rows kept its hash.
        own = (
            "(:replace = 1 OR t.object_hash = :object_hash"
            " OR t.object_hash = '' AND FIND_IN_SET(t.load_id, :own))"
        )
        # The rows of a load that failed are in no total, so whoever brings them again takes them.
        lost = "FIND_IN_SET(t.load_id, :lost)"
        self.update = (
            f"UPDATE {there} SET {', '.join(f't.{name} = j.{name}' for name in names)},"
            " t.load_id = :load_id, t.seen_load_id = :load_id, t.version_order = :version_order,"
            " t.object_hash = :object_hash WHERE t.seen_load_id <> :load_id"
            f" AND ({lost} OR t.version_order <= :version_order AND {own} AND NOT ({same}))"
        )
        # Of a file in parts, rows that count are not changed before all of it is loaded. Until then
        # the row only knows that this load holds it.
        waits = (
            f"t.seen_load_id <> :load_id AND NOT {lost} AND t.version_order <= :version_order"
            f" AND {own} AND NOT ({same})"
        )
        self.update_lost = (
            f"UPDATE {there} SET {', '.join(f't.{name} = j.{name}' for name in names)},"
            " t.load_id = :load_id, t.seen_load_id = :load_id, t.version_order = :version_order,"
            f" t.object_hash = :object_hash WHERE t.seen_load_id <> :load_id AND {lost}"
        )
        self.pend = (
            f"INSERT INTO {PENDING} (load_id, dataset, {', '.join(names)})"
            f" SELECT :load_id, :dataset, {_of('j', names)} FROM {there} WHERE {waits}"
        )
        self.mark = f"UPDATE {there} SET t.seen_load_id = :load_id WHERE {waits}"
        pending = (
            f"{PENDING} p JOIN {schema.table} t ON t.dataset = p.dataset"
            f" AND t.{schema.key} = p.{schema.key} WHERE p.load_id = :load_id"
        )
        in_range = "p.line >= :first AND p.line < :end"
        is_held = "t.seen_load_id = :load_id AND t.load_id <> :load_id"
        self.pending_replaced = (
            f"SELECT t.load_id, COUNT(*) AS counted FROM {pending} AND {in_range} AND {is_held}"
            " AND t.object_hash <> :object_hash"
            " AND NOT (t.object_hash = '' AND FIND_IN_SET(t.load_id, :own)) GROUP BY t.load_id"
            " FOR UPDATE"
        )
        set_names = ", ".join(f"t.{name} = p.{name}" for name in names)
        self.apply_pending = (
            f"UPDATE {PENDING} p JOIN {schema.table} t ON t.dataset = p.dataset"
            f" AND t.{schema.key} = p.{schema.key} SET {set_names}, t.load_id = :load_id,"
            " t.version_order = :version_order, t.object_hash = :object_hash"
            f" WHERE p.load_id = :load_id AND {in_range} AND {is_held}"
        )
        # MySQL takes no locking read of JSON_TABLE itself.
        given = there.replace(rows, f"(SELECT * FROM {rows}) j")
        # Asked before the update: whose rows it changes, beside those of the object itself.
        self.replaced = (
            f"SELECT t.load_id, COUNT(*) AS counted FROM {given}"
            f" WHERE t.seen_load_id <> :load_id AND NOT {lost}"
            " AND t.version_order <= :version_order AND t.object_hash <> :object_hash"
            " AND NOT (t.object_hash = '' AND FIND_IN_SET(t.load_id, :own))"
            f" AND NOT ({same}) GROUP BY t.load_id FOR UPDATE"
        )
        # Asked after the update, so what differs and may be changed was changed. A locking read
        # sees what other transactions committed meanwhile.
        self.conflicts = (
            f"SELECT j.line, t.load_id FROM {given} WHERE t.seen_load_id <> :load_id"
            f" AND NOT {own} AND NOT ({same}) LOCK IN SHARE MODE"
        )
        kept = f"t.seen_load_id <> :load_id AND ({own} OR ({same}))"
        newer = "t.version_order > :version_order"
        self.kept = (
            f"SELECT j.{currency} AS currency, t.load_id, COUNT(*) AS kept,"
            f" SUM(CASE WHEN {newer} THEN 1 ELSE 0 END) AS superseded,"
            " SUM(CASE WHEN t.object_hash IN ('', :object_hash) THEN 0 ELSE 1 END) AS elsewhere,"
            f" SUM(CASE WHEN {newer} THEN j.{amount} ELSE t.{amount} END) AS amount,"
            f" SUM(CASE WHEN {newer} THEN 0 ELSE t.{usd[0]} END) AS amount_usd"
            f" FROM {there} WHERE {kept} GROUP BY j.{currency}, t.load_id"
        )
        # From now on older files no longer change the row.
        self.see = (
            f"UPDATE {there} SET t.seen_load_id = :load_id,"
            " t.version_order = GREATEST(t.version_order, :version_order)"
            f" WHERE {kept}"
        )


def _sql_type(column: Column, money: str) -> str:
    return {
        Kind.TEXT: f"VARCHAR({column.length})",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "DATETIME",
        Kind.PERIOD: "DATETIME",
        Kind.DECIMAL: money,
        Kind.CURRENCY: "CHAR(3)",
        Kind.JSON: "LONGTEXT",
    }[column.kind]


#: Rows of files in parts that will change others.
PENDING: Final = "billing_pending_rows"
#: Hexadecimal digits of a row's digest.
DIGEST: Final = 32
#: Between two columns, and in place of none: no text of a row has such a character.
_BETWEEN: Final = 31
_NONE: Final = 30


def _digest(schema: Schema) -> str:
    """The SQL of a stored row's digest, which `row_digest` makes of a row of a file."""
    texts = (
        f"t.{column.name}" if column.filled else f"COALESCE(t.{column.name}, {_character(_NONE)})"
        for column in schema.columns
        if column.name != schema.key
    )
    joined = f"CONCAT_WS({_character(_BETWEEN)}, {', '.join(texts)})"
    return f"LEFT(SHA2({joined}, 256), {DIGEST})"


def _character(code: int) -> str:
    return f"CHAR({code} USING utf8mb4)"


def row_digest(schema: Schema, row: Row) -> str:
    """What is compared of a row that may be there already: equal rows have the same.

    Rows with other digests may be equal all the same, such as 0 and -0.
    """
    texts = []
    for column, value in zip(schema.columns, row.values[-len(schema.columns) :], strict=True):
        if column.name == schema.key:
            continue
        if value is None:
            texts.append(chr(_NONE))
        elif column.kind is Kind.DECIMAL:
            texts.append(f"{Decimal(value):.{schema.decimals}f}")
        else:
            texts.append(value)
    return sha256(chr(_BETWEEN).join(texts).encode()).hexdigest()[:DIGEST]


def _of(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


row_statements = cache(RowStatements)
