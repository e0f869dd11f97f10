"""What a new spoke reports of the budget that it makes by itself, which no edit asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.documents import seed_document
from finops.budgets.domain import Delivery, Status
from finops.budgets.ports import BudgetResult
from finops.budgets.results import UNASKED_REPORTS
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.budgets.fakes import ACCOUNT, change
from tests.budgets.test_service import KEY, OTHER, World, edit_budget


@pytest.fixture
def world() -> World:
    """A spoke that was deployed, in an account without a row."""
    world = World()
    world.applier.seed(seed_document(ACCOUNT, {"budget_name": "monthly-total", "amount": "250.00"}))
    return world


def reported(world: World) -> BudgetResult:
    world.applier.apply("monthly-total")
    return world.results.reported.pop()


def actions(world: World) -> list[object]:
    return [one.details["action"] for one in world.audit.events]


def test_the_budget_of_a_new_spoke_is_audited_and_is_no_forged_report(world: World) -> None:
    assert not world.recorder.record(reported(world), sender=ACCOUNT)
    assert actions(world) == ["created"]
    assert world.withheld == []
    assert world.statuses.items == {}


def test_so_is_its_repair_by_the_spoke(world: World) -> None:
    world.recorder.record(reported(world), sender=ACCOUNT)
    edit_budget(world)
    world.recorder.record(reported(world), sender=ACCOUNT)
    assert actions(world) == ["created", "updated"]
    assert world.withheld == []


def test_an_account_that_may_not_have_budgets_yet_says_so_for_nothing(world: World) -> None:
    refused = replace(
        reported(world),
        status=Status.FAILED,
        action="failed",
        error=ConfigurationError("no budgets yet", code="AccessDeniedException"),
    )
    for _ in range(2 * UNASKED_REPORTS):
        assert not world.recorder.record(refused, sender=ACCOUNT)
    assert (world.audit.events, world.withheld) == ([], [])


def test_the_row_of_such_a_budget_is_answered_as_any_other(world: World) -> None:
    seed = reported(world)
    world.edit(change(100))
    world.recorder.record(seed, sender=ACCOUNT)
    assert world.status == "PENDING"
    world.deliver()
    assert world.status == "APPLIED"
    assert world.amount == Decimal(100)
    assert world.withheld == []


def test_reports_in_its_shape_fill_no_trail_and_what_is_above_the_limit_is_told(
    world: World,
) -> None:
    seed = reported(world)
    for number in range(UNASKED_REPORTS + 5):
        forged = replace(seed, key=replace(KEY, budget_name=f"none-{number}"))
        assert not world.recorder.record(forged, sender=ACCOUNT)
    assert len(world.audit.events) == UNASKED_REPORTS
    assert len(world.withheld) == 5
    assert world.statuses.items == {}


@pytest.mark.parametrize(
    "forged",
    [
        {"version": "1"},
        {"version": "00"},
        {"request_id": "seeds"},
        {"status": Status.REMOVED, "action": "removed"},
        {"latency_ms": 5},
        {"version": "1", "status": Status.FAILED, "action": "failed"},
    ],
)
def test_another_report_of_what_was_never_published_is_withheld(
    world: World, forged: Mapping[str, Any]
) -> None:
    world.recorder.record(replace(reported(world), **forged), sender=ACCOUNT)
    assert world.audit.events == []
    assert len(world.withheld) == 1


@pytest.mark.parametrize("delivery", list(Delivery))
def test_no_account_reports_the_first_budget_of_another(world: World, delivery: Delivery) -> None:
    with pytest.raises(RejectedInput):
        world.recorder.record(replace(reported(world), delivery=delivery), sender=OTHER)
    (attempt,) = world.audit.events
    assert attempt.action == "budget_result.refused"
