"""What the ledger of billing files says of a failure, over a database that keeps its statements."""

from __future__ import annotations

from typing import Any

import pytest

from finops.billing.database.store import AuroraBillingStore
from finops.billing.domain import FileStatus
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure


class RecordingDatabase:
    def __init__(self) -> None:
        self.parameters: list[dict[str, Any]] = []

    def execute(self, _sql: str, parameters: dict[str, Any]) -> None:
        self.parameters.append(parameters)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            RejectedInput(
                "no header", code="no_header", step="read_file", remedy="Export it again"
            ),
            FileStatus.REJECTED,
            "no header. Export it again",
        ),
        (
            TransientFailure("the database is away", code="away", step="load_rows"),
            FileStatus.FAILED,
            "the database is away (step load_rows)",
        ),
        (None, FileStatus.LOADING, None),
    ],
    ids=["rejected", "failed", "no error"],
)
def test_only_a_failure_names_its_step(
    error: FinOpsError | None, status: FileStatus, said: str | None
) -> None:
    database = RecordingDatabase()
    AuroraBillingStore(database).mark(7, status, error)  # type: ignore[arg-type]
    assert database.parameters[0]["error"] == said
