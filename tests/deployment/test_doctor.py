"""The doctor's checks of what the local deployment cannot show: keys, limits, missing rights.

`tests/flows/test_doctor.py` breaks a deployment for real.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from finops.cli.main import main
from finops.deployment import doctor as module
from finops.deployment.doctor import Doctor, _schedules
from finops.deployment.environment import Environment
from finops.deployment.examination import Examination, Finding, Severity
from finops.deployment.keys import check_keys
from finops.deployment.notifier import check_notifier
from finops.deployment.policies import policy_digest
from finops.deployment.resources import (
    check_buckets,
    check_mail,
    check_quotas,
    check_rates,
    check_tables,
)
from finops.deployment.roles import check_roles

KEY = "arn:aws:kms:eu-central-1:111111111111:key/1"
WORKFLOW = "arn:aws:states:eu-central-1:111111111111:stateMachine:finops-workflow"
ROOT = "arn:aws:iam::111111111111:root"
LOGS = "logs.eu-central-1.amazonaws.com"
ENVIRONMENT = Environment(name="prod", prefix="finops")
LAYERS = [
    {"Arn": f"arn:aws:lambda:eu-central-1:111111111111:layer:finops-flow-{name}:1"}
    for name in ("core", "billing", "invoices", "documents", "reports", "duckdb")
]
#: Of a bucket that is sound.
NO_PLAIN_HTTP = {
    "Statement": [
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},
    ],
}
USERS = ("lambda", "scheduler", "states", "textract")


def trust(*services: str) -> dict[str, Any]:
    return {
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": [f"{one}.amazonaws.com" for one in services]},
        }
    }


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def key_policy(*services: str, **actions: list[str]) -> str:
    """A key that lets services use it; of those named by their first part, some actions alone."""
    whole = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
    return json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": ROOT}},
                *(
                    {
                        "Effect": "Allow",
                        "Action": actions.get(one.partition(".")[0], whole),
                        "Principal": {"Service": [one]},
                    }
                    for one in services
                ),
            ]
        }
    )


def sends(*services: str, key: str = KEY) -> dict[str, Any]:
    """A queue or a topic that services may send to, with the key."""
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Principal": {"Service": one}} for one in services
        ]
    }
    return {"Attributes": {"Policy": json.dumps(policy), "KmsMasterKeyId": key}}


class FakeAws:
    """One flow alone, audit unless told; sound until a test changes or refuses an answer."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {"get_topic_attributes": "NotFound"}
        self.flow = "audit"
        self.only: tuple[str, ...] = ()
        self.verified = ""
        self.function: dict[str, Any] = {
            "FunctionName": "finops-audit",
            "FunctionArn": "arn:aws:lambda:eu-central-1:111111111111:function:finops-audit",
            "Role": "arn:aws:iam::111111111111:role/finops-audit",
            "State": "Active",
            "Layers": LAYERS,
            "KMSKeyArn": KEY,
            "Environment": {"Variables": {"CODE_SHA256": "1", "BUCKET": "files"}},
        }
        self.answers: dict[str, Any] = {
            "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
            "get_role": {
                "Role": {
                    "RoleName": "finops-audit",
                    "AssumeRolePolicyDocument": trust(*USERS),
                    "Tags": [{"Key": "policy-sha256", "Value": policy_digest(POLICY)}],
                }
            },
            "get_role_policy": {"PolicyDocument": POLICY},
            "list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
            "get_schedule": {
                "State": "ENABLED",
                "Target": {"RoleArn": "arn:aws:iam::111111111111:role/finops-audit"},
            },
            "describe_load_balancers": {"LoadBalancers": []},
            "head_bucket": {},
            "get_bucket_policy": {"Policy": json.dumps(NO_PLAIN_HTTP)},
            "get_object_lock_configuration": {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
                }
            },
            "list_aws_default_service_quotas": {},
            "list_service_quotas": {},
            "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
            "get_key_policy": {"Policy": key_policy(LOGS)},
            "get_queue_url": {"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/1/queue"},
            "get_queue_attributes": sends(),
            "describe_event_bus": {},
            "describe_state_machine": {
                "stateMachineArn": WORKFLOW,
                "roleArn": "arn:aws:iam::111111111111:role/finops-audit",
                "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
            },
        }

    def client(self, service: str) -> Any:
        return _FakeClient(self, service)

    def answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        if code := self.refused.get(operation):
            raise refusal(code, operation)
        if operation == "get_identity_verification_attributes":
            asked = set(arguments["Identities"])
            found = {one: {"VerificationStatus": "Success"} for one in asked & {self.verified}}
            return {"VerificationAttributes": found}
        if operation == "get_function":
            there = self.only or ENVIRONMENT.flow_functions[self.flow]
            if arguments["FunctionName"] in there:
                return {"Configuration": self.function}
            raise refusal("ResourceNotFoundException", operation)
        answer = self.answers[operation]
        return answer.pop(0) if isinstance(answer, list) else answer


