"""What the invoice workflow needs from AWS, as Protocols that adapters and fakes implement.

Any call can raise `TransientFailure` (try again later) or `ConfigurationError` (the deployment must
be fixed). Each method lists what else it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from finops.invoices.domain import Erasure, InvoiceRecord, SourceDocument
from finops.invoices.duplicates import Resemblance
from finops.invoices.spending import Charge

#: The time, UTC.
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """The result of numbering an invoice; exactly one attribute is set.

    Attributes:
        record: The processed invoice.
        resembles: The invoice that it repeats or resembles, if it was not processed.
    """

    record: InvoiceRecord | None = None
    resembles: Resemblance | None = None


class InvoiceStore(Protocol):
    """The table of invoices."""

    def create(self, record: InvoiceRecord) -> InvoiceRecord:
        """Enter a new invoice; returns the existing one if its id is known already."""

    def find(self, invoice_id: str) -> InvoiceRecord:
        """The invoice with this id.

        Raises:
            RejectedInput: there is none; with code `unknown_invoice`.
        """

    def save(self, record: InvoiceRecord) -> InvoiceRecord:
        """Write a record that was read before; returns it with its new revision.

        Raises:
            TransientFailure: the record has changed since; with code `changed_meanwhile`.
        """

    def reader_of(self, content_sha256: str) -> str:
        """The id of the invoice for which this content was read, or is; empty if there is none."""

    def charge(self, record: InvoiceRecord, charge: Charge) -> InvoiceRecord:
        """Count what reading the document costs, and enter it as the reader of its content.

        All or nothing, together with writing the record, so that nothing is counted twice.

        Raises:
            SpendingCapReached: the day's limits do not suffice.
            TransientFailure: another invoice has just had the same content read, with code
                `content_is_being_read`; or the record has changed.
        """

    def file(self, record: InvoiceRecord, year: int) -> Filed:
        """Number an invoice and enter it by vendor and number, all or nothing.

        Args:
            record: With the status PROCESSED; the store sets the serial number. Its
                `accepted_matches` and `distinct_from` do not stand in its way.
            year: Of the serial number; the numbers of a year have no gaps.
        """

    def erase(self, record: InvoiceRecord, erasure: Erasure) -> InvoiceRecord:
        """Write what is left of a record without personal data, and remove its claims.

        All or nothing. The claims name vendors, so the same invoice, if it comes again, is new.

        Raises:
            TransientFailure: the record, or a claim, has changed in the meantime.
        """


class Objects(Protocol):
    """The bucket of documents."""

    def open(self, document: SourceDocument) -> BinaryIO:
        """One version of an object as a seekable file, which downloads only what is read.

        Raises:
            RejectedInput: the object no longer exists.
        """

    def owner(self, document: SourceDocument) -> str:
        """Who submitted the document, by its metadata; empty if they do not say."""

    def write_json(self, key: str, content: Mapping[str, Any]) -> str:
        """Write a JSON document. Returns the SHA-256 of its bytes."""

    def read_json(self, key: str) -> dict[str, Any] | None:
        """A JSON document; None if there is no such object."""

    def delete(self, document: SourceDocument, *, bypass_governance: bool) -> None:
        """Delete one version of an object for good, unless it is gone.

        Raises:
            RejectedInput: Object Lock keeps it; with code `locked`.
        """

    def delete_kept(self, invoice_id: str) -> None:
        """Delete all versions of what this flow keeps of an invoice: answers, large records."""


class ExpenseEngine(Protocol):
    """What reads documents, such as Amazon Textract's AnalyzeExpense."""

    def analyze(self, document: SourceDocument) -> dict[str, Any]:
        """The response for a document of one page.

        Raises:
            RejectedInput: the engine cannot read it.
        """

    def start(self, document: SourceDocument, invoice_id: str, attempt: int) -> str:
        """Start a job for a document of many pages.

        Args:
            document: The document.
            invoice_id: The completion message will carry it.
            attempt: The same document and attempt give the same job.

        Returns:
            The job's id.
        """

    def collect(self, job_id: str) -> dict[str, Any] | None:
        """The complete response of a job; None while it is running.

        Raises:
            RejectedInput: the job failed.
        """


class Workflow(Protocol):
    """The Step Functions workflow."""

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        """Start an execution, unless one with this name exists."""

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        """Give a waiting execution its result; False if it no longer waits."""

    def redrive(self, name: str) -> None:
        """Redrive a failed execution: it continues with the step that failed.

        Raises:
            RejectedInput: it has not failed, or it is too old to be redriven.
        """


class NotificationChannel(Protocol):
    """A way to tell people about invoices: topics, or e-mail to customers."""

    @property
    def name(self) -> str:
        """One word, by which it is recorded what was sent."""

    def send(self, record: InvoiceRecord, event: str) -> bool:
        """Send what this channel says about an event, if anything.

        Args:
            record: The invoice.
            event: Its status, or another event such as `REVIEW_ESCALATED`.

        Returns:
            Whether something was sent.
        """
