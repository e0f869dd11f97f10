"""All formats of a report are one report: to the cent, to the byte, and for whoever opens them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no stubs

import report_schema
from finops.reconciliation.attention import overrun, verdict
from finops.reconciliation.charts import bar_chart, bullet, strips
from finops.reconciliation.domain import UNMAPPED
from finops.reconciliation.rendering import render
from finops.reconciliation.report import (
    FORMATS,
    MEDIA_TYPES,
    CategoryLine,
    Report,
    as_document,
)
from finops.reconciliation.showback_pages import write_pages
from finops.shared.money import total
from tests.reconciliation.sample_report import FORMULA, SCRIPT, empty_report, sample_report

ROOT = Path(__file__).resolve().parents[2]
REPORTS = {
    "closed": sample_report(),
    "open": sample_report(is_open=True),
    "first revision": sample_report(revision=1),
    "in yen": sample_report(currency="JPY"),
    "in dinars": sample_report(currency="KWD"),
    "hostile": sample_report(hostile=True),
    "empty": empty_report(),
}
_XLSX = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
Rows = list[list[str]]


class Page(HTMLParser):
    """The tables of a page by the id of their section, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[Rows]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._section = ""
        self._in_cell = self._in_small = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
        elif tag == "table":
            self.tables.setdefault(self._section, []).append([])
        elif tag == "tr":
            self.tables[self._section][-1].append([])
        elif tag in {"td", "th"}:
            self.tables[self._section][-1][-1].append("")
            self._in_cell = True
        elif tag == "small":
            self._in_small = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False
        elif tag == "small":
            self._in_small = False

    def handle_data(self, data: str) -> None:
        if self._in_cell and not self._in_small:
            self.tables[self._section][-1][-1][-1] += data

    def column(self, section: str, name: str, table: int = 0) -> list[str]:
        head, *rows = self.tables[section][table]
        return [row[head.index(name)] for row in rows]


def page(report: Report) -> Page:
    return Page(render(report, "html").decode())


def amounts(texts: list[str]) -> list[Decimal | None]:
    return [
        None if one == "\N{EN DASH}" else Decimal(one.replace(",", "").strip()) for one in texts
    ]


def csv_lines(report: Report, table: str = "") -> list[dict[str, str]]:
    lines = csv.DictReader(io.StringIO(render(report, "csv").decode("utf-8-sig"), newline=""))
    return [line for line in lines if not table or line["table"] == table]


def csv_amounts(report: Report, table: str, column: str = "amount") -> list[Decimal]:
    return [Decimal(line[column]) for line in csv_lines(report, table) if line[column]]


def workbook(report: Report) -> Mapping[str, list[dict[str, str]]]:
    """Each sheet's cells by their letter, row by row; of a formula, its kept value."""
    with zipfile.ZipFile(io.BytesIO(render(report, "xlsx"))) as book:
        texts = [
            "".join(one.itertext())
            for one in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        names = [
            one.attrib["name"]
            for one in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{_XLSX}sheet")
        ]
        return {
            name: [
                {
                    cell.attrib["r"].rstrip("0123456789"): texts[int(value)]
                    if cell.get("t") == "s"
                    else value
                    for cell in row
                    if (value := cell.findtext(f"{_XLSX}v", ""))
                }
                for row in ElementTree.fromstring(
                    book.read(f"xl/worksheets/sheet{number}.xml")
                ).iter(f"{_XLSX}row")
            ]
            for number, name in enumerate(names, 1)
        }


def sheet_column(report: Report, sheet: str, head: str) -> list[Decimal]:
    """The numbers of a column, its total last."""
    first, *rows = workbook(report)[sheet]
    letter = next(key for key, text in first.items() if text == head)
    return [Decimal(row[letter]) for row in rows if letter in row]


@pytest.fixture(params=REPORTS, name="report")
def _report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]


# The same to the cent


def test_units_agree_in_all_formats(report: Report) -> None:
    actual = [one.actual for one in report.units]
    whole = [*actual, report.totals.actual]
    name = "Actual so far" if report.known_until else "Actual"

    assert total(actual) == report.totals.actual
    assert amounts(page(report).column("units", name)) == whole
    assert csv_amounts(report, "units") == actual
    assert csv_amounts(report, "total") == [report.totals.actual]
    assert sheet_column(report, "Units", "Actual") == whole
    document = json.loads(render(report, "json"))
    assert [Decimal(one["actual"]) for one in document["units"]] == actual
    assert Decimal(document["totals"]["actual"]) == report.totals.actual


