"""What `finops reconcile` prints of a report."""

from __future__ import annotations

import json

import pytest

from finops.cli.output import Format, output
from finops.cli.reconcile import answer
from finops.reconciliation.domain import UnitStatus
from finops.reconciliation.ports import Stored
from finops.reconciliation.report import Report, as_document
from finops.reconciliation.service import Outcome
from tests.reconciliation.sample_report import sample_report


class Engines:
    asked_athena = False


def printed(report: Report, form: Format, capsys: pytest.CaptureFixture[str]) -> str:
    stored = Stored(revision=0, document=as_document(report), locations={})
    outcome = Outcome(report=report, stored=stored, is_new=True)
    out = output(as_json=form is Format.JSON, form=form)
    answer(out, outcome, object(), Engines())  # type: ignore[arg-type]  # it asks for Athena only
    return capsys.readouterr().out


def test_an_open_months_variance_is_that_of_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    report = sample_report(is_open=True)
    head, *lines = printed(report, Format.CSV, capsys).splitlines()
    names = head.split(",")
    assert names[:6] == [
        *("name", "actual", "forecast", "budget", "forecast_variance", "forecast_variance_pct")
    ]
    rows = {line.split(",")[0]: dict(zip(names, line.split(","), strict=False)) for line in lines}
    over = [one for one in report.units if one.status is UnitStatus.OVERRUN]
    assert over
    for one in over:
        assert one.forecast
        assert one.budget
        assert rows[one.name]["forecast_variance"] == f"{one.forecast - one.budget:f}"
        assert float(rows[one.name]["forecast_variance_pct"]) > 0
    units = json.loads(printed(report, Format.JSON, capsys))["units"]
    assert {"variance", "variance_pct", "forecast_variance"} <= units[0].keys()


def test_a_closed_months_variance_is_that_of_its_costs(capsys: pytest.CaptureFixture[str]) -> None:
    head = printed(sample_report(), Format.CSV, capsys).splitlines()[0]
    assert head == "name,actual,budget,variance,variance_pct,status,previous,forecast"
