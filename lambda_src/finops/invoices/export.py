"""Invoices as CSV and JSON, and the description of an invoice that every export starts from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Final

from finops.invoices.domain import InvoiceRecord, LineItem
from finops.shared.spreadsheets import guard

#: The columns of a list of invoices, in the order in which people read them.
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
    "signed_total",
    "amount_paid",
    "amount_due",
    "confidence",
    "customer",
    "purchase_order",
    "contract",
    "preceding_invoice",
    "vendor_tax_id",
    "customer_tax_id",
    "payee",
    "iban",
    "payment_reference",
    "payment_terms",
    "duplicate_of",
    "received_at",
    "processed_at",
    "engine",
    "issues",
    "signed_subtotal",
    "signed_tax",
    "signed_amount_paid",
    "signed_amount_due",
)
#: The amounts that are also told as they count in sums.
SIGNED: Final = ("subtotal", "tax", "total", "amount_paid", "amount_due")


def as_json(record: InvoiceRecord) -> dict[str, Any]:
    """An invoice as scripts read it: amounts are strings, dates ISO 8601, missing values null.

    `signed_…` are amounts as they count in sums: a credit note's are negative. Without an amount
    due, `signed_amount_due` is what is left of the total.
    """
    read = record.invoice
    signed = {name: read.signed(name) if read else None for name in SIGNED}
    signed["amount_due"] = read.signed_amount_due if read else None
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
        **{f"signed_{name}": None if one is None else f"{one:f}" for name, one in signed.items()},
        "confidence": round(read.confidence, 1) if read else None,
        **{
            name: text(name) or None
            for name in (
                *("amount_paid", "rounding", "amount_due", "discount", "shipping"),
                *("customer", "customer_tax_id", "customer_email", "purchase_order", "contract"),
                *("preceding_invoice", "vendor_tax_id", "payee", "iban", "payment_reference"),
                "payment_terms",
            )
        },
        "taxes": [
            {
                "category": one.category or None,
                "rate": None if one.rate is None else f"{one.rate.normalize():f}",
                "base": f"{one.base:f}",
                "tax": f"{one.tax:f}",
            }
            for one in (read.taxes if read else ())
        ],
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


def write_json(invoices: Iterable[InvoiceRecord], file: BinaryIO) -> None:
    """Write `{"invoices": […]}`, one invoice on each line."""
    file.write(b'{"invoices": [')
    for number, record in enumerate(invoices):
        file.write(b",\n" if number else b"\n")
        file.write(json.dumps(as_json(record), ensure_ascii=False).encode(errors="replace"))
    file.write(b"\n]}\n")


def write_csv(invoices: Iterable[InvoiceRecord], file: BinaryIO) -> None:
    """Write one row for each invoice, as in RFC 4180.

    The file starts with a byte order mark, by which Excel recognizes UTF-8.
    """
    file.write("\ufeff".encode())
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(SUMMARY)
    for record in invoices:
        described = printed(as_json(record))
        writer.writerow([guard(str(described.get(name) or "")) for name in SUMMARY])
        file.write(text.getvalue().encode(errors="replace"))
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


def printed(found: Mapping[str, Any]) -> dict[str, Any]:
    """The description with its issues as one text, and times as `2026-03-31 12:30:15` in UTC."""
    times = {
        name: found[name] and f"{found[name][:10]} {found[name][11:19]}"
        for name in ("received_at", "processed_at")
    }
    issues = "; ".join(issue["message"] for issue in found["issues"])
    return {**found, **times, "issues": issues}


def _line_json(item: LineItem) -> dict[str, Any]:
    return {
        "description": item.description,
        "product_code": item.product_code or None,
        **{
            name: None if (value := getattr(item, name)) is None else f"{value:f}"
            for name in ("quantity", "unit_price", "amount", "tax")
        },
    }
