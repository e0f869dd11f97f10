"""FOCUS and CUR exports, summed up by Athena: what a report asks of a month fits in one function.

Athena reads the rows and gives back their sums by all that a report tells apart. These sums go
into the table that `ExportedCosts` fills with the rows themselves, and are asked the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Final

from finops.reconciliation.adapters.athena import Athena
from finops.reconciliation.adapters.athena_tables import AthenaTable, parquet
from finops.reconciliation.adapters.charge_table import ChargeTable
from finops.reconciliation.adapters.export_columns import (
    ExportColumns,
    require_one_kind,
    rows_alike,
    selected,
    tag_column,
)
from finops.reconciliation.adapters.export_files import files_told
from finops.reconciliation.adapters.sql_dialects import Trino, literal
from finops.reconciliation.mapping import TagKey, TagRule
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.periods import Month

_MONEY: Final = "DECIMAL(38,18)"
#: What a report tells apart, with the types of `charges`.
_KEYS: Final = {
    **dict.fromkeys(("payer_account", "linked_account", "service"), "VARCHAR"),
    **dict.fromkeys(("billing_month", "charge_day"), "DATE"),
    **dict.fromkeys(("category", "charge_class", "currency", "invoice_id"), "VARCHAR"),
    **dict.fromkeys(("issuer", "commitment"), "VARCHAR"),
    "tag_rule": "INTEGER",
    **dict.fromkeys(("is_usage", "is_daily", "has_amortized"), "BOOLEAN"),
    **dict.fromkeys(("has_cost", "has_list_cost", "is_ahead"), "BOOLEAN"),
}
_SUMS: Final = ("billed", "amortized", "net", "net_amortized", "list_cost")
_ALIKE: Final = ("billing_month", "billed")
_PRICED: Final = ("billed", "amortized", "net", "net_amortized", "quantity")


class AthenaCosts(ChargeTable):
    """`CostSource` over tables of one form.

    Args:
        tables: At least one.
        athena: What sums up.
        memory: What DuckDB may use for the sums.
        threads: How many it may use.
        scratch: Where it works on disk.
    """

    def __init__(
        self,
        tables: Sequence[AthenaTable],
        athena: Athena,
        *,
        memory: str = "256MB",
        threads: int = 2,
        scratch: Path | None = None,
    ) -> None:
        super().__init__(memory=memory, threads=threads, scratch=scratch)
        self._tables = tables
        self._athena = athena
        for table in tables:
            self._notes += table.export.notes

    @property
    def _files_told(self) -> str:
        return files_told(sum(len(table.export.names) for table in self._tables))

    @cached_property
    def _forms(self) -> Sequence[ExportColumns]:
        found = [
            ExportColumns(table.types, file=table.name, dialect=Trino()) for table in self._tables
        ]
        require_one_kind(found)
        return found

    @property
    def _delivered(self) -> date:
        newest = max(table.export.delivered for table in self._tables)
        return datetime.fromtimestamp(newest, UTC).date()

    @property
    def _place(self) -> str:
        return self._tables[0].export.uri

    def _fill(self, tag_rules: Sequence[TagRule], tag_keys: Sequence[TagKey]) -> None:
        tags = {tag_column(number): "VARCHAR" for number in range(len(tag_keys))}
        keys = {**_KEYS, **tags}
        types = {
            **keys,
            **dict.fromkeys(_SUMS, _MONEY),
            "linked_account_name": "VARCHAR",
            "row_count": "BIGINT",
            "misread": "VARCHAR",
        }
        self._make("charges", types)
        sums = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
        for form, table in self._with_files(self._tables[0].months):
            columns = self._forms[form]
            fields = columns.fields(tag_rules, tag_keys)
            read = {name: fields[name] for name in (*keys, *_SUMS, "linked_account_name")}
            rows = (
                f"SELECT {selected(read)}, {columns.misread} AS misread"
                f" FROM {table.rows(table.months)}"
            )
            self._take(
                "charges",
                types,
                form,
                f"SELECT {', '.join(keys)}, {sums},"
                " max(linked_account_name) AS linked_account_name,"
                f" count(*) AS row_count, max(misread) AS misread FROM ({rows})"
                f" GROUP BY {', '.join(keys)}",
            )
        self._refuse_misread()
        if len(self._tables) > 1:
            uris = [table.export.uri for table in self._tables]
            self._refuse_equal_days(dict(zip(uris, uris, strict=True)))

    def _alike(self, month: Month) -> Sequence[tuple[str, int, int, int, Decimal]]:
        types = {
            "currency": "VARCHAR",
            **dict.fromkeys(("row_count", "kinds", "again"), "BIGINT"),
            "beyond": _MONEY,
        }
        self._make("alike", types)
        keys = ("payer_account", "linked_account", "charge_day", "currency")
        for form, table in self._with_files([month]):
            fields = self._forms[form].fields(())
            read = selected({name: fields[name] for name in (*keys, "content", *_ALIKE)})
            rows = f"SELECT {read} FROM {table.rows([month])}"
            of_month = f"billing_month = DATE '{month.first}' AND billed <> 0"
            self._take("alike", types, form, rows_alike(f"SELECT * FROM ({rows}) WHERE {of_month}"))
        found = self._run(
            self._connection,
            "SELECT currency, sum(row_count), sum(kinds), sum(again), coalesce(sum(beyond), 0)"
            " FROM alike GROUP BY 1 ORDER BY 1",
        )
        return [
            (currency, int(rows), int(kinds), int(again), beyond)
            for currency, rows, kinds, again, beyond in found
        ]

    def _priced(self, month: Month) -> str:
        keys = ("currency", "service", "billing_month", "sku")
        types = {
            **{one: _KEYS.get(one, "VARCHAR") for one in keys},
            **dict.fromkeys(_PRICED, _MONEY),
        }
        self._make("skus", types)
        sums = ", ".join(f"sum({name}) AS {name}" for name in _PRICED)
        months = [month.plus(-1), month]
        for form, table in self._with_files(months):
            fields = self._forms[form].fields(())
            read = selected({name: fields[name] for name in (*keys, *_PRICED)})
            self._take(
                "skus",
                types,
                form,
                f"SELECT {', '.join(keys)}, {sums} FROM (SELECT {read} FROM {table.rows(months)})"
                " WHERE sku IS NOT NULL AND quantity IS NOT NULL"
                f" GROUP BY {', '.join(keys)}",
            )
        return "skus"

    def _with_files(self, months: Sequence[Month]) -> list[tuple[int, AthenaTable]]:
        """Of others, Athena need not be asked."""
        found = enumerate(self._tables)
        return [(form, table) for form, table in found if table.export.locations(months)]

    def _make(self, table: str, types: Mapping[str, str]) -> None:
        kept = {**types, "file": "VARCHAR", "form": "SMALLINT"}
        columns = ", ".join(f"{name} {kind}" for name, kind in kept.items())
        self._run(self._connection, f"CREATE OR REPLACE TABLE {table} ({columns})")

    def _take(self, name: str, types: Mapping[str, str], form: int, select: str) -> None:
        """Put the result of a SELECT from a table of Athena into one of DuckDB."""
        table = self._tables[form]
        folder = Path(tempfile.mkdtemp(prefix="finops-athena-", dir=self._scratch))
        found = self._athena.unload(select, version=table.export.version, folder=folder)
        if table.current().version != table.export.version:
            raise TransientFailure(
                f"{table.export.uri} was delivered anew while Athena read it",
                code="export_changed",
                step="query_export",
                remedy="Run again",
            )
        if found:
            self._run(
                self._connection,
                f"INSERT INTO {name} BY NAME SELECT {', '.join(types)},"
                f" {literal(table.export.uri)} AS file, {form} AS form"
                f" FROM {parquet(found)}",
            )

    def _refuse_misread(self) -> None:
        [(cell,)] = self._run(self._connection, "SELECT max(misread) FROM charges")
        if cell is not None:
            raise RejectedInput(
                f"the export can't be read: a date is {cell}, which is not in the form of ISO 8601",
                code="unreadable_export",
                remedy=f"Check {self._place}: all files must belong to one export",
            )
