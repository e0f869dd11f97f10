"""Invoices: what is read from a document, what is wrong with it, and what makes two the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Final

#: Where documents and JSON invoices are dropped, and where answers of the engines are kept.
RAW_PREFIX: Final = "raw/"
JSON_PREFIX: Final = "json/"
TEXTRACT_PREFIX: Final = "textract/"

#: What every invoice is asked for, in the order in which people read it.
FIELDS: Final = (
    "vendor",
    "invoice_number",
    "invoice_date",
    "due_date",
    "currency",
    "subtotal",
    "tax",
    "total",
    "vendor_tax_id",
    "customer",
    "customer_email",
    "purchase_order",
    "payment_terms",
    "description",
    "shipping",
    "discount",
    "amount_due",
)
AMOUNTS: Final = frozenset({"subtotal", "tax", "total", "shipping", "discount", "amount_due"})
DATES: Final = frozenset({"invoice_date", "due_date"})
#: Without these an invoice can be neither paid nor told from another.
REQUIRED: Final = ("vendor", "invoice_number", "invoice_date", "currency", "total")


class InvoiceStatus(StrEnum):
    """How far an invoice has come."""

    RECEIVED = "RECEIVED"
    EXTRACTING = "EXTRACTING"
    VALIDATING = "VALIDATING"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    PROCESSED = "PROCESSED"
    DUPLICATE = "DUPLICATE"
    REJECTED = "REJECTED"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    PROCESSING_FAILED = "PROCESSING_FAILED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself; a failed one can be tried again by a person."""
        return self in _FINAL


_FINAL: Final = frozenset(
    {
        InvoiceStatus.PROCESSED,
        InvoiceStatus.DUPLICATE,
        InvoiceStatus.REJECTED,
        InvoiceStatus.VALIDATION_FAILED,
        InvoiceStatus.PROCESSING_FAILED,
    }
)


class InvoiceKind(StrEnum):
    """What the document asks for: money, or that money be given back."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class Severity(StrEnum):
    """What an issue means for the invoice."""

    FLAG = "FLAG"
    """Shown, and nothing else."""
    REVIEW = "REVIEW"
    """A person must look; may be approved as it is."""
    ERROR = "ERROR"
    """Cannot be processed until it is corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where on a page something stands, as ratios of the page's width and height (0 to 1)."""

    page: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value of an invoice, and how it was come by.

    Attributes:
        value: In canonical form: a date as `2026-03-31`, an amount as `-1234.50` (a point, no
            thousands marks), a currency as its ISO 4217 code, anything else as a line of text.
            Empty where `text` could not be understood.
        text: As it stands in the document.
        label: The words beside it that name it, as they stand there.
        confidence: Percent, 0 to 100; the least of what value and field name are given.
        source: `textract`, `text-layer`, `json` or `review`.
        doubt: Why the value is not certain, where it is not; empty otherwise. In words for people.
    """

    value: str
    text: str = ""
    label: str = ""
    confidence: float = 100.0
    place: Place | None = None
    source: str = "textract"
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherField:
    """A field of the document that no field of the invoice holds: kept, not judged.

    Attributes:
        type: The engine's name for it, such as `VENDOR_PHONE` or `OTHER`.
        reason: `unmapped` (no field of ours), `repeated` (says what the chosen one says) or
            `contradicts` (another value for the same field; see the field's `doubt`).
    """

    type: str
    text: str
    label: str = ""
    confidence: float = 0.0
    place: Place | None = None
    group: str = ""
    reason: str = "unmapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineItem:
    """A line of the invoice. Numbers are None where the document has none that is understood.

    Attributes:
        text: The whole row as it stands in the document.
        other: Further cells of the row by their column's label (or the engine's type).
    """

    description: str
    product_code: str = ""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    tax: Decimal | None = None
    confidence: float = 100.0
    page: int = 1
    text: str = ""
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """One invoice as it was read from a document, or as a person corrected it."""

    kind: InvoiceKind = InvoiceKind.INVOICE
    readings: Mapping[str, Reading]
    line_items: tuple[LineItem, ...] = ()
    other: tuple[OtherField, ...] = ()
    pages: tuple[int, ...] = (1,)

    def text(self, name: str) -> str:
        """The canonical text of a field, or an empty text."""
        found = self.readings.get(name)
        return found.value if found else ""

    def amount(self, name: str) -> Decimal | None:
        """An amount in the invoice's currency, None where it has none."""
        found = self.text(name)
        return Decimal(found) if found else None

    def date(self, name: str) -> date | None:
        """A date, None where it has none."""
        found = self.text(name)
        return date.fromisoformat(found) if found else None

    @cached_property
    def confidence(self) -> float:
        """The least confidence of the required fields that are there; 0 where none is."""
        found = [self.readings[name] for name in REQUIRED if name in self.readings]
        return min((one.confidence for one in found if one.value), default=0.0)

    def corrected(self, values: Mapping[str, str]) -> Invoice:
        """With these canonical values, as a person read them; an empty value clears a field."""
        readings = dict(self.readings)
        for name, value in values.items():
            before = readings.pop(name, None)
            if value:
                readings[name] = (
                    replace(before, value=value, confidence=100.0, source="review", doubt="")
                    if before
                    else Reading(value=value, source="review")
                )
        return replace(self, readings=readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something that is wrong with an invoice, or may be.

    Attributes:
        code: A stable, snake_case name, such as `total_is_not_the_sum`.
        field: Which field, or an empty text.
        message: What was found, with the values.
    """

    code: str
    severity: Severity
    field: str = ""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """An object in the bucket that holds a document, or a JSON invoice.

    Attributes:
        principal: Who put it there, by S3's word.
    """

    bucket: str
    key: str
    version_id: str
    size: int
    etag: str = ""
    principal: str = ""

    @property
    def uri(self) -> str:
        """As people and logs name it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def file(self) -> str:
        """The name of the file as its owner knows it."""
        return self.key.removeprefix(RAW_PREFIX).removeprefix(JSON_PREFIX)

    @property
    def document_id(self) -> str:
        """The same for each event of one version of one object, and for no other."""
        text = "\n".join((self.bucket, self.key, self.version_id or self.etag))
        return sha256(text.encode()).hexdigest()[:20]


def invoice_id(document_id: str, number: int) -> str:
    """The id of the n-th invoice (from 1) of a document; the first has the document's own."""
    return document_id if number == 1 else f"{document_id}-{number}"


def serial_number(year: int, serial: int, prefix: str = "INV") -> str:
    """Our own number of an invoice, such as `INV-2026-000123`: assigned once, without gaps."""
    return f"{prefix}-{year}-{serial:06}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a person decided about an invoice.

    Attributes:
        decision: APPROVED, CORRECTED or REJECTED.
        before: Values of the corrected fields as they were; `after` as they are.
    """

    reviewer: str
    at: datetime
    decision: str
    reason: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)


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
