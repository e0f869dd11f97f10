"""Invoices: what is read from a document, and the record of how far each has come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Final

from finops.shared.money import EXACT

#: Folders of the bucket: dropped documents, dropped JSON invoices, responses of the engines.
RAW_PREFIX: Final = "raw/"
#: The folder that each upload gets: 32 hexadecimal digits.
_UPLOAD: Final = re.compile(r"[0-9a-f]{32}")
JSON_PREFIX: Final = "json/"
TEXTRACT_PREFIX: Final = "textract/"
#: In place of the key of an original that was erased, whose file name may name somebody.
ERASED_KEY: Final = "erased"

#: The fields of an invoice, in the order in which people read them.
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
    "customer_tax_id",
    "customer_email",
    "purchase_order",
    "contract",
    "preceding_invoice",
    "payment_terms",
    "payee",
    "iban",
    "payment_reference",
    "description",
    "shipping",
    "discount",
    "amount_paid",
    "rounding",
    "amount_due",
)
AMOUNTS: Final = frozenset(
    {"subtotal", "tax", "total", "shipping", "discount", "amount_paid", "rounding", "amount_due"}
)
DATES: Final = frozenset({"invoice_date", "due_date"})
#: The fields that name nobody. All others may be personal data: of a customer, a sole trader, an
#: account's owner.
IMPERSONAL: Final = AMOUNTS | DATES | {"currency", "invoice_number"}
#: The fields that every invoice needs to be paid and to be told from others.
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
        """Whether the workflow has ended. A person can still retry a failed invoice."""
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
    """What the document is; only an invoice and a credit note are processed."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"
    PRO_FORMA = "PRO_FORMA"
    PAYMENT_REMINDER = "PAYMENT_REMINDER"
    STATEMENT = "STATEMENT"
    QUOTE = "QUOTE"
    DELIVERY_NOTE = "DELIVERY_NOTE"
    ORDER_CONFIRMATION = "ORDER_CONFIRMATION"
    PURCHASE_ORDER = "PURCHASE_ORDER"

    @property
    def is_processed(self) -> bool:
        """Whether such a document asks for money or gives it back."""
        return self in {InvoiceKind.INVOICE, InvoiceKind.CREDIT_NOTE}

    @property
    def words(self) -> str:
        """For people, such as `payment reminder`."""
        return self.value.lower().replace("_", " ")