@cache
def real_client(service: str) -> Any:
    """Knows names only: it is never called."""
    return boto3.client(
        service, "eu-central-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


class _FakeClient:
    def __init__(self, aws: FakeAws, service: str) -> None:
        self._aws = aws
        self.meta = real_client(service).meta

    def __getattr__(self, operation: str) -> Any:
        return lambda **arguments: self._aws.answer(operation, arguments)


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


def findings(aws: FakeAws) -> list[Finding]:
    return Doctor(aws, ENVIRONMENT, today=date(2026, 3, 4)).findings()  # type: ignore[arg-type]


def test_a_flow_that_is_deployed_alone_is_sound(aws: FakeAws) -> None:
    assert findings(aws) == []


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Unavailable"])
def test_a_key_that_is_not_enabled_is_told(aws: FakeAws, state: str) -> None:
    aws.answers["describe_key"] = {"KeyMetadata": {"KeyState": state}}
    (found,) = findings(aws)
    assert (found.check, found.subject) == ("keys", KEY)
    assert state in found.problem


def test_a_key_that_logs_may_not_use_is_told(aws: FakeAws) -> None:
    aws.answers["get_key_policy"] = {"Policy": key_policy("s3.amazonaws.com")}
    (found,) = findings(aws)
    assert found.check == "keys"
    assert found.problem.startswith(f"its policy does not let {LOGS} call kms:Decrypt, ")


def told_services(aws: FakeAws) -> list[str]:
    return [one.problem.split()[5] for one in check_keys(examined(aws))]


@pytest.mark.parametrize(
    "service", ["s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com"]
)
def test_who_sends_to_an_encrypted_queue_needs_the_key(aws: FakeAws, service: str) -> None:
    aws.answers["get_queue_attributes"] = sends(service)
    assert told_services(aws) == [service]
    aws.answers["get_key_policy"] = {"Policy": key_policy(LOGS, service)}
    assert told_services(aws) == []
    kind = service.partition(".")[0]
    aws.answers["get_key_policy"] = {"Policy": key_policy(LOGS, service, **{kind: ["kms:Decrypt"]})}
    (found,) = check_keys(examined(aws))
    assert found.problem.endswith("call kms:GenerateDataKey")


@pytest.mark.parametrize("key", ["", "alias/aws/sqs", f"{KEY}-of-another"])
def test_who_sends_to_a_queue_with_another_key_needs_no_other(aws: FakeAws, key: str) -> None:
    aws.answers["get_queue_attributes"] = sends("s3.amazonaws.com", key=key)
    assert told_services(aws) == []


def test_alarms_need_the_key_of_their_topic(aws: FakeAws) -> None:
    aws.refused.clear()
    aws.answers["get_topic_attributes"] = sends("cloudwatch.amazonaws.com")
    assert told_services(aws) == ["cloudwatch.amazonaws.com"]
    aws.answers["get_key_policy"] = {"Policy": key_policy(LOGS, "cloudwatch.amazonaws.com")}
    assert told_services(aws) == []


def test_a_bus_needs_to_describe_its_key(aws: FakeAws) -> None:
    aws.flow = "budgets"
    events = ["kms:Decrypt", "kms:GenerateDataKey"]
    aws.answers["get_key_policy"] = {
        "Policy": key_policy(LOGS, "events.amazonaws.com", events=events)
    }
    assert told_services(aws) == []
    aws.answers["describe_event_bus"] = {"KmsKeyIdentifier": KEY}
    (found,) = check_keys(examined(aws))
    assert found.problem.endswith("let events.amazonaws.com call kms:DescribeKey")
    aws.answers["get_key_policy"] = {"Policy": key_policy(LOGS, "events.amazonaws.com")}
    assert told_services(aws) == []


@pytest.mark.parametrize("flow", ["billing", "invoices"])
def test_an_encrypted_workflow_needs_the_key_for_its_logs(aws: FakeAws, flow: str) -> None:
    aws.flow = flow
    aws.function["Environment"]["Variables"]["WORKFLOW_ARN"] = WORKFLOW
    assert told_services(aws) == []
    aws.answers["describe_state_machine"]["encryptionConfiguration"]["kmsKeyId"] = KEY
    assert told_services(aws) == ["delivery.logs.amazonaws.com"]
    aws.answers["get_key_policy"] = {"Policy": key_policy(LOGS, "delivery.logs.amazonaws.com")}
    assert told_services(aws) == []


def test_without_a_key_nothing_is_asked_of_one(aws: FakeAws) -> None:
    del aws.function["KMSKeyArn"]
    for operation in ("describe_key", "get_key_policy", "get_queue_url", "get_topic_attributes"):
        aws.refused[operation] = "AccessDenied"
    assert findings(aws) == []


def test_a_key_that_is_gone_is_told(aws: FakeAws) -> None:
    aws.refused["describe_key"] = "NotFoundException"
    (found,) = findings(aws)
    assert "gone" in found.problem


def test_the_limit_of_a_new_account_is_a_warning(aws: FakeAws) -> None:
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("concurrency", Severity.WARNING)
    assert "at most 10 functions" in found.problem


def examined(aws: FakeAws) -> Examination:
    return Examination(aws, ENVIRONMENT, today=date(2026, 3, 4))  # type: ignore[arg-type]


CERTIFICATE = "arn:aws:acm:eu-central-1:111111111111:certificate/1"


@pytest.fixture
def console(aws: FakeAws) -> FakeAws:
    """A console whose certificate ends in a year."""
    aws.answers |= {
        "describe_load_balancers": {"LoadBalancers": [{"LoadBalancerArn": "arn:lb"}]},
        "describe_listeners": {
            "Listeners": [
                {"Port": 80},
                {"Port": 443, "Certificates": [{"CertificateArn": CERTIFICATE}]},
            ]
        },
        "describe_certificate": {
            "Certificate": {"Status": "ISSUED", "NotAfter": datetime(2027, 3, 4, tzinfo=UTC)}
        },
    }
    return aws


def test_a_deployment_without_a_console_needs_no_certificate(aws: FakeAws) -> None:
    aws.refused["describe_load_balancers"] = "LoadBalancerNotFound"
    assert findings(aws) == []


@pytest.mark.parametrize(
    ("ends", "severity"),
    [
        (datetime(2026, 4, 4, tzinfo=UTC), None),
        (datetime(2026, 4, 3, tzinfo=UTC), Severity.WARNING),
        (datetime(2026, 3, 5, tzinfo=UTC), Severity.WARNING),
        (datetime(2026, 3, 4, tzinfo=UTC), Severity.FAULT),
    ],
)
def test_a_certificate_that_ends_within_a_month_is_told(
    console: FakeAws, ends: datetime, severity: Severity | None
) -> None:
    console.answers["describe_certificate"]["Certificate"]["NotAfter"] = ends
    found = findings(console)
    assert [(one.check, one.subject, one.severity) for one in found] == (
        [("certificates", CERTIFICATE, severity)] if severity else []
    )
    assert all(str(ends.date()) in one.problem and "RenewalSummary" in one.remedy for one in found)


@pytest.mark.parametrize("state", ["EXPIRED", "FAILED", "PENDING_VALIDATION", "gone"])
def test_a_certificate_that_is_not_issued_is_a_fault(console: FakeAws, state: str) -> None:
    console.answers["describe_certificate"]["Certificate"] = {"Status": state}
    if state == "gone":
        console.refused["describe_certificate"] = "ResourceNotFoundException"
    (found,) = findings(console)
    assert (found.check, found.severity) == ("certificates", Severity.FAULT)
    assert state in found.problem


@pytest.fixture
def invoices(aws: FakeAws) -> FakeAws:
    aws.flow = "invoices"
    aws.function["Environment"]["Variables"] |= {"TABLE": "rows", "VENDORS_TABLE": "vendors"}
    aws.answers["describe_table"] = {"Table": {"TableStatus": "ACTIVE"}}
    return aws


def test_tables_that_are_there_are_fine(invoices: FakeAws) -> None:
    assert list(check_tables(examined(invoices))) == []


def test_tables_that_are_gone_are_told_by_name(invoices: FakeAws) -> None:
    invoices.refused["describe_table"] = "ResourceNotFoundException"
    found = list(check_tables(examined(invoices)))
    assert [(one.subject, one.problem) for one in found] == [
        ("rows", "the table is gone"),
        ("vendors", "the table is gone"),
    ]


def test_a_deployment_from_before_the_vendor_master_is_told(invoices: FakeAws) -> None:
    del invoices.function["Environment"]["Variables"]["VENDORS_TABLE"]
    (found,) = check_tables(examined(invoices))
    assert "VENDORS_TABLE" in found.problem
    assert "terraform apply" in found.remedy


def quotas(**values: float) -> dict[str, Any]:
    return {
        "Quotas": [
            {"QuotaName": f"Transactions per second per account for {name}", "Value": value}
            for name, value in values.items()
        ]
        + [{"QuotaName": "Maximum number of StartExpenseAnalysis jobs", "Value": 0.0}]
    }


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (quotas(AnalyzeExpense=5, StartExpenseAnalysis=1), []),
        (quotas(AnalyzeExpense=0.5, StartExpenseAnalysis=1), ["AnalyzeExpense"]),
        (quotas(AnalyzeExpense=1, StartExpenseAnalysis=0), ["StartExpenseAnalysis"]),
        ([{"Quotas": [], "NextToken": "2"}, quotas(AnalyzeExpense=0.5)], ["AnalyzeExpense"]),
        ({"Quotas": []}, []),
    ],
)
@pytest.mark.parametrize("listing", ["list_service_quotas", "list_aws_default_service_quotas"])
def test_textract_that_takes_less_than_a_call_a_second_is_a_warning(
    invoices: FakeAws, listing: str, answer: Any, told: list[str]
) -> None:
    invoices.answers["list_service_quotas"] = {}
    # Pages are taken off as they are asked for, once for each operation.
    invoices.answers[listing] = [*answer, {}] if isinstance(answer, list) else answer
    found = list(check_quotas(examined(invoices)))
    assert [one.subject for one in found] == told
    assert all(one.severity is Severity.WARNING for one in found)


