"""What an approved invoice teaches about its vendor.

The approval of an invoice that shows an account makes the account known. Anything else becomes
known by the approvals of two invoices. Nothing is learned from approvals of people who had another
part in the invoice, or whom nobody has proven; and no account that a person typed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from finops.invoices.domain import Invoice, InvoiceRecord, InvoiceStatus, Reading, Review
from finops.invoices.separation import part_in
from finops.invoices.vendors.evidence import MOST_OF_A_KIND, Evidence, evidence_of
from finops.invoices.vendors.settling import SOURCE, date_order
from finops.invoices.vendors.vendor import (
    APPROVALS_NEEDED,
    BANK_DETAILS,
    Approval,
    Fact,
    FactKind,
    Vendor,
    number_form,
    vendor_id,
)

_APPROVED = "APPROVED"
_MOST_OF_A_KIND = 20
_LONGEST_NUMBER = 60


def approval_of(record: InvoiceRecord) -> Approval | None:
    """The approval that a processed invoice has; None if it proves nothing."""
    if record.status is not InvoiceStatus.PROCESSED or record.invoice is None or record.erasure:
        return None
    decisions = [one for one in record.reviews if one.decision != "NOT_DUPLICATE"]
    last: Review | None = decisions[-1] if decisions else None
    if last is None or last.decision != _APPROVED or not last.proven:
        return None
    if part_in(record, last.reviewer):
        return None
    return Approval(
        invoice_id=record.id,
        approver=last.reviewer,
        submitter=record.submitted_by or record.document.principal,
        at=last.at,
    )


def new_vendor(record: InvoiceRecord, approval: Approval, *, salt: str) -> Vendor | None:
    """The vendor of an approved invoice of nobody who is known; None if it names nobody."""
    name = record.invoice.text("vendor") if record.invoice else ""
    id_ = vendor_id(name)
    if not id_:
        return None
    return Vendor(
        id=id_, name=name, created_at=approval.at, updated_at=approval.at, audit_salt=salt
    )


def learned(vendor: Vendor, record: InvoiceRecord, approval: Approval) -> Vendor:
    """The vendor with what an approved invoice shows; the same one if that is nothing new.

    Args:
        vendor: The invoice's; one without facts takes its tax ids from this approval alone.
        record: The invoice.
        approval: Of the invoice; an invoice counts once.
    """
    assert record.invoice  # noqa: S101 - `approval_of` gives no approval of one that is unread
    is_new = not vendor.facts
    changed = vendor
    for kind, value in _observed(vendor, record.invoice, record.page_ibans):
        if kind is FactKind.ALIAS and vendor.is_called(value):
            continue
        at_once = kind in BANK_DETAILS or (is_new and kind is FactKind.VAT_ID)
        known = changed.fact(kind, value) or Fact(
            kind=kind, value=value, needed=1 if at_once else APPROVALS_NEEDED
        )
        if (
            not known.approvals
            and sum(one.kind is kind for one in changed.facts) >= _MOST_OF_A_KIND
        ):
            # Numbers of ever other forms, and lines that change, are no rule.
            continue
        counted = {one.invoice_id for one in known.approvals}
        if known.revoked_by or known.is_known or approval.invoice_id in counted:
            continue
        changed = changed.with_fact(replace(known, approvals=(*known.approvals, approval)))
    if changed is vendor:
        return vendor
    return replace(changed, updated_at=approval.at)


def _observed(
    vendor: Vendor, invoice: Invoice, page_ibans: tuple[str, ...]
) -> Iterator[tuple[FactKind, str]]:
    evidence = evidence_of(invoice, page_ibans)
    yield from _accounts(invoice, evidence)
    for one in evidence.tax_ids:
        yield FactKind.VAT_ID, one
    yield from _names(vendor, invoice)
    currency = invoice.readings.get("currency")
    # What comes from the master proves nothing about it.
    if currency and currency.value and currency.source != SOURCE:
        yield FactKind.CURRENCY, currency.value
    number = invoice.text("invoice_number")
    if any(c.isdigit() for c in number) and len(number) <= _LONGEST_NUMBER:
        yield FactKind.NUMBER_FORM, number_form(number)
    dated = invoice.readings.get("invoice_date")
    if dated and dated.source != SOURCE and (order := date_order(dated)):
        yield FactKind.DATE_ORDER, order


def _accounts(invoice: Invoice, evidence: Evidence) -> Iterator[tuple[FactKind, str]]:
    printed: Reading | None = invoice.readings.get("iban")
    if printed and printed.source == "review":
        # What was approved is not what is printed.
        return
    for kind, values in (
        (FactKind.IBAN, evidence.ibans),
        (FactKind.ACCOUNT, evidence.accounts),
    ):
        for one in values[:MOST_OF_A_KIND]:
            yield kind, one


def _names(vendor: Vendor, invoice: Invoice) -> Iterator[tuple[FactKind, str]]:
    """The name that was approved, and the one that was printed where a person corrected it."""
    named = invoice.readings.get("vendor")
    if named is None or named.source == SOURCE:
        return
    if not vendor.is_called(named.value):
        yield FactKind.ALIAS, named.value
    elif named.source == "review" and named.text:
        yield FactKind.ALIAS, " ".join(named.text.split())[:200]
