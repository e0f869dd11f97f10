"""Edits that are not applied yet, kept by budget: searching or leaving the page loses none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from console.views.budgets.editing import typed
from console.views.budgets.listing import key_of, title
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.domain import BudgetKey
from finops.shared.errors import RejectedInput

_UNSAVED: Final = "budget_unsaved"

#: What was typed by attribute; None for an emptied cell.
Typed = Mapping[str, str | None]


def all_unsaved() -> Mapping[BudgetKey, Typed]:
    """What was typed, by budget."""
    found: Mapping[BudgetKey, Typed] = st.session_state.get(_UNSAVED, {})
    return found


def keep(budget: Mapping[str, Any], edits: Typed) -> None:
    """Keep all that was typed for a listed budget; a cell typed back as it was is no edit."""
    before = shown(budget)
    forget(key_of(budget))
    if edits := {name: text for name, text in edits.items() if (text or "") != before[name]}:
        st.session_state[_UNSAVED] = {**all_unsaved(), key_of(budget): edits}


def forget(key: BudgetKey | None = None) -> None:
    """Forget the edits of a budget, or of all."""
    left = {one: typed for one, typed in all_unsaved().items() if key not in (None, one)}
    st.session_state[_UNSAVED] = left


def shown(budget: Mapping[str, Any]) -> dict[str, str]:
    """The text of each cell that can be edited."""
    texts = {one.name: budget[one.name] or "" for one in ATTRIBUTES if one.label}
    return {
        one.name: texts[one.name].upper() if one.choices else texts[one.name]
        for one in ATTRIBUTES
        if one.label
    }


def check(budget: Mapping[str, Any] | None, changed: Typed) -> None:
    """Check what was typed for a listed budget, or for one that is gone.

    Raises:
        RejectedInput: the flow would reject it.
    """
    if budget is None:
        raise RejectedInput(
            "somebody removed this budget meanwhile",
            code="removed",
            remedy="Discard the change, or add the budget again",
        )
    for one in ATTRIBUTES:
        if one.name in changed:
            one.parse(typed(one.name, changed[one.name]))


def changes(budgets: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each changed cell with its value before and after, and why it would be rejected."""
    known = {key_of(one): one for one in budgets}
    found = []
    for key, edits in all_unsaved().items():
        budget = known.get(key)
        for one in ATTRIBUTES:
            if one.name not in edits:
                continue
            found.append(
                {
                    "budget": title(key),
                    "column": one.label,
                    "before": shown(budget)[one.name] if budget else "",
                    "after": edits[one.name] or "",
                    "problem": _problem(budget, {one.name: edits[one.name]}),
                }
            )
    return found


def _problem(budget: Mapping[str, Any] | None, changed: Typed) -> str:
    try:
        check(budget, changed)
    except RejectedInput as reason:
        return reason.explanation
    return ""


def draw(found: Sequence[Mapping[str, str]]) -> None:
    """Draw changes that would be applied."""
    st.dataframe(
        found,
        hide_index=True,
        placeholder="",
        height="content",
        alt="Changes that are not applied yet",
        column_config={
            "budget": st.column_config.TextColumn("Not applied yet", width="medium"),
            "column": "Column",
            "before": "Before",
            "after": "After",
            "problem": st.column_config.TextColumn("Problem", width="large"),
        },
    )
