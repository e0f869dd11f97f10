"""Requests to Organizations are authorized on the account, unit or root that they are about.

AWS: "Actions, resources, and condition keys for AWS Organizations"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
``organizations:ListParents`` takes the ARN of its child, ``organizations:ListAccountsForParent``
that of its parent, and ``organizations:ListAccounts``, which is about no resource, only ``*``.
MiniStack checks ``organization/*`` for each of them. Moving an account is checked on the account
alone here, and requests about policies and handshakes as MiniStack does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from localcloud.extensions._patch import wrap

_ABOUT = ("AccountId", "ChildId", "ParentId", "OrganizationalUnitId")
_ELSEWHERE = ("PolicyId", "HandshakeId", "TargetId", "ResourceId")


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
    as_before = original(service, method, path, headers, body, query, region, account)
    if service != "organizations":
        return as_before
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "*"
    if any(name in request for name in _ELSEWHERE):
        return as_before
    about = next((str(request[name]) for name in _ABOUT if name in request), "")
    organization = iam_evaluator._principal_org_id(account)
    if not about or not organization:
        return "*"
    kind = {"ou": "ou", "r": "root"}.get(about.partition("-")[0], "account")
    return f"arn:aws:organizations::{account}:{kind}/{organization}/{about}"


def install() -> None:
    """Name the account, unit or root of a request as its resource."""
    wrap(iam_actions, "extract_resource_arn", _resource)
