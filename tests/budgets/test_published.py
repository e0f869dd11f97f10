"""What was published by older rules stands: only new edits are refused for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets import filters, rows
from finops.budgets.approvals import RaiseLimit
from finops.budgets.documents import decode_document, document_for
from finops.budgets.domain import Status
from finops.budgets.publications import Outcome
from finops.reconciliation.adapters.budgets import TableBudgets
from finops.shared.errors import RejectedInput
from tests.budgets.fakes import ACCOUNT, FakeOrganization, change
from tests.budgets.test_approvals import DEFAULT, RaisedWorld
from tests.budgets.test_payer import PayerWorld
from tests.budgets.test_service import KEY, OTHER, World

#: Filters that an older version published.
OLD = {
    "a region by its name": {"Region": ["EU (Ireland)"]},
    "an account that is none": {"LinkedAccount": ["sandbox"]},
    "another account": {"LinkedAccount": [OTHER]},
    "a list in one text": {"InstanceType": ["m5.large,m5.xlarge"]},
}


@contextmanager
def older_version() -> Iterator[None]:
    """The rules of the version before: whatever a filter says is published as it is."""
    with pytest.MonkeyPatch.context() as rules:
        rules.setattr(filters, "_problem", lambda name, text: "")
        rules.setattr(filters, "_as_aws_writes", lambda name, text: text)
        rules.setattr(rows, "_refuse_other_accounts", lambda budget: None)
        yield


def published_before(world: World, *accounts: str, **row: Any) -> None:
    with older_version():
        for account in accounts or (ACCOUNT,):
            world.edit(change(100, account_id=account, **row))
        world.deliver()


@pytest.mark.parametrize("name", OLD)
def test_a_document_of_an_older_version_is_read_as_it_was_published(name: str) -> None:
    edit = change(100, cost_filters=OLD[name])
    with older_version():
        document = document_for(edit)
    with pytest.raises(RejectedInput):
        document_for(edit)
    read = decode_document(document.encode())
    assert read == document
    assert read.encode() == document.encode()


@pytest.mark.parametrize("name", OLD)
def test_a_row_that_is_refused_by_now_goes_on_standing(name: str) -> None:
    world = World()
    published_before(world, cost_filters=OLD[name])
    before = world.statuses.items[KEY]
    assert before.status is Status.APPLIED
    assert world.drift(repair=True) == []
    world.applier.apply_all()
    world.record()
    world.budgets.items.clear()
    assert [one.reason for one in world.drift(repair=True)] == ["budget_missing"]
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))
    assert world.drift(repair=True) == []
    assert world.statuses.items[KEY].content == before.content


def test_an_edit_of_such_a_row_is_refused_and_what_stands_is_repaired() -> None:
    world = World()
    published_before(world, cost_filters=OLD["a region by its name"])
    done = world.edit(change(200, sequence=2, cost_filters=OLD["a region by its name"]))
    assert done.outcome is Outcome.REJECTED
    world.budgets.items.clear()
    assert [one.repaired for one in world.drift(repair=True)] == [True]
    world.deliver()
    assert (world.status, world.amount) == ("REJECTED", Decimal(100))


def test_a_row_that_was_never_published_is_rejected_by_a_drift_run() -> None:
    world = World()
    published_before(world, cost_filters=OLD["a region by its name"])
    # The stream has lost this edit.
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = 300
    world.drift(repair=True)
    assert (world.status, world.amount) == ("REJECTED", Decimal(100))


def test_raises_are_measured_against_what_an_older_version_published() -> None:
    world = RaisedWorld(RaiseLimit(percent=Decimal(10)))
    published_before(world, cost_filters=OLD["a region by its name"])
    world.statuses.items[KEY] = replace(world.statuses.items[KEY], baseline="")
    next(world.numbers)
    assert world.set(10_000, cost_filters={"Region": ["eu-west-1"]}) is Outcome.WAITING
    assert world.amount == 100


def test_a_default_that_is_refused_by_now_goes_on_standing_with_its_accounts() -> None:
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    with older_version():
        world.edit(change(100, account_id="*", cost_filters=OLD["a region by its name"]))
        world.drift(ACCOUNT, OTHER, repair=True)
        world.deliver()
    world.budgets.items.clear()
    (found,) = world.drift(ACCOUNT, OTHER, repair=True)
    assert (found.key, found.repaired) == (KEY, True)
    world.deliver()
    assert world.amount == 100
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.statuses.items[KEY].status is Status.APPLIED


@pytest.mark.parametrize("limits", [None, RaiseLimit(percent=Decimal(10))])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", ["a region by its name", "a list in one text"])
def test_an_account_that_joins_gets_a_default_that_is_refused_by_now(
    name: str, limits: RaiseLimit | None, *, kept: bool
) -> None:
    """Also where the older version did not keep what it handed on."""
    organization = FakeOrganization(OTHER)
    world = RaisedWorld(limits, organization) if limits else World(organization=organization)
    with older_version():
        world.edit(change(100, account_id="*", cost_filters=OLD[name]))
        world.drift(OTHER, repair=True)
        world.spokes.parameters[OTHER].items.values()
    if not kept:
        world.statuses.items[DEFAULT] = replace(
            world.statuses.items[DEFAULT], document="", content="", baseline=""
        )
    organization.members.add(ACCOUNT)
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))
    assert world.budgets.items["monthly-total"].settings["cost_filters"]
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.drift(ACCOUNT, repair=True) == []


def test_a_removed_row_gets_a_default_that_is_refused_by_now() -> None:
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    published_before(world, "*", cost_filters=OLD["a region by its name"])
    world.edit(change(5, sequence=2))
    world.deliver()
    assert world.edit(change(None, sequence=3)).outcome is Outcome.DEFAULTED
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))


def test_an_edited_default_that_is_refused_reaches_no_account_that_joins() -> None:
    organization = FakeOrganization(OTHER)
    world = World(organization=organization)
    published_before(world, "*", cost_filters=OLD["a region by its name"])
    world.edit(change(200, sequence=2, account_id="*", cost_filters=OLD["a region by its name"]))
    organization.members.add(ACCOUNT)
    world.drift(ACCOUNT, OTHER, repair=True)
    assert world.statuses.items[DEFAULT].status is Status.REJECTED
    assert KEY not in world.statuses.items


def test_a_budget_of_an_older_version_is_moved_and_removed() -> None:
    world = PayerWorld()
    published_before(world, cost_filters=OLD["a region by its name"])
    world.edit(change(100, sequence=2, delivery="payer"))
    world.deliver()
    assert not world.budgets.items
    world.edit(change(None, sequence=3))
    world.deliver()
    assert not any(one.items for one in world.spokes.actual.values())


def test_the_reconciliation_has_such_a_row() -> None:
    world = World()
    published_before(world, cost_filters=OLD["a region by its name"])
    # Both fakes have what it asks of the tables.
    budgets = TableBudgets(world.table, world.statuses)  # type: ignore[arg-type]
    assert [one.amount for one in budgets._budgets] == [100]
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = 200
    budgets = TableBudgets(world.table, world.statuses)  # type: ignore[arg-type]
    assert budgets._budgets == []
