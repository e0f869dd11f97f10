"""Accounts that nobody reaches: every status says so once, and is right again when they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from finops.budgets.domain import BudgetKey, Status
from finops.budgets.drift_schedule import DriftSchedule, ScheduledRun
from finops.budgets.editing import joined
from finops.budgets.ports import UNKNOWN_ACCOUNT
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, PAYER, FakeAccountQueue, FakeOrganization, change
from tests.budgets.test_approvals import RaisedWorld
from tests.budgets.test_payer import PayerWorld
from tests.budgets.test_service import KEY, OTHER, World


def own() -> World:
    world = World()
    world.edit(change(100))
    world.deliver()
    return world


def in_the_payer() -> World:
    world = PayerWorld()
    world.edit(change(100, delivery="payer"))
    world.deliver()
    return world


def inherited() -> World:
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    world.edit(change(100, account_id="*"))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    return world


def of_an_older_version() -> World:
    world = own()
    world.statuses.items[KEY] = replace(world.statuses.items[KEY], document="", content="")
    return world


KINDS: dict[str, tuple[Callable[[], World], str]] = {
    "own": (own, ACCOUNT),
    "in the payer": (in_the_payer, PAYER),
    "inherited": (inherited, ACCOUNT),
    "without a document": (of_an_older_version, ACCOUNT),
}


def alarm(world: World) -> ScheduledRun:
    """What the run says that starts the alarm on failing accounts."""
    return DriftSchedule(
        table=world.table,
        statuses=world.statuses,
        queue=FakeAccountQueue(),
        clock=lambda: world.now,
    ).begin()


def written(world: World) -> int:
    return sum(one in ("begin", "mark_unreached") for one in world.statuses.calls)


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_that_nobody_reaches_fails_once_until_it_is_right_again(kind: str) -> None:
    make, lost = KINDS[kind]
    world = make()
    assert (world.status, alarm(world).failing) == ("APPLIED", [])
    parameters = world.spokes.parameters.pop(lost)
    actual, world.spokes.actual[lost].items = world.spokes.actual[lost].items, {}
    assert [one.reason for one in world.drift(ACCOUNT, repair=True)] == ["unreachable"]
    status = world.statuses.items[KEY]
    assert (status.status, status.error_step) == (Status.FAILED, "assume_role")
    assert (status.amount, status.applied_amount) == ("100.00", "100.00")
    assert "Deploy the spoke" in status.error
    run = alarm(world)
    assert (run.failing, run.failing_budgets) == ([ACCOUNT], 1)
    before = written(world)
    world.drift(ACCOUNT, repair=True)
    assert (written(world), world.statuses.items[KEY]) == (before, status)
    world.spokes.parameters[lost] = parameters
    world.spokes.actual[lost].items = actual
    for _ in range(2):
        world.drift(ACCOUNT, repair=True)
        world.deliver()
    assert (world.status, world.drift(ACCOUNT)) == ("APPLIED", [])
    assert (alarm(world).failing, world.statuses.items[KEY].error) == ([], "")


def test_a_budget_that_is_gone_when_its_account_is_reached_again_is_made_again() -> None:
    world = own()
    world.applier.remove_all()
    parameters = world.spokes.parameters.pop(ACCOUNT)
    world.drift(repair=True)
    assert (world.status, dict(world.budgets.items)) == ("FAILED", {})
    world.spokes.parameters[ACCOUNT] = parameters
    world.drift(repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))


def test_a_comparison_alone_writes_nothing() -> None:
    world = own()
    world.spokes.parameters.pop(ACCOUNT)
    assert [one.reason for one in world.drift()] == ["unreachable"]
    assert world.status == "APPLIED"


@pytest.mark.parametrize("call", ["documents", "budgets"])
def test_a_throttled_comparison_changes_no_status(call: str) -> None:
    world = own()
    world.edit(change(5, sequence=2, budget_name="other"))
    world.deliver()

    def throttle(name: str) -> None:
        if name == call:
            raise TransientFailure("Rate exceeded", code="ThrottlingException", step="read_budgets")

    world.spokes.before = throttle
    assert {one.reason for one in world.drift(repair=True)} == {"unreachable"}
    assert {one.status for one in world.statuses.items.values()} == {Status.APPLIED}


def test_a_refusal_of_another_call_is_told_too() -> None:
    world = own()

    def refuse(name: str) -> None:
        if name == "budgets":
            raise ConfigurationError("no ViewBudget", code="AccessDenied", step="read_budgets")

    world.spokes.before = refuse
    world.drift(repair=True)
    assert (world.status, world.statuses.items[KEY].error) == ("FAILED", "no ViewBudget")


def test_the_newest_cause_is_told() -> None:
    world = own()
    world.edit(change(200, sequence=2))
    error = ConfigurationError("no answer", code="no_answer", step="apply_budget")
    assert world.statuses.mark_failed(KEY, world.statuses.items[KEY].version, error)
    world.spokes.parameters.pop(ACCOUNT)
    world.drift(repair=True)
    assert world.statuses.items[KEY].error_step == "assume_role"


def test_an_edit_on_its_way_is_left_to_its_deadline() -> None:
    world = World()
    world.edit(change(100))
    world.spokes.parameters.pop(ACCOUNT)
    world.drift(repair=True)
    assert world.status == "PENDING"


@pytest.mark.parametrize("kind", ["own", "in the payer", "inherited"])
def test_a_removal_that_nobody_reaches_is_drift_and_fails(kind: str) -> None:
    make, lost = KINDS[kind]
    world = make()
    world.table.items.clear()  # and no record of it
    parameters = world.spokes.parameters.pop(lost)
    for _ in range(2):
        (found,) = world.drift(ACCOUNT, repair=True)
        assert (found.reason, found.wanted) == ("unreachable", None)
        assert world.status == "FAILED"
        assert alarm(world).failing == [ACCOUNT]
    world.spokes.parameters[lost] = parameters
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert (world.status, dict(world.spokes.actual[lost].items)) == ("REMOVED", {})
    assert (world.drift(ACCOUNT), alarm(world).failing) == ([], [])


def test_a_removal_in_an_account_that_has_left_is_no_drift() -> None:
    world = own()
    world.table.items.clear()

    def left(name: str) -> None:
        if name == "documents":
            raise ConfigurationError("it has left", code=UNKNOWN_ACCOUNT, step="assume_role")

    world.spokes.before = left
    assert world.drift(repair=True) == []
    assert world.status == "REMOVED"


def test_all_budgets_of_the_payer_fail_with_its_spoke() -> None:
    world = PayerWorld()
    world.edit(change(100, delivery="payer"))
    world.edit(change(7, sequence=2, budget_name="own"))
    world.deliver()
    world.spokes.parameters.pop(PAYER)
    world.drift(repair=True)
    others = BudgetKey(account_id=ACCOUNT, budget_name="own")
    assert (world.status, world.statuses.items[others].status) == ("FAILED", Status.APPLIED)


@pytest.mark.parametrize("minutes", [5, 120])
def test_a_throttled_scheduled_run_of_the_spoke_leaves_a_right_budget_applied(minutes: int) -> None:
    world = own()
    world.now += timedelta(minutes=minutes)

    def throttle(name: str) -> None:
        if name == "get_budget":
            raise TransientFailure("Rate exceeded", code="ThrottlingException", step="read_budget")

    world.budgets.before = throttle
    with pytest.raises(TransientFailure):
        world.applier.apply_all()
    world.record()
    assert world.status == "APPLIED"
    world.edit(change(200, sequence=2))
    with pytest.raises(TransientFailure):
        world.applier.apply("monthly-total")
    world.record()
    assert world.status == "FAILED", "an edit is answered"


def test_a_scheduled_run_reports_what_is_refused() -> None:
    world = own()

    def refuse(name: str) -> None:
        if name == "get_budget":
            raise ConfigurationError("refused", code="AccessDenied", step="read_budget")

    world.budgets.before = refuse
    world.applier.apply_all()
    world.record()
    assert world.status == "FAILED"


def refuse(world: World, call: str, error: Exception) -> None:
    def fail(name: str) -> None:
        if name == call:
            raise error

    world.spokes.before = fail


@pytest.mark.parametrize("call", ["documents", "budgets"])
def test_what_the_account_repeats_ends_no_failure_until_it_can_be_read_again(call: str) -> None:
    world = own()
    refuse(world, call, ConfigurationError("refused", code="AccessDenied", step=call))
    said = len(world.audit.events)
    for _ in range(6):
        world.drift(repair=True)
        assert world.status == "FAILED"
        # Its own schedule says for an hour after an edit that nothing is to be done.
        world.applier.apply_all()
        world.record()
        assert (world.status, alarm(world).failing) == ("FAILED", [ACCOUNT])
    assert len(world.audit.events) == said
    world.spokes.before = lambda _: None
    world.drift(repair=True)
    world.deliver()
    assert (world.status, alarm(world).failing) == ("APPLIED", [])
    assert world.statuses.items[KEY].unreached_at is None


def test_what_the_account_has_done_meanwhile_counts() -> None:
    world = own()
    refuse(world, "budgets", ConfigurationError("refused", code="AccessDenied", step="budgets"))
    world.drift(repair=True)
    assert world.status == "FAILED"
    world.budgets.items.clear()
    world.applier.apply_all()
    world.record()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))


@pytest.mark.parametrize("edit", ["abc", 900])
def test_an_edit_that_is_refused_or_waits_hides_no_account_that_is_gone(edit: object) -> None:
    world = RaisedWorld()
    world.set(100)
    world.set(edit)
    before = world.statuses.items[KEY]
    parameters = world.spokes.parameters.pop(ACCOUNT)
    for _ in range(4):
        assert [one.reason for one in world.drift(repair=True)] == ["unreachable"]
    assert world.statuses.items[KEY] == replace(
        before, unreached_at=world.now - timedelta(minutes=45)
    )
    assert alarm(world).failing == []
    world.drift(repair=True)
    assert alarm(world).failing == [ACCOUNT]
    (listed,) = joined(world.table.rows(), world.statuses.all())
    assert listed["note"].startswith("No run could read what the account has since 2026-11-20")
    world.spokes.parameters[ACCOUNT] = parameters
    world.drift(repair=True)
    assert (world.statuses.items[KEY], alarm(world).failing) == (before, [])


SLOW = TransientFailure("Rate exceeded", code="ThrottlingException", step="read_budgets")


@pytest.mark.parametrize("error", [SLOW, RuntimeError("unexpected")])
def test_an_account_that_nobody_can_compare_for_an_hour_fails(error: Exception) -> None:
    world = own()
    refuse(world, "budgets", error)
    for _ in range(4):
        assert len(world.drift(repair=True)) == 1
        assert (world.status, alarm(world).failing) == ("APPLIED", [])
    world.drift(repair=True)
    assert (world.status, alarm(world).failing) == ("FAILED", [ACCOUNT])
    told = world.statuses.items[KEY]
    assert ("Rate exceeded" in told.error, "unexpected" in told.error) in (
        (True, False),
        (False, True),
    )
    world.drift(repair=True)
    assert world.statuses.items[KEY] == told
    world.spokes.before = lambda _: None
    world.drift(repair=True)
    world.deliver()
    assert (world.status, alarm(world).failing) == ("APPLIED", [])


def test_an_account_that_is_slow_now_and_then_never_fails() -> None:
    world = own()
    for _ in range(4):
        refuse(world, "budgets", SLOW)
        for _ in range(3):
            world.drift(repair=True)
        world.spokes.before = lambda _: None
        assert world.drift(repair=True) == []
        assert (world.status, world.statuses.items[KEY].unreached_at) == ("APPLIED", None)


def test_a_spoke_that_fails_at_all_its_budgets_each_time_is_taken_for_no_forger() -> None:
    world = World()
    number = 150
    for one in range(number):
        world.edit(change(100, sequence=one + 1, budget_name=f"b{one}"))
    world.deliver()

    def lost(name: str) -> None:
        if name == "get_budget":
            raise ConfigurationError("refused", code="AccessDenied", step="read_budget")

    world.budgets.before = lost
    said = len(world.audit.events)
    for _ in range(20):
        world.now += timedelta(minutes=15)
        world.applier.apply_all()
        world.record()
    assert {one.status for one in world.statuses.items.values()} == {Status.FAILED}
    assert world.withheld == []
    assert len(world.audit.events) == said + number, "each failure is in the trail, once"
    world.budgets.before = lambda _: None
    world.drift(repair=True)
    world.deliver()
    world.drift(repair=True)
    world.deliver()
    assert {one.status for one in world.statuses.items.values()} == {Status.APPLIED}


def test_what_stands_beside_a_bad_edit_and_fails_each_time_is_no_forgery_either() -> None:
    world = own()
    world.edit(change("abc", sequence=2))

    def lost(name: str) -> None:
        if name == "get_budget":
            raise ConfigurationError("refused", code="AccessDenied", step="read_budget")

    world.budgets.before = lost
    for _ in range(150):
        world.now += timedelta(minutes=5)
        world.applier.apply_all()
        world.record()
    assert (world.status, world.withheld) == ("REJECTED", [])
