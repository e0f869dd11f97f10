"""The vendor master at work: it completes and checks invoices, and learns from approvals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from finops.invoices.domain import InvoiceRecord, Issue
from finops.invoices.validation import is_json
from finops.invoices.vendors.audit_events import changed_event
from finops.invoices.vendors.checks import vendor_issues
from finops.invoices.vendors.evidence import Evidence, evidence_of
from finops.invoices.vendors.learning import approval_of, learned, new_vendor
from finops.invoices.vendors.ports import VendorStore
from finops.invoices.vendors.recognition import Recognition, is_another, recognise
from finops.invoices.vendors.settling import settled
from finops.invoices.vendors.vendor import FactKind, Vendor, key_of, vendor_id
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError

_TRIES = 8


def recognised(store: VendorStore, evidence: Evidence) -> Recognition:
    """The vendor of a document, as the table knows vendors now."""
    return recognise(evidence, store.having(evidence.all_keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorMaster:
    """What is known of vendors, for the step that checks an invoice."""

    store: VendorStore

    def consult(self, record: InvoiceRecord) -> tuple[InvoiceRecord, tuple[Issue, ...]]:
        """The record with its vendor, and what a person must look at.

        What the vendor settles is filled in before the first review: a person then decides about
        the values as they are. A JSON invoice names no bank details, and its sender can correct it.
        """
        invoice = record.invoice
        if invoice is None or is_json(invoice):
            return record, ()
        evidence = evidence_of(invoice, record.page_ibans)
        recognition = recognised(self.store, evidence)
        if not record.reviews:
            invoice = settled(invoice, recognition, evidence)
        vendor = recognition.vendor
        record = replace(record, invoice=invoice, vendor_id=vendor.id if vendor else "")
        return record, vendor_issues(invoice, recognition, record.page_ibans)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorLearner:
    """Learns from the approvals of processed invoices; an invoice counts once.

    Attributes:
        new_salt: A random text for the digests of a vendor's data.
    """

    store: VendorStore
    new_salt: Callable[[], str]
    audit: AuditRecorder

    def learn(self, record: InvoiceRecord) -> None:
        """Learn from an invoice, unless nobody has approved it, or it was learned from before.

        The table decides between two at once: who comes second looks again.
        """
        approval = approval_of(record)
        if approval is None or record.invoice is None or is_json(record.invoice):
            return
        for attempt in range(_TRIES):
            before = self._vendor_of(record)
            vendor = before or new_vendor(record, approval, salt=self.new_salt())
            if vendor is None:
                return
            changed = self._unclaimed(vendor, learned(vendor, record, approval))
            changed = changed.told(before, actor=approval.approver, why=record.id, proven=True)
            try:
                if changed is not before:
                    self.store.save(changed, before)
            except FinOpsError as error:
                if error.code != "changed_meanwhile" or attempt + 1 == _TRIES:
                    raise
                continue
            # A run that was killed has written, and recorded nothing.
            self.audit.record(
                *(changed_event(changed, one) for one in changed.history if one.why == record.id)
            )
            return

    def _vendor_of(self, record: InvoiceRecord) -> Vendor | None:
        """The vendor that the document tells, or else the one with the approved name."""
        if record.invoice is None:
            return None
        evidence = evidence_of(record.invoice, record.page_ibans)
        found = recognised(self.store, evidence).vendor
        if found and not is_another(found, evidence):
            return found
        return self.store.find(vendor_id(record.invoice.text("vendor")))

    def _unclaimed(self, before: Vendor, after: Vendor) -> Vendor:
        """Without new names and tax ids that another vendor has: two would then be one.

        The customer's own tax id, which is misread now and then, so never tells two vendors.
        """
        open_ = [
            one
            for one in after.facts
            if one.kind in {FactKind.VAT_ID, FactKind.ALIAS}
            and before.fact(one.kind, one.value) is None
        ]
        keys = [key_of(one.kind, one.value) for one in open_]
        holders = self.store.having(keys)
        taken = {key for key in keys if any(one.id != after.id for one in holders.get(key, ()))}
        kept = tuple(
            one
            for one in after.facts
            if one not in open_ or key_of(one.kind, one.value) not in taken
        )
        return after if len(kept) == len(after.facts) else replace(after, facts=kept)
