"""Reading a document: with which engine, at once or as a job, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, BinaryIO, Final

import msgspec

from finops.invoices.audit_events import extracted_event, rejected_event
from finops.invoices.document_files import DocumentFile
from finops.invoices.domain import TEXTRACT_PREFIX, Invoice, InvoiceRecord, InvoiceStatus
from finops.invoices.einvoice.as_invoice import findings
from finops.invoices.einvoice.embedded import Embedded
from finops.invoices.einvoice.terms import RESPONSE_KEY, EInvoice
from finops.invoices.identity import vendor_key
from finops.invoices.ports import Clock, ExpenseEngine, InvoiceStore, Objects, Workflow
from finops.invoices.service import rejected, unmeasured
from finops.invoices.spending import (
    Charge,
    SpendingLimits,
    consented,
    content_is_being_read,
    too_many_pages,
)
from finops.invoices.textract_response.reading import read_expense
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput
from finops.shared.money import EXACT

#: The most that AnalyzeExpense takes: https://docs.aws.amazon.com/textract/latest/dg/limits-document.html
SYNCHRONOUS_BYTES: Final = 10 << 20
#: The engines of an XML file, and of a PDF by the XML in it.
XML_ENGINE: Final = "xml"
HYBRID_ENGINE: Final = "pdf-xml"
#: The fields by which two engines' readings are compared.
COMPARED: Final = ("vendor", "invoice_number", "invoice_date", "currency", "total")


class ExtractionOutcome(StrEnum):
    """What the workflow does after the extraction."""

    EXTRACTED = "EXTRACTED"
    ASYNCHRONOUS = "ASYNCHRONOUS"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Which engine reads documents.

    Attributes:
        engine: `textract`, or `text-layer`, which reads the text of a PDF if every check passes
            and leaves all other documents to Textract.
        trusted_vendors: The vendors whose documents `text-layer` may read.
        shadow: Whether to read text layers as well when Textract is used, and record whether both
            agree.
        price_per_page: Textract's price in USD.
        limits: The most that Textract may read.
    """

    engine: str = "textract"
    trusted_vendors: tuple[str, ...] = ()
    shadow: bool = False
    price_per_page: Decimal = Decimal("0.01")
    limits: SpendingLimits = field(default_factory=SpendingLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceExtractor:
    """Has documents read by an engine, and keeps its responses in the bucket.

    Attributes:
        einvoice: Reads an XML file.
        embedded: Reads the e-invoice in a PDF.
        measure: Adds to a metric, by its name.
    """

    store: InvoiceStore
    objects: Objects
    engine: ExpenseEngine
    workflow: Workflow
    inspect: Callable[[BinaryIO, int], DocumentFile]
    text_layer: Callable[[BinaryIO], dict[str, Any] | None]
    einvoice: Callable[[BinaryIO], EInvoice]
    embedded: Callable[[BinaryIO], Embedded]
    clock: Clock
    audit: AuditRecorder
    settings: EngineSettings = field(default_factory=EngineSettings)
    measure: Callable[[str, float], None] = unmeasured

    def extract(self, invoice: str) -> ExtractionOutcome:
        """Check the document, and read it unless that needs a job."""
        record = self.store.find(invoice)
        if record.status is InvoiceStatus.REJECTED or record.response_key:
            self._record(record)
            return _result(record)
        try:
            return self._extract(record)
        except RejectedInput as error:
            self._reject(self.store.find(invoice), error)
            return ExtractionOutcome.REJECTED

    def begin(self, invoice: str, task_token: str) -> None:
        """Start a job; the workflow gets its outcome when the job ends.

        A job that has already ended, because this is a repeated call, is collected at once:
        Textract reports a completion only once.
        """
        record = self.store.find(invoice)
        record = self.store.save(replace(record, task_token=task_token))
        record = self._charge(record)
        try:
            # Textract repeats the outcome of a failed job, so a redrive starts another one.
            job = self.engine.start(record.document, record.id, _attempt(record))
            answer = self.engine.collect(job)
        except RejectedInput as error:
            self._tell(self._reject(record, error))
            return
        if answer is not None:
            self._end(record, answer)

    def finish(self, invoice: str, job: str) -> None:
        """Collect a job that Textract reported as completed."""
        record = self.store.find(invoice)
        if record.response_key or record.status is InvoiceStatus.REJECTED:
            self._record(record)
            self._tell(record)
            return
        try:
            answer = self.engine.collect(job)
        except RejectedInput as error:
            self._tell(self._reject(record, error))
            return
        if answer is not None:
            self._end(record, answer)

    def _extract(self, record: InvoiceRecord) -> ExtractionOutcome:
        with self.objects.open(record.document) as file:
            found = self.inspect(file, record.document.size)
            record = replace(
                record,
                status=InvoiceStatus.EXTRACTING,
                media_type=found.media_type,
                pages=found.pages,
                submitted_by=self.objects.owner(record.document),
                content_sha256=_sha256(file),
                updated_at=self.clock(),
            )
            file.seek(0)
            if found.kind == "XML":
                self._keep_einvoice(record, self.einvoice(file), XML_ENGINE)
                return ExtractionOutcome.EXTRACTED
            if found.attachments:
                embedded = self.embedded(file)
                record = replace(record, findings=embedded.findings, page_ibans=embedded.page_ibans)
                if embedded.einvoice:
                    self._keep_einvoice(record, embedded.einvoice, HYBRID_ENGINE)
                    return ExtractionOutcome.EXTRACTED
            if self.settings.engine == "text-layer" and found.kind == "PDF":
                file.seek(0)
                answer = self.text_layer(file)
                if answer is not None and self._is_safe(answer):
                    self._keep(record, answer, "text-layer")
                    return ExtractionOutcome.EXTRACTED
        record = self._consented(record)
        if (answer := self._read_before(record)) is not None:
            self._keep(record, answer, "textract", paid=False)
            return ExtractionOutcome.EXTRACTED
        record = self._charge(record)
        if found.pages > 1 or found.size > SYNCHRONOUS_BYTES:
            self.store.save(record)
            return ExtractionOutcome.ASYNCHRONOUS
        self._keep(record, self.engine.analyze(record.document), "textract")
        return ExtractionOutcome.EXTRACTED

    def _consented(self, record: InvoiceRecord) -> InvoiceRecord:
        limits = self.settings.limits
        if record.pages <= limits.pages_without_consent:
            return record
        if not consented(record):
            self.store.save(record)
            raise too_many_pages(record, limits, self._price(record))
        return self.store.save(replace(record, large_accepted=True))

    def _read_before(self, record: InvoiceRecord) -> dict[str, Any] | None:
        """Textract's response to the same content, if another invoice has one."""
        _, other = self._reader(record)
        if other is None or not other.response_key:
            return None
        return self.objects.read_json(other.response_key)

    def _reader(self, record: InvoiceRecord) -> tuple[str, InvoiceRecord | None]:
        """The other invoice for which the content was read: its id, and its record if any."""
        holder = self.store.reader_of(record.content_sha256) if record.content_sha256 else ""
        if holder in {"", record.id}:
            return "", None
        try:
            return holder, self.store.find(holder)
        except RejectedInput:
            return holder, None

    def _charge(self, record: InvoiceRecord) -> InvoiceRecord:
        """Count an attempt to read the document once, whatever is run again.

        Raises:
            SpendingCapReached: the day's limits do not suffice.
            TransientFailure: the same content is being read for another invoice.
        """
        attempt = _attempt(record)
        if record.charged_attempt >= attempt:
            return record
        holder, other = self._reader(record)
        if other is not None and not other.status.is_final and not other.response_key:
            raise content_is_being_read(record, other.id)
        return self.store.charge(
            record,
            Charge(
                attempt=attempt,
                day=self.clock().date(),
                pages=max(record.pages, 1),
                usd=self._price(record),
                limits=self.settings.limits,
                stale_holder=holder,
            ),
        )

    def _price(self, record: InvoiceRecord) -> Decimal:
        return self.settings.price_per_page * max(record.pages, 1)

    def _end(self, record: InvoiceRecord, answer: dict[str, Any]) -> None:
        self._tell(self._keep(record, answer, "textract"))

    def _reject(self, record: InvoiceRecord, error: RejectedInput) -> InvoiceRecord:
        record = self.store.save(rejected(record, error, InvoiceStatus.REJECTED, self.clock()))
        self._record(record)
        return record

    def _tell(self, record: InvoiceRecord) -> None:
        if not record.task_token:
            return
        self.workflow.resume(record.task_token, {"outcome": _result(record).value})

    def _record(self, record: InvoiceRecord) -> None:
        event = rejected_event if record.status is InvoiceStatus.REJECTED else extracted_event
        self.audit.record(event(record, self.clock()))

    def _keep_einvoice(self, record: InvoiceRecord, read: EInvoice, engine: str) -> None:
        """Keep an e-invoice. One in a PDF saves what Textract would have charged."""
        pages = record.pages if engine == HYBRID_ENGINE else 0
        saved = self.settings.price_per_page * pages
        record = replace(record, saved_usd=saved, findings=(*findings(read), *record.findings))
        self._keep(record, {RESPONSE_KEY: msgspec.to_builtins(read)}, engine)
        self.measure("InvoicesReadFromXml", 1)
        if saved:
            self.measure("TextractPagesSaved", pages)
            self.measure("TextractCostSaved", float(saved))
        if any(one.code == "page_differs_from_xml" for one in record.findings):
            self.measure("InvoicePagesDifferFromXml", 1)

    def _keep(
        self, record: InvoiceRecord, answer: dict[str, Any], engine: str, *, paid: bool = True
    ) -> InvoiceRecord:
        key = f"{TEXTRACT_PREFIX}{record.document.document_id}/response.json"
        written = self.objects.write_json(key, answer)
        charged = Decimal(0)
        agreement = record.agreement
        if engine == "textract":
            if paid:
                charged = self._price(record)
                self.measure("TextractPages", max(record.pages, 1))
                self.measure("TextractCost", float(charged))
            if self.settings.shadow:
                agreement = self._compare(record, answer)
        record = self.store.save(
            replace(
                record,
                response_key=key,
                response_sha256=written,
                engine=engine,
                cost_usd=charged,
                agreement=agreement,
                updated_at=self.clock(),
            )
        )
        self._record(record)
        return record

    def _is_safe(self, answer: dict[str, Any]) -> bool:
        """Whether every check of a text layer's reading passes.

        Of real documents with correct sums, three in eight had a wrong vendor or number: hence the
        list of vendors whose layout is known to be read well.
        """
        trusted = {vendor_key(name) for name in self.settings.trusted_vendors}
        found = read_expense(answer, source="text-layer")
        return bool(found) and all(_adds_up(one, trusted) for one in found)

    def _compare(self, record: InvoiceRecord, answer: dict[str, Any]) -> dict[str, bool]:
        """How the text layer agrees; nothing where it cannot be read, which rejects nothing."""
        if record.media_type != "application/pdf":
            return {}
        try:
            with self.objects.open(record.document) as file:
                other = self.text_layer(file)
        except RejectedInput:
            return {}
        if other is None:
            return {}
        ours = read_expense(other, source="text-layer")
        theirs = read_expense(answer)
        return {
            name: [one.text(name) for one in ours] == [one.text(name) for one in theirs]
            for name in COMPARED
        }


def _attempt(record: InvoiceRecord) -> int:
    return record.failure.redrive if record.failure else 0


def einvoice_of(record: InvoiceRecord, objects: Objects) -> EInvoice | None:
    """The e-invoice that a record was read from.

    None if it was read from a page or from JSON, or is erased.
    """
    if record.engine not in {XML_ENGINE, HYBRID_ENGINE} or not record.response_key:
        return None
    response = objects.read_json(record.response_key)
    return msgspec.convert(response[RESPONSE_KEY], EInvoice) if response else None


def _result(record: InvoiceRecord) -> ExtractionOutcome:
    if record.status is InvoiceStatus.REJECTED:
        return ExtractionOutcome.REJECTED
    return ExtractionOutcome.EXTRACTED


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    found = sha256()
    while piece := file.read(1 << 20):
        found.update(piece)
    return found.hexdigest()


def _adds_up(invoice: Invoice, trusted: set[str]) -> bool:
    if vendor_key(invoice.text("vendor")) not in trusted:
        return False
    readings = [invoice.readings.get(name) for name in (*COMPARED, "subtotal", "tax")]
    if any(one is None or not one.value or one.doubt for one in readings):
        return False
    subtotal, tax, total = (Decimal(invoice.text(name)) for name in ("subtotal", "tax", "total"))
    return EXACT.add(subtotal, tax) == total
