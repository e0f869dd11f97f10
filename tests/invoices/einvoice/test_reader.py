from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from finops.invoices.domain import Invoice, InvoiceKind
from finops.invoices.einvoice.as_invoice import as_invoice
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.einvoice.rendering import rows
from finops.invoices.einvoice.terms import EInvoice
from finops.invoices.validation import ValidationSettings, check
from finops.shared.errors import RejectedInput
from sample_einvoices import Extra, Sale, SoldLine, cii, ubl

Write = Callable[[Sale], bytes]
BOTH = pytest.mark.parametrize("write", [ubl, cii])
SALE = Sale(
    lines=(
        SoldLine(name="Brot & Brötchen", quantity=Decimal("2.5"), price=Decimal("10.00")),
        SoldLine(name="Buch", price=Decimal("20.00"), rate=Decimal(7)),
    ),
    extras=(Extra(amount=Decimal("-5.00")), Extra(amount=Decimal("3.00"), rate=Decimal(7))),
    prepaid=Decimal("10.00"),
    rounding=Decimal("0.02"),
    preceding="R-2026/9",
)
TODAY = date(2026, 4, 1)


def read(content: bytes) -> EInvoice:
    return read_einvoice(io.BytesIO(content))


def invoice(content: bytes) -> Invoice:
    return as_invoice(read(content))


def refusal(content: bytes) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        read(content)
    return refused.value


@BOTH
def test_each_field_is_read_by_its_term(write: Write) -> None:
    found = invoice(write(SALE))
    assert {name: (one.value, one.label) for name, one in found.readings.items()} == {
        "vendor": ("Bäckerei Ähre GmbH", "BT-27"),
        "invoice_number": ("R-2026/17", "BT-1"),
        "invoice_date": ("2026-03-31", "BT-2"),
        "due_date": ("2026-04-30", "BT-9"),
        "currency": ("EUR", "BT-5"),
        "subtotal": ("43.00", "BT-109"),
        "tax": ("5.41", "BT-110"),
        "total": ("48.41", "BT-112"),
        "discount": ("5.00", "BT-107"),
        "shipping": ("3.00", "BT-108"),
        "amount_paid": ("10.00", "BT-113"),
        "rounding": ("0.02", "BT-114"),
        "amount_due": ("38.43", "BT-115"),
        "vendor_tax_id": ("DE123456789", "BT-31"),
        "customer": ("Hafen & Söhne AG", "BT-44"),
        "customer_tax_id": ("DE987654321", "BT-48"),
        "purchase_order": ("PO-4711", "BT-13"),
        "preceding_invoice": ("R-2026/9", "BT-25"),
        "iban": ("DE89370400440532013000", "BT-84"),
        "payment_reference": ("RF-17", "BT-83"),
    }
    assert all((one.source, one.confidence) == ("xml", 100) for one in found.readings.values())
    assert [(one.category, one.rate, one.base, one.tax) for one in found.taxes] == [
        ("S", Decimal(19), Decimal("20.00"), Decimal("3.80")),
        ("S", Decimal(7), Decimal("23.00"), Decimal("1.61")),
    ]
    first = found.line_items[0]
    assert (first.description, first.quantity, first.unit_price, first.amount) == (
        "Brot & Brötchen",
        Decimal("2.5"),
        Decimal("10.00"),
        Decimal("25.00"),
    )
    assert first.other == {"unit": "C62", "tax category": "S", "tax rate": "19"}
    assert check(found, ValidationSettings(), TODAY) == ()


def test_both_syntaxes_say_the_same() -> None:
    def told(read: EInvoice) -> EInvoice:
        return replace(
            read,
            syntax="",
            guideline="",
            seller=replace(read.seller, trading_name=""),
            buyer=replace(read.buyer, trading_name=""),
            line_items=tuple(replace(line, line=0) for line in read.line_items),
        )

    assert told(read(ubl(SALE))) == told(read(cii(SALE)))


@BOTH
def test_it_is_kept_as_json_without_a_loss(write: Write) -> None:
    found = read(write(SALE))
    text = msgspec.json.encode(msgspec.to_builtins(found))
    assert msgspec.convert(msgspec.json.decode(text), EInvoice) == found


