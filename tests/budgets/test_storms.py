"""Bursts: many edits at once, answers that come late, and repairs that must not add to the load."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from finops.budgets.audit_events import SCHEDULE
from finops.budgets.batches import publish_in_order
from finops.budgets.comparison import next_repair
from finops.budgets.deadlines import SpokeQueues
from finops.budgets.domain import BudgetChange, Status
from finops.budgets.drift_repairs import MAX_REPAIRS
from finops.budgets.publications import Outcome, Publication
from finops.shared.errors import TransientFailure
from tests.budgets.fakes import ACCOUNT, change
from tests.budgets.test_service import KEY, OTHER, World, edit_budget

PERIOD = timedelta(minutes=15)


@pytest.fixture
def world() -> World:
    return World()


def unanswered(world: World, budgets: int) -> None:
    """So many budgets are published; the account's answers do not come before the deadlines."""
    for number in range(budgets):
        world.edit(change(number + 1, sequence=number + 1, budget_name=f"b{number:04d}"))
    world.now += timedelta(minutes=1)
    for key, status in world.statuses.items.items():
        assert world.recorder.expire(key, status.version)


def statuses(world: World) -> set[Status]:
    return {one.status for one in world.statuses.items.values()}


def test_an_answer_to_the_first_version_ends_the_repair_that_published_it_again(
    world: World,
) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    (late,) = world.results.reported
    world.recorder.expire(KEY, late.version)
    for _ in range(3):
        (repaired,) = world.drift(repair=True)
        assert repaired.repaired == (world.status == "PENDING")
        world.recorder.expire(KEY, world.statuses.items[KEY].version)
    assert (world.status, world.statuses.items[KEY].version > late.version) == ("FAILED", True)
    world.record()
    assert world.status == "APPLIED"
    assert world.drift(repair=True) == []


