"""The alerts of a spoke's defaults, for rows that name none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from finops.budgets.applier import BudgetApplier
from finops.budgets.domain import NotificationType, Status, Threshold
from tests.budgets.fakes import ACCOUNT, TOPIC, change
from tests.budgets.test_service import KEY, World

FORECAST = Threshold(type=NotificationType.FORECASTED, percent=Decimal(100))


@pytest.fixture
def world() -> World:
    """A spoke whose default alerts are all on the forecast."""
    world = World()
    world.applier = BudgetApplier(
        account_id=ACCOUNT,
        parameters=world.parameters,
        budgets=world.budgets,
        results=world.results,
        topic_arn=TOPIC,
        default_thresholds=[FORECAST],
        default_emails=[],
        clock=lambda: world.now,
    )
    return world


def test_a_day_is_not_left_without_an_alert_unsaid(world: World) -> None:
    world.edit(change(50, time_unit="DAILY"))
    world.deliver()
    status = world.statuses.items[KEY]
    assert status.status is Status.FAILED
    assert "so that it would have no alert" in status.error
    assert "Write thresholds such as ACTUAL:100 in the row, or none" in status.error
    assert world.amount is None


@pytest.mark.parametrize(
    ("number", "row"),
    [
        (2, {"time_unit": "DAILY", "thresholds": "ACTUAL:100"}),
        (3, {"time_unit": "DAILY", "thresholds": "none"}),
        (4, {"time_unit": "MONTHLY"}),
    ],
)
def test_who_says_which_alerts_has_them(world: World, number: int, row: dict[str, str]) -> None:
    world.edit(change(50, time_unit="DAILY"))
    world.deliver()
    world.edit(change(60, sequence=number, **row))
    world.deliver()
    assert world.status == "APPLIED"
    assert world.amount == 60
