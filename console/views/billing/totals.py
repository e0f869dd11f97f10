"""Totals of the loaded bills: by month, country, product line and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from console import ui
from console.services import Services
from console.views.billing.listing import list_totals
from finops.billing.database.totals import Dimension
from finops.shared.money import rounded
from finops.shared.periods import last_months

_UNNAMED = "unnamed"


def show(services: Services) -> None:
    """Draw the totals as a chart and a table."""
    by, month = _filters()
    with st.skeleton(height=360):
        found = list_totals(services, services.environment.name, by, month)
    if not found:
        ui.empty("No bills are loaded" + (f" for {month}." if month else " yet."))
        return
    total = sum((Decimal(one["amount_usd"]) for one in found), Decimal(0))
    bills = sum(one["bills"] for one in found)
    st.markdown(f"**{ui.amount(rounded(total, 2), 'USD')}** in {ui.counted(bills, 'bill')}")
    _chart(found, by)
    _table(found, by)


def _filters() -> tuple[Dimension, str]:
    left, right = st.columns([3, 1.4], vertical_alignment="bottom")
    by = left.segmented_control(
        "By",
        list(Dimension),
        default=Dimension.MONTH,
        required=True,
        format_func=ui.words,
        key="totals_by",
    )
    month = right.selectbox(
        "Month",
        ["", *last_months(datetime.now(UTC), 24)],
        format_func=lambda one: one or "All months",
        key="totals_month",
    )
    return Dimension(by or Dimension.MONTH), month


def _table(found: Sequence[Mapping[str, Any]], by: Dimension) -> None:
    rows = [
        {
            **one,
            "name": one["name"] or _UNNAMED,
            "amount_usd": ui.amount(rounded(Decimal(one["amount_usd"]), 2)),
        }
        for one in found
    ]
    st.dataframe(
        ui.money_table(rows, ("amount",)),
        hide_index=True,
        height=ui.height(len(rows), 12),
        placeholder="",
        alt=f"Bills by {ui.words(by).lower()} and currency",
        column_order=("name", "currency", "bills", "amount", "amount_usd"),
        column_config={
            "name": ui.words(by),
            "currency": "Currency",
            "bills": st.column_config.NumberColumn("Bills", format="localized"),
            "amount": ui.money_column("Amount"),
            "amount_usd": st.column_config.TextColumn("USD", alignment="right"),
        },
    )


def _chart(found: Sequence[Mapping[str, Any]], by: Dimension) -> None:
    frame = pd.DataFrame(
        {
            "name": [one["name"] or _UNNAMED for one in found],
            "usd": [float(one["amount_usd"]) for one in found],
        }
    )
    summed = frame.groupby("name", as_index=False)["usd"].sum()
    by_month = by is Dimension.MONTH
    summed = summed.sort_values("name") if by_month else summed.nlargest(15, "usd")
    st.bar_chart(
        summed,
        x="name",
        y="usd",
        x_label=ui.words(by),
        y_label="USD",
        horizontal=not by_month,
        sort=True if by_month else "-usd",
        height=320,
        alt=f"Bills by {ui.words(by).lower()} in USD",
    )
