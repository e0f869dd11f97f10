"""A report as an Excel workbook: a sheet a table, with filters, and its sums as formulas.

Each formula's value is kept beside it, so that a program that does not calculate shows the same.
A spreadsheet's numbers are doubles: an amount that a double cannot hold is written as text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.report import Report, Unit
from finops.reconciliation.showback import FOLDER
from finops.reconciliation.year import Year
from finops.shared.money import total
from finops.shared.workbook import BAD, CREATED, GOOD, NEUTRAL, WARNING, Red, Styles, is_exact

_COLOURS: Final = {
    "OVERRUN": BAD,
    "UNDERRUN": WARNING,
    "ON_TRACK": GOOD,
    "NO_BUDGET": NEUTRAL,
    "NO_SPEND": NEUTRAL,
    "AGREES": GOOD,
    "EXPLAINED": WARNING,
    "DIFFERS": BAD,
    "MISSING": NEUTRAL,
    "HOLDS": GOOD,
    "BROKEN": BAD,
    "NOT CHECKED": NEUTRAL,
}
_WIDTHS: Final = {
    **dict.fromkeys(("Business unit", "Business units", "Service", "Services", "Line"), 34),
    **dict.fromkeys(("Owner or value", "Page"), 40),
    **dict.fromkeys(("Rule", "Note", "Evidence", "Explanation"), 70),
    **dict.fromkeys(("Account name", "Issuer", "Owner", "Budget from", "Source", "Counts"), 28),
    **dict.fromkeys(("Status", "Currency", "Days", "First day", "Last day"), 13),
}
_CHARTED_UNITS: Final = 25
Cell = Decimal | str | date | None


@dataclass(frozen=True, slots=True)
class _Share:
    """A percentage, as reports show it."""

    percent: Decimal | None


def write_xlsx(report: Report) -> bytes:
    """The workbook."""
    import xlsxwriter

    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    book.set_properties({"title": f"Cloud costs {report.month}", "created": CREATED})
    sheets = _Sheets(book, report)
    summary = sheets.add("Summary")
    units = _units(sheets, report)
    _groups(sheets, report)
    _summary(sheets, summary, report, units)
    _costs(sheets, report)
    if report.year:
        _year(sheets, report.year)
    if report.aws_budgets is not None:
        _aws_budgets(sheets, report.aws_budgets)
    if report.showback:
        _showback(sheets, report)
    _findings(sheets, report)
    book.close()
    return file.getvalue()


class _Sheets:
    """The workbook, and the formats of its cells."""

    def __init__(self, book: Any, report: Report) -> None:
        self.book = book
        self._report = report
        self._styles = Styles(book, _COLOURS)
        self.title = book.add_format({"bold": True, "font_size": 16, "font_color": "#1F3A5F"})
        self.label = book.add_format({"font_color": "#52606D", "valign": "top"})
        self.prose = book.add_format({"text_wrap": True, "valign": "top"})
        self._percents = {
            red: book.add_format({"num_format": red.format("+0.0%", "-0.0%", "0.0%")})
            for red in (Red.NONE, Red.POSITIVE)
        }
        self.part = book.add_format({"num_format": "0.0%"})
        self.total = book.add_format({"bold": True, "top": 1})

    def add(self, name: str) -> Any:
        """A sheet that prints on as many pages as it needs, each as wide as the paper."""
        sheet = self.book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self._report.month} {name}&RPage &P of &N")
        return sheet

    def money(self, value: Decimal = Decimal(0), *, column: str = "", total: bool = False) -> Any:
        """The format of an amount in the report's currency."""
        currency = self._report.currency
        return self._styles.amount(currency, value, total=total, red=_red(column))

    def table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell | _Share]],
        *,
        sums: Sequence[str] = (),
    ) -> tuple[Any, int]:
        """A sheet with a filter, a header that stays, and sums below; and the number of rows."""
        sheet, written = self.add(name), [list(row) for row in rows]
        sheet.freeze_panes(1, 1)
        sheet.set_row(0, 32)
        sheet.repeat_rows(0)
        numeric = {
            at for row in written for at, cell in enumerate(row) if isinstance(cell, Decimal)
        }
        for at, column in enumerate(columns):
            sheet.set_column(at, at, _WIDTHS.get(column, 17))
            head = self._styles.number_head if at in numeric else self._styles.head
            sheet.write_string(0, at, column, head)
        for row, cells in enumerate(written, 1):
            for at, cell in enumerate(cells):
                self.write(sheet, row, at, cell, columns[at])
        sheet.autofilter(0, 0, max(len(written), 1), len(columns) - 1)
        if sums and written:
            below = len(written) + 1
            sheet.write_string(below, 0, "Total", self.total)
            for column in sums:
                at = columns.index(column)
                amounts = [row[at] for row in written]
                value = total(one for one in amounts if isinstance(one, Decimal))
                # Of all rows, whichever the filter shows.
                formula = f"=SUM({_cell(1, at)}:{_cell(len(written), at)})"
                style = self.money(column=column, total=True)
                sheet.write_formula(below, at, formula, style, float(value))
        return sheet, len(written)

    def write(self, sheet: Any, row: int, at: int, cell: Cell | _Share, column: str = "") -> None:
        """One cell, by its type; never a formula."""
        match cell:
            case None | "" | _Share(None):
                return
            case _Share(Decimal() as percent):
                is_part = column.startswith(("Share", "Remaining"))
                style = self.part if is_part else self._percents[_red(column)]
                sheet.write_number(row, at, float(percent / 100), style)
            case Decimal() if is_exact(cell):
                sheet.write_number(row, at, float(cell), self.money(cell, column=column))
            case Decimal():
                sheet.write_string(row, at, f"{cell:f}")
            case date():
                sheet.write_datetime(row, at, cell, self._styles.date)
            case str():
                sheet.write_string(row, at, cell, self._styles.statuses.get(cell))


