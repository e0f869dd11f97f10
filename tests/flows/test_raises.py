"""Raises that wait for two people, whom AWS tells apart by their signatures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.budgets.domain import BudgetKey
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.flows.approvers import approver
from tests.flows.audit import is_recorded
from tests.flows.deployment import SPOKE, Deployment, eventually

pytestmark = [pytest.mark.flow]

#: environments/local lets people raise a budget by 10,000,000 USD a month.
MUCH = 20_000_000


@pytest.fixture
def name(deployment: Deployment) -> Iterator[str]:
    """The name of a budget of 100 USD."""
    own = f"raised-{uuid.uuid4().hex[:8]}"
    deployment.edit(SPOKE, 100, own)
    deployment.await_status(SPOKE, "APPLIED", own)
    yield own
    deployment.remove(SPOKE, own)


def test_a_raise_takes_effect_when_two_people_have_approved_it(
    deployment: Deployment, name: str, finops: Callable[..., tuple[int, Any]]
) -> None:
    code, shown = finops("budgets", "set", SPOKE, str(MUCH), "--name", name, "--wait")
    assert (code, shown["status"]) == (1, "WAITING")
    assert "raises above 10000000 USD a month wait" in shown["error"]
    key = BudgetKey(account_id=SPOKE, budget_name=name)
    ann, bob = approver(deployment), approver(deployment)
    waiting = ann.statuses.get(key)
    assert waiting
    assert ann.approve(waiting) == 1
    with pytest.raises(RejectedInput, match="you have approved this raise already"):
        ann.approve(waiting)
    # Drift repair keeps the budget as it was, and publishes no raise.
    deployment.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=name)
    deployment.drift(repair=True)
    deployment.await_amount(SPOKE, 100, name)
    assert deployment.status(SPOKE, name)["status"] == "WAITING"
    assert bob.approve(waiting) == 2
    deployment.await_amount(SPOKE, MUCH, name)
    deployment.await_status(SPOKE, "APPLIED", name)
    eventually(
        lambda: all(
            is_recorded(deployment, "budgets", f"{SPOKE}/{name}", f"budget.{what}")
            for what in ("waiting", "approved")
        ),
        what="the trail",
    )
    code, answer = finops("budgets", "approve", SPOKE, "--name", name, "--yes")
    assert (code, answer["status"]) == (1, "APPLIED")


def test_the_command_line_approves_as_whoever_is_signed_in(
    deployment: Deployment, name: str, finops: Callable[..., tuple[int, Any]]
) -> None:
    deployment.edit(SPOKE, MUCH, name)
    deployment.await_status(SPOKE, "WAITING", name)
    code, answer = finops("budgets", "approve", SPOKE, "--name", name, "--yes")
    assert (code, answer["approvals"]) == (0, 1)
    code, answer = finops("budgets", "approve", SPOKE, "--name", name, "--yes")
    assert code == 1
    assert "already" in answer["error"]
    assert deployment.amount(SPOKE, name) == 100


def test_an_approver_can_do_nothing_else(deployment: Deployment, name: str) -> None:
    deployment.edit(SPOKE, MUCH, name)
    deployment.await_status(SPOKE, "WAITING", name)
    mallory = approver(deployment)
    tables = [deployment.outputs[one] for one in ("budgets_table", "status_table")]
    key = {"account_id": {"S": SPOKE}, "budget_name": {"S": name}}
    with pytest.raises(ClientError, match="AccessDenied"):
        mallory.aws.client("lambda").invoke(
            FunctionName="finops-repair-budget-drift", Payload=b'{"repair": true}'
        )
    for table in tables:
        with pytest.raises(ClientError, match="AccessDenied"):
            mallory.aws.client("dynamodb").put_item(TableName=table, Item=key)
    status = mallory.statuses.get(BudgetKey(account_id=SPOKE, budget_name=name))
    assert status
    assert (status.status, status.approvals) == ("WAITING", ())
    assert mallory.approve(status) == 1
    nobody = approver(deployment)
    user = nobody.aws.caller.partition(" ")[0].rpartition("/")[2]
    deployment.client("iam").delete_user_policy(UserName=user, PolicyName="approvals")
    with pytest.raises(ConfigurationError, match="approver_policy_json"):
        nobody.approve(status)
    assert deployment.amount(SPOKE, name) == 100
