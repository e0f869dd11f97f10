"""What an endpoint can do: listed by our own emulator, probed on any other.

Our emulator lists its extensions in the health document, and a MiniStack that lists none has none.
Another endpoint, such as LocalStack or moto's server, is probed where a small probe can tell. It
lacks what no probe can tell: its contract test would show, and fail where it is not so.
"""

from __future__ import annotations

import functools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.emulator_process import health
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, AccountSession, account_session

SERVICES: Mapping[str, tuple[str, ...]] = {
    "lambda_workers": ("lambda", "logs"),
    "lambda_logs": ("lambda", "logs", "cloudwatch"),
    "lambda_async_invoke": ("lambda", "sqs"),
    "stream_positions": ("lambda", "dynamodb"),
    "partiql_streams": ("dynamodb", "dynamodbstreams"),
    "stream_mappings": ("lambda", "dynamodb", "sqs"),
    "service_permissions": ("iam", "sts", "lambda"),
    "service_trust": ("iam", "sts"),
    "function_urls": ("lambda", "iam", "sts"),
    "ssm_change_events": ("ssm", "events", "sqs"),
    "ssm_iam": ("ssm", "iam", "sts"),
    "sqs_iam": ("sqs", "iam", "sts"),
    "sqs_senders": ("sqs", "iam", "sts", "lambda"),
    "sns_sources": ("sns", "sqs", "iam"),
    "ses_iam": ("ses", "iam", "sts"),
    "eventbridge_targets": ("events", "lambda", "sqs"),
    "cross_account_bus": ("events", "sqs"),
    "budgets_iam": ("budgets", "iam", "sts"),
    "budgets_validation": ("budgets",),
    "alarms": ("cloudwatch",),
    "sqs_metrics": ("cloudwatch", "sqs"),
    "saved_queries": ("logs",),
    "rds_clusters": ("rds",),
    "secret_rotation": ("secretsmanager",),
    "rds_data_api": ("rds", "rds-data", "secretsmanager"),
    "state_machine_tracing": ("stepfunctions",),
    "distributed_map": ("stepfunctions", "s3"),
    "state_machine_permissions": ("stepfunctions", "iam", "lambda", "s3"),
    "state_machine_callbacks": ("stepfunctions", "iam", "lambda"),
    "state_machine_redrive": ("stepfunctions", "lambda"),
    "state_machine_errors": ("stepfunctions",),
    "s3_version_ranges": ("s3",),
    "s3_missing_objects": ("s3", "iam", "sts"),
    "s3_multipart_tags": ("s3",),
    "s3_conditional_copies": ("s3",),
    "cognito_sessions": ("cognito-idp",),
    "account_states": ("organizations",),
    "organization_keys": ("organizations", "sts"),
    "organizations_iam": ("organizations", "iam", "sts"),
    "s3_kms": ("s3", "kms"),
    "s3_object_lock": ("s3", "iam", "sts"),
    "textract": ("textract", "s3", "sns"),
    "costs": ("ce", "invoicing", "bcm-data-exports"),
    "athena": ("athena", "glue", "s3"),
    "service_quotas": ("service-quotas", "iam", "sts"),
}

# Services that emulators name differently from boto3.
_ALIASES = {"cloudwatch": "monitoring", "stepfunctions": "states", "events": "eventbridge"}


