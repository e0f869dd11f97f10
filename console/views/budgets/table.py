"""The table of budgets: filtered, edited in place, and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from console import cards, presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.budgets import cards as budget_cards
from console.views.budgets import unsaved
from console.views.budgets.editing import edit, shown
from console.views.budgets.listing import cost_this_month, key_of, list_budgets, title
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.domain import BudgetKey, Status
from finops.shared.errors import RejectedInput

#: What can be edited in the table, by the attributes' names in the row.
EDITABLE: Final = tuple(one.name for one in ATTRIBUTES if one.label)
_VIEW: Final = "budget_view"
_REJECTED: Final = "budgets_rejected"

Budget = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What an editor shows, which stays while somebody types.

    Attributes:
        number: Of the editor; another one starts without edits of its own.
        asked: The search and the status.
        rows: The budgets.
        typed: What was typed before, by budget.
        collected: What has been typed by now, of which the editor shows everything.
    """

    number: int
    asked: tuple[str, str]
    rows: Sequence[Budget]
    typed: Mapping[BudgetKey, unsaved.Typed]
    collected: Mapping[BudgetKey, unsaved.Typed]

    @property
    def editor(self) -> str:
        return f"budget_editor_{self.number}"


def show(services: Services, user: User, budgets: Sequence[Budget]) -> None:
    """Draw the table, and what can be done with edits that are not applied yet."""
    asked = _asked()
    may_edit = user.may(Role.EDITOR)
    found = [one for one in budgets if _matches(one, *asked)]
    if cards.is_narrow():
        budget_cards.show(services, user, found, may_edit=may_edit)
    else:
        _table(services, asked, found, may_edit=may_edit)
    if may_edit:
        _changes(services, user, budgets)


def _table(
    services: Services, asked: tuple[str, str], found: Sequence[Budget], *, may_edit: bool
) -> None:
    view = _view(asked, found)
    if view.rows:
        frame = _frame(view, cost_this_month(services, services.environment.name))
        st.data_editor(
            frame,
            key=view.editor,
            on_change=_collect,
            args=(view,),
            hide_index=True,
            height=ui.height(len(view.rows)),
            placeholder="",
            alt="Budgets: status, account, name, amount, period, alerts, emails and errors",
            disabled=[name for name in frame.columns if not may_edit or name not in EDITABLE],
            column_config=_columns(),
        )
    else:
        ui.empty("No budgets match your filters.")


def discard_edits(key: BudgetKey | None = None) -> None:
    """Discard the edits of a budget, or of all, and show the budgets as they are now."""
    unsaved.forget(key)
    _start_again()


def _start_again() -> None:
    view: _View | None = st.session_state.get(_VIEW)
    if view:
        st.session_state[_VIEW] = replace(view, number=view.number + 1, rows=())


def _view(asked: tuple[str, str], rows: Sequence[Budget]) -> _View:
    """The view on the screen; another one where it shows something else, and nobody types in it."""
    before: _View | None = st.session_state.get(_VIEW)
    typed = unsaved.all_unsaved()
    if before and before.asked == asked and before.rows and before.collected == typed:
        unchanged = before.rows == rows and before.typed == typed
        if unchanged or (typed and before.editor in st.session_state):
            return before
    number = before.number + 1 if before else 0
    view = _View(number=number, asked=asked, rows=rows, typed=typed, collected=typed)
    st.session_state[_VIEW] = view
    return view


def _collect(view: _View) -> None:
    """Keep what the editor holds, by budget: its own edits are by row, and end with it."""
    for number, edits in st.session_state[view.editor]["edited_rows"].items():
        budget = view.rows[number]
        unsaved.keep(budget, {**unsaved.all_unsaved().get(key_of(budget), {}), **edits})
    if st.session_state[_VIEW].number == view.number:
        st.session_state[_VIEW] = replace(view, collected=unsaved.all_unsaved())


def save(services: Services, user: User, budgets: Sequence[Budget]) -> None:
    """Write each change that is valid; the others stay, and the next page says why."""
    known = {key_of(one): one for one in budgets}
    rejected = []
    for key, changed in unsaved.all_unsaved().items():
        try:
            seen = unsaved.seen_of(key)
            unsaved.check(known.get(key), changed, seen)
            edit(services, user, key, changed, seen=seen)
            unsaved.forget(key)
        except RejectedInput as reason:
            rejected.append((key, reason))
    st.session_state[_REJECTED] = rejected
    list_budgets.clear()
    _start_again()


