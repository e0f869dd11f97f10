"""Which known vendor sent an invoice: by VAT id, account, domain or name, in this order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from finops.invoices.identity import mixes_alphabets
from finops.invoices.vendors.evidence import Evidence
from finops.invoices.vendors.vendor import IDENTIFYING, FactKind, Vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """The vendor of a document.

    Attributes:
        vendor: None if it is unknown, or uncertain.
        by: The kinds of fact that tell it, the strongest first.
        doubt: Why it is uncertain whose invoice it is, or what speaks against the vendor; empty if
            nothing does.
    """

    vendor: Vendor | None = None
    by: tuple[FactKind, ...] = ()
    doubt: str = ""

    @property
    def is_strong(self) -> bool:
        """Whether the document may be completed from what is known of its vendor.

        Anybody can print a name. A vendor with a tax id or accounts is told by one of these only.
        """
        if self.vendor is None or self.doubt:
            return False
        if not (self.vendor.tax_ids or self.vendor.ibans):
            return True
        return bool({FactKind.VAT_ID, FactKind.IBAN} & {*self.by})


def recognise(evidence: Evidence, known: Mapping[str, Collection[Vendor]]) -> Recognition:
    """The vendor of a document.

    Each kind of evidence that any vendor has must point to the same one.

    Args:
        evidence: What the document shows.
        known: The vendors of each of its keys.
    """
    pointed: dict[FactKind, dict[str, Vendor]] = {}
    for kind in IDENTIFYING:
        found = {
            one.id: one
            for key in evidence.keys(kind)
            for one in known.get(key, ())
            if _shows(kind, one, evidence)
        }
        if found:
            pointed[kind] = found
    if not pointed:
        mixed = next((one for one in evidence.names if mixes_alphabets(one)), "")
        return Recognition(doubt=f"{mixed!r} mixes letters of several alphabets" if mixed else "")
    everyone = {id_: one for found in pointed.values() for id_, one in found.items()}
    agreed = [one for one in everyone.values() if all(one.id in f for f in pointed.values())]
    if len(agreed) != 1:
        told = "; ".join(
            f"{_SHOWN[kind]} {' and '.join(sorted(one.name for one in found.values()))}"
            for kind, found in pointed.items()
        )
        return Recognition(doubt=f"it has {told}")
    (vendor,) = agreed
    return Recognition(vendor=vendor, by=tuple(pointed), doubt=_against(vendor, evidence))


def is_another(vendor: Vendor, evidence: Evidence) -> bool:
    """Whether a document with an account of a vendor is of another one, by name and tax id.

    A bank that buys claims is paid for many vendors.
    """
    return bool(
        evidence.names
        and not any(vendor.is_called(one) for one in evidence.names)
        and _has_other_tax_id(vendor, evidence)
    )


def _has_other_tax_id(vendor: Vendor, evidence: Evidence) -> bool:
    known = vendor.tax_ids and evidence.tax_ids
    return bool(known) and not any(vendor.has_tax_id(one) for one in evidence.tax_ids)


def _shows(kind: FactKind, vendor: Vendor, evidence: Evidence) -> bool:
    """Whether a document shows what its key stands for: the legal form and the country as well."""
    if kind is FactKind.ALIAS:
        return any(vendor.is_called(one) for one in evidence.names)
    if kind is FactKind.VAT_ID:
        return any(vendor.has_tax_id(one) for one in evidence.tax_ids)
    return True


def _against(vendor: Vendor, evidence: Evidence) -> str:
    """What the document shows that the vendor does not have."""
    if evidence.customer and vendor.is_called(evidence.customer):
        return f"it names {vendor.name} as the customer"
    if evidence.names and not any(vendor.is_called(one) for one in evidence.names):
        return f"it names {evidence.names[0]!r}, which {vendor.name} is not known by"
    if _has_other_tax_id(vendor, evidence):
        return f"its tax id {evidence.tax_ids[0]} is no known one of {vendor.name}"
    return ""


_SHOWN = {
    FactKind.VAT_ID: "a tax id of",
    FactKind.IBAN: "an account of",
    FactKind.DOMAIN: "a domain of",
    FactKind.ALIAS: "the name of",
}
