"""A budget that somebody made by hand before its row: it becomes as the row says, and is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from finops.budgets.domain import RemovalPolicy, Status
from tests.budgets.fakes import ACCOUNT, Crash, FakeOrganization, change
from tests.budgets.test_removals import Clocked
from tests.budgets.test_service import KEY, OTHER

NAME = "monthly-total"


@pytest.fixture
def world() -> Clocked:
    """An account with a budget that somebody has made by hand."""
    world = Clocked()
    world.make_by_hand(NAME)
    world.wait()
    return world


def edit(world: Clocked, amount: object, sequence: int = 1) -> None:
    world.edit(change(amount, sequence=sequence))
    world.deliver()
    world.wait()


def test_it_becomes_as_the_row_says_and_the_status_tells_that_it_was_there(world: Clocked) -> None:
    edit(world, 100)
    status = world.statuses.items[KEY]
    assert (status.status, status.action, status.adopted) == (Status.APPLIED, "adopted", True)
    assert world.amount == 100
    edit(world, 120, 2)
    status = world.statuses.items[KEY]
    assert (status.action, status.adopted, world.amount) == ("updated", True, Decimal(120))


def test_it_is_left_when_its_row_is_removed_and_the_result_says_so(world: Clocked) -> None:
    edit(world, 100)
    edit(world, None, 2)
    status = world.statuses.items[KEY]
    assert (status.status, status.action) == (Status.REMOVED, "left")
    assert world.amount == 100
    for _ in range(4):
        world.applier.apply_all()
        world.record()
        assert world.drift(repair=True) == []
        world.wait(timedelta(hours=9))
    assert world.amount == 100
    assert NAME not in world.parameters.items
    assert world.audited.count("budget.removed") == 1


def test_it_is_left_when_the_spoke_is_destroyed(world: Clocked) -> None:
    edit(world, 100)
    world.edit(change(50, budget_name="other"))
    world.deliver()
    assert world.applier.remove_all() == ["other"]
    assert world.amount == 100
    assert world.parameters.items == {}


def test_one_that_is_as_the_row_says_already_is_left_too(world: Clocked) -> None:
    world.edit(change(100))
    world.deliver()
    made = world.budgets.items[NAME]
    fresh = Clocked()
    fresh.budgets.items[NAME] = made
    fresh.wait(timedelta(hours=1))
    edit(fresh, 100)
    assert fresh.statuses.items[KEY].action == "adopted"
    edit(fresh, None, 2)
    assert fresh.amount == 100


def test_what_the_flow_makes_is_removed(world: Clocked) -> None:
    world.budgets.items.clear()
    for sequence, amount in enumerate((100, 120, 120), 1):
        edit(world, amount, sequence)
        assert not world.statuses.items[KEY].adopted
    edit(world, None, 4)
    assert world.status == "REMOVED"
    assert world.statuses.items[KEY].action == "removed"
    assert world.amount is None


def test_edits_that_follow_at_once_make_no_budget_one_that_was_there(world: Clocked) -> None:
    """The second edit's document is younger than the budget that the first one has made."""
    world.budgets.items.clear()
    world.edit(change(100))
    world.applier.apply(NAME)
    world.wait()
    edit(world, 120, 2)
    assert world.budgets.adopted == set()
    edit(world, None, 3)
    assert world.amount is None


def test_edits_before_the_first_is_applied_hide_nothing(world: Clocked) -> None:
    for sequence, amount in enumerate((100, 110, 120), 1):
        world.edit(change(amount, sequence=sequence))
        world.wait()
    world.deliver()
    assert world.statuses.items[KEY].adopted
    edit(world, None, 4)
    assert world.amount == 120


def test_times_to_the_second_make_no_budget_one_that_was_there(world: Clocked) -> None:
    world.budgets.items.clear()
    world.parameters.now = world.now.replace(microsecond=700_000)
    world.budgets.now = world.now.replace(microsecond=0)
    edit(world, 100)
    edit(world, 120, 2)
    assert world.budgets.adopted == set()


def test_one_that_is_deleted_and_made_again_by_the_flow_is_the_flows(world: Clocked) -> None:
    edit(world, 100)
    world.budgets.delete(NAME)
    world.applier.apply_all()
    world.record()
    assert not world.statuses.items[KEY].adopted
    edit(world, None, 2)
    assert world.amount is None


@pytest.mark.parametrize("step", ["list_tags", "tag_budget", "update_budget"])
def test_a_crash_in_the_middle_forgets_nothing(world: Clocked, step: str) -> None:
    world.edit(change(100))
    world.wait()
    world.edit(change(110, sequence=2))

    def crash(name: str) -> None:
        if name == step:
            raise Crash

    world.budgets.after = world.parameters.after = crash
    with pytest.raises(Crash):
        world.deliver()
    nothing: Callable[[str], None] = lambda name: None  # noqa: E731
    world.budgets.after = world.parameters.after = nothing
    world.deliver()
    world.wait()
    edit(world, None, 3)
    assert world.amount == 110


def test_a_parameter_that_is_deleted_makes_no_budget_one_that_was_there(world: Clocked) -> None:
    world.budgets.items.clear()
    edit(world, 100)
    world.parameters.delete(NAME)
    world.wait()
    world.drift(repair=True)
    world.deliver()
    edit(world, 120, 2)
    assert world.budgets.adopted == set()
    edit(world, None, 3)
    assert world.amount is None


def test_one_that_is_made_by_hand_after_a_removal_was_there_before_the_next_row(
    world: Clocked,
) -> None:
    world.budgets.items.clear()
    edit(world, 100)
    edit(world, None, 2)
    assert world.amount is None
    world.make_by_hand(NAME)
    world.wait()
    edit(world, 120, 3)
    assert world.statuses.items[KEY].adopted
    edit(world, None, 4)
    assert world.amount == 120


def test_a_removal_that_the_next_row_overtakes_makes_no_budget_one_that_was_there(
    world: Clocked,
) -> None:
    world.budgets.items.clear()
    edit(world, 100)
    world.edit(change(None, sequence=2))
    world.wait()
    edit(world, 120, 3)
    assert world.budgets.adopted == set()
    edit(world, None, 4)
    assert world.amount is None


def test_what_a_default_takes_over_is_left(world: Clocked) -> None:
    by_default = Clocked(organization=FakeOrganization(ACCOUNT, OTHER))
    by_default.make_by_hand(NAME)
    by_default.wait()
    by_default.edit(change(50, account_id="*"))
    by_default.drift(ACCOUNT, repair=True)
    by_default.parameters.now = by_default.budgets.now = by_default.now
    by_default.deliver()
    assert by_default.statuses.items[KEY].adopted
    by_default.edit(change(None, account_id="*", sequence=2))
    by_default.drift(ACCOUNT, repair=True)
    by_default.deliver()
    assert by_default.statuses.items[KEY].action == "left"
    assert by_default.amount == 50


def test_a_budget_that_is_kept_is_no_budget_that_was_there() -> None:
    world = Clocked(removal=RemovalPolicy.KEEP)
    edit(world, 100)
    edit(world, None, 2)
    edit(world, 120, 3)
    assert world.budgets.adopted == set()
