"""Settings: who may do what, and what Terraform and others own, to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from console import ui
from console.identity import MEANING, Role, User
from console.services import Services
from console.views.reports import read_report
from finops.billing.builtin_formats import BUILTIN_FORMATS

#: What people do in the console, with the role that it needs.
RIGHTS: Final = (
    ("See every page, search, and download", Role.VIEWER),
    ("Compare budgets with AWS", Role.VIEWER),
    ("Upload invoices, bills and rates", Role.EDITOR),
    ("Correct invoices, retry failed ones", Role.EDITOR),
    ("Add, edit, import and remove budgets, repair drift", Role.EDITOR),
    ("Save the format of a dataset, load failed files again", Role.EDITOR),
    ("Reconcile a month", Role.EDITOR),
    ("Approve and reject invoices", Role.APPROVER),
    ("Approve raises of budgets", Role.APPROVER),
    ("Withdraw bills, and move them to another dataset", Role.APPROVER),
    ("Close a month", Role.APPROVER),
    ("Change vendors", Role.APPROVER),
)


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Settings")
    st.caption("To read only: what is set here is set by Terraform, in S3, or on the pages named.")
    for title, draw in (
        ("Who may do what", lambda: _rights(services, user)),
        ("Exchange rates", lambda: _rates(services)),
        ("Formats of datasets", lambda: _formats(services)),
        ("Business units", lambda: _units(services)),
        ("Vendors", lambda: _vendors(services)),
    ):
        _part(title, draw)


def _part(title: str, draw: Callable[[], None]) -> None:
    st.header(title)
    with ui.failures(f"{title} cannot be read"):
        draw()


def _rights(services: Services, user: User) -> None:
    st.markdown(f"You are **{ui.escaped(user.name)}**, {user.role}: you {MEANING[user.role]}.")
    _table(
        [
            {"what": what} | {str(one): "yes" if _includes(one, least) else "" for one in Role}
            for what, least in RIGHTS
        ],
        "Rights of each role",
        {"what": "What"} | {str(one): one.capitalize() for one in Role},
    )
    separated = services.invoices.separation_of_duties
    st.markdown(
        "Nobody approves an invoice that they submitted or corrected."
        if separated
        else "People may approve invoices that they submitted or corrected themselves."
    )
    st.caption(
        "Groups of the Cognito user pool give the roles. The rule above is a setting of the module "
        "invoices, review.separation_of_duties."
    )


def _includes(role: Role, least: Role) -> bool:
    return User(name="", role=role).may(least)


def _rates(services: Services) -> None:
    policy = services.billing.settings.rates
    st.markdown(
        "An amount is converted by the last rate on or before its day, at most "
        f"{ui.counted(policy.max_age_days, 'day')} older."
    )
    if policy.static:
        rates = ", ".join(f"{code} {rate:f}" for code, rate in sorted(policy.static.items()))
        st.warning(f"Where no dated rate does, these count, in USD: {ui.escaped(rates)}")
    found = newest_rates(services, services.environment.name)
    if not found:
        ui.empty("No rates are loaded. Drop a file of them on the page Billing.")
        return
    _table(
        found,
        "The newest rate of each currency",
        {
            "currency": "Currency",
            "usd_per_unit": "USD per unit",
            "rate_date": "Day",
            "source": "Source",
        },
    )


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def newest_rates(_services: Services, _deployment: str) -> list[dict[str, str]]:
    """The newest rate of each currency."""
    return [
        {
            "currency": one.currency,
            "usd_per_unit": f"{one.usd_per_unit:f}",
            "rate_date": one.rate_date.isoformat(),
            "source": one.source,
        }
        for one in _services.billing.newest_rates()
    ]


def _formats(services: Services) -> None:
    declared = services.billing.settings.formats
    st.markdown(
        "Known without a format: FOCUS exports, and "
        + ui.escaped(", ".join(sorted(one.name for one in BUILTIN_FORMATS)))
        + "."
    )
    if declared:
        _table(
            [
                {"dataset": name, "format": json.dumps(one.to_document(), ensure_ascii=False)}
                for name, one in sorted(declared.items())
            ],
            "Formats that the module billing declares",
            {"dataset": "Dataset", "format": "Format of the module"},
        )
    else:
        st.caption("The module billing declares none in its variable datasets.")
    ui.link("Billing", "Formats that people have saved, by dataset")


def _units(services: Services) -> None:
    report = read_report(services, services.environment.name, f"{datetime.now(UTC):%Y-%m}")
    units = report.document["units"] if report else []
    if not units:
        ui.empty("This month's report names no business units.")
        return
    accounts = report.document["accounts"] if report else []
    rows = [
        {
            "name": one["name"],
            "owner": one.get("owner"),
            "budget": ui.amount(one.get("budget")),
            "accounts": sum(one["name"] in two["units"] for two in accounts) or None,
        }
        for one in units
    ]
    _table(
        rows,
        "Business units of this month's report",
        {"name": "Business unit", "owner": "Owner", "budget": "Budget", "accounts": "Accounts"},
    )
    st.caption(
        "The configuration of the module reconciliation maps accounts and tags to units, and "
        "acknowledges anomalies."
    )


def _vendors(services: Services) -> None:
    count = sum(1 for _ in services.invoices.vendors.all())
    st.markdown(f"{ui.counted(count, 'vendor')} known.")
    ui.link("Vendors", "What is known of each")


def _table(rows: Sequence[dict[str, Any]], alt: str, columns: dict[str, str]) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="",
        height=ui.height(len(rows), most=12),
        alt=alt,
        column_order=tuple(columns),
        column_config=columns,
    )
