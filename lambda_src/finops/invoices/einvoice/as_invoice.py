"""The flow's invoice of an e-invoice."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from finops.invoices.domain import (
    Invoice,
    InvoiceKind,
    Issue,
    LineItem,
    OtherField,
    Reading,
    Severity,
    TaxByRate,
)
from finops.invoices.einvoice.business_rules import violations
from finops.invoices.einvoice.terms import EInvoice, Line
from finops.invoices.ibans import other_account_in
from finops.invoices.identity import TAX_NUMBER
from finops.invoices.vendors.evidence import PRINTED_ACCOUNT, PRINTED_IBAN
from finops.shared.money import WIDE

SOURCE: Final = "xml"
#: A doubt about the account that a vendor whose accounts are all known ends.
FIRST_OF_SEVERAL: Final = "it is the first of several"
#: BT-3, UNTDID 1001: the kind, and why it is uncertain (else empty).
#: https://docs.peppol.eu/poacc/billing/3.0/codelist/UNCL1001-inv/ and UNCL1001-cn
_ISSUED_BY_BUYER: Final = "the buyer issued it in the seller's name"
_KINDS: Final = {
    **dict.fromkeys(
        # Commercial, metered, partial, consolidated, prepayment, hire, tax, factored and lease
        # invoices, and those of construction, freight, insurers, forwarders and ports.
        (
            *("380", "82", "295", "326", "331", "385", "386", "387", "388", "390", "393", "394"),
            *("575", "623", "633", "780", "875", "876", "877"),
        ),
        (InvoiceKind.INVOICE, ""),
    ),
    **dict.fromkeys(
        ("381", "81", "83", "262", "296", "308", "396", "420", "532"), (InvoiceKind.CREDIT_NOTE, "")
    ),
    **dict.fromkeys(
        ("80", "84", "383"), (InvoiceKind.INVOICE, "it is a debit note, on top of an invoice")
    ),
    **dict.fromkeys(("389", "527"), (InvoiceKind.INVOICE, _ISSUED_BY_BUYER)),
    "261": (InvoiceKind.CREDIT_NOTE, _ISSUED_BY_BUYER),
    "325": (InvoiceKind.PRO_FORMA, ""),
    "71": (InvoiceKind.PAYMENT_REMINDER, ""),
    **dict.fromkeys(("130", "751"), (InvoiceKind.STATEMENT, "")),
    "458": (InvoiceKind.CREDIT_NOTE, "it reverses a credit or a debit"),
    "457": (InvoiceKind.CREDIT_NOTE, "it reverses a credit or a debit"),
}
_CORRECTED: Final = "384"
_READINGS: Final = (
    ("subtotal", "net", "BT-109"),
    ("tax", "tax", "BT-110"),
    ("total", "gross", "BT-112"),
    ("discount", "allowances", "BT-107"),
    ("shipping", "charges", "BT-108"),
    ("amount_paid", "prepaid", "BT-113"),
    ("rounding", "rounding", "BT-114"),
    ("amount_due", "due", "BT-115"),
)


def as_invoice(read: EInvoice) -> Invoice:
    """The flow's invoice: its fields are labelled with their business terms."""
    kind, doubt = _kind(read)
    readings = {name: _reading(value, term) for name, value, term in _values(read) if value}
    if len(read.due_dates) > 1:
        shown = ", ".join(f"{day}" for day in read.due_dates)
        readings["due_date"] = _reading(
            readings["due_date"].value, "BT-9", doubt=f"{FIRST_OF_SEVERAL}: {shown}"
        )
    if len(read.accounts) > 1:
        readings["iban"] = _reading(
            readings["iban"].value,
            "BT-84",
            doubt=f"{FIRST_OF_SEVERAL}: {', '.join(read.accounts)}",
        )
    return Invoice(
        kind=kind,
        kind_doubt=doubt,
        readings=readings,
        taxes=tuple(
            TaxByRate(category=one.category, rate=one.rate, base=one.base, tax=one.tax)
            for one in read.taxes
        ),
        line_items=tuple(_line(one) for one in read.line_items),
        other=tuple(_other(read)),
    )


def findings(read: EInvoice) -> tuple[Issue, ...]:
    """The rules that the invoice breaks, each for a person to decide."""
    return tuple(
        Issue(
            code=one.rule,
            severity=Severity.REVIEW,
            field=one.field,
            message=f"{one.rule}: {one.message}",
        )
        for one in violations(read)
    )


