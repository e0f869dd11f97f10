"""Reports: a month reconciled, seen here, and taken away in each of its formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from console import ui
from console.identity import Role, User
from console.reports import LINK_SECONDS, StoredReport
from console.services import Services
from finops.reconciliation.domain import UnitStatus
from finops.reconciliation.rendering import MEDIA_TYPES
from finops.shared.errors import FinOpsError
from finops.shared.periods import last_months

_FORMAT_NAMES: Final = {"html": "HTML", "xlsx": "Excel", "csv": "CSV", "json": "JSON"}
_STATUS_COLOURS: Final = {
    UnitStatus.OVERRUN.value: "red",
    UnitStatus.ON_TRACK.value: "green",
    UnitStatus.UNDERRUN.value: "blue",
    UnitStatus.NO_BUDGET.value: "orange",
}


def show(services: Services, user: User) -> None:
    """The page."""
    st.title("Reports")
    known = last_months(datetime.now(UTC), 24)
    asked = st.query_params.get("month", known[0])
    month = st.selectbox(
        "Month", known, index=known.index(asked) if asked in known else 0, width=220
    )
    with ui.failures("The report cannot be read"):
        if user.may(Role.EDITOR):
            _run(services, user, month)
        with st.skeleton(height=400):
            report = stored(services, services.environment.name, month)
        if report is None:
            ui.empty(f"{month} has not been reconciled yet.")
            return
        _head(report.document)
        _downloads(services, report)
        totals(report.document)
        units(report.document)
        _trends(report.document)
        _anomalies(report.document)
        _details(report.document)


@st.cache_data(ttl=30, max_entries=50, show_spinner=False)
def stored(_services: Services, _deployment: str, month: str) -> StoredReport | None:
    """The newest report of a month."""
    return _services.reports.newest(month)


def _run(services: Services, user: User, month: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Reconcile now", type="primary", icon=":material/sync_alt:")
        close = st.checkbox(
            "Close the month",
            help="Later runs make revisions, which say what has changed.",
            disabled=not user.may(Role.APPROVER),
        )
    if not pressed:
        return
    close = close and user.may(Role.APPROVER)
    with st.status(f"Reconciling {month} …", expanded=False) as state:
        try:
            done = services.reports.run(month, close=close)
        except FinOpsError as error:
            state.update(label=f"{month} was not reconciled", state="error")
            ui.show_failure(f"{month} was not reconciled", error)
            return
        state.update(label=f"{month} is reconciled", state="complete")
    services.record(
        user, "reconciliation.started", month, closed=close, revision=done.get("revision")
    )
    stored.clear()


def _head(document: Mapping[str, Any]) -> None:
    facts = [f"Costs from {document['source_name']}", f"{document['metric']} cost"]
    if document["is_open"]:
        facts.append(f"the month is open; known until {document['known_until']}")
    if document["revision"]:
        facts.append(f"closed, revision {document['revision']}")
    st.caption(" · ".join(facts) + f" · amounts in {document['currency']}")
    for note in document["notes"]:
        st.info(ui.plain(note), icon=":material/info:")


def _downloads(services: Services, report: StoredReport) -> None:
    with st.container(horizontal=True):
        for kind, location in sorted(report.locations.items()):
            if kind in MEDIA_TYPES:
                st.link_button(
                    _FORMAT_NAMES.get(kind, kind.upper()),
                    services.reports.files.link(location, LINK_SECONDS),
                    icon=":material/download:",
                )


def totals(document: Mapping[str, Any]) -> None:
    """What the month cost against what it was to cost."""
    currency, found = document["currency"], document["totals"]
    over = not found["variance"].startswith("-")
    # Part of a month says nothing beside a whole one.
    change = None if document["is_open"] else _percent(found["change_pct"], "the month before")
    shown: list[tuple[str, str, str | None]] = [
        ("Actual", found["actual"], change),
        ("Budget", found["budget"], None),
        (
            "Over budget" if over else "Below budget",
            found["variance"].lstrip("-"),
            _percent(found["variance_pct"], "budget"),
        ),
    ]
    if found["forecast"] is not None:
        shown.append(("Forecast", found["forecast"], None))
    columns = st.columns(len(shown))
    for column, (label, value, against) in zip(columns, shown, strict=True):
        column.metric(
            f"{label} ({currency})",
            ui.amount(value, currency).removesuffix(currency).rstrip(),
            delta=against,
            delta_color="inverse",
            border=True,
            height="stretch",
        )


def _percent(text: str | None, against: str) -> str | None:
    return None if text is None else f"{float(text):+.1f} % against {against}"


def units(document: Mapping[str, Any]) -> None:
    """Each business unit's line."""
    rows = [
        {
            "status": [ui.words(one["status"])],
            "name": one["name"],
            "actual": one["actual"],
            "budget": one["budget"],
            "used": _used(one),
            "variance": one["variance"],
            "forecast": one["forecast"],
            "previous": one["previous"],
            "owner": one["owner"],
            "driver": _driver(one["drivers"], document["currency"]),
            "currency": document["currency"],
        }
        for one in document["units"]
    ]
    if not rows:
        ui.empty("No business unit is set up.")
        return
    known = sorted({one["status"] for one in document["units"]})
    st.dataframe(
        ui.money_table(rows, ("actual", "budget", "variance", "forecast", "previous")),
        hide_index=True,
        placeholder="",
        height="content",
        alt="Business units: actual costs against budget",
        column_order=(
            *("status", "name", "actual", "budget", "used", "variance"),
            *("forecast", "previous", "driver", "owner"),
        ),
        column_config={
            "status": st.column_config.MultiselectColumn(
                "Status",
                options=[ui.words(one) for one in known],
                color=[_STATUS_COLOURS.get(one, "gray") for one in known],
                width=110,
            ),
            "name": st.column_config.TextColumn("Business unit", width="medium"),
            "actual": ui.money_column("Actual"),
            "budget": ui.money_column("Budget"),
            "used": st.column_config.ProgressColumn(
                "Used", format="%.0f %%", min_value=0, max_value=150, width="small"
            ),
            "variance": ui.money_column("Variance"),
            "forecast": ui.money_column("Forecast"),
            "previous": ui.money_column("Month before"),
            "driver": st.column_config.TextColumn("Moved most by", width="large"),
            "owner": "Owner",
        },
    )


