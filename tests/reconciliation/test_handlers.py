"""The Lambda entry point, composed from its environment as in AWS.

S3, SNS and SQS are moto's; Cost Explorer and AWS's list of invoices are fakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.audit.recorder import audit_recorder
from finops.reconciliation import handlers
from finops.reconciliation.composition import Deployment
from finops.shared.aws import client
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.observability import metrics
from tests.lambda_context import Context
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import PAYER

BUCKET = "reports-of-tests"
SETTINGS = """
payer_accounts: [{id: "111111111111", name: Holding, business_unit: Corporate IT}]
linked_accounts: [{id: "222222222222", business_unit: Payments}]
budgets: {Payments: {monthly_target: 100}}
"""
LAST_DAY = {"ChargePeriodStart": "2026-10-31 13:00:00"}
NOVEMBER = {
    "BillingPeriodStart": "2026-11-01 00:00:00",
    "BillingPeriodEnd": "2026-12-01 00:00:00",
    "ChargePeriodStart": "2026-11-02 13:00:00",
    "InvoiceId": "",
}


class Deployed:
    """What the function finds in AWS and in its environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="settings.yaml", Body=SETTINGS.encode())
        sns, self._sqs = boto3.client("sns"), boto3.client("sqs")
        topic = sns.create_topic(Name="reports")["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        self.set(
            BUCKET=BUCKET,
            CONFIGURATION_KEY="settings.yaml",
            ACCOUNT_ID=PAYER,
            SOURCE="focus",
            EXPORTS_URI=f"s3://{BUCKET}/exports/",
            CALLS_PER_SECOND="1000",
            MAX_RATE_AGE_DAYS="31",
            STATIC_RATES="{}",
            PAYER_ROLE_NAME="finops-reconciliation-payer",
            EXTERNAL_ID="external",
            CLOSE_DAY="5",
            WATCH_UNTIL_DAY="20",
            FORMATS="html,json",
            LINK_SECONDS="3600",
            TOPIC_ARN=topic,
            MAIL_SENDER="",
            MAIL_RECIPIENTS="",
            WEBHOOK_SECRET_ARN="",
        )

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def export(self, *rows: Row) -> None:
        path = write(self._folder / "export.csv.gz", rows)
        self.s3.upload_file(str(path), BUCKET, "exports/export.csv.gz")

    def run(self, event: dict[str, Any], *, today: str = "2026-11-20") -> list[dict[str, Any]]:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Clock:
                return cls.fromisoformat(f"{today}T06:00:00").replace(tzinfo=tz)

        self._monkeypatch.setattr(handlers, "datetime", Clock)
        months: list[dict[str, Any]] = handlers.reconcile_month(event, Context())["months"]
        return months

    def reports(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return [one["Key"] for one in found if one["Key"].endswith((".html", ".json"))]

    def announcements(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in answer.get("Messages", ())]

    def announced(self) -> list[str]:
        return [one["Subject"] for one in self.announcements()]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deployed]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AUDIT_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    metrics.namespace = "FinOps"
    metrics.service = "test"
    audit_recorder.cache_clear()
    with mock_aws():
        yield Deployed(monkeypatch, tmp_path)
    audit_recorder.cache_clear()


def test_a_month_is_closed_by_hand_and_announced_once(deployed: Deployed) -> None:
    deployed.export(focus("120.50", **LAST_DAY), focus("7", SubAccountId="333333333333"))
    event = {"month": "2026-10", "close": True}
    (first,) = deployed.run(event)
    assert (first["month"], first["revision"], first["is_new"]) == ("2026-10", 1, True)
    assert (first["actual"], first["budget"], first["currency"]) == ("127.50", "100.00", "USD")
    assert first["reports"]["html"].startswith(f"s3://{BUCKET}/reports/2026-10/revision-1-")
    assert deployed.announced() == ["Cloud costs 2026-10 closed: USD 127.50"]
    (again,) = deployed.run(event)
    assert (again["revision"], again["is_new"], again["reports"]) == (1, False, first["reports"])
    assert not deployed.announced()


def test_a_late_credit_is_a_revision_that_is_announced(deployed: Deployed) -> None:
    deployed.export(focus("120.50", **LAST_DAY))
    deployed.run({"month": "2026-10", "close": True})
    deployed.announced()
    deployed.export(focus("120.50", **LAST_DAY), focus("-20.50", ChargeCategory="Credit"))
    (revised,) = deployed.run({"month": "2026-10"})
    assert (revised["revision"], revised["actual"]) == (2, "100.00")
    assert deployed.announced() == ["Cloud costs 2026-10 revision 2: USD 100.00"]


