"""The page of reports: a month's report shown, and a month reconciled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from console.identity import Role
from console.reports import StoredReport
from console.views.reports import mail
from console.views.reports.details import acknowledgement
from finops.reconciliation.attention import attention, lead
from finops.reconciliation.configuration import parse
from finops.reconciliation.report import Report, as_document
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
    assert "Anomalies" in [one.value for one in app.header]
    assert any(one.label.startswith("Services (") for one in app.expander)
    *files, letter = (one.proto.url for one in app.get("link_button"))
    assert files == [
        "https://bucket/october.html?expires=900",
        "https://bucket/october.json?expires=900",
    ]
    assert letter.startswith("mailto:?subject=")


def test_a_report_lists_its_pages_of_owners(stage: Stage, shelf: Shelf) -> None:
    assert shelf.report
    locations = {"html": "s3://b/reports/2026-10/revision-2-x/r.html"}
    shelf.report = replace(shelf.report, locations=locations)
    app = stage.page("reports")
    assert not app.exception
    [drawn] = [one for one in app.expander if one.label.startswith("Showback")]
    table = drawn.dataframe[0].value
    [found] = shelf.report.document["showback"]
    assert table["name"].tolist() == [one["name"] or "No owner" for one in found["statements"]]
    assert table["page"].tolist() == [
        f"https://bucket/s3://b/reports/2026-10/revision-2-x/showback/{one['page']}?expires=900"
        for one in found["statements"]
    ]


def open_month() -> Report:
    """Over its budgets by forecast, and under them so far."""
    report = sample_report()
    totals = replace(
        report.totals,
        forecast=Decimal("170000.00"),
        forecast_variance=Decimal("4581.94"),
    )
    return replace(report, known_until=date(2026, 10, 20), is_open=True, revision=0, totals=totals)


@pytest.mark.parametrize("report", [sample_report(), open_month()], ids=["closed", "open"])
def test_a_report_begins_as_the_html_report_does(
    stage: Stage, shelf: Shelf, report: Report
) -> None:
    shelf.report = StoredReport(document=as_document(report), locations={})
    app = stage.page("reports")
    assert not app.exception
    shown = [re.sub(r":(red|green|orange|gray)\[|[\\\]*]", "", one.value) for one in app.markdown]
    assert "".join(one.text for one in lead(report)) in shown
    for point in attention(report):
        assert any(one.endswith(f"{point.title} {point.text}") for one in shown), point
    # What is spent so far is less than the budgets; the forecast is not.
    is_red = any(":red[**4,581.94 over**]" in one.value.replace("\\", "") for one in app.markdown)
    assert is_red is (report.known_until is not None)
    labels = [one.label for one in app.metric]
    assert ("Variance by forecast (USD)" in labels) is (report.known_until is not None)
    facts = " ".join(one.value for one in app.caption)
    assert ("costs from 2026-10-20 on are not known" in facts) is (report.known_until is not None)
    assert "None" not in facts


def test_a_report_of_an_earlier_version_can_be_downloaded_and_says_what_it_is(
    stage: Stage, shelf: Shelf
) -> None:
    document = {name: one for name, one in as_document(sample_report()).items() if name != "units"}
    shelf.report = StoredReport(document=document, locations={"html": "october.html"})
    app = stage.page("reports")
    assert any("earlier version" in one.value for one in app.warning)
    assert len(app.get("link_button")) == 1


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


def test_a_mail_begins_as_the_report_does_and_leads_to_it() -> None:
    report = sample_report()
    address = urlsplit(mail(report, "https://console.example.com/"))
    assert address.scheme == "mailto"
    said = parse_qs(address.query)
    assert said["subject"] == [f"Costs of {report.month}"]
    first, *rest = said["body"][0].split("\r\n")
    assert first == "".join(one.text for one in lead(report))
    assert rest[-1] == f"https://console.example.com/reports?month={report.month}"
    assert [one for one in rest if one.startswith("- ")] == [
        f"- {one.title}. {one.text}" for one in attention(report)
    ]


def test_the_lines_that_acknowledge_an_anomaly_do_so_in_the_configuration() -> None:
    document = as_document(sample_report())
    one = document["anomalies"][0] | {"subject": 'a "quoted": service', "first": "2026-10-14"}
    (found,) = parse(acknowledgement(one), name="lines").acknowledgements
    assert (found.subject, str(found.day), found.reason) == (one["subject"], "2026-10-14", "WHY")


def test_what_somebody_knows_of_is_said_to_be_acknowledged(stage: Stage, shelf: Shelf) -> None:
    report = sample_report()
    known = replace(report.anomalies[0], acknowledged="a load test")
    assert shelf.report
    document = as_document(replace(report, anomalies=(known, *report.anomalies[1:])))
    shelf.report = replace(shelf.report, document=document)
    app = stage.page("reports")
    assert not app.exception
    assert any(one.value == ":green[Acknowledged:] a load test" for one in app.markdown)
    assert len(app.code) == len(report.anomalies) - 1
