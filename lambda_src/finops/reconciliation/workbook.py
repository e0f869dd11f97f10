"""A report as an Excel workbook: a sheet a table, with its sum as a formula."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.domain import total
from finops.reconciliation.report import Report
from finops.shared.money import minor_units

#: The same bytes for the same report.
_CREATED: Final = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_COLOURS: Final = {
    "OVERRUN": ("#FBDFDD", "#8C1D18"),
    "UNDERRUN": ("#FFF1CC", "#7A5200"),
    "ON_TRACK": ("#DDF3E4", "#18603A"),
    "NO_BUDGET": ("#E8E8EC", "#44444F"),
    "NO_SPEND": ("#E8E8EC", "#44444F"),
    "AGREES": ("#DDF3E4", "#18603A"),
    "EXPLAINED": ("#FFF1CC", "#7A5200"),
    "DIFFERS": ("#FBDFDD", "#8C1D18"),
    "MISSING": ("#E8E8EC", "#44444F"),
    "HOLDS": ("#DDF3E4", "#18603A"),
    "BROKEN": ("#FBDFDD", "#8C1D18"),
    "NOT CHECKED": ("#E8E8EC", "#44444F"),
}
_WIDE: Final = frozenset(
    {"rule", "note", "evidence", "explanation", "line", "service", "services", "units", "unit"}
)
Cell = Decimal | str | date | int | None


def write_xlsx(report: Report) -> bytes:
    """The workbook."""
    import xlsxwriter

    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    book.set_properties({"title": f"Cloud costs {report.month}", "created": _CREATED})
    sheets = _Sheets(book, report.currency)
    _summary(sheets, report)
    _costs(sheets, report)
    _findings(sheets, report)
    book.close()
    return file.getvalue()


class _Sheets:
    def __init__(self, book: Any, currency: str) -> None:
        self._book = book
        self._head = book.add_format(
            {"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "vcenter"}
        )
        self._date = book.add_format({"num_format": "yyyy-mm-dd"})
        digits = minor_units().get(currency) or 0
        number = "#,##0" + (f".{'0' * digits}" if digits else "")
        style = {"num_format": f"{number};[Red]-{number}"}
        self._money = book.add_format(style)
        self._sum = book.add_format({**style, "bold": True, "top": 1})
        self._total = book.add_format({"bold": True, "top": 1})
        self._statuses = {
            status: book.add_format({"bg_color": back, "font_color": front})
            for status, (back, front) in _COLOURS.items()
        }

    def table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        sums: Sequence[str] = (),
    ) -> None:
        """A sheet with a filter, a frozen header, and sums of some columns below."""
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_row(0, 20)
        written = [list(row) for row in rows]
        for at, column in enumerate(columns):
            sheet.set_column(at, at, 44 if column in _WIDE else 17)
            sheet.write_string(0, at, column.replace("_", " "), self._head)
        for row, cells in enumerate(written, 1):
            for at, cell in enumerate(cells):
                self._write(sheet, row, at, cell)
        sheet.autofilter(0, 0, max(len(written), 1), len(columns) - 1)
        if sums and written:
            last = len(written) + 1
            sheet.write_string(last, 0, "Sum", self._total)
            for column in sums:
                at = columns.index(column)
                letter = chr(ord("A") + at)
                value = total(cell for row in written if isinstance(cell := row[at], Decimal))
                formula = f"=SUM({letter}2:{letter}{last})"
                sheet.write_formula(last, at, formula, self._sum, float(value))

    def _write(self, sheet: Any, row: int, at: int, cell: Cell) -> None:
        match cell:
            case None | "":
                return
            case Decimal():
                sheet.write_number(row, at, float(cell), self._money)
            case date():
                sheet.write_datetime(row, at, cell, self._date)
            case int():
                sheet.write_number(row, at, cell)
            case _:
                sheet.write_string(row, at, cell, self._statuses.get(cell))


def _summary(sheets: _Sheets, report: Report) -> None:
    totals = report.totals
    state = f"closed, revision {report.revision}" if report.revision else "not closed"
    rows: list[tuple[str, Cell]] = [
        ("Month", report.month),
        ("State", state),
        ("Costs known before (UTC)", report.known_until),
        ("Source", report.source_name),
        ("Cost", report.metric),
        ("Currency", report.currency),
        ("Actual", totals.actual),
        ("Shown apart", totals.apart),
        ("Budget", totals.budget),
        ("Variance", totals.variance),
        ("Forecast of the whole month", totals.forecast),
        ("Month before", totals.previous),
        ("Change", totals.change),
        ("Unmapped", totals.unmapped),
        *(("Note", note) for note in report.notes),
    ]
    sheets.table("Summary", ("line", "note"), [row for row in rows if row[1] is not None])


def _costs(sheets: _Sheets, report: Report) -> None:
    sheets.table(
        "Units",
        (
            *("unit", "status", "actual", "apart", "budget", "variance", "variance_pct"),
            *("forecast", "previous", "change", "cost_centre", "owner", "environment", "budget_of"),
        ),
        [
            (
                *(one.name, one.status.value, one.actual, one.apart, one.budget, one.variance),
                *(_percent(one.variance_pct), one.forecast, one.previous, one.change),
                *(one.cost_centre, one.owner, one.environment, one.budget_origin),
            )
            for one in report.units
        ],
        sums=("actual", "apart", "budget", "forecast", "previous", "change"),
    )
    sheets.table(
        "Drivers",
        ("unit", "against", "service", "account", "account_name", "now", "before", "change"),
        [
            (
                *(unit.name, against, one.service, one.account, one.account_name),
                *(one.now, one.before, one.change),
            )
            for unit in report.units
            for against, drivers in (("month before", unit.drivers), ("plan", unit.plan_drivers))
            for one in drivers
        ],
    )
    sheets.table(
        "Unmapped",
        ("payer", "account", "account_name", "amount"),
        [(one.payer, one.account, one.name, one.amount) for one in report.unmapped],
        sums=("amount",),
    )
    sheets.table(
        "Accounts",
        ("payer", "account", "account_name", "units", "amount", "previous", "change"),
        [
            (
                *(one.payer, one.account, one.name, "; ".join(one.units)),
                *(one.amount, one.previous, one.change),
            )
            for one in report.accounts
        ],
        sums=("amount", "previous", "change"),
    )
    sheets.table(
        "Services",
        ("service", "amount", "previous", "change"),
        [(one.service, one.amount, one.previous, one.change) for one in report.services],
        sums=("amount", "previous", "change"),
    )
    sheets.table(
        "Categories",
        ("category", "amount", "shown"),
        [
            (one.category, one.amount, "apart" if one.apart else "in units")
            for one in report.categories
        ],
        sums=("amount",),
    )
    sheets.table(
        "Trends",
        ("unit", *report.trend_months),
        [(one.unit, *one.amounts) for one in report.trends],
    )
    sheets.table(
        "Days", ("day", "usage"), [(one.day, one.amount) for one in report.daily], sums=("usage",)
    )


def _findings(sheets: _Sheets, report: Report) -> None:
    sheets.table(
        "Anomalies",
        (
            *("scope", "subject", "name", "units", "first", "last", "actual", "expected"),
            *("impact", "services", "evidence"),
        ),
        [
            (
                *(one.scope, one.subject, one.name, "; ".join(one.units), one.first, one.last),
                *(one.actual, one.expected, one.impact, "; ".join(one.services), one.evidence),
            )
            for one in report.anomalies
        ],
    )
    sheets.table(
        "Invoices",
        (
            *("payer", "invoice_id", "issuer", "currency", "charged", "invoiced", "processed"),
            *("difference", "agreement", "reason", "explanation"),
        ),
        [
            (
                *(one.payer, one.invoice_id, one.issuer, one.currency, one.charged, one.invoiced),
                *(one.processed, one.difference, one.agreement.value, one.reason),
                one.explanation,
            )
            for one in report.invoices
        ],
    )
    sheets.table(
        "Checks",
        ("name", "holds", "rule", "expected", "found", "note"),
        [
            (
                one.name,
                {True: "HOLDS", False: "BROKEN", None: "NOT CHECKED"}[one.holds],
                *(one.rule, one.expected, one.found, one.note),
            )
            for one in report.checks
        ],
    )
    sheets.table(
        "Rates",
        ("currency", "rate", "rate_date", "source"),
        [
            (one.currency, f"{one.rate.normalize():f}", one.rate_date, one.source)
            for one in report.rates
        ],
    )
    if report.changes:
        sheets.table(
            "Changes",
            ("table", "line", "before", "after"),
            [(one.table, one.line, one.before, one.after) for one in report.changes],
        )


def _percent(value: Decimal | None) -> str:
    return "" if value is None else f"{value:+f}%"
