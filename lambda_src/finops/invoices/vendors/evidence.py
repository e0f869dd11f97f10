"""What a document shows of who sent it, and of where to pay."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from finops.invoices.domain import Invoice, OtherField
from finops.invoices.ibans import compact, ibans_in, is_iban
from finops.invoices.identity import TAX_NUMBER, same_tax_id
from finops.invoices.vendors.vendor import IDENTIFYING, FactKind, key_of, without_repeats

#: Types of `OtherField`: what a page shows besides the fields of the invoice.
PRINTED_IBAN: Final = "IBAN"
PRINTED_ACCOUNT: Final = "ACCOUNT"
PRINTED_DOMAIN: Final = "DOMAIN"
#: A currency that a document without one at its amounts names anywhere.
NAMED_CURRENCY: Final = "CURRENCY"
#: A document with more does not keep a step busy: what it shows is known by the first ones.
MOST_OF_A_KIND: Final = 20
_FURTHER_ACCOUNT: Final = "BT-84"
_TRADING_NAME: Final = "BT-28"
_DOMAIN: Final = re.compile(
    r"(?:@|\bwww\.|https?://(?:www\.)?)((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a document shows.

    Attributes:
        names: The vendor's, as read; its trading name as well.
        customer: The customer's name, as read.
        tax_ids: The vendor's; one that is also read as the customer's is nobody's.
        ibans: All that are printed or stated, also those beside the XML's own.
        accounts: What is printed or stated of accounts that are no IBANs.
        domains: Of web and mail addresses outside the customer's address.
    """

    names: tuple[str, ...] = ()
    customer: str = ""
    tax_ids: tuple[str, ...] = ()
    ibans: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def keys(self, kind: FactKind) -> tuple[str, ...]:
        """By what a vendor may be found."""
        values = {
            FactKind.VAT_ID: self.tax_ids,
            FactKind.IBAN: self.ibans,
            FactKind.DOMAIN: self.domains,
            FactKind.ALIAS: self.names,
        }[kind]
        return without_repeats(key_of(kind, one) for one in values[:MOST_OF_A_KIND])

    @property
    def payable_to(self) -> tuple[str, ...]:
        """Every account that it shows."""
        return (*self.ibans, *self.accounts)

    @property
    def all_keys(self) -> tuple[str, ...]:
        """The keys of all kinds, the strongest first."""
        return tuple(key for kind in IDENTIFYING for key in self.keys(kind))


def evidence_of(invoice: Invoice, page_ibans: Iterable[str] = ()) -> Evidence:
    """What an invoice shows.

    Args:
        invoice: As read, or as corrected.
        page_ibans: Accounts that the page of a hybrid invoice shows besides its XML's.
    """
    # Also where a person has corrected the field, and in what the vendor writes about payment.
    written = (text for one in invoice.readings.values() for text in (one.text, one.value))
    stated = (
        compact(invoice.text("iban")),
        *(compact(text) for text in _texts(invoice.other, _FURTHER_ACCOUNT, PRINTED_IBAN)),
        *page_ibans,
        *(iban for text in written for iban in ibans_in(text)),
    )
    names = (invoice.text("vendor"), *_texts(invoice.other, _TRADING_NAME))
    return Evidence(
        names=without_repeats(one for one in names if one),
        customer=invoice.text("customer"),
        tax_ids=without_repeats(
            one
            for one in (invoice.text("vendor_tax_id"), *_texts(invoice.other, TAX_NUMBER))
            if any(c.isalnum() for c in one)
            if not same_tax_id(one, invoice.text("customer_tax_id"))
        ),
        ibans=without_repeats(one for one in stated if is_iban(one)),
        accounts=without_repeats(
            (
                *(one for one in stated if one and not is_iban(one)),
                *_texts(invoice.other, PRINTED_ACCOUNT),
            )
        ),
        domains=without_repeats(one.casefold() for one in _texts(invoice.other, PRINTED_DOMAIN)),
    )


def domains_in(text: str) -> tuple[str, ...]:
    """The domains of the web and mail addresses in a text."""
    found = (match[1].casefold().removeprefix("www.") for match in _DOMAIN.finditer(text))
    return without_repeats(found)


def _texts(fields: Iterable[OtherField], *types: str) -> list[str]:
    return [one.text for one in fields if one.type in types]
