"""A spoke that CloudFormation made of the template, as a stack of the stack set would be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import Deployment
from tests.flows.spoke_stacks import STACK, await_stack, given, make_stack, stack_parameters

pytestmark = [pytest.mark.flow]

ACCOUNT = FURTHER_SPOKES[7]


@pytest.fixture(scope="module")
def values(deployment: Deployment) -> dict[str, str]:
    return stack_parameters(deployment, ACCOUNT)


@pytest.fixture(scope="module")
def stack(deployment: Deployment, values: dict[str, str]) -> Any:
    """CloudFormation's client in the account, where the stack is."""
    return make_stack(deployment, ACCOUNT, values)


def test_a_stack_is_a_whole_spoke_from_its_first_budget_to_its_end(
    deployment: Deployment, stack: Any, values: dict[str, str]
) -> None:
    # The first budget is there when the stack is, with the default alerts.
    assert deployment.amount(ACCOUNT, "monthly-total") == 75
    assert deployment.alerts(ACCOUNT, "monthly-total").keys() == {("ACTUAL", 70.0)}

    # An edit goes through role, parameter, rule, function and bus, and so does its repair.
    deployment.edit(ACCOUNT, 1234, "stack-edit")
    deployment.await_status(ACCOUNT, "APPLIED", "stack-edit")
    assert deployment.amount(ACCOUNT, "stack-edit") == 1234
    deployment.edit(ACCOUNT, 80)
    deployment.await_status(ACCOUNT, "APPLIED")
    deployment.client("budgets", ACCOUNT).delete_budget(AccountId=ACCOUNT, BudgetName="stack-edit")
    deployment.drift(repair=True, account_id=ACCOUNT)
    deployment.await_amount(ACCOUNT, 1234, "stack-edit")

    # New defaults are applied at once, and what finance entered stays.
    stack.update_stack(
        StackName=STACK,
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=given(
            values
            | {
                "DefaultThresholds": json.dumps([{"type": "ACTUAL", "percent": "60"}]),
                "SeedBudgetAmount": "99.00",
            }
        ),
        Tags=[{"Key": "project", "Value": "finops"}],
    )
    await_stack(stack, "update")
    assert deployment.alerts(ACCOUNT, "stack-edit").keys() == {("ACTUAL", 60.0)}
    assert deployment.amount(ACCOUNT, "monthly-total") == 80

    # One that somebody makes by hand is not the flow's.
    deployment.client("budgets", ACCOUNT).create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": "by-hand",
            "BudgetLimit": {"Amount": "5", "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
        },
    )
    stack.delete_stack(StackName=STACK)
    await_stack(stack, "delete")
    assert [one["BudgetName"] for one in deployment.budgets(ACCOUNT)] == ["by-hand"]
    ssm = deployment.client("ssm", ACCOUNT)
    assert ssm.get_parameters_by_path(Path="/finops/budgets")["Parameters"] == []
    assert deployment.client("lambda", ACCOUNT).list_functions()["Functions"] == []
    assert deployment.client("iam", ACCOUNT).list_roles()["Roles"] == []
    for name in ("stack-edit", "monthly-total"):
        deployment.remove(ACCOUNT, name)
