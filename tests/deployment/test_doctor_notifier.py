"""What the doctor tells of the notifier of alarms, and of its secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from finops.deployment.examination import Severity
from finops.deployment.notifier import check_notifier
from tests.deployment.fake_aws import FakeAws, examined, findings

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