def _red(column: str) -> Red:
    """Costs above a budget are bad news; a credit, or less than the month before, is not."""
    return Red.POSITIVE if column.startswith("Variance") else Red.NONE


def _units(sheets: _Sheets, report: Report) -> int:
    _, count = sheets.table(
        "Units",
        (
            *("Business unit", "Status", "Actual", "Budget", "Variance", "Variance %"),
            *("Forecast", "Month before", "Change", "Change %", "Excluded", "Variance by forecast"),
            *("Cost centre", "Owner", "Environment", "Alert threshold %", "Budget from"),
        ),
        [
            (
                *(one.name, one.status.value, one.actual, one.budget, one.variance),
                *(_Share(one.variance_pct), one.forecast, one.previous, one.change),
                *(_Share(one.change_pct), one.excluded, _off(one), one.cost_centre, one.owner),
                *(one.environment, one.alert_threshold_pct, one.budget_origin),
            )
            for one in report.units
        ],
        sums=(
            *("Actual", "Budget", "Variance", "Month before", "Change", "Excluded"),
            *(("Forecast", "Variance by forecast") if report.totals.forecast is not None else ()),
        ),
    )
    return count


def _off(unit: Unit) -> Decimal | None:
    """By which an open month's status goes."""
    if unit.forecast is None or unit.budget is None:
        return None
    return unit.forecast - unit.budget


def _groups(sheets: _Sheets, report: Report) -> None:
    if not report.groups:
        return
    sheets.table(
        "Groups",
        (
            *("Group", "In", "Actual", "Budget", "Variance", "Variance %", "Without a budget"),
            *("Forecast", "Variance by forecast", "Month before", "Change", "Change %"),
            *("Owner", "Business units"),
        ),
        [
            (
                *(one.name, one.parent, one.actual, one.budget, one.variance),
                *(_Share(one.variance_pct), one.unbudgeted, one.forecast, one.forecast_variance),
                *(one.previous, one.change, _Share(one.change_pct), one.owner),
                "; ".join(one.units),
            )
            for one in report.groups
        ],
    )