@BOTH
@pytest.mark.parametrize(
    ("code", "kind", "doubt"),
    [
        ("380", InvoiceKind.INVOICE, ""),
        ("326", InvoiceKind.INVOICE, ""),
        ("386", InvoiceKind.INVOICE, ""),
        ("325", InvoiceKind.PRO_FORMA, ""),
        ("751", InvoiceKind.STATEMENT, ""),
        ("71", InvoiceKind.PAYMENT_REMINDER, ""),
        ("389", InvoiceKind.INVOICE, "the buyer issued it"),
        ("384", InvoiceKind.INVOICE, "it corrects invoice R-2026/9"),
        ("383", InvoiceKind.INVOICE, "debit note"),
        ("999", InvoiceKind.INVOICE, "its type (BT-3) is 999"),
        ("", InvoiceKind.INVOICE, "its type (BT-3) is missing"),
    ],
)
def test_the_type_code_says_the_kind(
    write: Write, code: str, kind: InvoiceKind, doubt: str
) -> None:
    found = invoice(write(replace(SALE, type_code=code)))
    assert found.kind is kind
    assert (doubt in found.kind_doubt) if doubt else not found.kind_doubt
    codes = {one.code for one in check(found, ValidationSettings(), TODAY)}
    assert ("not_an_invoice" in codes) is not kind.is_processed
    assert ("ambiguous" in codes) is bool(doubt)


@BOTH
def test_a_credit_note_counts_as_negative(write: Write) -> None:
    found = invoice(write(replace(SALE, type_code="381")))
    assert (found.kind, found.kind_doubt) == (InvoiceKind.CREDIT_NOTE, "")
    assert found.signed_total == Decimal("-48.41")
    negative = SoldLine(quantity=Decimal(-1))
    doubtful = invoice(write(Sale(type_code="381", lines=(negative,))))
    assert "negative" in doubtful.kind_doubt
    corrected = invoice(write(Sale(type_code="384", lines=(negative,))))
    assert (corrected.kind, corrected.kind_doubt) == (InvoiceKind.CREDIT_NOTE, "")
    assert corrected.signed_total == Decimal("-119.00")


def test_a_type_that_contradicts_its_document_is_doubted() -> None:
    credit = ubl(replace(SALE, type_code="381"))
    assert "credit note" in invoice(credit.replace(b">381<", b">380<")).kind_doubt
    assert "credit note" in invoice(ubl(SALE).replace(b">380<", b">381<")).kind_doubt


def test_a_test_or_a_copy_is_doubted() -> None:
    copy = ubl(SALE).replace(
        b"<cbc:IssueDate>", b"<cbc:CopyIndicator>true</cbc:CopyIndicator><cbc:IssueDate>"
    )
    test = cii(SALE).replace(
        b"<rsm:ExchangedDocumentContext>",
        b"<rsm:ExchangedDocumentContext><ram:TestIndicator><udt:Indicator>true</udt:Indicator>"
        b"</ram:TestIndicator>",
    )
    assert [invoice(one).kind_doubt for one in (copy, test)] == [
        "it says that it is a test or a copy"
    ] * 2