def test_what_applies_to_the_account_replaces_the_default(invoices: FakeAws) -> None:
    invoices.answers["list_aws_default_service_quotas"] = quotas(AnalyzeExpense=0.5)
    invoices.answers["list_service_quotas"] = quotas(AnalyzeExpense=5)
    assert list(check_quotas(examined(invoices))) == []


@pytest.mark.parametrize(
    ("quota", "made", "told"),
    [(None, 17_999, False), (None, 18_000, True), (10, 8, False), (10, 9, True)],
)
def test_an_organization_that_has_nearly_all_its_budgets_is_a_warning(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, quota: int | None, made: int, told: bool
) -> None:
    aws.flow = "budgets"
    aws.answers["list_service_quotas"] = {
        "Quotas": [{"QuotaName": "Number of budgets", "Value": float(quota or 0)}]
    }
    if quota is None:
        aws.refused["list_service_quotas"] = "NoSuchResourceException"
    monkeypatch.setattr(
        "finops.budgets.adapters.dynamodb.DynamoStatusTable.all", lambda self: iter(range(made))
    )
    found = list(check_quotas(examined(aws)))
    assert [one.subject for one in found] == (["AWS Budgets"] if told else [])


@pytest.mark.parametrize(
    ("newest", "severity"),
    [
        ([{"newest": None}], Severity.FAULT),
        ([{"newest": "2026-02-20"}], Severity.WARNING),
        ([{"newest": "2026-02-25"}], None),
    ],
)
def test_rates_that_are_missing_or_old_are_told(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, newest: Any, severity: Severity | None
) -> None:
    billing = SimpleNamespace(
        settings=SimpleNamespace(rates=SimpleNamespace(max_age_days=7)),
        database=SimpleNamespace(execute=lambda statement: SimpleNamespace(rows=newest)),
    )
    monkeypatch.setattr("finops.deployment.billing.BillingDeployment", lambda _: billing)
    aws.flow = "billing"
    found = list(check_rates(examined(aws)))
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all("finops fx load" in one.remedy for one in found)


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


