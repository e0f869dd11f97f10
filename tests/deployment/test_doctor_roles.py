"""What the doctor tells of roles: their policies, trust and boundaries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from finops.deployment.examination import Severity
from finops.deployment.policies import policy_digest
from finops.deployment.roles import check_roles
from tests.deployment.fake_aws import POLICY, USERS, WORKFLOW, FakeAws, examined, findings, trust


def test_a_role_without_its_policy_is_told(aws: FakeAws) -> None:
    aws.refused["get_role_policy"] = "NoSuchEntity"
    found = findings(aws)
    assert {(one.check, one.severity) for one in found} == {("roles", Severity.FAULT)}
    assert all("has no policy finops-" in one.problem for one in found)


@pytest.mark.parametrize(
    "changed",
    [
        {"Statement": POLICY["Statement"][:1]},
        {"Statement": [*POLICY["Statement"], {"Effect": "Deny", "Action": "*", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    ],
)
def test_a_role_with_another_policy_than_the_deployed_one_is_told(
    aws: FakeAws, changed: dict[str, Any]
) -> None:
    aws.answers["get_role_policy"] = {"PolicyDocument": {**POLICY, **changed}}
    assert {one.check for one in findings(aws)} == {"roles"}
    assert "not the one that Terraform deployed" in findings(aws)[0].problem
    aws.answers["get_role"]["Role"]["Tags"] = []  # of a version before
    assert findings(aws) == []


@pytest.mark.parametrize(
    ("service", "flow", "subject"),
    [
        ("lambda", "audit", "finops-append-audit-entries"),
        ("scheduler", "audit", "the schedule of finops-write-audit-head"),
        ("states", "billing", "finops-workflow"),
        ("states", "invoices", "finops-workflow"),
        ("textract", "invoices", "Textract for finops-extract-invoice"),
    ],
)
def test_a_role_that_its_service_may_not_assume_is_told(
    aws: FakeAws, service: str, flow: str, subject: str
) -> None:
    aws.flow = flow
    aws.function["Environment"]["Variables"] |= {
        "WORKFLOW_ARN": WORKFLOW,
        "COMPLETION_ROLE_ARN": "arn:aws:iam::111111111111:role/finops-audit",
    }
    assert list(check_roles(examined(aws))) == []
    others = trust(*(one for one in USERS if one != service))
    aws.answers["get_role"]["Role"]["AssumeRolePolicyDocument"] = others
    found = {one.subject: one.problem for one in check_roles(examined(aws))}
    assert f"does not trust {service}.amazonaws.com" in found[subject]


def test_a_state_machine_that_is_gone_is_told(aws: FakeAws) -> None:
    aws.flow = "billing"
    aws.function["Environment"]["Variables"]["WORKFLOW_ARN"] = WORKFLOW
    aws.refused["describe_state_machine"] = "StateMachineDoesNotExist"
    (found,) = check_roles(examined(aws))
    assert (found.subject, found.problem) == (WORKFLOW, "the state machine does not exist")


def test_the_digest_is_that_of_terraform() -> None:
    """As `terraform console` answers for the expression of modules/lambda_function/iam.tf."""
    statements: list[dict[str, Any]] = [
        {
            "Sid": "B",
            "Effect": "Allow",
            "Action": ["sqs:SendMessage", "s3:GetObject"],
            "Resource": "arn:<&>",
        },
        {
            "Effect": "Deny",
            "NotAction": "s3:*",
            "Resource": ["b", "a"],
            "Condition": {
                "StringLike": {"z": ["é", "${aws:x}"], "a": "\u2028"},
                "ArnEquals": {"k": "v"},
            },
        },
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    digest = "0989f0da403dc2d298902e88e9c0fe8cb91802ff83abceda871e59887b86228b"
    assert policy_digest(document) == policy_digest(json.dumps(document)) == digest
    statements.reverse()
    for lists in (statements[0]["Resource"], statements[1]["Action"]):
        lists.reverse()
    assert policy_digest(document) == digest
    statements[0]["Condition"]["ArnEquals"]["k"] = "w"
    assert policy_digest(document) != digest


def test_a_policy_in_another_order_is_the_deployed_one(aws: FakeAws) -> None:
    other: list[dict[str, Any]] = json.loads(json.dumps(POLICY))["Statement"][::-1]
    for one in other:
        one["Resource"] = [one["Resource"]]
    aws.answers["get_role_policy"] = {"PolicyDocument": {"Statement": other}}
    assert findings(aws) == []


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Action": "sts:*", "Principal": "*"},
        {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": ["*"]}},
    ],
)
def test_a_trust_that_denies_or_allows_another_action_is_told(
    aws: FakeAws, statement: dict[str, Any]
) -> None:
    role = aws.answers["get_role"]["Role"]
    allowed = role["AssumeRolePolicyDocument"]["Statement"]
    role["AssumeRolePolicyDocument"] = {"Statement": [allowed, statement]}
    assert {one.check for one in findings(aws)} == {"roles"}
    role["AssumeRolePolicyDocument"] = {"Statement": {**allowed, "Action": "sts:TagSession"}}
    assert {one.check for one in findings(aws)} == {"roles"}


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ({"Effect": "Allow", "Action": "*", "Resource": "*"}, ""),
        ({"Effect": "Allow", "Action": ["s3:Get*", "SQS:SendMessage"], "Resource": "*"}, ""),
        ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, "sqs:SendMessage"),
        ({"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"}, "sqs:SendMessage"),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, "s3:GetObject, sqs:SendMessage"),
    ],
)
def test_what_a_roles_boundary_does_not_allow_is_told(
    aws: FakeAws, statement: dict[str, Any], refused: str
) -> None:
    boundary = {"PermissionsBoundaryArn": "arn:aws:iam::111111111111:policy/boundary"}
    aws.answers["get_role"]["Role"]["PermissionsBoundary"] = boundary
    aws.answers["get_policy"] = {"Policy": {"DefaultVersionId": "v2"}}
    aws.answers["get_policy_version"] = {"PolicyVersion": {"Document": {"Statement": [statement]}}}
    told = {one.problem.partition("does not allow ")[2] for one in findings(aws)}
    assert told == ({refused} if refused else set())
    aws.refused["get_policy"] = "NoSuchEntity"
    assert {one.check for one in findings(aws)} == {"roles"}
