"""Calls that had their effect and whose answer is lost, and what runs at once with an edit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from finops.budgets.domain import BudgetChange
from finops.budgets.publications import Outcome
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, change
from tests.budgets.test_payer import NAME_OF_OWN, PayerWorld
from tests.budgets.test_service import KEY

LOST = TransientFailure("the answer is lost", code="ReadTimeoutError", step="write_status")
#: The edits that follow a budget in the account, and where it is in the end.
SEQUENCES: dict[str, tuple[list[BudgetChange], tuple[object, object]]] = {
    "removed": ([change(None, sequence=2)], (None, None)),
    "moved": ([change(200, sequence=2, delivery="payer")], (None, 200)),
    "removed, then written with another delivery": (
        [change(None, sequence=2), change(200, sequence=3, delivery="payer")],
        (None, 200),
    ),
    "moved, then removed": (
        [change(200, sequence=2, delivery="payer"), change(None, sequence=3)],
        (None, None),
    ),
    "moved there and back": (
        [change(200, sequence=2, delivery="payer"), change(300, sequence=3)],
        (300, None),
    ),
    "refused, then removed": (
        [change("many", sequence=2), change(None, sequence=3)],
        (None, None),
    ),
}


def of_an_unanswered_budget() -> PayerWorld:
    """A world whose account has a budget of 100, and has not said so yet."""
    world = PayerWorld()
    world.edit(change(100))
    world.applier.apply("monthly-total")
    return world


def tried_again(world: PayerWorld, edit: BudgetChange) -> None:
    """As the stream delivers an edit: until it is handled."""
    for _ in range(5):
        try:
            world.edit(edit)
        except TransientFailure:
            continue
        return
    raise AssertionError("the edit was never handled")


def settle(world: PayerWorld) -> None:
    """What schedules do until nothing is left to do."""
    for _ in range(6):
        world.drift(ACCOUNT, repair=True)
        world.deliver()
        world.now += timedelta(hours=5)


def found(world: PayerWorld) -> tuple[object, object]:
    """The amounts in the account and in the payer."""
    in_payer = world.in_payer(NAME_OF_OWN)
    return world.amount, in_payer.amount if in_payer else None


def every(steps: Callable[[int], bool]) -> int:
    """Run until a run has fewer calls than the number of the one that fails."""
    for number in itertools.count(1):
        if not steps(number):
            return number
    raise AssertionError


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_no_lost_answer_leaves_a_budget_where_nobody_wants_it(
    name: str, at: str, *, late: bool
) -> None:
    """Every call of every edit fails once: without its effect, or with it."""
    edits, wanted = SEQUENCES[name]

    def fails_at(number: int) -> bool:
        world = of_an_unanswered_budget()
        if not late:
            world.record()
        calls = itertools.count(1)

        def fail(_: str) -> None:
            if next(calls) == number:
                raise LOST

        for one in (world.statuses, world.spokes):
            setattr(one, at, fail)
        for edit in edits:
            tried_again(world, edit)
        failed = next(calls) > number
        world.statuses.before = world.statuses.after = lambda _: None
        world.spokes.before = world.spokes.after = lambda _: None
        settle(world)
        assert found(world) == wanted, f"call {number} failed"
        return failed

    assert every(fails_at) > len(edits)


def test_an_edit_that_fails_after_it_has_begun_keeps_what_it_publishes() -> None:
    world = of_an_unanswered_budget()
    world.results.reported.clear()

    def fail(name: str) -> None:
        if name == "put_document":
            raise KeyError("unexpected")

    world.spokes.before = fail
    with pytest.raises(ConfigurationError):
        world.edit(change(None, sequence=2))
    world.spokes.before = lambda _: None
    assert world.status == "FAILED"
    assert world.edit(change(None, sequence=2)).outcome is Outcome.PUBLISHED
    world.deliver()
    assert (world.status, world.amount) == ("REMOVED", None)


@pytest.mark.parametrize("removal", [False, True])
def test_drift_repair_at_once_with_an_edit_leaves_one_budget(*, removal: bool) -> None:
    """Drift repair of what the edit replaces begins at every call of the edit."""
    edit = change(None, sequence=2) if removal else change(200, sequence=2, delivery="payer")

    def repaired_at(number: int) -> bool:
        world = PayerWorld()
        world.edit(change(100))
        world.deliver()
        row = dict(world.table.items[ACCOUNT, "monthly-total"])
        standing = world.budgets.items["monthly-total"]
        changed = {**standing.settings, "amount": Decimal(7)}
        world.budgets.items["monthly-total"] = replace(standing, settings=changed)
        calls = itertools.count(1)

        def repair(_: str) -> None:
            if next(calls) != number:
                return
            edited = dict(world.table.items)
            # What the run has read before.
            world.table.items[ACCOUNT, "monthly-total"] = row
            world.drift(ACCOUNT, repair=True)
            world.table.items = edited

        for one in (world.statuses, world.spokes):
            one.before = repair
        tried_again(world, edit)
        repaired = next(calls) > number
        for one in (world.statuses, world.spokes):
            one.before = lambda _: None
        world.deliver()
        settle(world)
        assert found(world) == ((None, None) if removal else (None, 200)), f"at call {number}"
        return repaired

    assert every(repaired_at) > 2


def test_an_edit_that_is_overtaken_again_and_again_is_tried_later() -> None:
    world = PayerWorld()
    world.edit(change(100))
    world.deliver()
    numbers = itertools.count(1)

    def overtake(name: str) -> None:
        if name == "begin":
            status = world.statuses.items[KEY]
            world.statuses.items[KEY] = replace(status, version=f"{status.version}{next(numbers)}")

    world.statuses.before = overtake
    with pytest.raises(TransientFailure, match="faster than it can be published"):
        world.edit(change(200, sequence=2))
    world.statuses.before = lambda _: None
    assert world.edit(change(200, sequence=2)).outcome is Outcome.PUBLISHED
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))