def _summary(sheets: _Sheets, sheet: Any, report: Report, units: int) -> None:
    """What matters, calculated from the sheet of units."""
    totals = report.totals
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 22)
    sheet.set_column(2, 2, 70)
    sheet.write_string(0, 0, f"Cloud costs {report.month}", sheets.title)
    if report.revision:
        state = f"Closed, revision {report.revision}"
    else:
        state = "Month open" if report.known_until else "Month over, not closed yet"
    facts: list[tuple[str, Cell]] = [
        ("Month", state),
        ("Costs known up to (UTC)", report.known_until and report.known_until - timedelta(days=1)),
        ("Source", report.source_name),
        ("Cost", report.metric),
        ("Currency of all sheets", report.currency),
    ]
    row = 1
    for label, value in facts:
        if value is not None:
            row += 1
            sheet.write_string(row, 0, label, sheets.label)
            sheets.write(sheet, row, 1, value)
    row += 1

    def of_units(column: int) -> str:
        return f"=Units!{_cell(units + 1, column)}" if units else ""

    for label, formula, amount, note in (
        ("Actual", of_units(2), totals.actual, "Excluded categories are not included"),
        ("Budget", of_units(3), totals.budget, "Of units with a budget"),
        ("Variance", of_units(4), totals.variance, "Actual minus budget, of units with a budget"),
        (
            "Without a budget",
            "",
            totals.unbudgeted,
            "Part of actual: units without a budget, and unmapped costs",
        ),
        (
            *("Forecast for the month", of_units(6), totals.forecast),
            "An estimate for the whole month; statuses follow it",
        ),
        (
            *("Variance by forecast", of_units(11), totals.forecast_variance),
            "Forecast minus budget, of units with a budget",
        ),
        (
            *("Forecast, low end", "", totals.forecast_low),
            "About 80% of months end between the low and the high end",
        ),
        ("Forecast, high end", "", totals.forecast_high, ""),
        ("Usage to date", "", totals.usage_to_date, "Days that are known"),
        (
            *("Usage to date, month before", "", totals.usage_to_date_previous),
            "The same days of the month before",
        ),
        ("Month before", of_units(7), totals.previous, ""),
        ("Change", of_units(8), totals.change, "Actual minus month before"),
        *_other_costs(report),
        *_commitments(report),
        ("Unmapped", "", totals.unmapped, "Part of actual: costs that no mapping rule covers"),
        ("Excluded", of_units(10), totals.excluded, "Not included in actual"),
    ):
        if amount is None:
            continue
        row += 1
        sheet.write_string(row, 0, label, sheets.label)
        sheet.write_string(row, 2, note, sheets.label)
        if formula:
            sheet.write_formula(row, 1, formula, sheets.money(column=label), float(amount))
        else:
            sheets.write(sheet, row, 1, amount, label)
    row += 1
    for note in report.notes:
        row += 1
        sheet.write_string(row, 0, "Note", sheets.label)
        sheet.merge_range(row, 1, row, 2, "", sheets.prose)
        sheet.write_string(row, 1, note, sheets.prose)
        sheet.set_row(row, 15 * (1 + len(note) // 95))
    if report.units:
        chart = sheets.book.add_chart({"type": "bar"})
        last = min(len(report.units), _CHARTED_UNITS)
        for name, column, colour in (("Budget", 3, "#B9C6D6"), ("Actual", 2, "#1F4E8C")):
            chart.add_series(
                {
                    "name": name,
                    "categories": ["Units", 1, 0, last, 0],
                    "values": ["Units", 1, column, last, column],
                    "fill": {"color": colour},
                    "gap": 60,
                }
            )
        chart.set_title({"name": f"Actual against budget, {report.currency}"})
        chart.set_y_axis({"reverse": True})
        chart.set_x_axis({"num_format": "#,##0", "major_gridlines": {"visible": True}})
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 900, "height": 140 + 34 * last})
        sheet.insert_chart(row + 2, 0, chart)


def _other_costs(report: Report) -> Iterable[tuple[str, str, Decimal | None, str]]:
    """Actual by the costs that are not compared."""
    totals = report.totals
    for name, amount, note in (
        ("billed", totals.billed, "Actual by what invoices say"),
        ("amortized", totals.amortized, "Actual with fees spread over the usage they pay for"),
    ):
        if name != report.metric:
            yield name.capitalize(), "", amount, note


