"""What AWS Budgets has calculated stands beside each budget, and a zero after a change does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.adapters.budgets import actual_budget
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.comparison import AccountState
from finops.budgets.csv_files import csv_of, read_budgets
from finops.budgets.documents import document_for
from finops.budgets.domain import ActualBudget, BudgetKey, Spend, Status
from finops.budgets.editing import described
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from tests.budgets.fakes import ACCOUNT, NOW, FakeStatuses, change
from tests.budgets.test_service import World

KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")
HOUR = timedelta(hours=1)


def applied(**facts: object) -> BudgetStatus:
    status = BudgetStatus(
        key=KEY, version="1", status=Status.APPLIED, amount="100.00", applied_at=NOW - 100 * HOUR
    )
    return replace(status, **facts)  # type: ignore[arg-type]


def spends(
    spend: Spend | None, status: BudgetStatus, updated_at: datetime = NOW - 100 * HOUR
) -> list[tuple[BudgetKey, Spend]]:
    budget = parse_budget(change(100).row or {})
    settings = {one.name: getattr(budget, one.name) for one in ATTRIBUTES if one.aws}
    actual = ActualBudget(settings=settings, spend=spend, updated_at=updated_at)
    state = AccountState(
        wanted={KEY: budget},
        statuses={KEY: status},
        documents={},
        actual={KEY.budget_name: actual},
    )
    return list(state.spends(NOW))


def test_an_answer_of_aws_has_actual_and_forecast_as_decimals() -> None:
    amounts = {"BudgetLimit": {"Amount": "100", "Unit": "USD"}}
    actual, forecast = {"Amount": "41.5", "Unit": "USD"}, {"Amount": "120.123", "Unit": "USD"}
    both = {"ActualSpend": actual, "ForecastedSpend": forecast}
    for answer, spend in (
        ({}, None),
        ({"CalculatedSpend": {"ActualSpend": actual}}, Spend(actual=Decimal("41.5"))),
        ({"CalculatedSpend": both}, Spend(actual=Decimal("41.5"), forecast=Decimal("120.123"))),
    ):
        assert actual_budget({**amounts, **answer}, ()).spend == spend


@pytest.mark.parametrize(
    ("row", "facts", "said"),
    [
        ({"cost_filters": {"Service": ["S3"]}}, {}, "nothing since 2026-11-16"),
        ({"cost_filters": {"Service": ["S3"]}, "time_unit": "ANNUALLY"}, {}, "since 2026-11-16"),
        (
            {"cost_filters": {"Service": ["S3"]}},
            {"applied_at": NOW - 9000 * HOUR},
            "nothing since 2026-11-01",
        ),
        ({"cost_filters": {"Service": ["S3"]}}, {"actual_spend": "0.01"}, ""),
        ({"cost_filters": {"Service": ["S3"]}}, {"applied_at": NOW - 71 * HOUR}, ""),
        ({"cost_filters": {"Service": ["S3"]}}, {"spend_at": NOW - 200 * HOUR}, ""),
        ({"cost_filters": {"Service": ["S3"]}}, {"actual_spend": ""}, ""),
        ({"cost_filters": {"Service": ["S3"]}, "time_unit": "DAILY"}, {}, ""),
        ({"cost_types": "NO_CREDITS"}, {}, ""),
        ({"cost_filters": {"LinkedAccount": [ACCOUNT]}}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_a_filter_that_counts_nothing_for_days_is_told(
    row: dict[str, Any], facts: dict[str, object], said: str
) -> None:
    edit = change(100, **row)
    known = {"actual_spend": "0.0", "spend_at": NOW, "document": document_for(edit).encode()}
    found = described(KEY, edit.row or {}, applied(**{**known, **facts}))
    assert said in found["note"]
    assert bool(said) == bool(found["note"])


def test_a_spend_is_written_when_it_differs_and_once_a_day() -> None:
    spend = Spend(actual=Decimal("41.50"), forecast=Decimal(120))
    known = applied(actual_spend="41.50", forecasted_spend="120", spend_at=NOW - HOUR)
    assert spends(spend, applied()) == [(KEY, spend)]
    assert spends(spend, known) == []
    assert spends(spend, replace(known, forecasted_spend="")) == [(KEY, spend)]
    assert spends(spend, replace(known, spend_at=NOW - 24 * HOUR)) == [(KEY, spend)]
    assert spends(spend, replace(known, applied_at=NOW - HOUR / 2)) == [(KEY, spend)]
    assert spends(None, applied()) == []


def test_a_zero_after_a_change_is_no_cost_and_one_of_a_new_month_is() -> None:
    zero = Spend(actual=Decimal(0))
    assert spends(zero, applied(), updated_at=NOW - 23 * HOUR) == []
    assert spends(zero, applied(), updated_at=NOW - 24 * HOUR) == [(KEY, zero)]
    assert spends(Spend(actual=Decimal(1)), applied(), updated_at=NOW) != []


@pytest.mark.parametrize(
    ("actual", "forecast", "variance", "forecast_variance"),
    [
        ("41.50", "120", "-58.50", "20.00"),
        ("100.01", "", "0.01", None),
        ("", "", None, None),
    ],
)
def test_a_listed_budget_has_its_spend_and_variance(
    actual: str, forecast: str, variance: str | None, forecast_variance: str | None
) -> None:
    status = applied(actual_spend=actual, forecasted_spend=forecast, spend_at=NOW)
    found = described(KEY, {"amount": Decimal(100)}, status)
    assert found["actual_spend"] == (actual or None)
    assert found["forecasted_spend"] == (forecast or None)
    assert (found["variance"], found["forecast_variance"]) == (variance, forecast_variance)


def test_the_spend_of_a_budget_that_was_changed_since_is_not_shown() -> None:
    status = applied(actual_spend="41.50", spend_at=NOW, applied_at=NOW + HOUR)
    found = described(KEY, {"amount": Decimal(100)}, status)
    assert (found["actual_spend"], found["variance"], found["spend_at"]) == (None, None, None)


@pytest.mark.parametrize(
    ("status", "amount"), [(Status.WAITING, Decimal(900)), (Status.REJECTED, "many")]
)
def test_a_variance_is_from_what_the_aws_budget_is_and_not_from_what_its_row_asks_for(
    status: Status, amount: object
) -> None:
    standing = document_for(change(100)).encode()
    known = applied(actual_spend="41.50", spend_at=NOW, document=standing, status=status)
    assert described(KEY, {"amount": amount}, known)["variance"] == "-58.50"


def test_a_row_that_is_rejected_for_its_amount_has_no_variance() -> None:
    found = described(KEY, {"amount": "much"}, applied(actual_spend="41.50", spend_at=NOW))
    assert (found["actual_spend"], found["variance"]) == ("41.50", None)


def test_a_list_with_spend_can_be_imported_again() -> None:
    status = applied(actual_spend="41.50", forecasted_spend="120", spend_at=NOW)
    text = csv_of([described(KEY, {"amount": Decimal(100)}, status)])
    assert "41.50,120,-58.50,20.00" in text
    (row,), rejected = read_budgets(text.encode(), name="list.csv", editor="bea", known=list)
    assert rejected == []
    assert not {"actual_spend", "variance", "spend_at"} & set(row)


def test_the_schedule_writes_it_and_a_later_edit_keeps_it() -> None:
    world = World()
    world.edit(change(100))
    world.deliver()
    standing = world.budgets.items["monthly-total"]
    spend = Spend(actual=Decimal("41.50"))
    world.budgets.items["monthly-total"] = replace(standing, spend=spend)
    assert world.drift() == []
    assert world.statuses.items[KEY].spend_at is None  # only looked
    world.drift(repair=True)
    assert world.statuses.items[KEY].actual_spend == "41.50"
    world.edit(change(200, sequence=2))
    assert world.statuses.items[KEY].actual_spend == "41.50"


def test_a_status_that_is_not_there_is_not_made_by_its_spend() -> None:
    statuses = FakeStatuses()
    statuses.write_spend(KEY, Spend(actual=Decimal(1)), NOW)
    assert statuses.items == {}
