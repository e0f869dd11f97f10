"""A flow that is broken raises the alarm that says what does not work.

The local cloud has no load balancer that could fall ill: the console's alarm is not seen here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from finops.invoices.domain import InvoiceStatus
from finops.shared.audit import AuditEvent
from tests.flows.audit import HEAD_WRITER, AuditTrail
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment, eventually
from tests.flows.invoices import InvoiceFlow, json_invoice, mailed_invoice, unique
from tests.flows.privileges import HUB, answers, failures_queue, without
from tests.flows.reconciliation import FUNCTION as RECONCILER
from tests.flows.reconciliation import ReconciliationFlow, months_ago

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "alarms", "lambda_logs", "saved_queries", "costs"),
]

#: A message that always fails.
POISON = "not JSON"
#: An account that no spoke is deployed to.
WITHOUT_SPOKE = FURTHER_SPOKES[4]
#: A notification that something may be in the bucket, and is not; S3 sends one like it first.
NOTHING = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """All flows of the deployment."""

    deployment: Deployment
    invoices: InvoiceFlow
    trail: AuditTrail
    reconciliation: ReconciliationFlow


@pytest.fixture
def flows(
    deployment: Deployment,
    invoices: InvoiceFlow,
    trail: AuditTrail,
    reconciliation: ReconciliationFlow,
) -> Flows:
    return Flows(
        deployment=deployment, invoices=invoices, trail=trail, reconciliation=reconciliation
    )


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


#: Breaks a flow, and puts it right when it is left.
Breaking = Callable[[Flows], AbstractContextManager[None]]


@contextmanager
def messages_always_fail(flows: Flows, function: str) -> Iterator[None]:
    answer = flows.deployment.invoke(function, messages(POISON, POISON))
    assert len(answer["batchItemFailures"]) == 2
    yield


@contextmanager
def a_file_waited(flows: Flows, function: str) -> Iterator[None]:
    """Handled after a quarter of an hour."""
    answer = flows.deployment.invoke(function, messages(NOTHING, minutes_ago=20))
    assert answer == {"batchItemFailures": []}
    yield


@contextmanager
def a_permission_is_missing(
    flows: Flows, function: str, statement: str, **event: Any
) -> Iterator[None]:
    """The function cannot do what it is asked for, and raises an error."""
    with without(flows.deployment, HUB, function, statement):
        assert not answers(flows.deployment, function, event)
        yield


@contextmanager
def edits_fail(flows: Flows) -> Iterator[None]:
    """As many of an account whose role does not trust us as make a fifth of all edits."""
    now, d = datetime.now(UTC), flows.deployment
    points = d.client("cloudwatch").get_metric_statistics(
        Namespace="FinOps",
        MetricName="BudgetLatency",
        Dimensions=[{"Name": "service", "Value": "finops-record-budget-result"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["SampleCount"],
    )["Datapoints"]
    count = 3 + round(sum(one["SampleCount"] for one in points) / 4)
    names = [unique("late") for _ in range(count)]
    rows = [{"account_id": WITHOUT_SPOKE, "budget_name": name, "amount": 100} for name in names]
    d.edit_all(rows)
    try:
        yield
    finally:
        for name in names:
            d.await_status(WITHOUT_SPOKE, "FAILED", name)
        d.remove_all([(WITHOUT_SPOKE, name) for name in names])


@contextmanager
def a_spoke_reports_what_nobody_asked_for(flows: Flows) -> Iterator[None]:
    report = {
        "account_id": SPOKE,
        "budget_name": unique("unasked"),
        "version": f"{0:040}.000000",
        "request_id": unique("request"),
        "status": "APPLIED",
        "action": "updated",
        "amount": "1.00",
        "reported_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "latency_ms": 1,
        "error": None,
    }
    answer = flows.deployment.client("events", SPOKE).put_events(
        Entries=[
            {
                "EventBusName": flows.deployment.outputs["result_bus_arn"],
                "Source": "finops.budgets",
                "DetailType": "Budget Result",
                "Detail": json.dumps(report),
            }
        ]
    )
    assert answer["FailedEntryCount"] == 0
    yield


@contextmanager
def a_step_cannot_use_the_table(flows: Flows) -> Iterator[None]:
    """The step of an invoice that is done, which may be repeated."""
    number = unique("repeated")
    done = flows.invoices.drop(f"json/{number}.json", json_invoice(number))
    step = {"function": "finops-notify-invoice", "statement": "UseTable", "invoice_id": done.id}
    with a_permission_is_missing(flows, **step):
        yield


@contextmanager
def customers_cannot_be_mailed(flows: Flows) -> Iterator[None]:
    number = unique("untold")
    with without(flows.deployment, HUB, "finops-notify-invoice", "MailCustomers"):
        done = flows.invoices.drop(f"json/{number}.json", mailed_invoice(number))
        assert done.status is InvoiceStatus.PROCESSED
        yield


def waiting(d: Deployment, queue_url: str) -> int:
    found = d.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def the_scheduled_run_fails(flows: Flows) -> Iterator[None]:
    """Each try, so that the event waits in the failure queue."""
    d = flows.deployment
    with without(d, HUB, RECONCILER, "ReadConfiguration"):
        d.client("lambda").invoke(FunctionName=RECONCILER, InvocationType="Event", Payload=b"{}")
        queue = failures_queue(d, RECONCILER, HUB)
        eventually(lambda: waiting(d, queue), every=0.1, what="the event in the failure queue")
        yield
    d.client("sqs").purge_queue(QueueUrl=queue)


def changed_totals(kept: dict[str, Any], first: str) -> bool:
    """Add to a cost of a kept answer by types of charges; whether it is one, of this month."""
    if [one["Key"] for one in kept["request"]["GroupBy"]] != ["RECORD_TYPE"]:
        return False
    for result in kept["answer"]["ResultsByTime"]:
        if result["TimePeriod"]["Start"] == first:
            cost = result["Groups"][0]["Metrics"]["UnblendedCost"]
            cost["Amount"] = str(float(cost["Amount"]) + 1000)
            return True
    return False


@contextmanager
def an_answer_that_was_kept_is_changed(flows: Flows) -> Iterator[None]:
    """Cost Explorer's totals of the month do not agree any more with its charges."""
    month, folder = months_ago(2), f"cache/cost-explorer/{HUB}/"
    s3, bucket = flows.deployment.client("s3"), flows.reconciliation.bucket
    before: dict[str, bytes] = {}
    with flows.reconciliation.reopened(month):
        assert "errorMessage" not in flows.reconciliation.run(month)
        for key in flows.reconciliation.keys(folder):
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            kept = json.loads(body)
            if changed_totals(kept, str(month.first)):
                before[key] = body
                s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(kept).encode())
        assert before
        try:
            flows.reconciliation.run(month)
            yield
        finally:
            for key, body in before.items():
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            flows.reconciliation.forget(f"provisional/{month}/")


