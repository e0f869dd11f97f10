"""Whose a budget is: by its tag, and for budgets of earlier versions by what their hub says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from finops.budgets.documents import document_for
from finops.budgets.domain import Owner
from finops.budgets.ownership import ADOPTED_TAG, PARAMETER_TAG, owner_of
from finops.budgets.ports import StoredParameter
from finops.budgets.publications import Outcome
from finops.shared.errors import ConfigurationError
from tests.budgets.fakes import ACCOUNT, NOW, PAYER, FakeOrganization, change
from tests.budgets.test_removals import Clocked
from tests.budgets.test_service import KEY, World
from tests.budgets.test_whose_budgets import NAME, Owned, by_hand

PARAMETER = "/finops/budgets/monthly-total"
OWN = {PARAMETER_TAG: PARAMETER}
COPY = {PARAMETER_TAG: "/finops/budgets/other"}
ADOPTED = {ADOPTED_TAG: "true"}
BEFORE, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize("amount", [100, None])
@pytest.mark.parametrize("untagged", [False, True, None])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        (OWN, Owner.FLOW),
        ({**OWN, **ADOPTED}, Owner.FLOW),  # somebody asks the flow to have it
        (COPY, Owner.HAND),
        (ADOPTED, Owner.HAND),
        ({**COPY, **ADOPTED}, Owner.HAND),
    ],
)
def test_its_tags_say_whose_a_budget_is_whenever_it_was_made(
    tags: Mapping[str, str],
    owner: Owner,
    amount: int | None,
    version: int,
    *,
    untagged: bool | None,
) -> None:
    document = replace(document_for(change(amount)), untagged=untagged)
    found = StoredParameter(version, document.encode(), NOW)
    for updated_at in (None, BEFORE, NOW, AFTER):
        assert owner_of(tags, PARAMETER, document, found, updated_at) is owner


def test_what_has_no_tag_was_made_by_hand_where_the_flow_tags() -> None:
    for amount in (100, None):
        document = document_for(change(amount))
        assert document.untagged is False
        found = StoredParameter(2, document.encode(), NOW)
        for updated_at in (None, BEFORE, NOW, AFTER):
            owner = owner_of({"team": "x"}, PARAMETER, document, found, updated_at)
            assert owner is Owner.HAND


@pytest.mark.parametrize(
    ("amount", "untagged", "version", "updated_at", "owner"),
    [
        # Its hub says that an older version made it.
        (100, True, 1, BEFORE, Owner.FLOW),
        (100, True, 2, AFTER, Owner.FLOW),
        # An older hub says nothing: what exists before its first document is not the flow's.
        (100, None, 1, BEFORE, Owner.HAND),
        (100, None, 1, NOW + timedelta(milliseconds=1), Owner.FLOW),
        (100, None, 1, AFTER, Owner.FLOW),
        (100, None, 9, BEFORE, Owner.FLOW),
        (100, None, 1, None, Owner.FLOW),
        # A removal removes what is older.
        (None, True, 2, BEFORE, Owner.FLOW),
        (None, True, 2, AFTER, Owner.HAND),
        (None, None, 2, NOW, Owner.FLOW),
        (None, None, 2, AFTER, Owner.HAND),
        (None, None, 2, None, Owner.FLOW),
    ],
)
def test_what_an_older_version_made_has_no_tag(
    amount: int | None, untagged: bool | None, version: int, updated_at: object, owner: Owner
) -> None:
    document = replace(document_for(change(amount)), untagged=untagged)
    found = StoredParameter(version, document.encode(), NOW)
    assert owner_of({}, PARAMETER, document, found, updated_at) is owner  # type: ignore[arg-type]


def edit(world: Clocked, amount: object, sequence: int, *, deliver: bool = True) -> None:
    world.edit(change(amount, sequence=sequence))
    if deliver:
        world.deliver()
    world.wait()


def standing(world: World) -> tuple[str, object]:
    """The newest edit's status, and the amount in the account."""
    return world.status, world.amount


