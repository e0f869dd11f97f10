"""Which requests IAM refused, at ``/_finops/denials``.

On AWS this is read from CloudTrail: "Troubleshoot access denied error messages"
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
MiniStack keeps no record. Tests that remove a permission ask here whether a request was refused.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_evaluator

from localcloud.extensions._patch import wrap

PATH = "/_finops/denials"

_KEPT = 1000
_numbers = itertools.count(1)
_denials: deque[dict[str, Any]] = deque(maxlen=_KEPT)


def record(principal_arn: str, action: str, resource: str) -> None:
    """Record that a principal may not act on a resource."""
    _denials.append(
        {
            "number": next(_numbers),
            "role": principal_arn.split("/")[1] if "/" in principal_arn else "",
            "action": action,
            "resource": resource,
        }
    )


def _enforce(
    original: Callable[..., Any],
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    denied = original(access_key, action, service, region, resource_arn, service_context)
    if isinstance(denied, iam_evaluator.EvalResult):
        record(denied.principal_arn, action, resource_arn)
    return denied


def _answer(original: Any, path: str, request_id: str) -> Any:
    if path != PATH:
        return original(path, request_id)
    headers = {"Content-Type": "application/json", "x-amzn-requestid": request_id}
    return 200, headers, json.dumps(list(_denials)).encode()


def install() -> None:
    """Record every refusal."""
    wrap(iam_evaluator, "enforce", _enforce)
    wrap(app, "_handle_health_request", _answer)
