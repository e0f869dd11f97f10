"""The first lines of a report: the month in a sentence, its totals, and each business unit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Final

import streamlit as st

from console import cards, ui
from finops.reconciliation.attention import attention, variance, verdict
from finops.reconciliation.domain import UnitStatus, percent
from finops.reconciliation.report import Driver, Report, Unit

_STATUS_COLOURS: Final = {
    UnitStatus.OVERRUN.value: "red",
    UnitStatus.ON_TRACK.value: "green",
    UnitStatus.UNDERRUN.value: "blue",
    UnitStatus.NO_BUDGET.value: "orange",
}


_TONES: Final = {"over": ":red[**{}**]", "under": ":green[**{}**]", "figure": "**{}**"}
_POINTS: Final = {"bad": ":red[:material/error:]", "warn": ":orange[:material/warning:]"}


def head(report: Report) -> None:
    """Draw what a reader must know first, as the HTML report says it."""
    st.markdown(
        "".join(_TONES.get(one.tone, "{}").format(ui.escaped(one.text)) for one in verdict(report))
    )
    _gauge(report)
    totals(report)
    with st.container(border=True):
        points = list(attention(report))
        st.markdown(
            f"**{'Before you share this report' if points else 'Nothing needs attention'}**"
        )
        for one in points:
            mark = _POINTS.get(one.tone, ":gray[:material/info:]")
            st.markdown(f"{mark} **{ui.escaped(one.title)}** {ui.escaped(one.text)}")


def _gauge(report: Report) -> None:
    """Of the units with a budget: how much of it is spent, and will be."""
    budget, off = report.totals.budget, variance(report)
    if not budget or off is None:
        return
    spent = (budget + report.totals.variance) / budget
    said = f"{spent:.0%} of the budgets spent"
    if report.known_until:
        said += f", {(budget + off) / budget:.0%} by forecast"
    st.progress(min(max(float(spent), 0.0), 1.0), text=said)


def totals(report: Report) -> None:
    """Draw actual cost, forecast, budget, variance and what is unmapped."""
    found, is_open, off = report.totals, report.known_until is not None, variance(report)
    budgeted = any(unit.budget is not None for unit in report.units)
    so_far = " so far" if is_open else ""
    cards: list[tuple[str, Decimal | None, str | None]] = [
        (f"Actual{so_far}", found.actual, _change(report))
    ]
    if is_open:
        cards.append(("Forecast", found.forecast, None))
    if budgeted:
        against = None if off is None else _percent(percent(off, found.budget), "budgets")
        cards.append(("Budget", found.budget, None))
        cards.append((f"Variance{' by forecast' if is_open else ''}", off, against))
    cards.append(("Unmapped", found.unmapped, None))
    # As many in a row as there is room for: an amount without its last digits is another one.
    row = st.container(horizontal=True)
    for label, value, change in cards:
        shown = ui.amount(value, report.currency).removesuffix(report.currency).rstrip()
        row.metric(
            f"{label} ({report.currency})",
            f"+{shown}" if label.startswith("Variance") and value and value > 0 else shown,
            delta=change,
            delta_color="inverse",
            border=True,
            width="content",
            height="stretch",
        )


def _change(report: Report) -> str | None:
    """Against the month before. Part of a month is compared with the same days of it."""
    found = report.totals
    if report.known_until is None:
        return _percent(found.change_pct, "the month before")
    if found.usage_to_date is None or not found.usage_to_date_previous:
        return None
    change = found.usage_to_date - found.usage_to_date_previous
    return _percent(percent(change, found.usage_to_date_previous), "the same days a month ago")


def _percent(value: Decimal | None, base: str) -> str | None:
    return None if value is None else f"{value:+.1f} % vs. {base}"


def units(report: Report) -> None:
    """Draw the table of business units."""
    is_open = report.known_until is not None
    if cards.is_narrow() and report.units:
        cards.draw("units", report.units, partial(_card, report))
        return
    rows = [
        {
            "status": [ui.words(one.status)],
            "name": one.name,
            "actual": one.actual,
            "budget": one.budget,
            "used": _used(one),
            "variance": _variance(one, is_open=is_open),
            "forecast": one.forecast,
            "previous": one.previous,
            "owner": one.owner,
            "driver": _driver(one.drivers, report.currency),
            "currency": report.currency,
        }
        for one in report.units
    ]
    if not rows:
        ui.empty("No business units are configured.")
        return
    known = sorted({one.status.value for one in report.units})
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
            "variance": ui.money_column("Variance by forecast" if is_open else "Variance"),
            "forecast": ui.money_column("Forecast"),
            "previous": ui.money_column("Previous month"),
            "driver": st.column_config.TextColumn("Main driver", width="large"),
            "owner": "Owner",
        },
    )


def _card(report: Report, unit: Unit) -> None:
    """Draw a business unit as a card."""
    is_open = report.known_until is not None
    variance_label = "Variance by forecast" if is_open else "Variance"
    amounts = (
        ("Actual", unit.actual),
        ("Budget", unit.budget),
        (variance_label, _variance(unit, is_open=is_open)),
        ("Forecast", unit.forecast),
        ("Previous month", unit.previous),
    )
    facts = [(label, ui.amount(value, report.currency)) for label, value in amounts]
    facts += [("Main driver", _driver(unit.drivers, report.currency)), ("Owner", unit.owner)]
    colour = _STATUS_COLOURS.get(unit.status, "gray")
    badge = f":{colour}-badge[{ui.words(unit.status)}]"
    st.markdown(cards.text(unit.name, facts, badge=badge))


def _used(unit: Unit) -> float | None:
    """Percent of the budget that is used; None without a budget."""
    if unit.budget is None or unit.budget <= 0:
        return None
    return float(100 * unit.actual / unit.budget)


def _variance(unit: Unit, *, is_open: bool) -> Decimal | None:
    judged = unit.forecast if is_open else unit.actual
    return None if unit.budget is None or judged is None else judged - unit.budget


def _driver(drivers: Sequence[Driver], currency: str) -> str:
    if not drivers:
        return ""
    first = drivers[0]
    sign = "+" if first.change > 0 else ""
    where = first.account_name or first.account
    return f"{first.service} in {where}: {sign}{ui.amount(first.change, currency)}"
