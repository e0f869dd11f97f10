"""What somebody is told whose decision came after another one."""

from __future__ import annotations

from typing import Final

from finops.invoices.domain import InvoiceRecord
from finops.shared.errors import RejectedInput
from finops.shared.people import name_of

_DONE: Final = {"NOT_DUPLICATE": "told from its duplicate"}


def already_decided(
    record: InvoiceRecord, intended: str, code: str = "decided_already"
) -> RejectedInput:
    """The refusal, which names the last decision, who took it and when.

    Args:
        record: With at least one review.
        intended: What is refused, such as `rejection`.
        code: Of the refusal.
    """
    last = record.reviews[-1]
    done = _DONE.get(last.decision, last.decision.lower())
    were = "were" if intended.endswith("s") else "was"
    return RejectedInput(
        f"{record.id} was already {done} by {name_of(last.reviewer)} at "
        f"{last.at:%Y-%m-%d %H:%M} UTC, your {intended} {were} not recorded",
        code=code,
        value=record.status.value,
        remedy="View it again",
    )


def intended(*, approve: bool = False, reject: bool = False) -> str:
    """What a decision is called."""
    if reject:
        return "rejection"
    return "approval" if approve else "corrections"
