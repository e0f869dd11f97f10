"""How long the console's pages take with 10,000 invoices and 1,000 budgets.

make bench ARGS="-k console"
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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

#: 1.6 Mbit/s with 150 ms to the server and back, in bytes a second and milliseconds.
SLOW_LINE = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 200_000,
    "uploadThroughput": 93_750,
}


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
        if "searched" in title:
            goals.at_most(f"console: {title}", 1, first, "s")
        else:
            # A browser's first report also fetches the code that draws charts.
            seconds = again if title == "Reports" else first
            goals.at_most(f"console: {title}, from a click until it is drawn", 0.7, seconds, "s")


def test_a_first_visit_on_a_slow_line(deployment: Deployment, tmp_path: Path, goals: Goals) -> None:
    """Until one may sign in, and then until the overview is drawn, with nothing in the cache."""
    loaded: Counter[str] = Counter()
    with (
        running_console(deployment.url, tmp_path) as url,
        running_browser() as browser,
    ):
        Visitor.come(browser, url, name="first", role="Viewer").leave()
        page = browser.new_context().new_page()
        devices = page.context.new_cdp_session(page)
        devices.send("Network.enable")
        devices.send("Network.emulateNetworkConditions", SLOW_LINE)
        kinds: dict[str, str] = {}
        devices.on(
            "Network.responseReceived", lambda one: kinds.update({one["requestId"]: kind(one)})
        )
        devices.on(
            "Network.loadingFinished",
            lambda one: loaded.update(
                {kinds.get(one["requestId"], "other"): one["encodedDataLength"]}
            ),
        )
        name = page.get_by_role("textbox", name="Name")
        page.set_default_timeout(PATIENCE)

        def arrive() -> None:
            page.goto(url, wait_until="commit")
            expect(name).to_be_visible()

        seconds = timed(arrive)
        weight = Counter(loaded)
        page.get_by_role("button", name="Sign in").click()
        overview = timed(lambda: expect(page.get_by_text("Nothing to do").first).to_be_visible())
        page.context.close()
    rows = [
        (one, f"{weight[one] / 1e3:,.0f}", f"{loaded[one] / 1e3:,.0f}") for one in sorted(loaded)
    ]
    total = ("all", f"{weight.total() / 1e3:,.0f}", f"{loaded.total() / 1e3:,.0f}")
    show("1.6 Mbit/s: KB", ("what", "to sign in", "and the overview"), [*rows, total])
    goals.at_most("console: first visit on 1.6 Mbit/s, until one may sign in", 6, seconds, "s")
    goals.at_most("console: and from there until the overview", 6, overview, "s")


def kind(response: Mapping[str, Any]) -> str:
    """What a response brings: Streamlit's own files by their kind, or something else."""
    path = urlsplit(response["response"]["url"]).path
    found = re.match(r"/static/(js|css|media)/", path)
    return f"Streamlit's {found[1]}" if found else "other"


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
        lambda: sum(one.get("status") == "REJECTED" for one in deployment.statuses()) >= BUDGETS,
        within=300,
        every=1,
        what="answers to all budgets",
    )
