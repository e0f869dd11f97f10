"""An e-invoice for people: what each business term says, in the order of a printed invoice.

Values are the document's own text. Whoever shows them must not take them for markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from finops.invoices.einvoice.terms import AllowanceCharge, EInvoice, Line, Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value.

    Attributes:
        section: Such as `Seller` or `Line 1`.
        term: Its business term, such as `BT-1`; empty for several in one row.
        name: What it is, in words.
        value: Never empty.
    """

    section: str
    term: str
    name: str
    value: str


def rows(read: EInvoice) -> tuple[Row, ...]:
    """Everything that was read and has a value."""
    return tuple(row for row in _rows(read) if row.value)


def _rows(read: EInvoice) -> Iterator[Row]:
    yield from _section(
        "Invoice",
        ("BT-1", "number", read.number),
        ("BT-2", "issued", read.issued),
        ("BT-3", "type", read.type_code),
        ("BT-9", "due", ", ".join(f"{day}" for day in read.due_dates)),
        ("BT-5", "currency", read.currency),
        ("BT-6", "tax currency", read.tax_currency),
        ("BT-10", "buyer reference", read.buyer_reference),
        ("BT-13", "order", read.order),
        ("BT-14", "sales order", read.sales_order),
        ("BT-12", "contract", read.contract),
        ("BT-25", "preceding invoice", ", ".join(read.preceding)),
        ("BT-72", "delivered", read.delivered),
        ("BT-24", "specification", read.guideline),
        ("", "syntax", read.syntax),
        ("", "test or copy", "yes" if read.is_test else ""),
        *(("BT-22", "note", note) for note in read.notes),
    )
    yield from _party("Seller", read.seller, ("BT-27", "BT-28", "BT-31", "BT-32", "BT-30", "BG-5"))
    yield from _party("Buyer", read.buyer, ("BT-44", "BT-45", "BT-48", "", "BT-47", "BG-8"))
    if read.payee:
        yield from _party("Payee", read.payee, ("BT-59", "", "", "", "BT-61", ""))
    for number, line in enumerate(read.line_items, 1):
        yield from _line(f"Line {line.identifier or number}", line)
    for one in read.allowances:
        yield from _section(
            "Charge" if one.is_charge else "Allowance",
            ("BT-99" if one.is_charge else "BT-92", one.reason or "amount", _allowance(one)),
        )
    yield from _totals(read)
    for means in read.payment_means:
        yield from _section(
            "Payment",
            ("BT-81", "means", means.code),
            ("BT-84", "account", means.account),
            ("BT-85", "account name", means.account_name),
            ("BT-86", "BIC", means.bic),
            ("BT-91", "debited account", means.debited_account),
            ("BT-89", "mandate", means.mandate),
        )
    yield from _section(
        "Payment",
        ("BT-83", "reference", read.payment_reference),
        ("BT-20", "terms", read.payment_terms),
    )


def _totals(read: EInvoice) -> Iterator[Row]:
    for tax in read.taxes:
        rate = "" if tax.rate is None else f" {tax.rate.normalize():f}%"
        yield from _section(
            "Tax",
            ("BG-23", f"{tax.category}{rate}", f"{tax.tax} of {tax.base}"),
            ("BT-120", "exemption", tax.exemption),
        )
    totals = read.totals
    yield from _section(
        "Totals",
        ("BT-106", "lines", totals.lines),
        ("BT-107", "allowances", totals.allowances),
        ("BT-108", "charges", totals.charges),
        ("BT-109", "without tax", totals.net),
        ("BT-110", "tax", totals.tax),
        ("BT-111", f"tax in {read.tax_currency}", totals.tax_in_tax_currency),
        ("BT-112", "with tax", totals.gross),
        ("BT-113", "prepaid", totals.prepaid),
        ("BT-114", "rounding", totals.rounding),
        ("BT-DEX-002", "collected for others", totals.third_party),
        ("BT-115", "due", totals.due),
    )


def _party(section: str, party: Party, terms: tuple[str, ...]) -> Iterator[Row]:
    name, trading, vat_id, tax_number, legal_id, address = terms
    yield from _section(
        section,
        (name, "name", party.name),
        (trading, "trading name", "" if party.trading_name == party.name else party.trading_name),
        (vat_id, "VAT id", party.vat_id),
        (tax_number, "tax number", party.tax_number),
        (legal_id, "registration", party.legal_id),
        (address, "address", ", ".join(filter(None, (*party.address, party.country)))),
        ("", "contact", ", ".join(party.contact)),
    )


def _line(section: str, line: Line) -> Iterator[Row]:
    per = f" per {line.price_quantity}" if line.price_quantity not in {None, Decimal(1)} else ""
    quantity = "" if line.quantity is None else f"{line.quantity} {line.unit}".strip()
    rate = "" if line.rate is None else f" {line.rate.normalize():f}%"
    yield from _section(
        section,
        ("BT-153", "item", line.name),
        ("BT-154", "description", line.description),
        ("BT-155", "code", line.seller_code),
        ("BT-129", "quantity", quantity),
        ("BT-146", "price", "" if line.price is None else f"{line.price}{per}"),
        *(
            ("BT-141" if one.is_charge else "BT-136", one.reason or "allowance", _allowance(one))
            for one in line.allowances
        ),
        ("BT-131", "amount", line.net),
        ("BT-151", "tax", f"{line.category}{rate}"),
    )


def _allowance(one: AllowanceCharge) -> str:
    return f"{'+' if one.is_charge else '-'}{one.amount}"


def _section(section: str, *values: tuple[str, str, object]) -> Iterable[Row]:
    for term, name, value in values:
        yield Row(
            section=section,
            term=term,
            name=name,
            value=""
            if value is None
            else f"{value:f}"
            if isinstance(value, Decimal)
            else f"{value}",
        )
