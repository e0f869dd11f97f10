"""What the page knows of each budget: its row, its status, and what its account has cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from console.services import Services
from finops.budgets.domain import BudgetKey
from finops.budgets.editing import joined
from finops.shared.errors import FinOpsError


@st.cache_data(ttl=5, max_entries=4, show_spinner=False)
def list_budgets(_services: Services, _deployment: str) -> list[dict[str, Any]]:
    """Every budget with its status; its attributes as people write them."""
    budgets = _services.budgets
    return joined(budgets.rows.rows(None), budgets.statuses.all(None))


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def cost_this_month(_services: Services, _deployment: str) -> dict[str, float]:
    """Each account's cost in USD from this month's latest report; empty where there is none."""
    try:
        report = _services.reports.newest(f"{datetime.now(UTC):%Y-%m}")
    except FinOpsError:
        return {}
    if report is None or report.document["currency"] != "USD":
        return {}
    return {one["account"]: float(one["amount"]) for one in report.document["accounts"]}


def key_of(budget: Mapping[str, Any]) -> BudgetKey:
    """The key of a listed budget."""
    return BudgetKey(account_id=budget["account_id"], budget_name=budget["name"])


def title(key: BudgetKey) -> str:
    """How pages name a budget: `222222222222 / monthly-total`."""
    return f"{key.account_id} / {key.budget_name}"
