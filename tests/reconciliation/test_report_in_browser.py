"""The report and its pages as people open them: on a phone, on a wide screen, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from finops.reconciliation.rendering import render
from finops.reconciliation.report import Report
from finops.reconciliation.showback_pages import write_pages
from tests.flows.console import PATIENCE, running_browser
from tests.reconciliation.sample_report import sample_report

#: Of a usual phone, in pixels.
PHONE = (390, 844)
REPORTS = {"closed": sample_report(), "open": sample_report(is_open=True)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both reports with their pages, as they are stored."""
    made = tmp_path_factory.mktemp("reports")
    for name, report in REPORTS.items():
        # One owner's page is enough to look at.
        [owners] = report.showback
        shown = replace(owners, statements=owners.statements[:1])
        files = write_pages(replace(report, showback=(shown,)))
        files["report.html"] = render(report, "html")
        for file, content in files.items():
            path = made / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return made


def opened(browser: Browser, path: Path, *, width: int, height: int, scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("name", REPORTS)
def test_budget_and_variance_are_on_the_first_screen_of_a_phone(
    browser: Browser, folder: Path, name: str
) -> None:
    report: Report = REPORTS[name]
    page = opened(browser, folder / name / "report.html", width=PHONE[0], height=PHONE[1])
    off = report.totals.forecast_variance if name == "open" else report.totals.variance
    assert off
    side = "over" if off > 0 else "under"
    for text in (f"{abs(off):,.2f} USD {side}", f"{report.totals.budget:,.2f}"):
        box = page.get_by_text(text, exact=True).first.bounding_box()
        assert box, text
        assert 0 <= box["y"] <= PHONE[1] - box["height"], text
        assert 0 <= box["x"] <= PHONE[0] - box["width"], text
    page.context.close()


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [PHONE[0], 1200])
def test_no_page_is_wider_than_the_screen(
    browser: Browser, folder: Path, name: str, width: int
) -> None:
    for path in sorted((folder / name).rglob("*.html")):
        page = opened(browser, path, width=width, height=PHONE[1])
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        page.context.close()


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_with_disabilities_can_read_every_page(
    browser: Browser, folder: Path, name: str, scheme: str
) -> None:
    for path in sorted((folder / name).rglob("*.html")):
        page = opened(browser, path, width=1200, height=900, scheme=scheme)
        found = Axe().run(page)
        assert not found.violations_count, found.generate_report()
        page.context.close()


def test_links_lead_from_the_report_to_a_page_and_back(browser: Browser, tmp_path: Path) -> None:
    report = REPORTS["closed"]
    files = write_pages(report) | {"reconciliation-2026-10-r2.html": render(report, "html")}
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    page = opened(browser, tmp_path / "reconciliation-2026-10-r2.html", width=1200, height=900)
    first, second = report.showback[0].statements[:2]
    page.locator("#showback").get_by_role("link", name=first.name).click()
    assert page.locator("h1").inner_text() == first.name
    page.get_by_role("link", name=second.name).click()
    assert page.locator("h1").inner_text() == second.name
    page.get_by_role("link", name="Report of October 2026").click()
    assert page.locator("h1").inner_text() == "October 2026"
    page.context.close()