def _values(read: EInvoice) -> Iterator[tuple[str, str, str]]:
    yield "vendor", read.seller.name or read.seller.trading_name, "BT-27"
    yield "invoice_number", read.number, "BT-1"
    yield "invoice_date", f"{read.issued or ''}", "BT-2"
    yield "due_date", f"{read.due or ''}", "BT-9"
    yield "currency", read.currency, "BT-5"
    for name, total, term in _READINGS:
        amount: Decimal | None = getattr(read.totals, total)
        yield name, "" if amount is None else f"{amount:f}", term
    vat_id = read.seller.vat_id
    yield "vendor_tax_id", vat_id or read.seller.tax_number, "BT-31" if vat_id else "BT-32"
    yield "customer", read.buyer.name, "BT-44"
    yield "customer_tax_id", read.buyer.vat_id, "BT-48"
    yield "purchase_order", read.order, "BT-13"
    yield "contract", read.contract, "BT-12"
    yield "preceding_invoice", ", ".join(read.preceding), "BT-25"
    yield "payment_terms", read.payment_terms, "BT-20"
    yield "payee", read.payee.name if read.payee else "", "BT-59"
    yield "iban", next(iter(read.accounts), ""), "BT-84"
    yield "payment_reference", read.payment_reference, "BT-83"


def _other(read: EInvoice) -> Iterator[OtherField]:
    """What tells vendors and accounts apart, and has no field of its own."""
    seller = read.seller
    for type_, text in (
        (TAX_NUMBER, seller.tax_number if seller.vat_id else ""),
        ("BT-28", seller.trading_name if seller.trading_name != seller.name else ""),
        ("BT-30", seller.legal_id),
        *(("BT-84", account) for account in read.accounts[1:]),
        # What people read and pay by, whatever BT-84 says.
        *((PRINTED_IBAN, one) for one in read.printed_ibans),
        *((PRINTED_ACCOUNT, _account_in(text, read)) for text in (*read.notes, read.payment_terms)),
    ):
        if text:
            yield OtherField(type=type_, text=text, confidence=100.0)


def _account_in(text: str, read: EInvoice) -> str:
    """The account of a text that may ask to state the invoice's number with a payment."""
    return other_account_in(text.replace(read.number, " ") if read.number else text)


def _reading(value: str, term: str, doubt: str = "") -> Reading:
    return Reading(value=value, text=value, label=term, source=SOURCE, doubt=doubt)


def _kind(read: EInvoice) -> tuple[InvoiceKind, str]:
    code, total = read.type_code, read.totals.gross
    is_negative = total is not None and total < 0
    kind, doubt = _KINDS.get(
        code, (InvoiceKind.INVOICE, f"its type (BT-3) is {code or 'missing'}, which says no more")
    )
    if code == _CORRECTED:
        corrected = f" {', '.join(read.preceding)}" if read.preceding else ""
        if is_negative:
            kind, doubt = InvoiceKind.CREDIT_NOTE, ""
        else:
            doubt = f"it corrects invoice{corrected}: it can replace it, or say what is added"
    if read.syntax == "UBL CreditNote":
        if kind is InvoiceKind.INVOICE:
            kind, doubt = (
                InvoiceKind.CREDIT_NOTE,
                f"the file is a credit note, but its type (BT-3) is {code or 'missing'}",
            )
    elif read.syntax == "UBL Invoice" and code in {"381", "396"}:
        doubt = f"the file is an invoice, but its type (BT-3) is {code}, a credit note"
    if kind is InvoiceKind.CREDIT_NOTE and is_negative and code != _CORRECTED:
        doubt = doubt or "the total of a credit note is negative, which can mean a charge"
    if read.is_test:
        doubt = "it says that it is a test or a copy"
    return kind, doubt


def _line(line: Line) -> LineItem:
    per = line.price_quantity or Decimal(1)
    price = line.price
    if price is not None and per != 1:
        price = WIDE.divide(price, per).quantize(Decimal("0.000001"), context=WIDE).normalize(WIDE)
    other = {"unit": line.unit, "tax category": line.category}
    if line.rate is not None:
        other["tax rate"] = f"{line.rate.normalize():f}"
    name = line.name or line.description
    return LineItem(
        description=name,
        product_code=line.seller_code,
        quantity=line.quantity,
        unit_price=price,
        amount=line.net,
        text=line.description if line.description != name else "",
        other={key: value for key, value in other.items() if value},
    )
