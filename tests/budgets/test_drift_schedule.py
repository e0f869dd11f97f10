"""A scheduled drift run over many accounts: in parts, within its time, and with what is failing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.budgets import handlers
from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.adapters.sqs import SqsAccounts
from finops.budgets.comparison import PUBLICATION_TIME
from finops.budgets.domain import BudgetKey, RemovalPolicy, Status
from finops.budgets.drift import SECONDS_AN_ACCOUNT, DriftRepairer
from finops.budgets.drift_run import NO_TIME_LEFT
from finops.budgets.drift_schedule import ACCOUNTS_A_PART, DriftSchedule
from finops.budgets.ports import BudgetStatus, StatusOutline
from finops.budgets.service import BudgetPublisher
from finops.shared.observability import metrics
from tests.audit.recorders import MemoryRecorder
from tests.budgets.fakes import (
    NOW,
    FakeAccountQueue,
    FakeDeadlines,
    FakeSpokes,
    FakeStatuses,
    FakeTable,
    change,
)
from tests.lambda_context import Context

ACCOUNTS = [f"{number:012d}" for number in range(1, 121)]


class Organization:
    """120 accounts with a row each, of which nothing has been published."""

    def __init__(self) -> None:
        self.table = FakeTable(*(dict(change(5, account_id=one).row or {}) for one in ACCOUNTS))
        self.statuses = FakeStatuses()
        self.spokes = FakeSpokes(*ACCOUNTS)
        self.queue = FakeAccountQueue()
        self.now = NOW
        audit = MemoryRecorder()
        self.repairer = DriftRepairer(
            table=self.table,
            statuses=self.statuses,
            spokes=self.spokes,
            publisher=BudgetPublisher(
                statuses=self.statuses,
                spokes=self.spokes,
                removal=RemovalPolicy.DELETE,
                audit=audit,
            ),
            deadlines=FakeDeadlines(),
            removal=RemovalPolicy.DELETE,
            audit=audit,
            clock=lambda: self.now,
            concurrency=1,
        )
        self.schedule = DriftSchedule(
            table=self.table, statuses=self.statuses, queue=self.queue, clock=lambda: self.now
        )

    @property
    def published(self) -> list[str]:
        return [one for one in ACCOUNTS if self.spokes.parameters[one].items]


@pytest.fixture
def organization(monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
    made = Organization()
    for name, built in (
        ("_repairer", made.repairer),
        ("_drift_schedule", made.schedule),
        ("_account_queue", made.queue),
    ):
        monkeypatch.setattr(handlers, name, lambda built=built: built)
    monkeypatch.setattr(metrics, "namespace", "FinOps")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")
    metrics.clear_metrics()
    yield made
    metrics.clear_metrics()


def message(part: list[str]) -> dict[str, Any]:
    body = json.dumps({"account_ids": part})
    return {"Records": [{"messageId": "1", "body": body}]}


def status(account_id: str, outcome: Status, **facts: Any) -> BudgetStatus:
    key = BudgetKey(account_id=account_id, budget_name="monthly-total")
    return BudgetStatus(key=key, version="1", status=outcome, **facts)


def test_a_scheduled_run_repairs_every_account_once_in_parts(organization: Organization) -> None:
    begun = handlers.repair_budget_drift({"all_accounts": True}, Context())
    assert begun == {"accounts": 120, "failing": 0, "begun": True}
    assert max(map(len, organization.queue.parts)) == ACCOUNTS_A_PART
    assert [one for part in organization.queue.parts for one in part] == ACCOUNTS
    for number, part in enumerate([*organization.queue.parts], 1):
        assert handlers.repair_budget_drift(message(part), Context()) == {"batchItemFailures": []}
        assert len(organization.published) == min(number * ACCOUNTS_A_PART, 120)


def test_no_run_begins_while_accounts_of_the_one_before_wait(organization: Organization) -> None:
    assert organization.schedule.begin().begun
    before = [*organization.queue.parts]
    assert not organization.schedule.begin().begun
    assert organization.queue.parts == before


def test_the_message_of_an_edited_default_begins_a_run_at_once(organization: Organization) -> None:
    waiting = [[ACCOUNTS[0]]]
    organization.queue.parts = [*waiting]
    asked = {"Records": [{"messageId": "1", "body": json.dumps({"all_accounts": True})}]}
    assert handlers.repair_budget_drift(asked, Context()) == {"batchItemFailures": []}
    assert len(organization.queue.parts) == len(waiting) + 3


def test_accounts_whose_budgets_are_not_right_are_counted(organization: Organization) -> None:
    for one in (
        status(ACCOUNTS[0], Status.FAILED),
        status(ACCOUNTS[1], Status.PENDING, edited_at=NOW),
        status(ACCOUNTS[2], Status.PENDING, edited_at=NOW - PUBLICATION_TIME),
        status(ACCOUNTS[3], Status.APPLIED),
        status(ACCOUNTS[4], Status.REJECTED),
        status("999999999999", Status.FAILED),  # its row is gone
        status("888888888888", Status.REMOVED),
    ):
        organization.statuses.items[one.key] = one
    run = organization.schedule.begin()
    assert run.failing == [ACCOUNTS[0], ACCOUNTS[2], "999999999999"]
    assert run.failing_budgets == 3
    assert set(run.accounts) == {*ACCOUNTS, "999999999999"}


def test_the_accounts_for_which_a_run_has_no_time_go_into_a_new_message(
    organization: Organization,
) -> None:
    class Ending(Context):
        """Time is left for two accounts."""

        milliseconds = int((SECONDS_AN_ACCOUNT + 2) * 1000)

        def get_remaining_time_in_millis(self) -> int:
            self.milliseconds -= 1000
            return self.milliseconds

    answer = handlers.repair_budget_drift(message(ACCOUNTS[:5]), Ending())
    assert answer == {"batchItemFailures": []}
    assert organization.published == ACCOUNTS[:2]
    assert organization.queue.parts == [ACCOUNTS[2:5]]


def test_a_person_is_told_which_accounts_were_not_reached(organization: Organization) -> None:
    found = organization.repairer.run(
        repair=False, request_id="r", account_ids=ACCOUNTS[:1], seconds_left=lambda: 1.0
    )
    assert [(one.key.account_id, one.reason) for one in found] == [(ACCOUNTS[0], NO_TIME_LEFT)]
    assert "ask for fewer accounts" in found[0].error


def test_a_run_over_some_accounts_finds_what_a_run_over_all_finds(
    organization: Organization,
) -> None:
    statuses = organization.statuses
    applied = replace(status(ACCOUNTS[0], Status.APPLIED), document="{}", edited_at=NOW)
    statuses.items[applied.key] = applied
    organization.now += timedelta(hours=1)
    everything = organization.repairer.run(repair=False, request_id="r")
    in_parts = [
        one
        for start in (0, 60)
        for one in organization.repairer.run(
            repair=False, request_id="r", account_ids=ACCOUNTS[start : start + 60]
        )
    ]
    assert len(everything) == 120
    assert in_parts == everything


def test_parts_go_through_the_queue_ten_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("sqs")
        queue = SqsAccounts(client, client.create_queue(QueueName="q")["QueueUrl"])
        assert queue.is_empty()
        queue.send([[f"{number}"] for number in range(23)], defaults=["*"])
        assert not queue.is_empty()
        received = [
            json.loads(one["Body"])["account_ids"]
            for _ in range(3)
            for one in client.receive_message(
                QueueUrl=client.get_queue_url(QueueName="q")["QueueUrl"], MaxNumberOfMessages=10
            )["Messages"]
        ]
        assert sorted(received, key=lambda one: int(one[0])) == [[str(n)] for n in range(23)]
        assert queue.is_empty()  # those in flight do not keep the next run waiting


def test_tables_are_read_in_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb")
        for name in ("rows", "statuses"):
            client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[
                    {"AttributeName": "account_id", "KeyType": "HASH"},
                    {"AttributeName": "budget_name", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": "account_id", "AttributeType": "S"},
                    {"AttributeName": "budget_name", "AttributeType": "S"},
                ],
            )
        client.put_item(
            TableName="rows",
            Item={
                "account_id": {"S": ACCOUNTS[0]},
                "budget_name": {"S": "a"},
                "note": {"B": b"\xff"},
                "amount": {"N": str(Decimal(5))},
            },
        )
        assert list(DynamoBudgetTable(client, "rows").accounts()) == [ACCOUNTS[0]]
        statuses = DynamoStatusTable(client, "statuses")
        statuses.begin(status(ACCOUNTS[0], Status.PENDING, edited_at=NOW))
        assert list(statuses.outlines()) == [StatusOutline(ACCOUNTS[0], Status.PENDING, NOW, None)]
        (one,) = statuses.all()
        statuses.note_unreached(one.key, NOW)
        assert list(statuses.outlines()) == [StatusOutline(ACCOUNTS[0], Status.PENDING, NOW, NOW)]
