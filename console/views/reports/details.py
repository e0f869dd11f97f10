"""The rest of a report: trends, anomalies, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from console import ui


def trends(document: Mapping[str, Any]) -> None:
    """Draw costs by month and by day."""
    rows = [
        {"month": month, "unit": trend["unit"], "amount": float(amount)}
        for trend in document["trends"][1:]
        for month, amount in zip(document["trend_months"], trend["amounts"], strict=True)
        if amount is not None
    ]
    daily = [
        {"day": pd.Timestamp(one["day"]), "amount": float(one["amount"])}
        for one in document["daily"]
    ]
    left, right = st.columns(2)
    with left:
        if rows:
            st.header("Months")
            st.bar_chart(
                pd.DataFrame(rows),
                x="month",
                y="amount",
                color="unit",
                x_label="",
                y_label=document["currency"],
                height=300,
                alt="Costs by month and unit",
            )
    with right:
        if daily:
            st.header("Days (usage only)")
            st.bar_chart(
                pd.DataFrame(daily),
                x="day",
                y="amount",
                x_label="",
                y_label=document["currency"],
                height=300,
                alt="Costs of usage by day",
            )


def anomalies(document: Mapping[str, Any]) -> None:
    """Draw the anomalies with their evidence."""
    st.header("Anomalies")
    found = document["anomalies"]
    if not found:
        st.caption("No anomalies were found.")
        return
    for one in found[:20]:
        days = one["first"] if one["first"] == one["last"] else f"{one['first']} to {one['last']}"
        impact = ui.amount(one["impact"], document["currency"])
        label = ui.escaped(f"{one['name'] or one['subject']} · {days} · {impact}")
        with st.expander(label, icon=":material/trending_up:"):
            st.write(ui.escaped(one["evidence"]))
            if one["services"]:
                st.write("Driven by " + ui.escaped(", ".join(one["services"])))


def tables(document: Mapping[str, Any]) -> None:
    """Draw every other table of the report that is not empty."""
    currency = document["currency"]
    parts = (
        ("Services", "services", ("amount", "previous", "change")),
        ("Accounts", "accounts", ("amount", "previous", "change")),
        ("Unmapped accounts", "unmapped", ("amount",)),
        ("Invoices", "invoices", ("charged", "invoiced", "processed", "difference")),
        ("Checks", "checks", ("expected", "found")),
        ("Changes since the previous revision", "changes", ("before", "after")),
    )
    for label, name, money in parts:
        rows = document[name]
        if not rows:
            continue
        with st.expander(f"{label} ({len(rows)})"):
            flat = [
                {"currency": currency}
                | {
                    column: ", ".join(value) if isinstance(value, list) else value
                    for column, value in one.items()
                }
                for one in rows
            ]
            st.dataframe(
                ui.money_table(flat, money),
                hide_index=True,
                placeholder="",
                alt=label,
                column_order=[one for one in flat[0] if one != "currency" or name == "invoices"],
                column_config={
                    one: ui.money_column(ui.words(one)) if one in money else ui.words(one)
                    for one in flat[0]
                },
            )
