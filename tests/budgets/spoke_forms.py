"""The spoke as Terraform plans it, and as CloudFormation makes it, in one form: CloudFormation's.

Whatever Terraform's configuration says of a resource has to be translated here, or to be named as
said by one of both only: a new argument that is neither fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.budgets.cloudformation import Place, arn_of

Properties = dict[str, Any]
#: Resources by type and name.
Spoke = dict[tuple[str, str], Properties]

_ANY: Final = object()
#: What only Terraform says, with its one value: by which hash it sees a change, and how a statement
#: is told apart. A function that reserves nothing has no such property.
_TERRAFORM_ONLY: Final[Mapping[str, Mapping[str, Any]]] = {
    "aws_lambda_function": {
        "filename": None,
        "source_code_hash": _ANY,
        "reserved_concurrent_executions": -1,
    },
    "aws_lambda_layer_version": {"filename": None, "source_code_hash": _ANY},
    "aws_lambda_permission": {"statement_id": _ANY},
    "aws_lambda_invocation": {"input": _ANY, "lifecycle_scope": "CRUD"},
}
#: What AWS decides where the configuration says null.
_DECIDED_BY_AWS: Final = {"sqs_managed_sse_enabled"}
#: What only CloudFormation says: the version that Terraform means by saying none, and how long a
#: stack waits for an answer.
_CLOUDFORMATION_ONLY: Final[Mapping[str, Mapping[str, Any]]] = {
    "AWS::Lambda::EventInvokeConfig": {"Qualifier": "$LATEST"},
    "Custom::AppliedBudgets": {"ServiceTimeout": 1200},
}


@dataclass(frozen=True, slots=True)
class _Translation:
    kind: str
    #: Argument of Terraform → property of CloudFormation, both with dots into blocks.
    properties: Mapping[str, str]


_TARGET: Final = {
    "arn": "Arn",
    "retry_policy.maximum_event_age_in_seconds": "RetryPolicy.MaximumEventAgeInSeconds",
    "retry_policy.maximum_retry_attempts": "RetryPolicy.MaximumRetryAttempts",
    "dead_letter_config.arn": "DeadLetterConfig.Arn",
}
_S3: Final = {"s3_bucket": "S3Bucket", "s3_key": "S3Key", "s3_object_version": "S3ObjectVersion"}
_TRANSLATIONS: Final = {
    "aws_sns_topic": _Translation(
        "AWS::SNS::Topic",
        {"name": "TopicName", "kms_master_key_id": "KmsMasterKeyId", "policy": "Policy"},
    ),
    "aws_lambda_layer_version": _Translation(
        "AWS::Lambda::LayerVersion",
        {"layer_name": "LayerName", **{key: f"Content.{to}" for key, to in _S3.items()}},
    ),
    "aws_iam_role": _Translation(
        "AWS::IAM::Role",
        {
            "name": "RoleName",
            "description": "Description",
            "assume_role_policy": "AssumeRolePolicyDocument",
            "permissions_boundary": "PermissionsBoundary",
        },
    ),
    "aws_iam_role_policy": _Translation(
        "", {"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"}
    ),
    "aws_lambda_function": _Translation(
        "AWS::Lambda::Function",
        {
            "function_name": "FunctionName",
            "description": "Description",
            "role": "Role",
            "handler": "Handler",
            "runtime": "Runtime",
            "architectures": "Architectures",
            **{key: f"Code.{to}" for key, to in _S3.items()},
            "layers": "Layers",
            "memory_size": "MemorySize",
            "timeout": "Timeout",
            "kms_key_arn": "KmsKeyArn",
            "ephemeral_storage.size": "EphemeralStorage.Size",
            "environment.variables": "Environment.Variables",
            "logging_config.log_format": "LoggingConfig.LogFormat",
            "logging_config.log_group": "LoggingConfig.LogGroup",
            "logging_config.application_log_level": "LoggingConfig.ApplicationLogLevel",
            "tracing_config.mode": "TracingConfig.Mode",
        },
    ),
    "aws_cloudwatch_log_group": _Translation(
        "AWS::Logs::LogGroup",
        {
            "name": "LogGroupName",
            "retention_in_days": "RetentionInDays",
            "kms_key_id": "KmsKeyId",
        },
    ),
    "aws_lambda_function_event_invoke_config": _Translation(
        "AWS::Lambda::EventInvokeConfig",
        {
            "function_name": "FunctionName",
            "maximum_retry_attempts": "MaximumRetryAttempts",
            "maximum_event_age_in_seconds": "MaximumEventAgeInSeconds",
            "destination_config.on_failure.destination": "DestinationConfig.OnFailure.Destination",
        },
    ),
    "aws_sqs_queue": _Translation(
        "AWS::SQS::Queue",
        {
            "name": "QueueName",
            "message_retention_seconds": "MessageRetentionPeriod",
            "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
            "kms_master_key_id": "KmsMasterKeyId",
            "policy": "Policy",
        },
    ),
    "aws_cloudwatch_event_rule": _Translation(
        "AWS::Events::Rule",
        {
            "name": "Name",
            "description": "Description",
            "event_bus_name": "EventBusName",
            "event_pattern": "EventPattern",
        },
    ),
    "aws_cloudwatch_event_target": _Translation(
        "", {"rule": "Name", "event_bus_name": "EventBusName", "target_id": "Id", **_TARGET}
    ),
    "aws_lambda_permission": _Translation(
        "AWS::Lambda::Permission",
        {
            "function_name": "FunctionName",
            "action": "Action",
            "principal": "Principal",
            "source_arn": "SourceArn",
        },
    ),
    "aws_scheduler_schedule": _Translation(
        "AWS::Scheduler::Schedule",
        {
            "name": "Name",
            "description": "Description",
            "schedule_expression": "ScheduleExpression",
            "flexible_time_window.mode": "FlexibleTimeWindow.Mode",
            "target.role_arn": "Target.RoleArn",
            "target.input": "Target.Input",
            **{f"target.{key}": f"Target.{to}" for key, to in _TARGET.items()},
        },
    ),
    "aws_cloudwatch_metric_alarm": _Translation(
        "AWS::CloudWatch::Alarm",
        {
            "alarm_name": "AlarmName",
            "alarm_description": "AlarmDescription",
            "namespace": "Namespace",
            "metric_name": "MetricName",
            "dimensions": "Dimensions",
            "statistic": "Statistic",
            "period": "Period",
            "evaluation_periods": "EvaluationPeriods",
            "threshold": "Threshold",
            "comparison_operator": "ComparisonOperator",
            "treat_missing_data": "TreatMissingData",
            "alarm_actions": "AlarmActions",
            "ok_actions": "OKActions",
            "insufficient_data_actions": "InsufficientDataActions",
        },
    ),
    "aws_lambda_invocation": _Translation(
        "Custom::AppliedBudgets",
        {
            "function_name": "ServiceToken",
            "triggers.thresholds": "Thresholds",
            "triggers.emails": "Emails",
        },
    ),
}
_META: Final = {"depends_on", "count", "for_each"}


class Plan:
    """The module's resources in `terraform show -json` of a plan."""

    def __init__(
        self,
        document: Mapping[str, Any],
        module: str,
        place: Place,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._tags = tags or {}
        self._place = place
        self.changes: list[dict[str, Any]] = [
            one
            for one in document["resource_changes"]
            if one["address"].startswith(f"module.{module}.") and one["mode"] == "managed"
        ]
        self._root = document["configuration"]["root_module"]

    def spoke(self) -> Spoke:
        """The spoke in CloudFormation's form."""
        found: Spoke = {}
        attached: list[tuple[str, Properties]] = []
        for change in self.changes:
            translation = _TRANSLATIONS[change["type"]]
            properties = self._translated(change, translation)
            if translation.kind:
                _put(found, translation.kind, properties)
            else:
                attached.append((change["type"], properties))
        for kind, properties in attached:
            if kind == "aws_iam_role_policy":
                role = found["AWS::IAM::Role", properties.pop("RoleName")]
                role.setdefault("Policies", []).append(properties)
            else:
                rule = found["AWS::Events::Rule", properties.pop("Name")]
                assert properties.pop("EventBusName") == rule["EventBusName"]
                rule.setdefault("Targets", []).append(properties)
        return {key: _normal(properties) for key, properties in found.items()}

    def compared(self, change: Mapping[str, Any]) -> list[str]:
        """The paths of a planned resource that say what the spoke is, where the plan knows them."""
        paths = _TRANSLATIONS[change["type"]].properties
        return [one for one in paths if _at(change["change"]["after"], one) is not None]

    def _translated(self, change: Mapping[str, Any], translation: _Translation) -> Properties:
        after, unknown = change["change"]["after"], change["change"]["after_unknown"]
        only = _TERRAFORM_ONLY.get(change["type"], {})
        for name, expected in only.items():
            assert expected is _ANY or after[name] == expected, (change["address"], name)
        configured = dict(self._configured(change))
        # A stack's tags are those of each of its resources. The doctor of the management account
        # reads one more, of roles there.
        tags = dict(after.get("tags") or {})
        assert ("policy-sha256" in tags) <= (change["type"] == "aws_iam_role")
        tags.pop("policy-sha256", None)
        assert tags == (self._tags if "tags" in configured else {})
        compared = {*translation.properties, *only, "tags"}
        forgotten = {one for one in configured if not _covers(compared, one)}
        assert not forgotten, f"{change['address']}: nobody compares {sorted(forgotten)}"
        properties: Properties = {}
        for path, target in translation.properties.items():
            value = _at(after, path)
            if value is None and _at(unknown, path) and path not in _DECIDED_BY_AWS:
                value = self._referred(change, configured[path])
            if value is not None:
                _set(properties, target, _as_property(target, value))
        return properties

    def _configured(self, change: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The arguments of a resource, as paths, with their expressions."""
        module = self._module(change)
        name = re.sub(r"\[.*?\]$", "", change["address"]).rpartition("module.")[2]
        local_name = ".".join(name.split(".")[-2:])
        found = next(one for one in module["resources"] if one["address"] == local_name)
        return _leaves(found["expressions"])

    def _module(self, change: Mapping[str, Any]) -> Any:
        module = self._root
        for name in re.findall(r"module\.(\w+)", change.get("module_address", "")):
            module = module["module_calls"][name]["module"]
        return module

    def _referred(self, change: Mapping[str, Any], expression: Mapping[str, Any]) -> Any:
        """What an unknown value will be, by the resource that it refers to."""
        first = expression["references"][0]
        within = change.get("module_address", "")
        if first.startswith("var."):
            parent, _, call = within.rpartition("module.")
            module = self._root
            for name in re.findall(r"module\.(\w+)", parent):
                module = module["module_calls"][name]["module"]
            passed = module["module_calls"][call]["expressions"][first.removeprefix("var.")]
            return [self._arn(parent.rstrip("."), passed["references"][0])]
        return self._arn(within, first)

    def _arn(self, within: str, reference: str) -> str:
        address = f"{within}.{reference.removesuffix('.arn')}"
        (found,) = [one for one in self.changes if one["address"] == address]
        translation = _TRANSLATIONS[found["type"]]
        assert reference.endswith(".arn")
        named: Properties = {}
        for path, target in translation.properties.items():
            value = _at(found["change"]["after"], path)
            if isinstance(value, str) and "." not in target:
                named[target] = value
        return arn_of(translation.kind, named, self._place)


def stack_spoke(resources: Mapping[str, Mapping[str, Any]], place: Place) -> Spoke:
    """The spoke that the resolved resources of a stack are."""
    found: Spoke = {}
    policies: list[Properties] = []
    for one in resources.values():
        kind, properties = one["Type"], dict(one["Properties"])
        if kind in {"AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"}:
            policies.append(properties)
            continue
        for name, expected in _CLOUDFORMATION_ONLY.get(kind, {}).items():
            assert properties.pop(name) == expected, (kind, name)
        _put(found, kind, properties)
    arns = {arn_of(kind, one, place): one for (kind, _), one in found.items() if _has_policy(kind)}
    for policy in policies:
        (arn,) = policy.get("Topics") or policy["Queues"]
        assert "Policy" not in arns[arn]
        arns[arn]["Policy"] = policy["PolicyDocument"]
    return {key: _normal(properties) for key, properties in found.items()}


def _has_policy(kind: str) -> bool:
    return kind in {"AWS::SNS::Topic", "AWS::SQS::Queue"}


_NAMES: Final = (
    "AlarmName",
    "RoleName",
    "TopicName",
    "QueueName",
    "LayerName",
    "LogGroupName",
    "FunctionName",
    "ServiceToken",
    "Name",
)


def _put(spoke: Spoke, kind: str, properties: Properties) -> None:
    name = next(properties[one] for one in _NAMES if one in properties)
    if kind == "Custom::AppliedBudgets":
        name = name.rpartition(":")[2]
        properties["ServiceToken"] = name
    assert (kind, name) not in spoke
    spoke[kind, name] = properties


_DOCUMENTS: Final = {"AssumeRolePolicyDocument", "EventPattern", "Policy", "PolicyDocument"}


def _as_property(target: str, value: Any) -> Any:
    if target in _DOCUMENTS:
        return json.loads(value)
    if target == "Dimensions":
        return [{"Name": name, "Value": one} for name, one in value.items()]
    return value


def _normal(value: Any) -> Any:
    """Equal for what AWS takes for equal: a value and a list of it, in whatever order, and JSON."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        return json.dumps(json.loads(value), sort_keys=True)
    if isinstance(value, dict):
        found = {key: _normal(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one not in ({}, [], None)}
    if isinstance(value, list):
        members = sorted(map(_normal, value), key=lambda one: json.dumps(one, sort_keys=True))
        return members[0] if len(members) == 1 else members
    return value


def _leaves(expressions: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in expressions.items():
        if name in _META:
            continue
        path = f"{prefix}{name}"
        if isinstance(one, list):
            for block in one:
                yield from _leaves(block, f"{path}.")
        elif set(one) <= {"references", "constant_value"}:
            yield path, one
        else:
            yield from _leaves(one, f"{path}.")


def _covers(compared: Iterable[str], path: str) -> bool:
    return any(one == path or one.startswith(f"{path}.") for one in compared)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return value if value is True else None
        value = value.get(name)
    return value


def _set(properties: Properties, path: str, value: Any) -> None:
    *blocks, last = path.split(".")
    for name in blocks:
        properties = properties.setdefault(name, {})
    properties[last] = value


def mutated(value: Any) -> Iterator[Any]:
    """Every copy of a document with one leaf changed, or one member taken away."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for changed in mutated(one):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield value[:place] + value[place + 1 :]
            for changed in mutated(one):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    else:
        yield f"{value}x"
