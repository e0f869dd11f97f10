"""An invoice by the terms of EN 16931-1:2017: business terms (BT) and groups of them (BG).

The text of the standard is sold, its terms are published with the syntax bindings:
https://docs.peppol.eu/poacc/billing/3.0/syntax/ubl-invoice/tree/ and
https://ec.europa.eu/digital-building-blocks/sites/display/DIGITAL/Code+lists (lists of codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

#: The key under which a response holds an e-invoice, in the place of an engine's answer.
RESPONSE_KEY: Final = "einvoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A seller (BG-4), buyer (BG-7) or payee (BG-10).

    Attributes:
        name: BT-27, BT-44 or BT-59.
        trading_name: BT-28 or BT-45.
        vat_id: BT-31 or BT-48.
        tax_number: BT-32, the seller's number at its tax office.
        legal_id: BT-30, BT-47 or BT-61.
        address: BT-35 to BT-40, one line each.
        country: BT-40 or BT-55, ISO 3166-1 alpha-2.
        contact: BT-41 to BT-43, one line each.
    """

    name: str = ""
    trading_name: str = ""
    vat_id: str = ""
    tax_number: str = ""
    legal_id: str = ""
    address: tuple[str, ...] = ()
    country: str = ""
    contact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMeans:
    """How to pay (BG-16).

    Attributes:
        code: BT-81, UNTDID 4461: 30 and 58 are credit transfers, 59 a direct debit.
        account: BT-84, an IBAN or another number of the account to pay to.
        account_name: BT-85.
        bic: BT-86.
        debited_account: BT-91, the buyer's account that is debited.
        mandate: BT-89.
    """

    code: str = ""
    account: str = ""
    account_name: str = ""
    bic: str = ""
    debited_account: str = ""
    mandate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceCharge:
    """An allowance (BG-20, of a line BG-27) or a charge (BG-21, of a line BG-28).

    Attributes:
        is_charge: Whether it is added.
        amount: BT-92, BT-99, BT-136 or BT-141, without tax, in the invoice's currency.
        base: BT-93, BT-100, BT-137 or BT-142.
        percent: BT-94, BT-101, BT-138 or BT-143.
        category: BT-95 or BT-102; empty on lines.
        rate: BT-96 or BT-103, percent.
        reason: BT-97, BT-104, BT-139 or BT-144.
    """

    is_charge: bool
    amount: Decimal
    base: Decimal | None = None
    percent: Decimal | None = None
    category: str = ""
    rate: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSubtotal:
    """The tax of one category and rate (BG-23).

    Attributes:
        base: BT-116, in the invoice's currency.
        tax: BT-117, in the invoice's currency.
        category: BT-118, UNTDID 5305: S standard, Z zero, E exempt, AE reverse charge, K within the
            EU, G export, O outside the scope, L Canary Islands, M Ceuta and Melilla.
        rate: BT-119, percent.
        exemption: BT-120 or BT-121.
    """

    base: Decimal
    tax: Decimal
    category: str = ""
    rate: Decimal | None = None
    exemption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line (BG-25).

    Attributes:
        identifier: BT-126.
        name: BT-153.
        description: BT-154.
        seller_code: BT-155.
        quantity: BT-129.
        unit: BT-130, UN/ECE Recommendation 20 or 21, such as C62 (one) or HUR (hour).
        net: BT-131, in the invoice's currency.
        price: BT-146, without tax, for `price_quantity` units.
        price_quantity: BT-149.
        allowances: BG-27 and BG-28.
        category: BT-151.
        rate: BT-152, percent.
        line: Of the file.
    """

    identifier: str = ""
    name: str = ""
    description: str = ""
    seller_code: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    net: Decimal
    price: Decimal | None = None
    price_quantity: Decimal | None = None
    allowances: tuple[AllowanceCharge, ...] = ()
    category: str = ""
    rate: Decimal | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The totals (BG-22) in the invoice's currency; None where the document has none.

    Attributes:
        lines: BT-106, sum of the lines.
        allowances: BT-107.
        charges: BT-108.
        net: BT-109, without tax.
        tax: BT-110.
        tax_in_tax_currency: BT-111, in the tax currency.
        gross: BT-112, with tax.
        prepaid: BT-113.
        rounding: BT-114.
        due: BT-115.
        third_party: BT-DEX-002 of XRechnung's extension: collected for others, due as well.
    """

    lines: Decimal | None = None
    allowances: Decimal | None = None
    charges: Decimal | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    tax_in_tax_currency: Decimal | None = None
    gross: Decimal | None = None
    prepaid: Decimal | None = None
    rounding: Decimal | None = None
    due: Decimal | None = None
    third_party: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EInvoice:
    """An invoice or credit note.

    Attributes:
        syntax: `UBL Invoice`, `UBL CreditNote`, `CII` or `ZUGFeRD 1.0`.
        guideline: BT-24, which says the profile, such as `urn:cen.eu:en16931:2017`.
        number: BT-1.
        issued: BT-2.
        type_code: BT-3, UNTDID 1001, such as 380 or 381.
        currency: BT-5, ISO 4217.
        tax_currency: BT-6.
        due: BT-9.
        due_dates: All due dates, where the document has several.
        buyer_reference: BT-10.
        contract: BT-12.
        order: BT-13.
        sales_order: BT-14.
        payment_terms: BT-20.
        notes: BT-22.
        preceding: BT-25, each invoice that this one corrects.
        seller: BG-4.
        buyer: BG-7.
        payee: BG-10, who is paid in the seller's place.
        delivered: BT-72.
        payment_means: BG-16.
        payment_reference: BT-83.
        allowances: BG-20 and BG-21.
        totals: BG-22.
        taxes: BG-23.
        line_items: BG-25.
        is_test: Whether it says that it is a test (CII's TestIndicator) or a copy (UBL's
            CopyIndicator).
        printed_ibans: The IBANs in all texts but BT-84 and the customer's, also in those that are
            no term of EN 16931.
        other_currencies: Amounts in another currency than BT-5, such as `BT-112 in HUF (line 9)`.
    """

    syntax: str
    guideline: str = ""
    number: str = ""
    issued: date | None = None
    type_code: str = ""
    currency: str = ""
    tax_currency: str = ""
    due: date | None = None
    due_dates: tuple[date, ...] = ()
    buyer_reference: str = ""
    contract: str = ""
    order: str = ""
    sales_order: str = ""
    payment_terms: str = ""
    notes: tuple[str, ...] = ()
    preceding: tuple[str, ...] = ()
    seller: Party = Party()
    buyer: Party = Party()
    payee: Party | None = None
    delivered: date | None = None
    payment_means: tuple[PaymentMeans, ...] = ()
    payment_reference: str = ""
    allowances: tuple[AllowanceCharge, ...] = ()
    totals: Totals = Totals()
    taxes: tuple[TaxSubtotal, ...] = ()
    line_items: tuple[Line, ...] = ()
    is_test: bool = False
    printed_ibans: tuple[str, ...] = ()
    other_currencies: tuple[str, ...] = ()

    @property
    def is_without_lines(self) -> bool:
        """Whether its profile has no lines: Factur-X MINIMUM and BASIC WL."""
        guideline = self.guideline.lower()
        return guideline.endswith(("minimum", "basicwl"))

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts to pay to (BT-84), without spaces and repetitions."""
        found = ("".join(one.account.split()).upper() for one in self.payment_means)
        return tuple(dict.fromkeys(one for one in found if one))
