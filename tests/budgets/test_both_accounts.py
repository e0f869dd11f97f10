"""Budgets that the flow has in two accounts: found, told, and removed where nobody wants them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from finops.budgets.coverage import CoveredAccount, Source, coverage
from finops.budgets.documents import seed_document
from finops.budgets.domain import Delivery, Status
from finops.budgets.rows import parse_budget
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, PAYER, TOPIC, change
from tests.budgets.test_payer import NAME_OF_OWN, PayerWorld
from tests.budgets.test_service import KEY, OTHER, World

SEED = {"budget_name": "monthly-total", "amount": "100", "currency": "USD"}


def seeded() -> PayerWorld:
    """The spoke began with a budget of its own, and the first row is for the payer."""
    world = PayerWorld()
    world.applier.seed(seed_document(ACCOUNT, SEED))
    world.deliver()
    world.edit(change(300, delivery="payer"))
    world.deliver()
    return world


def moved_unseen(there: Delivery = Delivery.PAYER) -> PayerWorld:
    """A budget was moved while the role of the account that had it was refused."""
    world = PayerWorld()
    world.edit(change(100, delivery=there.other.value))
    world.deliver()
    left = PAYER if there is Delivery.SPOKE else ACCOUNT
    gone = world.spokes.parameters.pop(left)
    world.edit(change(300, sequence=2, delivery=there.value))
    world.spokes.parameters[left] = gone
    world.deliver()
    return world


def amounts(world: PayerWorld) -> tuple[object, object]:
    in_payer = world.in_payer(NAME_OF_OWN)
    return world.amount, in_payer.amount if in_payer else None


def covered(world: World) -> list[CoveredAccount]:
    return coverage([ACCOUNT], table=world.table, statuses=world.statuses, spokes=world.spokes)


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (seeded, Delivery.PAYER),
        (moved_unseen, Delivery.PAYER),
        (lambda: moved_unseen(Delivery.SPOKE), Delivery.SPOKE),
    ],
)
def test_what_the_flow_left_in_the_other_account_is_found_told_and_removed(
    make: type[PayerWorld], wanted: Delivery
) -> None:
    world = make()
    right = (300, None) if wanted is Delivery.SPOKE else (None, 300)
    assert None not in amounts(world)
    assert [(one.budget, one.source, one.amount, one.delivery) for one in covered(world)] == [
        ("monthly-total", Source.TABLE, "300.00", wanted),
        ("monthly-total", Source.KEPT, "100.00", wanted.other),
    ]
    (found,) = world.drift(ACCOUNT)
    assert (found.reason, found.wanted, found.repaired) == ("in_both_accounts", "300.00", False)
    assert None not in amounts(world)
    before = world.statuses.items[KEY]
    (found,) = world.drift(ACCOUNT, repair=True)
    assert (found.reason, found.repaired, found.error) == ("in_both_accounts", True, "")
    world.deliver()
    assert amounts(world) == right
    assert world.statuses.items[KEY] == before
    assert world.drift(ACCOUNT, repair=True) == []
    assert [one.source for one in covered(world)] == [Source.TABLE]
    (event,) = [one for one in world.audit.events if one.action == "drift.repaired"]
    assert event.details["drift"] == "in_both_accounts"


def test_a_budget_of_the_same_name_that_somebody_made_by_hand_stays_and_is_told() -> None:
    world = PayerWorld()
    world.edit(change(300, delivery="payer"))
    world.deliver()
    world.budgets.create(parse_budget(change(7).row or {}), TOPIC)
    assert world.drift(ACCOUNT, repair=True) == []
    world.deliver()
    assert amounts(world) == (7, 300)
    assert [(one.source, one.delivery) for one in covered(world)] == [
        (Source.TABLE, Delivery.PAYER),
        (Source.BY_HAND, Delivery.SPOKE),
    ]


def test_a_row_that_no_account_was_told_of_is_not_taken_for_the_one_made_by_hand() -> None:
    world = PayerWorld()
    world.budgets.create(parse_budget(change(7).row or {}), TOPIC)

    def refuse(name: str) -> None:
        if name == "put_document":
            raise ConfigurationError("no", code="AccessDenied", step="put_parameter")

    world.spokes.before = refuse
    world.edit(change(300, delivery="payer"))
    assert [(one.source, one.delivery, one.amount) for one in covered(world)] == [
        (Source.MISSING, Delivery.PAYER, None),
        (Source.BY_HAND, Delivery.SPOKE, "7.00"),
    ]


def test_a_row_whose_budget_is_missing_is_not_taken_for_the_one_made_by_hand() -> None:
    world = PayerWorld()
    world.edit(change(300, delivery="payer"))
    world.deliver()
    world.spokes.actual[PAYER].items.clear()
    world.budgets.create(parse_budget(change(7).row or {}), TOPIC)
    assert [(one.source, one.delivery, one.amount) for one in covered(world)] == [
        (Source.MISSING, Delivery.PAYER, None),
        (Source.BY_HAND, Delivery.SPOKE, "7.00"),
    ]


def test_the_other_account_is_left_alone_until_the_budget_is_where_it_is_wanted() -> None:
    world = moved_unseen()
    world.spokes.actual[PAYER].items.clear()
    (found,) = world.drift(ACCOUNT, repair=True)
    assert found.reason == "budget_missing"
    assert world.amount == 100
    world.deliver()
    assert [one.reason for one in world.drift(ACCOUNT, repair=True)] == ["in_both_accounts"]
    world.deliver()
    assert amounts(world) == (None, 300)


def test_what_is_left_beside_a_rejected_edit_goes_and_the_status_stays() -> None:
    world = moved_unseen()
    world.edit(change("many", sequence=3))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert amounts(world) == (None, 300)
    assert world.status == "REJECTED"


def test_both_go_with_the_row() -> None:
    world = moved_unseen()
    world.edit(change(None, sequence=3))
    world.deliver()
    # Its answer is lost.
    world.statuses.items[KEY] = replace(
        world.statuses.items[KEY], status=Status.PENDING, published=True
    )
    world.now += timedelta(hours=5)
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert amounts(world) == (None, None)


def test_an_edit_that_moves_it_back_meanwhile_wins() -> None:
    world = moved_unseen()

    def move(name: str) -> None:
        if name == "put_document":
            world.spokes.before = lambda _: None
            world.edit(change(500, sequence=3))

    world.spokes.before = move
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert amounts(world) == (500, None)
    assert world.status == "APPLIED"


def test_a_removal_that_fails_is_told_and_done_by_the_next_run() -> None:
    world = moved_unseen()

    def fail(name: str) -> None:
        if name == "put_document":
            raise TransientFailure("slow down", code="Throttling", step="put_parameter")

    world.spokes.before = fail
    (found,) = world.drift(ACCOUNT, repair=True)
    assert (found.repaired, "slow down" in found.error) == (False, True)
    world.spokes.before = lambda _: None
    assert [one.repaired for one in world.drift(ACCOUNT, repair=True)] == [True]


def test_a_payer_without_a_spoke_is_asked_once_a_run() -> None:
    world = World()
    for account in (ACCOUNT, OTHER):
        world.edit(change(100, account_id=account))
    world.deliver()
    before = world.spokes.calls.count("documents")
    world.drift(repair=True)
    assert world.spokes.calls.count("documents") - before == 3
