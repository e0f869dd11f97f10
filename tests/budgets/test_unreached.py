"""Who cannot be reached is told why, and stops nothing that does not need it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from finops.budgets.approvals import RaiseLimit
from finops.budgets.domain import BudgetKey, Delivery, Status
from finops.budgets.publications import Outcome
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, FakeOrganization, change
from tests.budgets.test_approvals import ANN, BOB, RaisedWorld, approvers
from tests.budgets.test_service import KEY, OTHER, World

REFUSED = ConfigurationError(
    "not allowed to call ListParents", code="AccessDeniedException", step="list_parents"
)
INHERITED = BudgetKey(account_id=ACCOUNT, budget_name="inherited")
UNIT = "ou-root-outer0001"


def approved_unreached() -> RaisedWorld:
    """A raise to 900 that two people have approved, of an account that nobody reaches."""
    world = RaisedWorld()
    world.set(100)
    world.set(900)
    world.parameters = world.spokes.parameters.pop(ACCOUNT)
    world.approve(ANN, BOB)
    return world


def test_an_approved_raise_that_reaches_nobody_says_why_and_needs_no_approval_again() -> None:
    world = approved_unreached()
    status = world.statuses.items[KEY]
    assert (status.status, status.error_step) == (Status.FAILED, "assume_role")
    assert "AssumeRole was refused" in status.error
    assert (status.amount, status.applied_amount) == ("900.00", "100.00")
    assert [one.reason for one in world.drift(repair=True)] == ["unreachable"]
    assert world.statuses.items[KEY] == status
    world.spokes.parameters[ACCOUNT] = world.parameters
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 900)
    assert approvers(world) == [ANN, BOB]
    # It is what later raises are measured against.
    assert world.set(980) is Outcome.PUBLISHED
    assert world.set(1000) is Outcome.WAITING


def test_another_raise_of_it_waits_again() -> None:
    world = approved_unreached()
    world.spokes.parameters[ACCOUNT] = world.parameters
    assert world.set(901) is Outcome.WAITING
    assert world.standing == ("WAITING", 100)


def test_the_newest_cause_is_told() -> None:
    world = approved_unreached()
    world.spokes.parameters[ACCOUNT] = world.parameters

    def fail(name: str) -> None:
        if name == "budgets":
            raise ConfigurationError("not allowed", code="AccessDenied", step="read_budgets")

    world.spokes.before = fail
    world.drift(repair=True)
    assert "not allowed" in world.statuses.items[KEY].error
    world.spokes.before = lambda _: None
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 900)


def test_its_removal_removes_what_stood() -> None:
    world = RaisedWorld()
    world.set(100)
    # The account has not said that it applied this.
    world.statuses.items[KEY] = replace(world.statuses.items[KEY], applied_amount="")
    world.set(900)
    parameters = world.spokes.parameters.pop(ACCOUNT)
    world.approve(ANN, BOB)
    assert world.status == "FAILED"
    world.spokes.parameters[ACCOUNT] = parameters
    done = world.edit(change(None, sequence=9))
    assert done.outcome is Outcome.PUBLISHED
    world.deliver()
    assert world.standing == ("REMOVED", None)


def test_an_approved_raise_whose_move_is_refused_keeps_its_approvals() -> None:
    world = RaisedWorld(RaiseLimit(percent=Decimal(10)))
    world.set(100)
    world.set(900, delivery="payer")
    # The management account has no spoke of its own.
    world.approve(ANN, BOB)
    status = world.statuses.items[KEY]
    assert (status.status, len(status.approvals)) == (Status.FAILED, 2)
    assert world.amount == 100
    payer = type(world.spokes)("111111111111")
    world.spokes.parameters |= payer.parameters
    world.spokes.actual |= payer.actual
    world.drift(repair=True)
    status = world.statuses.items[KEY]
    assert (status.status, status.delivery) == (Status.PENDING, Delivery.PAYER)


def test_a_raise_that_waits_no_more_since_the_limit_is_gone_says_why_it_fails() -> None:
    world = RaisedWorld()
    world.set(100)
    world.set(900)
    world.publisher.raises.limit = None
    parameters = world.spokes.parameters.pop(ACCOUNT)
    world.drift(repair=True)
    assert world.status == "FAILED"
    world.spokes.parameters[ACCOUNT] = parameters
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 900)


def of_both_kinds() -> tuple[World, FakeOrganization]:
    """An account with a row of its own, and with a budget that it inherits."""
    organization = FakeOrganization(ACCOUNT, OTHER, **{ACCOUNT: UNIT})
    world = World(organization=organization)
    world.edit(change(7, account_id="*", budget_name="inherited"))
    world.edit(change(100))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    return world, organization


def test_own_rows_are_repaired_while_nobody_knows_the_units() -> None:
    world, organization = of_both_kinds()
    organization.error = REFUSED
    world.budgets.items.clear()
    found = {one.key: one for one in world.drift(ACCOUNT, repair=True)}
    assert {key: one.reason for key, one in found.items()} == {
        KEY: "budget_missing",
        INHERITED: "not_compared",
    }
    assert found[KEY].repaired
    assert "ListParents" in found[INHERITED].error
    world.deliver()
    # The account's own function repairs what it inherits.
    assert {name: one.amount for name, one in world.budgets.items.items()} == {
        "monthly-total": 100,
        "inherited": 7,
    }
    assert world.statuses.items[INHERITED].status is Status.APPLIED


def test_an_account_without_inherited_budgets_is_told_too() -> None:
    organization = FakeOrganization(ACCOUNT)
    world = World(organization=organization)
    world.edit(change(100))
    world.deliver()
    world.table.items["*", "new"] = dict(change(7, account_id="*", budget_name="new").row or {})
    organization.error = REFUSED
    assert [(one.key.budget_name, one.reason) for one in world.drift(ACCOUNT, repair=True)] == [
        ("", "not_compared")
    ]
    assert world.status == "APPLIED"


def test_a_removed_row_that_may_have_a_default_waits_for_the_organization() -> None:
    world, organization = of_both_kinds()
    organization.error = REFUSED
    # The stream has lost this removal.
    del world.table.items[ACCOUNT, "monthly-total"]
    found = world.drift(ACCOUNT, repair=True)
    assert {one.reason for one in found} == {"not_compared"}
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))
    organization.error = None
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.status == "REMOVED"


def test_a_row_that_is_removed_while_the_organization_refuses_says_so() -> None:
    world, organization = of_both_kinds()
    organization.error = REFUSED
    done = world.edit(change(None, sequence=5))
    status = world.statuses.items[KEY]
    assert (done.outcome, status.status) == (Outcome.FAILED, Status.FAILED)
    assert (status.error, status.error_step) == ("not allowed to call ListParents", "list_parents")
    assert world.audited[-1] == "budget.failed"
    for _ in range(2):
        world.drift(ACCOUNT, repair=True)
        world.deliver()
        assert (world.statuses.items[KEY], world.amount) == (status, Decimal(100))
    organization.error = None
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("REMOVED", None)


@pytest.mark.parametrize("error", [REFUSED, TransientFailure("slow", code="Throttled", step="x")])
def test_whether_a_unit_has_lost_an_account_stops_no_other_budget(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = FakeOrganization(ACCOUNT, **{ACCOUNT: UNIT})
    world = World(organization=organization)
    world.edit(change(7, account_id=UNIT, budget_name="inherited"))
    world.edit(change(100))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    organization.missed.add(ACCOUNT)

    def refuse(account_id: str, unit: str) -> bool:
        raise error

    monkeypatch.setattr(organization, "is_below", refuse)
    world.budgets.items.pop("monthly-total")
    found = {one.key: one.reason for one in world.drift(ACCOUNT, repair=True)}
    assert found == {KEY: "budget_missing", INHERITED: "not_compared"}
    world.deliver()
    assert set(world.budgets.items) == {"monthly-total", "inherited"}
