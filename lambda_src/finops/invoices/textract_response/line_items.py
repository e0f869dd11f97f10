"""A line item of an AnalyzeExpense response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from finops.invoices.conventions import Conventions
from finops.invoices.domain import LineItem
from finops.invoices.textract_response.pages import clean

_TAX_LABEL: Final = re.compile(r"\b(?:tax|vat|mwst|ust|tva|btw|iva|moms|gst)\b", re.IGNORECASE)
_ITEM_TYPES: Final = frozenset(
    {"ITEM", "PRODUCT_CODE", "QUANTITY", "UNIT_PRICE", "PRICE", "TAX", "EXPENSE_ROW"}
)


def line_item(
    item: Mapping[str, Any], page: int, conventions: Conventions, digits: int | None
) -> LineItem:
    """The item; columns that have no field of ours are kept by their labels."""
    texts: dict[str, str] = {}
    other: dict[str, str] = {}
    sure = 100.0
    for one in item.get("LineItemExpenseFields") or ():
        kind = (one.get("Type") or {}).get("Text") or "OTHER"
        value = one.get("ValueDetection") or {}
        text = " ".join(clean(value.get("Text") or "").split())
        label = " ".join(clean((one.get("LabelDetection") or {}).get("Text") or "").split())
        if kind != "EXPENSE_ROW" and text:
            sure = min(sure, float(value.get("Confidence") or 0.0))
        if kind == "OTHER" and _TAX_LABEL.search(label) and "%" not in text and "TAX" not in texts:
            texts["TAX"] = text
        elif kind == "OTHER" or kind in texts:
            key = label or kind
            while key in other:
                key += "'"
            other[key] = text
        else:
            texts[kind] = text

    def number(kind: str) -> Decimal | None:
        return conventions.amount(texts[kind], digits)[0] if texts.get(kind) else None

    quantity = None
    if texts.get("QUANTITY"):
        # A quantity has no minor units: 1.000 can mean one or a thousand.
        quantity, _ = conventions.amount(texts["QUANTITY"], None)
    return LineItem(
        description=texts.get("ITEM", "") or texts.get("PRODUCT_CODE", ""),
        product_code=texts.get("PRODUCT_CODE", ""),
        quantity=quantity,
        unit_price=number("UNIT_PRICE"),
        amount=number("PRICE"),
        tax=number("TAX"),
        confidence=round(sure, 2),
        page=page,
        text=texts.get("EXPENSE_ROW", ""),
        other={
            **{kind: text for kind, text in texts.items() if kind not in _ITEM_TYPES},
            **other,
        },
    )