def made_by_an_older_version() -> Clocked:
    """A budget that the flow made before it tagged any, under the document of an older hub."""
    world = Clocked()
    edit(world, 100, 1)
    world.budgets._tags.clear()
    document = replace(world.spokes.published(), untagged=None)
    world.parameters.put(NAME, document.encode())
    world.statuses.items[KEY] = replace(
        world.statuses.items[KEY], document=document.encode(), untagged=True
    )
    world.wait(timedelta(days=3))
    return world


def test_a_new_spoke_tags_what_an_older_one_has_made() -> None:
    world = made_by_an_older_version()
    world.applier.apply_all()
    assert world.budgets.tags(NAME) == OWN
    edit(world, None, 2)
    assert world.amount is None


def test_a_new_hub_says_that_an_older_spoke_may_have_made_it() -> None:
    world = made_by_an_older_version()
    edit(world, 120, 2)
    assert world.spokes.published().untagged is True
    status = world.statuses.items[KEY]
    assert (status.action, status.adopted, status.untagged) == ("updated", False, False)
    assert world.budgets.tags(NAME) == OWN
    edit(world, 130, 3)
    assert world.spokes.published().untagged is False


def test_a_new_hub_removes_what_an_older_version_made_and_nothing_later() -> None:
    world = made_by_an_older_version()
    edit(world, None, 2)
    assert standing(world) == ("REMOVED", None)
    world.make_by_hand("monthly-total")
    world.wait()
    world.applier.apply_all()
    assert world.amount == 7


def test_the_end_of_a_spoke_takes_what_an_older_version_made_and_leaves_the_rest() -> None:
    world = made_by_an_older_version()
    world.edit(change(50, budget_name="other"))
    world.wait()
    world.make_by_hand("other")
    world.parameters.put("broken", "?")
    world.make_by_hand("broken")
    assert world.applier.remove_all() == [NAME]
    assert world.budgets.items.keys() == {"other", "broken"}
    assert world.parameters.items == {}


def test_a_row_that_goes_before_it_is_applied_leaves_what_was_there() -> None:
    world = Clocked()
    world.make_by_hand(NAME)
    edit(world, 100, 1, deliver=False)
    edit(world, None, 2)
    assert (*standing(world), world.statuses.items[KEY].action) == ("REMOVED", 7, "left")


def test_a_budget_that_could_not_be_adopted_is_left() -> None:
    world = Clocked()
    world.make_by_hand(NAME)

    def deny(name: str) -> None:
        if name == "tag_budget":
            raise ConfigurationError("denied", code="AccessDeniedException", step="tag_budget")

    world.budgets.before = deny
    edit(world, 100, 1)
    assert standing(world) == ("FAILED", 7)
    world.budgets.before = lambda _: None
    edit(world, None, 2)
    assert standing(world) == ("REMOVED", 7)


@pytest.mark.parametrize("step", ["assume_role", "put_parameter"])
def test_a_rejected_edit_after_a_refused_one_leaves_what_was_there(step: str) -> None:
    world = Clocked()
    world.make_by_hand(NAME)

    def refuse(name: str) -> None:
        if name == "put_document":
            raise ConfigurationError("no", code="AccessDenied", step=step)

    world.spokes.before = refuse
    edit(world, 100, 1)
    assert world.status == "FAILED"
    edit(world, "bad", 2)
    world.spokes.before = lambda _: None
    assert world.edit(change(None, sequence=3)).outcome is Outcome.KEPT
    world.deliver()
    assert standing(world) == ("REMOVED", 7)


@pytest.mark.parametrize("row", [{"amount": 300, "delivery": "payer"}, {"amount": 900}])
def test_what_is_made_after_a_removal_stays_when_the_row_comes_back(row: dict[str, object]) -> None:
    world = Owned()
    world.put(ACCOUNT, amount=100)
    world.end()
    world.put(ACCOUNT)
    world.end()
    by_hand(world, ACCOUNT, "make")
    world.put(ACCOUNT, **row)
    world.end()
    world.put(ACCOUNT)
    world.end()
    assert world.status == "REMOVED"
    assert world.made[ACCOUNT].items[NAME].amount == 7
    assert world.made[PAYER].items == {}


