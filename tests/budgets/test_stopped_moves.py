"""A process that is stopped while it moves a budget whose row goes before anybody looks again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from finops.budgets.documents import seed_document
from finops.budgets.domain import Delivery, RemovalPolicy, Status
from finops.budgets.rows import parse_budget
from finops.shared.errors import TransientFailure
from tests.budgets.fakes import ACCOUNT, PAYER, TOPIC, Crash, change
from tests.budgets.test_both_accounts import SEED, amounts
from tests.budgets.test_lost_answers import every
from tests.budgets.test_payer import PayerWorld
from tests.budgets.test_service import KEY


def stopped_move(
    to: Delivery, at: int, removal: RemovalPolicy = RemovalPolicy.DELETE, *, answered: bool = True
) -> tuple[PayerWorld, bool]:
    """A budget is moved by a process that is stopped after its call of this number.

    Returns whether there was such a call.
    """
    world = PayerWorld(removal)
    world.edit(change(100, delivery=to.other.value))
    world.deliver()
    if not answered:
        world.statuses.items[KEY] = replace(
            world.statuses.items[KEY], status=Status.PENDING, applied_amount=""
        )
    left = at

    def stop(_: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Crash

    world.statuses.after = world.spokes.after = stop
    with suppress(Crash):
        world.edit(change(300, sequence=2, delivery=to.value))
    world.statuses.after = world.spokes.after = lambda _: None
    world.deliver()
    return world, left <= 0


def left_over() -> PayerWorld:
    """The payer has what a move was stopped over, and the row and the account's budget are gone."""
    for at in range(1, 10):
        world, _ = stopped_move(Delivery.PAYER, at)
        world.edit(change(None, sequence=3))
        world.deliver()
        if amounts(world) == (None, 300):
            return world
    raise AssertionError("no stop leaves a budget")


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("to", Delivery)
def test_nothing_stays_of_a_move_that_was_stopped_when_its_row_goes(
    to: Delivery, answered: bool
) -> None:
    def steps(at: int) -> bool:
        world, stopped = stopped_move(to, at, answered=answered)
        world.edit(change(None, sequence=3))
        world.deliver()
        for _ in range(2):
            world.drift(ACCOUNT, repair=True)
            world.deliver()
        assert amounts(world) == (None, None), at
        assert world.status == "REMOVED"
        assert world.drift(ACCOUNT, repair=True) == []
        return stopped

    assert every(steps) > 3


def test_what_is_left_is_told_and_removed_and_the_trail_has_it() -> None:
    world = left_over()
    before = world.statuses.items[KEY]
    (found,) = world.drift(ACCOUNT)
    assert (found.reason, found.wanted, found.repaired) == ("not_removed", None, False)
    assert amounts(world) == (None, 300)
    (found,) = world.drift(ACCOUNT, repair=True)
    assert (found.reason, found.repaired, found.error) == ("not_removed", True, "")
    world.deliver()
    assert amounts(world) == (None, None)
    assert world.statuses.items[KEY] == before
    (event,) = [one for one in world.audit.events if one.action == "drift.repaired"]
    assert event.details["drift"] == "not_removed"


def test_what_somebody_made_by_hand_and_what_a_spoke_began_with_stay() -> None:
    world = PayerWorld()
    world.applier.seed(seed_document(ACCOUNT, SEED))
    world.deliver()
    world.edit(change(300, delivery="payer"))
    world.deliver()
    world.edit(change(None, sequence=2))
    world.deliver()
    by_hand = parse_budget(change(7, delivery="payer").row or {})
    world.spokes.actual[PAYER].create(by_hand, TOPIC)
    world.spokes.calls.clear()
    assert world.drift(ACCOUNT, repair=True) == []
    assert amounts(world) == (100, 7)
    assert "put_document" not in world.spokes.calls


def test_a_policy_that_keeps_budgets_keeps_both() -> None:
    world, _ = stopped_move(Delivery.PAYER, 2, RemovalPolicy.KEEP)
    world.edit(change(None, sequence=3))
    before = amounts(world)
    assert world.drift(ACCOUNT, repair=True) == []
    world.deliver()
    assert amounts(world) == before == (100, 300)


@pytest.mark.parametrize("when", ["documents", "get_status", "put_document"])
@pytest.mark.parametrize("delivery", Delivery)
def test_a_row_that_is_written_meanwhile_wins(when: str, delivery: Delivery) -> None:
    world = left_over()

    def write(name: str) -> None:
        if name == when:
            world.spokes.before = world.statuses.before = lambda _: None
            world.edit(change(500, sequence=4, delivery=delivery.value))

    world.spokes.before = world.statuses.before = write
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    for _ in range(2):
        world.drift(ACCOUNT, repair=True)
        world.deliver()
    assert amounts(world) == ((500, None) if delivery is Delivery.SPOKE else (None, 500))
    assert world.status == "APPLIED"


def test_removals_cost_no_call_and_old_ones_are_not_compared() -> None:
    world = PayerWorld()
    world.edit(change(100))
    world.deliver()
    world.edit(change(None, sequence=2))
    assert world.spokes.calls == ["put_document", "put_document"]
    world.deliver()
    world.now += timedelta(days=3)
    world.drift(ACCOUNT, repair=True)
    assert "documents" not in world.spokes.calls


FAULTS = {
    "stopped": Crash(),
    "throttled": TransientFailure("slow", code="Throttling", step="put_parameter"),
}


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("first", ["edit", "run", "run that is refused"])
@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("lost_answer", [True, False])
@pytest.mark.parametrize("mover", ["edit", "run"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("to", Delivery)
def test_nothing_stays_of_a_move_that_failed_at_any_call_when_its_row_goes(
    to: Delivery,
    fault: str,
    mover: str,
    first: str,
    *,
    lost_answer: bool,
    delivered: bool,
    answered: bool,
) -> None:
    """Whoever moves it, whether its accounts have done anything, and who sees the removal first."""

    def steps(at: int) -> bool:
        world = PayerWorld()
        world.edit(change(100, delivery=to.other.value))
        world.deliver()
        if not answered:
            world.statuses.items[KEY] = replace(
                world.statuses.items[KEY], status=Status.PENDING, applied_amount=""
            )
        moved = change(300, sequence=2, delivery=to.value)
        world.now += timedelta(hours=1)
        left = at

        def fail(_: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise FAULTS[fault]

        side = "after" if lost_answer else "before"
        for one in (world.statuses, world.spokes):
            setattr(one, side, fail)
        with suppress(Crash, TransientFailure):
            if mover == "run":
                world.table.items[ACCOUNT, "monthly-total"] = dict(moved.row or {})
                world.drift(ACCOUNT, repair=True)
            else:
                world.edit(moved)
        for one in (world.statuses, world.spokes):
            setattr(one, side, lambda _: None)
        if delivered:
            world.deliver()
        world.table.items.clear()
        if first != "edit":
            account = ACCOUNT if to is Delivery.SPOKE else PAYER
            refused = world.spokes.parameters.pop(account) if "refused" in first else None
            world.drift(ACCOUNT, repair=True)
            if refused:
                world.spokes.parameters[account] = refused
        world.edit(change(None, sequence=3))
        for _ in range(4):
            world.deliver()
            world.drift(ACCOUNT, repair=True)
        assert amounts(world) == (None, None), at
        assert world.status == "REMOVED"
        return left <= 0

    assert every(steps) > 3
