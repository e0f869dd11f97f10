"""What stands while an edit waits, is rejected or reaches nobody: repaired, and told truly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.approvals import RaiseLimit
from finops.budgets.documents import MAX_DOCUMENT_BYTES, document_for
from finops.budgets.domain import BudgetKey, RemovalPolicy, Status, decimal_text
from finops.budgets.publications import Outcome
from finops.budgets.rows import parse_budget
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from tests.budgets.fakes import ACCOUNT, PAYER, FakeOrganization, change
from tests.budgets.test_approvals import ANN, BOB, DEFAULT, RaisedWorld
from tests.budgets.test_payer import PayerWorld
from tests.budgets.test_service import KEY, OTHER, World

OTHER_KEY = BudgetKey(account_id=OTHER, budget_name="monthly-total")


def rejected() -> World:
    """A budget of 100 that stands, and an edit that is rejected."""
    world = World()
    world.edit(change(100))
    world.deliver()
    world.edit(change("many", sequence=2))
    return world


def waiting() -> World:
    """A budget of 100 that stands, and a raise that waits."""
    world = RaisedWorld()
    world.set(100)
    world.set(900)
    return world


def spoil(world: World) -> None:
    """Somebody changes the AWS Budget by hand."""
    other = parse_budget({"account_id": ACCOUNT, "amount": "5"})
    world.budgets.items["monthly-total"] = replace(
        world.budgets.items["monthly-total"],
        settings={**world.budgets.items["monthly-total"].settings, "amount": other.amount},
    )


HELD = {"WAITING": waiting, "REJECTED": rejected}


@pytest.mark.parametrize("status", HELD)
def test_what_stands_beside_an_edit_is_repaired_and_the_status_stays_the_edits(
    status: str,
) -> None:
    world = HELD[status]()
    assert world.drift() == []
    before = world.statuses.items[KEY]
    spoils: dict[str, Callable[[], None]] = {
        "budget_changed": lambda: spoil(world),
        "budget_missing": world.budgets.items.clear,
        "parameter_missing": world.parameters.items.clear,
    }
    for reason, spoiled in spoils.items():
        spoiled()
        assert [one.reason for one in world.drift()] == [reason]
        (found,) = world.drift(repair=True)
        assert (found.reason, found.wanted, found.repaired) == (reason, "100.00", True)
        world.deliver()
        assert (world.status, world.amount) == (status, Decimal(100))
        assert world.drift(repair=True) == []
        after = world.statuses.items[KEY]
        assert replace(after, repaired_at=None) == before
    entries = [one for one in world.audit.events if one.action == "drift.repaired"]
    assert [one.details["drift"] for one in entries] == list(spoils)
    assert len({one.version for one in entries}) == 3
    assert all(one.details["after"] == {"amount": "100.00"} for one in entries)


@pytest.mark.parametrize("status", HELD)
def test_what_stands_is_repaired_less_and_less_often_while_that_does_not_help(
    status: str,
) -> None:
    world = HELD[status]()
    world.budgets.items.clear()
    repaired = [bool(world.drift(repair=True)[0].repaired) for _ in range(16)]
    assert repaired[:6] == [True, True, False, True, False, False]
    assert sum(repaired) < 7
    (paused,) = world.drift(repair=True)
    assert "is not right after" in paused.error
    # A person gets it at once.
    (asked,) = world.repairer.run(repair=True, request_id="drift", requested_by="ann")
    assert asked.repaired
    world.deliver()
    assert world.drift(repair=True) == []
    world.budgets.items.clear()
    assert [one.repaired for one in world.drift(repair=True)] == [True]


@pytest.mark.parametrize("status", HELD)
def test_what_takes_effect_does_not_wait_for_the_repairs_of_what_stood(status: str) -> None:
    world = HELD[status]()
    world.budgets.items.clear()
    for _ in range(8):
        world.drift(repair=True)
    assert world.statuses.items[KEY].repairs > 2
    if isinstance(world, RaisedWorld):
        world.approve(ANN, BOB)
        assert world.standing == ("APPLIED", 900)
    else:
        world.table.items[ACCOUNT, "monthly-total"]["amount"] = 200
        world.drift(repair=True)
        world.deliver()
        assert (world.status, world.amount) == ("APPLIED", Decimal(200))


@pytest.mark.parametrize("status", HELD)
@pytest.mark.parametrize(
    "error",
    [
        TransientFailure("slow down", code="Throttling", step="put_parameter"),
        ConfigurationError("refused", code="AccessDenied", step="put_parameter"),
    ],
)
def test_a_repair_that_fails_is_in_the_trail_and_the_status_stays(
    status: str, error: Exception
) -> None:
    world = HELD[status]()
    world.budgets.items.clear()

    def refuse(name: str) -> None:
        if name == "put_document":
            raise error

    world.spokes.before = refuse
    (found,) = world.drift(repair=True)
    assert (found.repaired, world.status) == (False, status)
    assert world.audit.events[-1].action == "drift.failed"


@pytest.mark.parametrize(("amount", "status"), [(900, "WAITING"), ("many", "REJECTED")])
def test_an_answer_that_comes_after_the_next_edit_is_found(amount: object, status: str) -> None:
    world = RaisedWorld()
    world.set(100)
    world.edit(change(105, sequence=50))
    world.edit(change(amount, sequence=51))
    world.deliver()
    assert (world.status, world.amount) == (status, Decimal(105))
    assert world.drift(repair=True) == []
    assert world.statuses.items[KEY].applied_amount == "105.00"
    before = world.statuses.items[KEY]
    assert world.drift(repair=True) == []
    assert world.statuses.items[KEY] == before


def test_a_rejected_row_that_never_was_valid_has_nothing_to_repair() -> None:
    world = World()
    world.edit(change("many"))
    assert world.drift(repair=True) == []
    assert world.amount is None
    removed = World()
    removed.edit(change(100))
    removed.deliver()
    removed.edit(change(None, sequence=2))
    removed.deliver()
    removed.edit(change("many", sequence=3))
    assert removed.drift(repair=True) == []
    assert (removed.status, removed.amount) == ("REJECTED", None)


def test_a_row_that_is_put_right_again_without_its_record_is_applied() -> None:
    world = rejected()
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = 100
    assert [one.reason for one in world.drift(repair=True)] == ["not_confirmed"]
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))
    raised = waiting()
    raised.table.items[ACCOUNT, "monthly-total"]["amount"] = 100
    raised.drift(repair=True)
    raised.deliver()
    assert (raised.status, raised.amount) == ("APPLIED", Decimal(100))


def test_a_bad_row_that_nobody_has_seen_stops_no_repair() -> None:
    world = World()
    world.edit(change(100))
    world.deliver()
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = "many"
    world.budgets.items.clear()
    assert [one.reason for one in world.drift()] == ["budget_missing"]
    assert [one.repaired for one in world.drift(repair=True)] == [True]
    world.deliver()
    assert (world.status, world.amount) == ("REJECTED", Decimal(100))


def test_what_came_from_a_default_is_repaired_while_that_is_refused() -> None:
    world = inheriting()
    world.edit(change("many", sequence=2, account_id="*"))
    world.budgets.items.clear()
    assert [one.repaired for one in world.drift(ACCOUNT, repair=True)] == [True]
    world.deliver()
    status = world.statuses.items[KEY]
    assert (status.status, status.default_of, world.amount) == (Status.APPLIED, "*", Decimal(7))


def inheriting(removal: RemovalPolicy = RemovalPolicy.DELETE) -> World:
    """An account that has a default of 7."""
    world = World(removal, FakeOrganization(ACCOUNT, OTHER))
    world.edit(change(7, account_id="*"))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(7))
    return world


@pytest.mark.parametrize("amount", [8, None])
def test_an_account_that_nobody_reaches_does_not_have_its_defaults_edit(
    amount: int | None,
) -> None:
    world = inheriting()
    parameters = world.spokes.parameters.pop(ACCOUNT)
    world.edit(change(amount, sequence=2, account_id="*"))
    world.drift(ACCOUNT)
    assert world.status == "APPLIED", "nobody asked for a repair"
    world.drift(ACCOUNT, repair=True)
    failed = world.statuses.items[KEY]
    assert (failed.status, failed.default_of) == (Status.FAILED, "*")
    assert failed.amount == ("" if amount is None else decimal_text(Decimal(f"{amount}.00")))
    assert (failed.applied_amount, failed.error_step) == ("7.00", "assume_role")
    world.drift(ACCOUNT, repair=True)
    assert world.statuses.items[KEY] == failed, "once is enough"
    world.spokes.parameters[ACCOUNT] = parameters
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.amount == amount
    assert world.status == ("REMOVED" if amount is None else "APPLIED")


def test_a_row_whose_record_was_lost_is_not_applied_where_nobody_reaches_its_account() -> None:
    world = World()
    world.edit(change(100))
    world.deliver()
    parameters = world.spokes.parameters.pop(ACCOUNT)
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = 200
    world.drift(repair=True)
    status = world.statuses.items[KEY]
    assert (status.status, status.amount, status.applied_amount) == (
        Status.FAILED,
        "200.00",
        "100.00",
    )
    world.spokes.parameters[ACCOUNT] = parameters
    world.drift(repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))


@pytest.mark.parametrize("make", HELD.values())
def test_an_account_that_nobody_reaches_goes_on_waiting(make: Any) -> None:
    world = make()
    before = world.statuses.items[KEY]
    world.spokes.parameters.pop(ACCOUNT)
    assert [one.reason for one in world.drift(repair=True)] == ["unreachable"]
    assert world.statuses.items[KEY] == replace(before, unreached_at=world.now)


def test_a_raise_of_the_default_is_not_approved_again_for_who_was_unreachable() -> None:
    world = RaisedWorld(
        RaiseLimit(percent=Decimal(10), usd=Decimal(50)), FakeOrganization(ACCOUNT, OTHER)
    )
    world.set(40, account_id="*")
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    parameters = world.spokes.parameters.pop(ACCOUNT)
    new = world.spokes.parameters.pop(OTHER)
    world.set(400, account_id="*")
    for one in (ANN, BOB):
        content = world.statuses.items[DEFAULT].content
        world.desk.approve(DEFAULT, one, content=content)
    world.drift(ACCOUNT, OTHER, repair=True)
    assert world.statuses.items[KEY].status is Status.FAILED
    assert world.statuses.items[OTHER_KEY].status is Status.FAILED
    world.spokes.parameters |= {ACCOUNT: parameters, OTHER: new}
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 400)
    assert world.statuses.items[OTHER_KEY].status is Status.PENDING


def test_a_default_that_cannot_be_moved_to_the_payer_fails_in_each_account() -> None:
    world = inheriting()  # the management account has no spoke
    world.edit(change(7, sequence=2, account_id="*", delivery="payer"))
    for _ in range(2):
        world.drift(ACCOUNT, repair=True)
        world.deliver()
        assert (world.status, world.amount) == ("FAILED", Decimal(7))
    world.edit(change(7, sequence=3, account_id="*"))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(7))


def test_a_move_fails_whose_target_is_lost_after_the_comparison() -> None:
    world = PayerWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.edit(change(7, account_id="*"))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    world.edit(change(8, sequence=2, account_id="*", delivery="payer"))

    def lose(name: str) -> None:
        if name == "payer_budgets":
            del world.spokes.parameters[PAYER]

    world.spokes.after = lose
    world.drift(ACCOUNT, repair=True)
    assert (world.status, world.amount) == ("FAILED", Decimal(7))
    assert world.audit.events[-1].action == "drift.failed"


def test_an_account_that_has_left_keeps_what_it_has() -> None:
    world = inheriting()
    organization = world.repairer._organization
    assert isinstance(organization, FakeOrganization)
    organization.members.discard(ACCOUNT)
    left = ConfigurationError("it is closed", code="unknown_account", step="assume_role")

    def refuse(_: str) -> None:
        raise left

    world.spokes.before = refuse
    world.drift(ACCOUNT, repair=True)
    status = world.statuses.items[KEY]
    assert (status.status, status.action) == (Status.REMOVED, "kept")
    assert world.drift(ACCOUNT, repair=True) == []


def services(size: int) -> dict[str, list[str]]:
    """A filter whose document is so many bytes larger than one with a single letter."""
    return {"Service": [f"{number:040}" for number in range(size // 43)] + ["y" * (size % 43 + 1)]}


def longest_filter() -> int:
    size = 0
    for step in (1000, 100, 10, 1):
        while size < MAX_DOCUMENT_BYTES:
            try:
                document_for(change(100, cost_filters=services(size + step)))
            except RejectedInput:
                break
            size += step
    return size


def test_a_row_fits_in_every_version_or_in_none() -> None:
    size = longest_filter()
    assert MAX_DOCUMENT_BYTES - 420 < size < MAX_DOCUMENT_BYTES
    long_name = "r" * 1000
    for longer in (0, 1):
        edit = change(100, cost_filters=services(size + longer))
        world = World()
        world.edit(change(100))
        world.deliver()
        done = world.edit(replace(edit, version=f"{'9' * 40}.000000", request_id=long_name))
        assert done.outcome is (Outcome.REJECTED if longer else Outcome.PUBLISHED)
        world.deliver()
        world.parameters.items.clear()
        assert [one.repaired for one in world.drift(repair=True)] == [True]
        parameter = world.parameters.items["monthly-total"]
        assert len(parameter.value.encode()) <= MAX_DOCUMENT_BYTES
        world.deliver()
        assert world.status == ("REJECTED" if longer else "APPLIED")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"cost_filters": services(5000)}, "a parameter holds 4096"),
        ({"amount": "many"}, "is not a number"),
        ({"delivery": "payer", "cost_filters": {"LinkedAccount": [OTHER]}}, "of a default"),
    ],
)
@pytest.mark.parametrize("seen", [True, False])
def test_a_default_that_no_account_can_have_is_refused_and_others_are_not_affected(
    row: dict[str, Any], reason: str, *, seen: bool
) -> None:
    world = inheriting()
    bad = change(**{"amount": 9, **row}, sequence=2, account_id="*")
    if seen:
        assert world.edit(bad).outcome is Outcome.REJECTED
    else:
        assert bad.row
        world.table.items["*", "monthly-total"] = dict(bad.row)
    world.edit(change(5, sequence=3, account_id="*", budget_name="other"))
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    default = world.statuses.items[DEFAULT]
    assert (default.status, reason in default.error) == (Status.REJECTED, True)
    assert (world.status, world.amount) == ("APPLIED", Decimal(7))
    other = BudgetKey(account_id=ACCOUNT, budget_name="other")
    assert world.statuses.items[other].status is Status.APPLIED
    told = [one for one in world.audit.events if one.action == "budget.rejected"]
    assert [one.subject for one in told] == ["*/monthly-total"]
    world.drift(ACCOUNT, OTHER, repair=True)
    assert world.statuses.items[DEFAULT] == default


def test_a_budget_of_the_payer_counts_the_account_that_its_filter_names() -> None:
    """A default grows by the account's filter."""
    size = longest_filter() - 20
    for delivery, outcome in (("spoke", Outcome.HANDED_ON), ("payer", Outcome.REJECTED)):
        world = World(organization=FakeOrganization(ACCOUNT))
        edit = change(9, account_id="*", cost_filters=services(size), delivery=delivery)
        assert world.edit(edit).outcome is outcome
