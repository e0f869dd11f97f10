"""Invoices sent as JSON: `{"invoice": {"invoiceId", "customerId", "amount", "dueDate", …}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from finops.invoices.domain import Invoice, InvoiceKind, LineItem, Reading
from finops.shared.errors import RejectedInput
from finops.shared.money import is_currency

#: Our field for each key of the document. Other keys are ignored.
_TEXTS: Final = {
    "invoiceId": "invoice_number",
    "vendor": "vendor",
    "customerId": "customer",
    "customerEmail": "customer_email",
    "description": "description",
    "purchaseOrder": "purchase_order",
    "currency": "currency",
}
_AMOUNTS: Final = {"amount": "total", "subtotal": "subtotal", "tax": "tax"}
_DATES: Final = {"invoiceDate": "invoice_date", "dueDate": "due_date"}
_REQUIRED: Final = ("invoiceId", "customerId", "amount", "dueDate")
_DECIMAL = re.compile(r"[+-]?\d{1,24}(\.\d{1,12})?", re.ASCII)
#: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1 and its erratum 1690: 254 characters.
_EMAIL = re.compile(r"(?=.{3,254}\Z)[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+", re.DOTALL)


def read_json(content: bytes, *, currency: str) -> Invoice:
    """The invoice of a JSON document.

    Without a vendor, the customer's id takes its place.

    Args:
        content: UTF-8. Amounts are numbers or strings; both are read exactly.
        currency: ISO 4217, for an invoice without a currency.

    Raises:
        RejectedInput: the document does not have this shape; gives the key and the value.
    """
    try:
        document = json.loads(
            content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number
        )
    except UnicodeDecodeError as error:
        raise _refused(
            "invalid_json", "the file is not UTF-8 text", remedy="Save it as UTF-8"
        ) from error
    except RecursionError as error:
        raise _refused("invalid_json", "the JSON is nested too deeply") from error
    except ValueError as error:
        raise _refused(
            "invalid_json", f"the file is not valid JSON: {error}", remedy="Fix it at that position"
        ) from error
    found = document.get("invoice") if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        raise _refused(
            "invalid_json",
            'the key "invoice" is missing, or is not an object',
            remedy='Send {"invoice": {"invoiceId": …, "customerId": …, "amount": …, "dueDate": …}}',
        )
    for key in _REQUIRED:
        if found.get(key) in (None, ""):
            raise _refused("missing", f"{key} is missing", field=key, remedy=f"Add invoice.{key}")
    return _invoice(found, currency)


def _invoice(found: Mapping[str, Any], currency: str) -> Invoice:
    values = {
        **{name: _text(found, key) for key, name in _TEXTS.items()},
        **{name: _amount(found, key) for key, name in _AMOUNTS.items()},
        **{name: _date(found, key) for key, name in _DATES.items()},
    }
    values["vendor"] = values["vendor"] or values["customer"]
    values["currency"] = (values["currency"] or currency).upper()
    if not is_currency(values["currency"]):
        raise _refused(
            "unknown_currency",
            f"currency {values['currency']!r} is not an ISO 4217 code",
            field="currency",
            value=values["currency"],
            remedy="Write a code such as USD",
        )
    address = values["customer_email"]
    if address and not _EMAIL.fullmatch(address):
        raise _refused(
            "invalid_email",
            f"customerEmail {address!r} is not an e-mail address",
            field="customerEmail",
            value=address,
            remedy="Write it as name@example.com, or leave it out",
        )
    kind = str(found.get("kind") or InvoiceKind.INVOICE).upper()
    if kind not in InvoiceKind.__members__:
        raise _refused(
            "unknown_kind",
            f"kind {kind!r} is not one of {', '.join(InvoiceKind)}",
            field="kind",
            value=kind,
        )
    items = found.get("items") or []
    if not isinstance(items, list):
        raise _refused("invalid_items", f"items {_shown(items)} is not a list", field="items")
    return Invoice(
        kind=InvoiceKind(kind),
        readings={
            name: Reading(value=value, text=value, source="json")
            for name, value in values.items()
            if value
        },
        line_items=tuple(_item(number, one) for number, one in enumerate(items)),
    )


def _item(number: int, item: Any) -> LineItem:
    where = f"items[{number}]"
    if not isinstance(item, Mapping):
        raise _refused("invalid_items", f"{where} {_shown(item)} is not an object", field=where)
    quantity = _amount(item, "quantity", where)
    rate = _amount(item, "rate", where)
    amount = _amount(item, "amount", where)
    worth = Decimal(amount) if amount else None
    if worth is None and quantity and rate:
        worth = Decimal(quantity) * Decimal(rate)
    return LineItem(
        description=_text(item, "description", where),
        quantity=Decimal(quantity) if quantity else None,
        unit_price=Decimal(rate) if rate else None,
        amount=worth,
    )


def _text(found: Mapping[str, Any], key: str, where: str = "") -> str:
    value = found.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        name = f"{where}.{key}".lstrip(".")
        raise _refused(
            "invalid_text", f"{name} {_shown(value)} is not a string", field=name, value=value
        )
    return " ".join(str(value).split())


def _amount(found: Mapping[str, Any], key: str, where: str = "") -> str:
    value = found.get(key)
    if value is None or value == "":
        return ""
    name = f"{where}.{key}".lstrip(".")
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, int | Decimal) and not isinstance(text, bool):
        text = f"{Decimal(text):f}"
    try:
        if isinstance(text, str) and _DECIMAL.fullmatch(text):
            return f"{Decimal(text):f}"
    except InvalidOperation:
        pass
    raise _refused(
        "invalid_amount",
        f"{name} {_shown(value)} is not an amount",
        field=name,
        value=value,
        remedy="Write digits with a decimal point, such as 1234.50",
    )


def _date(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if value is None or value == "":
        return ""
    try:
        # A time of day may follow the date.
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError as error:
        raise _refused(
            "invalid_date",
            f"{key} {_shown(value)} is not a date",
            field=key,
            value=value,
            remedy="Write dates as 2026-03-31",
        ) from error


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _no_number(text: str) -> Decimal:
    raise _refused("invalid_json", f"{text} is not a number", remedy="Write amounts as numbers")


def _refused(
    code: str, message: str, *, field: str = "", value: object = None, remedy: str = ""
) -> RejectedInput:
    return RejectedInput(message, code=code, field=field, value=value, step="read", remedy=remedy)
