"""UN/CEFACT CII D16B, as XRechnung and Factur-X / ZUGFeRD 2 use it, and ZUGFeRD 1.0.

ZUGFeRD 1.0 (2014) is an earlier form of the same: some names differ, its context and structure do
not. Each path is the binding of its term: https://fnfe-mpe.org/factur-x/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
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
    basic_date,
    first,
    line_of,
    missing,
    number,
    only,
    text,
)
from finops.invoices.einvoice.xml_reader import Element

CII: Final = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
ZUGFERD_1: Final = "urn:ferd:CrossIndustryDocument:invoice:1p0"
_STANDARD: Final = "urn:un:unece:uncefact:data:standard:"
PREFIXES: Final = {
    CII: "rsm",
    ZUGFERD_1: "rsm",
    f"{_STANDARD}ReusableAggregateBusinessInformationEntity:100": "ram",
    f"{_STANDARD}ReusableAggregateBusinessInformationEntity:12": "ram",
    f"{_STANDARD}UnqualifiedDataType:100": "udt",
    f"{_STANDARD}UnqualifiedDataType:15": "udt",
    f"{_STANDARD}QualifiedDataType:100": "qdt",
    f"{_STANDARD}QualifiedDataType:12": "qdt",
}
UNKEPT: Final = frozenset({"ram:AttachmentBinaryObject"})
#: ZUGFeRD 1.0's names of the same elements.
_OLD: Final = {
    "rsm:SpecifiedExchangedDocumentContext": "rsm:ExchangedDocumentContext",
    "rsm:HeaderExchangedDocument": "rsm:ExchangedDocument",
    "rsm:SpecifiedSupplyChainTradeTransaction": "rsm:SupplyChainTradeTransaction",
    "ram:ApplicableSupplyChainTradeAgreement": "ram:ApplicableHeaderTradeAgreement",
    "ram:ApplicableSupplyChainTradeDelivery": "ram:ApplicableHeaderTradeDelivery",
    "ram:ApplicableSupplyChainTradeSettlement": "ram:ApplicableHeaderTradeSettlement",
    "ram:SpecifiedSupplyChainTradeAgreement": "ram:SpecifiedLineTradeAgreement",
    "ram:SpecifiedSupplyChainTradeDelivery": "ram:SpecifiedLineTradeDelivery",
    "ram:SpecifiedSupplyChainTradeSettlement": "ram:SpecifiedLineTradeSettlement",
    "ram:ApplicablePercent": "ram:RateApplicablePercent",
}
_SUMMATION: Final = "ram:SpecifiedTradeSettlementMonetarySummation"
_REFERENCES: Final = frozenset(
    {
        "ram:BuyerOrderReferencedDocument",
        "ram:SellerOrderReferencedDocument",
        "ram:ContractReferencedDocument",
        "ram:InvoiceReferencedDocument",
    }
)


def from_cii(root: Element) -> EInvoice:
    """The invoice of a CII document.

    Raises:
        RejectedInput: a value is not of its type, is there twice, or a part is missing.
    """
    is_old = root.name == "rsm:CrossIndustryDocument"
    if is_old:
        _rename(root, is_line=False)
    document = _part(root, "rsm:ExchangedDocument")
    trade = _part(root, "rsm:SupplyChainTradeTransaction")
    agreement = _part(trade, "ram:ApplicableHeaderTradeAgreement")
    settlement = _part(trade, "ram:ApplicableHeaderTradeSettlement")
    delivery = only(trade, "ram:ApplicableHeaderTradeDelivery", "BG-13")
    currency = text(settlement, "ram:InvoiceCurrencyCode", "BT-5")
    tax_currency = text(settlement, "ram:TaxCurrencyCode", "BT-6")
    amounts = Amounts(currency)
    terms = list(settlement.all("ram:SpecifiedTradePaymentTerms"))
    dates = (
        basic_date(day, "BT-9")
        for one in terms
        for day in one.all("ram:DueDateDateTime/udt:DateTimeString")
    )
    days = tuple(dict.fromkeys(filter(None, dates)))
    payee = only(settlement, "ram:PayeeTradeParty", "BG-10")
    mandate = first(settlement, "ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID")
    context = "rsm:ExchangedDocumentContext"
    read = EInvoice(
        syntax="ZUGFeRD 1.0" if is_old else "CII",
        guideline=first(root, f"{context}/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        number=text(document, "ram:ID", "BT-1"),
        issued=basic_date(only(document, "ram:IssueDateTime/udt:DateTimeString", "BT-2"), "BT-2"),
        type_code=text(document, "ram:TypeCode", "BT-3"),
        currency=currency,
        tax_currency=tax_currency,
        due=min(days, default=None),
        due_dates=days,
        buyer_reference=text(agreement, "ram:BuyerReference", "BT-10"),
        contract=_reference(agreement, "ram:ContractReferencedDocument"),
        order=_reference(agreement, "ram:BuyerOrderReferencedDocument"),
        sales_order=_reference(agreement, "ram:SellerOrderReferencedDocument"),
        payment_terms=" ".join(filter(None, (first(one, "ram:Description") for one in terms))),
        notes=tuple(line_of(one) for one in document.all("ram:IncludedNote/ram:Content")),
        preceding=tuple(
            line_of(one)
            for one in settlement.all("ram:InvoiceReferencedDocument/ram:IssuerAssignedID")
        ),
        seller=_party(only(agreement, "ram:SellerTradeParty", "BG-4")),
        buyer=_party(only(agreement, "ram:BuyerTradeParty", "BG-7")),
        payee=_party(payee) if payee else None,
        delivered=basic_date(
            next(
                iter(
                    delivery.all(
                        "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString"
                    )
                    if delivery
                    else ()
                ),
                None,
            ),
            "BT-72",
        ),
        payment_means=tuple(
            replace(_payment(one), mandate=mandate)
            for one in settlement.all("ram:SpecifiedTradeSettlementPaymentMeans")
        ),
        payment_reference=text(settlement, "ram:PaymentReference", "BT-83"),
        allowances=tuple(_allowances(settlement, amounts)),
        totals=_totals(settlement, amounts, tax_currency),
        taxes=tuple(_tax(one, amounts) for one in settlement.all("ram:ApplicableTradeTax")),
        line_items=tuple(_lines(trade, amounts)),
        is_test=first(root, f"{context}/ram:TestIndicator/udt:Indicator").lower() in {"true", "1"},
    )
    if is_old and (read.totals.allowances or 0) >= 0:
        # ZUGFeRD 1.0 left the sign of an allowance open.
        read = replace(read, allowances=tuple(_positive(one) for one in read.allowances))
    return replace(read, other_currencies=tuple(amounts.elsewhere))


def _positive(one: AllowanceCharge) -> AllowanceCharge:
    return one if one.is_charge else replace(one, amount=abs(one.amount))


def _rename(element: Element, *, is_line: bool) -> None:
    """Give elements of ZUGFeRD 1.0 the names of CII D16B."""
    element.name = _OLD.get(element.name, element.name)
    is_line = is_line or element.name == "ram:IncludedSupplyChainTradeLineItem"
    if element.name == _SUMMATION:
        element.name = _summation(is_line=is_line)
    for child in element.children:
        if element.name in _REFERENCES and child.name == "ram:ID":
            child.name = "ram:IssuerAssignedID"
        _rename(child, is_line=is_line)


def _summation(*, is_line: bool) -> str:
    where = "Line" if is_line else "Header"
    return f"ram:SpecifiedTradeSettlement{where}MonetarySummation"


def _part(parent: Element, name: str) -> Element:
    found = only(parent, name, name)
    if found is None:
        raise missing(parent, name)
    return found


def _reference(agreement: Element, name: str) -> str:
    return first(agreement, f"{name}/ram:IssuerAssignedID")


def _party(party: Element | None) -> Party:
    if party is None:
        return Party()
    ids = {
        one.attributes.get("schemeID", "").upper(): line_of(one)
        for one in party.all("ram:SpecifiedTaxRegistration/ram:ID")
    }
    address, contact = "ram:PostalTradeAddress", "ram:DefinedTradeContact"
    town = (first(party, f"{address}/ram:{name}") for name in ("PostcodeCode", "CityName"))
    lines = [first(party, f"{address}/ram:{name}") for name in ("LineOne", "LineTwo", "LineThree")]
    return Party(
        name=text(party, "ram:Name", "BT-27"),
        trading_name=first(party, "ram:SpecifiedLegalOrganization/ram:TradingBusinessName"),
        vat_id=ids.get("VA", ""),
        tax_number=ids.get("FC", ""),
        legal_id=first(party, "ram:SpecifiedLegalOrganization/ram:ID"),
        address=tuple(
            filter(
                None,
                (
                    *lines,
                    " ".join(filter(None, town)),
                    first(party, f"{address}/ram:CountrySubDivisionName"),
                ),
            )
        ),
        country=first(party, f"{address}/ram:CountryID"),
        contact=tuple(
            filter(
                None,
                (
                    first(party, f"{contact}/ram:PersonName"),
                    first(
                        party, f"{contact}/ram:TelephoneUniversalCommunication/ram:CompleteNumber"
                    ),
                    first(party, f"{contact}/ram:EmailURIUniversalCommunication/ram:URIID"),
                ),
            )
        ),
    )


def _payment(means: Element) -> PaymentMeans:
    account = only(means, "ram:PayeePartyCreditorFinancialAccount", "BG-17")
    return PaymentMeans(
        code=text(means, "ram:TypeCode", "BT-81"),
        account=text(account, "ram:IBANID", "BT-84") or text(account, "ram:ProprietaryID", "BT-84"),
        account_name=text(account, "ram:AccountName", "BT-85"),
        bic=first(means, "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"),
        debited_account=first(means, "ram:PayerPartyDebtorFinancialAccount/ram:IBANID"),
    )


def _allowances(settlement: Element, amounts: Amounts) -> Iterable[AllowanceCharge]:
    for one in settlement.all("ram:SpecifiedTradeAllowanceCharge"):
        yield _allowance(one, amounts, ("BT-92", "BT-93"), ("BT-99", "BT-100"))
    for one in settlement.all("ram:SpecifiedLogisticsServiceCharge"):
        taxed = next(one.all("ram:AppliedTradeTax"), None)
        yield AllowanceCharge(
            is_charge=True,
            amount=amounts.required(one, "ram:AppliedAmount", "BT-99"),
            category=first(taxed, "ram:CategoryCode"),
            rate=number(taxed, "ram:RateApplicablePercent", "BT-103"),
            reason=first(one, "ram:Description"),
        )


def _allowance(
    found: Element, amounts: Amounts, allowance: tuple[str, str], charge: tuple[str, str]
) -> AllowanceCharge:
    said = text(found, "ram:ChargeIndicator/udt:Indicator", "ChargeIndicator").lower()
    if said not in {"true", "false", "1", "0"}:
        raise missing(found, "the ChargeIndicator, true or false,")
    is_charge = said in {"true", "1"}
    terms = charge if is_charge else allowance
    taxed = next(found.all("ram:CategoryTradeTax"), None)
    return AllowanceCharge(
        is_charge=is_charge,
        amount=amounts.required(found, "ram:ActualAmount", terms[0]),
        base=amounts(found, "ram:BasisAmount", terms[1]),
        percent=number(found, "ram:CalculationPercent", "BT-94"),
        category=first(taxed, "ram:CategoryCode"),
        rate=number(taxed, "ram:RateApplicablePercent", "BT-96"),
        reason=first(found, "ram:Reason", "ram:ReasonCode"),
    )


def _totals(settlement: Element, amounts: Amounts, tax_currency: str) -> Totals:
    sums = only(settlement, _summation(is_line=False), "BG-22")
    if sums is None:
        raise missing(settlement, "BG-22 (the sums)")
    taxes = list(sums.all("ram:TaxTotalAmount"))
    foreign = [
        one
        for one in taxes
        if len(taxes) > 1 and tax_currency and one.attributes.get("currencyID") == tax_currency
    ]
    own = [one for one in taxes if one not in foreign]
    if len(own) > 1 or len(foreign) > 1:
        only(sums, "ram:TaxTotalAmount", "BT-110")
    return Totals(
        lines=amounts(sums, "ram:LineTotalAmount", "BT-106"),
        allowances=amounts(sums, "ram:AllowanceTotalAmount", "BT-107"),
        charges=amounts(sums, "ram:ChargeTotalAmount", "BT-108"),
        net=amounts(sums, "ram:TaxBasisTotalAmount", "BT-109"),
        tax=amounts.of(own[0], "BT-110") if own else None,
        tax_in_tax_currency=(Amounts(tax_currency).of(foreign[0], "BT-111") if foreign else None),
        gross=amounts(sums, "ram:GrandTotalAmount", "BT-112"),
        prepaid=amounts(sums, "ram:TotalPrepaidAmount", "BT-113"),
        rounding=amounts(sums, "ram:RoundingAmount", "BT-114"),
        due=amounts(sums, "ram:DuePayableAmount", "BT-115"),
    )


def _tax(found: Element, amounts: Amounts) -> TaxSubtotal:
    return TaxSubtotal(
        base=amounts.required(found, "ram:BasisAmount", "BT-116"),
        tax=amounts.required(found, "ram:CalculatedAmount", "BT-117"),
        category=text(found, "ram:CategoryCode", "BT-118"),
        rate=number(found, "ram:RateApplicablePercent", "BT-119"),
        exemption=first(found, "ram:ExemptionReason", "ram:ExemptionReasonCode"),
    )


def _lines(trade: Element, amounts: Amounts) -> Iterable[Line]:
    for found in trade.all("ram:IncludedSupplyChainTradeLineItem"):
        settlement = only(found, "ram:SpecifiedLineTradeSettlement", "BG-30")
        document = only(found, "ram:AssociatedDocumentLineDocument", "BT-126")
        # EXTENDED: the sum of a group repeats its lines, and a line of information has none.
        status = first(document, "ram:LineStatusReasonCode").upper()
        net = amounts(settlement, f"{_summation(is_line=True)}/ram:LineTotalAmount", "BT-131")
        if status in {"GROUP", "INFORMATION"} or (net is None and _is_note(found)):
            continue
        if net is None:
            raise missing(found, "BT-131")
        yield _line(found, document, settlement, amounts, net)


def _is_note(found: Element) -> bool:
    """Whether a line is only text, as ZUGFeRD allows."""
    return next(found.all("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"), None) is None


def _line(
    found: Element,
    document: Element | None,
    settlement: Element | None,
    amounts: Amounts,
    net: Decimal,
) -> Line:
    product = only(found, "ram:SpecifiedTradeProduct", "BG-31")
    price = only(found, "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice", "BT-146")
    taxed = next(settlement.all("ram:ApplicableTradeTax"), None) if settlement else None
    quantity = only(found, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", "BT-129")
    allowances = settlement.all("ram:SpecifiedTradeAllowanceCharge") if settlement else iter(())
    return Line(
        identifier=first(document, "ram:LineID"),
        name=first(product, "ram:Name"),
        description=first(product, "ram:Description"),
        seller_code=first(product, "ram:SellerAssignedID"),
        quantity=number(found, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", "BT-129"),
        unit=quantity.attributes.get("unitCode", "") if quantity else "",
        net=net,
        price=amounts(price, "ram:ChargeAmount", "BT-146"),
        price_quantity=number(price, "ram:BasisQuantity", "BT-149"),
        allowances=tuple(
            _allowance(one, amounts, ("BT-136", "BT-137"), ("BT-141", "BT-142"))
            for one in allowances
        ),
        category=first(taxed, "ram:CategoryCode"),
        rate=number(taxed, "ram:RateApplicablePercent", "BT-152"),
        line=found.line,
    )
