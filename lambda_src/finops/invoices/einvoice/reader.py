"""Reads an e-invoice, whichever of the syntaxes it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Final

from finops.invoices.einvoice import cii, ubl
from finops.invoices.einvoice.terms import EInvoice
from finops.invoices.einvoice.xml_reader import Element, read_xml
from finops.invoices.ibans import ibans_in
from finops.shared.errors import RejectedInput

_PREFIXES: Final = {**ubl.PREFIXES, **cii.PREFIXES}
_UNKEPT: Final = ubl.UNKEPT | cii.UNKEPT
_UBL_ROOTS: Final = frozenset({"invoice:Invoice", "creditnote:CreditNote"})
_CII_ROOTS: Final = frozenset({"rsm:CrossIndustryInvoice", "rsm:CrossIndustryDocument"})
#: The buyer, and the buyer's account, which a direct debit names.
_CUSTOMERS: Final = frozenset(
    {
        *("cac:AccountingCustomerParty", "cac:PayerFinancialAccount"),
        *("ram:BuyerTradeParty", "ram:PayerPartyDebtorFinancialAccount"),
    }
)
#: Other XML that people send in place of an invoice, by its root's name.
_OTHERS: Final = {
    "FatturaElettronica": "a FatturaPA invoice, which is not read yet",
    "Facturae": "a Facturae invoice, which is not read yet",
    "SCRDMCCBDACIOMessageStructure": "an Order-X order",
    "Order": "a UBL order",
    "OrderResponse": "a UBL order response",
    "DespatchAdvice": "a UBL despatch advice",
    "ReceiptAdvice": "a UBL receipt advice",
    "Reminder": "a UBL reminder",
    "Statement": "a UBL statement",
    "Quotation": "a UBL quotation",
    "ApplicationResponse": "a UBL application response",
    "SelfBilledInvoice": "a UBL self-billed invoice, which the buyer issues",
    "SelfBilledCreditNote": "a UBL self-billed credit note, which the buyer issues",
    "html": "a web page",
    "svg": "an SVG image",
}


def read_einvoice(file: BinaryIO) -> EInvoice:
    """The invoice of an XML file.

    Raises:
        RejectedInput: `invalid_xml`, `unsafe_xml` or `too_demanding` for what is no XML that is
            read; `not_an_einvoice` for other XML; `missing`, `duplicate_term`, `invalid_amount` or
            `invalid_date` for an invoice that its sender must correct; each with the line.
    """
    root = read_xml(file, _PREFIXES, _UNKEPT)
    if root.name in _UBL_ROOTS:
        read = ubl.from_ubl(root)
    elif root.name in _CII_ROOTS:
        read = cii.from_cii(root)
    else:
        raise _not_an_einvoice(root)
    texts = ("\n".join(read.notes), *_texts(root))
    found = dict.fromkeys(iban for text in texts for iban in ibans_in(text))
    return replace(read, printed_ibans=tuple(one for one in found if one not in read.accounts))


def _texts(element: Element) -> Iterator[str]:
    """All that is written outside the customer's own groups."""
    if element.name in _CUSTOMERS:
        return
    yield element.text
    for child in element.children:
        yield from _texts(child)


def _not_an_einvoice(root: Element) -> RejectedInput:
    local = root.name.rpartition("}")[2].rpartition(":")[2]
    what = _OTHERS.get(local, f"<{local[:60]}>")
    return RejectedInput(
        f"line {root.line}: the XML is {what}, and not an invoice in UBL 2.1 or CII (Peppol, "
        "XRechnung, Factur-X, ZUGFeRD)",
        code="not_an_einvoice",
        field="document",
        step="read",
        remedy="Send the invoice as UBL, CII, PDF or an image",
    )
