"""What people send to a function, which AWS tells who sends it.

The function has a URL with IAM authentication. Lambda verifies the signature of each request, and
states in the event whose it is: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from finops.shared.people import person

REJECTED: Final = 400
UNAVAILABLE: Final = 503

Request = TypeVar("Request")


class DecisionError(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing was decided: the facts of a `FinOpsError`."""

    message: str
    code: str
    step: str = ""
    remedy: str = ""
    field: str = ""
    value: str | None = None


def answered(decide: Callable[[], Any], refused: Callable[[DecisionError], Any]) -> dict[str, Any]:
    """The HTTP answer of a decision: what it returns, or what `refused` makes of its error.

    Raises:
        ConfigurationError: The deployment is wrong; Lambda then answers 502.
    """
    try:
        return _response(200, decide())
    except (RejectedInput, TransientFailure) as error:
        rejected = isinstance(error, RejectedInput)
        return _response(REJECTED if rejected else UNAVAILABLE, refused(_facts(error)))


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


def request_of(event: Mapping[str, Any], kind: type[Request]) -> Request:
    """The decision in an event's body.

    Raises:
        RejectedInput: It is not one.
    """
    body = str(event.get("body") or "")
    try:
        content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        return msgspec.json.decode(content, type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise RejectedInput(
            f"the request is not a decision: {error}", code="invalid_decision", step="read_event"
        ) from error


def raise_for(status: int, error: DecisionError | None) -> None:
    """Raise the error that an answer states.

    Raises:
        RejectedInput: The decision is not valid.
        TransientFailure: It may be tried again.
    """
    if not error:
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


def _response(status: int, found: Any) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": msgspec.json.encode(found).decode(),
    }