class Severity(StrEnum):
    """How serious an issue is."""

    FLAG = "FLAG"
    """A note: the invoice is processed all the same."""
    REVIEW = "REVIEW"
    """A person must review the invoice, and may approve it as it is."""
    ERROR = "ERROR"
    """The invoice must be corrected before it can be processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A box on a page, as ratios of the page's width and height (0 to 1)."""

    page: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value of an invoice, and where it comes from.

    Attributes:
        value: In canonical form: a date as `2026-03-31`, an amount as `-1234.50` (decimal point, no
            thousands separators), a currency as its ISO 4217 code, anything else as one line of
            text. Empty if `text` could not be understood.
        text: As printed in the document.
        label: The printed label of the field.
        confidence: Percent, 0 to 100; the lower of the engine's two, for the value and its field.
        source: `textract`, `text-layer`, `json`, `xml`, `review`, or `vendor-master` for what a
            known vendor settles.
        doubt: Why the value is uncertain, in words for people; empty if it is certain.
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
    """A value of the document that is not used in a field of the invoice; it is only kept.

    Attributes:
        type: Textract's name for it, such as `VENDOR_PHONE` or `OTHER`.
        reason: `unmapped` (no such field here), `repeated` (the same value as the field's),
            `contradicts` (another value for the same field; see the field's `doubt`) or `printed`
            (found in the text, and not by the engine: accounts, domains, currencies).
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
    """A line of the invoice. A number is None if the document has none, or an unclear one.

    Attributes:
        text: The whole row as printed.
        other: Further cells of the row, by the heading of their column or Textract's type.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxByRate:
    """The tax of one category and rate, as an e-invoice lists it (EN 16931, BG-23).

    Attributes:
        category: UNTDID 5305, such as S (standard rate) or AE (reverse charge).
        rate: Percent; None if the category has none.
        base: Taxable amount, in the invoice's currency.
        tax: In the invoice's currency.
    """

    category: str
    rate: Decimal | None
    base: Decimal
    tax: Decimal


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """One invoice, as read from a document or as corrected by a person.

    Attributes:
        taxes: By category and rate, as an e-invoice lists them, or as each tax of a page states its
            rate and fits one subtotal; else empty.
        kind_doubt: Why the kind is uncertain; empty if it is certain.
    """

    kind: InvoiceKind = InvoiceKind.INVOICE
    kind_doubt: str = ""
    readings: Mapping[str, Reading]
    taxes: tuple[TaxByRate, ...] = ()
    line_items: tuple[LineItem, ...] = ()
    other: tuple[OtherField, ...] = ()
    pages: tuple[int, ...] = (1,)

    def text(self, name: str) -> str:
        """The canonical value of a field; empty if it has none."""
        found = self.readings.get(name)
        return found.value if found else ""

    def amount(self, name: str) -> Decimal | None:
        """An amount in the invoice's currency; None if the field has no value."""
        found = self.text(name)
        return Decimal(found) if found else None

    @property
    def signed_total(self) -> Decimal | None:
        """The total as it counts in sums: a credit note's is negative, however it is printed."""
        return self.signed("total")

    @property
    def signed_amount_due(self) -> Decimal | None:
        """What is to be paid: the amount due, or without one what is left of the total."""
        due = self.signed("amount_due")
        total = self.signed("total")
        if due is not None or total is None:
            return due
        paid = self.amount("amount_paid") or Decimal(0)
        return EXACT.subtract(total, paid.copy_abs().copy_sign(total))

    def signed(self, name: str) -> Decimal | None:
        """An amount as it counts in sums: those of a credit note are turned to a negative total.

        A credit note that prints its total as a negative one keeps the signs of its other amounts.
        """
        found = self.amount(name)
        total = self.amount("total")
        turned = self.kind is InvoiceKind.CREDIT_NOTE and total is not None and total > 0
        return found.copy_negate() if found and turned else found

    def date(self, name: str) -> date | None:
        """A date; None if the field has no value."""
        found = self.text(name)
        return date.fromisoformat(found) if found else None

    @cached_property
    def confidence(self) -> float:
        """The lowest confidence of the required fields with a value, in percent; 0 without any."""
        found = [self.readings[name] for name in REQUIRED if name in self.readings]
        return min((one.confidence for one in found if one.value), default=0.0)

    def corrected(self, values: Mapping[str, str]) -> Invoice:
        """The invoice with a reviewer's canonical values; an empty one clears its field.

        The kind is `kind`, which cannot be cleared.
        """
        readings = dict(self.readings)
        kind = values.get("kind", "")
        for name, value in values.items():
            if name == "kind":
                continue
            before = readings.pop(name, None)
            if value:
                readings[name] = (
                    replace(before, value=value, confidence=100.0, source="review", doubt="")
                    if before
                    else Reading(value=value, source="review")
                )
        if kind:
            return replace(self, readings=readings, kind=InvoiceKind(kind), kind_doubt="")
        return replace(self, readings=readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something that is wrong with an invoice, or may be.

    Attributes:
        code: A stable name, such as `total_is_not_the_sum`.
        field: The field; empty if it concerns the whole invoice.
        message: For people, with the values.
    """

    code: str
    severity: Severity
    field: str = ""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """One version of an object in the bucket: a document or a JSON invoice.

    Attributes:
        size: Bytes.
        principal: Who wrote the object, as S3 reports it.
    """

    bucket: str
    key: str
    version_id: str
    size: int
    etag: str = ""
    principal: str = ""

    @property
    def uri(self) -> str:
        """The object's S3 URI."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def file(self) -> str:
        """The file name without the folder of the bucket and the one of its own upload."""
        name = self.key.removeprefix(RAW_PREFIX).removeprefix(JSON_PREFIX)
        folder, _, rest = name.partition("/")
        return rest if rest and _UPLOAD.fullmatch(folder) else name

    @property
    def document_id(self) -> str:
        """An id for this version of this object: every event about it gives the same."""
        text = "\n".join((self.bucket, self.key, self.version_id or self.etag))
        return sha256(text.encode()).hexdigest()[:20]


def upload_key(name: str, folder: str) -> str:
    """The key of an upload: JSON below json/, anything else below raw/, in a folder of its own.

    Many vendors call their file `invoice.pdf`. Below one key the second would hide the first.

    Args:
        name: The file's name.
        folder: 32 hexadecimal digits that no other upload has.
    """
    prefix = JSON_PREFIX if name.lower().endswith(".json") else RAW_PREFIX
    return f"{prefix}{folder}/{name}"


def invoice_id(document_id: str, number: int) -> str:
    """The id of a document's n-th invoice, counted from 1; the first has the document's id."""
    return document_id if number == 1 else f"{document_id}-{number}"


def serial_number(year: int, serial: int, prefix: str = "INV") -> str:
    """The serial number of a processed invoice, such as `INV-2026-000123`."""
    return f"{prefix}-{year}-{serial:06}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer decided about an invoice.

    Attributes:
        at: UTC.
        decision: APPROVED, CORRECTED, REJECTED or NOT_DUPLICATE.
        before: The values of the corrected fields before the review.
        after: The values of the corrected fields after the review.
        settled: The issues that the approval settled, as `code: message`.
        proven: Whether AWS, or the console's sign-in, told who decided.
    """

    reviewer: str
    at: datetime
    decision: str
    reason: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed step of the workflow.

    Attributes:
        step: The state of the workflow, such as `ProcessInvoice`.
        error: The name of the error.
        cause: What went wrong.
        entered: When the workflow entered the state that records it: ISO 8601, UTC.
        redrive: How many times the execution had been redriven.
        resumed: Whether a redrive has continued with the step.
    """

    step: str
    error: str
    cause: str
    entered: str = ""
    redrive: int = 0
    resumed: bool = False

    @property
    def run(self) -> tuple[str, int]:
        """Tells a replay of the record from another failure and from a redrive."""
        return self.entered, self.redrive


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """That the personal data of an invoice were erased.

    Attributes:
        at: UTC.
        by: Who did it.
        reason: Names nobody, because it stays.
    """

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """An invoice as it is stored in the table.

    Attributes:
        revision: Number of writes; a write must be based on the latest one.
        received_at: UTC, as all times.
        invoice: As read and corrected; None before the document is read.
        content_sha256: Of the document's bytes; empty before it is read.
        response_key: The object with the engine's complete response.
        response_sha256: Of that object's bytes.
        cost_usd: What the engine charged for the document: pages times the configured price.
        charged_attempt: The last attempt to read it that was counted; -1 before the first.
        large_accepted: Whether a person had it read in spite of its pages.
        saved_usd: What Textract would have charged for a PDF whose embedded XML was read instead.
        findings: What is wrong with the file itself: rules of EN 16931 that its XML breaks, a page
            that says something else, or embedded XML that cannot be read.
        page_ibans: The accounts that the page of a hybrid invoice shows besides those of its XML.
        vendor_id: Its vendor in the vendor master; empty if that knows none.
        agreement: In shadow mode, for each field whether both engines read the same.
        serial_number: Such as INV-2026-000123; empty until the invoice is processed.
        duplicate_of: The id of the invoice that this one repeats, or may repeat.
        accepted_matches: The ids of invoices that it may resemble, as reviewers decided.
        distinct_from: The ids of invoices that it does not repeat, as reviewers decided.
        execution: The name of the workflow's execution, if it is not the id.
        approved: Whether a reviewer approved it as it is.
        decision: A reviewer's decision that the workflow has not taken up yet: APPROVED, CORRECTED
            or REJECTED; else empty.
        task_token: With it a decision or a finished job is reported to the workflow.
        escalations: Number of reminders to review it.
        announced: The notifications that were sent, as `STATUS REVIEWS.REMINDERS CHANNEL`; older
            records name no channel, and mean all of them.
        audit_salt: Of the digests that stand in the audit trail in place of personal data. Empty
            for invoices of earlier versions.
        erasure: Set once its personal data are erased.
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
    charged_attempt: int = -1
    large_accepted: bool = False
    saved_usd: Decimal = Decimal(0)
    findings: tuple[Issue, ...] = ()
    page_ibans: tuple[str, ...] = ()
    vendor_id: str = ""
    agreement: Mapping[str, bool] = field(default_factory=dict)
    invoice: Invoice | None = None
    issues: tuple[Issue, ...] = ()
    serial_number: str = ""
    duplicate_of: str = ""
    accepted_matches: tuple[str, ...] = ()
    distinct_from: tuple[str, ...] = ()
    execution: str = ""
    processed_at: datetime | None = None
    approved: bool = False
    decision: str = ""
    reviews: tuple[Review, ...] = ()
    task_token: str = ""
    escalations: int = 0
    failure: Failure | None = None
    announced: tuple[str, ...] = ()
    audit_salt: str = ""
    erasure: Erasure | None = None

    @property
    def file(self) -> str:
        """The file name without the folder of the bucket."""
        return self.document.file

    def erased(self, erasure: Erasure) -> InvoiceRecord:
        """What is left without personal data: what was paid, when, and who decided.

        Amounts, dates and numbers stay, so that sums and the numbers of a year remain whole.
        """
        invoice = self.invoice and replace(
            self.invoice,
            kind_doubt="",
            readings={
                name: Reading(value=one.value, confidence=one.confidence, source=one.source)
                for name, one in self.invoice.readings.items()
                if name in IMPERSONAL
            },
            line_items=(),
            other=(),
        )
        reviews = tuple(
            Review(
                reviewer=one.reviewer,
                at=one.at,
                decision=one.decision,
                before=_impersonal(one.before),
                after=_impersonal(one.after),
                proven=one.proven,
            )
            for one in self.reviews
        )
        return replace(
            self,
            document=replace(self.document, key=ERASED_KEY, etag="", principal=""),
            submitted_by="",
            content_sha256="",
            response_key="",
            response_sha256="",
            findings=tuple(replace(one, message="") for one in self.findings),
            page_ibans=(),
            vendor_id="",
            agreement={},
            invoice=invoice,
            issues=tuple(replace(one, message="") for one in self.issues),
            reviews=reviews,
            task_token="",
            failure=self.failure and replace(self.failure, cause=""),
            audit_salt="",
            erasure=erasure,
            updated_at=erasure.at,
        )

    @property
    def execution_name(self) -> str:
        """The name of the execution that processes it."""
        return self.execution or self.id

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens by itself: it is final, or waits for a decision."""
        waits = self.status is InvoiceStatus.NEEDS_REVIEW and not self.decision
        return self.status.is_final or waits


def _impersonal(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in IMPERSONAL or name == "kind"}
