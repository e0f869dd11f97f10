"""What AWS Budgets says of each budget, from the table of statuses to every format of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.documents import document_for
from finops.budgets.domain import Status
from finops.budgets.ports import BudgetStatus
from finops.reconciliation.adapters.budgets import TableBudgets
from finops.reconciliation.aws_budgets import AwsBudget, budgets_in, by_variance, with_kept
from finops.reconciliation.rendering import render
from finops.shared.periods import Month
from tests.budgets.fakes import ACCOUNT, NOW, FakeStatuses, FakeTable, change
from tests.reconciliation.sample_report import sample_report
from tests.reconciliation.test_rendering import csv_lines, workbook

NOVEMBER = Month.parse("2026-11")


def status(account_id: str = ACCOUNT, amount: object = 100, **row: Any) -> BudgetStatus:
    """An applied budget whose spend AWS had calculated an hour later."""
    document = document_for(change(amount, account_id=account_id, **row))
    return BudgetStatus(
        key=document.key,
        version="1",
        status=Status.APPLIED,
        document=document.encode(),
        delivery=document.delivery,
        applied_at=NOW - timedelta(hours=1),
        actual_spend="604.4560000000000172803993836856365203857421875",
        forecasted_spend="90",
        spend_at=NOW,
    )


def calculated(*statuses: BudgetStatus) -> list[AwsBudget]:
    known = FakeStatuses()
    known.items = {one.key: one for one in statuses}
    table = cast("DynamoBudgetTable", FakeTable())
    found = TableBudgets(table, cast("DynamoStatusTable", known)).calculated()
    assert found is not None
    return found


def test_a_budget_has_what_aws_says_of_it_and_when_that_was_read() -> None:
    assert calculated(status()) == [
        AwsBudget(
            account=ACCOUNT,
            name="monthly-total",
            counts="",
            delivery="spoke",
            default_of="",
            currency="USD",
            period="MONTHLY",
            first=date(2026, 11, 1),
            last=date(2026, 11, 30),
            limit=Decimal("100.00"),
            actual=Decimal("604.46"),
            variance=Decimal("504.46"),
            forecast=Decimal(90),
            forecast_variance=Decimal("-10.00"),
            read_at=NOW,
        )
    ]


def test_who_inherits_and_whose_budget_the_payer_has_are_there_once_each() -> None:
    inherited = replace(status("333333333333"), default_of="*")
    default = replace(status(), key=replace(inherited.key, account_id="*"), document="")
    both = {"LinkedAccount": ["444444444444", "555555555555"]}
    payer = status("444444444444", delivery="payer", cost_filters=both, cost_types="NO_CREDITS")
    found = calculated(status(), inherited, default, payer)
    assert [(one.account, one.default_of, one.delivery, one.counts) for one in found] == [
        (ACCOUNT, "", "spoke", ""),
        ("333333333333", "*", "spoke", ""),
        ("444444444444", "", "payer", "LinkedAccount 444444444444, 555555555555; NO_CREDITS"),
    ]


def test_the_limit_is_that_of_the_budget_in_aws_when_it_was_read() -> None:
    planned = status(amount=100, planned_amounts={"2026-11": "250", "2026-12": "300"})
    waiting = replace(status("333333333333"), status=Status.WAITING, amount="9000")
    assert [one.limit for one in calculated(planned, waiting)] == [250, 100]


@pytest.mark.parametrize(
    "unknown",
    [
        {"spend_at": None},
        {"actual_spend": ""},
        {"document": ""},
        {"document": "{}"},
        {"status": Status.REMOVED},
        {"applied_at": NOW + timedelta(minutes=1)},  # read before the change
    ],
)
def test_what_aws_has_not_calculated_is_left_out(unknown: dict[str, Any]) -> None:
    assert calculated(replace(status(), **unknown)) == []


def test_without_a_forecast_there_is_no_variance_by_it() -> None:
    (found,) = calculated(replace(status(), forecasted_spend=""))
    assert (found.forecast, found.forecast_variance) == (None, None)


def test_without_the_table_of_statuses_nobody_knows_anything() -> None:
    assert TableBudgets(cast("DynamoBudgetTable", FakeTable())).calculated() is None


@pytest.mark.parametrize(
    ("unit", "first", "last"),
    [
        ("DAILY", date(2026, 11, 20), date(2026, 11, 20)),
        ("MONTHLY", date(2026, 11, 1), date(2026, 11, 30)),
        ("QUARTERLY", date(2026, 10, 1), date(2026, 12, 31)),
        ("ANNUALLY", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_figures_are_of_the_budgets_period_and_of_the_month_they_were_read_in(
    unit: str, first: date, last: date
) -> None:
    (found,) = calculated(status(time_unit=unit))
    assert (found.first, found.last) == (first, last)
    assert [found.is_of(NOVEMBER.plus(one)) for one in (-1, 0, 1)] == [False, True, False]


def test_the_furthest_above_its_limit_comes_first() -> None:
    over = status("333333333333")
    by_forecast = replace(status("444444444444"), actual_spend="1", forecasted_spend="900")
    under = replace(status("555555555555"), actual_spend="1", forecasted_spend="")
    found = sorted(calculated(under, over, by_forecast), key=by_variance)
    assert [one.account[0] for one in found] == ["4", "3", "5"]


def test_every_format_has_the_same_figures() -> None:
    report = sample_report(accounts=3)
    budgets = report.aws_budgets
    assert budgets
    lines = csv_lines(report, "aws budgets")
    assert [
        (one["account"], one["amount"], one["reference"], one["difference"]) for one in lines
    ] == [(one.account, f"{one.actual:f}", "100.00", f"{one.variance:f}") for one in budgets]
    assert {one["currency"] for one in lines} == {"USD"}
    by_forecast = csv_lines(report, "aws budgets by forecast")
    assert [Decimal(one["difference"]) for one in by_forecast] == [
        one.forecast_variance for one in budgets if one.forecast is not None
    ]
    head, *rows = workbook(report)["AWS Budgets"]
    letter = {name: key for key, name in head.items()}
    assert [Decimal(row[letter["Variance"]]) for row in rows] == [one.variance for one in budgets]
    assert [row[letter["Read at (UTC)"]] for row in rows] == ["2026-11-20 12:05"] * len(budgets)
    page = render(report, "html").decode()
    section = page[page.index('<section id="aws-budgets"') : page.index('<section id="year"')]
    for one in budgets:
        assert f"{one.actual:,.2f}" in section
        assert f"{one.variance:+,.2f}" in section
    assert "TagKeyValue user:Team$Sales" in section
    assert "default of *" in section


def test_nothing_is_added_up() -> None:
    report = sample_report(accounts=3)
    assert len(workbook(report)["AWS Budgets"]) == 1 + len(report.aws_budgets or ())
    page = render(report, "html").decode()
    section = page[page.index('<section id="aws-budgets"') : page.index('<section id="year"')]
    assert "<tfoot>" not in section


def test_a_stored_report_gives_back_its_budgets() -> None:
    report = sample_report(accounts=3)
    stored = json.loads(render(report, "json"))
    assert budgets_in(stored) == report.aws_budgets
    assert budgets_in({}) == budgets_in({"aws_budgets": None}) == ()


def test_what_is_known_now_replaces_what_was_kept() -> None:
    one, two = calculated(status(), status("333333333333"))
    newer = replace(one, actual=Decimal(5), variance=Decimal(-95))
    assert with_kept(None, ()) is None
    assert with_kept((), ()) == ()
    assert with_kept(None, (one,)) == (one,)
    assert set(with_kept((newer,), (one, two)) or ()) == {newer, two}


def test_without_a_budgets_flow_no_format_has_the_section() -> None:
    report = replace(sample_report(), aws_budgets=None)
    assert "aws-budgets" not in render(report, "html").decode()
    assert "AWS Budgets" not in workbook(report)
    assert csv_lines(report, "aws budgets") == []


def test_a_month_of_which_nothing_is_known_any_more_says_so() -> None:
    page = render(replace(sample_report(), aws_budgets=()), "html").decode()
    assert "only its newest figures are kept" in page


def test_thousands_of_budgets_are_a_page_that_can_be_read() -> None:
    report = sample_report(accounts=3_000)
    page = render(report, "html")
    assert len(page) < 1_000_000
    assert "2901 more, in the other formats" in page.decode()
    assert len(csv_lines(report, "aws budgets")) == 3_001
