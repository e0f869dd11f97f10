"""Decisions about invoices: made as the person of the session, and recorded."""

from __future__ import annotations

from dataclasses import replace

from console.identity import User
from console.services import Services
from finops.invoices.audit_events import review_facts
from finops.invoices.domain import InvoiceRecord
from finops.invoices.review import ReviewDesk


def desk(services: Services, user: User) -> ReviewDesk:
    """The review desk; Cognito has proven who a person with a `sub` is."""
    return replace(services.review_desk, proven=bool(user.sub))


def record_decision(services: Services, user: User, decided: InvoiceRecord) -> None:
    """Record the last decision in the audit trail, if it is this person's."""
    review = decided.reviews[-1]
    if review.reviewer == user.identity:  # not what somebody else has decided meanwhile
        services.record(
            user,
            f"invoice.{review.decision.lower()}",
            decided.id,
            version=f"{decided.id}/{decided.revision}",
            **review_facts(decided, review),
        )
