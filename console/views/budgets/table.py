"""The table of budgets: filtered, edited in place, and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.budgets.editing import edit
from console.views.budgets.listing import cost_this_month, key_of, list_budgets, title
from finops.budgets.attributes import ATTRIBUTES, Attribute
from finops.budgets.domain import BudgetKey, Status
from finops.shared.errors import RejectedInput

#: What can be edited in the table, by the attributes' names in the row.
EDITABLE: Final = tuple(one.name for one in ATTRIBUTES if one.label)
#: Those in columns of text. The amount is a number, and has two others beside it.
_TEXTS: Final = tuple(one for one in ATTRIBUTES if one.label and one.name != "amount")
_SHOWN: Final = "budgets_shown"
_EDITOR: Final = "budget_editor"

Budget = Mapping[str, Any]


def show(services: Services, user: User, budgets: Sequence[Budget]) -> None:
    """Draw the table, and what can be done with edits that are not saved yet."""
    rows = _filtered(_kept_while_editing(budgets))
    if not rows:
        ui.empty("No budgets match your filters.")
        return
    may_edit = user.may(Role.EDITOR)
    frame = _frame(rows, cost_this_month(services, services.environment.name))
    st.data_editor(
        frame,
        key=_EDITOR,
        hide_index=True,
        height=ui.height(len(rows)),
        placeholder="",
        alt="Budgets: status, account, name, amount, period, alerts, emails and errors",
        disabled=[name for name in frame.columns if not may_edit or name not in EDITABLE],
        column_config=_columns(),
    )
    if may_edit:
        _unsaved(services, user, rows)


def forget_edits() -> None:
    """Discard edits that are not saved, and show the budgets as they are now."""
    st.session_state.pop(_EDITOR, None)
    st.session_state.pop(_SHOWN, None)


def save(services: Services, user: User, changes: Mapping[BudgetKey, Mapping[str, Any]]) -> None:
    """Write each changed row that is valid; show why the others were not written."""
    rejected = []
    for key, changed in changes.items():
        try:
            edit(services, user, key, changed)
        except RejectedInput as reason:
            rejected.append((key, reason))
    list_budgets.clear()
    if rejected:
        for key, error in rejected:
            ui.show_failure(f"{title(key)} was not changed", error)
        return
    forget_edits()
    st.rerun()


def _edits() -> Mapping[int, Mapping[str, Any]]:
    edits: Mapping[int, Mapping[str, Any]] = st.session_state.get(_EDITOR, {}).get(
        "edited_rows", {}
    )
    return edits


def _kept_while_editing(budgets: Sequence[Budget]) -> Sequence[Budget]:
    """The budgets, or while there are unsaved edits the ones that were shown before."""
    if not _edits() or _SHOWN not in st.session_state:
        st.session_state[_SHOWN] = budgets
    shown: Sequence[Budget] = st.session_state[_SHOWN]
    return shown


def _filtered(budgets: Sequence[Budget]) -> list[Budget]:
    search, status = st.columns([3, 2])
    text = search.text_input(
        "Search", placeholder="Account, name or who edited it", icon=":material/search:"
    )
    with status:
        wanted = ui.status_filter(Status, "budget_status")
    return [
        one
        for one in budgets
        if (not wanted or one["status"] == wanted)
        and text.strip().casefold()
        in f"{one['account_id']} {one['name']} {one['updated_by']}".casefold()
    ]


def _frame(budgets: Sequence[Budget], costs: Mapping[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame([_row(one, costs) for one in budgets])
    # pandas cannot know the type of a column without any value.
    spend = ("actual_spend", "forecasted_spend", "variance")
    numbers = dict.fromkeys(("amount", "applied", "cost", *spend), float)
    return frame.astype({**numbers, "applied_at": "datetime64[us, UTC]"})


def _row(one: Budget, costs: Mapping[str, float]) -> dict[str, Any]:
    return {
        "status": [ui.words(one["status"])],
        "account_id": one["account_id"],
        "name": one["name"],
        "amount": _number(one["amount"]),
        "applied": _number(one["applied_amount"]),
        "cost": costs.get(one["account_id"]),
        "actual_spend": _number(one["actual_spend"]),
        "forecasted_spend": _number(one["forecasted_spend"]),
        "variance": _number(one["variance"]),
        **{text.name: _text(text, one[text.name]) for text in _TEXTS},
        "applied_at": datetime.fromisoformat(one["applied_at"]) if one["applied_at"] else None,
        "updated_by": one["updated_by"],
        "error": one["error"],
    }


def _text(attribute: Attribute, value: str) -> str:
    return value.upper() if attribute.choices else value


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
        "amount": column.NumberColumn(
            "Amount (USD)", format="dollar", min_value=0.01, step=0.01, required=True
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
            for one in _TEXTS
        },
        "applied_at": column.DatetimeColumn(
            "Applied at (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"
        ),
        "updated_by": "Edited by",
        "error": column.TextColumn("Error", width="large"),
    }


def _unsaved(services: Services, user: User, rows: Sequence[Budget]) -> None:
    edits = _edits()
    if not edits:
        st.caption(
            "You can edit the columns with a pen: double-click a cell, or select it and press "
            "Enter."
        )
        return
    with st.container(horizontal=True):
        label = f"Apply {ui.counted(len(edits), 'change')}"
        if st.button(label, type="primary", icon=":material/check:"):
            save(
                services,
                user,
                {key_of(rows[number]): dict(changed) for number, changed in edits.items()},
            )
        if st.button("Discard", icon=":material/undo:"):
            forget_edits()
            st.rerun()
