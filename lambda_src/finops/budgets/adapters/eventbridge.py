"""Results of the spokes on the management account's event bus in EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import BudgetResult
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, TransientFailure

RESULT_SOURCE: Final = "finops.budgets"
RESULT_DETAIL_TYPE: Final = "Budget Result"


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


def decode_result(detail: Mapping[str, Any]) -> BudgetResult:
    """The result in an event's detail, as `EventBridgeResults` sends it."""
    error = detail.get("error")
    return BudgetResult(
        key=BudgetKey(account_id=detail["account_id"], budget_name=detail["budget_name"]),
        version=detail["version"],
        request_id=detail["request_id"],
        status=Status(detail["status"]),
        action=detail["action"],
        amount=detail["amount"],
        reported_at=datetime.fromisoformat(detail["reported_at"]),
        latency_ms=detail.get("latency_ms"),
        error=FinOpsError(**error) if error else None,
        content=detail.get("content", ""),
    )


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
        "error": {
            "message": error.message,
            "code": error.code,
            "step": error.step,
            "remedy": error.remedy,
        }
        if error
        else None,
    }
