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
import streamlit as st

from console.identity import Role
from console.reports import StoredReport
from console.views.reports import mail
from console.views.reports.details import acknowledgement
from console.views.reports.drilldown import go_into
from finops.reconciliation.attention import attention, lead, verdict
from finops.reconciliation.configuration import parse
from finops.reconciliation.report import Report, as_document
from finops.shared.periods import last_months
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
    assert "".join(one.text for one in verdict(report)) in shown, "the figures follow"
    for point in attention(report):
        assert any(one.endswith(f"{point.title} {point.text}") for one in shown), point
    # What is spent so far is less than the budgets; the forecast is not.
    over = ":red[**4,581.94 USD over**]"
    is_red = any(over in one.value.replace("\\", "") for one in app.markdown)
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


def test_the_month_that_is_chosen_stands_in_the_address(stage: Stage, shelf: Shelf) -> None:
    newest, chosen, other = last_months(datetime.now(UTC), 3)
    app = stage.page("reports", month=chosen)
    [box] = [one for one in app.selectbox if one.label == "Month"]
    assert box.value == chosen
    box.set_value(other).run()
    [box] = [one for one in app.selectbox if one.label == "Month"]
    # The browser writes the bound box's value into the address.
    assert (box.value, box.proto.query_param_key) == (other, "month")
    app = stage.page("reports", month="2019-13")
    assert [one.value for one in app.selectbox if one.label == "Month"] == [newest]


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


def test_costs_are_followed_from_a_unit_to_a_day_and_add_up_on_each_level(
    stage: Stage, shelf: Shelf
) -> None:
    report = sample_report()
    app = stage.page("reports")

    def parts(label: str) -> dict[str, Decimal]:
        (found,) = (one.value for one in app.dataframe if one.proto.alt == f"Costs by {label}")
        names = found["day" if label == "day" else "name"].tolist()
        assert len(set(names)) == len(names)
        return dict(zip(names, map(Decimal, map("{:.2f}".format, found["amount"])), strict=True))

    def go(label: str, wanted: str) -> None:
        (box,) = (one for one in app.selectbox if one.label == label)
        box.select(wanted).run()
        assert not app.exception

    units = parts("business unit")
    assert sum(units.values()) == report.totals.actual
    unit = next(one for one in report.units if len(one.services) > 1)
    go("Business unit", unit.name)
    services = parts("service")
    assert sum(services.values()) == units[unit.name] == unit.actual
    service = unit.services[0]
    go("Service", service.service)
    accounts = parts("account")
    assert sum(accounts.values()) == services[service.service]
    account = service.accounts[0]
    (title,) = (one for one in accounts if account.account in one)
    go("Account", title)
    days = parts("day")
    assert sum(days.values()) == accounts[title]
    assert list(days)[:31] == [one.day.isoformat() for one in report.daily]
    assert list(days)[31:] == ["Fees, tax, credits and other charges of no known day"]
    other = next(one for one in report.units if one.services and one is not unit)
    go("Business unit", other.name)
    assert sum(parts("service").values()) == other.actual, "no choice outlasts its unit"


def test_a_ticked_line_is_gone_into() -> None:
    st.session_state["table"] = {"selection": {"rows": [1], "columns": []}}
    go_into("table", "choice", ["Payments", "Platform"])
    assert st.session_state["choice"] == "Platform"
    for rows in ([], [2]):  # the table may have been another one
        st.session_state["table"] = {"selection": {"rows": rows, "columns": []}}
        go_into("table", "choice", ["Payments", "Platform"])
        assert st.session_state["choice"] == "Platform"


def test_a_report_without_days_or_by_an_earlier_version_is_shown(
    stage: Stage, shelf: Shelf
) -> None:
    document = as_document(sample_report())
    shelf.report = StoredReport(
        document={
            **document,
            "units": [
                {name: value for name, value in one.items() if name != "services"}
                for one in document["units"]
            ],
        },
        locations={},
    )
    app = stage.page("reports")
    assert not app.exception
    assert "Where the costs are" not in [one.value for one in app.header]
    assert not app.warning
