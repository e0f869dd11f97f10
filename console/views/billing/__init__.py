"""Billing: files uploaded and followed, their quarantined rows, and totals of loaded bills."""

from __future__ import annotations

from typing import Final

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.billing import files, totals, uploads

_FILES: Final = "Files"
_TOTALS: Final = "Totals"


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Billing")
    with ui.failures("The billing files cannot be read"):
        if user.may(Role.EDITOR):
            uploads.show(services, user)
            uploads.follow(services)
        part = st.segmented_control(
            "Show",
            [_FILES, _TOTALS],
            default=_FILES,
            required=True,
            key="billing_part",
            label_visibility="collapsed",
        )
        if part == _TOTALS:
            totals.show(services)
        else:
            files.show(services, user)
