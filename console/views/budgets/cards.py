"""Budgets as cards, each edited in a dialog, where the page is too narrow for the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from console import cards, presses, ui
from console.identity import User
from console.services import Services
from console.views.budgets import unsaved
from console.views.budgets.editing import shown
from console.views.budgets.listing import key_of, title
from finops.budgets.attributes import ATTRIBUTES, Attribute

Budget = Mapping[str, Any]


def show(services: Services, user: User, rows: Sequence[Budget], *, may_edit: bool) -> None:
    """Draw the budgets."""
    if rows:
        cards.draw("budgets", rows, partial(_card, services, user, may_edit=may_edit))
    else:
        ui.empty("No budgets match your filters.")


def _card(services: Services, user: User, budget: Budget, *, may_edit: bool) -> None:
    key = key_of(budget)
    typed = unsaved.all_unsaved().get(key, {})
    facts = [
        ("Not applied yet", ", ".join(one.label for one in ATTRIBUTES if one.name in typed)),
        ("Amount (USD)", ui.amount(shown(budget)["amount"], "USD").removesuffix(" USD")),
        ("Applied (USD)", budget["applied_amount"]),
        ("Actual (USD)", budget["actual_spend"]),
        ("Forecast (USD)", budget["forecasted_spend"]),
        ("Variance (USD)", budget["variance"]),
        ("Edited by", budget["updated_by"]),
        ("Error", budget["error"] or budget["note"]),
    ]
    st.markdown(cards.text(title(key), facts, badge=ui.badge(budget["status"])))
    if may_edit and presses.button("Edit", icon=":material/edit:", key=f"edit-{title(key)}"):
        st.dialog("Edit a budget")(ask)(services, user, budget)


def ask(services: Services, user: User, budget: Budget) -> None:
    """Draw the budget's attributes; what is typed is kept as the table keeps it."""
    services.require(user)
    key = key_of(budget)
    st.markdown(f"**{ui.escaped(title(key))}**")
    before = shown(budget)
    typed = {**before, **unsaved.all_unsaved().get(key, {})}
    with st.form("edit-budget", border=False):
        after = {
            one.name: _choice(one, typed[one.name] or "")
            if one.choices
            else st.text_input(one.label, value=typed[one.name] or "", placeholder=one.example)
            for one in ATTRIBUTES
            if one.label
        }
        if presses.submit("Keep the changes", type="primary"):
            unsaved.keep(budget, after)
            st.rerun()


def _choice(attribute: Attribute, value: str) -> str:
    """A box with what the row says, which may be nothing: the default."""
    options = dict.fromkeys((value, *attribute.choices))
    return st.selectbox(attribute.label, [*options], format_func=lambda one: one or "Default")
