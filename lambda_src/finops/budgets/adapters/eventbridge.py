"""Results of the spokes on the management account's event bus in EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from finops.budgets.domain import BudgetKey, Delivery, Owner, Status
from finops.budgets.ports import BudgetResult
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

RESULT_SOURCE: Final = "finops.budgets"
RESULT_DETAIL_TYPE: Final = "Budget Result"
#: Characters of an error's message, and of its remedy.
_LONGEST_TEXT: Final = 1_000
_Name = Annotated[str, Meta(max_length=128)]


class EventBridgeResults:
    """The management account's event bus."""

    def __init__(self, client: Any, bus_arn: str) -> None:
        self._client = client
        self._bus_arn = bus_arn

    def report(self, results: Sequence[BudgetResult]) -> None:
        entries = [
            {
                "EventBusName": self._bus_arn,
                "Source": RESULT_SOURCE,
                "DetailType": RESULT_DETAIL_TYPE,
                "Detail": json.dumps(_result_detail(result)),
            }
            for result in results
        ]
        with aws_errors("report_result"):
            answer = self._client.put_events(Entries=entries)
        for entry in answer["Entries"]:
            if "ErrorCode" in entry:
                raise TransientFailure(
                    f"the result was not sent: {entry['ErrorCode']}: {entry.get('ErrorMessage')}",
                    code=entry["ErrorCode"],
                    step="report_result",
                )


class _Error(Struct, frozen=True):
    message: str
    code: _Name
    step: _Name = ""
    remedy: str = ""


class _Detail(Struct, frozen=True):
    """What a spoke says: texts that are never longer, and fields of no other type."""

    account_id: _Name
    budget_name: _Name
    version: _Name
    request_id: Annotated[str, Meta(max_length=1_000)]  # an editor may write one
    status: Status
    action: _Name
    amount: _Name
    reported_at: Annotated[datetime, Meta(tz=True)]
    latency_ms: int | None = None
    error: _Error | None = None
    content: _Name = ""
    delivery: Delivery = Delivery.SPOKE
    owner: Owner | None = None


def decode_result(detail: Mapping[str, Any]) -> BudgetResult:
    """The result in an event's detail, as `EventBridgeResults` sends it.

    Raises:
        RejectedInput: A field is missing, is of another type, or is longer than any that a spoke
            sends.
    """
    try:
        said = msgspec.convert(detail, _Detail)
    except msgspec.ValidationError as error:
        raise RejectedInput(
            f"the event is not a budget result: {error}",
            code="invalid_result",
            step="record_result",
        ) from None
    failure = said.error
    return BudgetResult(
        key=BudgetKey(account_id=said.account_id, budget_name=said.budget_name),
        version=said.version,
        request_id=said.request_id,
        status=said.status,
        action=said.action,
        amount=said.amount,
        reported_at=said.reported_at.astimezone(UTC),
        latency_ms=said.latency_ms,
        error=FinOpsError(
            _shortened(failure.message),
            code=failure.code,
            step=failure.step,
            remedy=_shortened(failure.remedy),
        )
        if failure
        else None,
        content=said.content,
        delivery=said.delivery,
        owner=said.owner,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _result_detail(result: BudgetResult) -> dict[str, Any]:
    error = result.error
    return {
        "account_id": result.key.account_id,
        "budget_name": result.key.budget_name,
        "version": result.version,
        "request_id": result.request_id,
        "status": result.status.value,
        "action": result.action,
        "amount": result.amount,
        "reported_at": result.reported_at.isoformat(timespec="microseconds"),
        "latency_ms": result.latency_ms,
        "content": result.content,
        "delivery": result.delivery.value,
        "owner": result.owner.value if result.owner else None,
        "error": {
            "message": error.message,
            "code": error.code,
            "step": error.step,
            "remedy": error.remedy,
        }
        if error
        else None,
    }
