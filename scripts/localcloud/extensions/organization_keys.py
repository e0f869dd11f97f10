"""Policies may name the organization that owns a resource.

AWS: "aws:ResourceOrgID"
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourceorgid
The key is absent where the resource's account belongs to no organization. MiniStack does not know
it, so that a statement with such a condition never matched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator

from localcloud.extensions._patch import wrap


def _resolved(original: Callable[[str, Any], Any], key: str, context: Any) -> Any:
    if key.lower() != "aws:resourceorgid":
        return original(key, context)
    owner = iam_evaluator._account_from_arn(context.resource_arn) or context.principal_account
    return iam_evaluator._principal_org_id(owner)


def install() -> None:
    """Let conditions ask for the organization of a resource's account."""
    wrap(iam_evaluator, "_resolve_condition_key", _resolved)
