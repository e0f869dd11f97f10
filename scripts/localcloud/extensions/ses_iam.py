"""Sending mail is authorized on the identity that it is sent from.

AWS: "Actions, resources, and condition keys for Amazon Simple Email Service v2"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
MiniStack checks ``ses:SendEmail`` on every resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import parseaddr
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
    found = original(service, method, path, headers, body, query, region, account)
    if service not in {"ses", "sesv2"} or not path.endswith("/outbound-emails"):
        return found
    try:
        sender = parseaddr(json.loads(body)["FromEmailAddress"])[1]
    except (ValueError, KeyError, TypeError):
        return found
    return f"arn:aws:ses:{region}:{account}:identity/{sender}"


def install() -> None:
    """Name the identity."""
    wrap(iam_actions, "extract_resource_arn", _resource)
