"""UBL 2.1 Invoice and CreditNote, as Peppol BIS Billing 3 and XRechnung use them.

Each path is the binding of its term: https://docs.peppol.eu/poacc/billing/3.0/syntax/ubl-invoice/
"""

from __future__ import annotations

from typing import Final

from finops.invoices.einvoice.terms import (
    AllowanceCharge,
    EInvoice,
    Line,
    Party,
    PaymentMeans,
    TaxSubtotal,
    Totals,
)
from finops.invoices.einvoice.values import (
    Amounts,
    first,
    iso_date,
    line_of,
    missing,
    number,
    only,
    text,
)
from finops.invoices.einvoice.xml_reader import Element
from finops.shared.money import EXACT

INVOICE: Final = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
CREDIT_NOTE: Final = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
PREFIXES: Final = {
    INVOICE: "invoice",
    CREDIT_NOTE: "creditnote",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2": "cbc",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2": "cac",
}
UNKEPT: Final = frozenset({"cbc:EmbeddedDocumentBinaryObject"})


def from_ubl(root: Element) -> EInvoice:
    """The invoice of a UBL document.

    Raises:
        RejectedInput: a value is not of its type, or is there twice.
    """
    is_credit = root.name.startswith("creditnote:")
    currency = text(root, "cbc:DocumentCurrencyCode", "BT-5")
    tax_currency = text(root, "cbc:TaxCurrencyCode", "BT-6")
    amounts = Amounts(currency)
    means = list(root.all("cac:PaymentMeans"))
    due = only(root, "cbc:DueDate", "BT-9")
    dates = [due] if due else [d for one in means for d in one.all("cbc:PaymentDueDate")]
    days = tuple(dict.fromkeys(day for one in dates if (day := iso_date(one, "BT-9"))))
    payee = only(root, "cac:PayeeParty", "BG-10")
    own, others = _tax_totals(root, currency)
    return EInvoice(
        syntax="UBL CreditNote" if is_credit else "UBL Invoice",
        guideline=text(root, "cbc:CustomizationID", "BT-24"),
        number=text(root, "cbc:ID", "BT-1"),
        issued=iso_date(only(root, "cbc:IssueDate", "BT-2"), "BT-2"),
        type_code=text(
            root, "cbc:CreditNoteTypeCode" if is_credit else "cbc:InvoiceTypeCode", "BT-3"
        ),
        currency=currency,
        tax_currency=tax_currency,
        due=min(days, default=None),
        due_dates=days,
        buyer_reference=text(root, "cbc:BuyerReference", "BT-10"),
        contract=first(root, "cac:ContractDocumentReference/cbc:ID"),
        order=text(root, "cac:OrderReference/cbc:ID", "BT-13"),
        sales_order=text(root, "cac:OrderReference/cbc:SalesOrderID", "BT-14"),
        payment_terms=" ".join(line_of(one) for one in root.all("cac:PaymentTerms/cbc:Note")),
        notes=tuple(line_of(one) for one in root.all("cbc:Note")),
        preceding=tuple(
            line_of(one)
            for one in root.all("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID")
        ),
        seller=_party(only(root, "cac:AccountingSupplierParty/cac:Party", "BG-4")),
        buyer=_party(only(root, "cac:AccountingCustomerParty/cac:Party", "BG-7")),
        payee=_party(payee) if payee else None,
        delivered=iso_date(next(root.all("cac:Delivery/cbc:ActualDeliveryDate"), None), "BT-72"),
        payment_means=tuple(_payment(one) for one in means),
        payment_reference=first(root, "cac:PaymentMeans/cbc:PaymentID"),
        allowances=tuple(
            _allowance(one, amounts, is_line=False) for one in root.all("cac:AllowanceCharge")
        ),
        totals=_totals(root, amounts, own, others, tax_currency),
        taxes=tuple(_tax(one, amounts) for one in (own.all("cac:TaxSubtotal") if own else ())),
        line_items=tuple(
            _line(one, amounts)
            for one in root.all("cac:CreditNoteLine" if is_credit else "cac:InvoiceLine")
        ),
        is_test=text(root, "cbc:CopyIndicator", "CopyIndicator").lower() in {"true", "1"},
        other_currencies=tuple(amounts.elsewhere),
    )