def with_statement(**statement: Any) -> dict[str, Any]:
    policy = json.loads(key_policy(LOGS))
    return {"Policy": json.dumps({"Statement": [*policy["Statement"], statement]})}


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"Service": LOGS}])
def test_a_key_that_denies_what_it_allows_is_told(aws: FakeAws, principal: Any) -> None:
    deny = {"Effect": "Deny", "Action": "kms:*", "Principal": principal, "Resource": "*"}
    aws.answers["get_key_policy"] = with_statement(**deny)
    assert told_services(aws) == [LOGS]
    aws.answers["get_key_policy"] = with_statement(
        **deny, Condition={"Bool": {"aws:SecureTransport": "false"}}
    )
    assert told_services(aws) == []


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_a_key_that_is_open_to_everybody_is_open_to_services(aws: FakeAws, principal: Any) -> None:
    statement = {"Effect": "Allow", "Action": "kms:*", "Principal": principal, "Resource": "*"}
    aws.answers["get_key_policy"] = {"Policy": json.dumps({"Statement": statement})}
    assert told_services(aws) == []
    statement["Condition"] = {"StringEquals": {"kms:CallerAccount": "111111111111"}}
    aws.answers["get_key_policy"] = {"Policy": json.dumps({"Statement": statement})}
    assert told_services(aws) == [LOGS]


