"""Spokes that CloudFormation makes of the template, as the stacks of a stack set would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.settings import REPOSITORY
from tests.flows.deployment import Deployment

TEMPLATE = REPOSITORY / "modules" / "budgets_spoke_stackset" / "budgets_spoke.yaml"
PACKAGES = REPOSITORY / "build" / "local" / "packages.json"
STACK = "budgets-spoke"


def stack_parameters(deployment: Deployment, account_id: str) -> dict[str, str]:
    """As the module budgets_spoke_stackset gives them, with packages in a bucket of the account."""
    packages = json.loads(PACKAGES.read_text())
    return {
        "NamePrefix": "finops",
        "HubRoleArns": ",".join(
            f"arn:aws:iam::111111111111:role/finops-{role}"
            for role in ("publish-budget", "repair-budget-drift")
        ),
        "ExternalId": deployment.outputs["external_id"],
        "ResultBusArn": deployment.outputs["result_bus_arn"],
        "Architecture": packages["code"]["architecture"],
        **_stored(deployment, account_id, "Code", packages["code"]),
        "CodeSha256": packages["code"]["sha256_base64"],
        **_stored(deployment, account_id, "CoreLayer", packages["layers"]["core"]),
        "SeedBudgetName": "monthly-total",
        "SeedBudgetAmount": "75.00",
        "SeedBudgetCurrency": "USD",
        "SeedBudgetTimeUnit": "MONTHLY",
        "DefaultThresholds": json.dumps([{"type": "ACTUAL", "percent": "70"}]),
        "DefaultEmails": json.dumps(["stack@example.com"]),
        "DriftSchedule": "rate(12 hours)",
        "KmsKeyArn": "",
        "PermissionsBoundaryName": "",
        "Tracing": "false",
        "LogLevel": "INFO",
        "LogRetentionDays": "30",
        "AlarmsEnabled": "true",
        "AlarmTopicArns": "",
    }


def make_stack(deployment: Deployment, account_id: str, values: Mapping[str, str]) -> Any:
    """Wait until the account has its stack. Returns the account's client of CloudFormation."""
    client = deployment.client("cloudformation", account_id)
    client.create_stack(
        StackName=STACK,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=given(values),
    )
    await_stack(client, "create")
    return client


def await_stack(client: Any, action: str) -> None:
    """Wait until a stack is created, updated or deleted."""
    client.get_waiter(f"stack_{action}_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
    )


def given(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Parameters as CloudFormation takes them."""
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def _stored(
    deployment: Deployment, account_id: str, what: str, package: Mapping[str, str]
) -> dict[str, str]:
    s3 = deployment.client("s3", account_id)
    bucket, key = f"packages-{account_id}", f"{what}.zip"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=(REPOSITORY / package["path"]).read_bytes())
    return {f"{what}Bucket": bucket, f"{what}Key": key, f"{what}Version": ""}
