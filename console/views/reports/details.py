"""The rest of a report: trends, anomalies, and its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from console import cards, ui
from finops.reconciliation.showback import FOLDER


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
    # Those that somebody knows of come last.
    for one in sorted(found, key=lambda one: bool(one["acknowledged"]))[:20]:
        days = one["first"] if one["first"] == one["last"] else f"{one['first']} to {one['last']}"
        impact = ui.amount(one["impact"], document["currency"])
        label = ui.escaped(f"{one['name'] or one['subject']} · {days} · {impact}")
        known = one["acknowledged"]
        with st.expander(label, icon=f":material/{'check' if known else 'trending_up'}:"):
            st.write(ui.escaped(one["evidence"]))
            if one["services"]:
                st.write("Driven by " + ui.escaped(", ".join(one["services"])))
            if known:
                st.write(f":green[Acknowledged:] {ui.escaped(known)}")
            else:
                st.caption(
                    "To acknowledge it, add this to the configuration of the module "
                    "reconciliation, with the reason:"
                )
                st.code(acknowledgement(one), language=None)  # coloured words lack contrast


def showback(document: Mapping[str, Any], link: Callable[[str], str]) -> None:
    """Draw all costs by owner and by tag, each line with its page.

    Args:
        document: The report; earlier versions have no such pages.
        link: The address of a file beside the report.
    """
    for found in document.get("showback", ()):
        by = "owner" if found["by"] == "owner" else f"tag {found['tag']}"
        nameless = "No owner" if found["by"] == "owner" else "Not tagged"
        columns = ("actual", "previous", "change", "budget", "variance")
        rows = [
            {
                "currency": document["currency"],
                "name": one["name"] or nameless,
                **{column: one[column] for column in columns},
                "page": link(f"{FOLDER}/{one['page']}"),
            }
            for one in found["statements"]
        ]
        with st.expander(ui.escaped(f"Showback by {by} ({len(rows)})")):
            _showback(by, rows, columns)
            if found["others"]:
                st.caption(
                    ui.escaped(
                        f"{found['others']['item']} have no page:"
                        f" {ui.amount(found['others']['actual'], document['currency'])}"
                    )
                )


def _showback(by: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    if cards.is_narrow():

        def card(row: Mapping[str, Any]) -> None:
            facts = [(ui.words(one), ui.amount(row[one], row["currency"])) for one in columns]
            st.markdown(cards.text(row["name"], facts))
            st.link_button("Open page", row["page"])

        cards.draw(f"showback-{by}", rows, card)
        return
    st.dataframe(
        ui.money_table(rows, columns),
        hide_index=True,
        placeholder="",
        alt=f"All costs by {by}",
        column_order=("name", *columns, "page"),
        column_config={
            "name": st.column_config.TextColumn(by.capitalize(), width="medium"),
            **{one: ui.money_column(ui.words(one)) for one in columns},
            "page": st.column_config.LinkColumn("Page", display_text="Open"),
        },
    )


def acknowledgement(anomaly: Mapping[str, Any]) -> str:
    """The lines of the configuration that acknowledge an anomaly, for a reason to be filled in."""
    # Strings are written alike in JSON and YAML.
    subject = json.dumps(anomaly["subject"], ensure_ascii=False)
    return (
        "acknowledged_anomalies:\n"
        f'  - {{subject: {subject}, day: {anomaly["first"]}, reason: "WHY"}}'
    )


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
            shown = [one for one in flat[0] if one != "currency" or name == "invoices"]
            if cards.is_narrow():
                labels = {one: ui.words(one) for one in shown if one != "currency"}
                cards.plain(f"report_{name}", flat, labels, money)
                continue
            st.dataframe(
                ui.money_table(flat, money),
                hide_index=True,
                placeholder="",
                alt=label,
                column_order=shown,
                column_config={
                    one: ui.money_column(ui.words(one)) if one in money else ui.words(one)
                    for one in flat[0]
                },
            )