def test_the_policy_of_another_accounts_key_is_not_asked_for(aws: FakeAws) -> None:
    aws.function["KMSKeyArn"] = KEY.replace("111111111111", "222222222222")
    aws.refused["get_key_policy"] = "AccessDeniedException"
    assert findings(aws) == []
    aws.answers["describe_key"] = {"KeyMetadata": {"KeyState": "Disabled"}}
    assert [one.check for one in findings(aws)] == ["keys"]


UNREADABLE = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "KMS access was denied"}}


@pytest.mark.parametrize("flow", ["audit", "billing", "budgets", "invoices", "reconciliation"])
def test_an_environment_that_the_caller_may_not_decrypt_is_told_once(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, flow: str
) -> None:
    aws.flow = flow
    aws.function["Environment"] = UNREADABLE
    aws.answers["describe_rule"] = {"State": "ENABLED"}
    monkeypatch.setattr(
        "finops.budgets.adapters.dynamodb.DynamoStatusTable.all", lambda self: iter(())
    )
    monkeypatch.setattr("finops.deployment.doctor._CHECKS", without("rates"))
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("functions", Severity.NOT_CHECKED)
    assert f"kms:Decrypt on {KEY}" in found.remedy
    assert "KMS access was denied" in found.problem
    aws.answers["describe_key"] = {"KeyMetadata": {"KeyState": "Disabled"}}
    assert [one.check for one in findings(aws)] == ["functions", "keys"]


def without(check: str) -> dict[str, Any]:
    return {name: one for name, one in module._CHECKS.items() if name != check}


@pytest.mark.parametrize("layer", ["core", "invoices", "documents"])
def test_each_layer_that_a_function_was_given_is_asked_for(aws: FakeAws, layer: str) -> None:
    aws.only = ("finops-extract-invoice",)
    aws.function["Layers"] = [one for one in LAYERS if f"-{layer}:" not in one["Arn"]]
    found = [one for one in findings(aws) if one.check == "layers"]
    assert [(one.subject, one.severity) for one in found] == [(aws.only[0], Severity.FAULT)]
    assert f"lacks the layer {layer}," in found[0].problem