def _tax_totals(root: Element, currency: str) -> tuple[Element | None, list[Element]]:
    """The group with the tax in the invoice's currency, and the others."""
    groups = list(root.all("cac:TaxTotal"))
    if len(groups) < 2:
        return (groups[0] if groups else None), []
    own = [one for one in groups if _currency_of(one) in {currency, ""}]
    if len(own) != 1:
        # Two taxes in one currency, or none in the invoice's: refused as a repeated term.
        only(root, "cac:TaxTotal", "BT-110")
    return own[0], [one for one in groups if one is not own[0]]


def _currency_of(tax_total: Element) -> str:
    return next(
        (one.attributes.get("currencyID", "") for one in tax_total.all("cbc:TaxAmount")), ""
    )


def _totals(
    root: Element,
    amounts: Amounts,
    own: Element | None,
    others: list[Element],
    tax_currency: str,
) -> Totals:
    sums = only(root, "cac:LegalMonetaryTotal", "BG-22")
    if sums is None:
        raise missing(root, "BG-22 (cac:LegalMonetaryTotal)")
    in_tax_currency = Amounts(tax_currency)
    collected = [
        amounts.required(one, "cbc:PaidAmount", "BT-DEX-002")
        for one in root.all("cac:PrepaidPayment")
    ]
    third_party = None
    for amount in collected:
        third_party = amount if third_party is None else EXACT.add(third_party, amount)
    return Totals(
        lines=amounts(sums, "cbc:LineExtensionAmount", "BT-106"),
        allowances=amounts(sums, "cbc:AllowanceTotalAmount", "BT-107"),
        charges=amounts(sums, "cbc:ChargeTotalAmount", "BT-108"),
        net=amounts(sums, "cbc:TaxExclusiveAmount", "BT-109"),
        tax=amounts(own, "cbc:TaxAmount", "BT-110"),
        tax_in_tax_currency=in_tax_currency(
            others[0] if others else None, "cbc:TaxAmount", "BT-111"
        ),
        gross=amounts(sums, "cbc:TaxInclusiveAmount", "BT-112"),
        prepaid=amounts(sums, "cbc:PrepaidAmount", "BT-113"),
        rounding=amounts(sums, "cbc:PayableRoundingAmount", "BT-114"),
        due=amounts(sums, "cbc:PayableAmount", "BT-115"),
        third_party=third_party,
    )


