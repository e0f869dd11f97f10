"""Answers of AnalyzeExpense, made small."""

from __future__ import annotations

from typing import Any

#: What AnalyzeExpense calls our fields.
TYPES = {
    "vendor": "VENDOR_NAME",
    "invoice_number": "INVOICE_RECEIPT_ID",
    "invoice_date": "INVOICE_RECEIPT_DATE",
    "due_date": "DUE_DATE",
    "subtotal": "SUBTOTAL",
    "tax": "TAX",
    "total": "TOTAL",
    "vendor_tax_id": "VENDOR_VAT_NUMBER",
}
GOOD = {
    "vendor": "Acme GmbH",
    "invoice_number": "R-77",
    "invoice_date": "2026-03-31",
    "subtotal": "EUR 100.00",
    "tax": "EUR 19.00",
    "total": "EUR 119.00",
}


def page(values: dict[str, str], number: int = 1, confidence: float = 99.0) -> dict[str, Any]:
    box = {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": 0.2, "Height": 0.02}}
    return {
        "ExpenseIndex": number,
        "SummaryFields": [
            {
                "Type": {"Text": TYPES[name], "Confidence": confidence},
                "ValueDetection": {"Text": value, "Confidence": confidence, "Geometry": box},
                "PageNumber": number,
                **({"Currency": {"Code": "EUR", "Confidence": 99.0}} if "EUR" in value else {}),
            }
            for name, value in values.items()
        ],
        "LineItemGroups": [],
    }


def answer(*pages: dict[str, str], confidence: float = 99.0) -> dict[str, Any]:
    return {
        "DocumentMetadata": {"Pages": len(pages)},
        "ExpenseDocuments": [page(one, n, confidence) for n, one in enumerate(pages, 1)],
    }
