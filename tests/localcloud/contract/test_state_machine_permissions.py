"""https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import (
    MANAGEMENT,
    REGION,
    Account,
    Statement,
    allow,
    error_code,
    eventually,
    unique,
)

pytestmark = pytest.mark.needs("state_machine_permissions")

INVOKE = ["lambda:InvokeFunction"]
DELIVER_LOGS = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]


@pytest.fixture(scope="module")
def function(management: Account) -> str:
    return management.function("def handler(event, context): return event['n']")


@pytest.fixture(scope="module")
def bucket(management: Account) -> str:
    s3, name = management.client("s3"), unique("plans")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="plan.json", Body=json.dumps([{"n": 1}, {"n": 2}]))
    return name


def call(function: str) -> dict[str, Any]:
    """A task that calls the function with its input."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": True,
    }


def each(function: str, bucket: str) -> dict[str, Any]:
    """A map run that calls the function with each item of the plan."""
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": bucket, "Key": "plan.json"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Call",
            "States": {"Call": call(function)},
        },
        "End": True,
    }


def run(
    management: Account, state: dict[str, Any], *granted: Statement, name: str | None = None
) -> tuple[str, Any]:
    """How a state machine of one state ends: its status, and its output or error."""
    states = management.client("stepfunctions")
    machine = states.create_state_machine(
        name=name or unique("granted"),
        definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state}}),
        roleArn=management.role(*granted, service="states.amazonaws.com"),
    )["stateMachineArn"]
    try:
        execution = states.start_execution(stateMachineArn=machine, input='{"n": 7}')
        arn = execution["executionArn"]

        def ended() -> dict[str, Any] | None:
            found = dict(states.describe_execution(executionArn=arn))
            return None if found["status"] == "RUNNING" else found

        found = eventually(ended) or {}
        succeeded = found["status"] == "SUCCEEDED"
        return found["status"], json.loads(found["output"]) if succeeded else found["error"]
    finally:
        states.delete_state_machine(stateMachineArn=machine)


def test_a_function_is_called_only_if_the_role_may(management: Account, function: str) -> None:
    other = management.function("def handler(event, context): pass")
    state = call(function)
    assert run(management, state, allow(INVOKE, function)) == ("SUCCEEDED", 7)
    refused = ("FAILED", "Lambda.AWSLambdaException")
    assert run(management, state) == refused
    assert run(management, state, allow(INVOKE, other)) == refused


def test_a_map_run_needs_to_start_read_and_call(
    management: Account, function: str, bucket: str
) -> None:
    state, name = each(function, bucket), unique("mapped")
    machine = f"arn:aws:states:{REGION}:{MANAGEMENT}:stateMachine:{name}"
    start = allow("states:StartExecution", machine)
    read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/plan.json")
    invoke = allow(INVOKE, function)
    assert run(management, state, start, read, invoke, name=name) == ("SUCCEEDED", [1, 2])

    def error(*granted: Statement) -> Any:
        status, said = run(management, state, *granted, name=name)
        assert status == "FAILED"
        return said

    assert error(read, invoke) == "States.Permissions"
    assert error(start, invoke) == "States.ItemReaderFailed"
    assert error(start, read) == "States.ExceedToleratedFailureThreshold"


def test_logs_are_configured_only_if_the_role_may_deliver_them(management: Account) -> None:
    states, group = management.client("stepfunctions"), unique("/aws/vendedlogs/states")
    management.client("logs").create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{MANAGEMENT}:log-group:{group}:*"
    logging = {
        "level": "ERROR",
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}

    def create(*granted: Statement, **settings: Any) -> str:
        return str(
            states.create_state_machine(
                name=unique("logged"),
                definition=json.dumps(definition),
                roleArn=management.role(*granted, service="states.amazonaws.com"),
                **settings,
            )["stateMachineArn"]
        )

    logged = create(allow(DELIVER_LOGS), loggingConfiguration=logging)
    for missing in DELIVER_LOGS:
        granted = allow([action for action in DELIVER_LOGS if action != missing])
        assert error_code(partial(create, granted, loggingConfiguration=logging)) == (
            "AccessDeniedException"
        )
    silent = create()
    update = partial(
        states.update_state_machine, stateMachineArn=silent, loggingConfiguration=logging
    )
    assert error_code(update) == "AccessDeniedException"
    for machine in (logged, silent):
        states.delete_state_machine(stateMachineArn=machine)
