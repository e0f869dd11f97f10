"""Reports: a month reconciled, shown, and downloaded in each of its formats."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.reports import LINK_SECONDS, StoredReport
from console.services import Services
from console.views.reports import details, drilldown, summary
from finops.reconciliation.attention import attention, lead
from finops.reconciliation.report import MEDIA_TYPES, Report
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.periods import last_months

_FORMAT_NAMES: Final = {"html": "HTML", "xlsx": "Excel", "csv": "CSV", "json": "JSON"}


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Reports")
    known = last_months(datetime.now(UTC), 24)
    month = st.selectbox("Month", known, key="month", bind="query-params", width=220)
    with ui.failures("The report cannot be read"):
        if user.may(Role.EDITOR):
            _reconcile(services, user, month)
        with st.skeleton(height=400):
            report = read_report(services, services.environment.name, month)
        if report is None:
            ui.empty(f"{month} has not been reconciled yet.")
            return
        _head(report.document)
        _downloads(services, report)
        with ui.failures("Units and what they are made of cannot be shown"):
            model = report.report
            summary.head(model)
            summary.units(model)
            drilldown.show(model)
        details.trends(report.document)
        details.anomalies(report.document)
        if "html" in report.locations:
            folder = report.locations["html"].rpartition("/")[0]
            details.showback(
                report.document,
                lambda name: services.reports.files.link(f"{folder}/{name}", LINK_SECONDS),
            )
        details.tables(report.document)


@st.cache_data(ttl=30, max_entries=50, show_spinner=False)
def read_report(_services: Services, _deployment: str, month: str) -> StoredReport | None:
    """The newest report of a month; None where there is none."""
    return _services.reports.newest(month)


def _reconcile(services: Services, user: User, month: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = presses.button("Reconcile now", type="primary", icon=":material/sync_alt:")
        close = st.checkbox(
            "Close the month",
            help="After that, each run creates a revision that lists what has changed.",
            disabled=not user.may(Role.APPROVER),
        )
    if not pressed:
        return
    close = close and user.may(Role.APPROVER)
    with st.status(f"Reconciling {month} …", expanded=False) as state:
        try:
            done = services.reports.run(month, close=close, requested_by=user.identity)
        except FinOpsError as error:
            failed = f"{month} was not reconciled"
            state.update(label=failed, state="error")
            ui.show_failure(failed, error)
            return
        state.update(label=f"{month} has been reconciled", state="complete")
    services.record(
        user, "reconciliation.started", month, closed=close, revision=done.get("revision")
    )
    read_report.clear()


def _head(document: Mapping[str, Any]) -> None:
    facts = [f"Costs from {document['source_name']}", f"{document['metric']} cost"]
    if document["known_until"]:
        facts.append(
            f"the month is open, and costs from {document['known_until']} on are not known"
        )
    elif not document["revision"]:
        facts.append("the month is over, and not closed yet")
    if document["revision"]:
        facts.append(f"closed, revision {document['revision']}")
    st.caption(" · ".join(facts) + f" · amounts in {document['currency']}")
    for note in document["notes"]:
        st.info(ui.escaped(note), icon=":material/info:")


def _downloads(services: Services, report: StoredReport) -> None:
    with st.container(horizontal=True):
        for kind, location in sorted(report.locations.items()):
            if kind in MEDIA_TYPES:
                st.link_button(
                    _FORMAT_NAMES.get(kind, kind.upper()),
                    services.reports.files.link(location, LINK_SECONDS),
                    icon=":material/download:",
                )
        address = os.environ.get("CONSOLE_URL", "")
        with suppress(RejectedInput):  # a report of an earlier version is downloaded only
            st.link_button("Mail", mail(report.report, address), icon=":material/mail:")


def mail(report: Report, console: str) -> str:
    """An address that opens a person's mail program with what the report begins with.

    Args:
        report: The report.
        console: The console's address, which the mail leads to; empty where it has none.
    """
    lines = ["".join(one.text for one in lead(report)), ""]
    lines += [f"- {one.title}. {one.text}" for one in attention(report)]
    if console:
        lines += ["", f"{console.rstrip('/')}/reports?month={report.month}"]
    # Lines of a mail end so: https://www.rfc-editor.org/rfc/rfc6068#section-5
    body = "\r\n".join(lines)
    return f"mailto:?subject={quote(f'Costs of {report.month}')}&body={quote(body)}"
