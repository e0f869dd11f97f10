"""The rotation of a secret can be turned off again.

AWS: "CancelRotateSecret"
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CancelRotateSecret.html
MiniStack does not know the operation, so Terraform could not remove a rotation that it made.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import secretsmanager

from localcloud.extensions._patch import Response, wrap


async def _handle(
    original: Callable[..., Awaitable[Response]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> Response:
    if headers.get("x-amz-target") == "secretsmanager.CancelRotateSecret":
        return _cancel(json.loads(body))
    return await original(method, path, headers, body, query)


def _cancel(request: dict[str, Any]) -> Response:
    _, secret = secretsmanager._resolve(request.get("SecretId"))
    if not secret:
        message = "Secrets Manager can't find the specified secret."
        return error_response_json("ResourceNotFoundException", message, 400)
    secret["RotationEnabled"] = False
    return json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


def install() -> None:
    """Add the operation."""
    wrap(secretsmanager, "handle_request", _handle)