def test_variances_agree_in_all_formats() -> None:
    report = REPORTS["closed"]
    variances = [one.variance for one in report.units]
    known = [one for one in variances if one is not None]

    assert amounts(page(report).column("units", "Variance")) == [
        *variances,
        report.totals.variance,
    ]
    assert csv_amounts(report, "units", "difference") == known
    assert sheet_column(report, "Units", "Variance") == [*known, report.totals.variance]
    assert {row.get("A"): row.get("B") for row in workbook(report)["Summary"]}[
        "Variance"
    ] == f"{report.totals.variance.normalize():f}"


def test_accounts_and_services_add_up_in_all_formats(report: Report) -> None:
    whole = report.totals.actual + report.totals.excluded
    for table, section, rows in (
        ("accounts", "accounts", report.accounts),
        ("services", "services", report.services),
    ):
        if not rows:
            continue
        *lines, last = amounts(page(report).column(section, "Costs"))
        assert last == whole
        assert total(one for one in lines if one is not None) == whole
        assert total(csv_amounts(report, table)) == whole
        assert sheet_column(report, table.capitalize(), "Costs")[-1] == whole


def test_unmapped_costs_are_the_same_everywhere(report: Report) -> None:
    unmapped = report.totals.unmapped
    if report.unmapped:
        assert amounts(page(report).column("unmapped", "Costs"))[-1] == unmapped
        assert sheet_column(report, "Unmapped", "Actual")[-1] == unmapped
    assert total(csv_amounts(report, "unmapped")) == unmapped


def test_trends_are_the_same_in_all_formats() -> None:
    report = REPORTS["open"]
    known = [one for one in report.trends[0].amounts if one is not None]
    table = page(report).tables["trends"][0]
    assert [one for one in amounts(table[1][1:]) if one is not None] == known
    lines = csv_lines(report, "trends")
    assert [Decimal(one["amount"]) for one in lines if one["unit"] == "All"] == known
    row = workbook(report)["Trends"][1]
    assert [Decimal(value) for letter, value in row.items() if letter != "A"] == known


def test_invoices_are_told_in_the_minor_units_of_their_currency() -> None:
    report = REPORTS["in yen"]
    assert "9,344" in page(report).column("invoices", "Invoiced")[0]
    assert "." not in "".join(page(report).column("invoices", "Charged"))


def test_workbook_calculates_its_sums() -> None:
    with zipfile.ZipFile(io.BytesIO(render(REPORTS["closed"], "xlsx"))) as book:
        units = book.read("xl/worksheets/sheet2.xml").decode()
        summary = book.read("xl/worksheets/sheet1.xml").decode()
    last = len(REPORTS["closed"].units) + 1
    assert f"<f>SUM(C2:C{last})</f>" in units
    assert f"<f>Units!C{last + 1}</f>" in summary


def test_json_has_what_scripts_rely_on(report: Report) -> None:
    document = json.loads(render(report, "json"))
    assert document == as_document(report)
    assert {"month", "totals", "units", "unmapped", "anomalies", "invoices"} <= document.keys()
    for one in document["units"]:
        wanted = {"name", "actual", "budget", "variance", "variance_pct", "status", "drivers"}
        assert wanted <= one.keys()


# The same to the byte

_DIGESTS = """
import hashlib, json
from finops.reconciliation.rendering import render
from finops.reconciliation.report import FORMATS
from tests.reconciliation.sample_report import sample_report
report = sample_report(hostile=True)
print(json.dumps({one: hashlib.sha256(render(report, one)).hexdigest() for one in FORMATS}))
"""


