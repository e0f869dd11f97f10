"""Cost Explorer, Invoicing and Data Exports, on the usage of generated organisations.

AWS: "AWS Billing and Cost Management API Reference"
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/Welcome.html
and the actions of
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscostexplorerservice.html,
list_awsinvoicingservice.html and list_awsbillingandcostmanagementdataexports.html beside it.
MiniStack has no such services. A caller's account is the payer, or a member of its organisation.

FINOPS_COSTS_TODAY is the day that it is (YYYY-MM-DD; else the clock's, UTC), FINOPS_COSTS_ACCOUNTS
how many accounts an organisation has, FINOPS_COST_EXPLORER_RATE the calls a second of one account,
FINOPS_COST_EXPLORER_LATENCY_MS what each takes at least, FINOPS_COST_EXPLORER_PAGE the groups in
an answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import ministack.app
from ministack.core import iam_actions, router
from ministack.core.responses import get_account_id

from localcloud.costs.contract import Service
from localcloud.costs.errors import CostsError, invalid
from localcloud.costs.explorer import CostExplorer, Settings
from localcloud.costs.invoicing import Invoicing

Response = tuple[int, dict[str, str], bytes]
_THREADS = 8


class _Endpoint:
    """The HTTP side: request, caller, answer."""

    def __init__(self, service: Service, threads: ThreadPoolExecutor, latency: float = 0) -> None:
        self._service = service
        self._threads = threads
        self._latency = latency

    async def handle_request(
        self, _method: str, _path: str, headers: dict[str, str], body: bytes, _query: Any
    ) -> Response:
        """Answer one request off the event loop, in the account that it was signed for."""
        await asyncio.sleep(self._latency)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, context.run, self._answer, headers, body
        )

    def _answer(self, headers: dict[str, str], body: bytes) -> Response:
        operation = headers.get("x-amz-target", "").partition(".")[2]
        try:
            if operation not in self._service.operations:
                raise CostsError("UnknownOperationException", f"The local cloud has no {operation}")
            answer = self._service.answer(operation, _parse(body), get_account_id())
        except CostsError as error:
            document = {"__type": error.code, "message": str(error), "Message": str(error)}
            kind = {"x-amzn-ErrorType": error.code}
            return _response(error.status, document | error.members, kind)
        return _response(200, answer, {})


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise invalid("The request is no JSON document")
    return request


def _response(status: int, document: dict[str, Any], headers: dict[str, str]) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", **headers}
    return status, headers, json.dumps(document).encode()


def _today() -> date:
    given = os.environ.get("FINOPS_COSTS_TODAY")
    return date.fromisoformat(given) if given else datetime.now(UTC).date()


def _number(variable: str, otherwise: float) -> float:
    return float(os.environ.get(variable) or otherwise)


def _register(name: str, target_prefix: str, handle: Callable[..., Any]) -> None:
    router.SERVICE_PATTERNS[name] = {
        "target_prefixes": [f"{target_prefix}."],
        "credential_scope": name,
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    ministack.app.SERVICE_HANDLERS[name] = handle


def install() -> None:
    """Serve them in the emulator's port."""
    default = Settings()
    settings = Settings(
        page_size=int(_number("FINOPS_COST_EXPLORER_PAGE", default.page_size)),
        calls_a_second=_number("FINOPS_COST_EXPLORER_RATE", default.calls_a_second),
        accounts=int(_number("FINOPS_COSTS_ACCOUNTS", default.accounts)),
    )
    latency = _number("FINOPS_COST_EXPLORER_LATENCY_MS", 0) / 1000
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="costs")
    explorer = Service("ce", CostExplorer(_today, settings).operations)
    invoicing = Service("invoicing", Invoicing(_today, settings.accounts).operations)
    _register("ce", "AWSInsightsIndexService", _Endpoint(explorer, threads, latency).handle_request)
    _register("invoicing", "Invoicing", _Endpoint(invoicing, threads).handle_request)