def _party(party: Element | None) -> Party:
    if party is None:
        return Party()
    taxed = {"VAT": "", "": ""}
    for scheme in party.all("cac:PartyTaxScheme"):
        kind = first(scheme, "cac:TaxScheme/cbc:ID").upper()
        taxed.setdefault(kind, "")
        taxed[kind] = taxed[kind] or first(scheme, "cbc:CompanyID")
    trading = first(party, "cac:PartyName/cbc:Name")
    return Party(
        name=first(party, "cac:PartyLegalEntity/cbc:RegistrationName") or trading,
        trading_name=trading,
        vat_id=taxed.pop("VAT"),
        tax_number=next(filter(None, taxed.values()), ""),
        legal_id=first(party, "cac:PartyLegalEntity/cbc:CompanyID"),
        address=tuple(
            filter(
                None,
                (
                    first(party, "cac:PostalAddress/cbc:StreetName"),
                    first(party, "cac:PostalAddress/cbc:AdditionalStreetName"),
                    first(party, "cac:PostalAddress/cac:AddressLine/cbc:Line"),
                    " ".join(
                        filter(
                            None,
                            (
                                first(party, "cac:PostalAddress/cbc:PostalZone"),
                                first(party, "cac:PostalAddress/cbc:CityName"),
                            ),
                        )
                    ),
                    first(party, "cac:PostalAddress/cbc:CountrySubentity"),
                ),
            )
        ),
        country=first(party, "cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
        contact=tuple(
            filter(
                None,
                (
                    first(party, f"cac:Contact/cbc:{name}")
                    for name in ("Name", "Telephone", "ElectronicMail")
                ),
            )
        ),
    )


def _payment(means: Element) -> PaymentMeans:
    account = only(means, "cac:PayeeFinancialAccount", "BG-17")
    return PaymentMeans(
        code=text(means, "cbc:PaymentMeansCode", "BT-81"),
        account=text(account, "cbc:ID", "BT-84"),
        account_name=text(account, "cbc:Name", "BT-85"),
        bic=text(account, "cac:FinancialInstitutionBranch/cbc:ID", "BT-86"),
        debited_account=text(means, "cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID", "BT-91"),
        mandate=text(means, "cac:PaymentMandate/cbc:ID", "BT-89"),
    )


def _allowance(found: Element, amounts: Amounts, *, is_line: bool) -> AllowanceCharge:
    said = text(found, "cbc:ChargeIndicator", "ChargeIndicator").lower()
    if said not in {"true", "false", "1", "0"}:
        raise missing(found, "the ChargeIndicator, true or false,")
    is_charge = said in {"true", "1"}
    terms = ("BT-141", "BT-142") if is_charge else ("BT-136", "BT-137")
    if not is_line:
        terms = ("BT-99", "BT-100") if is_charge else ("BT-92", "BT-93")
    return AllowanceCharge(
        is_charge=is_charge,
        amount=amounts.required(found, "cbc:Amount", terms[0]),
        base=amounts(found, "cbc:BaseAmount", terms[1]),
        percent=number(found, "cbc:MultiplierFactorNumeric", "BT-94"),
        category=first(found, "cac:TaxCategory/cbc:ID"),
        rate=number(next(found.all("cac:TaxCategory"), None), "cbc:Percent", "BT-96"),
        reason=first(found, "cbc:AllowanceChargeReason", "cbc:AllowanceChargeReasonCode"),
    )


def _tax(found: Element, amounts: Amounts) -> TaxSubtotal:
    category = only(found, "cac:TaxCategory", "BG-23")
    return TaxSubtotal(
        base=amounts.required(found, "cbc:TaxableAmount", "BT-116"),
        tax=amounts.required(found, "cbc:TaxAmount", "BT-117"),
        category=text(category, "cbc:ID", "BT-118"),
        rate=number(category, "cbc:Percent", "BT-119"),
        exemption=first(category, "cbc:TaxExemptionReason", "cbc:TaxExemptionReasonCode"),
    )


def _line(found: Element, amounts: Amounts) -> Line:
    quantity = next(found.all("cbc:InvoicedQuantity"), None) or next(
        found.all("cbc:CreditedQuantity"), None
    )
    category = next(found.all("cac:Item/cac:ClassifiedTaxCategory"), None)
    price = only(found, "cac:Price", "BG-29")
    return Line(
        identifier=text(found, "cbc:ID", "BT-126"),
        name=text(found, "cac:Item/cbc:Name", "BT-153"),
        description=first(found, "cac:Item/cbc:Description"),
        seller_code=first(found, "cac:Item/cac:SellersItemIdentification/cbc:ID"),
        quantity=number(found, quantity.name if quantity else "cbc:InvoicedQuantity", "BT-129"),
        unit=quantity.attributes.get("unitCode", "") if quantity else "",
        net=amounts.required(found, "cbc:LineExtensionAmount", "BT-131"),
        price=amounts(price, "cbc:PriceAmount", "BT-146"),
        price_quantity=number(price, "cbc:BaseQuantity", "BT-149"),
        allowances=tuple(
            _allowance(one, amounts, is_line=True) for one in found.all("cac:AllowanceCharge")
        ),
        category=first(category, "cbc:ID"),
        rate=number(category, "cbc:Percent", "BT-152"),
        line=found.line,
    )
