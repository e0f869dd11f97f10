"""Decisions about invoices that people send to a function's URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from finops.invoices.domain import InvoiceRecord
from finops.invoices.review import ReviewDesk
from finops.shared.errors import RejectedInput
from finops.shared.signed_requests import DecisionError, answered, caller, request_of

_Id = Annotated[str, msgspec.Meta(max_length=128)]
_Name = Annotated[str, msgspec.Meta(max_length=64)]
_Value = Annotated[str, msgspec.Meta(max_length=1000)]
_Reason = Annotated[str, msgspec.Meta(max_length=2000)]


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person decides; who it is stands in no field.

    Attributes:
        reviews: How many reviews of the invoice the person has seen. A request that is sent again,
            or that knows less, decides nothing.
        corrections: Values by field, as people write them; an empty value clears the field.
        not_duplicate: Process a duplicate as an invoice of its own.
    """

    invoice_id: _Id
    reviews: int
    corrections: dict[_Name, _Value] = msgspec.field(default_factory=dict)
    approve: bool = False
    reject: bool = False
    not_duplicate: bool = False
    reason: _Reason = ""


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The invoice as the decision was saved, or why it was not."""

    invoice_id: str = ""
    status: str = ""
    revision: int = 0
    error: DecisionError | None = None


def answer(desk: ReviewDesk, event: Mapping[str, Any]) -> dict[str, Any]:
    """Make the decision in an event of a function URL; returns the HTTP answer.

    Raises:
        ConfigurationError: The deployment is wrong; Lambda then answers 502.
    """

    def decide() -> DecisionAnswer:
        record = _decide(desk, request_of(event, DecisionRequest), caller(event))
        return DecisionAnswer(
            invoice_id=record.id, status=record.status.value, revision=record.revision
        )

    return answered(decide, lambda error: DecisionAnswer(error=error))


def _decide(desk: ReviewDesk, request: DecisionRequest, reviewer: str) -> InvoiceRecord:
    if not request.not_duplicate:
        return desk.decide(
            request.invoice_id,
            reviewer,
            corrections=request.corrections,
            approve=request.approve,
            reject=request.reject,
            reason=request.reason,
            seen=request.reviews,
        )
    if request.corrections or request.approve or request.reject:
        raise RejectedInput("not_duplicate stands alone, with a reason", code="contradiction")
    return desk.not_a_duplicate(
        request.invoice_id, reviewer, reason=request.reason, seen=request.reviews
    )
