"""Glue tables over exports, as Athena reads them, and whether they are what the files are."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from finops.reconciliation.adapters.s3 import CountedExport
from finops.reconciliation.adapters.sql_dialects import literal, quoted
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError
from finops.shared.periods import Month

_HEADER_BYTES: Final = 65_536
_PARQUET_MAGIC: Final = b"PAR1"
#: The length of the footer, and the magic number.
_PARQUET_END: Final = 8
#: As the table names them, whose partitions Athena computes from this.
_FOLDERS: Final = "BILLING_PERIOD="
_PERIOD: Final = re.compile(r"BILLING_PERIOD=([^/]+)", re.IGNORECASE)
#: Hive's names of types, as Glue has them, and DuckDB's.
_TYPES: Final = {
    "string": "VARCHAR",
    "char": "VARCHAR",
    "varchar": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "double": "DOUBLE",
    "float": "FLOAT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}
#: DuckDB's types of files that Athena reads as a timestamp.
_LIKE: Final = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP"}


@dataclass(frozen=True, kw_only=True)
class AthenaTable:
    """A Glue table over an export, and which of its files count.

    Attributes:
        name: In the workgroup's database.
        types: DuckDB's type of each column.
        partition: The column that names the billing period, as `2026-10`.
        months: Of the periods that are read.
        is_parquet: Else it is CSV, in which a cell is never null.
        export: The files.
        current: Looks at the files again.
    """

    name: str
    types: Mapping[str, str]
    partition: str
    months: Sequence[Month]
    is_parquet: bool
    export: CountedExport
    current: Callable[[], CountedExport]

    def rows(self, months: Sequence[Month]) -> str:
        """What stands after FROM: the rows of the files that count."""
        periods = ", ".join(literal(str(month)) for month in sorted(months))
        where = f"{quoted(self.partition)} IN ({periods})"
        if self.export.left_out:
            # https://docs.aws.amazon.com/athena/latest/ug/querying.html
            paths = ", ".join(map(literal, self.export.locations(months)))
            where += f' AND "$path" IN ({paths})'
        if self.is_parquet:
            return f"{quoted(self.name)} WHERE {where}"
        cells = ", ".join(
            f"CASE WHEN {cell} IN ('', 'NULL', 'null') THEN NULL ELSE {cell} END AS {cell}"
            for cell in map(quoted, self.types)
        )
        return f"(SELECT {cells} FROM {quoted(self.name)} WHERE {where})"


def glue_table(
    glue: Any,
    s3: Any,
    *,
    database: str,
    name: str,
    months: Sequence[Month],
    export: CountedExport,
    current: Callable[[], CountedExport],
) -> AthenaTable:
    """A table as the Glue catalog describes it.

    Raises:
        ConfigurationError: `athena_table`, where it is not over these files.
    """
    with aws_errors("read_table", remedy="Check `costs.athena` of modules/reconciliation"):
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    storage, keys = table["StorageDescriptor"], table.get("PartitionKeys", ())
    location = storage["Location"].rstrip("/") + "/"
    folders = f"{location}{_FOLDERS}"
    outside = [one for one in export.locations(months) if not one.startswith(folders)]
    if len(keys) != 1 or outside:
        raise ConfigurationError(
            f"the table {database}.{name} has no partition for"
            f" {outside[0] if outside else 'a billing period'}",
            code="athena_table",
            step="read_table",
            remedy="Athena reads exports in folders BILLING_PERIOD=…, as AWS Data Exports writes"
            ' them; use `engine = "function"` for others',
        )
    forms = {one.rpartition(".")[2] == "parquet" for one in export.locations(months)}
    is_parquet = "parquet" in storage["SerdeInfo"]["SerializationLibrary"].lower()
    if forms != {is_parquet}:
        raise ConfigurationError(
            f"the table {database}.{name} is of {'Parquet' if is_parquet else 'CSV'} files, and"
            f" {export.uri} has others",
            code="athena_table",
            step="read_table",
            remedy="Let the export write Parquet",
        )
    types = {one["Name"]: _duckdb_type(one["Type"]) for one in storage["Columns"]}
    if is_parquet:
        types = _columns_of_files(s3, export, types)
    else:
        _require_headers(s3, export, list(types))
    return AthenaTable(
        name=name,
        types=types,
        is_parquet=is_parquet,
        partition=keys[0]["Name"],
        months=months,
        export=export,
        current=current,
    )


def _columns_of_files(
    s3: Any, export: CountedExport, declared: Mapping[str, str]
) -> dict[str, str]:
    """The table's columns that the newest file has: Athena would take others for empty ones.

    Raises:
        ConfigurationError: `athena_table`, where a type is not that of the file.
    """
    key = max(export.names, key=lambda one: (_PERIOD.findall(one), one))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "footer.parquet"
        with aws_errors("read_footer"):
            _write_footer(s3, export, key, path)
        described = duckdb.execute(f"DESCRIBE SELECT * FROM {parquet([path])}").fetchall()
    found = {str(name).lower(): _LIKE.get(kind, kind) for name, kind, *_ in described}
    for name, kind in declared.items():
        is_known = kind in _TYPES.values() or kind.startswith("DECIMAL")
        if is_known and found.get(name, kind) != kind:
            raise ConfigurationError(
                f"the column {name} is {found[name]} in s3://{export.bucket}/{key}, and {kind} in"
                " Athena's table",
                code="athena_table",
                step="read_footer",
                remedy="Give `costs.athena.columns` of modules/reconciliation the files' types",
            )
    return {name: kind for name, kind in declared.items() if name in found}


def _write_footer(s3: Any, export: CountedExport, key: str, path: Path) -> None:
    """A Parquet file without its rows, which take no room: what it holds is said at its end.

    https://parquet.apache.org/docs/file-format/
    """
    size = export.listed[key]["Size"]
    end = _range(s3, export, key, size - _PARQUET_END, size)
    start = max(0, size - _PARQUET_END - int.from_bytes(end[:4], "little"))
    footer = _range(s3, export, key, start, size)
    with path.open("wb") as file:
        file.write(_PARQUET_MAGIC)
        file.seek(start)
        file.write(footer)


def _range(s3: Any, export: CountedExport, key: str, first: int, end: int) -> bytes:
    answer = s3.get_object(Bucket=export.bucket, Key=key, Range=f"bytes={first}-{end - 1}")
    content: bytes = answer["Body"].read()
    return content


def _require_headers(s3: Any, export: CountedExport, columns: Sequence[str]) -> None:
    """Athena takes the cells of a CSV file by their position, whatever its header says."""
    for key in export.names:
        with aws_errors("read_header"):
            content = _range(s3, export, key, 0, _HEADER_BYTES)
        if key.endswith(".gz"):
            content = zlib.decompressobj(wbits=31).decompress(content)
        text = content.decode("utf-8-sig", errors="replace")
        header = [one.strip().lower() for one in next(csv.reader(io.StringIO(text)), [])]
        if header != [one.lower() for one in columns]:
            raise ConfigurationError(
                f"the header of s3://{export.bucket}/{key} is not that of Athena's table",
                code="athena_table",
                step="read_header",
                remedy="Give `costs.athena.columns` in the order of the files, or let the export"
                " write Parquet",
            )


def _duckdb_type(hive: str) -> str:
    name = hive.lower().replace(" ", "")
    return _TYPES.get(name) or _TYPES.get(name.partition("(")[0], name.upper())


def parquet(paths: Sequence[Path]) -> str:
    """Files as they stand after FROM in DuckDB."""
    return f"read_parquet([{', '.join(literal(str(one)) for one in paths)}])"
