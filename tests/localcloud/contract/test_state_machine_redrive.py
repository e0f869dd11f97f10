"""https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html.

The context object: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, Queue, allow, error_code, eventually, unique

pytestmark = pytest.mark.needs("state_machine_redrive")

#: Fails until its queue holds a message that lets it pass.
GATE = """
def handler(event, context):
    record(event)
    if not sqs.receive_message(QueueUrl=os.environ["PASSES"]).get("Messages"):
        raise ValueError("closed")
    return {"seen": event}
"""


def task(function: str, **rest: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {
            "FunctionName": function,
            "Payload": {
                "kept": "{% $kept %}",
                "input": "{% $states.input %}",
                "redrive": "{% $exists($states.context.Execution.RedriveCount) ? "
                "$states.context.Execution.RedriveCount : 0 %}",
            },
        },
        "Output": "{% $states.result.Payload %}",
        **rest,
    }


def ended(states: Any, arn: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = dict(states.describe_execution(executionArn=arn))
        return None if found["status"] == "RUNNING" else found

    return eventually(look) or {}


@pytest.fixture
def calls(management: Account) -> Queue:
    return management.queue()


@pytest.fixture
def passes(management: Account) -> Queue:
    return management.queue()


def test_a_redriven_execution_continues_with_the_failed_state(
    management: Account, calls: Queue, passes: Queue
) -> None:
    states = management.client("stepfunctions")
    function = management.function(
        GATE,
        allow(["sqs:ReceiveMessage"], passes.arn),
        calls=calls,
        PASSES=passes.url,
    )
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Keep",
        "States": {
            "Keep": {
                "Type": "Pass",
                "Assign": {"kept": "{% $states.input.n %}"},
                "Output": {"from": "Keep"},
                "Next": "First",
            },
            "First": task(function, Next="Second"),
            "Second": task(function, End=True),
        },
    }
    machine = states.create_state_machine(
        name=unique("redriven"),
        definition=json.dumps(definition),
        roleArn=management.role(
            allow("lambda:InvokeFunction", function), service="states.amazonaws.com"
        ),
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input='{"n": 7}')["executionArn"]

    failed = ended(states, arn)
    assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    passes.sqs.send_message(QueueUrl=passes.url, MessageBody="once")
    states.redrive_execution(executionArn=arn)
    again = ended(states, arn)
    assert (again["status"], again["redriveCount"]) == ("FAILED", 1)
    passes.sqs.send_message(QueueUrl=passes.url, MessageBody="once more")
    states.redrive_execution(executionArn=arn)
    done = ended(states, arn)
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 2)

    first = {"kept": 7, "input": {"from": "Keep"}}
    second = {"kept": 7, "input": {"seen": {**first, "redrive": 1}}}
    assert calls.bodies(4) == [
        {**first, "redrive": 0},
        {**first, "redrive": 1},
        {**second, "redrive": 1},
        {**second, "redrive": 2},
    ]
    assert json.loads(done["output"]) == {"seen": {**second, "redrive": 2}}
    redrive = partial(states.redrive_execution, executionArn=arn)
    assert error_code(redrive) == "ExecutionNotRedrivable"
    unknown = partial(states.redrive_execution, executionArn=f"{arn}-unknown")
    assert error_code(unknown) == "ExecutionDoesNotExist"
    states.delete_state_machine(stateMachineArn=machine)


def test_a_redriven_task_is_scheduled_and_not_entered_again(
    management: Account, calls: Queue, passes: Queue
) -> None:
    states = management.client("stepfunctions")
    function = management.function(
        GATE, allow(["sqs:ReceiveMessage"], passes.arn), calls=calls, PASSES=passes.url
    )

    def entered(**rest: Any) -> dict[str, Any]:
        told = task(function, **rest)
        told["Arguments"]["Payload"] = {"entered": "{% $states.context.State.EnteredTime %}"}
        return told

    machine = states.create_state_machine(
        name=unique("redriven"),
        definition=json.dumps(
            {
                "QueryLanguage": "JSONata",
                "StartAt": "First",
                "States": {"First": entered(Next="Second"), "Second": entered(End=True)},
            }
        ),
        roleArn=management.role(
            allow("lambda:InvokeFunction", function), service="states.amazonaws.com"
        ),
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    assert ended(states, arn)["status"] == "FAILED"
    for word in ("once", "twice"):
        passes.sqs.send_message(QueueUrl=passes.url, MessageBody=word)
    states.redrive_execution(executionArn=arn)
    assert ended(states, arn)["status"] == "SUCCEEDED"

    first, again, second = (one["entered"] for one in calls.bodies(3))
    assert first == again
    assert second > first
    events = states.get_execution_history(executionArn=arn)["events"]
    assert [
        one.get("stateEnteredEventDetails", {}).get("name", one["type"])
        for one in events
        if one["type"] in {"TaskStateEntered", "ExecutionRedriven"}
    ] == ["First", "ExecutionRedriven", "Second"]
    states.delete_state_machine(stateMachineArn=machine)
