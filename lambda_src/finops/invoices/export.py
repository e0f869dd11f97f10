"""Invoices as Excel, CSV and JSON: one description of each, so that all three agree."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final, Protocol

from finops.invoices.domain import Invoice, InvoiceStatus, Issue, LineItem
from finops.shared.money import minor_units
from finops.shared.spreadsheets import guard

#: The columns of a summary, in the order in which people read them.
SUMMARY: Final = (
    "id",
    "file",
    "status",
    "serial_number",
    "kind",
    "vendor",
    "invoice_number",
    "invoice_date",
    "due_date",
    "currency",
    "subtotal",
    "tax",
    "total",
    "confidence",
    "customer",
    "purchase_order",
    "vendor_tax_id",
    "duplicate_of",
    "received_at",
    "processed_at",
    "engine",
    "issues",
)
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
_AMOUNTS: Final = frozenset({"subtotal", "tax", "total", "unit_price", "amount"})
_DATES: Final = frozenset({"invoice_date", "due_date"})
_WIDTHS: Final = {
    "id": 23,
    "file": 30,
    "status": 19,
    "vendor": 30,
    "invoice_number": 20,
    "description": 50,
    "customer": 26,
    "issues": 80,
    "serial_number": 17,
    "duplicate_of": 23,
    "received_at": 19,
    "processed_at": 19,
}
_STATUS_COLOURS: Final = {
    "PROCESSED": ("#DDF3E4", "#18603A"),
    "NEEDS_REVIEW": ("#FFF1CC", "#7A5200"),
    "DUPLICATE": ("#E8E8EC", "#44444F"),
    "REJECTED": ("#FBDFDD", "#8C1D18"),
    "VALIDATION_FAILED": ("#FBDFDD", "#8C1D18"),
    "PROCESSING_FAILED": ("#FBDFDD", "#8C1D18"),
}
#: A spreadsheet's numbers are doubles: beyond so many digits they are not what was read.
_EXACT_DIGITS: Final = 15
#: The same bytes for the same invoices.
_CREATED: Final = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


class Exportable(Protocol):
    """What is exported of an invoice's record."""

    @property
    def id(self) -> str:
        """The invoice's id."""

    @property
    def file(self) -> str:
        """The file's name."""

    @property
    def status(self) -> InvoiceStatus:
        """How it stands."""

    @property
    def serial_number(self) -> str:
        """Our own number, or an empty text."""

    @property
    def duplicate_of(self) -> str:
        """The id of the invoice that it repeats or resembles."""

    @property
    def invoice(self) -> Invoice | None:
        """What was read."""

    @property
    def issues(self) -> Sequence[Issue]:
        """What is wrong."""

    @property
    def received_at(self) -> datetime:
        """UTC."""

    @property
    def processed_at(self) -> datetime | None:
        """UTC."""

    @property
    def engine(self) -> str:
        """Who read it."""


def as_json(record: Exportable) -> dict[str, Any]:
    """An invoice as scripts read it: amounts are texts, dates ISO 8601, null what is not there."""
    read = record.invoice
    text = read.text if read else lambda _: ""
    return {
        "id": record.id,
        "file": record.file,
        "status": record.status.value,
        "serial_number": record.serial_number or None,
        "kind": read.kind.value if read else None,
        **{
            name: text(name) or None
            for name in (
                *("vendor", "invoice_number", "invoice_date", "due_date", "currency"),
                *("subtotal", "tax", "total"),
            )
        },
        "confidence": round(read.confidence, 1) if read else None,
        **{
            name: text(name) or None
            for name in ("customer", "customer_email", "purchase_order", "vendor_tax_id")
        },
        "duplicate_of": record.duplicate_of or None,
        "received_at": record.received_at.isoformat(),
        "processed_at": record.processed_at.isoformat() if record.processed_at else None,
        "engine": record.engine or None,
        "issues": [
            {
                "code": issue.code,
                "severity": issue.severity.value,
                "field": issue.field or None,
                "message": issue.message,
            }
            for issue in record.issues
        ],
        "line_items": [_line_json(item) for item in (read.line_items if read else ())],
    }


def write_json(invoices: Iterable[Exportable], file: BinaryIO) -> None:
    """Write `{"invoices": […]}`, one invoice a line."""
    file.write(b'{"invoices": [')
    for number, record in enumerate(invoices):
        file.write(b",\n" if number else b"\n")
        file.write(json.dumps(as_json(record), ensure_ascii=False).encode())
    file.write(b"\n]}\n")


def write_csv(invoices: Iterable[Exportable], file: BinaryIO) -> None:
    """Write a row an invoice, as RFC 4180 says, with the mark by which spreadsheets know UTF-8."""
    file.write("\ufeff".encode())
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(SUMMARY)
    for record in invoices:
        described = _described(as_json(record))
        writer.writerow([guard(str(described.get(name) or "")) for name in SUMMARY])
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


