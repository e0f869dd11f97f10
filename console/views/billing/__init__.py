"""Billing: files uploaded and followed, their quarantined rows, and totals of loaded bills."""

from __future__ import annotations

from typing import Final

import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from console.views.billing import files, formats, totals, uploads

_FILES: Final = "Files"
_TOTALS: Final = "Totals"
_FORMATS: Final = "Formats"


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Billing")
    with ui.failures("The billing files cannot be read"):
        if user.may(Role.EDITOR):
            uploads.show(services, user)
            uploads.follow(services)
        part = st.segmented_control(
            "Show",
            [_FILES, _TOTALS, *([_FORMATS] if user.may(Role.EDITOR) else [])],
            default=_FILES,
            required=True,
            key="billing_part",
            label_visibility="collapsed",
        )
        if part == _TOTALS:
            totals.show(services)
        elif part == _FORMATS and user.may(Role.EDITOR):
            formats.show(services, user)
        else:
            files.show(services, user)
