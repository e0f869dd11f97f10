"""Runs one statement in Trino's SQL on files: `python -m localcloud.athena.runner < REQUEST`.

A process of its own, because the emulator must import neither DuckDB nor sqlglot. sqlglot reads the
statement as Athena would, and writes DuckDB's. What Trino does not know is refused here: functions
by their names, and columns of another type than the file's.
https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

#: Functions of Trino that sqlglot has no class for.
_TRINO_FUNCTIONS: Final = frozenset({"TRY"})
#: What Athena says of a query above its workgroup's limit.
_LIMIT: Final = "Bytes scanned limit was exceeded"
#: Of these, DuckDB's types of a file may differ where Trino reads them as one.
_LIKE: Final = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a statement.

    Attributes:
        state: `SUCCEEDED`, `FAILED` or `CANCELLED`.
        scanned: Bytes.
        reason: Of a failure.
    """

    state: str
    scanned: int = 0
    reason: str = ""


class _Refused(Exception):
    """A statement that Athena refuses."""


@dataclass(frozen=True)
class Table:
    """A Glue table and its files.

    Attributes:
        columns: Name and type as Glue has them.
        partition: The name of the partition column.
        is_parquet: Else it is CSV with a header.
        files: Of each, `path`, `uri` and the value of its `partition`.
    """

    columns: Mapping[str, str]
    partition: str
    is_parquet: bool
    files: Sequence[Mapping[str, str]]


def run(select: str, tables: Mapping[str, Table], output: Path, limit: int | None) -> Outcome:
    """Write the rows of a SELECT as Parquet into a folder; nothing where there are none."""
    try:
        tree = sqlglot.parse_one(select, read="athena")
        _require_known_functions(tree)
        scanned = 0
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            for name, table in tables.items():
                files = _needed_files(tree, table)
                scanned += sum(_bytes(database, tree, table, one["path"]) for one in files)
                _make_view(database, name, table, files)
            if limit is not None and scanned > limit:
                return Outcome(state="CANCELLED", scanned=limit, reason=_LIMIT)
            sql = tree.sql(dialect="duckdb")
            database.execute(f"CREATE TABLE answer AS {sql}")
            [(rows,)] = database.execute("SELECT count(*) FROM answer").fetchall()
            if rows:
                path = output / "part-0"
                database.execute(f"COPY answer TO '{path}' (FORMAT parquet, COMPRESSION snappy)")
    except (SqlglotError, duckdb.Error, _Refused) as error:
        return Outcome(state="FAILED", reason=str(error).partition("\n")[0])
    return Outcome(state="SUCCEEDED", scanned=scanned)


def _require_known_functions(tree: exp.Expr) -> None:
    for one in tree.find_all(exp.Anonymous):
        if str(one.this).upper() not in _TRINO_FUNCTIONS:
            raise _Refused(f"FUNCTION_NOT_FOUND: Function '{one.this}' not registered")


def _needed_files(tree: exp.Expr, table: Table) -> list[Mapping[str, str]]:
    """Those of the partitions and paths that the statement names."""
    found = list(table.files)
    for one in tree.find_all(exp.In):
        wanted = {value.this for value in one.expressions if isinstance(value, exp.Literal)}
        if one.this.name.lower() == table.partition:
            found = [file for file in found if file["partition"] in wanted]
        if one.this.name == "$path":
            found = [file for file in found if file["uri"] in wanted]
    return found


def _bytes(database: duckdb.DuckDBPyConnection, tree: exp.Expr, table: Table, path: str) -> int:
    """Of the columns that are read, as they lie in a Parquet file; of all of a CSV file."""
    if not table.is_parquet:
        return Path(path).stat().st_size
    columns = [one.name.lower() for one in tree.find_all(exp.Column)]
    [(size,)] = database.execute(
        "SELECT coalesce(sum(total_compressed_size), 0) FROM parquet_metadata(?)"
        " WHERE list_contains(?, lower(split_part(path_in_schema, ', ', 1)))",
        [path, columns],
    ).fetchall()
    return int(size)


def _make_view(
    database: duckdb.DuckDBPyConnection,
    name: str,
    table: Table,
    files: Sequence[Mapping[str, str]],
) -> None:
    """Columns by name and typed as in the table, the partition's, and `$path`."""
    types = {column: _duckdb_type(kind) for column, kind in table.columns.items()}
    typed = [f'NULL::{kind} AS "{column}"' for column, kind in types.items()]
    nothing = f"SELECT {', '.join(typed)}, '' AS \"{table.partition}\", '' AS \"$path\""
    parts = [f"({nothing} WHERE false)"]
    for file in files:
        path, uri = _text(file["path"]), _text(file["uri"])
        scan = f"read_parquet({path})" if table.is_parquet else _csv(path, list(types))
        has = {
            str(column).lower(): str(kind)
            for column, kind, *_ in database.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        }
        for column, kind in types.items():
            _require_type(column, kind, has.get(column, kind), file["uri"])
        cells = ", ".join(
            f'CAST("{column}" AS {kind}) AS "{column}"' if column in has else typed[at]
            for at, (column, kind) in enumerate(types.items())
        )
        parts.append(f"(SELECT {cells}, {_text(file['partition'])}, {uri} FROM {scan})")
    database.execute(f'CREATE VIEW "{name}" AS {" UNION ALL ".join(parts)}')


def _csv(path: str, columns: Sequence[str]) -> str:
    """By position, all texts, as OpenCSVSerDe reads them: an empty cell is an empty text."""
    named = ", ".join(f"{_text(one)}: 'VARCHAR'" for one in columns)
    return (
        f"read_csv({path}, header = false, skip = 1, auto_detect = false, delim = ',',"
        f" quote = '\"', escape = '\"', columns = {{{named}}},"
        f" force_not_null = [{', '.join(map(_text, columns))}])"
    )


def _require_type(column: str, declared: str, found: str, uri: str) -> None:
    found = _LIKE.get(found, found)
    if found != declared:
        raise _Refused(
            f"HIVE_BAD_DATA: Field {column}'s type {found} in parquet file {uri} is incompatible"
            f" with type {declared} defined in table schema"
        )


def _duckdb_type(hive: str) -> str:
    simple = {"string": "VARCHAR", "int": "INTEGER", "map<string,string>": "MAP(VARCHAR, VARCHAR)"}
    return simple.get(hive.lower(), hive.upper())


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main() -> None:
    """Answer the request on stdin."""
    request: dict[str, Any] = json.load(sys.stdin)
    tables = {name: Table(**one) for name, one in request["tables"].items()}
    outcome = run(request["select"], tables, Path(request["output"]), request["limit"])
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