def _used(unit: Mapping[str, Any]) -> float | None:
    if not unit["budget"] or float(unit["budget"]) <= 0:
        return None
    return 100 * float(unit["actual"]) / float(unit["budget"])


def _driver(drivers: Sequence[Mapping[str, Any]], currency: str) -> str:
    if not drivers:
        return ""
    first = drivers[0]
    sign = "" if first["change"].startswith("-") else "+"
    where = first["account_name"] or first["account"]
    return f"{first['service']} in {where}: {sign}{ui.amount(first['change'], currency)}"


def _trends(document: Mapping[str, Any]) -> None:
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
            st.subheader("Months")
            st.bar_chart(
                pd.DataFrame(rows),
                x="month",
                y="amount",
                color="unit",
                x_label="",
                y_label=document["currency"],
                height=300,
            )
    with right:
        if daily:
            st.subheader("Days, usage only")
            st.line_chart(
                pd.DataFrame(daily),
                x="day",
                y="amount",
                x_label="",
                y_label=document["currency"],
                height=300,
            )


def _anomalies(document: Mapping[str, Any]) -> None:
    st.subheader("Anomalies")
    found = document["anomalies"]
    if not found:
        st.caption("No usage was out of the ordinary.")
        return
    for one in found[:20]:
        days = one["first"] if one["first"] == one["last"] else f"{one['first']} to {one['last']}"
        impact = ui.amount(one["impact"], document["currency"])
        label = f"{ui.plain(one['name'] or one['subject'])} · {ui.plain(days)} · {ui.plain(impact)}"
        with st.expander(label, icon=":material/trending_up:"):
            st.write(ui.plain(one["evidence"]))
            if one["services"]:
                st.write("Driven by " + ui.plain(", ".join(one["services"])))


def _details(document: Mapping[str, Any]) -> None:
    currency = document["currency"]
    parts = (
        ("Services", "services", ("amount", "previous", "change")),
        ("Accounts", "accounts", ("amount", "previous", "change")),
        ("Unmapped accounts", "unmapped", ("amount",)),
        ("Invoices", "invoices", ("charged", "invoiced", "processed", "difference")),
        ("Checks", "checks", ("expected", "found")),
        ("Changes since the revision before", "changes", ("before", "after")),
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
