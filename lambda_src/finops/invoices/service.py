"""The steps of the invoice workflow; each can be interrupted at any point and run again.

A step reads the invoice's record, does its work and writes the record; a write fails if the record
changed in the meantime. What an interrupted run finished is found again: the engine's responses are
in the bucket, and the record says how far the invoice has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from finops.invoices.audit_events import (
    checked_event,
    failed_event,
    filed_event,
    notified_event,
    received_event,
    reviewed_events,
)
from finops.invoices.domain import (
    JSON_PREFIX,
    RAW_PREFIX,
    Failure,
    Invoice,
    InvoiceRecord,
    InvoiceStatus,
    Issue,
    Severity,
    SourceDocument,
    invoice_id,
)
from finops.invoices.einvoice.as_invoice import as_invoice
from finops.invoices.einvoice.terms import RESPONSE_KEY, EInvoice
from finops.invoices.json_invoice import read_json
from finops.invoices.ports import Clock, InvoiceStore, NotificationChannel, Objects, Workflow
from finops.invoices.separation import independent, lacking_approval
from finops.invoices.textract_response.reading import read_expense
from finops.invoices.validation import Outcome, ValidationSettings, check, outcome
from finops.invoices.vendors.checks import BANK_DETAILS_CHANGED
from finops.invoices.vendors.service import VendorLearner, VendorMaster
from finops.shared.audit import AuditRecorder, digest
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.people import PERSONAL_SESSION_ROLES
from finops.shared.retention import Originals

#: Bytes. A JSON invoice is a page of text; a larger file is something else.
LARGEST_JSON: Final = 1 << 20
_REFUSED: Final = frozenset({InvoiceStatus.REJECTED, InvoiceStatus.VALIDATION_FAILED})


def unmeasured(_name: str, _value: float) -> None:
    """Add to no metric."""


class InvoiceFailed(FinOpsError):
    """Fails an execution whose failure was recorded, so that it can be redriven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceIntake:
    """Enters new files as invoices and starts their workflows.

    Attributes:
        new_salt: A random text for the digests of an invoice's personal data.
    """

    store: InvoiceStore
    originals: Originals
    new_salt: Callable[[], str]
    workflow: Workflow
    clock: Clock
    audit: AuditRecorder

    def receive(self, document: SourceDocument) -> InvoiceRecord:
        """Enter a file and start its workflow; a repeated event changes nothing."""
        now = self.clock()
        record = self.store.create(
            InvoiceRecord(
                id=document.document_id,
                document=document,
                status=InvoiceStatus.RECEIVED,
                received_at=now,
                updated_at=now,
                audit_salt=self.new_salt(),
            )
        )
        if record.erasure:
            return record
        self.originals.keep(document, record.received_at)
        kind = "JSON" if document.key.startswith(JSON_PREFIX) else "DOCUMENT"
        self.workflow.start(record.id, {"invoice_id": record.id, "kind": kind})
        self.audit.record(received_event(record))
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceValidator:
    """Makes invoices from what was extracted, and checks them."""

    store: InvoiceStore
    objects: Objects
    workflow: Workflow
    settings: Callable[[], ValidationSettings]
    json_currency: str
    clock: Clock
    audit: AuditRecorder
    vendors: VendorMaster
    measure: Callable[[str, float], None] = unmeasured
    separation_of_duties: bool = True
    personal_session_roles: Sequence[str] = PERSONAL_SESSION_ROLES

    def validate(self, invoice: str) -> Outcome:
        """Read the invoice, unless that was done before, and check it."""
        record = self.store.find(invoice)
        # Reviewers may not write to the audit trail, so the workflow records their decisions.
        self.audit.record(*reviewed_events(record))
        if record.status.is_final and record.status is not InvoiceStatus.PROCESSING_FAILED:
            if record.status in _REFUSED:
                self._recorded(record, Outcome.INVALID)
            elif event := filed_event(record, self.clock()):
                self.audit.record(event)
            return _outcome_of(record)
        if record.invoice is None:
            try:
                record = self._read(record)
            except RejectedInput as error:
                return self._recorded(self._refuse(record, error), Outcome.INVALID)
        return self._recorded(*self._check(record))

    def _recorded(self, record: InvoiceRecord, found: Outcome) -> Outcome:
        self.audit.record(checked_event(record, found.value, self.clock()))
        return found

    def _read(self, record: InvoiceRecord) -> InvoiceRecord:
        if record.document.key.startswith(JSON_PREFIX):
            if record.document.size > LARGEST_JSON:
                raise RejectedInput(
                    f"{record.file} is {record.document.size:,} bytes; the limit for a JSON "
                    f"invoice is {LARGEST_JSON:,}",
                    code="too_large",
                )
            with self.objects.open(record.document) as file:
                content = file.read(LARGEST_JSON + 1)
            if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                raise RejectedInput(
                    f"{record.file} is XML, not JSON",
                    code="invalid_json",
                    step="read",
                    remedy=f"Drop it below {RAW_PREFIX}",
                )
            owner = self.objects.owner(record.document)
            found = [read_json(content, currency=self.json_currency)]
            return replace(
                record,
                invoice=found[0],
                engine="json",
                pages=1,
                submitted_by=owner,
                content_sha256=digest(content),
            )
        answer = self.objects.read_json(record.response_key) if record.response_key else None
        if answer is None:
            raise RejectedInput(
                f"{record.file} has not been extracted", code="not_extracted", step="extract"
            )
        if RESPONSE_KEY in answer:
            einvoice = msgspec.convert(answer[RESPONSE_KEY], EInvoice)
            return replace(record, invoice=as_invoice(einvoice))
        found = read_expense(answer, source=record.engine)
        if not found:
            raise RejectedInput(
                f"no invoice was found in {record.file}",
                code="no_invoice",
                step="read",
                remedy="Check that it is an invoice and that people can read it",
            )
        for number, part in enumerate(found[1:], 2):
            self._split(record, number, part)
        return replace(record, invoice=found[0])

    def _split(self, record: InvoiceRecord, number: int, part: Invoice) -> None:
        """Start a workflow for a further invoice of the same document."""
        part_id = invoice_id(record.document.document_id, number)
        created = self.store.create(
            replace(
                record,
                id=part_id,
                revision=0,
                status=InvoiceStatus.RECEIVED,
                invoice=part,
                issues=(),
                # The first invoice carries the cost of the document.
                cost_usd=Decimal(0),
                failure=None,
                announced=(),
            )
        )
        self.workflow.start(part_id, {"invoice_id": part_id, "kind": "INVOICE"})
        self.audit.record(received_event(created))

    def _check(self, record: InvoiceRecord) -> tuple[InvoiceRecord, Outcome]:
        record, of_vendor = self.vendors.consult(record)
        read = record.invoice
        if read is None:
            raise ValueError(f"{record.id} has not been read")
        now = self.clock()
        checked = check(read, self.settings(), now.date())
        issues = (*checked, *record.findings, *of_vendor)
        doubts = [one for one in checked if one.severity is Severity.REVIEW]
        if not _seen(record, (*doubts, *of_vendor)):
            # A correction made a doubt, or the vendor or another account became known, after the
            # reviewer had looked.
            record = replace(record, approved=False)
        if self.separation_of_duties:
            record = independent(record, self.personal_session_roles)
            issues += lacking_approval(record, self.personal_session_roles)
        if record.duplicate_of and not record.approved:
            # After a correction it may match nothing; the next step looks again.
            record = replace(record, duplicate_of="")
        found = outcome(read, issues, approved=record.approved)
        if found is Outcome.VALID and record.approved:
            record, issues = _settled(record, issues)
        status = {
            Outcome.VALID: InvoiceStatus.VALIDATING,
            Outcome.REVIEW: InvoiceStatus.NEEDS_REVIEW,
            Outcome.INVALID: InvoiceStatus.VALIDATION_FAILED,
        }[found]
        record = replace(record, issues=issues, status=status, decision="", updated_at=now)
        record = self.store.save(record)
        if any(one.code == BANK_DETAILS_CHANGED for one in record.issues):
            self.measure("BankDetailsChanged", 1)
        return record, found

    def _refuse(self, record: InvoiceRecord, error: RejectedInput) -> InvoiceRecord:
        status = (
            InvoiceStatus.VALIDATION_FAILED
            if record.document.key.startswith(JSON_PREFIX)
            else InvoiceStatus.REJECTED
        )
        return self.store.save(rejected(record, error, status, self.clock()))


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceProcessor:
    """Numbers valid invoices, unless they are duplicates, and learns from who approved them."""

    store: InvoiceStore
    clock: Clock
    audit: AuditRecorder
    vendors: VendorLearner

    def process(self, invoice: str) -> InvoiceStatus:
        """Number the invoice. Returns PROCESSED, DUPLICATE, or NEEDS_REVIEW for a near match."""
        record = self.store.find(invoice)
        if not record.status.is_final or record.status is InvoiceStatus.PROCESSING_FAILED:
            record = self._file(record)
        if event := filed_event(record, self.clock()):
            self.audit.record(event)
        self.vendors.learn(record)
        return record.status

    def _file(self, record: InvoiceRecord) -> InvoiceRecord:
        now = self.clock()
        filed = self.store.file(
            replace(
                record,
                status=InvoiceStatus.PROCESSED,
                processed_at=now,
                updated_at=now,
                duplicate_of="",
            ),
            now.year,
        )
        if filed.resembles is None:
            return filed.record or record
        same = filed.resembles.same
        issue = Issue(
            code="duplicate" if same else "near_match",
            severity=Severity.ERROR if same else Severity.REVIEW,
            field="invoice_number",
            message=filed.resembles.said,
        )
        return self.store.save(
            replace(
                record,
                status=InvoiceStatus.DUPLICATE if same else InvoiceStatus.NEEDS_REVIEW,
                duplicate_of=filed.resembles.invoice_id,
                approved=record.approved and same,
                issues=(*record.issues, issue),
                updated_at=now,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceNotifier:
    """Notifies subscribers and customers about invoices."""

    store: InvoiceStore
    channels: Sequence[NotificationChannel]
    clock: Clock
    audit: AuditRecorder

    def notify(self, invoice: str, event: str = "") -> InvoiceStatus:
        """Send the invoice's status to every channel, once for each time it reaches that status.

        An interruption can send a notification twice, but never lose it. A channel that fails
        makes no other channel send again.

        Args:
            invoice: Its id.
            event: Sent instead of the status, such as REVIEW_ESCALATED.

        Returns:
            The invoice's status.
        """
        record = self.store.find(invoice)
        event = event or record.status.value
        # A further review, or a further reminder, is a notification of its own.
        notice = f"{event} {len(record.reviews)}.{record.escalations}"
        for channel in self.channels:
            mark = f"{notice} {channel.name}"
            if {notice, mark}.isdisjoint(record.announced) and channel.send(record, event):
                announced = (*record.announced, mark)
                record = self.store.save(
                    replace(record, announced=announced, updated_at=self.clock())
                )
        self.audit.record(
            # A rejected invoice comes here without another validation.
            *reviewed_events(record),
            notified_event(record, event, notice, self.clock()),
        )
        return record.status


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecorder:
    """Records a failed step; a redrive of the execution continues with that step."""

    store: InvoiceStore
    channels: Sequence[NotificationChannel]
    clock: Clock
    audit: AuditRecorder

    def record(self, invoice: str, failure: Failure) -> str:
        """Record a failure, or return the step that a redriven execution continues with.

        Step Functions redrives from the state that failed, which is the one that calls this: the
        first call fails the execution, the call after a redrive does not. The state is scheduled
        again and not entered again, so the time of its entry alone tells no redrive from a replay
        (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html).

        Returns:
            The step to continue with.

        Raises:
            InvoiceFailed: the failure is recorded; the execution ends.
        """
        record = self.store.find(invoice)
        known = record.failure
        if known is None or known.run != failure.run:
            resumed = (
                known is not None
                and failure.redrive > known.redrive
                and (
                    failure.entered == known.entered
                    or (not known.resumed and failure.step == known.step)
                )
            )
            known = replace(failure, resumed=resumed)
            record = self._save(record, known)
        self.audit.record(failed_event(record, known, self.clock()))
        if known.resumed:
            return known.step
        if "PROCESSING_FAILED" not in record.announced:
            for channel in self.channels:
                channel.send(record, "PROCESSING_FAILED")
            self.store.save(replace(record, announced=(*record.announced, "PROCESSING_FAILED")))
        raise InvoiceFailed(
            f"{known.step} failed: {known.cause}",
            code="invoice_failed",
            remedy=f"Fix the cause, then run: finops invoices retry {invoice}",
        )

    def _save(self, record: InvoiceRecord, failure: Failure) -> InvoiceRecord:
        # A processed invoice stays processed, even if its notification failed.
        status = record.status
        if failure.resumed:
            if status is InvoiceStatus.PROCESSING_FAILED:
                status = InvoiceStatus.VALIDATING if record.invoice else InvoiceStatus.EXTRACTING
        elif not status.is_final:
            status = InvoiceStatus.PROCESSING_FAILED
        announced = record.announced
        if failure.resumed:
            announced = tuple(one for one in announced if one != "PROCESSING_FAILED")
        return self.store.save(
            replace(
                record,
                status=status,
                failure=failure,
                announced=announced,
                updated_at=self.clock(),
            )
        )


def _seen(record: InvoiceRecord, issues: Iterable[Issue]) -> bool:
    """Whether each issue stood on the invoice when its last reviewer decided."""
    known = {f"{one.code}: {one.message}" for one in record.issues}
    known.update(text for review in record.reviews for text in review.settled)
    return all(f"{one.code}: {one.message}" in known for one in issues)


def _settled(
    record: InvoiceRecord, issues: tuple[Issue, ...]
) -> tuple[InvoiceRecord, tuple[Issue, ...]]:
    """The record without the issues that its reviewer settled; the review keeps them."""
    settled = [one for one in issues if one.severity is Severity.REVIEW]
    if not settled or not record.reviews:
        return record, issues
    *earlier, last = record.reviews
    said = tuple(dict.fromkeys((*last.settled, *(f"{one.code}: {one.message}" for one in settled))))
    kept = tuple(one for one in issues if one.severity is not Severity.REVIEW)
    return replace(record, reviews=(*earlier, replace(last, settled=said))), kept


def rejected(
    record: InvoiceRecord, error: RejectedInput, status: InvoiceStatus, now: datetime
) -> InvoiceRecord:
    """The record of an invoice that was refused, with the reason as its issue."""
    issue = Issue(
        code=error.code,
        severity=Severity.ERROR,
        field=error.field or "document",
        message=error.explanation,
    )
    return replace(record, status=status, issues=(issue,), updated_at=now)


def _outcome_of(record: InvoiceRecord) -> Outcome:
    """The outcome of an invoice that is already in a final status: its notification follows."""
    return Outcome.VALID if record.status is InvoiceStatus.PROCESSED else Outcome.INVALID
