"""Invoices as an Excel workbook: the invoices, their line items, and totals as formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, Final

from finops.invoices.domain import InvoiceKind, InvoiceRecord
from finops.invoices.export import SIGNED, as_json, printed
from finops.shared.money import EXACT
from finops.shared.spreadsheets import cell_text
from finops.shared.workbook import BAD, CREATED, GOOD, NEUTRAL, WARNING, Styles, is_exact

#: What is printed, on one page's width.
_PRINTED: Final = (
    "serial_number",
    "status",
    "kind",
    "vendor",
    "invoice_number",
    "invoice_date",
    "due_date",
    "currency",
    "subtotal",
    "tax",
    "total",
    "amount_paid",
    "amount_due",
    "payment_terms",
)
#: The columns of the sheet of invoices. Amounts of credit notes are negative.
ACCOUNTING: Final = (
    *_PRINTED,
    "payee",
    "iban",
    "payment_reference",
    "purchase_order",
    "contract",
    "preceding_invoice",
    "vendor_tax_id",
    "customer",
    "customer_tax_id",
    "issues",
    "confidence",
    "received_at",
    "processed_at",
    "engine",
    "file",
    "duplicate_of",
    "id",
)
LINES: Final = (
    "serial_number",
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
    "file",
    "id",
)
TOTALS: Final = (
    "status",
    "currency",
    "invoices",
    "total",
    "amount_due",
    "credit_notes",
    "credited",
)
_AMOUNTS: Final = frozenset(
    {"subtotal", "tax", "total", "amount_paid", "amount_due", "unit_price", "amount", "credited"}
)
_NUMBERS: Final = _AMOUNTS | {"quantity", "confidence", "line", "invoices", "credit_notes"}
_DATES: Final = frozenset({"invoice_date", "due_date"})
_WIDTHS: Final = {
    "id": 23,
    "file": 30,
    "status": 19,
    "kind": 13,
    "currency": 9,
    "vendor": 28,
    "invoice_number": 20,
    "description": 50,
    "customer": 26,
    "iban": 30,
    "payment_reference": 24,
    "payment_terms": 32,
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
    """Write a workbook for accounting: the sheets Invoices, Line items and Totals.

    Amounts of credit notes are negative, so that each column can be added up; the totals, by status
    and currency, are net of them. An amount due that a document does not state is what is left of
    its total.
    """
    import xlsxwriter

    book = xlsxwriter.Workbook(file, {"constant_memory": True, "in_memory": False})
    book.set_properties({"title": "Invoices", "created": CREATED})
    sheets = _Sheets(book)
    for record in invoices:
        sheets.add(as_json(record))
    sheets.close()
    book.close()


@dataclass
class _Sum:
    """The invoices of one status and currency."""

    invoices: int = 0
    credit_notes: int = 0
    total: Decimal = Decimal(0)
    due: Decimal = Decimal(0)
    credited: Decimal = Decimal(0)


class _Sheets:
    """The workbook's three sheets, written row by row."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._styles = Styles(book, _STATUSES)
        self._summary = self._sheet("Invoices", ACCOUNTING)
        self._lines = self._sheet("Line items", LINES)
        self._totals: dict[tuple[str, str], _Sum] = {}
        self._row = self._line = 0

    def add(self, described: Mapping[str, Any]) -> None:
        """Write an invoice."""
        self._row += 1
        currency = described["currency"] or ""
        row = printed(described) | {name: described[f"signed_{name}"] for name in SIGNED}
        self._write(self._summary, self._row, ACCOUNTING, row, currency)
        if row["total"]:
            self._count(described["status"], currency, row)
        turned = described["signed_total"] != described["total"]
        for number, item in enumerate(described["line_items"], 1):
            self._line += 1
            line = {**{name: described[name] for name in LINES if name in described}, **item}
            line |= {"line": number, "currency": currency}
            if turned:
                line |= {name: _negative(line[name]) for name in ("amount", "tax")}
            self._write(self._lines, self._line, LINES, line, currency)

    def _count(self, status: str, currency: str, row: Mapping[str, Any]) -> None:
        found = self._totals.setdefault((status, currency), _Sum())
        total = Decimal(row["total"])
        found.invoices += 1
        found.total = EXACT.add(found.total, total)
        found.due = EXACT.add(found.due, Decimal(row["amount_due"]))
        if row["kind"] == InvoiceKind.CREDIT_NOTE:
            found.credit_notes += 1
            found.credited = EXACT.add(found.credited, total)

    def close(self) -> None:
        """Add the filters, what is printed, and the sheet of totals."""
        self._summary.autofilter(0, 0, max(self._row, 1), len(ACCOUNTING) - 1)
        self._summary.print_area(0, 0, max(self._row, 1), len(_PRINTED) - 1)
        self._lines.autofilter(0, 0, max(self._line, 1), len(LINES) - 1)
        totals = self._sheet("Totals", TOTALS)
        for row, ((status, currency), one) in enumerate(sorted(self._totals.items()), 1):
            totals.write_string(row, 0, status, self._styles.statuses.get(status))
            totals.write_string(row, 1, currency)
            totals.write_number(row, 2, one.invoices)
            self._write_sum(totals, row, "total", "total", one.total, currency)
            self._write_sum(totals, row, "amount_due", "amount_due", one.due, currency)
            totals.write_number(row, TOTALS.index("credit_notes"), one.credit_notes)
            self._write_sum(
                totals, row, "credited", "total", one.credited, currency, kind="CREDIT_NOTE"
            )

    def _write_sum(
        self,
        totals: Any,
        row: int,
        name: str,
        added: str,
        value: Decimal,
        currency: str,
        kind: str = "",
    ) -> None:
        """Write a formula that adds a column of the invoices up, and its value for now."""
        matches = [("status", f"A{row + 1}"), ("currency", f"B{row + 1}")]
        if kind:
            matches.append(("kind", f'"{kind}"'))
        terms = "".join(f",{self._range(column)},{wanted}" for column, wanted in matches)
        totals.write_formula(
            row,
            TOTALS.index(name),
            f"=SUMIFS({self._range(added)}{terms})",
            self._styles.amount(currency),
            float(value),
        )

    def _range(self, column: str) -> str:
        from xlsxwriter.utility import xl_col_to_name

        letter = xl_col_to_name(ACCOUNTING.index(column))
        return f"Invoices!${letter}$2:${letter}${self._row + 1}"

    def _sheet(self, name: str, columns: Sequence[str]) -> Any:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer(f"&L{name}&RPage &P of &N")
        sheet.set_row(0, 20)
        for at, column in enumerate(columns):
            head = self._styles.number_head if column in _NUMBERS else self._styles.head
            sheet.set_column(at, at, _WIDTHS.get(column, 13))
            sheet.write_string(0, at, column.replace("_", " "), head)
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


def _negative(amount: str | None) -> str | None:
    return amount and f"{Decimal(amount).copy_negate():f}"
