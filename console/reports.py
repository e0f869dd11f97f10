"""Reports that the reconciliation has stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import msgspec

from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.functions import invoke
from finops.reconciliation.adapters.s3 import S3Files
from finops.reconciliation.report import Report
from finops.reconciliation.stores import Reports
from finops.shared.errors import RejectedInput

#: Seconds for which a link to a report works.
LINK_SECONDS: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A month's report as its JSON document, and the S3 location of each format."""

    document: Mapping[str, Any]
    locations: Mapping[str, str]

    @property
    def report(self) -> Report:
        """The model from which every format is written.

        Raises:
            RejectedInput: an earlier version made the report.
        """
        try:
            return msgspec.convert(self.document, Report)
        except msgspec.ValidationError as error:
            raise RejectedInput(
                f"the report was made by an earlier version ({error})",
                code="earlier_version",
                remedy="Reconcile the month again, or download the report",
            ) from None


@dataclass(frozen=True)
class ReportShelf:
    """Reads and creates the reports of one deployment."""

    environment: Environment
    aws: Aws = field(repr=False)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The function's environment, as Terraform set it."""
        return self.aws.function_variables(
            self.environment.reconcile_function, module="reconciliation"
        )

    @cached_property
    def files(self) -> S3Files:
        """The bucket of reports."""
        return S3Files(self.aws.client("s3"), self.variables["BUCKET"])

    def newest(self, month: str) -> StoredReport | None:
        """The closed report of a month, else the provisional one; None where there is neither."""
        closed = Reports(self.files).newest(month)
        if closed:
            return StoredReport(document=closed.document, locations=closed.locations)
        stem = f"provisional/{month}/reconciliation-{month}."
        kinds = {name.removeprefix(stem): name for name in self.files.names(stem)}
        if "json" not in kinds:
            return None
        return StoredReport(
            document=json.loads(self.files.read(kinds["json"])),
            locations={kind: self.files.location(name) for kind, name in kinds.items()},
        )

    def run(self, month: str, *, close: bool, requested_by: str) -> Mapping[str, Any]:
        """Reconcile a month, as the schedule does."""
        answer = invoke(
            self.aws.client("lambda"),
            self.environment.reconcile_function,
            {"month": month, "close": close, "requested_by": requested_by},
        )
        (done,) = answer["months"]
        return dict(done)
