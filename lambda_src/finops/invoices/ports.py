"""What the invoice use cases need from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must mend
the deployment); what else a call raises is said at the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from finops.invoices.domain import InvoiceRecord, SourceDocument


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


class NotificationChannel(Protocol):
    """A way to tell people about invoices: topics, or e-mail to customers."""

    def send(self, record: InvoiceRecord, event: str) -> None:
        """Send what this channel says about an event, if anything.

        Args:
            record: The invoice.
            event: Its status, or another event such as `REVIEW_ESCALATED`.
        """
