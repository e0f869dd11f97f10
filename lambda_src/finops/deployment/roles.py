"""The doctor's check of the functions' roles: whether Lambda may assume them, and what they may do.

What service control policies of the organization forbid is not seen from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from finops.deployment.examination import APPLY, Examination, Finding
from finops.deployment.policies import (
    allowed_actions,
    allows,
    lets_service,
    policy_digest,
    statements,
)

#: The tag of a role with the digest of its policy, from modules/lambda_function/iam.tf.
_DEPLOYED: Final = "policy-sha256"


def check_roles(of: Examination) -> Iterator[Finding]:
    """Whether each function's role trusts Lambda, and has the rights that were deployed."""
    for name, answer in of.configurations.items():
        role = answer["Configuration"]["Role"].rpartition("/")[2]
        found = of.ask("iam", "get_role", RoleName=role)
        trust = found["Role"]["AssumeRolePolicyDocument"] if found else {}
        if not lets_service(trust, "lambda.amazonaws.com"):
            yield Finding(name, f"its role {role} is not there, or does not trust Lambda", APPLY)
        else:
            yield from _rights(of, name, found["Role"])


def _rights(of: Examination, name: str, role: Mapping[str, Any]) -> Iterator[Finding]:
    found = of.ask("iam", "get_role_policy", RoleName=role["RoleName"], PolicyName=name)
    policy = found["PolicyDocument"] if found else {}
    deployed = {one["Key"]: one["Value"] for one in role.get("Tags", [])}.get(_DEPLOYED)
    if not allowed_actions(policy):
        yield Finding(
            name,
            f"its role has no policy {name}, so AWS refuses whatever it does",
            "Run terraform apply; find out who removed it",
        )
    elif deployed and policy_digest(policy) != deployed:
        yield Finding(
            name,
            f"the policy {name} of its role is not the one that Terraform deployed",
            "Run terraform apply, which shows the difference; find out who changed it",
        )
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary and (refused := _refused(of, boundary, allowed_actions(policy))):
        yield Finding(
            name,
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
