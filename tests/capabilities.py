"""What an endpoint can do: listed by our own emulator, probed on any other.

Our emulator lists its extensions in the health document, and a MiniStack that lists none has none.
Another endpoint, such as LocalStack, is probed where a small probe can tell. A capability without a
probe is assumed where its services are there; its contract test shows whether that is true.
"""

from __future__ import annotations

import functools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.emulator_process import health
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, AccountSession, account_session

SERVICES: Mapping[str, tuple[str, ...]] = {
    "lambda_workers": ("lambda", "logs"),
    "lambda_logs": ("lambda", "logs", "cloudwatch"),
    "lambda_async_invoke": ("lambda", "sqs"),
    "stream_positions": ("lambda", "dynamodb"),
    "stream_mappings": ("lambda", "dynamodb", "sqs"),
    "service_permissions": ("iam", "sts", "lambda"),
    "ssm_change_events": ("ssm", "events", "sqs"),
    "ssm_iam": ("ssm", "iam", "sts"),
    "sqs_iam": ("sqs", "iam", "sts"),
    "ses_iam": ("ses", "iam", "sts"),
    "eventbridge_targets": ("events", "lambda", "sqs"),
    "cross_account_bus": ("events", "sqs"),
    "budgets_iam": ("budgets", "iam", "sts"),
    "budgets_validation": ("budgets",),
    "alarms": ("cloudwatch",),
    "sqs_metrics": ("cloudwatch", "sqs"),
    "rds_clusters": ("rds",),
    "secret_rotation": ("secretsmanager",),
    "rds_data_api": ("rds", "rds-data", "secretsmanager"),
    "state_machine_tracing": ("stepfunctions",),
    "distributed_map": ("stepfunctions", "s3"),
    "state_machine_permissions": ("stepfunctions", "iam", "lambda", "s3"),
    "state_machine_callbacks": ("stepfunctions", "iam", "lambda"),
    "state_machine_redrive": ("stepfunctions", "lambda"),
    "s3_version_ranges": ("s3",),
    "s3_multipart_tags": ("s3",),
    "textract": ("textract", "s3", "sns"),
    "costs": ("ce", "invoicing", "bcm-data-exports"),
}

# Services that emulators name differently from boto3.
_ALIASES = {"cloudwatch": "monitoring", "stepfunctions": "states", "events": "eventbridge"}


class Capabilities:
    """The capabilities of one endpoint."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._health = health(endpoint_url)
        self.lacking = functools.lru_cache(maxsize=None)(self._lacking)

    def _lacking(self, capability: str) -> str | None:
        """Why the endpoint lacks a capability, or None when it has it."""
        ours = self._health.get("finops")
        if ours:
            return None if capability in ours["extensions"] else "it is not installed"
        if "iot_mtls" in self._health:
            return "it is a MiniStack without this project's extensions"
        services = self._health.get("services", {})
        for service in SERVICES.get(capability, (capability,)):
            known = {services.get(service), services.get(_ALIASES.get(service, service))}
            if not known & {"available", "running"}:
                return f"it has no {service}"
        tried = TRIES.get(capability)
        if tried is None:
            return None
        try:
            return tried(account_session(MANAGEMENT_ACCOUNT, self._endpoint_url))
        except (BotoCoreError, ClientError) as error:
            return str(error)


def _ssm_change_events(session: AccountSession) -> str | None:
    name = f"capability-{uuid.uuid4().hex[:8]}"
    sqs, events, ssm = (session.client(service) for service in ("sqs", "events", "ssm"))
    arn = f"arn:aws:sqs:{REGION}:{MANAGEMENT_ACCOUNT}:{name}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    pattern = {"source": ["aws.ssm"], "detail": {"name": [f"/{name}"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        ssm.put_parameter(Name=f"/{name}", Value="x", Type="String")
        arrived = _within(
            5, lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
        )
        return None if arrived else "a changed parameter makes no event"
    finally:
        ssm.delete_parameter(Name=f"/{name}")
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
        sqs.delete_queue(QueueUrl=url)


def _budgets_validation(session: AccountSession) -> str | None:
    budgets = session.client("budgets")
    name = f"capability-{uuid.uuid4().hex[:8]}"
    budget = {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "-5", "Unit": "USD"},
    }
    try:
        budgets.create_budget(AccountId=MANAGEMENT_ACCOUNT, Budget=budget)
    except ClientError:
        return None
    budgets.delete_budget(AccountId=MANAGEMENT_ACCOUNT, BudgetName=name)
    return "it takes a negative budget"


def _alarms(session: AccountSession) -> str | None:
    cloudwatch = session.client("cloudwatch")
    name = f"capability-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="capability",
        MetricName="none",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    try:
        found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        complete = found.get("TreatMissingData") == "notBreaching"
        return None if complete else "alarms are described in part"
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])


def _enforced_iam(session: AccountSession) -> str | None:
    name = f"capability-{uuid.uuid4().hex[:8]}"
    iam = session.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        },
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    try:
        keys = session.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName=name)
        found = keys["Credentials"]
        session.client(
            "sqs",
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
        ).list_queues()
    except ClientError:
        return None
    finally:
        iam.delete_role(RoleName=name)
    return "a role without a policy may do anything"


TRIES: Mapping[str, Callable[[AccountSession], str | None]] = {
    "service_permissions": _enforced_iam,
    "ssm_iam": _enforced_iam,
    "sqs_iam": _enforced_iam,
    "ses_iam": _enforced_iam,
    "state_machine_permissions": _enforced_iam,
    "budgets_iam": _enforced_iam,
    "ssm_change_events": _ssm_change_events,
    "budgets_validation": _budgets_validation,
    "alarms": _alarms,
}


def _within(seconds: float, ask: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < deadline:
        pass
    return bool(answer)
