"""Decisions that people send to a function, which AWS tells who sends them.

The function has a URL with IAM authentication. Lambda verifies the signature of each request, and
states in the event whose it is: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from finops.invoices.domain import InvoiceRecord
from finops.invoices.review import ReviewDesk
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from finops.shared.people import person

_Id = Annotated[str, msgspec.Meta(max_length=128)]
_Name = Annotated[str, msgspec.Meta(max_length=64)]
_Value = Annotated[str, msgspec.Meta(max_length=1000)]
_Reason = Annotated[str, msgspec.Meta(max_length=2000)]

REJECTED: Final = 400
UNAVAILABLE: Final = 503


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


class DecisionError(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing was decided: the facts of a `FinOpsError`."""

    message: str
    code: str
    step: str = ""
    remedy: str = ""
    field: str = ""
    value: str | None = None


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
    try:
        record = _decide(desk, _request(event), caller(event))
    except (RejectedInput, TransientFailure) as error:
        rejected = isinstance(error, RejectedInput)
        return _response(REJECTED if rejected else UNAVAILABLE, DecisionAnswer(error=_facts(error)))
    found = DecisionAnswer(
        invoice_id=record.id, status=record.status.value, revision=record.revision
    )
    return _response(200, found)


def caller(event: Mapping[str, Any]) -> str:
    """Whose signature Lambda has verified, as `sts:GetCallerIdentity` would name them.

    Raises:
        RejectedInput: The request was not signed, because the URL has no IAM authentication.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    iam = authorizer.get("iam") or {}
    arn = str(iam.get("userArn") or "")
    if not arn:
        raise RejectedInput(
            "nobody has signed the request", code="unknown_caller", step="find_caller"
        )
    # AWS's example has two different ids, and no page says which one other services tell.
    ids = dict.fromkeys(str(iam[name]) for name in ("callerId", "userId") if iam.get(name))
    return person(arn, " ".join(one for one in ids if ":" not in one))


def raise_for(status: int, found: DecisionAnswer) -> None:
    """Raise the error that an answer states.

    Raises:
        RejectedInput: The decision is not valid.
        TransientFailure: It may be tried again.
    """
    if not (error := found.error):
        return
    if status == REJECTED:
        raise RejectedInput(
            error.message,
            code=error.code,
            field=error.field,
            value=error.value,
            step=error.step,
            remedy=error.remedy,
        )
    raise TransientFailure(error.message, code=error.code, step=error.step, remedy=error.remedy)


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


def _request(event: Mapping[str, Any]) -> DecisionRequest:
    body = str(event.get("body") or "")
    try:
        content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        return msgspec.json.decode(content, type=DecisionRequest)
    except (ValueError, msgspec.MsgspecError) as error:
        raise RejectedInput(
            f"the request is not a decision: {error}", code="invalid_decision", step="read_event"
        ) from error


def _facts(error: FinOpsError) -> DecisionError:
    value = getattr(error, "value", None)
    return DecisionError(
        message=error.message,
        code=error.code,
        step=error.step,
        remedy=error.remedy,
        field=getattr(error, "field", ""),
        value=None if value is None else str(value),
    )


def _response(status: int, found: DecisionAnswer) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": msgspec.json.encode(found).decode(),
    }
