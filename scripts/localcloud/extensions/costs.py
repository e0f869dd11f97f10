"""Cost Explorer, Invoicing and Data Exports, on the usage of generated organisations.

AWS: "AWS Billing and Cost Management API Reference"
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/Welcome.html
and the actions of
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscostexplorerservice.html,
list_awsinvoicingservice.html and list_awsbillingandcostmanagementdataexports.html beside it.
MiniStack has no such services. A caller's account is the payer, or a member of its organisation.

FINOPS_COSTS_TODAY is today's date (YYYY-MM-DD; else the clock's, UTC), FINOPS_COSTS_ACCOUNTS
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
from ministack.services import s3

from localcloud.costs.contract import Service
from localcloud.costs.errors import CostsError, invalid
from localcloud.costs.explorer import CostExplorer, Settings
from localcloud.costs.exports import DataExports
from localcloud.costs.invoicing import Invoicing
from localcloud.extensions._patch import wrap
from localcloud.extensions._permissions import resource_allows

Response = tuple[int, dict[str, str], bytes]
_THREADS = 8
_EXPORTS = "arn:aws:bcm-data-exports:us-east-1:{}:export"


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
        raise invalid("The request is not a JSON document")
    return request


def _response(status: int, document: dict[str, Any], headers: dict[str, str]) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", **headers}
    return status, headers, json.dumps(document).encode()


def _today() -> date:
    given = os.environ.get("FINOPS_COSTS_TODAY")
    return date.fromisoformat(given) if given else datetime.now(UTC).date()


def _number(variable: str, otherwise: float) -> float:
    return float(os.environ.get(variable) or otherwise)


def _may_write(bucket: str, prefix: str, account: str) -> bool:
    """Whether the bucket's policy allows the service, which CreateExport checks.

    https://docs.aws.amazon.com/cur/latest/userguide/dataexports-s3-bucket.html
    """
    owner = s3._bucket_owner_account(bucket)
    return owner is not None and resource_allows(
        s3._bucket_policies.get_scoped(owner, None, bucket),
        service="bcm-data-exports.amazonaws.com",
        action="s3:PutObject",
        resource=f"arn:aws:s3:::{bucket}/{prefix}/export",
        source_arn=f"{_EXPORTS.format(account)}/*",
    )


def _export_arn(original: Callable[..., str], service: str, *args: Any) -> str:
    """The export that a request is about, which policies may name."""
    if service != "bcm-data-exports":
        return original(service, *args)
    body, account = args[3], args[6]
    try:
        request = _parse(body)
    except CostsError:
        return "*"
    name = (request.get("Export") or {}).get("Name", "*")
    otherwise = f"{_EXPORTS.format(account)}/{name}"
    return str(request.get("ExportArn") or request.get("ResourceArn") or otherwise)


def _register(name: str, target_prefix: str, handle: Callable[..., Any]) -> None:
    router.SERVICE_PATTERNS[name] = {
        "target_prefixes": [f"{target_prefix}."],
        "credential_scope": name,
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    ministack.app.SERVICE_HANDLERS[name] = handle


def install() -> None:
    """Serve them on the emulator's port."""
    default = Settings()
    settings = Settings(
        page_size=int(_number("FINOPS_COST_EXPLORER_PAGE", default.page_size)),
        calls_a_second=_number("FINOPS_COST_EXPLORER_RATE", default.calls_a_second),
        accounts=int(_number("FINOPS_COSTS_ACCOUNTS", default.accounts)),
    )
    latency = _number("FINOPS_COST_EXPLORER_LATENCY_MS", 0) / 1000
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="costs")
    exports = DataExports(_may_write)
    for name, target_prefix, operations, seconds in (
        ("ce", "AWSInsightsIndexService", CostExplorer(_today, settings).operations, latency),
        ("invoicing", "Invoicing", Invoicing(_today, settings.accounts).operations, 0),
        ("bcm-data-exports", "AWSBillingAndCostManagementDataExports", exports.operations, 0),
    ):
        endpoint = _Endpoint(Service(name, operations), threads, seconds)
        _register(name, target_prefix, endpoint.handle_request)
    wrap(iam_actions, "extract_resource_arn", _export_arn)
    # Definitions of exports outlive a stop, as the emulator's own resources do.
    ministack.app._state_map["costs"] = "costs"
    ministack.app._loaded_modules["costs"] = exports
