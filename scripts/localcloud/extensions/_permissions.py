"""Whether a service may act: as a role, or by the policy of the resource it calls.

MiniStack enforces IAM on API calls only. What AWS services do for their users (an event
source mapping that reads a stream, a rule that invokes a function) is asked here, with the
emulator's own policy evaluator.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from typing import Any

import ministack.app
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

from localcloud.extensions import denials


def role_allows(role_arn: str, action: str, resource: str) -> bool:
    """Whether the role's policies (within its boundary) allow ``action`` on ``resource``."""
    if not ministack.app.AUTH:
        return True
    if ":role/" not in role_arn:
        return False
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, account)
    allowed = bool(iam_evaluator.evaluate(context, policies, *boundary).decision == "Allow")
    if not allowed:
        denials.record(role_arn, action, resource)
    return allowed


def resource_allows(
    policy: dict[str, Any] | str | None,
    *,
    service: str,
    action: str,
    resource: str,
    source_arn: str,
) -> bool:
    """Whether a resource's policy lets ``service`` act on it for ``source_arn``."""
    if not ministack.app.AUTH:
        return True
    context = iam_evaluator.EvalContext(
        principal_arn="*",  # a service is not a principal of the account: grants to it do not count
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={
            "aws:sourcearn": source_arn,
            "aws:sourceaccount": source_arn.split(":")[4],
        },
    )
    decision = iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision
    return bool(decision == "Allow")
