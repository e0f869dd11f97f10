"""Budgets: every account's budgets, edited or imported; raises that wait, and drift."""

from __future__ import annotations

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.budgets import dialogs, drift, editing, raises, table, unsaved
from console.views.budgets.listing import list_budgets


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Budgets")
    with ui.failures("The budgets cannot be read"):
        with st.skeleton(height=320):
            budgets = list_budgets(services, services.environment.name)
        if user.may(Role.EDITOR):
            with st.container(horizontal=True):
                dialogs.new(services, user)
                dialogs.import_csv(services, user)
                dialogs.remove(services, user, budgets)
        editing.follow(services)
        if not budgets:
            ui.empty("No account has a budget yet. Add one, or import a CSV file.")
            return
        if user.may(Role.EDITOR):
            unsaved.keep_in_browser(user, budgets)
        raises.show(services, user, budgets)
        table.show(services, user, budgets)
        drift.show(services, user)
