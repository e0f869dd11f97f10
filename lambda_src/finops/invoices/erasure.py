"""Erasing the personal data of an invoice, with its original, for good."""

from __future__ import annotations

from dataclasses import dataclass

from finops.invoices.audit_events import erased_event
from finops.invoices.domain import Erasure, InvoiceRecord, invoice_id
from finops.invoices.ports import Clock, InvoiceStore, Objects
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceEraser:
    """Erases a document and what was read from it.

    Can be interrupted at any point and run again: the original goes first, because only a record
    that is whole names it, and the entry in the trail comes last.
    """

    store: InvoiceStore
    objects: Objects
    audit: AuditRecorder
    clock: Clock

    def erase(
        self, invoice: str, *, by: str, reason: str, bypass_governance: bool = False
    ) -> list[InvoiceRecord]:
        """Erase all invoices of the document that this one is part of.

        Args:
            invoice: Its id.
            by: Who erases it.
            reason: Kept, here and in the audit trail.
            bypass_governance: Also delete an original that is locked in governance mode.

        Returns:
            What is left of each invoice.

        Raises:
            RejectedInput: there is no such invoice, its workflow may go on, no reason is given, or
                its original is locked.
        """
        if not reason.strip():
            raise RejectedInput(
                "an erasure needs a reason",
                code="no_reason",
                field="reason",
                remedy="Give the reason, and name nobody in it: it stays",
            )
        records = self._parts(invoice)
        for record in records:
            if not record.status.is_final:
                raise RejectedInput(
                    f"{record.id} is {record.status}, so its workflow would go on",
                    code="not_final",
                    value=record.status.value,
                    remedy="Wait until it has ended, or reject it",
                )
        whole = [one for one in records if one.erasure is None]
        if whole:
            self.objects.delete(whole[0].document, bypass_governance=bypass_governance)
        erasure = Erasure(at=self.clock(), by=by, reason=reason.strip())
        erased = [one if one.erasure else self.store.erase(one, erasure) for one in records]
        for record in erased:
            self.objects.delete_kept(record.id)
        self.audit.record(*(erased_event(one, one.erasure) for one in erased if one.erasure))
        return erased

    def _parts(self, invoice: str) -> list[InvoiceRecord]:
        """All invoices of a document; the first has the document's id."""
        first = invoice.partition("-")[0]
        found = [self.store.find(first)]
        while True:
            try:
                found.append(self.store.find(invoice_id(first, len(found) + 1)))
            except RejectedInput:
                return found
