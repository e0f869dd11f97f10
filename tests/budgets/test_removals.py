"""Removed rows: their budgets go, and what somebody makes by hand afterwards stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from finops.budgets.domain import NotificationType, Threshold
from finops.budgets.ownership import PARAMETER_TAG
from finops.budgets.publications import Outcome
from finops.budgets.rows import parse_budget
from finops.shared.errors import ConfigurationError
from tests.budgets.fakes import ACCOUNT, TOPIC, change
from tests.budgets.test_service import KEY, World

NAME = "team"
MINUTE = timedelta(minutes=1)


class Clocked(World):
    """A world whose fakes know what time it is."""

    def wait(self, time: timedelta = MINUTE) -> None:
        self.now = self.parameters.now = self.budgets.now = self.now + time

    def make_by_hand(self, name: str, after: timedelta = MINUTE) -> None:
        self.wait(after)
        self.budgets.create(parse_budget(change(7, budget_name=name).row or {}), TOPIC)


@pytest.fixture
def world() -> Clocked:
    world = Clocked()
    for name in (NAME, "monthly-total"):
        world.edit(change(100, budget_name=name))
    world.deliver()
    world.wait()
    return world


def remove(world: Clocked, name: str = NAME, sequence: int = 2) -> None:
    world.edit(change(None, sequence=sequence, budget_name=name))


def test_a_budget_made_by_hand_after_a_removal_stays(world: Clocked) -> None:
    remove(world)
    world.deliver()
    assert NAME not in world.budgets.items
    world.make_by_hand(NAME)
    for _ in range(5):
        world.applier.apply_all()
        assert world.drift(repair=True) == []
        world.wait(timedelta(hours=9))
    assert NAME in world.budgets.items
    assert NAME not in world.parameters.items


def test_a_removal_whose_event_was_lost_is_done_by_the_schedule(world: Clocked) -> None:
    remove(world)
    world.applier.apply_all()
    world.record()
    assert NAME not in world.budgets.items
    assert world.statuses.items[replace(KEY, budget_name=NAME)].status == "REMOVED"


def test_the_parameter_of_a_removal_goes_after_a_day(world: Clocked) -> None:
    for name in (NAME, "monthly-total"):
        remove(world, name)
    world.deliver()
    world.applier.apply_all()
    assert set(world.parameters.items) == {NAME, "monthly-total"}
    world.wait(timedelta(days=1, minutes=1))
    world.applier.apply_all()
    assert world.parameters.items == {}
    world.make_by_hand("monthly-total")
    world.applier.apply_all()
    assert "monthly-total" in world.budgets.items


def test_a_slow_run_of_the_edit_before_does_not_outlive_the_removal(world: Clocked) -> None:
    remove(world)
    world.wait()
    tags = {PARAMETER_TAG: world.parameters.name_of(NAME)}
    # By a run that was killed after its call, and is tried again.
    world.budgets.create(parse_budget(change(100, budget_name=NAME).row or {}), TOPIC, tags)
    world.deliver()
    assert NAME not in world.budgets.items


def test_a_row_that_comes_back_is_a_budget_again(world: Clocked) -> None:
    remove(world)
    world.deliver()
    world.edit(change(50, sequence=3, budget_name=NAME))
    world.applier.apply_all()
    assert world.budgets.items[NAME].amount == 50


def test_a_rejected_row_that_is_removed_leaves_a_budget_made_by_hand(world: Clocked) -> None:
    remove(world)
    world.deliver()
    world.make_by_hand(NAME, after=timedelta(minutes=10))
    world.edit(change("abc", sequence=3, budget_name=NAME))
    del world.table.items[ACCOUNT, NAME]
    assert world.drift(repair=True) == []
    gone = change(None, sequence=4, budget_name=NAME)
    assert world.edit(gone).outcome is Outcome.KEPT
    world.deliver()
    assert NAME in world.budgets.items


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("removed_before", [True, False])
def test_a_budget_made_by_hand_that_no_account_was_told_of_stays(
    world: Clocked, *, removed_before: bool, seen: bool
) -> None:
    name = NAME if removed_before else "other"
    if removed_before:
        remove(world)
        world.deliver()
    world.make_by_hand(name, after=timedelta(minutes=10))

    def refuse(call: str) -> None:
        if call == "put_document":
            raise ConfigurationError("no PutParameter", code="AccessDenied", step="put_parameter")

    world.spokes.before = refuse
    world.edit(change(100, sequence=3, budget_name=name))
    key = replace(KEY, budget_name=name)
    assert world.statuses.items[key].status == "FAILED"
    world.spokes.before = lambda call: None
    if seen:
        gone = change(None, sequence=4, budget_name=name)
        assert world.edit(gone).outcome is Outcome.KEPT
    else:
        del world.table.items[ACCOUNT, name]
    for _ in range(2):
        world.drift(repair=True)
        world.deliver()
    assert world.statuses.items[key].status == "REMOVED"
    assert world.budgets.items[name].amount == 7


@pytest.mark.parametrize("seen", [True, False])
def test_a_budget_that_an_account_was_told_of_goes_though_its_next_edit_is_refused(
    world: Clocked, *, seen: bool
) -> None:
    world.edit(change(100, sequence=3, budget_name="other"))
    world.applier.apply("other")
    world.results.reported.clear()

    def refuse(call: str) -> None:
        if call == "put_document":
            raise ConfigurationError("no PutParameter", code="AccessDenied", step="put_parameter")

    world.spokes.before = refuse
    world.edit(change(200, sequence=4, budget_name="other"))
    world.spokes.before = lambda call: None
    if seen:
        world.edit(change(None, sequence=5, budget_name="other"))
    else:
        del world.table.items[ACCOUNT, "other"]
    world.drift(repair=True)
    world.deliver()
    assert "other" not in world.budgets.items
    assert world.statuses.items[replace(KEY, budget_name="other")].status == "REMOVED"


def test_a_removal_whose_answer_was_lost_is_not_asked_for_again(world: Clocked) -> None:
    remove(world)
    world.applier.apply(NAME)
    world.results.reported.clear()
    key = replace(KEY, budget_name=NAME)
    world.recorder.expire(key, world.statuses.items[key].version)
    before = world.parameters.items[NAME]
    assert world.drift() == world.drift(repair=True) == []
    assert world.statuses.items[key].status == "REMOVED"
    assert world.audited[-1] == "budget.removed"
    assert world.parameters.items[NAME] == before


def test_a_removal_that_the_stream_delivers_again_still_removes(world: Clocked) -> None:
    remove(world)
    remove(world)
    world.deliver()
    assert NAME not in world.budgets.items


def test_the_end_of_a_deployment_keeps_what_is_not_its_own(world: Clocked) -> None:
    remove(world)
    world.deliver()
    world.make_by_hand(NAME)
    assert world.applier.remove_all() == ["monthly-total"]
    assert (list(world.budgets.items), world.parameters.items) == ([NAME], {})


def test_a_row_without_alerts_keeps_its_document_and_is_no_drift(world: Clocked) -> None:
    edit = change(100, sequence=5, budget_name=NAME, thresholds="none", emails="NONE")
    world.edit(edit)
    world.deliver()
    assert '"thresholds":[]' in world.parameters.items[NAME].value
    assert world.budgets.items[NAME].notifications == ()
    assert world.drift() == []


def test_a_threshold_of_a_third_is_not_written_again(world: Clocked) -> None:
    third = [{"type": "ACTUAL", "percent": Decimal("33.333333333333333333333")}]
    world.edit(change(100, sequence=5, budget_name=NAME, thresholds=third))
    world.deliver()
    (alert,) = world.budgets.items[NAME].notifications
    assert alert.threshold == Threshold(type=NotificationType.ACTUAL, percent=Decimal("33.33"))
    assert {one.action for one in world.applier.apply_all().results} == {"unchanged"}