def _year(sheets: _Sheets, year: Year) -> None:
    sheets.table(
        "Year",
        (
            *("Business unit", "Year to date", "Budget to date", "Variance to date"),
            *("Annual budget", "Remaining", "Remaining %"),
            *("Same month a year before", "Change", "Change %"),
        ),
        [
            (
                *(one.unit, one.actual, one.budget, one.variance, one.year_budget, one.remaining),
                *(_Share(one.remaining_pct), one.year_before, one.change, _Share(one.change_pct)),
            )
            for one in year.lines
        ],
    )


def _aws_budgets(sheets: _Sheets, budgets: Sequence[AwsBudget]) -> None:
    """Without sums: budgets may count the same costs."""
    sheets.table(
        "AWS Budgets",
        (
            *("Account", "Account name", "Budget", "Period", "First day", "Last day", "Currency"),
            *("Limit", "Actual", "Variance", "Forecast", "Variance by forecast"),
            *("Counts", "Default of", "Delivery", "Read at (UTC)"),
        ),
        [
            (
                *(one.account, one.account_name, one.name, one.period, one.first, one.last),
                *(one.currency, one.limit, one.actual, one.variance, one.forecast),
                *(one.forecast_variance, one.counts, one.default_of, one.delivery),
                f"{one.read_at:%Y-%m-%d %H:%M}",
            )
            for one in budgets
        ],
    )


def _showback(sheets: _Sheets, report: Report) -> None:
    """Without sums: all costs are here once by owner and once by each tag."""
    sheets.table(
        "Showback",
        (
            *("By", "Owner or value", "Actual", "Month before", "Change", "Change %"),
            *("Share of all costs", "Budget", "Variance", "Forecast", "Page"),
        ),
        [
            row
            for by in report.showback
            for row in (
                *(
                    (
                        *(by.title, by.named(one), one.actual, one.previous, one.change),
                        *(_Share(one.change_pct), _Share(one.share_pct), one.budget, one.variance),
                        *(one.forecast, f"{FOLDER}/{one.page}"),
                    )
                    for one in by.statements
                ),
                *(
                    (by.title, one.item, one.actual, one.previous, one.change, *[None] * 6)
                    for one in (by.others,)
                    if one
                ),
            )
        ],
    )


def _commitments(report: Report) -> Iterable[tuple[str, str, Decimal | None, str]]:
    found = report.commitments
    if found is None:
        return
    yield "List cost of usage", "", found.list_cost, "Usage with a list price, by it"
    share = f"Effective savings rate: {found.effective_savings_pct}%"
    yield "Effective cost of usage", "", found.effective_cost, share
    yield "Covered by commitments", "", found.covered, f"Coverage: {found.coverage_pct}%"
    share = "" if found.utilization_pct is None else f"Utilization: {found.utilization_pct}%"
    yield "Commitments used", "", found.used, share
    yield "Commitments unused", "", found.unused, "Paid for, and not needed by any usage"


def _costs(sheets: _Sheets, report: Report) -> None:
    sheets.table(
        "Drivers",
        (
            *("Business unit", "Against", "Service", "Account", "Account name"),
            *("Actual", "Before or plan", "Change", "New or gone"),
        ),
        [
            (
                *(name, against, one.service, one.account, one.account_name),
                *(one.now, one.before, one.change, one.kind),
            )
            for name, against, drivers in (
                ("All", "month before", report.drivers),
                *(
                    (unit.name, against, drivers)
                    for unit in report.units
                    for against, drivers in (
                        ("month before", unit.drivers),
                        ("plan", unit.plan_drivers),
                    )
                ),
            )
            for one in drivers
        ],
    )
    if report.prices:
        sheets.table(
            "Prices",
            (
                *("Service", "Actual", "Month before", "Change"),
                *("Price", "Quantity", "Exchange rates", "Other"),
            ),
            [
                (
                    *(one.service, one.now, one.before, one.change),
                    *(one.price, one.quantity, one.exchange, one.other),
                )
                for one in report.prices
            ],
            sums=(
                "Actual",
                "Month before",
                "Change",
                "Price",
                "Quantity",
                "Exchange rates",
                "Other",
            ),
        )
    sheets.table(
        "Unmapped",
        ("Account", "Account name", "Payer", "Actual"),
        [(one.account, one.name, one.payer, one.amount) for one in report.unmapped],
        sums=("Actual",),
    )
    sheets.table(
        "Accounts",
        ("Account", "Account name", "Payer", "Business units", "Costs", "Month before", "Change"),
        [
            (
                *(one.account, one.name, one.payer, "; ".join(one.units)),
                *(one.amount, one.previous, one.change),
            )
            for one in report.accounts
        ],
        sums=("Costs", "Month before", "Change"),
    )
    sheets.table(
        "Services",
        ("Service", "Costs", "Month before", "Change"),
        [(one.service, one.amount, one.previous, one.change) for one in report.services],
        sums=("Costs", "Month before", "Change"),
    )
    sheets.table(
        "Categories",
        ("Category", "Costs", "Shown"),
        [
            (one.category, one.amount, "excluded" if one.excluded else "in units")
            for one in report.categories
        ],
        sums=("Costs",),
    )
    _trends(sheets, report)
    sheets.table(
        "Days", ("Day", "Usage"), [(one.day, one.amount) for one in report.daily], sums=("Usage",)
    )


