"""https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, Queue, allow, error_code, eventually, unique

pytestmark = pytest.mark.needs("state_machine_callbacks")


@pytest.fixture(scope="module")
def tokens(management: Account) -> Queue:
    return management.queue()


@pytest.fixture(scope="module")
def asker(management: Account, tokens: Queue) -> str:
    code = """
def handler(event, context):
    if event["input"] == "fail":
        raise ValueError("cannot ask")
    record(event["token"])
"""
    return management.function(code, calls=tokens)


@pytest.fixture(scope="module")
def machine(management: Account, asker: str) -> Iterator[str]:
    states = management.client("stepfunctions")
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": {
                    "FunctionName": asker,
                    "Payload": {
                        "input": "{% $states.input %}",
                        "token": "{% $states.context.Task.Token %}",
                    },
                },
                "TimeoutSeconds": 2,
                "End": True,
            }
        },
    }
    arn = states.create_state_machine(
        name=unique("asking"),
        definition=json.dumps(definition),
        roleArn=management.role(
            allow("lambda:InvokeFunction", asker), service="states.amazonaws.com"
        ),
    )["stateMachineArn"]
    yield str(arn)
    states.delete_state_machine(stateMachineArn=arn)


def ended(states: Any, arn: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = dict(states.describe_execution(executionArn=arn))
        return None if found["status"] == "RUNNING" else found

    return eventually(look) or {}


def test_a_function_that_fails_ends_the_wait(management: Account, machine: str) -> None:
    states = management.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input='"fail"')["executionArn"]
    found = ended(states, arn)
    assert (found["status"], found["error"]) == ("FAILED", "ValueError")


def test_a_token_that_has_timed_out_says_so(
    management: Account, machine: str, tokens: Queue
) -> None:
    states = management.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input='"late"')["executionArn"]
    (token,) = tokens.bodies(1)
    found = ended(states, arn)
    assert (found["status"], found["error"]) == ("FAILED", "States.Timeout")
    late = partial(states.send_task_success, taskToken=token, output="{}")
    assert error_code(late) == "TaskTimedOut"


def test_a_callback_needs_permission_for_the_state_machine(
    management: Account, machine: str, tokens: Queue
) -> None:
    states = management.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input='"ask"')["executionArn"]
    (token,) = tokens.bodies(1)

    def tell(resource: str) -> None:
        role = management.role(allow("states:SendTaskSuccess", resource))
        as_role = management.client("stepfunctions", management.assume(role))
        as_role.send_task_success(taskToken=token, output='"heard"')

    assert error_code(partial(tell, f"{machine}-other")) == "AccessDeniedException"
    tell(machine)
    assert json.loads(ended(states, arn)["output"]) == "heard"
