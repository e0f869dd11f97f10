"""The first lines of a report: the month's totals, and each business unit against its budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from console import ui
from finops.reconciliation.domain import UnitStatus

_STATUS_COLOURS: Final = {
    UnitStatus.OVERRUN.value: "red",
    UnitStatus.ON_TRACK.value: "green",
    UnitStatus.UNDERRUN.value: "blue",
    UnitStatus.NO_BUDGET.value: "orange",
}


def totals(document: Mapping[str, Any]) -> None:
    """Draw actual cost, budget, variance and forecast of the month."""
    currency, found = document["currency"], document["totals"]
    over = not found["variance"].startswith("-")
    # Part of a month cannot be compared with a whole one.
    change = None if document["is_open"] else _percent(found["change_pct"], "previous month")
    shown: list[tuple[str, str, str | None]] = [
        ("Actual", found["actual"], change),
        ("Budget", found["budget"], None),
        (
            "Over budget" if over else "Under budget",
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


def _percent(text: str | None, base: str) -> str | None:
    return None if text is None else f"{float(text):+.1f} % vs. {base}"


def units(document: Mapping[str, Any]) -> None:
    """Draw the table of business units."""
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
        ui.empty("No business units are configured.")
        return
    known = sorted({one["status"] for one in document["units"]})
    st.dataframe(
        ui.money_table(rows, ("actual", "budget", "variance", "forecast", "previous")),
        hide_index=True,
        placeholder="",
        height="content",
        alt="Business units: actual cost against budget",
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
            "previous": ui.money_column("Previous month"),
            "driver": st.column_config.TextColumn("Main driver", width="large"),
            "owner": "Owner",
        },
    )


def _used(unit: Mapping[str, Any]) -> float | None:
    """Percent of the budget that is used; None without a budget."""
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