def _trends(sheets: _Sheets, report: Report) -> None:
    sheet, count = sheets.table(
        "Trends",
        ("Business unit", *report.trend_months),
        [(one.unit, *one.amounts) for one in report.trends],
    )
    if not count:
        return
    last = len(report.trend_months)
    chart = sheets.book.add_chart({"type": "column"})
    chart.add_series(
        {
            "name": ["Trends", 1, 0],
            "categories": ["Trends", 0, 1, 0, last],
            "values": ["Trends", 1, 1, 1, last],
            "fill": {"color": "#1F4E8C"},
            "gap": 50,
        }
    )
    chart.set_title({"name": f"All costs by month, {report.currency}"})
    chart.set_y_axis({"num_format": "#,##0", "min": 0 if _none_negative(report) else None})
    chart.set_legend({"none": True})
    chart.set_size({"width": 900, "height": 320})
    sheet.insert_chart(count + 2, 0, chart)


def _none_negative(report: Report) -> bool:
    return all(one is None or one >= 0 for one in report.trends[0].amounts)


def _findings(sheets: _Sheets, report: Report) -> None:
    sheets.table(
        "Anomalies",
        (
            *("Account or service", "Account name", "Business units", "First day", "Last day"),
            *("Actual", "Expected", "Impact", "Services", "Evidence", "Kind", "Acknowledged"),
        ),
        [
            (
                *(one.subject, one.name, "; ".join(one.units), one.first, one.last, one.actual),
                *(one.expected, one.impact, "; ".join(one.services), one.evidence),
                *(one.kind, one.acknowledged),
            )
            for one in report.anomalies
        ],
    )
    sheets.table(
        "Invoices",
        (
            *("Invoice", "Payer", "Issuer", "Status", "Currency", "Charged", "Invoiced"),
            *("Document", "Difference", "Reason", "Explanation"),
        ),
        [
            (
                *(one.invoice_id or "All charges of the payer", one.payer, one.issuer),
                *(one.agreement.value, one.currency, one.charged, one.invoiced, one.processed),
                *(one.difference, one.reason, one.explanation),
            )
            for one in report.invoices
        ],
    )
    sheets.table(
        "Checks",
        ("Rule", "Status", "Expected", "Found", "Note"),
        [
            (
                one.rule,
                {True: "HOLDS", False: "BROKEN", None: "NOT CHECKED"}[one.holds],
                *(one.expected, one.found, one.note),
            )
            for one in report.checks
        ],
    )
    sheets.table(
        "Rates",
        ("Currency", f"{report.currency} for one", "Rate of", "Source"),
        [
            (one.currency, f"{one.rate.normalize():f}", one.rate_date, one.source)
            for one in report.rates
        ],
    )
    if report.changes:
        sheets.table(
            "Changes",
            ("Line", "Table", "Before", "After"),
            [(one.line, one.table, one.before, one.after) for one in report.changes],
        )


def _cell(row: int, column: int) -> str:
    """The cell's name in a formula; row and column count from 0."""
    return f"{chr(ord('A') + column)}{row + 1}"