def digests_of_new_process(seed: str) -> Any:
    environment = os.environ | {
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda_src'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", _DIGESTS], env=environment, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_same_report_gives_the_same_bytes_in_every_process() -> None:
    here = {one: hashlib.sha256(render(REPORTS["hostile"], one)).hexdigest() for one in FORMATS}
    assert digests_of_new_process("1") == digests_of_new_process("2") == here


def test_every_format_has_a_media_type() -> None:
    assert set(FORMATS) == {"html", "csv", "json", "xlsx"} == set(MEDIA_TYPES)


# Safe to open


def test_names_are_text_and_never_markup() -> None:
    text = render(REPORTS["hostile"], "html").decode()
    assert SCRIPT not in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert page(REPORTS["hostile"]).column("units", "Business unit")[0] == SCRIPT


def test_no_text_of_the_csv_is_run_as_a_formula() -> None:
    cells = [cell for line in csv_lines(REPORTS["hostile"]) for cell in line.values()]
    assert f"'{FORMULA}" in cells
    for cell in cells:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            Decimal(cell)


def test_billed_and_amortized_costs_are_in_every_format() -> None:
    totals = replace(
        REPORTS["closed"].totals, billed=Decimal("1234.56"), amortized=Decimal("6543.21")
    )
    report = replace(REPORTS["closed"], totals=totals)
    # What is compared is billed here, so that its own total is the actual.
    text = render(report, "html").decode()
    assert "<dt>Actual, billed</dt>" in text
    assert 'amortized <span class="nowrap">6,543.21</span>' in text
    assert "1,234.56" not in text
    net = render(replace(report, metric="net"), "html").decode()
    assert 'billed <span class="nowrap">1,234.56</span>; amortized' in net
    assert {line["item"]: line["amount"] for line in csv_lines(report, "costs")} == {
        "billed": "1234.56",
        "amortized": "6543.21",
    }
    assert json.loads(render(report, "json"))["totals"]["amortized"] == "6543.21"
    with zipfile.ZipFile(io.BytesIO(render(report, "xlsx"))) as book:
        assert "<v>6543.21</v>" in book.read("xl/worksheets/sheet1.xml").decode()


def test_what_lowers_costs_is_told_apart_on_the_first_screen() -> None:
    categories = (
        CategoryLine(category="Usage", amount=Decimal("1500"), excluded=False),
        CategoryLine(category="Credit", amount=Decimal("-200"), excluded=False),
        CategoryLine(category="Refund", amount=Decimal("-5020"), excluded=True),
        CategoryLine(category="Discount", amount=Decimal("-124.5"), excluded=False),
    )
    page = render(replace(REPORTS["closed"], categories=categories), "html").decode()
    assert "include credits of <b>-200.00</b>, discounts of <b>-124.50</b>." in page


def test_only_costs_above_a_budget_are_red_in_the_workbook() -> None:
    with zipfile.ZipFile(io.BytesIO(render(REPORTS["closed"], "xlsx"))) as book:
        styles = book.read("xl/styles.xml").decode()
        sheet = book.read("xl/worksheets/sheet2.xml").decode()
    numbers = dict(re.findall(r'<numFmt numFmtId="(\d+)" formatCode="(.*?)"/>', styles))
    cells = re.search(r"<cellXfs.*?</cellXfs>", styles, re.DOTALL)
    assert cells
    used = [numbers.get(one, "") for one in re.findall(r'<xf numFmtId="(\d+)"', cells[0])]
    formats = {
        column: {
            used[int(style)] for style in re.findall(rf'<c r="{column}\d+" s="(\d+)"><v>', sheet)
        }
        for column in "CEFGI"
    }
    assert formats["E"] == {"[Red]#,##0.00;-#,##0.00;#,##0.00"}
    assert formats["F"] == {"[Red]+0.0%;-0.0%;0.0%"}
    assert all("Red" not in one for column in "CGI" for one in formats[column])
    assert formats["C"]


def test_workbook_has_no_formula_but_its_own() -> None:
    with zipfile.ZipFile(io.BytesIO(render(REPORTS["hostile"], "xlsx"))) as book:
        formulas = [
            formula
            for name in book.namelist()
            if name.startswith("xl/worksheets/sheet")
            for formula in re.findall(r"<f>(.*?)</f>", book.read(name).decode())
        ]
    assert formulas
    for one in formulas:
        assert re.fullmatch(r"SUM\([A-Z]\d+:[A-Z]\d+\)|Units![A-Z]\d+|B\d+-B\d+", one)


def test_page_needs_nothing_but_itself(report: Report) -> None:
    text = render(report, "html").decode()
    assert not re.search(r"https?://|url\(|@import|@font-face|javascript:", text)
    for tag, attributes in page(report).tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
        assert "src" not in attributes
        # Pages of owners and tags stand beside it.
        assert (attributes.get("href") or "#").startswith(("#", "showback/"))


# For whoever reads


def test_links_lead_to_sections_that_exist(report: Report) -> None:
    tags = page(report).tags
    ids = [one["id"] for _, one in tags if "id" in one]
    assert len(ids) == len(set(ids))
    for _, one in tags:
        if "href" in one:
            link = one["href"] or ""
            assert link.removeprefix("#") in ids or link in write_pages(report)
        for name in (one.get("aria-labelledby") or "").split():
            assert name in ids


def test_tables_and_charts_say_what_they_are(report: Report) -> None:
    text = render(report, "html").decode()
    assert '<html lang="en">' in text
    assert text.count("<main") == text.count("<h1") == 1
    assert text.count("<table") == text.count("<caption>")
    for head in re.findall(r"<th\b[^>]*>", text):
        assert "scope=" in head
    for chart in re.findall(r"<svg\b[^>]*>", text):
        assert 'aria-hidden="true"' in chart or 'role="img"' in chart
    for scrolled in re.findall(r'<div class="scroll[^>]*>', text):
        assert 'tabindex="0"' in scrolled
        assert "aria-label=" in scrolled


def test_open_month_says_that_its_forecast_is_one() -> None:
    text = " ".join(render(REPORTS["open"], "html").decode().split())
    forecast = REPORTS["open"].totals.forecast
    assert f'<dt>Forecast</dt><dd class="value">{forecast:,}</dd>' in text
    assert "Costs from 2026-10-21 on are not known yet." in text
    closed = replace(REPORTS["closed"], aws_budgets=None)
    assert "Forecast" not in render(closed, "html").decode()


@pytest.mark.parametrize("report", [REPORTS["closed"], REPORTS["open"]], ids=["closed", "open"])
def test_first_screen_tells_each_number_once(report: Report) -> None:
    text = render(report, "html").decode()
    head = re.sub(
        r"<svg.*?</svg>|<style>.*?</style>", "", text.partition("</header>")[0], flags=re.S
    )
    shown = re.findall(r"(?<![\d-])[+-]?\d[\d,]*\.\d\d\b", re.sub(r"<[^>]*>", " ", head))
    assert len(shown) > 4
    assert len(shown) == len(set(shown)), shown
    for wanted in (report.totals.actual, report.totals.budget):
        assert f"{wanted:,.2f}" in shown


def test_first_words_are_how_the_month_compares_and_what_changed() -> None:
    said = "".join(one.text for one in verdict(REPORTS["closed"]))
    first = REPORTS["closed"].drivers[0]
    assert said.startswith("Units with a budget are ")
    assert f"Largest change: {first.service} in {first.account_name}, " in said
    # A part of a month has changed by what is still to come.
    said = "".join(one.text for one in verdict(REPORTS["open"]))
    assert said.startswith("By forecast, units with a budget will be ")
    assert "Largest change" not in said
    without = [replace(one, budget=None) for one in REPORTS["empty"].units]
    report = replace(REPORTS["empty"], units=tuple(without))
    assert "".join(one.text for one in verdict(report)) == "No budget is set."


def test_forecast_is_held_against_budget_where_the_month_is_open() -> None:
    report = REPORTS["open"]
    wanted = [
        None if one.budget is None or one.forecast is None else one.forecast - one.budget
        for one in report.units
    ]
    assert amounts(page(report).column("units", "Forecast variance"))[:-1] == wanted


def test_correction_says_what_it_changes() -> None:
    changes = page(REPORTS["closed"]).tables["changes"][0]
    assert len(changes) - 1 == len(REPORTS["closed"].changes)
    assert changes[1][-1] == "-312.00"
    assert "changes" not in page(REPORTS["first revision"]).tables


def test_invoices_that_differ_come_first() -> None:
    results = page(REPORTS["closed"]).column("invoices", "Result")
    assert results == ["Differs", "Not comparable", "Explained", "Agrees", "Agrees"]


def test_month_without_findings_says_what_was_checked() -> None:
    text = render(REPORTS["empty"], "html").decode()
    for words in (
        *("None found.", "no daily usage", "None to compare.", "Every account, and every charge"),
        *("No exchange rates used.", "1 unit without spend", "0.00 USD"),
    ):
        assert words in text


def test_month_before_that_is_not_known_is_said_to_be_so() -> None:
    first, *rest = REPORTS["closed"].trends
    alone = replace(first, amounts=(None,) * 11 + first.amounts[-1:])
    totals = replace(REPORTS["closed"].totals, previous=Decimal(0))
    report = replace(REPORTS["closed"], totals=totals, trends=(alone, *rest))
    text = render(report, "html").decode()
    assert "no data for the month before" in text
    assert "the month before</dd>" in render(REPORTS["closed"], "html").decode()
    assert "no data for the month before" not in render(REPORTS["closed"], "html").decode()


def test_large_report_stays_below_a_megabyte() -> None:
    report = sample_report(units=60, accounts=1000, services=60, is_open=True)
    content = render(report, "html")
    assert len(content) < 1_000_000
    rows = page(report).column("accounts", "Account")
    assert rows[-2] == "940 more accounts, in the other formats"
    costs = amounts(page(report).column("accounts", "Costs"))
    assert total(one for one in costs[:-1] if one is not None) == costs[-1]
    assert len(csv_lines(report, "accounts")) == 1000


@pytest.mark.parametrize("is_open", [True, False])
def test_thousands_of_units_and_accounts_are_a_page_that_can_be_read(is_open: bool) -> None:
    report = sample_report(units=5_000, accounts=20_000, services=300, is_open=is_open)
    assert len(render(report, "html")) < 1_000_000
    found = page(report)
    rows = found.column("units", "Business unit")
    assert len(rows) == 63
    assert rows[-3].startswith("Unmapped")
    assert rows[-2].startswith("4,940 more business units")
    for column in ("Actual so far" if is_open else "Actual", "Budget"):
        costs = [one for one in amounts(found.column("units", column)) if one is not None]
        assert total(costs[:-1]) == costs[-1]
    over = [one.name for one in overrun(report.units) if one.name != UNMAPPED]
    assert [row for row in rows[:30] if not row.startswith(tuple(over))] == []
    assert len(csv_lines(report, "units")) == 5_001
    trends = found.column("trends", "Business unit")
    assert trends[-1] == "4,940 more units"
    for at, month in enumerate(report.trend_months):
        whole, *parts = amounts(found.column("trends", month))
        assert whole == report.trends[0].amounts[at]
        assert total(one for one in parts if one is not None) == (whole or 0)


# Contrast, https://www.w3.org/TR/WCAG22/#contrast-minimum

_TEXTS = (
    *(("ink", "page"), ("soft", "page"), ("soft", "wash"), ("ink", "wash"), ("accent", "page")),
    *((tone, f"{tone}-back") for tone in ("good", "warn", "bad", "mute")),
    *(("bad", "page"), ("good", "page"), ("ink", "warn-back")),
)
_GRAPHICS = (
    *(("accent", "page"), ("mid", "page"), ("mark", "page"), ("ink", "line"), ("accent", "pale")),
    *((tone, "wash") for tone in ("good", "warn", "bad", "mute")),
)


def palettes() -> Iterator[dict[str, str]]:
    text = render(REPORTS["closed"], "html").decode()
    light, dark = re.findall(r":root\{([^}]*--page[^}]*)\}", text)
    for found in (light, dark):
        yield dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", found))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", list(palettes()), ids=["light", "dark"])
