"""Invoices: uploaded, followed, searched, opened for review and downloaded."""

from __future__ import annotations

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.invoices import table, uploads


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Invoices")
    if user.may(Role.EDITOR):
        ui.link("Invoice", "Review what waits, oldest first")
    with ui.failures("The invoices cannot be read"):
        if user.may(Role.EDITOR):
            uploads.show(services, user)
            uploads.follow(services)
        table.show(services)
