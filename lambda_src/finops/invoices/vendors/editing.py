"""What people change of a vendor by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from finops.invoices.vendors.evidence import MOST_OF_A_KIND
from finops.invoices.vendors.vendor import (
    SINGLE,
    Fact,
    FactKind,
    Vendor,
    canonical_fact,
    key_of,
    vendor_id,
)
from finops.shared.errors import RejectedInput

Entered = Mapping[FactKind, Sequence[str]]


def added(name: str, entered: Entered, *, by: str, now: datetime, salt: str) -> Vendor:
    """A new vendor.

    Args:
        name: As its invoices are to name it.
        entered: Facts as people write them.
        by: Who enters it.
        now: UTC.
        salt: A random text for the digests of its data.

    Raises:
        RejectedInput: the name or a fact is not one.
    """
    name = canonical_fact(FactKind.ALIAS, name)
    vendor = Vendor(id=vendor_id(name), name=name, created_at=now, updated_at=now, audit_salt=salt)
    return with_facts(vendor, entered, by=by, now=now)


def with_facts(
    vendor: Vendor, entered: Entered, *, by: str, now: datetime, name: str = ""
) -> Vendor:
    """The vendor with facts that a person enters; a currency takes the place of another.

    Args:
        vendor: As it was.
        entered: Facts as people write them.
        by: Who enters them.
        now: UTC.
        name: Another name to call it by; the present one stays as an alias.

    Raises:
        RejectedInput: a fact is not one, or may not be entered by hand.
    """
    changed = vendor
    if name:
        former, name = vendor.name, canonical_fact(FactKind.ALIAS, name)
        changed = replace(changed, name=name).with_fact(
            Fact(kind=FactKind.ALIAS, value=former, set_by=by, set_at=now)
        )
    for kind, values in entered.items():
        for text in values:
            value = canonical_fact(kind, text)
            if kind in SINGLE:
                kept = tuple(
                    replace(one, revoked_by=by, revoked_at=now)
                    if one.kind is kind and not one.revoked_by and one.value != value
                    else one
                    for one in changed.facts
                )
                changed = replace(changed, facts=kept)
            changed = changed.with_fact(Fact(kind=kind, value=value, set_by=by, set_at=now))
    for kind in FactKind:
        if len(changed.known(kind)) > MOST_OF_A_KIND:
            raise RejectedInput(
                f"{changed.name} would have more than {MOST_OF_A_KIND} of {kind.value}",
                code="too_many_facts",
                field=kind.value,
                remedy="Enter fewer, or revoke some that are no longer needed",
            )
    return replace(changed, updated_at=now)


def revoked(
    vendor: Vendor, kind: FactKind, value: str, *, by: str, now: datetime, undo: bool = False
) -> Vendor:
    """The vendor without a fact, which is then not learned again either.

    Args:
        vendor: As it was.
        kind: Of the fact.
        value: Of the fact, as shown or printed.
        by: Who revokes it.
        now: UTC.
        undo: Take a revocation back: the fact is what it was before.

    Raises:
        RejectedInput: there is no such fact, or it is not in that state.
    """
    fact = vendor.fact(kind, value)
    if fact is None:
        raise RejectedInput(
            f"{vendor.name} has no {kind.value} {value!r}",
            code="unknown_fact",
            field=kind.value,
            value=value,
            remedy=f"See its facts: finops vendors show {vendor.id}",
        )
    if bool(fact.revoked_by) is not undo:
        state = "not revoked" if undo else f"revoked by {fact.revoked_by}"
        raise RejectedInput(
            f"the {kind.value} {fact.value!r} is {state}", code="already", field=kind.value
        )
    changed = (
        replace(fact, revoked_by="", revoked_at=None)
        if undo
        else replace(fact, revoked_by=by, revoked_at=now)
    )
    return replace(vendor.with_fact(changed), updated_at=now)


def parse_fact(text: str) -> tuple[FactKind, str]:
    """The kind and value of `KIND=VALUE`.

    Raises:
        RejectedInput: it is not written so.
    """
    name, separator, value = text.partition("=")
    kinds = {one.value: one for one in FactKind}
    kind = kinds.get(name.strip().replace("-", "_").lower())
    if not separator or kind is None or not key_of(kind, value).partition("#")[2]:
        raise RejectedInput(
            f"{text!r} is not KIND=VALUE",
            code="invalid_fact",
            value=text,
            remedy=f"Use one of the kinds {', '.join(kinds)}, such as iban=DE89370400440532013000",
        )
    return kind, value.strip()