@contextmanager
def an_entry_is_changed(flows: Flows) -> Iterator[None]:
    """In a stream of which no head has told yet, as an attacker past the lock would."""
    trail, stream = flows.trail, unique("altered")
    for number in range(3):
        entry = AuditEvent(
            stream=stream,
            action="test.done",
            actor="test",
            subject=str(number),
            version="1",
            occurred_at=datetime.now(UTC),
        )
        assert trail.append(entry)
    victim = list(trail.store.objects(f"trail/{stream}/"))[1]
    with trail.rewritten(victim, trail.store.read(victim).replace(b'"test"', b'"nobody"')):
        assert flows.deployment.invoke(HEAD_WRITER, {})["problems"]
        yield


#: What people are told, and how the flow is broken for it.
BROKEN: Mapping[str, Breaking] = {
    "audit-degraded": partial(a_permission_is_missing, function=HEAD_WRITER, statement="SignHeads"),
    "audit-forged": an_entry_is_changed,
    "billing-degraded": partial(
        a_permission_is_missing,
        function="finops-migrate-billing-database",
        statement="ReadDatabaseSecret",
    ),
    "billing-late": partial(a_file_waited, function="finops-load-billing-file"),
    "billing-not-loaded": partial(messages_always_fail, function="finops-load-billing-file"),
    "budgets-degraded": partial(
        a_permission_is_missing,
        function="finops-repair-budget-drift",
        statement="ReadBudgets",
        repair=False,
        account_id=SPOKE,
    ),
    "budgets-late": edits_fail,
    "budgets-not-applied": partial(messages_always_fail, function="finops-expire-pending-budget"),
    "budgets-not-repaired": partial(messages_always_fail, function="finops-repair-budget-drift"),
    "budgets-reports-forged": a_spoke_reports_what_nobody_asked_for,
    "invoices-customers-not-told": customers_cannot_be_mailed,
    "invoices-degraded": a_step_cannot_use_the_table,
    "invoices-late": partial(a_file_waited, function="finops-receive-invoices"),
    "invoices-not-processed": partial(messages_always_fail, function="finops-receive-invoices"),
    "reconciliation-degraded": partial(
        a_permission_is_missing,
        function=RECONCILER,
        statement="ReadConfiguration",
        month=str(months_ago(1)),
    ),
    "reconciliation-report-missing": the_scheduled_run_fails,
    "reconciliation-report-wrong": an_answer_that_was_kept_is_changed,
}
#: Raised by tests of other files, which break the flow at length.
ELSEWHERE = {"audit-not-recorded": "test_audit.py", "invoices-payment-at-risk": "test_invoices.py"}


def test_each_alarm_is_raised_by_a_flow_that_is_broken(outputs: dict[str, Any]) -> None:
    names = {name.removeprefix("finops-") for name in outputs["observability"]["composite_alarms"]}
    assert names == BROKEN.keys() | ELSEWHERE.keys()
    for name, file in ELSEWHERE.items():
        assert name.split("-", 1)[1] in Path(__file__).with_name(file).read_text()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_flow_is_told_as_what_does_not_work(name: str, flows: Flows) -> None:
    with BROKEN[name](flows):
        raised(flows.deployment, name)
    if name.endswith("-degraded"):
        assert "morning" in impact(flows.deployment, name)["AlarmDescription"]
