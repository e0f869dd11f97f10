"""https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html.

A retry waits minutes on AWS, and a fraction of a second on the local cloud.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow

pytestmark = pytest.mark.needs("lambda_async_invoke")

FLAKY = """
def handler(event, context):
    record(context.aws_request_id)
    if event["fail"]: raise RuntimeError("no luck")
    return {"done": True}
"""


def configure(account: Account, function: str, **settings: Any) -> None:
    account.client("lambda").put_function_event_invoke_config(
        FunctionName=function, MaximumEventAgeInSeconds=3600, **settings
    )


def send(account: Account, function: str, event: object) -> None:
    account.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event)
    )


def test_an_event_is_tried_three_times_and_recorded_with_its_error(management: Account) -> None:
    calls, failures = management.queue(), management.queue()
    function = management.function(FLAKY, allow("sqs:SendMessage", failures.arn), calls=calls)
    configure(management, function, DestinationConfig={"OnFailure": {"Destination": failures.arn}})
    send(management, function, {"fail": True})

    (record,) = failures.bodies(1)
    assert len(calls.bodies(3)) == 3
    assert calls.messages() == []
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"] == f"{function}:$LATEST"
    assert record["requestPayload"] == {"fail": True}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "RuntimeError"
    assert record["responsePayload"]["errorMessage"] == "no luck"


def test_a_success_goes_to_its_destination(management: Account) -> None:
    calls, successes = management.queue(), management.queue()
    function = management.function(FLAKY, allow("sqs:SendMessage", successes.arn), calls=calls)
    configure(management, function, DestinationConfig={"OnSuccess": {"Destination": successes.arn}})
    send(management, function, {"fail": False})
    (record,) = successes.bodies(1)
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"done": True}


def test_a_dead_letter_queue_gets_the_event_itself(management: Account) -> None:
    calls, dead = management.queue(), management.queue()
    function = management.function(FLAKY, allow("sqs:SendMessage", dead.arn), calls=calls)
    functions = management.client("lambda")
    functions.update_function_configuration(
        FunctionName=function, DeadLetterConfig={"TargetArn": dead.arn}
    )
    functions.get_waiter("function_updated_v2").wait(
        FunctionName=function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
    )
    configure(management, function, MaximumRetryAttempts=0)
    send(management, function, {"fail": True})

    message = dead.next()
    assert json.loads(message["Body"]) == {"fail": True}
    attributes = message["MessageAttributes"]
    assert attributes["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    assert attributes["ErrorMessage"]["StringValue"] == "no luck"
    assert attributes["RequestID"]["StringValue"]


def test_a_destination_that_the_role_may_not_write_to_gets_nothing(management: Account) -> None:
    calls, failures = management.queue(), management.queue()
    function = management.function(FLAKY, allow("sqs:SendMessage", failures.arn), calls=calls)
    configure(
        management,
        function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": failures.arn}},
    )
    iam = management.client("iam")
    role = management.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    role_name = role.rpartition("/")[2]
    document = iam.get_role_policy(RoleName=role_name, PolicyName="contract")["PolicyDocument"]
    document["Statement"] = [s for s in document["Statement"] if s["Resource"] != failures.arn]
    iam.put_role_policy(
        RoleName=role_name, PolicyName="contract", PolicyDocument=json.dumps(document)
    )
    send(management, function, {"fail": True})
    calls.next()
    send(management, function, {"fail": True})
    calls.next()
    assert failures.messages() == []


def test_no_concurrency_left_sends_events_to_the_destination_at_once(management: Account) -> None:
    calls, failures = management.queue(), management.queue()
    function = management.function(FLAKY, allow("sqs:SendMessage", failures.arn), calls=calls)
    configure(management, function, DestinationConfig={"OnFailure": {"Destination": failures.arn}})
    management.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=0
    )
    send(management, function, {"fail": False})
    failures.next()
    assert calls.messages() == []


def test_throttled_events_wait_and_none_is_lost(management: Account) -> None:
    calls, failures = management.queue(), management.queue()
    function = management.function(
        "import time\ndef handler(event, context):\n    time.sleep(0.1)\n    record(event)",
        allow("sqs:SendMessage", failures.arn),
        calls=calls,
    )
    configure(
        management,
        function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": failures.arn}},
    )
    management.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=1
    )
    for number in range(8):
        send(management, function, number)
    assert sorted(calls.bodies(8)) == list(range(8))
    assert failures.messages() == []


def test_a_burst_of_events_all_runs(management: Account) -> None:
    calls = management.queue()
    function = management.function("def handler(event, context): record(event)", calls=calls)
    for number in range(100):
        send(management, function, number)
    seen = calls.bodies_until(lambda found: len(found) >= 100)
    assert sorted(seen) == list(range(100))


def test_the_caller_does_not_wait_for_the_function(management: Account) -> None:
    calls, held = management.queue(), management.queue()
    function = management.function(
        "def handler(event, context):\n"
        "    while not sqs.receive_message(QueueUrl=os.environ['HELD']).get('Messages'): pass\n"
        "    record(event)",
        allow("sqs:ReceiveMessage", held.arn),
        calls=calls,
        HELD=held.url,
    )
    send(management, function, 1)
    held.sqs.send_message(QueueUrl=held.url, MessageBody="go on")
    assert calls.bodies(1) == [1]
