"""Raises that wait, on the page of budgets: who may approve what they see, and what that does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from console import ui
from console.identity import Role
from console.views.budgets import editing, raises
from console.views.budgets.listing import list_budgets
from finops.budgets.domain import BudgetKey
from finops.shared.errors import RejectedInput
from tests.budgets.fakes import ACCOUNT, FakeOrganization
from tests.budgets.test_approvals import DEFAULT, RaisedWorld, inheriting
from tests.budgets.test_service import KEY, OTHER
from tests.console.conftest import Stage, user

APPROVER = user(Role.APPROVER)
BOB = user(Role.APPROVER, "bob@example.com")


@pytest.fixture
def world() -> RaisedWorld:
    """A budget of 100 USD, whose raise to 200 USD waits."""
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100)
    world.set(200, updated_by="the editor <6f9d>")
    return world


@pytest.fixture
def shown(stage: Stage, world: RaisedWorld) -> Stage:
    return on(stage, world)


def on(stage: Stage, world: RaisedWorld) -> Stage:
    stage.budgets = replace(
        stage.budgets, rows=world.table, statuses=world.statuses, accounts=world.queue
    )
    return stage


def button(app: AppTest) -> Any:
    (found,) = [one for one in app.button if one.label == "Approve"]
    return found


def captions(app: AppTest) -> str:
    return "\n".join(one.value for one in app.caption)


def test_an_approver_sees_what_waits_and_approves_it_once(shown: Stage, world: RaisedWorld) -> None:
    app = shown.page("budgets", Role.APPROVER)
    assert "Raises that wait" in [one.value for one in app.header]
    assert any(
        r"222222222222 / monthly\-total**: 100\.00 USD → **200\.00 USD" in one.value
        for one in app.markdown
    )
    assert r"by 200\.00 USD a month" in captions(app)
    assert "edited by the editor; approved by nobody" in captions(app)
    app = button(app).click().run()
    assert not app.exception
    assert world.statuses.items[KEY].approvals == ("the approver",)
    assert world.standing == ("WAITING", 100)
    assert world.queue.parts == []
    assert shown.recorded() == [("the approver", "budget.approved", f"{ACCOUNT}/monthly-total")]
    (event,) = shown.audit.recorder.events
    assert (event.stream, event.details["people"]) == ("console", 1)
    # Once is all that one person can.
    app = shown.page("budgets", Role.APPROVER)
    assert button(app).disabled
    assert "You have approved it. Somebody else has to approve it as well." in captions(app)
    assert "approved by the approver" in captions(app)
    with pytest.raises(RejectedInput, match="you have approved this raise already"):
        raises.approve(shown.services, APPROVER, KEY, world.statuses.items[KEY].content)


def test_a_raise_by_a_plan_shows_what_the_months_become(shown: Stage, world: RaisedWorld) -> None:
    world.set(90, planned_amounts={"2099-01": "95"})
    world.set(90, planned_amounts={"2099-01": "5000"})
    app = shown.page("budgets", Role.APPROVER)
    assert any(
        r"90\.00, 95\.00 from 2099\-01 on, at most 95\.00 at once USD → **90\.00, 5000\.00 from"
        in one.value
        for one in app.markdown
    )
    assert r"to 90\.00, 5000\.00 from 2099\-01 on" in captions(app)


def test_a_budget_of_a_default_is_not_removed_as_if_it_had_a_row(
    stage: Stage, world: RaisedWorld
) -> None:
    world.set(7, account_id="*", budget_name="inherited")
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    services = on(stage, world).services
    inherited = BudgetKey(account_id=ACCOUNT, budget_name="inherited")
    assert world.statuses.items[inherited].default_of == "*"
    with pytest.raises(RejectedInput, match="has no row of its own"):
        editing.remove(services, user(Role.EDITOR), inherited)
    assert not stage.recorded()
    editing.remove(services, user(Role.EDITOR), KEY)
    assert (ACCOUNT, KEY.budget_name) not in world.table.items
    with pytest.raises(RejectedInput, match="cannot edit"):
        editing.remove(services, user(Role.VIEWER), KEY)
    app = stage.page("budgets", Role.EDITOR)
    next(one for one in app.button if one.label == "Remove").click().run()
    (chosen,) = [one for one in app.selectbox if one.label == "Budget"]
    assert "* / inherited" in chosen.options
    assert f"{ACCOUNT} / inherited" not in chosen.options


def test_the_second_person_has_it_applied(shown: Stage, world: RaisedWorld) -> None:
    raises.approve(shown.services, BOB, KEY, world.statuses.items[KEY].content)
    button(shown.page("budgets", Role.APPROVER)).click().run()
    assert world.queue.parts == [[ACCOUNT]]
    app = shown.page("budgets", Role.APPROVER)
    assert button(app).disabled
    assert "A run applies it within minutes" in captions(app)
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 200)
    list_budgets.clear()
    app = shown.page("budgets", Role.APPROVER)
    assert "Raises that wait" not in [one.value for one in app.header]
    assert [one for one in app.button if one.label == "Approve"] == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_others_see_it_with_the_reason_why_they_cannot(
    shown: Stage, world: RaisedWorld, role: Role
) -> None:
    app = shown.page("budgets", role)
    assert button(app).disabled
    assert button(app).help == "Only an approver can approve a raise."
    assert "Only an approver can approve a raise." in captions(app)
    with pytest.raises(RejectedInput, match="your role cannot approve raises"):
        raises.approve(shown.services, user(role), KEY, world.statuses.items[KEY].content)
    assert world.statuses.items[KEY].approvals == ()
    assert not shown.recorded()


def test_a_person_of_the_command_line_is_the_same_here(shown: Stage, world: RaisedWorld) -> None:
    session = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Finance_1/bob@example.com"
    content = world.statuses.items[KEY].content
    world.desk.approve(KEY, session, content=content)
    assert raises.obstacle(BOB, world.statuses.items[KEY]).startswith("You have approved it")
    assert raises.obstacle(APPROVER, world.statuses.items[KEY]) == ""
    raises.approve(shown.services, APPROVER, KEY, content)
    assert world.queue.parts == [[ACCOUNT]]


def test_a_click_on_what_has_changed_meanwhile_approves_nothing(
    shown: Stage, world: RaisedWorld
) -> None:
    app = shown.page("budgets", Role.APPROVER)
    seen = world.statuses.items[KEY].content
    world.set(900)
    list_budgets.clear()
    app = button(app).click().run()
    assert not app.exception
    assert world.statuses.items[KEY].approvals == ()
    assert any(r"**900\.00 USD" in one.value for one in app.markdown)
    with pytest.raises(RejectedInput, match="has changed since you looked"):
        raises.approve(shown.services, APPROVER, KEY, seen)
    assert not shown.recorded()


def test_what_is_taken_back_while_somebody_looks_is_told(
    shown: Stage, world: RaisedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown.page("budgets", Role.APPROVER)
    get = world.statuses.get

    def taken_back(key: BudgetKey) -> Any:
        monkeypatch.setattr(world.statuses, "get", get)
        found = get(key)
        world.set(100)
        return found

    monkeypatch.setattr(world.statuses, "get", taken_back)
    app = button(app).click().run()
    assert not app.exception
    (warning,) = app.warning
    assert "The raise was not approved" in warning.value
    assert "does not wait for an approval" in warning.value
    assert world.statuses.items[KEY].approvals == ()
    assert world.amount == 100


def test_a_default_reaches_its_accounts_when_two_people_have_approved_it(stage: Stage) -> None:
    world = inheriting()
    world.set(400, account_id="*")
    shown = on(stage, world)
    app = shown.page("budgets", Role.APPROVER)
    assert any(r"**\* / monthly\-total**: **400\.00 USD" in one.value for one in app.markdown)
    button(app).click().run()
    assert world.queue.all_accounts == 0
    raises.approve(shown.services, BOB, DEFAULT, world.statuses.items[DEFAULT].content)
    assert world.queue.all_accounts == 1
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 400)


def test_names_of_people_are_no_markup(shown: Stage, world: RaisedWorld) -> None:
    world.statuses.items[KEY] = replace(
        world.statuses.items[KEY], approvals=("<b>:red[eve]** <ID>",), updated_by="[x](http://y)"
    )
    app = shown.page("budgets", Role.EDITOR)
    assert ui.escaped("[x](http://y)") in captions(app)
    assert ":red[eve]" not in captions(app)


def test_many_that_wait_are_counted(stage: Stage) -> None:
    world = RaisedWorld()
    for number in range(22):
        world.set(900, budget_name=f"new-{number:02}")
    app = on(stage, world).page("budgets", Role.APPROVER)
    assert len([one for one in app.button if one.label == "Approve"]) == 20
    assert "2 more wait." in captions(app)
