"""https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html and cross-account roles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, policy, unique

pytestmark = pytest.mark.needs("service_permissions")

EXTERNAL_ID = "finops-spoke-1"


@dataclass(frozen=True)
class Hub:
    """A hub role, and a spoke role that trusts it under an external id."""

    management: Account
    role: str
    spoke_role: str

    def sts(self, role: str | None = None) -> Any:
        credentials = self.management.assume(role or self.role)
        return self.management.client("sts", credentials)


@pytest.fixture
def hub(management: Account, spoke: Account) -> Hub:
    name = unique("contract-spoke")
    spoke_role = f"arn:aws:iam::{spoke.id}:role/{name}"
    hub_role = management.role(allow("sts:AssumeRole", spoke_role))
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": hub_role},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    spoke.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    return Hub(management, hub_role, spoke_role)


def assume(sts: Any, role: str, external_id: str | None = EXTERNAL_ID) -> Any:
    identity = {"ExternalId": external_id} if external_id else {}
    return sts.assume_role(RoleArn=role, RoleSessionName="contract", **identity)


def test_the_trusted_role_acts_in_the_other_account(hub: Hub, spoke: Account) -> None:
    credentials = assume(hub.sts(), hub.spoke_role)["Credentials"]
    identity = spoke.client("sts", credentials).get_caller_identity()
    assert identity["Account"] == spoke.id


@pytest.mark.needs("service_trust")
@pytest.mark.parametrize("caller", ["root", "user", "role"])
def test_a_role_that_trusts_only_a_service_is_for_nobody_else(
    management: Account, spoke: Account, caller: str
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    name, iam = unique("contract-service"), management.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    role = f"arn:aws:iam::{management.id}:role/{name}"
    allowed = allow("sts:AssumeRole", role)
    if caller == "user":
        user = unique("contract")
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="contract", PolicyDocument=policy(allowed))
        keys = iam.create_access_key(UserName=user)["AccessKey"]
        callers = [management.client("sts", keys)]
    elif caller == "role":
        keys = management.assume(management.role(allowed))
        callers = [management.client("sts", keys)]
    else:
        callers = [management.client("sts"), spoke.client("sts")]
    for sts in callers:
        call = partial(sts.assume_role, RoleArn=role, RoleSessionName="contract")
        assert error_code(call) == "AccessDenied"


@pytest.mark.parametrize("external_id", [None, "another-id"])
def test_a_wrong_or_missing_external_id_is_refused(hub: Hub, external_id: str | None) -> None:
    call = partial(assume, hub.sts(), hub.spoke_role, external_id)
    assert error_code(call) == "AccessDenied"


def test_another_role_of_the_trusted_account_is_refused(hub: Hub) -> None:
    other = hub.management.role(allow("sts:AssumeRole", hub.spoke_role))
    assert error_code(partial(assume, hub.sts(other), hub.spoke_role)) == "AccessDenied"


def test_trust_alone_is_not_enough(hub: Hub) -> None:
    hub.management.client("iam").delete_role_policy(
        RoleName=hub.role.rpartition("/")[2], PolicyName="contract"
    )
    assert error_code(partial(assume, hub.sts(), hub.spoke_role)) == "AccessDenied"


def test_another_account_is_refused(hub: Hub, foreign: Account) -> None:
    stranger = foreign.role(allow("sts:AssumeRole", hub.spoke_role))
    sts = foreign.client("sts", foreign.assume(stranger))
    assert error_code(partial(assume, sts, hub.spoke_role)) == "AccessDenied"


def test_a_role_that_is_not_there_is_denied_not_missing(hub: Hub) -> None:
    """AWS does not tell strangers which roles exist."""
    missing = f"{hub.spoke_role}-gone"
    hub.management.client("iam").put_role_policy(
        RoleName=hub.role.rpartition("/")[2],
        PolicyName="contract",
        PolicyDocument=policy(allow("sts:AssumeRole", missing)),
    )
    assert error_code(partial(assume, hub.sts(), missing)) == "AccessDenied"
