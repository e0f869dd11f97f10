"""The doctor's check of roles: whether the service may assume them, and what they may do.

What service control policies of the organization forbid is not seen from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from finops.deployment.examination import (
    APPLY,
    SCHEDULED,
    WITH_WORKFLOW,
    Examination,
    Finding,
)
from finops.deployment.policies import (
    allowed_actions,
    allows,
    policy_digest,
    refused_actions,
    statements,
)

#: The tag of a role with the digest of its policy, from modules/lambda_function/iam.tf.
_DEPLOYED: Final = "policy-sha256"


def check_roles(of: Examination) -> Iterator[Finding]:
    """Whether each role trusts the service that uses it, and has the rights that were deployed."""
    for name, answer in of.configurations.items():
        yield from _role(of, name, answer["Configuration"]["Role"], "lambda.amazonaws.com")
    for name in of.existing(SCHEDULED):
        schedule = of.ask("scheduler", "get_schedule", Name=name) or {}
        if arn := schedule.get("Target", {}).get("RoleArn"):
            yield from _role(of, f"the schedule of {name}", arn, "scheduler.amazonaws.com")
    for _, variables in of.configured(WITH_WORKFLOW):
        yield from _workflow(of, variables.get("WORKFLOW_ARN"))
    for name, variables in of.configured(("extract-invoice",)):
        if arn := variables.get("COMPLETION_ROLE_ARN"):
            yield from _role(of, f"Textract for {name}", arn, "textract.amazonaws.com")


def _workflow(of: Examination, arn: str | None) -> Iterator[Finding]:
    found = arn and of.ask("stepfunctions", "describe_state_machine", stateMachineArn=arn)
    if found:
        name = found["stateMachineArn"].rpartition(":")[2]
        yield from _role(of, name, found["roleArn"], "states.amazonaws.com")
    elif arn:
        yield Finding(arn, "the state machine does not exist", APPLY)


def _role(of: Examination, subject: str, arn: str, service: str) -> Iterator[Finding]:
    role = arn.rpartition("/")[2]
    found = of.ask("iam", "get_role", RoleName=role)
    trust = found["Role"]["AssumeRolePolicyDocument"] if found else {}
    if refused_actions(trust, service, ["sts:AssumeRole"]):
        yield Finding(subject, f"its role {role} is not there, or does not trust {service}", APPLY)
    else:
        yield from _rights(of, subject, found["Role"])


def _rights(of: Examination, subject: str, role: Mapping[str, Any]) -> Iterator[Finding]:
    """Of the policy that has the name of its role, as all of them have."""
    name = role["RoleName"]
    found = of.ask("iam", "get_role_policy", RoleName=name, PolicyName=name)
    policy = found["PolicyDocument"] if found else {}
    deployed = {one["Key"]: one["Value"] for one in role.get("Tags", [])}.get(_DEPLOYED)
    if not allowed_actions(policy):
        yield Finding(
            subject,
            f"its role {name} has no policy {name}, so AWS refuses whatever it does",
            "Run terraform apply; find out who removed it",
        )
    elif deployed and policy_digest(policy) != deployed:
        yield Finding(
            subject,
            f"the policy {name} of its role is not the one that Terraform deployed",
            "Run terraform apply, which shows the difference; find out who changed it",
        )
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary and (refused := _refused(of, boundary, allowed_actions(policy))):
        yield Finding(
            subject,
            f"the boundary {boundary} of its role does not allow {', '.join(refused)}",
            "Let the boundary allow it, or name another one in permissions_boundary_arn",
        )


def _refused(of: Examination, boundary: str, actions: list[str]) -> list[str]:
    """What a boundary keeps a role from; all of it where the boundary is gone."""
    policy = of.ask("iam", "get_policy", PolicyArn=boundary)
    found = policy and of.ask(
        "iam",
        "get_policy_version",
        PolicyArn=boundary,
        VersionId=policy["Policy"]["DefaultVersionId"],
    )
    those = statements(found["PolicyVersion"]["Document"]) if found else []
    return [action for action in actions if not allows(those, action)]
