"""Invoices sent as JSON: `{"invoice": {"invoiceId", "customerId", "amount", "dueDate", …}}`."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from finops.invoices.domain import Invoice, InvoiceKind, LineItem, Reading
from finops.shared.errors import RejectedInput
from finops.shared.money import is_money

#: Our field for each key of the document. Other keys are ignored, unless they are nearly one.
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
_ITEM_KEYS: Final = ("description", "quantity", "rate", "amount")
_KEYS: Final = (*_TEXTS, *_AMOUNTS, *_DATES, "kind", "items")
#: Other names that senders use for our keys, without separators and in lower case.
_OTHER_NAMES: Final = {
    "total": "amount",
    "totalamount": "amount",
    "grandtotal": "amount",
    "amountdue": "amount",
    "gross": "amount",
    "grossamount": "amount",
    "net": "subtotal",
    "netamount": "subtotal",
    "vat": "tax",
    "vatamount": "tax",
    "taxamount": "tax",
    "salestax": "tax",
    "supplier": "vendor",
    "seller": "vendor",
    "vendorname": "vendor",
    "suppliername": "vendor",
    "sellername": "vendor",
    "id": "invoiceId",
    "number": "invoiceId",
    "invoicenumber": "invoiceId",
    "invoiceno": "invoiceId",
    "customer": "customerId",
    "email": "customerEmail",
    "date": "invoiceDate",
    "issuedate": "invoiceDate",
    "issued": "invoiceDate",
    "due": "dueDate",
    "paymentdue": "dueDate",
    "ponumber": "purchaseOrder",
    "ordernumber": "purchaseOrder",
    "currencycode": "currency",
    "type": "kind",
    "documenttype": "kind",
    "invoicetype": "kind",
    "lines": "items",
    "lineitems": "items",
}
_OTHER_ITEM_NAMES: Final = {
    "qty": "quantity",
    "price": "rate",
    "unitprice": "rate",
    "total": "amount",
    "lineamount": "amount",
    "linetotal": "amount",
    "name": "description",
    "item": "description",
}
#: Names that resemble our keys, and mean something else.
_HARMLESS: Final = frozenset(
    {"customername", "vendorid", "vendortaxid", "taxid", "taxrate", "itemcount", "amountpaid"}
)
#: Keys by which invoices are told apart, and the categories of characters that nobody sees.
_IDS: Final = frozenset({"invoiceId", "customerId", "purchaseOrder", "currency", "kind"})
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})
#: Digits of an exponent: 1e24 is more than there is money.
_LARGEST_EXPONENT: Final = 24
_REQUIRED: Final = ("invoiceId", "customerId", "amount", "dueDate")
_DECIMAL = re.compile(r"[+-]?\d{1,24}(\.\d{1,12})?", re.ASCII)
#: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1 and its erratum 1690: 254 characters.
_LITERAL = re.compile(r"([+-]?\d{1,40}(?:\.\d{1,40})?)(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL = re.compile(r"(?=.{3,254}\Z)[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+", re.DOTALL)


class _Literal(str):
    """A number as the document writes it."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object of the document; `twice` names a key that it has more than once."""

    twice = ""


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object()
    for key, value in pairs:
        if key in found:
            found.twice = key
        found[key] = value
    return found


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
            content.decode("utf-8-sig"),
            parse_float=_Literal,
            parse_int=_Literal,
            parse_constant=_no_number,
            object_pairs_hook=_object,
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
    _check_text(document, "")
    if isinstance(document, _Object):
        _check_keys(document, "", ("invoice",), {})
    found = document.get("invoice") if isinstance(document, Mapping) else None
    if not isinstance(found, _Object):
        raise _refused(
            "invalid_json",
            'the key "invoice" is missing, or is not an object',
            remedy='Send {"invoice": {"invoiceId": …, "customerId": …, "amount": …, "dueDate": …}}',
        )
    _check_keys(found, "", _KEYS, _OTHER_NAMES)
    for key in _REQUIRED:
        if found.get(key) in (None, ""):
            raise _refused("missing", f"{key} is missing", field=key, remedy=f"Add invoice.{key}")
    return _invoice(found, currency)


