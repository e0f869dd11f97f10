"""E-invoices for the demo and the tests, made here: one sale as UBL, as CII, and inside a PDF.

Vendors, addresses and accounts are invented; the IBANs are those of public examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import escape

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldLine:
    """A line: the amount is quantity times price, rounded to cents."""

    name: str = "Bread"
    quantity: Decimal = Decimal(1)
    price: Decimal = Decimal("100.00")
    category: str = "S"
    rate: Decimal = Decimal(19)

    @property
    def net(self) -> Decimal:
        """BT-131."""
        return (self.quantity * self.price).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An allowance (negative) or a charge."""

    amount: Decimal
    category: str = "S"
    rate: Decimal = Decimal(19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What is invoiced; its totals are consistent.

    Attributes:
        changed: For a term such as `BT-112` another amount than the consistent one.
    """

    number: str = "R-2026/17"
    type_code: str = "380"
    issued: str = "2026-03-31"
    due: str = "2026-04-30"
    currency: str = "EUR"
    seller: str = "Bäckerei Ähre GmbH"
    vat_id: str = "DE123456789"
    tax_number: str = "201/113/40209"
    buyer: str = "Hafen & Söhne AG"
    iban: str = "DE89370400440532013000"
    reference: str = "RF-17"
    order: str = "PO-4711"
    preceding: str = ""
    lines: Sequence[SoldLine] = (SoldLine(),)
    extras: Sequence[Extra] = ()
    prepaid: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    changed: Mapping[str, Decimal] = field(default_factory=dict)

    def taxes(self) -> dict[tuple[str, Decimal], tuple[Decimal, Decimal]]:
        """For each category and rate BT-116 and BT-117."""
        bases: dict[tuple[str, Decimal], Decimal] = {}
        for line in self.lines:
            key = (line.category, line.rate)
            bases[key] = bases.get(key, Decimal(0)) + line.net
        for extra in self.extras:
            key = (extra.category, extra.rate)
            bases[key] = bases.get(key, Decimal(0)) + extra.amount
        return {
            key: (base, (base * key[1] / 100).quantize(CENT, ROUND_HALF_UP))
            for key, base in bases.items()
        }

    def totals(self) -> dict[str, Decimal]:
        """BT-106 to BT-115 by their terms."""
        lines = sum((one.net for one in self.lines), Decimal(0))
        allowances = -sum((one.amount for one in self.extras if one.amount < 0), Decimal(0))
        charges = sum((one.amount for one in self.extras if one.amount > 0), Decimal(0))
        tax = sum((one for _, one in self.taxes().values()), Decimal(0))
        net = lines - allowances + charges
        return {
            "BT-106": lines,
            "BT-107": allowances,
            "BT-108": charges,
            "BT-109": net,
            "BT-110": tax,
            "BT-112": net + tax,
            "BT-113": self.prepaid,
            "BT-114": self.rounding,
            "BT-115": net + tax - self.prepaid + self.rounding,
        } | dict(self.changed)


def ubl(sale: Sale) -> bytes:
    """The sale as UBL 2.1, in the profile of Peppol BIS Billing 3."""
    is_credit = sale.type_code == "381"
    root, line = (
        ("CreditNote", "CreditedQuantity") if is_credit else ("Invoice", "InvoicedQuantity")
    )
    totals = sale.totals()

    def money(name: str, amount: Decimal) -> str:
        return f'<cbc:{name} currencyID="{sale.currency}">{amount:f}</cbc:{name}>'

    def category(name: str, code: str, rate: Decimal) -> str:
        return (
            f"<cac:{name}><cbc:ID>{code}</cbc:ID><cbc:Percent>{rate:f}</cbc:Percent>"
            f"<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:{name}>"
        )

    def party(name: str, ids: Mapping[str, str]) -> str:
        registered = "".join(
            f"<cac:PartyTaxScheme><cbc:CompanyID>{escape(one)}</cbc:CompanyID><cac:TaxScheme>"
            f"<cbc:ID>{scheme}</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>"
            for scheme, one in ids.items()
            if one
        )
        return (
            f"<cac:Party><cac:PartyName><cbc:Name>{escape(name)}</cbc:Name></cac:PartyName>"
            "<cac:PostalAddress><cbc:StreetName>Am Kai 1</cbc:StreetName><cbc:CityName>Hamburg"
            "</cbc:CityName><cbc:PostalZone>20457</cbc:PostalZone><cac:Country>"
            "<cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
            f"{registered}<cac:PartyLegalEntity><cbc:RegistrationName>{escape(name)}"
            "</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party>"
        )

    parts = [
        "<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:"
        "billing:3.0</cbc:CustomizationID>",
        f"<cbc:ID>{escape(sale.number)}</cbc:ID><cbc:IssueDate>{sale.issued}</cbc:IssueDate>",
        "" if is_credit else f"<cbc:DueDate>{sale.due}</cbc:DueDate>",
        f"<cbc:{root}TypeCode>{sale.type_code}</cbc:{root}TypeCode>",
        f"<cbc:DocumentCurrencyCode>{sale.currency}</cbc:DocumentCurrencyCode>",
        f"<cac:OrderReference><cbc:ID>{escape(sale.order)}</cbc:ID></cac:OrderReference>",
        "<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>"
        f"{escape(sale.preceding)}</cbc:ID></cac:InvoiceDocumentReference></cac:BillingReference>"
        if sale.preceding
        else "",
        "<cac:AccountingSupplierParty>",
        party(sale.seller, {"VAT": sale.vat_id, "FC": sale.tax_number}),
        "</cac:AccountingSupplierParty><cac:AccountingCustomerParty>",
        party(sale.buyer, {"VAT": "DE987654321"}),
        "</cac:AccountingCustomerParty><cac:PaymentMeans><cbc:PaymentMeansCode>58",
        f"</cbc:PaymentMeansCode><cbc:PaymentID>{escape(sale.reference)}</cbc:PaymentID>",
        f"<cac:PayeeFinancialAccount><cbc:ID>{sale.iban}</cbc:ID></cac:PayeeFinancialAccount>"
        if sale.iban
        else "",
        "</cac:PaymentMeans>",
        *(
            f"<cac:AllowanceCharge><cbc:ChargeIndicator>{str(one.amount > 0).lower()}"
            "</cbc:ChargeIndicator><cbc:AllowanceChargeReason>Extra</cbc:AllowanceChargeReason>"
            f"{money('Amount', abs(one.amount))}"
            f"{category('TaxCategory', one.category, one.rate)}</cac:AllowanceCharge>"
            for one in sale.extras
        ),
        f"<cac:TaxTotal>{money('TaxAmount', totals['BT-110'])}",
        *(
            f"<cac:TaxSubtotal>{money('TaxableAmount', base)}{money('TaxAmount', tax)}"
            f"{category('TaxCategory', *key)}</cac:TaxSubtotal>"
            for key, (base, tax) in sale.taxes().items()
        ),
        "</cac:TaxTotal><cac:LegalMonetaryTotal>",
        *(
            money(name, totals[term])
            for name, term in (
                ("LineExtensionAmount", "BT-106"),
                ("TaxExclusiveAmount", "BT-109"),
                ("TaxInclusiveAmount", "BT-112"),
                ("AllowanceTotalAmount", "BT-107"),
                ("ChargeTotalAmount", "BT-108"),
                ("PrepaidAmount", "BT-113"),
                ("PayableRoundingAmount", "BT-114"),
                ("PayableAmount", "BT-115"),
            )
        ),
        "</cac:LegalMonetaryTotal>",
        *(
            f'<cac:{root}Line><cbc:ID>{number}</cbc:ID><cbc:{line} unitCode="C62">'
            f"{one.quantity:f}</cbc:{line}>{money('LineExtensionAmount', one.net)}<cac:Item>"
            f"<cbc:Name>{escape(one.name)}</cbc:Name>"
            f"{category('ClassifiedTaxCategory', one.category, one.rate)}</cac:Item><cac:Price>"
            f"{money('PriceAmount', one.price)}</cac:Price></cac:{root}Line>"
            for number, one in enumerate(sale.lines, 1)
        ),
    ]
    names = "urn:oasis:names:specification:ubl:schema:xsd:"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="{names}{root}-2" xmlns:cac="{names}CommonAggregateComponents-2" '
        f'xmlns:cbc="{names}CommonBasicComponents-2">\n' + "\n".join(filter(None, parts)) + "\n"
        f"</{root}>\n"
    ).encode()


def cii(sale: Sale) -> bytes:
    """The sale as CII D16B, in the profile EN 16931 of Factur-X."""
    totals = sale.totals()

    def date(text: str) -> str:
        return f'<udt:DateTimeString format="102">{text.replace("-", "")}</udt:DateTimeString>'

    def tax(name: str, code: str, rate: Decimal, amounts: tuple[Decimal, Decimal] | None) -> str:
        base, own = (f"{one:f}" for one in amounts) if amounts else ("", "")
        return (
            f"<ram:{name}>"
            + (f"<ram:CalculatedAmount>{own}</ram:CalculatedAmount>" if amounts else "")
            + "<ram:TypeCode>VAT</ram:TypeCode>"
            + (f"<ram:BasisAmount>{base}</ram:BasisAmount>" if amounts else "")
            + f"<ram:CategoryCode>{code}</ram:CategoryCode><ram:RateApplicablePercent>{rate:f}"
            f"</ram:RateApplicablePercent></ram:{name}>"
        )

    def party(name: str, ids: Mapping[str, str]) -> str:
        registered = "".join(
            f'<ram:SpecifiedTaxRegistration><ram:ID schemeID="{scheme}">{escape(one)}</ram:ID>'
            "</ram:SpecifiedTaxRegistration>"
            for scheme, one in ids.items()
            if one
        )
        return (
            f"<ram:Name>{escape(name)}</ram:Name><ram:PostalTradeAddress><ram:PostcodeCode>20457"
            "</ram:PostcodeCode><ram:LineOne>Am Kai 1</ram:LineOne><ram:CityName>Hamburg"
            "</ram:CityName><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress>" + registered
        )

    lines = "\n".join(
        "<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>"
        f"{number}</ram:LineID></ram:AssociatedDocumentLineDocument><ram:SpecifiedTradeProduct>"
        f"<ram:Name>{escape(one.name)}</ram:Name></ram:SpecifiedTradeProduct>"
        "<ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>"
        f"{one.price:f}</ram:ChargeAmount></ram:NetPriceProductTradePrice>"
        "</ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery><ram:BilledQuantity "
        f'unitCode="C62">{one.quantity:f}</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>'
        "<ram:SpecifiedLineTradeSettlement>"
        f"{tax('ApplicableTradeTax', one.category, one.rate, None)}"
        "<ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>"
        f"{one.net:f}</ram:LineTotalAmount></ram:SpecifiedTradeSettlementLineMonetarySummation>"
        "</ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>"
        for number, one in enumerate(sale.lines, 1)
    )
    extras = "\n".join(
        "<ram:SpecifiedTradeAllowanceCharge><ram:ChargeIndicator><udt:Indicator>"
        f"{str(one.amount > 0).lower()}</udt:Indicator></ram:ChargeIndicator><ram:ActualAmount>"
        f"{abs(one.amount):f}</ram:ActualAmount><ram:Reason>Extra</ram:Reason>"
        f"{tax('CategoryTradeTax', one.category, one.rate, None)}"
        "</ram:SpecifiedTradeAllowanceCharge>"
        for one in sale.extras
    )
    sums = "\n".join(
        f"<ram:{name}{attribute}>{totals[term]:f}</ram:{name}>"
        for name, term, attribute in (
            ("LineTotalAmount", "BT-106", ""),
            ("ChargeTotalAmount", "BT-108", ""),
            ("AllowanceTotalAmount", "BT-107", ""),
            ("TaxBasisTotalAmount", "BT-109", ""),
            ("TaxTotalAmount", "BT-110", f' currencyID="{sale.currency}"'),
            ("RoundingAmount", "BT-114", ""),
            ("GrandTotalAmount", "BT-112", ""),
            ("TotalPrepaidAmount", "BT-113", ""),
            ("DuePayableAmount", "BT-115", ""),
        )
    )
    preceding = (
        "<ram:InvoiceReferencedDocument><ram:IssuerAssignedID>"
        f"{escape(sale.preceding)}</ram:IssuerAssignedID></ram:InvoiceReferencedDocument>"
        if sale.preceding
        else ""
    )
    account = (
        "<ram:PayeePartyCreditorFinancialAccount><ram:IBANID>"
        f"{sale.iban}</ram:IBANID></ram:PayeePartyCreditorFinancialAccount>"
        if sale.iban
        else ""
    )
    taxes = "\n".join(
        tax("ApplicableTradeTax", code, rate, amounts)
        for (code, rate), amounts in sale.taxes().items()
    )
    names = "urn:un:unece:uncefact:data:standard:"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="{names}CrossIndustryInvoice:100"
 xmlns:ram="{names}ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="{names}UnqualifiedDataType:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
<ram:ID>urn:cen.eu:en16931:2017</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>{escape(sale.number)}</ram:ID>
<ram:TypeCode>{sale.type_code}</ram:TypeCode>
<ram:IssueDateTime>{date(sale.issued)}</ram:IssueDateTime></rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction>
{lines}
<ram:ApplicableHeaderTradeAgreement>
<ram:SellerTradeParty>{party(sale.seller, {"VA": sale.vat_id, "FC": sale.tax_number})}
</ram:SellerTradeParty>
<ram:BuyerTradeParty>{party(sale.buyer, {"VA": "DE987654321"})}</ram:BuyerTradeParty>
<ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>{escape(sale.order)}</ram:IssuerAssignedID>
</ram:BuyerOrderReferencedDocument></ram:ApplicableHeaderTradeAgreement>
<ram:ApplicableHeaderTradeDelivery/>
<ram:ApplicableHeaderTradeSettlement>
<ram:PaymentReference>{escape(sale.reference)}</ram:PaymentReference>
<ram:InvoiceCurrencyCode>{sale.currency}</ram:InvoiceCurrencyCode>
<ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>58</ram:TypeCode>{account}
</ram:SpecifiedTradeSettlementPaymentMeans>
{taxes}
{extras}
<ram:SpecifiedTradePaymentTerms>
<ram:DueDateDateTime>{date(sale.due)}</ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms>
<ram:SpecifiedTradeSettlementHeaderMonetarySummation>
{sums}
</ram:SpecifiedTradeSettlementHeaderMonetarySummation>
{preceding}
</ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
""".encode()


def hybrid(
    sale: Sale,
    *,
    page: Sale | None = None,
    files: Mapping[str, bytes] | None = None,
    text: bool = True,
) -> bytes:
    """A PDF with the sale inside, as Factur-X.

    Args:
        sale: What the XML says.
        page: What the page shows, if it is something else.
        files: The embedded files by name; by default `factur-x.xml` with the sale as CII.
        text: Whether the page has any text.
    """
    from fpdf import FPDF

    shown = page or sale
    totals = shown.totals()
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=11)
    iban = " ".join(shown.iban[at : at + 4] for at in range(0, len(shown.iban), 4))
    rows = [
        (shown.seller, ""),
        ("Rechnung", ""),
        ("Rechnungsnummer:", shown.number),
        ("Rechnungsdatum:", shown.issued),
        ("Nettobetrag", f"{totals['BT-109']} {shown.currency}"),
        ("MwSt.", f"{totals['BT-110']} {shown.currency}"),
        ("Gesamtbetrag", f"{totals['BT-112']} {shown.currency}"),
        ("Zahlbetrag", f"{totals['BT-115']} {shown.currency}"),
        ("IBAN:", iban),
    ]
    for number, (label, value) in enumerate(rows if text else ()):
        pdf.text(20, 20 + 9 * number, label)
        pdf.text(90, 20 + 9 * number, value)
    for name, content in ({"factur-x.xml": cii(sale)} if files is None else files).items():
        pdf.embed_file(basename=name, bytes=content, compress=True)
    return bytes(pdf.output())
