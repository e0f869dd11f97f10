"""Invoices as an Excel workbook: the invoices, their line items, and totals as formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, Final

from finops.invoices.domain import InvoiceRecord
from finops.invoices.export import SUMMARY, as_json, printed
from finops.shared.spreadsheets import cell_text
from finops.shared.workbook import BAD, CREATED, GOOD, NEUTRAL, WARNING, Styles, is_exact

LINES: Final = (
    "id",
    "file",
    "vendor",
    "invoice_number",
    "line",
    "product_code",
    "description",
    "quantity",
    "unit_price",
    "amount",
    "tax",
    "currency",
)
_AMOUNTS: Final = frozenset(
    {"subtotal", "tax", "total", "signed_total", "amount_paid", "amount_due"}
    | {"unit_price", "amount"}
)
_DATES: Final = frozenset({"invoice_date", "due_date"})
_WIDTHS: Final = {
    "id": 23,
    "file": 30,
    "status": 19,
    "vendor": 30,
    "invoice_number": 20,
    "description": 50,
    "customer": 26,
    "iban": 30,
    "payment_reference": 24,
    "payment_terms": 40,
    "issues": 80,
    "serial_number": 17,
    "duplicate_of": 23,
    "received_at": 19,
    "processed_at": 19,
}
_STATUSES: Final = {
    "PROCESSED": GOOD,
    "NEEDS_REVIEW": WARNING,
    "DUPLICATE": NEUTRAL,
    "REJECTED": BAD,
    "VALIDATION_FAILED": BAD,
    "PROCESSING_FAILED": BAD,
}


def write_xlsx(invoices: Iterable[InvoiceRecord], file: BinaryIO) -> None:
    """Write a workbook with the sheets Invoices, Line items and Totals (by currency and status).

    In the totals credit notes count as negative.
    """
    import xlsxwriter

    book = xlsxwriter.Workbook(file, {"constant_memory": True, "in_memory": False})
    book.set_properties({"title": "Invoices", "created": CREATED})
    sheets = _Sheets(book)
    for record in invoices:
        sheets.add(as_json(record))
    sheets.close()
    book.close()


class _Sheets:
    """The workbook's three sheets, written row by row."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._styles = Styles(book, _STATUSES)
        self._summary = self._sheet("Invoices", SUMMARY)
        self._lines = self._sheet("Line items", LINES)
        self._totals: dict[tuple[str, str], tuple[int, Decimal]] = {}
        self._row = self._line = 0

    def add(self, described: Mapping[str, Any]) -> None:
        """Write an invoice."""
        self._row += 1
        currency = described["currency"] or ""
        self._write(self._summary, self._row, SUMMARY, printed(described), currency)
        if described["signed_total"]:
            key = (described["status"], currency)
            count, total = self._totals.get(key, (0, Decimal(0)))
            self._totals[key] = (count + 1, total + Decimal(described["signed_total"]))
        for number, item in enumerate(described["line_items"], 1):
            self._line += 1
            line = {**{name: described[name] for name in LINES[:4]}, **item}
            line |= {"line": number, "currency": currency}
            self._write(self._lines, self._line, LINES, line, currency)

    def close(self) -> None:
        """Add the filters and the sheet of totals."""
        from xlsxwriter.utility import xl_col_to_name

        self._summary.autofilter(0, 0, max(self._row, 1), len(SUMMARY) - 1)
        self._lines.autofilter(0, 0, max(self._line, 1), len(LINES) - 1)
        totals = self._sheet("Totals", ("status", "currency", "invoices", "total"))
        columns = {
            name: xl_col_to_name(SUMMARY.index(name))
            for name in ("status", "currency", "signed_total")
        }
        for row, ((status, currency), (count, total)) in enumerate(sorted(self._totals.items()), 1):
            totals.write_string(row, 0, status, self._styles.statuses.get(status))
            totals.write_string(row, 1, currency)
            totals.write_number(row, 2, count)
            ranges = {
                name: f"Invoices!${letter}$2:${letter}${self._row + 1}"
                for name, letter in columns.items()
            }
            totals.write_formula(
                row,
                3,
                f"=SUMIFS({ranges['signed_total']},{ranges['status']},A{row + 1},"
                f"{ranges['currency']},B{row + 1})",
                self._styles.amount(currency),
                float(total),
            )

    def _sheet(self, name: str, columns: Sequence[str]) -> Any:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_row(0, 20)
        for at, column in enumerate(columns):
            sheet.set_column(at, at, _WIDTHS.get(column, 13))
            sheet.write_string(0, at, column.replace("_", " "), self._styles.head)
        return sheet

    def _write(
        self, sheet: Any, row: int, columns: Sequence[str], values: Mapping[str, Any], currency: str
    ) -> None:
        for at, name in enumerate(columns):
            value = values.get(name)
            if value is None or value == "":
                continue
            if name in _DATES:
                sheet.write_datetime(row, at, date.fromisoformat(value), self._styles.date)
            elif name in _AMOUNTS | {"quantity"} and is_exact(number := Decimal(value)):
                style = None if name == "quantity" else self._styles.amount(currency, number)
                sheet.write_number(row, at, float(number), style)
            elif name in {"confidence", "line"}:
                sheet.write_number(row, at, value)
            else:
                sheet.write_string(
                    row, at, cell_text(str(value)), self._styles.statuses.get(str(value))
                )