def test_colours_can_be_told_apart(palette: dict[str, str]) -> None:
    for pairs, least in ((_TEXTS, 4.5), (_GRAPHICS, 3.0)):
        for front, back in pairs:
            ratio = contrast(palette[front], palette[back])
            assert ratio >= least, f"{front} on {back}: {ratio:.2f}"


# Geometry


def test_bars_of_positive_amounts_stand_on_zero_and_negative_ones_hang_from_it() -> None:
    chart = bar_chart([("a", Decimal(10), False), ("b", Decimal(-5), False), ("c", None, False)])
    up, down, nothing = chart.bars
    assert float(up.y) + float(up.height) == pytest.approx(float(chart.baseline), abs=0.11)
    assert down.y == chart.baseline
    assert float(up.height) == pytest.approx(2 * float(down.height), abs=0.2)
    assert nothing.value is None
    assert Decimal(0) in [tick.value for tick in chart.ticks]


def test_bullet_says_where_its_bar_is_cut() -> None:
    drawn = bullet(Decimal(160), Decimal(100), None, full=Decimal(150))
    assert drawn is not None
    assert drawn.actual == "100.0"
    assert drawn.beyond


def test_bullet_is_in_percent_of_what_fills_it() -> None:
    drawn = bullet(
        Decimal(120), Decimal(100), Decimal(190), full=Decimal(150), threshold_pct=Decimal(10)
    )
    assert drawn is not None
    assert (drawn.actual, drawn.budget, drawn.forecast) == ("80.0", "66.7", "100.0")
    assert (drawn.low, drawn.band, drawn.excess) == ("60.0", "13.3", "13.3")
    assert not drawn.beyond
    assert bullet(Decimal(0), Decimal(0), None, full=Decimal(0)) is None


def test_strips_share_one_scale() -> None:
    up, down = strips([Decimal(30), Decimal(-10)])
    assert (up.x, up.width, up.negative) == ("25.0", "75.0", False)
    assert (down.x, down.width, down.negative) == ("0.0", "25.0", True)


def test_every_report_is_as_its_published_schema_says() -> None:
    text = report_schema.PUBLISHED.read_text(encoding="utf-8")
    assert text == report_schema.text(), "run scripts/report_schema.py"
    published = json.loads(text)
    Draft202012Validator.check_schema(published)
    validator = Draft202012Validator(published)
    for report in REPORTS.values():
        validator.validate(json.loads(render(report, "json")))
    wrong = json.loads(render(REPORTS["open"], "json")) | {"units": [{"name": 5}]}
    assert not validator.is_valid(wrong)
