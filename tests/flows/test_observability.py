"""A flow that is broken raises the alarm that says what does not work."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from finops.invoices.domain import InvoiceStatus
from tests.flows.deployment import Deployment, eventually
from tests.flows.invoices import InvoiceFlow, mailed_invoice, unique
from tests.flows.privileges import HUB, without

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "alarms", "lambda_logs", "saved_queries"),
]

#: A message that always fails.
POISON = "not JSON"
#: A notification that something may be in the bucket, and is not; S3 sends one like it first.
NOTHING = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})


def messages(*bodies: str, minutes_ago: float = 0) -> dict[str, Any]:
    """What a queue hands to a function."""
    sent = str(int((time.time() - minutes_ago * 60) * 1000))
    return {
        "Records": [
            {
                "messageId": unique("message"),
                "receiptHandle": unique("handle"),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
                "body": body,
            }
            for body in bodies
        ]
    }


def impact(d: Deployment, name: str) -> Mapping[str, Any]:
    """A composite alarm."""
    (found,) = d.client("cloudwatch").describe_alarms(
        AlarmNames=[f"finops-{name}"], AlarmTypes=["CompositeAlarm"]
    )["CompositeAlarms"]
    return dict(found)


def raised(d: Deployment, name: str) -> None:
    """Wait until people are told."""
    eventually(lambda: impact(d, name)["StateValue"] == "ALARM", every=1, what=f"the alarm {name}")


def test_people_are_told_of_impacts_only(deployment: Deployment, outputs: dict[str, Any]) -> None:
    cloudwatch, found = deployment.client("cloudwatch"), outputs["observability"]
    rules = found["composite_alarms"]
    assert len(rules) == 19
    for name in rules:
        alarm = impact(deployment, name.removeprefix("finops-"))
        assert alarm["AlarmActions"] == alarm["OKActions"] == [found["topic_arn"]]
        assert alarm["AlarmDescription"]
    single = [
        alarm
        for page in cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix="finops-", AlarmTypes=["MetricAlarm"]
        )
        for alarm in page["MetricAlarms"]
    ]
    assert len(single) > 100
    assert [one["AlarmName"] for one in single if one["AlarmActions"]] == []


def test_the_dashboard_and_the_searches_are_there(
    deployment: Deployment, outputs: dict[str, Any]
) -> None:
    name = outputs["observability"]["dashboard_name"]
    body = deployment.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    assert len(json.loads(body)["widgets"]) > 15
    saved = deployment.client("logs").describe_query_definitions(
        queryDefinitionNamePrefix="finops/"
    )["queryDefinitions"]
    assert {"finops/budgets/one edit", "finops/billing/errors"} <= {one["name"] for one in saved}


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("finops-expire-pending-budget", "budgets-not-applied"),
        ("finops-repair-budget-drift", "budgets-not-repaired"),
        ("finops-load-billing-file", "billing-not-loaded"),
        ("finops-receive-invoices", "invoices-not-processed"),
    ],
)
def test_messages_that_always_fail_are_told_as_what_does_not_work(
    deployment: Deployment, function: str, name: str
) -> None:
    answer = deployment.invoke(function, messages(POISON, POISON))
    assert len(answer["batchItemFailures"]) == 2
    raised(deployment, name)
    assert "-failing" in impact(deployment, name)["AlarmRule"]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("finops-load-billing-file", "billing-late"),
        ("finops-receive-invoices", "invoices-late"),
    ],
)
def test_a_file_that_was_handled_after_a_quarter_of_an_hour_is_late(
    deployment: Deployment, function: str, name: str
) -> None:
    assert deployment.invoke(function, messages(NOTHING, minutes_ago=20)) == {
        "batchItemFailures": []
    }
    raised(deployment, name)


def test_an_error_of_a_function_can_wait_until_the_morning(deployment: Deployment) -> None:
    answer = deployment.client("lambda").invoke(
        FunctionName="finops-reconcile-month", Payload=json.dumps({"month": "never"}).encode()
    )
    assert "FunctionError" in answer
    raised(deployment, "reconciliation-degraded")
    assert "morning" in impact(deployment, "reconciliation-degraded")["AlarmDescription"]


def test_customers_that_get_no_mail_are_an_impact_of_their_own(
    deployment: Deployment, invoices: InvoiceFlow
) -> None:
    number = unique("untold")
    with without(deployment, HUB, "finops-notify-invoice", "MailCustomers"):
        done = invoices.drop(f"json/{number}.json", mailed_invoice(number))
        assert done.status is InvoiceStatus.PROCESSED
        raised(deployment, "invoices-customers-not-told")
