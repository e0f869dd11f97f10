"""A vendor, the facts that are known of it, and how each came to be known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from finops.invoices.ibans import compact
from finops.invoices.identity import (
    legal_name_key,
    printed_number,
    same_tax_id,
    tax_id_key,
    vendor_key,
)
from finops.shared.errors import RejectedInput
from finops.shared.money import is_money

#: How many approved invoices must show a fact; accounts are confirmed one by one.
APPROVALS_NEEDED: Final = 2
_LONGEST_ID: Final = 80
#: DynamoDB takes keys of 2,048 bytes.
_LONGEST_KEY: Final = 200
_LONGEST_HISTORY: Final = 100


class FactKind(StrEnum):
    """What is known of a vendor."""

    ALIAS = "alias"
    VAT_ID = "vat_id"
    IBAN = "iban"
    ACCOUNT = "account"
    """The digits of an account that is no IBAN, as a line prints them; it tells no vendor."""
    DOMAIN = "domain"
    COUNTRY = "country"
    CURRENCY = "currency"
    DATE_ORDER = "date_order"
    NUMBER_FORM = "number_form"
    """The kind of its invoice numbers: RE-9999-99999 for RE-2026-00017."""


#: By these a vendor is recognised; the first are the strongest.
IDENTIFYING: Final = (FactKind.VAT_ID, FactKind.IBAN, FactKind.DOMAIN, FactKind.ALIAS)
#: Where a vendor is paid: never entered by hand, and confirmed by one approval.
BANK_DETAILS: Final = frozenset({FactKind.IBAN, FactKind.ACCOUNT})
#: A vendor has one of these at a time.
SINGLE: Final = frozenset({FactKind.COUNTRY, FactKind.CURRENCY, FactKind.DATE_ORDER})
DATE_ORDERS: Final = ("DMY", "MDY")
#: Domains of mail that anybody can have.
_FREE_MAIL: Final = frozenset(
    {
        *("aol.com", "free.fr", "gmail.com", "gmx.at", "gmx.de", "gmx.net", "googlemail.com"),
        *("hotmail.com", "icloud.com", "laposte.net", "libero.it", "live.com", "mail.com"),
        *("me.com", "orange.fr", "outlook.com", "proton.me", "protonmail.com", "t-online.de"),
        *("wanadoo.fr", "web.de", "yahoo.com", "yahoo.de", "yahoo.fr", "ymail.com"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """That a person approved an invoice which shows a fact.

    Attributes:
        invoice_id: The same invoice counts once.
        approver: Proven by AWS or the console's sign-in.
        submitter: Who sent the invoice, as far as it is known.
        at: UTC.
    """

    invoice_id: str
    approver: str
    submitter: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing about a vendor.

    Attributes:
        value: In canonical form (see `canonical_fact`).
        needed: How many approved invoices make it known.
        approvals: Of different invoices, at most as many as are needed.
        set_by: Who entered it by hand; empty if it was learned. Never set for an account.
        set_at: UTC.
        revoked_by: Who revoked it; it is then neither used nor learned again.
        revoked_at: UTC.
    """

    kind: FactKind
    value: str
    needed: int = APPROVALS_NEEDED
    approvals: tuple[Approval, ...] = ()
    set_by: str = ""
    set_at: datetime | None = None
    revoked_by: str = ""
    revoked_at: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is used."""
        return not self.revoked_by and bool(self.set_by or len(self.approvals) >= self.needed)

    @property
    def state(self) -> str:
        """For people: by hand, learned, 1 of 2 approvals, or revoked."""
        if self.revoked_by:
            return "revoked"
        if self.set_by:
            return "by hand"
        if self.is_known:
            return "learned"
        return f"{len(self.approvals)} of {self.needed} approvals"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """What became of one fact, or of the name.

    Attributes:
        kind: A `FactKind`, or `name`.
        before: Its state; empty if there was none.
        after: Its state; empty if there is none now.
    """

    kind: str
    value: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one write changed.

    Attributes:
        revision: Of the vendor after it.
        at: UTC.
        actor: Who did it.
        why: `entered`, `revoked`, `restored`, or the id of the invoice that it was learned from.
        proven: Whether AWS, or the console's sign-in, told who did it.
    """

    revision: int
    at: datetime
    actor: str
    why: str
    proven: bool
    facts: tuple[FactChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who sends invoices.

    Attributes:
        id: Its first name, for comparison: the same name gives the same vendor.
        name: As its invoices are to name it.
        revision: Number of writes; a write must be based on the latest one.
        history: The last changes, the newest last.
        audit_salt: Of the digests that stand in the audit trail in place of its data.
    """

    id: str
    name: str
    facts: tuple[Fact, ...] = ()
    history: tuple[Change, ...] = ()
    revision: int = 0
    created_at: datetime
    updated_at: datetime
    audit_salt: str = ""

    def known(self, kind: FactKind) -> tuple[str, ...]:
        """The values of a kind that are in use."""
        return tuple(one.value for one in self.facts if one.kind is kind and one.is_known)

    def only(self, kind: FactKind) -> str:
        """The value of a kind, if there is one alone: another that may become known rules it out.

        Empty otherwise.
        """
        open_ = [one for one in self.facts if one.kind is kind and not one.revoked_by]
        return open_[0].value if len(open_) == 1 and open_[0].is_known else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.known(FactKind.ALIAS))

    @property
    def ibans(self) -> frozenset[str]:
        """Its IBANs, as approvals have confirmed them."""
        return frozenset(self.known(FactKind.IBAN))

    @property
    def accounts(self) -> frozenset[str]:
        """Its IBANs and its other accounts."""
        return self.ibans | {*self.known(FactKind.ACCOUNT)}

    @property
    def tax_ids(self) -> tuple[str, ...]:
        """Its tax ids, as printed."""
        return self.known(FactKind.VAT_ID)

    def has_tax_id(self, text: str) -> bool:
        """Whether a printed tax id is one of its own."""
        return any(same_tax_id(text, one) for one in self.tax_ids)

    def is_called(self, name: str) -> bool:
        """Whether a printed name is one of its names; either may lack the legal form."""
        return any(_same_name(name, one) for one in self.names)

    def fact(self, kind: FactKind, value: str) -> Fact | None:
        """The fact with this value, known or not."""
        return next((f for f in self.facts if f.kind is kind and _same(kind, f.value, value)), None)

    def with_fact(self, fact: Fact) -> Vendor:
        """The vendor with a fact, in place of the one of the same value."""
        before = self.fact(fact.kind, fact.value)
        kept = tuple(one for one in self.facts if one is not before)
        return replace(self, facts=(*kept, fact))

    def told(self, before: Vendor | None, *, actor: str, why: str, proven: bool = False) -> Vendor:
        """The next revision, with its change in the history; the same if nothing changed.

        Args:
            before: As it is stored; None if it is new.
            actor: Who changed it.
            why: See `Change`.
            proven: See `Change`.
        """
        old, new = _states(before), _states(self)
        facts = tuple(
            FactChange(kind=key[0], value=key[1], before=old.get(key, ""), after=new.get(key, ""))
            for key in sorted({*old, *new})
            if old.get(key, "") != new.get(key, "")
        )
        if not facts:
            return before or self
        revision = self.revision + 1
        change = Change(
            revision=revision, at=self.updated_at, actor=actor, why=why, proven=proven, facts=facts
        )
        return replace(self, revision=revision, history=(*self.history, change)[-_LONGEST_HISTORY:])

    @property
    def keys(self) -> frozenset[str]:
        """By what it is found."""
        found = {key_of(kind, value) for kind in IDENTIFYING for value in self.known(kind)}
        return frozenset({*found, key_of(FactKind.ALIAS, self.name)})


def number_form(number: str) -> str:
    """The form of an invoice number: each digit is 9."""
    return re.sub(r"\d", "9", printed_number(number))


def vendor_id(name: str) -> str:
    """The id of the vendor with this name."""
    return legal_name_key(name)[:_LONGEST_ID]


def key_of(kind: FactKind, value: str) -> str:
    """A fact for comparison, such as `iban#DE89370400440532013000`."""
    plain = {
        FactKind.VAT_ID: tax_id_key,
        FactKind.IBAN: compact,
        FactKind.ALIAS: vendor_key,
    }.get(kind, str.casefold)(value)
    return f"{kind}#{plain[:_LONGEST_KEY]}"


def canonical_fact(kind: FactKind, text: str) -> str:
    """What a person entered, as it is kept.

    Raises:
        RejectedInput: it is not such a thing, or may not be entered by hand.
    """
    text = " ".join(text.split())
    if kind in BANK_DETAILS:
        raise RejectedInput(
            "accounts are not entered by hand: the approval of an invoice that shows one makes it "
            "known",
            code="account_by_hand",
            field=kind.value,
            remedy="Approve an invoice of the vendor, or revoke an account that is wrong",
        )
    upper = text.upper()
    valid = {
        FactKind.ALIAS: bool(re.search(r"\w", text)) and len(text) <= 200,
        FactKind.VAT_ID: bool(re.fullmatch(r"[A-Z0-9][A-Z0-9 ./-]{3,29}", upper)),
        FactKind.DOMAIN: bool(
            re.fullmatch(r"(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}", text.casefold())
        ),
        FactKind.COUNTRY: bool(re.fullmatch(r"[A-Z]{2}", upper)),
        FactKind.CURRENCY: is_money(upper),
        FactKind.DATE_ORDER: upper in DATE_ORDERS,
        FactKind.NUMBER_FORM: "9" in text and len(text) <= 60,
    }[kind]
    if not valid or (kind is FactKind.DOMAIN and text.casefold() in _FREE_MAIL):
        raise RejectedInput(
            f"{text!r} cannot be a vendor's {_NAMES.get(kind, kind.replace('_', ' '))}",
            code=f"invalid_{kind}",
            field=kind.value,
            value=text,
            remedy=_EXPECTED[kind],
        )
    if kind is FactKind.ALIAS:
        return text
    if kind is FactKind.NUMBER_FORM:
        return number_form(text)
    return text.casefold() if kind is FactKind.DOMAIN else upper


_NAMES: Final = {FactKind.ALIAS: "name", FactKind.VAT_ID: "VAT id"}
_EXPECTED: Final = {
    FactKind.ALIAS: "Write the name as its invoices print it",
    FactKind.VAT_ID: "Write it as printed, such as DE123456789",
    FactKind.DOMAIN: "Write a domain of its own, such as acme.example",
    FactKind.COUNTRY: "Write the ISO 3166 code, such as DE",
    FactKind.CURRENCY: "Write the ISO 4217 code, such as EUR",
    FactKind.NUMBER_FORM: "Write a number with 9 for each digit, such as RE-9999-99999",
    FactKind.DATE_ORDER: f"Write {' or '.join(DATE_ORDERS)}: day first, or month first",
}


def _states(vendor: Vendor | None) -> dict[tuple[str, str], str]:
    if vendor is None:
        return {}
    facts = {(one.kind.value, one.value): one.state for one in vendor.facts}
    return {("name", vendor.name): "by hand"} | facts


def _same(kind: FactKind, one: str, other: str) -> bool:
    if kind is FactKind.VAT_ID:
        return same_tax_id(one, other)
    return key_of(kind, one) == key_of(kind, other)


def _same_name(one: str, other: str) -> bool:
    first, second = legal_name_key(one), legal_name_key(other)
    if first == second:
        return True
    plain = vendor_key(one)
    # Without its legal form on one side: another form is another company.
    return plain == vendor_key(other) and plain in {first, second}


def without_repeats(names: Iterable[str]) -> tuple[str, ...]:
    """Each text once, in order."""
    return tuple(dict.fromkeys(names))
