"""The page of budgets: what an edit writes, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
import streamlit as st

from console.identity import Role, User
from console.services import Services
from console.views.budgets import dialogs, drift, editing, table, unsaved
from console.views.budgets.listing import list_budgets
from finops.budgets.adapters.dynamodb import from_dynamodb
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import BudgetStatus
from finops.shared.errors import RejectedInput
from tests.budgets.items import EACH_TYPE
from tests.console.conftest import Stage, user

KEY = BudgetKey(account_id="222222222222", budget_name="monthly-total")
ROW = {
    "account_id": KEY.account_id,
    "budget_name": KEY.budget_name,
    "amount": Decimal("100.00"),
    "emails": ["a@example.com"],
    "note": "ours",
}
EDITOR = user(Role.EDITOR)


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> dict[object, object]:
    state: dict[object, object] = {}
    monkeypatch.setattr(st, "session_state", state)
    return state


@pytest.fixture
def kept(stage: Stage) -> Stage:
    stage.budgets.rows.items[KEY.account_id, KEY.budget_name] = dict(ROW)
    return stage


def row(stage: Stage) -> dict[str, object]:
    return stage.budgets.rows.items[KEY.account_id, KEY.budget_name]


def test_an_edit_changes_only_its_attributes_and_records_the_editor(kept: Stage) -> None:
    editing.edit(
        kept.services, EDITOR, KEY, {"amount": 1234.56, "thresholds": "ACTUAL:80, FORECASTED:100"}
    )
    found = row(kept)
    assert found["amount"] == Decimal("1234.56")
    assert found["thresholds"] == ["ACTUAL:80", "FORECASTED:100"]
    assert (found["note"], found["emails"]) == ("ours", ["a@example.com"])
    assert found["updated_by"] == "the editor"
    (event,) = kept.audit.recorder.events
    assert (event.actor, event.action, event.subject, event.version) == (
        "the editor",
        "budget.edited",
        "222222222222/monthly-total",
        found["request_id"],
    )
    assert event.details["before"] == {"amount": Decimal("100.00"), "thresholds": None}


@pytest.mark.parametrize("separator", [",", ";", " ; "])
def test_a_list_is_typed_with_commas_or_semicolons(kept: Stage, separator: str) -> None:
    change = {"thresholds": f"ACTUAL:80{separator}FORECASTED:100"}
    editing.edit(kept.services, EDITOR, KEY, change)
    assert row(kept)["thresholds"] == ["ACTUAL:80", "FORECASTED:100"]


def test_the_trail_is_not_told_addresses_of_people(kept: Stage) -> None:
    change = {"amount": "5", "emails": "jane.doe@example.com"}
    editing.edit(kept.services, EDITOR, KEY, change)
    assert row(kept)["emails"] == ["jane.doe@example.com"]
    (event,) = kept.audit.recorder.events
    assert event.details["changed"] == ["amount", "emails"]
    assert "@" not in str(event.details)


def test_the_result_of_an_edit_is_found_by_its_request(
    kept: Stage, session: dict[object, object]
) -> None:
    editing.edit(kept.services, EDITOR, KEY, {"amount": "5"})
    request = str(row(kept)["request_id"])
    waiting = {KEY: request}
    assert session == {"budget_requests": waiting}
    for known, answer in ((request, Status.APPLIED), ("another", Status.PENDING)):
        kept.budgets.statuses.items[KEY] = BudgetStatus(
            key=KEY, version="1", status=Status.APPLIED, request_id=known
        )
        assert editing.results(kept.services, waiting) == {KEY: (answer, "")}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount": -5}, "amount"),
        ({"amount": "1.234"}, "amount"),
        ({"amount": None}, "amount"),
        ({"thresholds": "ACTUAL:lots"}, "thresholds"),
        ({"emails": "nobody"}, "emails"),
        ({"time_unit": "HOURLY"}, "time_unit"),
    ],
)
def test_an_invalid_budget_is_not_written(
    kept: Stage, changed: dict[str, object], field: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        editing.edit(kept.services, EDITOR, KEY, changed)
    assert refused.value.field == field
    assert row(kept) == ROW
    assert not kept.recorded()


def test_an_emptied_attribute_goes_back_to_the_default(kept: Stage) -> None:
    editing.edit(kept.services, EDITOR, KEY, {"emails": " "})
    assert row(kept)["emails"] is None


def test_a_viewer_writes_nothing(kept: Stage) -> None:
    viewer = user(Role.VIEWER)
    with pytest.raises(RejectedInput, match="role"):
        editing.edit(kept.services, viewer, KEY, {"amount": "5"})
    with pytest.raises(RejectedInput, match="role"):
        editing.replace_all(kept.services, viewer, [ROW], "budgets.csv")
    assert row(kept) == ROW


def test_lists_are_shown_as_comma_separated_text(kept: Stage) -> None:
    row(kept)["thresholds"] = [{"type": "ACTUAL", "percent": Decimal(80)}, "FORECASTED:100"]
    (one,) = list_budgets(kept.services, "test")
    assert one["thresholds"] == "ACTUAL:80, FORECASTED:100"
    assert one["emails"] == "a@example.com"
    assert one["status"] == "PENDING"


def test_a_viewer_sees_every_budget_and_cannot_edit(
    kept: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    app = kept.page("budgets")
    assert not app.exception
    assert [one.label for one in app.button] == ["Compare now"]
    assert kept.page("budgets", Role.EDITOR).button[0].label == "New budget"


def test_a_value_of_any_type_in_any_attribute_is_shown(stage: Stage) -> None:
    for one in ATTRIBUTES:
        for number, value in enumerate(EACH_TYPE):
            name = f"{one.name}-{number}"
            row = from_dynamodb({"amount": {"N": "5"}, one.name: value, "updated_by": value})
            key = {"account_id": KEY.account_id, "budget_name": name}
            stage.budgets.rows.items[KEY.account_id, name] = row | key
    app = stage.page("budgets", Role.EDITOR)
    assert not app.exception
    assert len(app.dataframe[0].value) == len(ATTRIBUTES) * len(EACH_TYPE)


@pytest.mark.parametrize("dialog", [dialogs.new, dialogs.import_csv])
def test_an_open_dialog_changes_nothing_once_its_session_has_ended(
    stage: Stage, dialog: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Callable[[], None]] = []

    def open_dialog(_title: str, **_settings: object) -> Callable[..., Any]:
        def opened(ask: Callable[[], None]) -> Callable[[], None]:
            asked.append(ask)
            return ask

        return opened

    monkeypatch.setattr(st, "dialog", open_dialog)
    monkeypatch.setattr(st, "button", lambda *_, **__: False)
    monkeypatch.setattr(st, "stop", stopped)
    dialog(stage.services, EDITOR)
    with pytest.raises(Stopped):
        asked[0]()


class Stopped(Exception):
    """As Streamlit ends a run."""


def stopped() -> NoReturn:
    raise Stopped


def test_whoever_asks_for_a_repair_is_told_by_what_never_changes() -> None:
    asked: list[dict[str, object]] = []

    def found(**said: object) -> list[dict[str, object]]:
        asked.append(said)
        return []

    person = User(name="anna@example.com", role=Role.EDITOR, sub="6f9d")
    services = cast("Services", SimpleNamespace(budgets=SimpleNamespace(drift=found)))
    drift.compare(services, person, repair=True)
    assert asked == [{"repair": True, "requested_by": "anna@example.com <6f9d>"}]


def listed(stage: Stage, name: str = KEY.budget_name) -> Mapping[str, Any]:
    list_budgets.clear()
    return next(one for one in list_budgets(stage.services, "test") if one["name"] == name)


@pytest.mark.parametrize(
    ("column", "typed", "problem"),
    [
        ("amount", "-5", "amount '-5'"),
        ("amount", "1.500,00", "amount '1.500,00' is not a number"),
        ("amount", "1e3", "amount '1e3' is not a number"),
        ("amount", None, "is missing"),
        ("thresholds", "ACTUAL:lots", "thresholds"),
    ],
)
def test_what_was_typed_is_kept_as_it_is_and_its_problem_is_shown(
    kept: Stage, column: str, typed: str | None, problem: str
) -> None:
    unsaved.keep(listed(kept), {column: typed})
    (one,) = unsaved.changes([listed(kept)])
    assert (one["before"], one["after"]) == (listed(kept)[column] or "", typed or "")
    assert problem in one["problem"]
    table.save(kept.services, EDITOR, [listed(kept)])
    assert row(kept) == ROW
    assert unsaved.all_unsaved() == {KEY: {column: typed}}


def test_a_cell_that_is_typed_back_is_no_edit(kept: Stage) -> None:
    unsaved.keep(listed(kept), {"amount": "5", "emails": "b@example.com"})
    unsaved.keep(listed(kept), {"amount": "100.00", "emails": "b@example.com"})
    assert unsaved.all_unsaved() == {KEY: {"emails": "b@example.com"}}
    unsaved.keep(listed(kept), {"emails": "a@example.com"})
    assert unsaved.all_unsaved() == {}


def test_valid_changes_are_applied_once_and_the_others_stay(kept: Stage) -> None:
    other = {**ROW, "budget_name": "other"}
    kept.budgets.rows.items[KEY.account_id, "other"] = other
    unsaved.keep(listed(kept), {"amount": "7.5"})
    unsaved.keep(listed(kept, "other"), {"amount": "lots"})
    for _ in range(2):
        table.save(kept.services, EDITOR, list_budgets(kept.services, "test"))
    assert row(kept)["amount"] == Decimal("7.50")
    assert [action for _, action, _ in kept.recorded()] == ["budget.edited"]
    (left,) = unsaved.all_unsaved()
    assert left.budget_name == "other"


def test_a_change_of_a_budget_that_was_removed_meanwhile_does_not_bring_it_back(
    kept: Stage,
) -> None:
    unsaved.keep(listed(kept), {"amount": "7.5"})
    kept.budgets.rows.items.clear()
    list_budgets.clear()
    (one,) = unsaved.changes([])
    assert "removed this budget" in one["problem"]
    table.save(kept.services, EDITOR, [])
    assert kept.budgets.rows.items == {}


def test_edits_stay_with_their_budgets_when_the_table_shows_others(
    kept: Stage, session: dict[object, object]
) -> None:
    kept.budgets.rows.items[KEY.account_id, "a-first"] = {**ROW, "budget_name": "a-first"}
    list_budgets.clear()
    budgets = sorted(list_budgets(kept.services, "test"), key=lambda one: one["name"])
    view = table._view(("", ""), budgets)
    session[view.editor] = {"edited_rows": {0: {"amount": "5"}}}
    table._collect(view)
    again = table._view(("", ""), budgets)
    assert (again.editor, again.typed) == (view.editor, {}), "a table that changes loses the cell"
    assert again.rows is view.rows
    found = table._view(("monthly", ""), budgets[1:])
    assert found.editor != view.editor
    session[found.editor] = {"edited_rows": {0: {"amount": "6"}}}
    table._collect(found)
    amounts = {key.budget_name: one["amount"] for key, one in unsaved.all_unsaved().items()}
    assert amounts == {"a-first": "5", KEY.budget_name: "6"}
    both = table._view(("", ""), budgets)
    assert list(table._frame(both, {})["amount"]) == ["5", "6"]
    table.discard_edits()
    assert list(table._frame(table._view(("", ""), budgets), {})["amount"]) == ["100.00"] * 2


def test_an_edit_of_another_attribute_leaves_an_amount_that_somebody_sets_at_once(
    kept: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = kept.budgets.rows.rows

    def then_somebody_edits(account_id: str | None = None) -> Any:
        found = [dict(one) for one in rows(account_id)]
        row(kept).update(amount=Decimal(9), updated_by="bea", request_id="hers")
        return iter(found)

    monkeypatch.setattr(kept.budgets.rows, "rows", then_somebody_edits)
    editing.edit(kept.services, EDITOR, KEY, {"emails": "b@example.com"})
    assert (row(kept)["amount"], row(kept)["emails"]) == (Decimal(9), ["b@example.com"])
    with pytest.raises(RejectedInput, match="meanwhile"):
        editing.edit(kept.services, EDITOR, KEY, {"amount": "5"}, seen={"amount": "100.00"})
    assert row(kept)["amount"] == Decimal(9)


@pytest.mark.parametrize("late", [True, False])
def test_what_somebody_has_changed_since_it_was_shown_is_told_and_not_overwritten(
    kept: Stage, *, late: bool
) -> None:
    shown = listed(kept)
    unsaved.keep(shown, {"amount": "7.5", "emails": "b@example.com"})
    row(kept)["amount"] = Decimal(200)
    list_budgets.clear()
    # Also where the page still has the list of before.
    table.save(kept.services, EDITOR, [shown] if late else [listed(kept)])
    assert row(kept)["amount"] == Decimal(200)
    assert unsaved.all_unsaved()[KEY]["amount"] == "7.5"
    problems = {one["column"]: one["problem"] for one in unsaved.changes([listed(kept)])}
    assert problems["Amount (USD)"].startswith("somebody has edited Amount (USD)")
    assert problems["Alert emails"] == ""
    # Typed again by who sees 200.
    unsaved.keep(listed(kept), {"amount": "7.50", "emails": "b@example.com"})
    table.save(kept.services, EDITOR, [listed(kept)])
    assert (row(kept)["amount"], row(kept)["emails"]) == (Decimal("7.50"), ["b@example.com"])
    assert unsaved.all_unsaved() == {}


def test_a_budget_that_somebody_adds_at_once_is_not_overwritten(kept: Stage) -> None:
    with pytest.raises(RejectedInput, match="meanwhile"):
        editing.edit(kept.services, EDITOR, KEY, {"amount": "5"}, new=True)
    assert row(kept) == ROW


def test_a_row_that_is_removed_at_once_does_not_come_back(
    kept: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = kept.budgets.rows.rows

    def then_it_is_removed(account_id: str | None = None) -> Any:
        found = list(rows(account_id))
        kept.budgets.rows.items.clear()
        return iter(found)

    monkeypatch.setattr(kept.budgets.rows, "rows", then_it_is_removed)
    with pytest.raises(RejectedInput, match="meanwhile"):
        editing.edit(kept.services, EDITOR, KEY, {"emails": "b@example.com"})
    assert kept.budgets.rows.items == {}


def test_what_a_browser_has_kept_is_taken_as_if_it_were_typed(kept: Stage) -> None:
    unsaved.keep(listed(kept), {"amount": "7.5", "emails": None})
    document = unsaved.as_document()
    unsaved.forget()
    assert unsaved.all_unsaved() == {}
    gone = ["333333333333", "gone", {"amount": "5"}, {}]
    assert unsaved.restore([*document, gone], [listed(kept)]) == 1
    assert unsaved.all_unsaved() == {KEY: {"amount": "7.5", "emails": None}}


def test_what_came_back_is_in_its_cell_and_outlasts_an_edit_of_another_row(
    kept: Stage, session: dict[object, object]
) -> None:
    kept.budgets.rows.items[KEY.account_id, "other"] = {**ROW, "budget_name": "other"}
    budgets = [listed(kept), listed(kept, "other")]
    # A page's first run draws the table before the browser answers.
    first = table._view(("", ""), budgets)
    session[first.editor] = {"edited_rows": {}}
    document = [[KEY.account_id, KEY.budget_name, {"amount": "1703"}, {"amount": "100.00"}]]
    assert unsaved.restore(document, budgets) == 1
    view = table._view(("", ""), budgets)
    assert list(table._frame(view, {})["amount"]) == ["1703", "100.00"]
    session[view.editor] = {"edited_rows": {1: {"amount": "4444"}}}
    for late in (view, first):
        table._collect(late)
        amounts = {key.budget_name: one["amount"] for key, one in unsaved.all_unsaved().items()}
        assert amounts == {KEY.budget_name: "1703", "other": "4444"}
        assert table._view(("", ""), budgets).editor == view.editor
    session[view.editor] = {"edited_rows": {0: {"amount": "100.00"}, 1: {"amount": "4444"}}}
    table._collect(view)
    assert [key.budget_name for key in unsaved.all_unsaved()] == ["other"]


def test_what_comes_back_does_not_replace_what_was_typed_since(kept: Stage) -> None:
    unsaved.keep(listed(kept), {"amount": "8"})
    old = {"amount": "7.5", "emails": "b@example.com"}
    seen = {"amount": "90.00", "emails": "a@example.com"}
    document = [[KEY.account_id, KEY.budget_name, old, seen]]
    assert unsaved.restore(document, [listed(kept)]) == 1
    assert unsaved.all_unsaved() == {KEY: {"amount": "8", "emails": "b@example.com"}}
    assert unsaved.seen_of(KEY) == {"amount": "100.00", "emails": "a@example.com"}


@pytest.mark.parametrize(
    "document",
    ["text", {"a": 1}, [["222222222222", "monthly-total"]], [[1, 2, {"amount": 5}, {}]]],
)
def test_what_a_browser_makes_up_is_ignored(kept: Stage, document: object) -> None:
    assert unsaved.restore(document, [listed(kept)]) == 0
    found = [[KEY.account_id, KEY.budget_name, {"note": "theirs", "status": "APPLIED"}, {}]]
    assert unsaved.restore(found, [listed(kept)]) == 0
