"""Separation of duties: who approves an invoice neither submitted nor corrected it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from finops.invoices.domain import InvoiceRecord, Issue, Review, Severity
from finops.shared.people import chose_own_name, name_of, same_person

_APPROVED: Final = "APPROVED"
_CORRECTED: Final = "CORRECTED"
_NOT_DUPLICATE: Final = "NOT_DUPLICATE"


def part_in(record: InvoiceRecord, person: str) -> str:
    """What a person did to an invoice: `submitted`, `corrected`, or empty for nothing.

    The uploader's principal is AWS's word. The submitter is what the upload said about itself; it
    rules that person out as well.
    """
    if same_person(person, record.submitted_by) or same_person(person, record.document.principal):
        return "submitted"
    corrected = any(same_person(person, review.reviewer) for review in _corrections(record))
    return "corrected" if corrected else ""


def is_approved(record: InvoiceRecord, personal_session_roles: Sequence[str]) -> bool:
    """Whether somebody without another part in the invoice has approved it as it is now."""
    decisions = [review for review in record.reviews if review.decision != _NOT_DUPLICATE]
    if not record.approved or not decisions:
        return False
    last = decisions[-1]
    return last.decision == _APPROVED and _is_independent(
        record, last.reviewer, personal_session_roles
    )


def independent(record: InvoiceRecord, personal_session_roles: Sequence[str]) -> InvoiceRecord:
    """The record without approvals, and decisions on duplicates, of people with another part."""
    told = [one.reviewer for one in record.reviews if one.decision == _NOT_DUPLICATE]
    trusted = all(_is_independent(record, one, personal_session_roles) for one in told)
    return replace(
        record,
        approved=is_approved(record, personal_session_roles),
        distinct_from=record.distinct_from if trusted else (),
    )


def lacking_approval(
    record: InvoiceRecord, personal_session_roles: Sequence[str]
) -> tuple[Issue, ...]:
    """The issue of an invoice that was corrected, and that nobody else has approved since."""
    corrected = _corrections(record)
    if not corrected or is_approved(record, personal_session_roles):
        return ()
    return (
        Issue(
            code="corrected",
            severity=Severity.REVIEW,
            message=f"{name_of(corrected[-1].reviewer)} corrected it: somebody who neither "
            "submitted nor corrected it must approve it",
        ),
    )


def _is_independent(
    record: InvoiceRecord, person: str, personal_session_roles: Sequence[str]
) -> bool:
    """Whether a person certainly has no other part in the invoice."""
    return not part_in(record, person) and not chose_own_name(person, personal_session_roles)


def _corrections(record: InvoiceRecord) -> list[Review]:
    # Also those that left each value as it was: they ended the doubts about it.
    return [
        one
        for one in record.reviews
        if one.decision == _CORRECTED or (one.after and one.decision != _NOT_DUPLICATE)
    ]
