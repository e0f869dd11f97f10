"""What a known vendor settles where the document leaves it open, and never against what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from finops.invoices.conventions import Conventions
from finops.invoices.currencies import NOT_AT_TOTAL, OPEN_SYMBOL, symbols_in
from finops.invoices.domain import Invoice, Reading
from finops.invoices.einvoice.as_invoice import FIRST_OF_SEVERAL
from finops.invoices.textract_response.reading import CONTRADICTED
from finops.invoices.vendors.evidence import NAMED_CURRENCY, Evidence
from finops.invoices.vendors.recognition import Recognition
from finops.invoices.vendors.vendor import FactKind, Vendor, number_form

#: The source of what comes from here.
SOURCE: Final = "vendor-master"
#: Textract's types of the dates.
_DATES: Final = {"invoice_date": "INVOICE_RECEIPT_DATE", "due_date": "DUE_DATE"}
_NUMBER_TYPE: Final = "INVOICE_RECEIPT_ID"
_CERTAIN: Final = 100.0
_FOUR_DIGITS: Final = re.compile(r"(?<!\d)\d{1,2}([-/])\d{1,2}\1\d{4}(?!\d)")
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def settled(invoice: Invoice, recognition: Recognition, evidence: Evidence) -> Invoice:
    """The invoice with what its vendor settles; each such reading has the source `vendor-master`.

    Nothing is settled for a document that shows an account which is not a known one.
    """
    vendor = recognition.vendor
    if vendor is None or not recognition.is_strong:
        return invoice
    if not vendor.accounts.issuperset(evidence.payable_to):
        return invoice
    readings = dict(invoice.readings)
    for name, reading in (
        *_name(invoice, recognition, vendor),
        *_currency(invoice, vendor),
        *_days(invoice, vendor),
        *_account(invoice),
        *_number(invoice, vendor),
    ):
        readings[name] = replace(reading, source=SOURCE, doubt="")
    return replace(invoice, readings=readings)


def _name(
    invoice: Invoice, recognition: Recognition, vendor: Vendor
) -> Iterator[tuple[str, Reading]]:
    """Its name where none is printed: one piece of evidence could be a mention.

    A vendor with accounts is told by one of them.
    """
    printed = invoice.readings.get("vendor")
    if len(recognition.by) < 2:
        return
    if printed is None:
        if vendor.ibans and FactKind.IBAN not in recognition.by:
            return
        yield "vendor", Reading(value=vendor.name)
    elif (
        printed.confidence < _CERTAIN
        and printed.value
        and not printed.doubt
        and vendor.is_called(printed.value)
    ):
        # Another piece of evidence confirms what was read.
        yield "vendor", replace(printed, confidence=_CERTAIN)


def _currency(invoice: Invoice, vendor: Vendor) -> Iterator[tuple[str, Reading]]:
    usual = vendor.only(FactKind.CURRENCY)
    if not usual:
        return
    printed = invoice.readings.get("currency")
    if printed is None:
        named = {one.text for one in invoice.other if one.type == NAMED_CURRENCY}
        if "total" in invoice.readings and named <= {usual}:
            yield "currency", Reading(value=usual)
    elif (printed.doubt == NOT_AT_TOTAL and printed.value == usual) or (
        printed.doubt.startswith(OPEN_SYMBOL) and usual in symbols_in(printed.text)
    ):
        yield "currency", replace(printed, value=usual, confidence=_CERTAIN)


def _days(invoice: Invoice, vendor: Vendor) -> Iterator[tuple[str, Reading]]:
    """A date that can be read in two orders, in the vendor's."""
    order = vendor.only(FactKind.DATE_ORDER)
    if not order:
        return
    for name, type_ in _DATES.items():
        printed = invoice.readings.get(name)
        contradicted = any(o.type == type_ and o.reason == "contradicts" for o in invoice.other)
        if printed is None or contradicted or not _FOUR_DIGITS.search(printed.text):
            continue
        day, doubt = _read(printed.text, day_first=order == "DMY")
        other, _ = _read(printed.text, day_first=order != "DMY")
        options = {f"{day}", f"{other}"}
        if doubt or len(options) != 2 or {*_ISO.findall(printed.doubt)} != options:
            continue
        yield name, replace(printed, value=f"{day}")


def _account(invoice: Invoice) -> Iterator[tuple[str, Reading]]:
    """The first of several accounts, all of which are the vendor's."""
    stated = invoice.readings.get("iban")
    if stated and stated.doubt.startswith(FIRST_OF_SEVERAL):
        yield "iban", stated


def _number(invoice: Invoice, vendor: Vendor) -> Iterator[tuple[str, Reading]]:
    """The invoice number, where other numbers contradict it that have none of its vendor's forms.

    It is confirmed, and never exchanged for another one: the vendor may have changed its form.
    """
    forms = vendor.known(FactKind.NUMBER_FORM)
    read = invoice.readings.get("invoice_number")
    others = [
        one.text
        for one in invoice.other
        if one.type == _NUMBER_TYPE and one.reason == "contradicts"
    ]
    contradicted = read is not None and read.doubt.startswith(CONTRADICTED)
    if not (read and contradicted and others and number_form(read.value) in forms):
        return
    if not any(number_form(word) in forms for text in others for word in (text, *text.split())):
        yield "invoice_number", read


def date_order(printed: Reading) -> str:
    """The order that a date's value shows, DMY or MDY; empty if its text fits both or neither."""
    if not _FOUR_DIGITS.search(printed.text):
        return ""
    fits = [
        order
        for order in ("DMY", "MDY")
        if f"{_read(printed.text, day_first=order == 'DMY')[0]}" == printed.value
    ]
    return fits[0] if len(fits) == 1 else ""


def _read(text: str, *, day_first: bool) -> tuple[object, str]:
    return Conventions(day_first=day_first, american=not day_first).date(text)
