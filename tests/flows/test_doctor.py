"""`finops doctor`: says nothing of a sound deployment, and finds each way in which it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from finops.deployment.clients import Aws
from finops.deployment.doctor import Doctor
from finops.deployment.environment import Environment
from finops.deployment.examination import Finding
from tests.flows.billing import BillingFlow
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment, eventually

pytestmark = [pytest.mark.flow]

#: Breaks a deployment, and restores it when it is closed.
Breaking = Callable[[Deployment], Iterator[None]]
BUS = "finops-budgets"
IDLE = "finops-write-audit-head"  # runs once an hour


@pytest.fixture(scope="module")
def examine(deployment: Deployment, billing: BillingFlow) -> Callable[..., list[Finding]]:
    today = f"currency,rate_date,usd_per_unit\nCHF,{datetime.now(UTC).date()},1.1\n"
    billing.drop("rates/doctor.csv", today.encode())

    def look(**settings: Any) -> list[Finding]:
        found = Environment(
            **{
                "name": "local",
                "prefix": "finops",
                "endpoint_url": deployment.url,
                "region": "us-east-1",
                **settings,
            }
        )
        return Doctor(Aws(found), found, today=datetime.now(UTC).date()).findings()

    return look


def test_a_sound_deployment_has_no_findings(examine: Callable[..., list[Finding]]) -> None:
    # Other tests edit budgets of accounts without a spoke.
    assert [one for one in examine() if one.check != "spokes"] == []


def a_role_that_lambda_may_not_assume(d: Deployment) -> Iterator[None]:
    iam, role = d.client("iam"), IDLE
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    other = json.dumps(trust).replace("lambda.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=other)
    yield
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def a_bus_that_no_spoke_may_use(d: Deployment) -> Iterator[None]:
    events = d.client("events")
    policy = events.describe_event_bus(Name=BUS)["Policy"]
    other = policy.replace(SPOKE, "999999999999")
    events.put_permission(EventBusName=BUS, Policy=other)
    yield
    events.put_permission(EventBusName=BUS, Policy=policy)


def a_role_without_its_policy(d: Deployment) -> Iterator[None]:
    iam = d.client("iam")
    policy = iam.get_role_policy(RoleName=IDLE, PolicyName=IDLE)["PolicyDocument"]
    iam.delete_role_policy(RoleName=IDLE, PolicyName=IDLE)
    yield
    iam.put_role_policy(RoleName=IDLE, PolicyName=IDLE, PolicyDocument=json.dumps(policy))


def a_workflow_without_rights(d: Deployment) -> Iterator[None]:
    iam, name = d.client("iam"), "finops-load-large-billing-file"
    policy = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName=name)
    yield
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))


def a_role_that_lacks_a_statement(d: Deployment) -> Iterator[None]:
    iam = d.client("iam")
    policy = iam.get_role_policy(RoleName=IDLE, PolicyName=IDLE)["PolicyDocument"]
    less = policy | {"Statement": policy["Statement"][1:]}
    iam.put_role_policy(RoleName=IDLE, PolicyName=IDLE, PolicyDocument=json.dumps(less))
    yield
    iam.put_role_policy(RoleName=IDLE, PolicyName=IDLE, PolicyDocument=json.dumps(policy))


def a_sender_that_ses_does_not_know(d: Deployment) -> Iterator[None]:
    ses = d.client("ses")
    variables = d.client("lambda").get_function_configuration(FunctionName="finops-reconcile-month")
    sender = variables["Environment"]["Variables"]["MAIL_SENDER"]
    ses.delete_identity(Identity=sender)
    yield
    ses.verify_email_identity(EmailAddress=sender)


def a_function_without_layer(d: Deployment) -> Iterator[None]:
    functions = d.client("lambda")
    layers = functions.get_function_configuration(FunctionName=IDLE)["Layers"]
    functions.update_function_configuration(FunctionName=IDLE, Layers=[])
    yield
    functions.update_function_configuration(
        FunctionName=IDLE, Layers=[one["Arn"] for one in layers]
    )


def a_function_that_is_never_run(d: Deployment) -> Iterator[None]:
    d.client("lambda").put_function_concurrency(FunctionName=IDLE, ReservedConcurrentExecutions=0)
    yield
    d.client("lambda").delete_function_concurrency(FunctionName=IDLE)


def a_bucket_without_policy(d: Deployment) -> Iterator[None]:
    s3, bucket = d.client("s3"), bucket_of(d, "finops-receive-invoices")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def a_trail_that_is_not_locked(d: Deployment) -> Iterator[None]:
    s3, bucket = d.client("s3"), bucket_of(d, "finops-append-audit-entries")
    found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    yield
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=found)


def a_function_without_one_of_its_layers(d: Deployment) -> Iterator[None]:
    functions, name = d.client("lambda"), "finops-fail-billing-file"
    layers = functions.get_function_configuration(FunctionName=name)["Layers"]
    arns = [one["Arn"] for one in layers]
    functions.update_function_configuration(
        FunctionName=name, Layers=[one for one in arns if "-core:" in one]
    )
    yield
    functions.update_function_configuration(FunctionName=name, Layers=arns)


def a_bucket_that_notifies_nobody(d: Deployment) -> Iterator[None]:
    s3, bucket = d.client("s3"), bucket_of(d, "finops-load-billing-file")
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=found)


def a_queue_that_takes_no_events(d: Deployment) -> Iterator[None]:
    sqs = d.client("sqs")
    url = sqs.get_queue_url(QueueName="finops-billing-files")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    other = found["Policy"].replace("s3.amazonaws.com", "sns.amazonaws.com")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": other})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=found)


def a_disabled_rule(d: Deployment) -> Iterator[None]:
    rule = {"Name": "finops-record-budget-result", "EventBusName": BUS}
    d.client("events").disable_rule(**rule)
    yield
    d.client("events").enable_rule(**rule)


def a_disabled_mapping(d: Deployment) -> Iterator[None]:
    functions = d.client("lambda")
    (found,) = functions.list_event_source_mappings(FunctionName="finops-expire-pending-budget")[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=found["UUID"], Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=found["UUID"], Enabled=True)


def a_disabled_schedule(d: Deployment) -> Iterator[None]:
    scheduler = d.client("scheduler")
    found = scheduler.get_schedule(Name=IDLE)
    kept = {
        name: found[name]
        for name in ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    }
    scheduler.update_schedule(**kept, State="DISABLED")
    yield
    scheduler.update_schedule(**kept, State="ENABLED")


def a_key_that_logs_may_not_use(d: Deployment) -> Iterator[None]:
    allow = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    others = {"Service": ["events.amazonaws.com", "s3.amazonaws.com"]}
    ours = {"AWS": "arn:aws:iam::111111111111:root"}
    statements = [{**allow, "Principal": one} for one in (ours, others)]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key, functions = d.client("kms").create_key(Policy=policy), d.client("lambda")
    functions.update_function_configuration(FunctionName=IDLE, KMSKeyArn=key["KeyMetadata"]["Arn"])
    yield
    functions.update_function_configuration(FunctionName=IDLE, KMSKeyArn="")


def bucket_of(d: Deployment, function: str) -> str:
    found = d.client("lambda").get_function_configuration(FunctionName=function)
    return str(found["Environment"]["Variables"]["BUCKET"])


#: How a deployment is broken, and the check that finds it.
BROKEN: dict[Breaking, str] = {
    a_role_that_lambda_may_not_assume: "roles",
    a_role_without_its_policy: "roles",
    a_role_that_lacks_a_statement: "roles",
    a_workflow_without_rights: "roles",
    a_bus_that_no_spoke_may_use: "results",
    a_sender_that_ses_does_not_know: "mail",
    a_function_without_layer: "layers",
    a_function_without_one_of_its_layers: "layers",
    a_function_that_is_never_run: "concurrency",
    a_bucket_without_policy: "buckets",
    a_trail_that_is_not_locked: "buckets",
    a_bucket_that_notifies_nobody: "buckets",
    a_key_that_logs_may_not_use: "keys",
    a_queue_that_takes_no_events: "buckets",
    a_disabled_rule: "results",
    a_disabled_mapping: "triggers",
    a_disabled_schedule: "schedules",
}


@pytest.mark.parametrize("breaking", BROKEN, ids=lambda one: one.__name__)
def test_each_way_of_being_broken_is_found_with_its_remedy(
    breaking: Breaking, deployment: Deployment, examine: Callable[..., list[Finding]]
) -> None:
    broken = breaking(deployment)
    next(broken)
    try:
        found = [one for one in examine() if one.check != "spokes"]
    finally:
        next(broken, None)
    assert [one.check for one in found] == [BROKEN[breaking]]
    assert all(one.problem and one.remedy and one.severity == "FAULT" for one in found)
    assert [one for one in examine() if one.check != "spokes"] == []


def test_an_account_whose_role_does_not_trust_us_is_named(
    deployment: Deployment, examine: Callable[..., list[Finding]]
) -> None:
    without_spoke = FURTHER_SPOKES[3]
    deployment.edit(without_spoke, 100, name="doctor")
    try:
        eventually(lambda: deployment.status(without_spoke, "doctor").get("status") == "FAILED")
        found = [one for one in examine() if one.subject == without_spoke]
        assert [one.check for one in found] == ["spokes"]
        assert "budgets_spoke" in found[0].remedy
    finally:
        deployment.remove(without_spoke, "doctor")


def test_a_wrong_region_is_told_once(examine: Callable[..., list[Finding]]) -> None:
    (found,) = examine(region="eu-west-1")
    assert found.check == "functions"
    assert "eu-west-1" in found.problem


def test_old_rates_are_told(deployment: Deployment, examine: Callable[..., list[Finding]]) -> None:
    environment = Environment(
        name="local", prefix="finops", endpoint_url=deployment.url, region="us-east-1"
    )
    found = Doctor(Aws(environment), environment, today=date(2099, 1, 1)).findings()
    assert [one.check for one in found if one.check != "spokes"] == ["rates"]


def test_missing_rates_are_told(
    billing: BillingFlow, examine: Callable[..., list[Finding]]
) -> None:
    billing.query("RENAME TABLE fx_rates TO fx_rates_kept")
    try:
        billing.query("CREATE TABLE fx_rates LIKE fx_rates_kept")
        (found,) = [one for one in examine() if one.check != "spokes"]
    finally:
        billing.query("DROP TABLE IF EXISTS fx_rates")
        billing.query("RENAME TABLE fx_rates_kept TO fx_rates")
    assert (found.check, found.severity) == ("rates", "FAULT")
    assert "there are no rates" in found.problem