def test_an_answer_from_before_an_edit_does_not_end_it(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    world.now += timedelta(minutes=1)
    world.edit(change(200, sequence=2))
    world.edit(replace(change(100, sequence=3), edited_at=world.now))
    world.record()
    assert world.status == "PENDING"


def test_an_answer_of_an_older_version_with_other_content_does_not_count(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    world.edit(change(200, sequence=2))
    world.record()
    assert world.status == "PENDING"


def test_two_thousand_unanswered_budgets_are_repaired_in_parts_and_never_swap_back(
    world: World,
) -> None:
    unanswered(world, 2000)
    world.results.reported.clear()
    before = len(world.spokes.calls)
    found = world.drift(repair=True)
    assert len(found) == 2000
    assert sum(one.repaired for one in found) == MAX_REPAIRS
    assert "A later run repairs it" in found[-1].error
    # Its parameters, its budgets and the payer's parameters are read, and a put for each repair.
    assert len(world.spokes.calls) - before == 3 + MAX_REPAIRS
    # The account works through what was published first: its answers count for the repairs, too.
    world.deliver()
    assert statuses(world) == {Status.APPLIED}
    assert world.drift(repair=True) == []


def test_a_bulk_removal_without_answers_converges(world: World) -> None:
    names = [f"b{number:04d}" for number in range(250)]
    for number, name in enumerate(names):
        world.edit(change(5, sequence=number + 1, budget_name=name))
    world.deliver()
    for number, name in enumerate(names):
        world.edit(change(None, sequence=number + 1000, budget_name=name))
    for name in names[:200]:
        world.applier.apply(name)  # the answers are lost, and so are fifty events
    world.results.reported.clear()
    for key, status in world.statuses.items.items():
        world.recorder.expire(key, status.version)
    found = world.drift(repair=True)
    assert [one.reason for one in found] == ["not_removed"] * 50
    assert all(one.repaired for one in found)
    # The hub has seen that the others are gone.
    assert statuses(world) == {Status.PENDING, Status.REMOVED}
    world.applier.apply_all()
    world.record()
    assert world.budgets.items == {}
    assert statuses(world) == {Status.REMOVED}
    assert world.drift(repair=True) == []


def test_a_person_gets_every_repair_at_once(world: World) -> None:
    unanswered(world, MAX_REPAIRS + 5)
    world.now += PERIOD
    for _ in range(2):
        found = world.repairer.run(repair=True, request_id="r", requested_by="bea")
        assert all(one.repaired for one in found)
        assert len(found) == MAX_REPAIRS + 5
        world.now += timedelta(minutes=17)


def test_repairs_without_an_answer_back_off(world: World) -> None:
    unanswered(world, 1)
    tried = []
    for run in range(60):
        world.now += PERIOD
        (found,) = world.repairer.run(repair=True, request_id=f"run-{run}")
        if found.repaired:
            tried.append(run)
            status = world.statuses.items[found.key]
            world.recorder.expire(found.key, status.version)
        else:
            assert "has not answered" in found.error
    assert [later - earlier for earlier, later in itertools.pairwise(tried)] == [
        1, 2, 3, 6, 11, 16, 16,
    ]  # fmt: skip


def test_a_budget_that_was_right_meanwhile_is_repaired_at_once(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    for _ in range(3):
        edit_budget(world)
        (found,) = world.drift(repair=True)
        assert found.repaired
        world.deliver()
        assert next_repair(world.statuses.items[KEY]) is None


def test_an_account_has_more_time_the_more_it_has_to_apply() -> None:
    queues = SpokeQueues()
    assert [queues.answer_seconds(ACCOUNT, 0.0) for _ in range(5)] == [40, 40, 41, 41, 42]
    assert queues.answer_seconds(OTHER, 0.0) == 40
    assert queues.answer_seconds(ACCOUNT, 2.0) == 40
    assert [queues.answer_seconds(ACCOUNT, 2.0) for _ in range(3000)][-1] == 900
    assert queues.answer_seconds(ACCOUNT, 9999.0) == 40


def test_only_the_last_valid_edit_of_a_batch_is_published(world: World) -> None:
    edits = [
        change(1, sequence=1),
        change("bad", sequence=2),
        change(3, sequence=3),
        change("worse", sequence=4),
    ]
    done = publish_in_order(edits, world.publisher.publish, concurrency=4)
    assert [one.outcome for _, one in done if isinstance(one, Publication)] == [
        Outcome.SUPERSEDED,
        Outcome.SUPERSEDED,
        Outcome.PUBLISHED,
        Outcome.REJECTED,
    ]
    assert world.spokes.calls == ["put_document"]
    world.publisher.audit(done)
    assert world.audited == [
        "budget.superseded", "budget.superseded", "budget.published", "budget.rejected",
    ]  # fmt: skip


def test_a_removal_that_is_taken_back_in_the_same_batch_removes_nothing(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    edits = [change(None, sequence=2), change(200, sequence=3)]
    publish_in_order(edits, world.publisher.publish, concurrency=4)
    world.deliver()
    assert "delete_budget" not in world.budgets.calls
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))


def test_one_accounts_burst_leaves_threads_for_others() -> None:
    edits = [change(1, sequence=number, budget_name=f"b{number}") for number in range(100)]
    edits.append(change(1, sequence=100, account_id=OTHER))
    busy, most, lock = 0, 0, threading.Lock()
    order: list[str] = []

    def publish(edit: BudgetChange) -> Publication:
        nonlocal busy, most
        with lock:
            busy += edit.key.account_id == ACCOUNT
            most = max(most, busy)
            order.append(edit.key.account_id)
        threading.Event().wait(0.001)
        with lock:
            busy -= edit.key.account_id == ACCOUNT
        return Publication(outcome=Outcome.PUBLISHED)

    done = publish_in_order(edits, publish, concurrency=16)
    assert len(done) == len(edits)
    assert most <= 4
    assert order.index(OTHER) < 20


def test_an_edit_that_the_stream_delivers_again_is_not_written_again(world: World) -> None:
    world.edit(change(100))
    again = world.publisher.publish(change(100))
    # Its deadline is set again, since that may be what failed.
    assert (again.outcome, again.document is None) == (Outcome.PUBLISHED, False)
    assert world.spokes.calls == ["put_document"]


def test_an_edit_whose_publication_failed_is_written_again(world: World) -> None:
    def throttle(step: str) -> None:
        if step == "put_document":
            raise TransientFailure("slow down", code="ThrottlingException")

    world.spokes.before = throttle
    with pytest.raises(TransientFailure):
        world.edit(change(100))
    world.spokes.before = lambda _: None
    world.edit(change(100))
    world.deliver()
    assert world.status == "APPLIED"


def test_a_run_that_has_no_time_left_leaves_the_rest_to_later_runs(world: World) -> None:
    for number in range(40):
        world.edit(change(5, sequence=number + 1, budget_name=f"b{number:02d}"))
    runs = 0
    while len(world.budgets.items) < 40:
        time_left = itertools.chain([60.0] * 10, itertools.repeat(10.0))
        done = world.applier.apply_all(seconds_left=time_left.__next__)
        assert len(done.results) + len(done.left) == 40
        assert len(done.results) == 10
        world.now += timedelta(minutes=15, seconds=7)
        runs += 1
    assert runs < 20


def test_the_schedule_asks_for_repairs_by_its_name(world: World) -> None:
    unanswered(world, 1)
    world.drift(repair=True)
    repaired = [one for one in world.audit.events if one.action == "drift.repaired"]
    assert [one.actor for one in repaired] == [SCHEDULE]
