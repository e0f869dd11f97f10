"""What the doctor tells of KMS keys: their state, and who may not use them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from finops.deployment.keys import check_keys
from tests.deployment.fake_aws import (
    KEY,
    LOGS,
    WORKFLOW,
    FakeAws,
    examined,
    findings,
    key_policy,
    sends,
)


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