def _asked() -> tuple[str, str]:
    search, status = st.columns([3, 2])
    text = search.text_input(
        "Search",
        key="budget_search",
        bind="query-params",
        placeholder="Account, name or who edited it",
        icon=":material/search:",
    )
    with status:
        return text.strip().casefold(), ui.status_filter(Status, "budget_status")


def _matches(one: Budget, text: str, status: str) -> bool:
    searched = f"{one['account_id']} {one['name']} {one['updated_by']}".casefold()
    return text in searched and status in ("", one["status"])


def _frame(view: _View, costs: Mapping[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [{**_row(one, costs), **view.typed.get(key_of(one), {})} for one in view.rows]
    )
    # pandas cannot know the type of a column without any value.
    spend = ("actual_spend", "forecasted_spend", "variance")
    numbers = dict.fromkeys(("applied", "cost", *spend), float)
    return frame.astype({**numbers, "applied_at": "datetime64[us, UTC]"})


def _row(one: Budget, costs: Mapping[str, float]) -> dict[str, Any]:
    texts = shown(one)
    return {
        "status": [ui.words(one["status"])],
        "account_id": one["account_id"],
        "name": one["name"],
        "amount": texts.pop("amount"),
        "applied": _number(one["applied_amount"]),
        "cost": costs.get(one["account_id"]),
        "actual_spend": _number(one["actual_spend"]),
        "forecasted_spend": _number(one["forecasted_spend"]),
        "variance": _number(one["variance"]),
        **texts,
        "applied_at": datetime.fromisoformat(one["applied_at"]) if one["applied_at"] else None,
        "updated_by": one["updated_by"],
        "error": one["error"] or one["note"],
    }


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None  # not a number: the budget's error says so


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "status": ui.status_column(list(Status)),
        "account_id": column.TextColumn("Account"),
        "name": column.TextColumn("Name"),
        "amount": column.TextColumn(
            "Amount (USD)",
            alignment="right",
            help="Such as 1250.50. It is kept as you type it. Applied (USD) sorts as a number.",
        ),
        "applied": column.NumberColumn("Applied (USD)", format="dollar"),
        "cost": column.NumberColumn(
            "Account cost this month (USD)",
            format="dollar",
            help="The account's total cost in this month's latest report.",
        ),
        "actual_spend": column.NumberColumn(
            "Actual (USD)",
            format="dollar",
            help="What AWS Budgets has calculated for the budget's current period.",
        ),
        "forecasted_spend": column.NumberColumn(
            "Forecast (USD)", format="dollar", help="AWS's forecast for the whole period."
        ),
        "variance": column.NumberColumn(
            "Variance (USD)", format="dollar", help="The actual cost above the amount."
        ),
        **{
            one.name: column.SelectboxColumn(one.label, options=one.choices)
            if one.choices
            else column.TextColumn(
                one.label, help=f"For example {one.example}. Leave empty for the defaults."
            )
            for one in ATTRIBUTES
            if one.label and one.name != "amount"
        },
        "applied_at": column.DatetimeColumn(
            "Applied at (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"
        ),
        "updated_by": "Edited by",
        "error": column.TextColumn("Error", width="large"),
    }


def _changes(services: Services, user: User, budgets: Sequence[Budget]) -> None:
    changes = unsaved.changes(budgets)
    if not changes:
        st.caption(
            "*Edit* changes a budget; nothing is applied before you press *Apply*."
            if cards.is_narrow()
            else "You can edit the columns with a pen: double-click a cell, or select it and press "
            "Enter."
        )
        return
    unsaved.draw(changes)
    for key, error in st.session_state.pop(_REJECTED, ()):
        ui.show_failure(f"{title(key)} was not changed", error)
    with st.container(horizontal=True):
        label = f"Apply {ui.counted(len(unsaved.all_unsaved()), 'change')}"
        if presses.button(label, type="primary", icon=":material/check:"):
            save(services, user, budgets)
            st.rerun()
        if presses.button("Discard", icon=":material/undo:"):
            discard_edits()
            st.rerun()
