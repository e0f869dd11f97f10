"""What an e-invoice states, read without this project's reader: by the paths of the bindings.

https://docs.peppol.eu/poacc/billing/3.0/syntax/ubl-invoice/tree/ and the paths of UN/CEFACT CII.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

#: Field: where UBL has it, below the root.
_UBL = {
    "invoice_number": "ID",
    "invoice_date": "IssueDate",
    "due_date": "DueDate",
    "currency": "DocumentCurrencyCode",
    "vendor": "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
    "customer": "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
    "purchase_order": "OrderReference/ID",
    "payment_reference": "PaymentMeans/PaymentID",
    "iban": "PaymentMeans/PayeeFinancialAccount/ID",
    "subtotal": "LegalMonetaryTotal/TaxExclusiveAmount",
    "total": "LegalMonetaryTotal/TaxInclusiveAmount",
    "amount_due": "LegalMonetaryTotal/PayableAmount",
}
#: Field: where CII has it, at any depth: ZUGFeRD 1.0 calls what is above otherwise.
_CII = {
    "invoice_number": "ExchangedDocument/ID",
    "invoice_date": "ExchangedDocument/IssueDateTime/DateTimeString",
    "due_date": "SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",
    "currency": "InvoiceCurrencyCode",
    "vendor": "SellerTradeParty/Name",
    "customer": "BuyerTradeParty/Name",
    "purchase_order": "BuyerOrderReferencedDocument/IssuerAssignedID",
    "payment_reference": "PaymentReference",
    "iban": "PayeePartyCreditorFinancialAccount/IBANID",
    "subtotal": "TaxBasisTotalAmount",
    "total": "GrandTotalAmount",
    "amount_due": "DuePayableAmount",
}
_UBL_TAX_SCHEMES = "AccountingSupplierParty/Party/PartyTaxScheme"
_CII_TAX_IDS = "SellerTradeParty/SpecifiedTaxRegistration/ID"
FIELDS = (*_UBL, "tax", "vendor_tax_id")


def stated(content: bytes) -> dict[str, str]:
    """Each field that a UBL or CII document has, dates as `2026-01-31`, text without margins."""
    root = fromstring(content)
    is_ubl = "oasis" in root.tag
    paths, prefix = (_UBL, "./") if is_ubl else (_CII, ".//")
    found = {name: _text(root, f"{prefix}{_any(path)}") for name, path in paths.items()}
    if not is_ubl:
        found["invoice_number"] = found["invoice_number"] or _text(
            root, f".//{_any('HeaderExchangedDocument/ID')}"
        )
        found["invoice_date"] = found["invoice_date"] or _text(
            root, f".//{_any('HeaderExchangedDocument/IssueDateTime/DateTimeString')}"
        )
    taxes = root.findall(_any("TaxTotal/TaxAmount") if is_ubl else f".//{_any('TaxTotalAmount')}")
    found["tax"] = next(
        (
            (one.text or "").strip()
            for one in taxes
            if one.get("currencyID", found["currency"]) == found["currency"]
        ),
        "",
    )
    # BT-31, the VAT id, else BT-32, another tax number.
    if is_ubl:
        schemes = root.findall(_any(_UBL_TAX_SCHEMES))
        ids = {_text(one, _any("TaxScheme/ID")): _text(one, "{*}CompanyID") for one in schemes}
    else:
        numbers = root.findall(f".//{_any(_CII_TAX_IDS)}")
        ids = {one.get("schemeID", ""): (one.text or "").strip() for one in numbers}
    found["vendor_tax_id"] = ids.get("VAT") or ids.get("VA") or next(iter(ids.values()), "")
    return {name: _iso(name, text) for name, text in found.items() if text}


def _any(path: str) -> str:
    return "/".join(f"{{*}}{step}" for step in path.split("/"))


def _text(root: Element, path: str) -> str:
    return " ".join((root.findtext(path) or "").split())


def _iso(name: str, text: str) -> str:
    compact = name.endswith("_date") and len(text) == len("20260131")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if compact else text
