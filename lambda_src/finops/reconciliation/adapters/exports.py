"""FOCUS 1.0 to 1.2 and CUR exports, read by DuckDB in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from finops.reconciliation.adapters.charge_table import FEW_ROWS, ChargeTable
from finops.reconciliation.adapters.export_columns import (
    ExportColumns,
    require_one_kind,
    rows_alike,
    selected,
)
from finops.reconciliation.adapters.export_files import (
    ExportFiles,
    StoredObject,
    files_told,
    of_paths,
)
from finops.reconciliation.adapters.sql_dialects import literal, quoted
from finops.reconciliation.deliveries import without_part
from finops.reconciliation.mapping import TagKey, TagRule
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.periods import Month

if TYPE_CHECKING:
    from finops.reconciliation.adapters.s3_ranges import S3Ranges

#: Of so many rows, at least, those of different files are compared.
_COMPARED_ROWS: Final = 200_000


class ExportedCosts(ChargeTable):
    """`CostSource` over files of one export.

    Args:
        files: Those that count, or files and folders in which they are looked for.
        s3: A client of S3, where some of them lie there.
        memory: What DuckDB may use, such as `256MB`; beyond it, it works on disk.
        threads: How many it may use.
        scratch: Where it works on disk.
    """

    def __init__(
        self,
        files: ExportFiles | Sequence[Path],
        *,
        s3: Any = None,
        memory: str = "256MB",
        threads: int = 2,
        scratch: Path | None = None,
    ) -> None:
        super().__init__(memory=memory, threads=threads, scratch=scratch)
        self._files = files if isinstance(files, ExportFiles) else of_paths(files)
        self._ranges = _ranges(s3, self._files.objects) if self._files.objects else None
        self._notes += self._files.notes

    @property
    def _files_told(self) -> str:
        return files_told(len(self._files.names))

    @property
    def _delivered(self) -> date:
        return self._files.day

    @property
    def _place(self) -> str:
        return self._files.place

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection = super()._connection
        if self._ranges:
            connection.register_filesystem(self._ranges)
            # Each part is fetched by the object's ETag, so what is kept of it is right.
            connection.execute("SET validate_external_file_cache = 'NO_VALIDATION'")
        return connection

    def _unreadable(self, error: duckdb.Error) -> FinOpsError:
        failure = self._ranges.taken_failure() if self._ranges else None
        return failure or super()._unreadable(error)

    @property
    def _forms(self) -> Sequence[ExportColumns]:
        return [columns for columns, _ in self._read_alike]

    @cached_property
    def _read_alike(self) -> list[tuple[ExportColumns, list[str]]]:
        """The columns of files, and what reads all those that have the same."""
        files: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for name in self._files.names:
            described = self._run(self._connection, f"DESCRIBE SELECT * FROM {self._scan([name])}")
            columns = tuple((str(name), str(kind)) for name, kind, *_ in described)
            files.setdefault(columns, []).append(name)
        found = []
        for columns, names in files.items():
            form, is_in_folders = self._form(dict(columns), names[0])
            # Of each .csv.gz at once DuckDB would keep what it read first, which is 32 MB.
            at_once = [names] if _is_parquet(names[0]) else [[one] for one in names]
            found.append((form, [self._scan(one, folders=is_in_folders) for one in at_once]))
        require_one_kind([form for form, _ in found])
        return found

    def _form(self, types: Mapping[str, str], name: str) -> tuple[ExportColumns, bool]:
        """How a file is read, and whether folders such as ServiceName=… name what it lacks."""
        try:
            return ExportColumns(types, file=Path(name).name), False
        except RejectedInput:
            scan = self._scan([name], folders=True)
            described = self._run(self._connection, f"DESCRIBE SELECT * FROM {scan}")
            all_types = {str(column): str(kind) for column, kind, *_ in described}
            if all_types == types:
                raise
            return ExportColumns(all_types, file=Path(name).name), True

    def _scan(self, files: Sequence[str], *, folders: bool = False) -> str:
        names = ", ".join(
            literal(one if one in self._files.objects else _as_pattern(one)) for one in files
        )
        options = f"filename = true, hive_partitioning = {str(folders).lower()}"
        if folders:
            options += ", hive_types_autocast = false"
        if _is_parquet(files[0]):
            return f"read_parquet([{names}], {options})"
        return (
            f"read_csv([{names}], {options}, all_varchar = true,"
            " header = true, delim = ',', quote = '\"', escape = '\"',"
            " nullstr = ['', 'NULL', 'null'])"
        )

    def _fill(self, tag_rules: Sequence[TagRule], tag_keys: Sequence[TagKey]) -> None:
        forms = [
            {**columns.fields(tag_rules, tag_keys), "row_count": "1", "form": str(form)}
            for form, columns in enumerate(self._forms)
        ]
        if self._have_several_deliveries:
            common = frozenset.intersection(*(columns.identifying for columns in self._forms))
            for fields, columns in zip(forms, self._forms, strict=True):
                fields |= {
                    "file": quoted("filename"),
                    "identity": columns.identity(common),
                    "began": columns.began,
                    "has_resource": columns.has_resource,
                }
        # What is the same in all rows, such as costs that the files lack, need not be kept.
        same = {
            name: one
            for name, one in forms[0].items()
            if _is_constant(one) and all(fields[name] == one for fields in forms)
        }
        statement = "CREATE OR REPLACE TABLE kept AS"
        for fields, (_, scans) in zip(forms, self._read_alike, strict=True):
            kept = {name: one for name, one in fields.items() if name not in same}
            for scan in scans:
                self._run(self._connection, f"{statement} SELECT {selected(kept)} FROM {scan}")
                statement = "INSERT INTO kept"
        self._run(
            self._connection,
            f"CREATE OR REPLACE VIEW charges AS SELECT *, {selected(same)} FROM kept",
        )
        if self._have_several_deliveries:
            self._refuse_twice()
            self._refuse_spread_twice()
            for exports in self._exports():
                self._refuse_equal_days(exports, began="min(began)", named="bool_or(has_resource)")

    def _alike(self, month: Month) -> Sequence[tuple[str, int, int, int, Decimal]]:
        rows = f"SELECT * FROM charges WHERE billing_month = DATE '{month.first}' AND billed <> 0"
        return [
            (currency, rows, kinds or 0, again or 0, beyond or Decimal(0))
            for currency, rows, kinds, again, beyond in self._run(
                self._database, f"{rows_alike(rows)} ORDER BY 1"
            )
        ]

    def _priced(self, month: Month) -> str:
        del month
        return "charges"

    @property
    def _have_several_deliveries(self) -> bool:
        return len({self._delivery(name) for name in self._files.names}) > 1

    def _delivery(self, name: str) -> str:
        return self._files.deliveries.get(name, name)

    def _exports(self) -> list[dict[str, str]]:
        """The first file of each file's export: of those of one delivery, and of one name, too."""
        of_delivery, of_name = dict[str, str](), dict[str, str]()
        files = {one: self._delivery(one) for one in sorted(self._files.names)}
        by_delivery = {
            one: of_delivery.setdefault(delivery, one) for one, delivery in files.items()
        }
        in_parts = {first for one, first in by_delivery.items() if one != first}
        by_name = {
            one: first if first in in_parts else of_name.setdefault(without_part(one), one)
            for one, first in by_delivery.items()
        }
        return [by_delivery, *([by_name] if by_name != by_delivery else [])]

    def _refuse_spread_twice(self) -> None:
        """Refuse files most of whose rows of resources are in other deliveries, wherever.

        Programs deal the rows of an export to its files at random, so that a file of an older
        export has a few rows in common with each of the newer one's.

        Raises:
            RejectedInput: `charges_twice`.
        """
        deliveries = {one: self._delivery(one) for one in self._files.names}
        [(count,)] = self._run(self._connection, "SELECT count(*) FROM charges WHERE has_resource")
        part = max(1, count // _COMPARED_ROWS)
        found = self._run(
            self._connection,
            "WITH deliveries AS (SELECT unnest($files) AS file, unnest($deliveries) AS delivery),"
            " ids AS (SELECT file, delivery, payer_account, linked_account, identity"
            " FROM charges JOIN deliveries USING (file)"
            " WHERE has_resource AND identity % $part = 0 GROUP BY ALL),"
            " held AS (SELECT payer_account, linked_account, identity,"
            " count(DISTINCT delivery) > 1 AS again FROM ids GROUP BY ALL)"
            " SELECT file, count(*) FILTER (again) AS common, count(*) AS ids FROM ids"
            " JOIN held USING (payer_account, linked_account, identity)"
            " GROUP BY ALL HAVING common >= $few AND common * 2 > ids ORDER BY ALL LIMIT 1",
            {
                "files": list(deliveries),
                "deliveries": list(deliveries.values()),
                "part": part,
                "few": FEW_ROWS,
            },
        )
        for file, common, ids in found:
            raise RejectedInput(
                f"{common * part:,} of {ids * part:,} rows of {file} are in other files, too, and"
                " would count twice",
                code="charges_twice",
                remedy="Give one delivery of each export, or its folder with the manifests",
            )

    def _refuse_twice(self) -> None:
        """Refuse files of different deliveries that hold the same charges; tell of some days.

        The days of an account are the same charges where most of their rows say the same but for
        what they cost: a delivery that restates another has other costs. Of many rows a part is
        compared, the same of each file.

        Raises:
            RejectedInput: `charges_twice`, where this is so of most rows of a file.
        """
        [(count,)] = self._run(self._connection, "SELECT count(*) FROM charges")
        part = max(1, count // _COMPARED_ROWS)
        day = "payer_account, linked_account, billing_month, charge_day"
        found = self._run(
            self._connection,
            f"WITH ids AS (SELECT file, {day}, identity, count(*) AS rows FROM charges"
            " WHERE identity % $part = 0 GROUP BY ALL),"
            f" days AS (SELECT file, {day}, count(*) AS ids FROM ids GROUP BY ALL),"
            " files AS (SELECT file, count(*) AS ids FROM ids GROUP BY ALL),"
            f" shared AS (SELECT one.file AS one, other.file AS other, {day},"
            " count(*) AS ids, sum(least(one.rows, other.rows)) AS rows"
            f" FROM ids one JOIN ids other USING ({day}, identity)"
            " WHERE one.file < other.file GROUP BY ALL)"
            " SELECT shared.one, shared.other, sum(shared.rows),"
            " sum(shared.ids) * 2 > any_value(least(a.ids, b.ids)) FROM shared"
            " JOIN files a ON a.file = shared.one JOIN files b ON b.file = shared.other"
            f" JOIN days c ON c.file = shared.one AND ({_columns_of('c', day)})"
            f" = ({_columns_of('shared', day)})"
            f" JOIN days d ON d.file = shared.other AND ({_columns_of('d', day)})"
            f" = ({_columns_of('shared', day)})"
            " WHERE shared.ids * 2 > least(c.ids, d.ids) GROUP BY ALL ORDER BY ALL",
            {"part": part},
        )
        for one, other, rows, is_most in found:
            if self._delivery(one) == self._delivery(other):
                continue
            common = f"{'about ' if part > 1 else ''}{rows * part:,} rows in common"
            if is_most:
                raise RejectedInput(
                    f"{one} and {other} have {common}, which would count twice",
                    code="charges_twice",
                    remedy="Give one delivery of each export, or its folder with the manifests",
                )
            if rows >= FEW_ROWS:
                self._notes.append(
                    f"{Path(one).name} and {Path(other).name} have {common}, all of the same"
                    " accounts and days. If one restates the other, these costs are counted twice:"
                    " check the export."
                )


def _is_constant(expression: str) -> bool:
    """Whether it names no column; the columns of files are in quotation marks."""
    return '"' not in expression


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet")


def _as_pattern(path: str) -> str:
    """The pattern of this path alone: DuckDB takes `charges[1].csv` for charges1.csv."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)


def _ranges(s3: Any, objects: Mapping[str, StoredObject]) -> S3Ranges:
    # fsspec takes a twentieth of a second to import, which files of this machine need not pay.
    from finops.reconciliation.adapters.s3_ranges import S3Ranges

    return S3Ranges(s3, objects)


def _columns_of(table: str, names: str) -> str:
    return ", ".join(f"{table}.{name}" for name in names.split(", "))
