"""What the invoice use cases need from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must mend
the deployment); what else a call raises is said at the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Protocol

from finops.invoices.domain import Invoice, InvoiceStatus, Issue, Review, SourceDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step of the workflow that failed.

    Attributes:
        entered: When the workflow came to record it: tells a replay from another failure.
        redrive: How many times the execution had been redriven.
        resumed: Whether a redrive has gone on from it.
    """

    step: str
    error: str
    cause: str
    entered: str = ""
    redrive: int = 0
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """An invoice as the table holds it.

    Attributes:
        revision: Counts the writes; who writes must have seen the last one.
        invoice: As read and corrected; None before the document is read.
        content_sha256: Of the document's bytes; empty where it is too large to be read here.
        response_key: Where in the bucket the engine's whole answer is; `response_sha256` is of its
            bytes.
        cost_usd: What the engine charged for the document, by the price a page that is set.
        agreement: In shadow mode, by field whether both engines read the same.
        serial_number: Our own number, such as INV-2026-000123; empty until it is processed.
        duplicate_of: The id of the invoice that this one repeats, or may repeat.
        approved: A person approved it as it is.
        decision: What a person decided and the workflow has not seen yet: APPROVED, CORRECTED or
            REJECTED; empty otherwise.
        task_token: By which the workflow is told; only while it waits.
        announced: What was said of it: a status or event, and after how many reviews and reminders.
    """

    id: str
    document: SourceDocument
    status: InvoiceStatus
    revision: int = 0
    received_at: datetime
    updated_at: datetime
    submitted_by: str = ""
    media_type: str = ""
    pages: int = 0
    content_sha256: str = ""
    engine: str = ""
    response_key: str = ""
    response_sha256: str = ""
    cost_usd: Decimal = Decimal(0)
    agreement: Mapping[str, bool] = field(default_factory=dict)
    invoice: Invoice | None = None
    issues: tuple[Issue, ...] = ()
    serial_number: str = ""
    duplicate_of: str = ""
    processed_at: datetime | None = None
    approved: bool = False
    decision: str = ""
    reviews: tuple[Review, ...] = ()
    task_token: str = ""
    escalations: int = 0
    failure: Failure | None = None
    announced: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file's name as its owner knows it."""
        return self.document.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What became of an invoice that was to be processed.

    Exactly one is set: `record` of the processed invoice, the id that it is a `duplicate_of`, or
    the id that it `nearly_matches`.
    """

    record: InvoiceRecord | None = None
    duplicate_of: str = ""
    nearly_matches: str = ""


class InvoiceStore(Protocol):
    """The table."""

    def create(self, record: InvoiceRecord) -> InvoiceRecord:
        """Enter a new invoice; returns what the table holds where the id is known already."""

    def find(self, invoice_id: str) -> InvoiceRecord:
        """The invoice.

        Raises:
            RejectedInput: with code `unknown_invoice`.
        """

    def save(self, record: InvoiceRecord) -> InvoiceRecord:
        """Write what was found and changed; returns it with its new revision.

        Raises:
            TransientFailure: with code `changed_meanwhile`, where another was quicker.
        """

    def file(self, record: InvoiceRecord, year: int, *, accepted_match: str) -> Filed:
        """Number an invoice and claim its identity, all or nothing.

        Args:
            record: With the status PROCESSED, whose serial number the store sets.
            year: Of the serial number; numbers of a year have no gaps.
            accepted_match: The id of an invoice that this one may resemble.
        """


class Objects(Protocol):
    """The bucket."""

    def open(self, document: SourceDocument) -> BinaryIO:
        """A seekable file over one version of an object, which reads only what is asked for.

        Raises:
            RejectedInput: the object is gone.
        """

    def owner(self, document: SourceDocument) -> str:
        """Who submitted it, as its metadata say; an empty text where they say nothing."""

    def write_json(self, key: str, content: Mapping[str, Any]) -> str:
        """Keep a document of ours. Returns the SHA-256 of its bytes."""

    def read_json(self, key: str) -> dict[str, Any] | None:
        """A document of ours, None where there is none."""


class ExpenseEngine(Protocol):
    """What reads documents: Amazon Textract's AnalyzeExpense, or the like."""

    def analyze(self, document: SourceDocument) -> dict[str, Any]:
        """The answer to a document of one page.

        Raises:
            RejectedInput: the engine cannot read it.
        """

    def start(self, document: SourceDocument, invoice_id: str, attempt: int) -> str:
        """Begin with a document of many pages.

        Args:
            document: The version of an object.
            invoice_id: By which the completion will name it.
            attempt: The same job comes of the same document and attempt.

        Returns:
            The job's id.
        """

    def collect(self, job_id: str) -> dict[str, Any] | None:
        """The whole answer of a job, None while it works.

        Raises:
            RejectedInput: the job failed.
        """


class Workflow(Protocol):
    """The Step Functions workflow."""

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        """Start an execution; one of this name is left alone."""

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        """Tell an execution what it waits for; False where it waits no longer."""

    def redrive(self, name: str) -> None:
        """Go on with a failed execution.

        Raises:
            RejectedInput: it has not failed, or cannot go on any more.
        """


class Announcer(Protocol):
    """Topics and mail."""

    def announce(self, record: InvoiceRecord, event: str) -> None:
        """Tell the subscribers, and by mail the customer where that is set."""
