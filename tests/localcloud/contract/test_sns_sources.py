"""https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, policy, unique

pytestmark = pytest.mark.needs("sns_sources")


def test_a_topic_is_told_by_its_arn_and_not_by_its_account(management: Account) -> None:
    sns = management.client("sns")
    topic = sns.create_topic(Name=unique("contract"))["TopicArn"]
    arn_alone = {"ArnEquals": {"aws:SourceArn": topic}}
    account_too = {**arn_alone, "StringEquals": {"aws:SourceAccount": management.id}}

    def subscribed(condition: dict[str, Any]) -> Any:
        queue = management.queue()
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue.arn,
            "Condition": condition,
        }
        queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy(statement)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
        return queue

    refused, allowed = subscribed(account_too), subscribed(arn_alone)
    sns.publish(TopicArn=topic, Message="said")
    assert json.loads(allowed.next()["Body"])["Message"] == "said"
    assert refused.messages() == []
    sns.delete_topic(TopicArn=topic)
