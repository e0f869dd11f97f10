"""Budgets are authorized by two actions, on the budget's ARN.

AWS: "Actions, resources, and condition keys for AWS Budgets"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html
``budgets:ViewBudget`` covers every read and ``budgets:ModifyBudget`` every change of budgets,
notifications and subscribers. Tags have actions named as their operations.
MiniStack checks the operation's name (``budgets:UpdateBudget``) on ``*``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from localcloud.extensions._patch import wrap

_TAG_OPERATIONS = {"TagResource", "UntagResource", "ListTagsForResource"}


def _action(original: Callable[..., str | None], service: str, *args: Any) -> str | None:
    action = original(service, *args)
    if service != "budgets" or action is None:
        return action
    operation = action.partition(":")[2]
    if operation in _TAG_OPERATIONS:
        return action
    return "budgets:ViewBudget" if operation.startswith("Describe") else "budgets:ModifyBudget"


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
    if service != "budgets":
        return original(service, method, path, headers, body, query, region, account)
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "*"
    if arn := request.get("ResourceARN"):
        return str(arn)
    budget = request.get("Budget") or request.get("NewBudget") or {}
    name = request.get("BudgetName") or budget.get("BudgetName") or "*"
    return f"arn:aws:budgets::{request.get('AccountId', account)}:budget/{name}"


def install() -> None:
    """Map operations to the actions and resources that policies name."""
    wrap(iam_actions, "extract_iam_action", _action)
    wrap(iam_actions, "extract_resource_arn", _resource)