def write_xlsx(invoices: Iterable[Exportable], file: BinaryIO) -> None:
    """Write a workbook: a summary, the line items, and the totals by currency and status."""
    import xlsxwriter

    book = xlsxwriter.Workbook(file, {"constant_memory": True, "in_memory": False})
    book.set_properties({"title": "Invoices", "created": _CREATED})
    sheets = _Sheets(book)
    for record in invoices:
        sheets.add(as_json(record))
    sheets.close()
    book.close()


class _Sheets:
    """The workbook's three sheets, written row by row."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._head = book.add_format(
            {"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "vcenter"}
        )
        self._date = book.add_format({"num_format": "yyyy-mm-dd"})
        self._statuses = {
            status: book.add_format({"bg_color": back, "font_color": front})
            for status, (back, front) in _STATUS_COLOURS.items()
        }
        self._money: dict[int, Any] = {}
        self._summary = self._sheet("Invoices", SUMMARY)
        self._lines = self._sheet("Line items", LINES)
        self._totals: dict[tuple[str, str], tuple[int, Decimal]] = {}
        self._row = self._line = 0

    def add(self, described: Mapping[str, Any]) -> None:
        """Write an invoice."""
        self._row += 1
        currency = described["currency"] or ""
        self._write(self._summary, self._row, SUMMARY, _described(described), currency)
        if described["total"]:
            key = (described["status"], currency)
            count, total = self._totals.get(key, (0, Decimal(0)))
            self._totals[key] = (count + 1, total + Decimal(described["total"]))
        for number, item in enumerate(described["line_items"], 1):
            self._line += 1
            line = {**{name: described[name] for name in LINES[:4]}, **item}
            line |= {"line": number, "currency": currency}
            self._write(self._lines, self._line, LINES, line, currency)

    def close(self) -> None:
        """Filter what is written, and add up."""
        self._summary.autofilter(0, 0, max(self._row, 1), len(SUMMARY) - 1)
        self._lines.autofilter(0, 0, max(self._line, 1), len(LINES) - 1)
        totals = self._sheet("Totals", ("status", "currency", "invoices", "total"))
        columns = {name: _letter(SUMMARY.index(name)) for name in ("status", "currency", "total")}
        for row, ((status, currency), (count, total)) in enumerate(sorted(self._totals.items()), 1):
            totals.write_string(row, 0, status, self._statuses.get(status))
            totals.write_string(row, 1, currency)
            totals.write_number(row, 2, count)
            ranges = {
                name: f"Invoices!${letter}$2:${letter}${self._row + 1}"
                for name, letter in columns.items()
            }
            totals.write_formula(
                row,
                3,
                f"=SUMIFS({ranges['total']},{ranges['status']},A{row + 1},"
                f"{ranges['currency']},B{row + 1})",
                self._amount_format(currency),
                float(total),
            )

    def _sheet(self, name: str, columns: Sequence[str]) -> Any:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_row(0, 20)
        for at, column in enumerate(columns):
            sheet.set_column(at, at, _WIDTHS.get(column, 13))
            sheet.write_string(0, at, column.replace("_", " "), self._head)
        return sheet

    def _write(
        self, sheet: Any, row: int, columns: Sequence[str], values: Mapping[str, Any], currency: str
    ) -> None:
        for at, name in enumerate(columns):
            value = values.get(name)
            if value is None or value == "":
                continue
            if name in _DATES:
                sheet.write_datetime(row, at, date.fromisoformat(value), self._date)
            elif name in _AMOUNTS | {"quantity"} and _is_exact(value):
                style = None if name == "quantity" else self._amount_format(currency, value)
                sheet.write_number(row, at, float(value), style)
            elif name in {"confidence", "line"}:
                sheet.write_number(row, at, value)
            else:
                sheet.write_string(row, at, str(value), self._statuses.get(str(value)))

    def _amount_format(self, currency: str, value: str = "0") -> Any:
        """Digits of the currency, more where the amount has more; negative ones are red."""
        digits = max(minor_units().get(currency) or 0, -_exponent(value))
        if digits not in self._money:
            number = "#,##0" + (f".{'0' * digits}" if digits else "")
            self._money[digits] = self._book.add_format({"num_format": f"{number};[Red]-{number}"})
        return self._money[digits]


def _described(found: Mapping[str, Any]) -> dict[str, Any]:
    """With issues as prose, and instants as people read them."""
    instants = {
        name: found[name] and f"{found[name][:10]} {found[name][11:19]}"
        for name in ("received_at", "processed_at")
    }
    issues = "; ".join(issue["message"] for issue in found["issues"])
    return {**found, **instants, "issues": issues}


def _line_json(item: LineItem) -> dict[str, Any]:
    return {
        "description": item.description,
        "product_code": item.product_code or None,
        **{
            name: None if (value := getattr(item, name)) is None else f"{value:f}"
            for name in ("quantity", "unit_price", "amount", "tax")
        },
    }


def _is_exact(value: str) -> bool:
    return len(Decimal(value).as_tuple().digits) <= _EXACT_DIGITS


def _exponent(value: str) -> int:
    exponent = Decimal(value).as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _letter(column: int) -> str:
    return chr(ord("A") + column)
