"""A spoke that CloudFormation made of the template, as a stack of the stack set would be."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from localcloud.settings import REPOSITORY
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment

pytestmark = [pytest.mark.flow]

TEMPLATE = REPOSITORY / "modules" / "budgets_spoke_stackset" / "budgets_spoke.yaml"
ACCOUNT = FURTHER_SPOKES[7]
STACK = "budgets-spoke"
APPLY = "finops-apply-budget"


def stored(deployment: Deployment, key: str, url: str) -> dict[str, str]:
    """A package that runs in another spoke, in a bucket of the account."""
    with urllib.request.urlopen(url, timeout=120) as answer:
        content = answer.read()
    s3 = deployment.client("s3", ACCOUNT)
    bucket = f"packages-{ACCOUNT}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return {"Bucket": bucket, "Key": key, "Version": ""}


def parameters(deployment: Deployment) -> dict[str, str]:
    """As the module budgets_spoke_stackset gives them, for the deployment of the tests."""
    lambdas = deployment.client("lambda", SPOKE)
    function = lambdas.get_function(FunctionName=APPLY)
    (layer,) = function["Configuration"]["Layers"]
    core = lambdas.get_layer_version_by_arn(Arn=layer["Arn"])
    code = stored(deployment, "code.zip", function["Code"]["Location"])
    core_layer = stored(deployment, "core.zip", core["Content"]["Location"])
    outputs = deployment.outputs
    return {
        "NamePrefix": "finops",
        "HubRoleArns": ",".join(
            f"arn:aws:iam::111111111111:role/finops-{role}"
            for role in ("publish-budget", "repair-budget-drift")
        ),
        "ExternalId": outputs["external_id"],
        "ResultBusArn": outputs["result_bus_arn"],
        "Architecture": function["Configuration"]["Architectures"][0],
        **{f"Code{name}": value for name, value in code.items()},
        "CodeSha256": function["Configuration"]["CodeSha256"],
        **{f"CoreLayer{name}": value for name, value in core_layer.items()},
        "SeedBudgetName": "monthly-total",
        "SeedBudgetAmount": "75.00",
        "SeedBudgetCurrency": "USD",
        "SeedBudgetTimeUnit": "MONTHLY",
        "DefaultThresholds": json.dumps([{"type": "ACTUAL", "percent": "70"}]),
        "DefaultEmails": json.dumps(["stack@example.com"]),
        "DriftSchedule": "rate(15 minutes)",
        "KmsKeyArn": "",
        "PermissionsBoundaryName": "",
        "Tracing": "false",
        "LogLevel": "INFO",
        "LogRetentionDays": "30",
        "AlarmsEnabled": "true",
        "AlarmTopicArns": "",
    }


def given(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


@pytest.fixture(scope="module")
def values(deployment: Deployment) -> dict[str, str]:
    return parameters(deployment)


@pytest.fixture(scope="module")
def stack(deployment: Deployment, values: dict[str, str]) -> Any:
    """CloudFormation's client in the account, where the stack is."""
    client = deployment.client("cloudformation", ACCOUNT)
    client.create_stack(
        StackName=STACK,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=given(values),
    )
    client.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
    )
    return client


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
    stack.get_waiter("stack_update_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
    )
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
    stack.get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
    )
    assert [one["BudgetName"] for one in deployment.budgets(ACCOUNT)] == ["by-hand"]
    ssm = deployment.client("ssm", ACCOUNT)
    assert ssm.get_parameters_by_path(Path="/finops/budgets")["Parameters"] == []
    assert deployment.client("lambda", ACCOUNT).list_functions()["Functions"] == []
    assert deployment.client("iam", ACCOUNT).list_roles()["Roles"] == []
    for name in ("stack-edit", "monthly-total"):
        deployment.remove(ACCOUNT, name)
