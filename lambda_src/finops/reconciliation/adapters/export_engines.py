"""What reads an export: this process, or Amazon Athena where it would not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from finops.reconciliation.adapters.athena import Athena
from finops.reconciliation.adapters.athena_costs import AthenaCosts
from finops.reconciliation.adapters.athena_tables import AthenaTable, glue_table
from finops.reconciliation.adapters.export_files import of_paths
from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.adapters.s3 import (
    CountedExport,
    S3AnswerCache,
    counted_export,
    stored_files,
)
from finops.reconciliation.deliveries import COMPARED_MONTHS
from finops.reconciliation.ports import CostSource
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month

_RESULTS: Final = "cache/athena"


@dataclass(frozen=True, kw_only=True)
class AthenaSettings:
    """`costs.athena` of modules/reconciliation, and what it made.

    Attributes:
        engine: `auto`, `function` or `athena`.
        from_mb: What `auto` leaves to the function, in MiB of files that count.
        workgroup: Its name.
        most_gb_scanned: The workgroup's limit for one query.
        usd_per_tb: The region's price.
        database: Of the Glue catalog.
        tables: By the URI of an export.
    """

    engine: str
    from_mb: Decimal
    workgroup: str
    most_gb_scanned: Decimal
    usd_per_tb: Decimal
    database: str
    tables: Mapping[str, str]

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> AthenaSettings | None:
        """Of a function's environment; None where the deployment has no Athena."""
        text = variables.get("ATHENA")
        if not text:
            return None
        found = json.loads(text)
        numbers = ("from_mb", "most_gb_scanned", "usd_per_tb")
        return cls(**{**found, **{one: Decimal(str(found[one])) for one in numbers}})


@dataclass(frozen=True, kw_only=True)
class ExportEngines:
    """The engines of one deployment.

    Attributes:
        client: Makes clients of the account.
        settings: Of Athena; None without it.
        bucket: Where Athena's results go; empty without a deployment.
        scratch: A folder for files.
    """

    client: Callable[[str], Any]
    settings: AthenaSettings | None
    bucket: str
    scratch: Path

    def source(
        self, inputs: Sequence[str], months: Sequence[Month], *, by_athena: bool
    ) -> CostSource:
        """Where the charges of these exports come from.

        Args:
            inputs: Paths and S3 URIs.
            months: Of the billing periods that are asked for.
            by_athena: Whatever their size is.

        Raises:
            RejectedInput: `no_athena`, or the files cannot be read.
        """
        uris = [one for one in inputs if one.startswith("s3://")]
        exports = [counted_export(self.client("s3"), one, months) for one in uris]
        if by_athena or (len(uris) == len(inputs) and self._is_chosen(exports)):
            self._require_tables(inputs)
            return AthenaCosts(
                [self._table(one, months) for one in exports], self.athena, scratch=self.scratch
            )
        files = [stored_files(one) for one in exports]
        paths = [Path(one) for one in inputs if not one.startswith("s3://")]
        if paths:
            files.append(of_paths(paths, months[-COMPARED_MONTHS:]))
        s3 = self.client("s3") if uris else None
        return ExportedCosts(sum(files[1:], files[0]), s3=s3, scratch=self.scratch)

    @cached_property
    def athena(self) -> Athena:
        """The workgroup; it also counts what it is asked."""
        settings, s3 = self._settings, self.client("s3")
        return Athena(
            self.client("athena"),
            s3,
            workgroup=settings.workgroup,
            database=settings.database,
            folder=f"s3://{self.bucket}/{_RESULTS}",
            kept=S3AnswerCache(s3, self.bucket, f"{_RESULTS}/"),
            usd_per_tb=settings.usd_per_tb,
            most_gb_scanned=settings.most_gb_scanned,
        )

    @property
    def asked_athena(self) -> bool:
        """Whether Athena was asked for anything."""
        return "athena" in self.__dict__

    @property
    def _settings(self) -> AthenaSettings:
        if self.settings is None:
            raise RejectedInput(
                "this deployment has no Athena",
                code="no_athena",
                remedy="Set `costs.athena` of modules/reconciliation, or use --source focus",
            )
        return self.settings

    def _is_chosen(self, exports: Sequence[CountedExport]) -> bool:
        """Whether Athena has the tables, and the function has too little room or is not wanted."""
        settings = self.settings
        if settings is None or settings.engine == "function":
            return False
        if any(one.uri not in settings.tables for one in exports):
            return False
        size = sum(one.size for one in exports)
        return settings.engine == "athena" or size > settings.from_mb * 2**20

    def _require_tables(self, inputs: Sequence[str]) -> None:
        for one in inputs:
            if one not in self._settings.tables:
                raise RejectedInput(
                    f"Athena has no table of {one}",
                    code="no_athena",
                    value=one,
                    remedy="Add it to `costs.exports_uris` of modules/reconciliation, or use"
                    " --source focus",
                )

    def _table(self, export: CountedExport, months: Sequence[Month]) -> AthenaTable:
        return glue_table(
            self.client("glue"),
            self.client("s3"),
            database=self._settings.database,
            name=self._settings.tables[export.uri],
            months=months,
            export=export,
            current=lambda: counted_export(self.client("s3"), export.uri, months),
        )