def test_what_is_made_after_a_removal_stays_when_a_default_waits_and_goes() -> None:
    world = Owned()
    world.put(ACCOUNT, amount=100)
    world.end()
    world.put(ACCOUNT)
    world.end()
    by_hand(world, ACCOUNT, "make")
    world.put("*", amount=900)
    world.end()
    world.put("*")
    world.end()
    assert standing(world) == ("REMOVED", 7)


def test_what_is_made_before_the_answer_to_a_removal_that_was_lost_stays() -> None:
    world = Clocked()
    edit(world, 100, 1)
    edit(world, None, 2, deliver=False)
    world.applier.apply(NAME)
    world.results.reported.clear()
    world.recorder.expire(KEY, world.statuses.items[KEY].version)
    world.make_by_hand(NAME, after=timedelta(minutes=30))
    world.drift(repair=True)
    world.deliver()
    assert (*standing(world), world.statuses.items[KEY].action) == ("REMOVED", 7, "left")


def test_a_deleted_parameter_and_an_edit_make_no_budget_one_made_by_hand() -> None:
    world = Clocked()
    edit(world, 100, 1)
    world.parameters.delete(NAME)
    world.wait()
    edit(world, 200, 2)
    assert not world.statuses.items[KEY].adopted
    edit(world, None, 3)
    assert world.amount is None


def test_a_budget_whose_answer_was_lost_goes_though_the_role_was_refused_since() -> None:
    world = Clocked()
    edit(world, 100, 1, deliver=False)
    world.applier.apply(NAME)
    world.results.reported.clear()
    gone = world.spokes.parameters.pop(ACCOUNT)
    edit(world, 120, 2, deliver=False)
    edit(world, None, 3, deliver=False)
    assert world.status == "FAILED", "nobody knows whether there is one"
    world.spokes.parameters[ACCOUNT] = gone
    world.drift(repair=True)
    world.deliver()
    assert standing(world) == ("REMOVED", None)


def test_a_budget_that_was_adopted_says_so_after_it_has_moved_there_and_back() -> None:
    world = Owned()
    by_hand(world, ACCOUNT, "make")
    for row in ({}, {"delivery": "payer"}, {}):
        world.put(ACCOUNT, amount=100, **row)
        world.end()
        assert world.statuses.items[KEY].adopted is not bool(row)
    world.put(ACCOUNT)
    world.end()
    assert world.amount == 100


def test_a_budget_that_no_account_was_told_of_is_removed_without_a_word_to_it() -> None:
    world = Clocked()
    gone = world.spokes.parameters.pop(ACCOUNT)
    edit(world, 100, 1, deliver=False)
    assert (world.status, world.statuses.items[KEY].published) == ("FAILED", False)
    del world.table.items[ACCOUNT, NAME]
    world.drift(ACCOUNT, repair=True)
    assert world.status == "REMOVED"
    assert gone.items == {}


def test_a_budget_that_is_moved_to_where_one_was_made_by_hand_adopts_that() -> None:
    world = Owned()
    world.put(ACCOUNT, amount=100, delivery="payer")
    world.end()
    by_hand(world, ACCOUNT, "make")
    world.put(ACCOUNT, amount=120)
    world.end()
    assert world.statuses.items[KEY].adopted
    assert world.amount == 120
    assert world.made[PAYER].items == {}


def test_a_default_that_goes_before_it_is_applied_leaves_what_was_there() -> None:
    world = Clocked(organization=FakeOrganization(ACCOUNT))
    world.make_by_hand(NAME)
    world.wait()
    world.edit(change(100, account_id="*"))
    world.drift(ACCOUNT, repair=True)
    world.edit(change(None, account_id="*", sequence=2))
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    status = world.statuses.items[KEY]
    assert (*standing(world), status.action) == ("REMOVED", 7, "left")
