"""What command line and console ask of the budgets flow."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from finops.deployment import budgets
from finops.deployment.budgets import BudgetDeployment
from finops.deployment.environment import Environment
from finops.shared.audit import NoAudit


class Tables:
    def __init__(self, accounts: Iterable[str]) -> None:
        self._accounts = accounts

    def accounts(self) -> Iterable[str]:
        return self._accounts

    def outlines(self) -> Iterable[Any]:
        return []


class Drifting:
    """Answers one budget for each account that it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def client(self, _service: str) -> Drifting:
        return self

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "finops-repair-budget-drift"
        self.asked.append(json.loads(Payload))
        if self.asked[-1].get("coverage"):
            return self._covered(self.asked[-1].get("account_ids"))
        found = self.asked[-1].get("account_ids", ["all"])
        drift = {"drift": [{"account_id": one} for one in found]}
        return {"Payload": io.BytesIO(json.dumps(drift).encode())}

    def _covered(self, accounts: list[str] | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"members": {"222222222222": "Sales"}}
        if accounts is not None:
            answer = {"accounts": [{"account_id": one, "source": "none"} for one in accounts]}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def drifting(monkeypatch: pytest.MonkeyPatch) -> Drifting:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(budgets, "_CALLS_AT_ONCE", 1)
    return Drifting()


def deployment(accounts: Iterable[str], drifting: Drifting) -> BudgetDeployment:
    made = BudgetDeployment(Environment(name="aws", prefix="finops"))
    made.aws = drifting  # type: ignore[assignment]
    made.rows = Tables(accounts)  # type: ignore[assignment]
    made.statuses = Tables([])  # type: ignore[assignment]
    return made


def test_drift_of_many_accounts_is_asked_in_parts_and_answered_whole(drifting: Drifting) -> None:
    accounts = [f"{number:012d}" for number in range(250)]
    found = deployment(accounts * 2, drifting).drift(repair=True, requested_by="bea")
    assert [one["account_id"] for one in found] == accounts
    assert [len(one["account_ids"]) for one in drifting.asked] == [100, 100, 50]
    assert {(one["repair"], one["requested_by"]) for one in drifting.asked} == {(True, "bea")}


def test_drift_of_few_accounts_is_one_call_that_reads_the_tables_itself(
    drifting: Drifting,
) -> None:
    deployment(["222222222222"], drifting).drift(repair=False, requested_by="bea")
    assert drifting.asked == [{"repair": False, "requested_by": "bea"}]


def test_drift_of_one_account_asks_for_that_account(drifting: Drifting) -> None:
    deployment([], drifting).drift(repair=False, requested_by="", account="222222222222")
    assert drifting.asked[0]["account_id"] == "222222222222"


def test_coverage_is_of_the_members_and_of_accounts_that_only_the_table_knows(
    drifting: Drifting,
) -> None:
    found = deployment(["333333333333"], drifting).coverage()
    assert [(one["account_id"], one["name"], one["source"]) for one in found] == [
        ("222222222222", "Sales", "none"),
        ("333333333333", "", "none"),
    ]


def test_a_program_that_knows_its_people_approves_through_the_queue_of_accounts(
    drifting: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, list[dict[str, Any]]]] = []

    class Sqs:
        def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - boto3's
            return {"QueueUrl": f"https://sqs/{QueueName}"}

        def send_message_batch(
            self,
            QueueUrl: str,  # noqa: N803
            Entries: list[dict[str, Any]],  # noqa: N803
        ) -> dict[str, Any]:
            sent.append((QueueUrl, [json.loads(one["MessageBody"]) for one in Entries]))
            return {}

    monkeypatch.setattr(drifting, "client", lambda _: Sqs())
    made = deployment([], drifting)
    desk = made.approval_desk(NoAudit())
    desk.accounts.send([["222222222222"]], defaults=None)
    desk.accounts.send_all_accounts()
    assert sent == [
        (
            "https://sqs/finops-budget-accounts",
            [{"account_ids": ["222222222222"], "defaults": None}],
        ),
        ("https://sqs/finops-budget-accounts", [{"all_accounts": True}]),
    ]