def test_layers_are_those_of_the_modules() -> None:
    modules = Path(__file__).parents[2] / "modules"
    invoices = re.findall(
        r"^    ([a-z-]+) = \{[^{}]*?layers += (\[[^]]*\])",
        (modules / "invoices/main.tf").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    given = {name: json.loads(layers) for name, layers in invoices}
    (reconciliation,) = re.findall(
        r"^  layers = (\[.*\])", (modules / "reconciliation/main.tf").read_text(), re.MULTILINE
    )
    given["reconcile-month"] = json.loads(reconciliation)
    ((usual, readers, further),) = re.findall(
        r"concat\(\s*(\[.*?\]), contains\((\[.*?\]), name\) \? (\[.*?\]) : \[\]",
        (modules / "billing/main.tf").read_text(encoding="utf-8"),
    )
    for name in (*ENVIRONMENT.flow_functions["billing"], "finops-fetch-billing-rates"):
        short = name.removeprefix("finops-")
        more = json.loads(further) if short in json.loads(readers) else []
        given[short] = json.loads(usual) + more
    for name in (*ENVIRONMENT.management_functions, *ENVIRONMENT.optional_functions):
        expected = given.pop(name.removeprefix("finops-"), ["core"])
        assert list(ENVIRONMENT.layers_of(name)) == expected, name
    assert given == {}


@pytest.mark.parametrize("role", ["NoSuchEntity", ""])
def test_a_schedule_that_a_setting_leaves_out_is_not_missed(aws: FakeAws, role: str) -> None:
    aws.flow = "billing"
    aws.refused |= {"get_schedule": "ResourceNotFoundException", "get_role": role}
    found = [one.subject for one in _schedules(examined(aws))]
    assert found == ([] if role else ["finops-migrate-billing-database"])


@pytest.mark.parametrize(
    ("sender", "verified", "sound"),
    [
        ("finops@mail.example.com", "example.com", True),
        ("finops@mail.example.com", "mail.example.com", True),
        ("finops@Example.com", "example.com", True),
        ("finops@mail.example.com", "finops@mail.example.com", True),
        ("Finops@example.com", "finops@example.com", False),
        ("finops@example.com", "mail.example.com", False),
        ("finops@example.com", "com", False),
    ],
)
def test_a_verified_domain_covers_its_subdomains(
    aws: FakeAws, sender: str, verified: str, sound: bool
) -> None:
    aws.flow = "invoices"
    aws.function["Environment"]["Variables"]["MAIL_SENDER"] = sender
    aws.verified = verified
    assert [one.subject for one in check_mail(examined(aws))] == ([] if sound else [sender])


def told_of_buckets(aws: FakeAws) -> list[str]:
    found = list(check_buckets(examined(aws)))
    assert {one.subject for one in found} <= {"files"}
    return [one.problem for one in found]


def test_the_bucket_of_the_audit_trail_is_looked_at(aws: FakeAws) -> None:
    assert told_of_buckets(aws) == []
    aws.answers["get_bucket_policy"] = {"Policy": json.dumps({"Statement": []})}
    assert told_of_buckets(aws) == ["its policy does not refuse requests without TLS"]
    aws.refused["head_bucket"] = "404"
    assert told_of_buckets(aws) == ["the bucket is gone"]


@pytest.mark.parametrize("rule", [None, {}, {"ObjectLockEnabled": "Enabled"}])
def test_a_trail_that_is_not_locked_is_told(aws: FakeAws, rule: dict[str, Any] | None) -> None:
    aws.answers["get_object_lock_configuration"] = {"ObjectLockConfiguration": rule}
    if rule is None:
        aws.refused["get_object_lock_configuration"] = "ObjectLockConfigurationNotFoundError"
    (problem,) = told_of_buckets(aws)
    assert problem.startswith("it locks no new object")


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


SECRET = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:chat"
NOTIFIER = "arn:aws:lambda:eu-central-1:111111111111:function:finops-notify-operators"


@pytest.fixture
def notifier(aws: FakeAws) -> FakeAws:
    """A notifier that works, with the second page of the topic's subscriptions."""
    aws.only = ("finops-notify-operators",)
    aws.function["FunctionArn"] = NOTIFIER
    aws.function["Environment"]["Variables"]["WEBHOOK_SECRET_ARN"] = SECRET
    aws.answers |= {
        "list_subscriptions_by_topic": {"Subscriptions": [{"Endpoint": NOTIFIER}]},
        "get_policy": {
            "Policy": json.dumps(
                {
                    "Statement": {
                        "Effect": "Allow",
                        "Action": "lambda:InvokeFunction",
                        "Principal": {"Service": "sns.amazonaws.com"},
                    }
                }
            )
        },
        "describe_secret": {"VersionIdsToStages": {"1": ["AWSPREVIOUS"], "2": ["AWSCURRENT"]}},
    }
    return aws


def test_a_notifier_that_works_is_sound(notifier: FakeAws) -> None:
    assert findings(notifier) == []


def test_all_subscriptions_of_the_topic_are_read(notifier: FakeAws) -> None:
    pages = [{"Subscriptions": [], "NextToken": "2"}, {"Subscriptions": [{"Endpoint": NOTIFIER}]}]
    notifier.answers["list_subscriptions_by_topic"] = pages
    assert list(check_notifier(examined(notifier))) == []
    assert pages == []


@pytest.mark.parametrize(
    ("operation", "answer", "told"),
    [
        ("list_subscriptions_by_topic", {"Subscriptions": []}, "not subscribed"),
        ("list_subscriptions_by_topic", "NotFound", "not subscribed"),
        ("get_policy", "ResourceNotFoundException", "may not invoke it"),
        ("describe_secret", "ResourceNotFoundException", "is gone"),
        ("describe_secret", {"DeletedDate": 1}, "about to be deleted"),
        ("describe_secret", {"VersionIdsToStages": {"1": ["AWSPENDING"]}}, "has no value"),
    ],
)
def test_a_notifier_that_can_post_nothing_is_told(
    notifier: FakeAws, operation: str, answer: Any, told: str
) -> None:
    if isinstance(answer, str):
        notifier.refused[operation] = answer
    else:
        notifier.answers[operation] = answer
    (found,) = findings(notifier)
    assert (found.check, found.severity) == ("notifier", Severity.FAULT)
    assert told in found.problem


def test_the_secret_of_reports_is_looked_at_too(aws: FakeAws) -> None:
    aws.function["Environment"]["Variables"]["WEBHOOK_SECRET_ARN"] = SECRET
    aws.refused["describe_secret"] = "ResourceNotFoundException"
    assert {one.check for one in findings(aws)} == {"notifier"}


def test_a_function_that_could_not_be_changed_is_told_with_the_reason(aws: FakeAws) -> None:
    aws.function |= {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "the key is disabled"}
    assert {one.check for one in findings(aws)} == {"functions"}
    assert "the key is disabled" in findings(aws)[0].problem


@pytest.mark.parametrize(
    ("right", "check"),
    [
        ("iam:GetRole", "roles"),
        ("scheduler:GetSchedule", "schedules"),
        ("lambda:ListEventSourceMappings", "triggers"),
        ("kms:GetKeyPolicy", "keys"),
        ("elasticloadbalancing:DescribeLoadBalancers", "certificates"),
        ("s3:GetBucketPolicy", "buckets"),
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError"])
def test_what_the_caller_may_not_read_is_not_checked_and_the_rest_is(
    aws: FakeAws, code: str, right: str, check: str
) -> None:
    aws.refused[xform_name(right.partition(":")[2])] = code
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    found = {one.check: one for one in findings(aws)}
    assert found[check].severity is Severity.NOT_CHECKED
    assert found[check].remedy == f"Allow {right}"
    assert found["concurrency"].severity is Severity.WARNING


def test_without_the_right_to_read_functions_nothing_is_said_of_them(aws: FakeAws) -> None:
    aws.refused["get_function"] = "AccessDeniedException"
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("functions", Severity.NOT_CHECKED)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ThrottlingException", "Wait a minute, then try again"),
        ("ExpiredTokenException", "Sign in again"),
    ],
)
def test_a_check_that_aws_did_not_answer_is_to_be_run_again(
    aws: FakeAws, code: str, remedy: str
) -> None:
    aws.refused["get_function"] = code
    (found,) = findings(aws)
    assert (found.severity, found.remedy) == (Severity.NOT_CHECKED, remedy)


@pytest.mark.parametrize(
    ("severity", "code", "ok"),
    [("FAULT", 3, False), ("NOT_CHECKED", 3, False), ("WARNING", 0, True), (None, 0, True)],
)
def test_the_command_says_by_its_exit_code_whether_anything_is_wrong(
    severity: str | None,
    code: int,
    ok: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = severity and Finding(
        check="keys",
        subject=KEY,
        problem="it is gone",
        remedy="restore it, then `finops fx load FILE`",
        severity=Severity(severity),
    )
    monkeypatch.setattr(module.Doctor, "findings", lambda self: [told] if told else [])
    monkeypatch.setattr("sys.argv", ["finops", "doctor", "--env", "aws", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert int(ended.value.code or 0) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is ok
    assert [one["severity"] for one in answer["findings"]] == ([severity] if severity else [])
    for one in answer["findings"]:
        assert one["remedy"] == "restore it, then `finops fx load FILE --env aws`"