class Capabilities:
    """The capabilities of one endpoint."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        try:
            self._health = health(endpoint_url)
        except HTTPError:
            self._health = {}  # moto's server lists no services
        self.lacking = functools.lru_cache(maxsize=None)(self._lacking)

    def _lacking(self, capability: str) -> str | None:
        """Why the endpoint lacks a capability, or None when it has it."""
        ours = self._health.get("finops")
        if ours:
            return None if capability in ours["extensions"] else "it is not installed"
        if "iot_mtls" in self._health:
            return "it is a MiniStack without this project's extensions"
        services = self._health.get("services", {})
        for service in SERVICES.get(capability, (capability,)) if services else ():
            known = {services.get(service), services.get(_ALIASES.get(service, service))}
            if not known & {"available", "running"}:
                return f"it has no {service}"
        tried = TRIES.get(capability)
        if tried is None:
            return "no probe can tell that it behaves as AWS does"
        try:
            return tried(account_session(MANAGEMENT_ACCOUNT, self.endpoint_url))
        except (BotoCoreError, ClientError) as error:
            return str(error)


capabilities_of = functools.lru_cache(maxsize=None)(Capabilities)


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
        said = found.get("TreatMissingData"), found.get("StateValue")
        return None if said == ("notBreaching", "INSUFFICIENT_DATA") else f"an alarm says {said}"
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


def _cross_account_bus(session: AccountSession) -> str | None:
    name = f"capability-{uuid.uuid4().hex[:8]}"
    events = session.client("events")
    arn = events.create_event_bus(Name=name)["EventBusArn"]
    entry = {"EventBusName": arn, "Source": "capability", "DetailType": "x", "Detail": "{}"}
    try:
        answer = (
            account_session("222222222222", session.endpoint_url)
            .client("events")
            .put_events(Entries=[entry])
        )
        refused = answer["Entries"][0].get("ErrorCode") == "AccessDeniedException"
        return None if refused else "a bus without a policy takes events of other accounts"
    finally:
        events.delete_event_bus(Name=name)


def _state_machine_tracing(session: AccountSession) -> str | None:
    states, iam = session.client("stepfunctions"), session.client("iam")
    name = f"capability-{uuid.uuid4().hex[:8]}"
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    arn = states.create_state_machine(
        name=name,
        definition=json.dumps(definition),
        roleArn=role["Arn"],
        tracingConfiguration={"enabled": True},
    )["stateMachineArn"]
    try:
        states.update_state_machine(stateMachineArn=arn, tracingConfiguration={"enabled": False})
        found = states.describe_state_machine(stateMachineArn=arn).get("tracingConfiguration")
        return None if found == {"enabled": False} else "the tracing configuration is forgotten"
    finally:
        states.delete_state_machine(stateMachineArn=arn)
        iam.delete_role(RoleName=name)


def _uploaded(session: AccountSession) -> tuple[Any, dict[str, str]]:
    """A client, and an object of ten digits that was uploaded in parts, tagged and versioned."""
    s3, bucket = session.client("s3"), f"capability-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    of = {"Bucket": bucket, "Key": "a"}
    upload = {**of, "UploadId": s3.create_multipart_upload(**of, Tagging="a=b")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"0123456789")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    return s3, {**of, "VersionId": done["VersionId"]}


def _s3_version_ranges(session: AccountSession) -> str | None:
    s3, of = _uploaded(session)
    try:
        body = s3.get_object(**of, Range="bytes=2-4")["Body"].read()
        return None if body == b"234" else "a range of a version answers something else"
    finally:
        s3.delete_object(**of)
        s3.delete_bucket(Bucket=of["Bucket"])


def _s3_multipart_tags(session: AccountSession) -> str | None:
    s3, of = _uploaded(session)
    try:
        tags = s3.get_object_tagging(Bucket=of["Bucket"], Key=of["Key"])["TagSet"]
        return None if tags else "an upload in parts loses its tags"
    finally:
        s3.delete_object(**of)
        s3.delete_bucket(Bucket=of["Bucket"])


def _s3_conditional_copies(session: AccountSession) -> str | None:
    s3, of = _uploaded(session)
    try:
        s3.copy_object(Bucket=of["Bucket"], Key=of["Key"], CopySource=of, IfNoneMatch="*")
    except ClientError:
        return None
    finally:
        s3.delete_object(**of)
        s3.delete_bucket(Bucket=of["Bucket"])
    return "a copy replaces what stands where it goes, whatever its condition"


TRIES: Mapping[str, Callable[[AccountSession], str | None]] = {
    "service_permissions": _enforced_iam,
    "ssm_iam": _enforced_iam,
    "sqs_iam": _enforced_iam,
    "ses_iam": _enforced_iam,
    "sns_sources": _enforced_iam,
    "state_machine_permissions": _enforced_iam,
    "budgets_iam": _enforced_iam,
    "organizations_iam": _enforced_iam,
    "ssm_change_events": _ssm_change_events,
    "budgets_validation": _budgets_validation,
    "alarms": _alarms,
    "cross_account_bus": _cross_account_bus,
    "state_machine_tracing": _state_machine_tracing,
    "s3_version_ranges": _s3_version_ranges,
    "s3_multipart_tags": _s3_multipart_tags,
    "s3_conditional_copies": _s3_conditional_copies,
}


def _within(seconds: float, ask: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < deadline:
        pass
    return bool(answer)
