"""Documents, invoices and records with usual values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from finops.invoices.domain import (
    Invoice,
    InvoiceRecord,
    InvoiceStatus,
    Issue,
    LineItem,
    Reading,
    Severity,
    SourceDocument,
)

#: The values of `invoice()`.
READ = {
    "vendor": "Acme GmbH",
    "invoice_number": "R-2026/001",
    "invoice_date": "2026-03-31",
    "currency": "EUR",
    "total": "119.00",
}


def invoice(**values: str) -> Invoice:
    return Invoice(
        readings={
            name: Reading(value=value, confidence=95.0)
            for name, value in (READ | values).items()
            if value
        }
    )


def document(key: str, size: int = 100, version: str = "v1") -> SourceDocument:
    return SourceDocument(bucket="b", key=key, version_id=version, size=size)


def record(key: str = "raw/a.pdf", **facts: Any) -> InvoiceRecord:
    source = facts.pop("document", document(key))
    moment = datetime(2026, 4, 1, tzinfo=UTC)
    return InvoiceRecord(
        **{
            "id": source.document_id,
            "document": source,
            "status": InvoiceStatus.RECEIVED,
            "received_at": moment,
            "updated_at": moment,
        }
        | facts
    )


def processed(number: int = 1, **values: str) -> InvoiceRecord:
    item = LineItem(
        description="=HYPERLINK(1)",
        quantity=Decimal(2),
        unit_price=Decimal("0.12345"),
        amount=Decimal("119.00"),
    )
    read = replace(
        invoice(subtotal="100.00", tax="19.00", due_date="2026-04-30", **values),
        line_items=(item,),
    )
    issue = Issue(code="past_due", severity=Severity.FLAG, field="due_date", message="it was due")
    return record(
        f"raw/{number}, ü.pdf",
        invoice=read,
        status=InvoiceStatus.PROCESSED,
        serial_number=f"INV-2026-{number:06}",
        issues=(issue,),
        processed_at=datetime(2026, 4, 1, 12, 30, 15, tzinfo=UTC),
        engine="textract",
    )