@pytest.mark.parametrize(
    ("today", "months"),
    [
        ("2026-11-03", [("2026-10", 0), ("2026-11", 0)]),
        ("2026-11-05", [("2026-10", 1), ("2026-11", 0)]),
        ("2026-11-21", [("2026-11", 0)]),
    ],
)
def test_the_schedule_reconciles_the_running_month_and_closes_the_one_before(
    deployed: Deployed, today: str, months: list[tuple[str, int]]
) -> None:
    deployed.export(focus("120.50", **LAST_DAY), focus("9", **NOVEMBER))
    assert [(one["month"], one["revision"]) for one in deployed.run({}, today=today)] == months
    assert "provisional/2026-11/reconciliation-2026-11.html" in deployed.reports()
    # A month that is still open is announced to nobody.
    assert len(deployed.announced()) == sum(1 for _, revision in months if revision)


@pytest.mark.parametrize(
    ("event", "actor"),
    [
        ({}, "schedule"),
        ({"requested_by": "cfo"}, "reconcile-month"),
    ],
)
def test_only_the_schedules_own_event_is_the_schedules(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], actor: str
) -> None:
    actors = []

    def reconcile(deployment: Deployment, *_month: Any, **_options: Any) -> dict[str, Any]:
        actors.append(deployment.actor)
        return {}

    monkeypatch.setattr(handlers, "_reconcile", reconcile)
    deployed.run(event, today="2026-11-06")
    assert actors == [actor] * 2


def test_a_month_that_fails_does_not_keep_the_other_from_its_report(deployed: Deployed) -> None:
    deployed.export(focus("120.50", BillingCurrency="EUR"), focus("9", **NOVEMBER))
    with pytest.raises(RejectedInput) as failed:
        deployed.run({}, today="2026-11-06")
    assert (failed.value.code, failed.value.value) == ("no_rate", "EUR")
    assert deployed.reports() == [
        "provisional/2026-11/reconciliation-2026-11.html",
        "provisional/2026-11/reconciliation-2026-11.json",
    ]


def test_a_message_links_to_the_page_where_people_sign_in(deployed: Deployed) -> None:
    """A signed link opens the report for whoever the message is forwarded to."""
    deployed.export(focus("120.50", **LAST_DAY))
    deployed.set(PAGE_URL="https://finops.example.com/reports")
    deployed.run({"month": "2026-10", "close": True})
    (told,) = deployed.announcements()
    assert told["Message"].endswith("Report: https://finops.example.com/reports\n")
    assert "Signature" not in told["Message"]


def test_a_channel_that_fails_is_served_by_the_next_run(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.export(focus("120.50", **LAST_DAY))
    deployed.set(MAIL_SENDER="finops@example.com", MAIL_RECIPIENTS="finance@example.com")
    event = {"month": "2026-10", "close": True}
    with pytest.raises(TransientFailure) as failed:
        deployed.run(event)  # SES does not know the sender.
    assert failed.value.code == "not_announced"
    assert deployed.announced() == ["Cloud costs 2026-10 closed: USD 120.50"]
    ses = boto3.client("ses")
    ses.verify_email_identity(EmailAddress="finops@example.com")
    deployed.run(event)
    assert int(ses.get_send_quota()["SentLast24Hours"]) == 1
    assert not deployed.announced()


@pytest.mark.parametrize("event", [{"months": "2026-10"}, {"month": "2026-13"}, {"closed": True}])
def test_refuses_an_event_that_it_does_not_know(deployed: Deployed, event: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput) as refused:
        deployed.run(event)
    assert refused.value.code in {"unknown_event", "invalid_month"}
    assert not deployed.reports()


class CostExplorer:
    """One payer's `ce` client: usage of 40 USD in October, a part of it each day."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def get_cost_and_usage(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        keys = {"RECORD_TYPE": "Usage", "LINKED_ACCOUNT": "222222222222", "SERVICE": "Amazon EC2"}
        amount = {"Amount": "40", "Unit": "USD"}
        group = {
            "Keys": [keys[one["Key"]] for one in request["GroupBy"]],
            "Metrics": {"UnblendedCost": amount, "AmortizedCost": amount},
        }
        period = {"Start": "2026-10-01", "End": "2026-11-01"}
        return {"ResultsByTime": [{"TimePeriod": period, "Groups": [group]}]}


class Invoicing:
    """An `invoicing` client without invoices."""

    def get_paginator(self, _operation: str) -> Invoicing:
        return self

    def paginate(self, **_request: Any) -> list[dict[str, Any]]:
        return [{"InvoiceSummaries": []}]


def test_cost_explorer_is_asked_once_and_what_it_costs_is_counted(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = CostExplorer()
    fakes = {"ce": asked, "invoicing": Invoicing()}
    monkeypatch.setattr(
        handlers,
        "client",
        lambda service, **settings: fakes.get(service) or client(service, **settings),
    )
    deployed.set(SOURCE="ce")
    calls = []
    for _ in range(2):
        (done,) = deployed.run({"month": "2026-10"})
        assert (done["actual"], done["revision"]) == ("40.00", 0)
        calls.append(len(asked.requests))
    assert calls[0] == calls[1], "the second run asked again"
    counted = [
        json.loads(line)["CostExplorerCalls"]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("{") and "CostExplorerCalls" in line and "_aws" in line
    ]
    assert counted == [[float(calls[0])], [0.0]]
