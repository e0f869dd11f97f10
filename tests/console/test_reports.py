"""The page of reports: a month's report shown, and a month reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from console.identity import Role
from console.reports import StoredReport
from finops.reconciliation.report import as_document
from tests.console.conftest import Stage
from tests.reconciliation.sample_report import sample_report

MONTH = f"{datetime.now(UTC):%Y-%m}"


class Files:
    """As `S3Files`."""

    def link(self, location: str, seconds: int) -> str:
        return f"https://bucket/{location}?expires={seconds}"


@dataclass
class Shelf:
    """As `ReportShelf`."""

    report: StoredReport | None
    files: Files = field(default_factory=Files)
    runs: list[tuple[str, bool, str]] = field(default_factory=list)

    def newest(self, month: str) -> StoredReport | None:
        return self.report

    def run(self, month: str, *, close: bool, requested_by: str) -> Mapping[str, Any]:
        self.runs.append((month, close, requested_by))
        return {"revision": 2}


@pytest.fixture
def shelf(stage: Stage) -> Shelf:
    locations = {"html": "october.html", "json": "october.json"}
    report = StoredReport(document=as_document(sample_report()), locations=locations)
    stage.settings["reports"] = Shelf(report)
    return stage.settings["reports"]  # type: ignore[no-any-return]


def test_a_report_shows_totals_units_trends_and_tables(stage: Stage, shelf: Shelf) -> None:
    app = stage.page("reports")
    assert not app.exception
    assert not app.button
    assert [one.label.partition(" (")[0] for one in app.metric][:2] == ["Actual", "Budget"]
    units = app.dataframe[0].value
    assert units["name"].tolist() == [one["name"] for one in shelf.report.document["units"]]  # type: ignore[union-attr]
    assert "Anomalies" in [one.value for one in app.subheader]
    assert any(one.label.startswith("Services (") for one in app.expander)
    assert [one.proto.url for one in app.get("link_button")] == [
        "https://bucket/october.html?expires=900",
        "https://bucket/october.json?expires=900",
    ]


def test_a_month_without_a_report_says_so(stage: Stage) -> None:
    stage.settings["reports"] = Shelf(None)
    app = stage.page("reports")
    assert any(f"{MONTH} has not been reconciled yet." in one.value for one in app.markdown)


@pytest.mark.parametrize(("role", "close"), [(Role.EDITOR, False), (Role.APPROVER, True)])
def test_an_editor_reconciles_and_only_an_approver_closes(
    stage: Stage, shelf: Shelf, role: Role, close: bool
) -> None:
    app = stage.page("reports", role)
    assert app.checkbox[0].disabled is not close
    if close:
        app.checkbox[0].check()
    app.button[0].click().run()
    assert not app.exception
    assert shelf.runs == [(MONTH, close, f"the {role}")]
    assert stage.recorded() == [(f"the {role}", "reconciliation.started", MONTH)]
