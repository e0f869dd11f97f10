"""The dialogs by which budgets are added, imported and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from console import presses, ui
from console.identity import User
from console.services import Services
from console.views.budgets import editing
from console.views.budgets.listing import key_of, list_budgets, title
from console.views.budgets.table import discard_edits
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.csv_files import read_budgets
from finops.budgets.domain import BudgetKey
from finops.budgets.rows import DEFAULT_BUDGET_NAME
from finops.shared.errors import FinOpsError, RejectedInput


def new(services: Services, user: User) -> None:
    """Draw the button that adds a budget."""

    @st.dialog("New budget")
    def ask() -> None:
        services.require(user)
        with st.form("new-budget", border=False):
            account = st.text_input("Account", placeholder="222222222222", help="12 digits.")
            name = st.text_input("Name", value=DEFAULT_BUDGET_NAME)
            changed = {
                one.name: st.selectbox(one.label, one.choices, format_func=str.capitalize)
                if one.choices
                else st.text_input(one.label, placeholder=one.example)
                for one in ATTRIBUTES
                if one.label
            }
            if not presses.submit("Add", type="primary"):
                return
        key = BudgetKey(account_id=account.strip(), budget_name=name.strip())
        try:
            _add(services, user, key, {name: one for name, one in changed.items() if one.strip()})
        except FinOpsError as error:
            ui.show_failure("The budget was not added", error)
            return
        list_budgets.clear()
        st.rerun()

    if presses.button("New budget", icon=":material/add:"):
        ask()


def _add(services: Services, user: User, key: BudgetKey, changed: Mapping[str, Any]) -> None:
    known = list_budgets(services, services.environment.name)
    if any(key_of(one) == key for one in known):
        raise RejectedInput(
            "this account already has a budget with that name",
            code="known",
            remedy="Edit it in the table",
        )
    editing.edit(services, user, key, changed, new=True)


def import_csv(services: Services, user: User) -> None:
    """Draw the button that imports budgets from a CSV file."""

    @st.dialog("Import budgets", width="large")
    def ask() -> None:
        services.require(user)
        others = ", ".join(f"`{one.name}`" for one in ATTRIBUTES if one.name != "amount")
        st.write(
            "The first line names the columns. `account_id` and `amount` are required; "
            f"`budget_name`, {others} are optional. Write lists as `ACTUAL:80;FORECASTED:100` and "
            "maps as JSON. Each line replaces the whole budget; notes stay that the file has no "
            "column for."
        )
        file = st.file_uploader("CSV file", type="csv")
        if file is None:
            return
        with ui.failures("The file cannot be imported"):
            rows, rejected = read_budgets(
                file.getvalue(),
                name=file.name,
                editor=user.identity,
                known=partial(list_budgets, services, services.environment.name),
            )
            if rejected:
                _rejected_lines(rejected)
            label = f"Import {ui.counted(len(rows), 'budget')}"
            if rows and presses.button(label, type="primary"):
                editing.replace_all(services, user, rows, file.name)
                discard_edits()
                st.rerun()

    if presses.button("Import CSV", icon=":material/upload_file:"):
        ask()


def _rejected_lines(rejected: Sequence[Mapping[str, Any]]) -> None:
    st.warning(f"{ui.counted(len(rejected), 'line')} can't be imported.", icon=":material/block:")
    st.dataframe(
        rejected,
        hide_index=True,
        placeholder="",
        alt="Lines that can't be imported, and why",
        column_config={
            "line": st.column_config.NumberColumn("Line", width=60),
            "field": "Column",
            "reason": st.column_config.TextColumn("Reason", width="large"),
            "value": "Value",
        },
    )


def remove(services: Services, user: User, budgets: Sequence[Mapping[str, Any]]) -> None:
    """Draw the button that removes a budget."""

    @st.dialog("Remove a budget")
    def ask() -> None:
        services.require(user)
        st.write(
            "This removes the budget's row. The deployment's removal policy decides whether the "
            "AWS Budget is deleted too. Budgets that come from a default have no row of their own."
        )
        chosen = st.selectbox(
            "Budget",
            [key_of(one) for one in budgets if not one["default_of"]],
            index=None,
            placeholder="Account / name",
            format_func=title,
        )
        if presses.button("Remove", type="primary", disabled=chosen is None) and chosen:
            with ui.failures("The budget was not removed"):
                editing.remove(services, user, chosen)
                discard_edits(chosen)
                ui.flash(f"{ui.escaped(title(chosen))} was removed")
                st.rerun()

    if presses.button("Remove", icon=":material/delete:", disabled=not budgets):
        ask()
