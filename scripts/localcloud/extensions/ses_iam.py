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
from urllib.parse import parse_qsl

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
    sender = _sender(path, body) if service in {"ses", "sesv2"} else ""
    return f"arn:aws:ses:{region}:{account}:identity/{sender}" if sender else found


def _sender(path: str, body: bytes) -> str:
    """The sender of a message, empty for other requests: JSON in version 2, a form in version 1."""
    if not path.endswith("/outbound-emails"):
        form = dict(parse_qsl(body.decode(errors="replace")))
        return parseaddr(form.get("Source", ""))[1] if form.get("Action") == "SendEmail" else ""
    try:
        return parseaddr(json.loads(body)["FromEmailAddress"])[1]
    except (ValueError, KeyError, TypeError):
        return ""


def install() -> None:
    """Name the identity."""
    wrap(iam_actions, "extract_resource_arn", _resource)
