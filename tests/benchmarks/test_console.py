"""How long the console's pages take with 10,000 invoices and 1,000 budgets.

make bench ARGS="-k console"
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show, timed
from tests.console.conftest import waiting
from tests.flows.console import PATIENCE, Visitor, running_browser, running_console
from tests.flows.deployment import SPOKE, Deployment, eventually
from tests.flows.invoices import InvoiceFlow
from tests.invoices.builders import document

pytestmark = pytest.mark.benchmark

INVOICES, BUDGETS = 10_000, 1_000


def test_console_pages(
    deployment: Deployment, outputs: dict[str, Any], tmp_path: Path, goals: Goals
) -> None:
    """Each page from a click in the menu until it is drawn, at first and once more."""
    flow = InvoiceFlow(deployment, outputs["invoices"])
    put_invoices(flow.store)
    put_budgets(deployment)
    taken: dict[str, tuple[float, float]] = {}
    with (
        running_console(deployment.url, tmp_path) as url,
        running_browser() as browser,
    ):
        # Whoever comes first waits for the server's own imports.
        Visitor.come(browser, url, name="first", role="Viewer").leave()
        visitor = Visitor.come(browser, url, name="bench", role="Approver", path="audit")
        for title in ("Overview", "Invoices", "Budgets", "Billing", "Reports"):
            taken[title] = (visit(visitor, title), 0.0)
        for title, (first, _) in taken.items():
            taken[title] = (first, visit(visitor, title))
        visitor.go("Invoices")
        taken["Invoices, searched: one hit"] = (search(visitor, "scan 07777"), 0.0)
        taken["Invoices, searched: no hit"] = (search(visitor, "nowhere", rows=0), 0.0)
        visitor.leave()
    rows = [
        (title, f"{first:.2f}", f"{again:.2f}" if again else "")
        for title, (first, again) in taken.items()
    ]
    show(f"{INVOICES:,} invoices, {BUDGETS:,} budgets: s", ("page", "first visit", "again"), rows)
    for title, (first, again) in taken.items():
        if "searched" not in title:
            # A browser's first report also fetches the code that draws charts.
            seconds = again if title == "Reports" else first
            goals.at_most(f"console: {title}, from a click until it is drawn", 1, seconds, "s")


def visit(visitor: Visitor, title: str) -> float:
    """Seconds from a click until the page is there."""
    return timed(lambda: visitor.go(title))


def search(visitor: Visitor, text: str, rows: int = 1) -> float:
    """Seconds from Enter until what is found is there."""
    start = time.perf_counter()
    visitor.enter("Search", text)
    if rows:
        visitor.sees_rows(rows)
    else:
        expect(visitor.page.get_by_text("No invoices match your filters")).to_be_visible(
            timeout=PATIENCE
        )
    return time.perf_counter() - start


def put_invoices(store: DynamoInvoices) -> None:
    """Invoices of the last ten months, a hundred of which wait for a person."""
    now = datetime.now(UTC)

    def one(number: int) -> InvoiceRecord:
        source = document(f"raw/Scan {number:05}.pdf")
        record = waiting(source.key, document=source)
        processed = number % 100 > 0
        return replace(
            record,
            received_at=now - timedelta(minutes=44 * number),
            status=InvoiceStatus.PROCESSED if processed else InvoiceStatus.NEEDS_REVIEW,
            serial_number=f"INV-2026-{number:06}" if processed else "",
            task_token="",
        )

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(store.create, map(one, range(INVOICES))):
            pass


def put_budgets(deployment: Deployment) -> None:
    """Rows without an amount: each ends with its status, and none reaches an account."""
    rows: Iterable[dict[str, Any]] = (
        {
            "account_id": SPOKE,
            "budget_name": f"team-{number:04}",
            "emails": ["team@example.com"],
            "thresholds": ["ACTUAL:80", "FORECASTED:100"],
            "updated_by": "bench",
        }
        for number in range(BUDGETS)
    )
    deployment.edit_all(rows)
    eventually(
        lambda: sum(one["status"] == "REJECTED" for one in deployment.statuses()) >= BUDGETS,
        within=300,
        every=1,
        what="answers to all budgets",
    )
