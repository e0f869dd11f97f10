"""Defaults whose stream record was lost or comes late: their status says what accounts inherit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.approvals import RaiseLimit
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.drift_schedule import DriftSchedule
from finops.budgets.publications import Outcome
from tests.budgets.fakes import ACCOUNT, FakeAccountQueue, FakeOrganization, change
from tests.budgets.test_approvals import ANN, BOB, DEFAULT, RaisedWorld
from tests.budgets.test_service import KEY, OTHER, World

UNIT = "ou-root-inner0001"
LIMITS = RaiseLimit(percent=Decimal(10), usd=Decimal(500))


def raised() -> RaisedWorld:
    """A default of 100 that two accounts have."""
    world = RaisedWorld(LIMITS, FakeOrganization(ACCOUNT, OTHER))
    world.set(100, account_id="*")
    run(world)
    return world


def run(world: World) -> None:
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()


def write(world: World, amount: object, account_id: str = "*", **row: Any) -> None:
    """Write a row of which no stream record comes."""
    edit = change(amount, account_id=account_id, **row)
    world.table.items[account_id, "monthly-total"] = dict(edit.row or {})


def test_a_raise_waits_and_takes_effect_when_two_have_approved_it() -> None:
    world = raised()
    write(world, 1000)
    run(world)
    status = world.statuses.items[DEFAULT]
    assert (status.status, status.amount) == (Status.WAITING, "1000.00")
    assert "raises above 10 percent" in status.error
    assert world.standing == ("APPLIED", 100)
    world.desk.approve(DEFAULT, ANN, content=status.content)
    run(world)
    assert len(world.statuses.items[DEFAULT].approvals) == 1
    world.desk.approve(DEFAULT, BOB, content=status.content)
    run(world)
    assert world.standing == ("APPLIED", 1000)
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.audited.count("budget.waiting") == 1


def test_a_new_default_above_the_limit_waits_and_gives_nothing() -> None:
    world = RaisedWorld(LIMITS, FakeOrganization(ACCOUNT, OTHER))
    write(world, 1000)
    for _ in range(2):
        run(world)
        assert (world.statuses.items[DEFAULT].status, KEY in world.statuses.items) == (
            Status.WAITING,
            False,
        )
    world.approve(ANN, BOB, key=DEFAULT)
    run(world)
    assert world.standing == ("APPLIED", 1000)


@pytest.mark.parametrize("limits", [True, False])
def test_what_needs_no_approval_is_handed_on_once(*, limits: bool) -> None:
    world = raised() if limits else World(organization=FakeOrganization(ACCOUNT, OTHER))
    write(world, 90)
    run(world)
    status = world.statuses.items[DEFAULT]
    assert (status.status, status.action, status.amount) == (Status.APPLIED, "handed_on", "90.00")
    assert (world.status, world.amount) == ("APPLIED", Decimal(90))
    run(world)
    assert world.statuses.items[DEFAULT] == status
    late = change(90, sequence=9, account_id="*")
    assert world.edit(late).outcome.value == "BudgetDefaultsHandedOn"


def test_a_bad_default_is_rejected_with_its_reason() -> None:
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    write(world, "abc")
    for _ in range(2):
        run(world)
    status = world.statuses.items[DEFAULT]
    assert (status.status, "amount" in status.error) == (Status.REJECTED, True)
    assert world.audited == ["budget.rejected"]


def test_a_comparison_alone_writes_no_default() -> None:
    world = raised()
    before = world.statuses.items[DEFAULT]
    for amount in (1000, 90, "abc"):
        write(world, amount)
        world.drift(ACCOUNT)
        assert world.statuses.items[DEFAULT] == before


@pytest.mark.parametrize("stale", [1000, 90, "abc"])
def test_a_row_that_is_edited_after_a_run_has_read_it_says_nothing(stale: object) -> None:
    world = raised()
    write(world, stale)
    rows = world.table.rows

    def edited_since(account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        found = list(rows(account_id))
        if account_id == "*" and world.table.rows is edited_since:
            world.table.rows = rows  # type: ignore[method-assign]
            world.edit(change(2000, sequence=9, account_id="*"))
        return iter(found)

    world.table.rows = edited_since  # type: ignore[method-assign]
    world.drift(ACCOUNT, repair=True)
    status = world.statuses.items[DEFAULT]
    assert (status.status, status.amount) == (Status.WAITING, "2000.00")


def old(world: RaisedWorld) -> None:
    """As a version left it that did not keep what a default handed on."""
    status = world.statuses.items[DEFAULT]
    world.statuses.items[DEFAULT] = replace(status, document="", baseline="", content="")


@pytest.mark.parametrize(
    "edit", [{"planned_amounts": {"2026-11": "100000"}}, {"time_unit": "DAILY"}]
)
def test_an_older_versions_default_is_not_taken_for_the_same_by_its_amount(
    edit: dict[str, Any],
) -> None:
    world = raised()
    old(world)
    write(world, 100, **edit)
    run(world)
    assert world.statuses.items[DEFAULT].status is Status.WAITING
    assert world.standing == ("APPLIED", 100)
    assert not world.budgets.items["monthly-total"].planned
    late = change(100, sequence=9, account_id="*", **edit)
    assert world.edit(late).outcome.value == "BudgetsWaiting"


def test_an_own_row_that_goes_before_anybody_knows_leaves_no_account_without_a_budget() -> None:
    world = raised()
    world.set(100)
    old(world)
    world.budgets.calls.clear()
    assert world.set(None) is Outcome.DEFAULTED
    assert "delete_budget" not in world.budgets.calls
    assert world.standing == ("APPLIED", 100)
    assert not world.statuses.items[DEFAULT].document, "only who reads all statuses knows"
    run(world)
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.statuses.items[DEFAULT].document
    assert world.standing == ("APPLIED", 100)


def test_what_an_older_versions_default_raises_for_an_account_waits() -> None:
    world = raised()
    world.set(100)
    old(world)
    write(world, 90_000)
    assert world.set(None) is Outcome.WAITING
    assert world.standing == ("WAITING", 100)


@pytest.mark.parametrize("limits", [True, False])
@pytest.mark.parametrize("account_id", ["*", UNIT])
def test_a_default_whose_removal_nobody_saw_says_that_it_is_gone(
    account_id: str, *, limits: bool
) -> None:
    organization = FakeOrganization(ACCOUNT, OTHER, **{ACCOUNT: UNIT})
    world = RaisedWorld(LIMITS, organization) if limits else World(organization=organization)
    world.edit(change(100, account_id=account_id))
    run(world)
    key = BudgetKey(account_id=account_id, budget_name="monthly-total")
    assert (world.amount, world.statuses.items[key].status) == (Decimal(100), Status.APPLIED)
    world.table.items.clear()
    (part,) = queued(world)
    assert account_id in part
    world.drift(ACCOUNT)
    assert world.statuses.items[key].status is Status.APPLIED, "a comparison alone writes nothing"
    for _ in range(2):
        world.now += timedelta(minutes=15)
        world.repairer.run(
            repair=True, request_id="r", account_ids=[ACCOUNT], scheduled=True, defaults=part
        )
        world.deliver()
        status = world.statuses.items[key]
        assert (status.status, status.action, world.amount) == (Status.REMOVED, "handed_on", None)
    assert world.audited.count("budget.handed_on") == 2
    assert queued(world) == [[]]


def queued(world: World) -> list[list[str]]:
    """The defaults that a scheduled run is told of."""
    queue = FakeAccountQueue()
    DriftSchedule(
        table=world.table, statuses=world.statuses, queue=queue, clock=lambda: world.now
    ).begin()
    return [queue.defaults or []]


@pytest.mark.parametrize("status", [Status.WAITING, Status.REJECTED])
def test_a_default_that_never_stood_ends_with_its_row_too(status: Status) -> None:
    world = RaisedWorld(LIMITS, FakeOrganization(ACCOUNT, OTHER))
    world.set(9000 if status is Status.WAITING else "abc", account_id="*")
    assert world.statuses.items[DEFAULT].status is status
    world.table.items.clear()
    world.drift(repair=True)
    assert world.statuses.items[DEFAULT].status is Status.REMOVED


def test_a_default_that_is_set_again_while_a_run_looks_stays() -> None:
    world = raised()
    row = world.table.items.pop(("*", "monthly-total"))
    rows = world.table.rows

    def set_again(account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        if account_id == "*":
            world.table.rows = rows  # type: ignore[method-assign]
            found = list(rows(account_id))
            world.edit(change(row["amount"], sequence=9, account_id="*"))
            return iter(found)
        return rows(account_id)

    world.table.rows = set_again  # type: ignore[method-assign]
    run(world)
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.standing == ("APPLIED", 100)


def test_an_older_versions_default_that_nobody_edited_is_handed_on() -> None:
    world = raised()
    old(world)
    world.drift(OTHER, repair=True)
    status = world.statuses.items[DEFAULT]
    assert (status.status, bool(status.document), bool(status.baseline)) == (
        Status.APPLIED,
        True,
        True,
    )
    assert world.set(1000, account_id="*").value == "BudgetsWaiting"
    assert "percent" in world.statuses.items[DEFAULT].error


def test_a_units_row_is_handed_on_once_the_deployment_knows_units() -> None:
    organization = FakeOrganization(ACCOUNT, OTHER)
    world = World(organization=organization)
    unit = BudgetKey(account_id=UNIT, budget_name="monthly-total")
    world.edit(change(70, account_id=UNIT))
    run(world)
    assert world.statuses.items[unit].status is Status.REJECTED
    organization.above = {ACCOUNT: UNIT}
    world.publisher.defaults._units_known = True
    run(world)
    assert (world.status, world.amount) == ("APPLIED", Decimal(70))
    status = world.statuses.items[unit]
    assert (status.status, status.error) == (Status.APPLIED, "")


def test_an_unseen_row_of_a_unit_is_rejected_where_there_are_no_units() -> None:
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    write(world, 70, UNIT)
    run(world)
    status = world.statuses.items[BudgetKey(account_id=UNIT, budget_name="monthly-total")]
    assert (status.status, status.error_code) == (Status.REJECTED, "unknown_units")
