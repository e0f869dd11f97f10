"""What reading documents may cost, and who says yes to more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from finops.invoices.domain import InvoiceRecord
from finops.shared.errors import FinOpsError, TransientFailure


class SpendingCapReached(FinOpsError):
    """The day's pages or dollars do not suffice for a document; it waits for a retry."""


class TooManyPages(FinOpsError):
    """A document has more pages than are read without a person's consent: a retry gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """The most that Textract may read.

    Attributes:
        daily_pages: Pages a day, UTC.
        daily_usd: Dollars a day, UTC, by the configured price of a page.
        pages_without_consent: The most pages of a document that is read without a person's consent.
    """

    daily_pages: int = 5_000
    daily_usd: Decimal = Decimal(50)
    pages_without_consent: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one attempt to read a document costs.

    Attributes:
        attempt: Number of redrives before it; an attempt is counted once.
        day: On which it is counted, UTC.
        stale_holder: The invoice that had the same content read, and has no response to share.
    """

    attempt: int
    day: date
    pages: int
    usd: Decimal
    limits: SpendingLimits
    stale_holder: str = ""


def consented(record: InvoiceRecord) -> bool:
    """Whether a person had the document read in spite of its pages."""
    failure = record.failure
    return record.large_accepted or (
        failure is not None and failure.resumed and failure.error == TooManyPages.__name__
    )


def too_many_pages(record: InvoiceRecord, limits: SpendingLimits, usd: Decimal) -> TooManyPages:
    """Why the document waits for a person."""
    return TooManyPages(
        f"{record.file} has {record.pages:,} pages, which cost {usd:f} USD to read; more than"
        f" {limits.pages_without_consent:,} pages are read once a person says so",
        code="too_many_pages",
        step="extract",
        remedy=f"Look at the file; to have it read, run: finops invoices retry {record.id}",
    )


def cap_reached(record: InvoiceRecord, charge: Charge) -> SpendingCapReached:
    """Why the document waits for another day."""
    limits = charge.limits
    return SpendingCapReached(
        f"{record.file} has {charge.pages:,} pages, which cost {charge.usd:f} USD to read; the"
        f" limits of {charge.day} are {limits.daily_pages:,} pages and {limits.daily_usd:f} USD",
        code="spending_cap_reached",
        step="extract",
        remedy=f"It waits. After midnight UTC, or with higher limits (extraction.daily_pages and"
        f" daily_usd), run: finops invoices retry {record.id}",
    )


def content_is_being_read(record: InvoiceRecord, reader: str) -> TransientFailure:
    """The document waits for the response that it will share."""
    return TransientFailure(
        f"the content of {record.file} is being read for the invoice {reader}",
        code="content_is_being_read",
        step="extract",
    )
