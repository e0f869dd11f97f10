"""Reading parameters by path is authorized on the path.

AWS: "Actions, resources, and condition keys for AWS Systems Manager"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
``ssm:GetParametersByPath`` takes the ARN of the path as its resource. MiniStack checks ``*``, so no
policy with an exact ARN allows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from localcloud.extensions._patch import wrap


def _resource(
    original: Callable[..., str],
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    region: str,
    account: str,
) -> str:
    target = headers.get("x-amz-target", "")
    if service == "ssm" and target.endswith(".GetParametersByPath"):
        try:
            root = str(json.loads(body or b"{}").get("Path", "/")).strip("/")
        except ValueError:
            return "*"
        return f"arn:aws:ssm:{region}:{account}:parameter/{root}"
    return original(service, method, path, headers, body, query, region, account)


def install() -> None:
    """Name the path as the resource of GetParametersByPath."""
    wrap(iam_actions, "extract_resource_arn", _resource)
