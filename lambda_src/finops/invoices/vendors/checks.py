"""What is wrong with an invoice in the light of its vendor: above all, another account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from finops.invoices.domain import Invoice, Issue, Severity
from finops.invoices.vendors.evidence import Evidence, evidence_of
from finops.invoices.vendors.recognition import Recognition

#: A known vendor's invoice shows an account that no approval has confirmed, and others are known.
BANK_DETAILS_CHANGED: Final = "bank_details_changed"


def vendor_issues(
    invoice: Invoice, recognition: Recognition, page_ibans: tuple[str, ...] = ()
) -> tuple[Issue, ...]:
    """What a person must look at.

    Args:
        invoice: As read, or as corrected.
        recognition: Its vendor.
        page_ibans: Accounts that the page of a hybrid invoice shows besides its XML's.
    """
    return tuple(_issues(invoice, recognition, page_ibans))


def _issues(
    invoice: Invoice, recognition: Recognition, page_ibans: tuple[str, ...]
) -> Iterator[Issue]:
    vendor, evidence = recognition.vendor, evidence_of(invoice, page_ibans)
    if recognition.doubt:
        yield _review(
            "vendor_contradicted" if vendor else "vendor_uncertain",
            "vendor",
            f"possible fraud: whose invoice this is, is uncertain: {recognition.doubt}",
        )
    known = vendor.accounts if vendor else frozenset()
    beside = [one for one in page_ibans if one not in known and invoice.text("iban")]
    if beside:
        yield _review(
            "page_differs_from_xml",
            "iban",
            f"possible fraud: the page also shows IBAN {', '.join(beside)}, which its XML does not "
            "name",
        )
    if vendor:
        yield from _bank_details(vendor.name, known, evidence)


def _bank_details(vendor: str, known: frozenset[str], evidence: Evidence) -> Iterator[Issue]:
    strange = [one for one in evidence.payable_to if one not in known]
    if strange and known:
        yield _review(
            BANK_DETAILS_CHANGED,
            "iban",
            f"possible fraud: {vendor} is paid to {', '.join(sorted(known))}, but this invoice "
            f"shows {', '.join(strange)}: ask the vendor by a way that you know, not by what the "
            "invoice prints",
        )
    elif strange:
        yield _review(
            "bank_details_new",
            "iban",
            f"no account of {vendor} is known, and this invoice shows {', '.join(strange)}: an "
            "approval makes it known",
        )


def _review(code: str, field: str, message: str) -> Issue:
    return Issue(code=code, severity=Severity.REVIEW, field=field, message=message)