@pytest.mark.parametrize(
    ("content", "before", "after", "code", "said"),
    [
        (ubl(SALE), b"2026-03-31", b"31.03.2026", "invalid_date", "BT-2 '31.03.2026'"),
        (ubl(SALE), b"2026-03-31", b"2026-02-30", "invalid_date", "BT-2"),
        (cii(SALE), b"20260331", b"2026-03-31", "invalid_date", "BT-2"),
        (ubl(SALE), b">48.41<", b">48,41<", "invalid_amount", "BT-112 '48,41'"),
        (ubl(SALE), b">48.41<", b">1e3<", "invalid_amount", "BT-112"),
        (ubl(SALE), b">48.41<", b"><", "invalid_amount", "BT-112"),
        (ubl(SALE), b">48.41<", b">\xd9\xa4\xd9\xa8.41<", "invalid_amount", "BT-112"),
        (cii(SALE), b">48.41<", b">NaN<", "invalid_amount", "BT-112"),
        (ubl(SALE), b"<cbc:ID>R-2026/17</cbc:ID>", b"<cbc:ID>1</cbc:ID><cbc:ID>2</cbc:ID>",
         "duplicate_term", "BT-1 (cbc:ID) is there twice"),
        (cii(SALE), b"<ram:DuePayableAmount>", b"<ram:GrandTotalAmount>1</ram:GrandTotalAmount>"
         b"<ram:DuePayableAmount>", "duplicate_term", "BT-112"),
        (ubl(SALE), b"ChargeIndicator>false", b"ChargeIndicator>maybe", "missing", "true or false"),
        (ubl(SALE), b"LegalMonetaryTotal>", b"Sums>", "missing", "BG-22"),
        (cii(SALE), b"ApplicableHeaderTradeSettlement>", b"Other>", "missing", "Settlement"),
        (cii(SALE), b"<ram:LineTotalAmount>25.00</ram:LineTotalAmount>", b"", "missing", "BT-131"),
    ],
)  # fmt: skip
def test_an_invalid_invoice_is_refused_with_line_and_term(
    content: bytes, before: bytes, after: bytes, code: str, said: str
) -> None:
    assert before in content
    refused = refusal(content.replace(before, after))
    assert (refused.code, said in refused.message) == (code, True), refused.message
    assert refused.message.startswith("line ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<a/>", "<a>"),
        (b"<p:FatturaElettronica xmlns:p='http://ivaservizi'/>", "FatturaPA"),
        (b"<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'/>", "UBL order"),
        (b"<Invoice xmlns='urn:other'/>", "<Invoice>"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_other_xml_is_told_from_invoices(content: bytes, said: str) -> None:
    refused = refusal(content)
    assert (refused.code, said in refused.message) == ("not_an_einvoice", True)


def test_several_due_dates_and_accounts_are_doubted() -> None:
    terms = b"<ram:SpecifiedTradePaymentTerms>"
    earlier = terms + (
        b"<ram:DueDateDateTime><udt:DateTimeString>20260415</udt:DateTimeString>"
        b"</ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms>"
    )
    found = invoice(cii(SALE).replace(terms, earlier + terms))
    assert found.text("due_date") == "2026-04-15"
    assert "2026-04-15, 2026-04-30" in found.readings["due_date"].doubt
    means = b"<cac:PaymentMeans>"
    other = means + (
        b"<cac:PayeeFinancialAccount><cbc:ID>GB82 WEST 1234 5698 7654 32</cbc:ID>"
        b"</cac:PayeeFinancialAccount></cac:PaymentMeans>"
    )
    doubted = invoice(ubl(SALE).replace(means, other + means))
    assert "GB82WEST12345698765432, DE89370400440532013000" in doubted.readings["iban"].doubt


def test_a_tax_in_another_currency_is_not_the_tax() -> None:
    foreign = (
        b"<cbc:TaxCurrencyCode>HUF</cbc:TaxCurrencyCode><cac:TaxTotal><cbc:TaxAmount "
        b'currencyID="HUF">2164.00</cbc:TaxAmount></cac:TaxTotal><cac:TaxTotal>'
    )
    totals = read(ubl(SALE).replace(b"<cac:TaxTotal>", foreign, 1)).totals
    assert (totals.tax, totals.tax_in_tax_currency) == (Decimal("5.41"), Decimal("2164.00"))
    same = foreign.replace(b"HUF", b"EUR")
    assert refusal(ubl(SALE).replace(b"<cac:TaxTotal>", same, 1)).code == "duplicate_term"


def test_zugferd_1_is_read_by_its_own_names() -> None:
    """ZUGFeRD 1.0 names some elements in another way; see `cii._OLD`."""
    standard = b"urn:un:unece:uncefact:data:standard:"
    content = cii(SALE)
    for new, old in (
        (b"rsm:CrossIndustryInvoice", b"rsm:CrossIndustryDocument"),
        (
            b'"' + standard + b'CrossIndustryInvoice:100"',
            b'"urn:ferd:CrossIndustryDocument:invoice:1p0"',
        ),
        (b"InformationEntity:100", b"InformationEntity:12"),
        (b"UnqualifiedDataType:100", b"UnqualifiedDataType:15"),
        (b"rsm:ExchangedDocument", b"rsm:HeaderExchangedDocument"),
        (b"rsm:HeaderExchangedDocumentContext", b"rsm:SpecifiedExchangedDocumentContext"),
        (b"rsm:SupplyChainTradeTransaction", b"rsm:SpecifiedSupplyChainTradeTransaction"),
        (b"ram:ApplicableHeaderTrade", b"ram:ApplicableSupplyChainTrade"),
        (b"ram:SpecifiedLineTrade", b"ram:SpecifiedSupplyChainTrade"),
        (b"SettlementHeaderMonetary", b"SettlementMonetary"),
        (b"SettlementLineMonetary", b"SettlementMonetary"),
        (b"RateApplicablePercent", b"ApplicablePercent"),
        (b"IssuerAssignedID", b"ID"),
    ):
        assert new in content
        content = content.replace(new, old)
    old_form = read(content)
    assert old_form.syntax == "ZUGFeRD 1.0"
    assert replace(old_form, syntax="CII") == read(cii(SALE))
    # It left the sign of an allowance open.
    negative = content.replace(b"<ram:ActualAmount>5.00", b"<ram:ActualAmount>-5.00")
    assert (negative != content, read(negative)) == (True, old_form)


def test_a_rendering_shows_what_was_read_as_it_is() -> None:
    name = "<script>alert(1)</script> [red]x"
    shown = rows(read(ubl(replace(SALE, seller=name))))
    assert {row.term: row.value for row in shown}["BT-27"] == name
    assert {row.section for row in shown} == {
        *("Invoice", "Seller", "Buyer", "Line 1", "Line 2", "Allowance", "Charge", "Tax"),
        *("Totals", "Payment"),
    }
    assert all(row.value for row in shown)
