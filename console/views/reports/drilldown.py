"""From a business unit to its services, their accounts and their days, as the report holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar

import pandas as pd
import streamlit as st

from console import cards, presses, ui
from finops.reconciliation.report import Report, Unit, UnitAccount, UnitService

#: The choice that shows a level as a whole.
_ALL: Final = ""
#: The box and the choice that a card asks for: what is drawn cannot be set any more.
_WANTED: Final = "drill_wanted"
_Part = TypeVar("_Part", Unit, UnitService, UnitAccount)


def show(report: Report) -> None:
    """Draw what is chosen, and what it is made of."""
    if wanted := st.session_state.pop(_WANTED, None):
        key, name = wanted
        st.session_state[key] = name
    units = {one.name: one for one in report.units if one.services}
    if not units:
        return
    st.header("Where the costs are")
    st.caption(
        "The parts add up to the cent at each step. The tables below are rounded for themselves:"
        " there, the same costs can differ by a cent."
    )
    places = st.columns(3)
    unit, unit_key = _choice(places[0], "Business unit", "All units", units, "drill")
    services = {one.service: one for one in unit.services} if unit else {}
    above = f"{unit_key}={unit.name if unit else _ALL}"
    service, service_key = _choice(places[1], "Service", "All services", services, above)
    accounts = {_named(one): one for one in service.accounts} if service else {}
    above = f"{service_key}={service.service if service else _ALL}"
    account, account_key = _choice(places[2], "Account", "All accounts", accounts, above)
    if account:
        _days(report, account)
    elif service:
        amounts = {name: one.amount for name, one in accounts.items()}
        _level(report, account_key, "Account", amounts, service.amount)
    elif unit:
        amounts = {name: one.amount for name, one in services.items()}
        _level(report, service_key, "Service", amounts, unit.actual)
    else:
        amounts = {name: one.actual for name, one in units.items()}
        _level(report, unit_key, "Business unit", amounts, report.totals.actual)


def _choice(
    place: Any, label: str, everything: str, parts: Mapping[str, _Part], above: str
) -> tuple[_Part | None, str]:
    """Draw a box for a level; returns what is chosen, and the key of the box.

    Each part of the level above has a box of its own, so that no choice outlasts it.
    """
    key = f"{above}/{label}"
    chosen = place.selectbox(
        label,
        [_ALL, *parts],
        key=key,
        format_func=lambda one: one or everything,
        disabled=not parts,
    )
    return parts.get(chosen), key


def _level(
    report: Report, key: str, label: str, amounts: Mapping[str, Decimal], whole: Decimal
) -> None:
    """Draw the parts of what is chosen. Ticking one goes into it."""
    if cards.is_narrow():
        cards.draw(key, [*amounts.items()], partial(_card, report, key))
        _sum(report, whole)
        return
    grid = f"{key} table"
    st.dataframe(
        ui.money_table(
            [
                {
                    "name": name,
                    "amount": amount,
                    "share": float(100 * amount / whole) if whole > 0 else None,
                    "currency": report.currency,
                }
                for name, amount in amounts.items()
            ],
            ("amount",),
        ),
        key=grid,
        on_select=partial(go_into, grid, key, [*amounts]),
        selection_mode="single-row",
        hide_index=True,
        placeholder="",
        height=ui.height(len(amounts), 10),
        alt=f"Costs by {label.lower()}",
        column_order=("name", "amount", "share"),
        column_config={
            "name": st.column_config.TextColumn(label, width="large"),
            "amount": ui.money_column(f"Amount ({report.currency})"),
            "share": st.column_config.ProgressColumn(
                "Share", format="%.1f %%", min_value=0, max_value=100
            ),
        },
    )
    _sum(report, whole, "Tick one to see what it is made of.")


def _card(report: Report, key: str, part: tuple[str, Decimal]) -> None:
    name, amount = part
    st.markdown(cards.text(name, [("Amount", ui.amount(amount, report.currency))]))
    if presses.button("What it is made of", key=f"{key} {name}"):
        st.session_state[_WANTED] = key, name
        st.rerun()


def go_into(grid: str, key: str, names: Sequence[str]) -> None:
    """Choose what was ticked.

    Args:
        grid: Where the table's selection is kept.
        key: Where the choice is kept.
        names: Of the table's rows.
    """
    rows = st.session_state[grid]["selection"]["rows"]
    if rows and rows[0] < len(names):
        st.session_state[key] = names[rows[0]]


def _days(report: Report, account: UnitAccount) -> None:
    """Draw an account's days, and what of it is no usage of a day."""
    days = [one.day.isoformat() for one in report.daily]
    if account.days:
        st.bar_chart(
            pd.DataFrame({"day": pd.to_datetime(days), "amount": map(float, account.days)}),
            x="day",
            y="amount",
            x_label="",
            y_label=report.currency,
            height=240,
            alt="Costs of usage by day",
        )
    amounts: list[tuple[str, Decimal]] = [
        *zip(days, account.days, strict=False),
        ("Fees, tax, credits and other charges of no known day", account.monthly),
    ]
    if cards.is_narrow():
        lines = (f"{ui.escaped(day)}: {ui.escaped(ui.amount(one))}" for day, one in amounts)
        st.markdown("  \n".join(lines))
        _sum(report, account.amount)
        return
    st.dataframe(
        ui.money_table(
            [
                {"day": day, "amount": amount, "currency": report.currency}
                for day, amount in amounts
            ],
            ("amount",),
        ),
        hide_index=True,
        placeholder="",
        height=ui.height(len(amounts), 10),
        alt="Costs by day",
        column_order=("day", "amount"),
        column_config={
            "day": st.column_config.TextColumn("Day (UTC)", width="large"),
            "amount": ui.money_column(f"Amount ({report.currency})"),
        },
    )
    _sum(report, account.amount)


def _sum(report: Report, whole: Decimal, more: str = "") -> None:
    told = ui.escaped(ui.amount(whole, report.currency))
    st.caption(f"Together {told}. {more}".rstrip())


def _named(account: UnitAccount) -> str:
    return f"{account.name} ({account.account})" if account.name else account.account
