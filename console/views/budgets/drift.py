"""Drift: whether each AWS Budget matches its row, and its repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from console import presses
from console.identity import Role, User
from console.services import Services

_DRIFT: Final = "budget_drift"


def show(services: Services, user: User) -> None:
    """Draw the comparison, its result, and the repair."""
    st.header("Drift")
    st.caption("Compares each AWS Budget with its row. A schedule does the same.")
    with st.container(horizontal=True):
        if presses.button("Compare now", icon=":material/compare_arrows:"):
            st.session_state[_DRIFT] = compare(services, user, repair=False)
        drifted = st.session_state.get(_DRIFT)
        if drifted and user.may(Role.EDITOR) and presses.button("Repair", icon=":material/build:"):
            drifted = st.session_state[_DRIFT] = compare(services, user, repair=True)
            for one in drifted:
                services.record(user, "budget.repaired", f"{one['account_id']}/{one['name']}")
    if drifted:
        _table(drifted)
    elif drifted is not None:
        st.success("Every AWS Budget matches its row.", icon=":material/check_circle:")


def compare(services: Services, user: User, *, repair: bool) -> list[dict[str, Any]]:
    """The drift that the function finds; with `repair` it publishes these again."""
    with st.spinner("Checking every account …"):
        return services.budgets.drift(repair=repair, requested_by=user.identity)


def _table(drifted: Sequence[Mapping[str, Any]]) -> None:
    st.dataframe(
        drifted,
        hide_index=True,
        placeholder="",
        alt="Budgets that have drifted",
        column_order=("account_id", "name", "wanted", "actual", "reason", "repaired", "error"),
        column_config={
            "account_id": "Account",
            "name": "Name",
            "wanted": st.column_config.TextColumn("Expected", alignment="right"),
            "actual": st.column_config.TextColumn("Actual", alignment="right"),
            "reason": "Reason",
            "repaired": "Repaired",
            "error": "Error",
        },
    )
