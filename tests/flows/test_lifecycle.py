"""A deployment from its first apply to its destruction, on a cloud of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.deployed import deployed
from localcloud.endpoints import account_session
from localcloud.snapshot import Snapshot
from localcloud.supervisor import LocalCloud
from localcloud.terraform import Terraform, local_environment
from localcloud.terraform_state import over_http
from tests.conftest import fresh_settings
from tests.flows.conftest import VARIABLES
from tests.flows.deployment import OTHER_SPOKE, SPOKE, Deployment

pytestmark = [pytest.mark.flow]

HUB = "111111111111"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """A copy of what was applied just now, so that it also shows what a copy is worth."""
    with fresh_settings() as first:
        snapshot = deployed(first, again=True, **VARIABLES)
        with (
            fresh_settings() as settings,
            LocalCloud(replace(settings, snapshot=snapshot.folder)) as running,
        ):
            yield running


@pytest.fixture(scope="module")
def terraform(cloud: LocalCloud) -> Terraform:
    made = local_environment(cloud.settings, **VARIABLES)
    Snapshot(cloud.settings.snapshot or Path()).restore_terraform(
        cloud.settings.local_dir, int(cloud.endpoint_url.rpartition(":")[2])
    )
    made.init()
    return made


def names(client: Any, operation: str, *path: str, **arguments: Any) -> list[str]:
    """Names from every page of a listing."""
    pages = client.get_paginator(operation).paginate(**arguments)
    found = [one for page in pages for one in page.get(path[0]) or []]
    return [str(one[path[1]] if len(path) > 1 else one) for one in found]


#: What a deployment makes, and how to list it: AWS's own defaults are left out.
LISTINGS: dict[str, Callable[[Any, str], list[str]]] = {
    "lambda functions": lambda s, _: names(
        s("lambda"), "list_functions", "Functions", "FunctionName"
    ),
    "lambda layers": lambda s, _: names(s("lambda"), "list_layers", "Layers", "LayerName"),
    "event source mappings": lambda s, _: names(
        s("lambda"), "list_event_source_mappings", "EventSourceMappings", "UUID"
    ),
    "tables": lambda s, _: names(s("dynamodb"), "list_tables", "TableNames"),
    "queues": lambda s, _: names(s("sqs"), "list_queues", "QueueUrls"),
    "topics": lambda s, _: names(s("sns"), "list_topics", "Topics", "TopicArn"),
    "parameters": lambda s, _: names(s("ssm"), "describe_parameters", "Parameters", "Name"),
    "budgets": lambda s, account_id: names(
        s("budgets"), "describe_budgets", "Budgets", "BudgetName", AccountId=account_id
    ),
    "roles": lambda s, _: names(s("iam"), "list_roles", "Roles", "RoleName"),
    "rules": lambda s, _: names(s("events"), "list_rules", "Rules", "Name"),
    "event buses": lambda s, _: [
        one["Name"]
        for one in s("events").list_event_buses()["EventBuses"]
        if one["Name"] != "default"
    ],
    "schedules": lambda s, _: names(s("scheduler"), "list_schedules", "Schedules", "Name"),
    "log groups": lambda s, _: names(s("logs"), "describe_log_groups", "logGroups", "logGroupName"),
    "composite alarms": lambda s, _: names(
        s("cloudwatch"),
        "describe_alarms",
        "CompositeAlarms",
        "AlarmName",
        AlarmTypes=["CompositeAlarm"],
    ),
    "dashboards": lambda s, _: names(
        s("cloudwatch"), "list_dashboards", "DashboardEntries", "DashboardName"
    ),
    "saved queries": lambda s, _: [
        one["name"] for one in s("logs").describe_query_definitions()["queryDefinitions"]
    ],
    "alarms": lambda s, _: names(s("cloudwatch"), "describe_alarms", "MetricAlarms", "AlarmName"),
}


def inventory(url: str) -> dict[str, list[str]]:
    """Every resource, by account and kind."""
    found = {}
    for account_id in (HUB, SPOKE, OTHER_SPOKE):
        session = account_session(account_id, url)
        for kind, listing in LISTINGS.items():
            if there := listing(session.client, account_id):
                found[f"{account_id} {kind}"] = there
    return found


def test_destroying_a_deployment_leaves_nothing_behind(
    cloud: LocalCloud, terraform: Terraform
) -> None:
    """One test for all, since each apply takes a minute."""
    kinds = {one.partition(" ")[2] for one in inventory(cloud.endpoint_url)}
    assert kinds == set(LISTINGS), "a listing that finds nothing now would prove nothing later"
    assert terraform.plan() == []

    outputs = terraform.output()
    deployment = Deployment(url=cloud.endpoint_url, outputs=outputs["budgets"])
    lock_an_original(deployment, outputs["invoices"]["bucket"])
    edit_and_damage(deployment)
    assert terraform.is_applied()
    assert terraform.plan() == []

    with over_http(terraform) as quick:
        quick.destroy()
    assert inventory(cloud.endpoint_url) == {}


def lock_an_original(deployment: Deployment, bucket: str) -> None:
    """Which `force_destroy` removes all the same: the lock is in governance mode."""
    s3 = deployment.client("s3")
    version = s3.put_object(Bucket=bucket, Key="raw/", Body=b"")["VersionId"]
    until = datetime.now(UTC) + timedelta(days=400)
    s3.put_object_retention(
        Bucket=bucket,
        Key="raw/",
        VersionId=version,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until},
    )


def edit_and_damage(deployment: Deployment) -> None:
    """Everything that people and the flow may change behind Terraform's back."""
    deployment.edit(
        SPOKE, 500, thresholds=["ACTUAL:50"], emails=["a@example.com"], time_unit="ANNUALLY"
    )
    deployment.edit(SPOKE, 5, "a-new-one")
    deployment.edit(OTHER_SPOKE, 700, cost_filters={"Region": ["eu-west-1"]})
    for account_id, name in (
        (SPOKE, "monthly-total"),
        (SPOKE, "a-new-one"),
        (OTHER_SPOKE, "monthly-total"),
    ):
        deployment.await_status(account_id, "APPLIED", name)
    deployment.client("budgets", OTHER_SPOKE).delete_budget(
        AccountId=OTHER_SPOKE, BudgetName="monthly-total"
    )
    deployment.client("ssm", OTHER_SPOKE).delete_parameter(Name="/finops/budgets/monthly-total")
    deployment.drift(repair=True, account_id=OTHER_SPOKE)
    deployment.await_amount(OTHER_SPOKE, 700)
    deployment.await_status(OTHER_SPOKE, "APPLIED")