def _check_keys(
    found: _Object, where: str, known: Sequence[str], other_names: Mapping[str, str]
) -> None:
    """Refuse keys that are there twice, and keys that are nearly known."""
    if found.twice:
        name = _path(where, found.twice)
        raise _refused(
            "duplicate_key", f"{name} is there twice", field=name, remedy="Send each key once"
        )
    meant = {key: near for key in found if (near := _meant(key, known, other_names))}
    if meant:
        names = [_path(where, key) for key in meant]
        said = f"{' and '.join(names)} {'is not a key' if len(meant) == 1 else 'are not keys'}"
        raise _refused(
            "unknown_key",
            f"{said}; did you mean {', '.join(meant.values())}",
            field=names[0],
            remedy=f"Use one of: {', '.join(known)}; or a name that resembles none of them",
        )


def _meant(key: str, known: Sequence[str], other_names: Mapping[str, str]) -> str:
    """The known key that an unknown one nearly is, or means; empty if there is none."""
    if key in known:
        return ""
    plain = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", key)).lower()
    if plain in _HARMLESS:
        return ""
    names = {name.lower(): name for name in known} | dict(other_names)
    near = difflib.get_close_matches(plain, names, n=1, cutoff=0.8)
    return names[near[0]] if near else ""


def _check_text(value: Any, where: str) -> None:
    """Refuse text that is not valid Unicode, wherever it is."""
    if isinstance(value, _Object):
        for key, one in value.items():
            _check_text(key, where)
            _check_text(one, _path(where, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _check_text(one, f"{where}[{number}]")
    elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        name = where.encode("utf-8", "replace").decode()
        raise _refused(
            "invalid_text",
            f"{name or 'a key'} contains half of a character (a lone surrogate)",
            field=name,
            remedy="Send the file as UTF-8 without \\ud800 to \\udfff alone",
        )


def _path(where: str, key: str) -> str:
    return f"{where}.{key}".removeprefix("invoice.").lstrip(".")


def _invoice(found: Mapping[str, Any], currency: str) -> Invoice:
    values = {
        **{name: _text(found, key) for key, name in _TEXTS.items()},
        **{name: _amount(found, key) for key, name in _AMOUNTS.items()},
        **{name: _date(found, key) for key, name in _DATES.items()},
    }
    values["vendor"] = values["vendor"] or values["customer"]
    values["currency"] = (values["currency"] or currency).upper()
    if not is_money(values["currency"]):
        raise _refused(
            "unknown_currency",
            f"currency {values['currency']!r} is not an ISO 4217 code of money",
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
    kind = (_text(found, "kind") or InvoiceKind.INVOICE).upper()
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
    if not isinstance(item, _Object):
        raise _refused("invalid_items", f"{where} {_shown(item)} is not an object", field=where)
    _check_keys(item, where, _ITEM_KEYS, _OTHER_ITEM_NAMES)
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
    name = _path(where, key)
    if not isinstance(value, str):
        raise _refused(
            "invalid_text", f"{name} {_shown(value)} is not a string", field=name, value=value
        )
    text = " ".join(value.split())
    # A sign that nobody sees makes another number of the same invoice.
    unseen = _UNSEEN if key in _IDS else {"Cc"}
    if strange := next((c for c in text if unicodedata.category(c) in unseen), ""):
        raise _refused(
            "invalid_text",
            f"{name} {_shown(value)} contains the invisible character U+{ord(strange):04X}",
            field=name,
            value=value,
            remedy="Type it again, instead of copying it",
        )
    return text


def _amount(found: Mapping[str, Any], key: str, where: str = "") -> str:
    value = found.get(key)
    if value is None or value == "":
        return ""
    name = _path(where, key)
    if isinstance(value, _Literal):
        match = _LITERAL.fullmatch(value)
        if match and abs(int(match[2] or 0)) <= _LARGEST_EXPONENT:
            text = f"{Decimal(value):f}"
            if _DECIMAL.fullmatch(text):
                return text
    elif isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return f"{Decimal(value.strip()):f}"
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
        text = value.strip() if isinstance(value, str) else ""
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        if _DAY.match(text) and text[10] in "Tt ":
            # A time of day may follow the date.
            return datetime.fromisoformat(text).date().isoformat()
        raise ValueError
    except ValueError as error:
        raise _refused(
            "invalid_date",
            f"{key} {_shown(value)} is not a date",
            field=key,
            value=value,
            remedy="Write dates as 2026-03-31",
        ) from error


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, _Literal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _no_number(text: str) -> Decimal:
    raise _refused("invalid_json", f"{text} is not a number", remedy="Write amounts as numbers")


def _refused(
    code: str, message: str, *, field: str = "", value: object = None, remedy: str = ""
) -> RejectedInput:
    return RejectedInput(message, code=code, field=field, value=value, step="read", remedy=remedy)
