"""A Parquet file as CSV text, row by row and in bounded memory, by DuckDB.

Values become the texts that the reader of CSV files takes for the same values: decimals with all
their digits, times with their zone, maps and lists as JSON. No value is an empty cell.
https://parquet.apache.org/docs/file-format/types/logicaltypes/
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from finops.billing.file_bytes import (
    ALWAYS_ALLOWED,
    MOST_EXPANSION,
    Readable,
    unreadable_file,
)
from finops.shared.errors import RejectedInput

#: Bytes of a file; it is kept on disk while it is read, of which a function has 512 MB.
LARGEST_PARQUET: Final = 384 << 20
_MEMORY: Final = "256MB"
_ROWS_AT_ONCE: Final = 2_000
#: https://duckdb.org/docs/stable/sql/data_types/numeric
_MOST_DIGITS: Final = 38
_FLOATS: Final = ("DOUBLE", "FLOAT", "REAL")
_NUMBERS: Final = ("DECIMAL", *_FLOATS)
_NESTED: Final = ("MAP", "STRUCT", "VARIANT", "UNION", "LIST")


class ParquetText:
    """The CSV text of a Parquet file, in UTF-8 and with commas.

    Args:
        content: The file.
        decimal_comma: Whether numbers are written as the dataset's texts are: 1,50.
    """

    def __init__(self, content: Readable, *, decimal_comma: bool = False) -> None:
        self._pieces = _text(content, decimal_comma)
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            RejectedInput: the file is damaged, or too large.
        """
        if not self._waiting:
            self._waiting = next(self._pieces, b"")
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        return piece


def _text(content: Readable, decimal_comma: bool) -> Iterator[bytes]:
    # DuckDB takes long to import, and few files are Parquet.
    import duckdb

    with tempfile.TemporaryDirectory(prefix="finops-parquet-") as folder:
        path = f"{folder}/file.parquet"
        size = _keep(content, path)
        settings: dict[str, Any] = {
            "memory_limit": _MEMORY,
            "threads": 2,
            "temp_directory": folder,
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
        }
        try:
            with duckdb.connect(config=settings) as database:
                database.execute("SET TimeZone = 'UTC'")
                database.execute("SET enable_progress_bar = false")
                yield from _rows(database, path, size, decimal_comma)
        except duckdb.OutOfMemoryException as error:
            raise _too_large(f"its pages take more than {_MEMORY}") from error
        except duckdb.Error as error:
            why = str(error).splitlines()[0].replace(path, "it")[:200]
            raise unreadable_file(
                "damaged_parquet",
                f"the Parquet file can't be read: {why}",
                "Export it again, as Parquet without encryption or as CSV",
            ) from error


def _keep(content: Readable, path: str) -> int:
    size = 0
    with Path(path).open("wb") as file:
        while piece := content.read(1 << 20):
            size += len(piece)
            if size > LARGEST_PARQUET:
                raise _too_large(f"it has more than {LARGEST_PARQUET >> 20} MiB")
            file.write(piece)
    return size


def _rows(database: Any, path: str, size: int, decimal_comma: bool) -> Iterator[bytes]:
    scan = "read_parquet($path)"
    describe = f"DESCRIBE SELECT * FROM {scan}"  # noqa: S608
    described = database.execute(describe, {"path": path}).fetchall()
    schema = "SELECT name, precision FROM parquet_schema($path)"
    fields = database.execute(schema, {"path": path}).fetchall()
    header = [str(name) for name, *_ in described]
    if renamed := sorted(set(header) - {name for name, *_ in fields}):
        raise unreadable_file(
            "ambiguous_header",
            f"the Parquet file has more than one column of the same name: {', '.join(renamed)}",
            "Export it again with one of them",
        )
    _check_digits(fields)
    kinds = [str(kind) for _, kind, *_ in described]
    selected = ", ".join(
        name if kind == "BLOB" or _is_nested(kind) else f"CAST({name} AS VARCHAR)"
        for name, kind in zip(map(_quoted, header), kinds, strict=True)
    )
    readers = [_reader(kind, decimal_comma) for kind in kinds]
    text = io.StringIO(newline="")
    # Only a cell that holds a mark of the line end is quoted, and "\r" alone ends lines as well.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    given, most = 0, max(ALWAYS_ALLOWED, size * MOST_EXPANSION)
    select = f"SELECT {selected} FROM {scan}"  # noqa: S608 - names are quoted
    found = database.execute(select, {"path": path})
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            writer.writerow(_cells(row, readers))
        piece = text.getvalue().encode("utf-8", "surrogatepass")
        given += len(piece)
        if given > most:
            raise unreadable_file(
                "expands_too_much",
                f"the Parquet file expands more than {MOST_EXPANSION} times",
                "Export it as CSV",
            )
        yield piece
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _check_digits(fields: Sequence[Sequence[Any]]) -> None:
    """Refuse decimals that DuckDB would read as floats, which have 17 digits."""
    for name, digits in fields:
        if digits and digits > _MOST_DIGITS:
            raise unreadable_file(
                "too_many_digits",
                f"column {name!r} of the Parquet file is a decimal of {digits} digits, but only "
                f"those of at most {_MOST_DIGITS} are read exactly",
                "Export it as DECIMAL(38, 18), or as CSV",
            )


def _cells(row: Sequence[Any], readers: Sequence[Callable[[Any], str]]) -> list[str]:
    return ["" if value is None else read(value) for value, read in zip(row, readers, strict=True)]


def _reader(kind: str, decimal_comma: bool) -> Callable[[Any], str]:
    point = "," if decimal_comma else "."
    if _is_nested(kind):
        return _json
    if kind == "BLOB":  # what some programs write for texts
        return lambda value: bytes(value).decode("utf-8", "backslashreplace")
    if kind.startswith(_FLOATS):
        # pandas makes floats of whole numbers where one is missing: the id 123 is 123.0 then.
        return lambda value: str(value).removesuffix(".0").replace(".", point)
    if decimal_comma and kind.startswith(_NUMBERS):
        return lambda value: str(value).replace(".", point)
    return str


def _is_nested(kind: str) -> bool:
    return kind.startswith(_NESTED) or kind.endswith("]")


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """Nested values without fields that have none; a list of keys and values is an object.

    A struct has the fields of all rows, of which a row's tags are those with a value.
    """
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        if value and all(isinstance(one, dict) and one.keys() == {"key", "value"} for one in value):
            return {str(one["key"]): _plain(one["value"]) for one in value}
        return [_plain(one) for one in value]
    return value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _too_large(why: str) -> RejectedInput:
    return unreadable_file(
        "parquet_too_large",
        f"the Parquet file is too large: {why}",
        "Export it in several files, or as CSV (gzip)",
    )
