"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html,
SenderId, and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html,
what ``aws:userid`` is for each kind of principal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, Queue, allow, error_code, policy, unique

pytestmark = pytest.mark.needs("sqs_senders")


def role_id(account: Account, arn: str) -> str:
    role = account.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
    return str(role["RoleId"])


def sender(queue: Queue) -> str:
    (message,) = queue.sqs.receive_message(
        QueueUrl=queue.url, MessageSystemAttributeNames=["SenderId"]
    )["Messages"]
    return str(message["Attributes"]["SenderId"])


def test_a_role_is_named_by_its_unique_id_and_its_session(spoke: Account) -> None:
    queue = spoke.queue()
    role = spoke.role(allow("sqs:SendMessage", queue.arn))
    sqs = spoke.client("sqs", spoke.assume(role))
    sqs.send_message(QueueUrl=queue.url, MessageBody="{}")
    assert sender(queue) == f"{role_id(spoke, role)}:contract"


def test_a_user_is_named_by_its_unique_id(spoke: Account) -> None:
    queue, iam, name = spoke.queue(), spoke.client("iam"), unique("contract")
    user = iam.create_user(UserName=name)["User"]
    iam.put_user_policy(
        UserName=name,
        PolicyName="contract",
        PolicyDocument=policy(allow("sqs:SendMessage", queue.arn)),
    )
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    spoke.client("sqs", keys).send_message(QueueUrl=queue.url, MessageBody="{}")
    assert sender(queue) == user["UserId"]


def test_a_function_is_told_who_sent_and_is_itself_known_by_its_role(spoke: Account) -> None:
    queue, calls = spoke.queue(), spoke.queue()
    code = "def handler(event, context): record(event['Records'][0]['attributes']['SenderId'])"
    reads = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    function = spoke.function(code, allow(reads, queue.arn), calls=calls)
    spoke.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=queue.arn
    )
    role = spoke.role(allow("sqs:SendMessage", queue.arn))
    sqs = spoke.client("sqs", spoke.assume(role))
    sqs.send_message(QueueUrl=queue.url, MessageBody="{}")
    found: list[dict[str, Any]] = []
    while not found:
        found = calls.sqs.receive_message(
            QueueUrl=calls.url, MessageSystemAttributeNames=["SenderId"], WaitTimeSeconds=20
        ).get("Messages", [])
    assert json.loads(found[0]["Body"]) == f"{role_id(spoke, role)}:contract"
    name = function.rsplit(":", 1)[-1]
    executes = spoke.client("lambda").get_function_configuration(FunctionName=name)["Role"]
    assert found[0]["Attributes"]["SenderId"] == f"{role_id(spoke, executes)}:{name}"


def test_a_queue_can_refuse_all_but_some_senders(spoke: Account) -> None:
    queue = spoke.queue()
    genuine, other = (spoke.role(allow("sqs:SendMessage", queue.arn)) for _ in range(2))
    queue.sqs.set_queue_attributes(
        QueueUrl=queue.url,
        Attributes={
            "Policy": policy(
                {
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue.arn,
                    "Condition": {
                        "StringNotLike": {"aws:userid": [f"{role_id(spoke, genuine)}:*"]}
                    },
                }
            )
        },
    )

    def send(credentials: dict[str, Any] | None) -> Any:
        sqs = spoke.client("sqs", credentials)
        return sqs.send_message(QueueUrl=queue.url, MessageBody="{}")

    assert send(spoke.assume(genuine))["MessageId"]
    for credentials in (spoke.assume(other), None):
        assert error_code(lambda one=credentials: send(one)) in {  # type: ignore[misc]
            "AccessDenied",
            "AccessDeniedException",
        }
