"""Queries of CloudWatch Logs Insights can be saved.

AWS: "PutQueryDefinition"
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
MiniStack knows none of its operations.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    json_response,
    new_uuid,
)
from ministack.services import cloudwatch_logs

from localcloud.extensions._patch import Request, Response, wrap

_SAVED: Final = AccountRegionScopedDict()


def _put(request: Request) -> Response:
    identifier = request.get("queryDefinitionId") or new_uuid()
    if request.get("queryDefinitionId") and identifier not in _SAVED:
        return _unknown(identifier)
    given = ("name", "queryString", "logGroupNames")
    made: Request = {key: request[key] for key in given if key in request}
    made |= {"queryLanguage": "CWLI", "lastModified": int(time.time() * 1000)}
    _SAVED[identifier] = made | {"queryDefinitionId": identifier}
    return json_response({"queryDefinitionId": identifier})


def _describe(request: Request) -> Response:
    prefix = request.get("queryDefinitionNamePrefix", "")
    found = [one for one in _SAVED.values() if one["name"].startswith(prefix)]
    return json_response({"queryDefinitions": found})


def _delete(request: Request) -> Response:
    identifier = request["queryDefinitionId"]
    if identifier not in _SAVED:
        return _unknown(identifier)
    del _SAVED[identifier]
    return json_response({"success": True})


def _unknown(identifier: str) -> Response:
    message = f"There is no query definition {identifier}."
    return error_response_json("ResourceNotFoundException", message, 400)


_OPERATIONS: Final[dict[str, Callable[[Request], Response]]] = {
    "Logs_20140328.PutQueryDefinition": _put,
    "Logs_20140328.DescribeQueryDefinitions": _describe,
    "Logs_20140328.DeleteQueryDefinition": _delete,
}


async def _handle(
    original: Callable[..., Awaitable[Response]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> Response:
    if operation := _OPERATIONS.get(headers.get("x-amz-target", "")):
        return operation(json.loads(body))
    return await original(method, path, headers, body, query)


def _get_state(original: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return {**original(), "query_definitions": copy.deepcopy(_SAVED)}


def _restore_state(original: Callable[[Any], None], data: dict[str, Any] | None) -> None:
    _SAVED.update((data or {}).get("query_definitions", {}))
    original(data)


def install() -> None:
    """Add the operations, and keep what they saved over a restart."""
    wrap(cloudwatch_logs, "handle_request", _handle)
    wrap(cloudwatch_logs, "get_state", _get_state)
    wrap(cloudwatch_logs, "_restore_state", _restore_state)
