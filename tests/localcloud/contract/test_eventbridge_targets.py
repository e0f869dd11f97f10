"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html and its neighbours."""

from __future__ import annotations

import json

import pytest

from tests.localcloud.contract.aws import REGION, Account, allow, unique

pytestmark = pytest.mark.needs("eventbridge_targets")

ECHO = "def handler(event, context): record(event)"


def put(account: Account, source: str, detail: object = None) -> None:
    answer = account.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Test", "Detail": json.dumps(detail or {})}]
    )
    assert answer["FailedEntryCount"] == 0


def test_a_permitted_rule_invokes_the_function_with_the_event(spoke: Account) -> None:
    source, calls = unique("contract"), spoke.queue()
    spoke.rule({"source": [source]}, spoke.function(ECHO, calls=calls))
    put(spoke, source, {"answer": 42})
    (event,) = calls.bodies(1)
    assert (event["source"], event["detail-type"]) == (source, "Test")
    assert (event["account"], event["region"]) == (spoke.id, REGION)
    assert event["detail"] == {"answer": 42}


def test_a_rule_without_permission_delivers_to_its_dead_letter_queue(spoke: Account) -> None:
    source, calls = unique("contract"), spoke.queue()
    dead = spoke.queue(may_send="events.amazonaws.com")
    function = spoke.function(ECHO, calls=calls)
    rule = spoke.rule(
        {"source": [source]}, function, permit=False, DeadLetterConfig={"Arn": dead.arn}
    )
    put(spoke, source, {"answer": 42})

    message = dead.next()
    attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert attributes["RULE_ARN"] == rule
    assert attributes["TARGET_ARN"] == function
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert attributes["ERROR_MESSAGE"]
    assert json.loads(message["Body"])["detail"] == {"answer": 42}
    assert calls.messages() == []


def test_a_permission_for_another_rule_does_not_count(spoke: Account) -> None:
    source, other, calls = unique("contract"), unique("contract"), spoke.queue()
    dead = spoke.queue(may_send="events.amazonaws.com")
    function = spoke.function(ECHO, calls=calls)
    spoke.rule({"source": [other]}, function)
    spoke.rule({"source": [source]}, function, permit=False, DeadLetterConfig={"Arn": dead.arn})
    put(spoke, source)
    dead.next()
    assert calls.messages() == []


def test_an_event_for_a_deleted_function_goes_to_the_dead_letter_queue(spoke: Account) -> None:
    source = unique("contract")
    dead = spoke.queue(may_send="events.amazonaws.com")
    function = spoke.function("def handler(e, c): pass")
    spoke.rule({"source": [source]}, function, DeadLetterConfig={"Arn": dead.arn})
    spoke.client("lambda").delete_function(FunctionName=function)
    put(spoke, source)
    assert dead.next()["MessageAttributes"]["TARGET_ARN"]["StringValue"] == function


def test_a_dead_letter_queue_needs_a_policy_for_eventbridge(spoke: Account) -> None:
    source = unique("contract")
    closed, open_ = spoke.queue(), spoke.queue(may_send="events.amazonaws.com")
    function = spoke.function("def handler(e, c): pass")
    for dead in (closed, open_):
        pattern = {"source": [source]}
        spoke.rule(pattern, function, permit=False, DeadLetterConfig={"Arn": dead.arn})
    put(spoke, source)
    open_.next()
    assert closed.messages() == []


def test_an_error_of_the_function_is_retried_by_lambda(spoke: Account) -> None:
    source, calls, failures = unique("contract"), spoke.queue(), spoke.queue()
    dead = spoke.queue(may_send="events.amazonaws.com")
    function = spoke.function(
        "def handler(event, context):\n    record(1)\n    raise ValueError('no')",
        allow("sqs:SendMessage", failures.arn),
        calls=calls,
    )
    spoke.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=1,
        MaximumEventAgeInSeconds=3600,
        DestinationConfig={"OnFailure": {"Destination": failures.arn}},
    )
    spoke.rule({"source": [source]}, function, DeadLetterConfig={"Arn": dead.arn})
    put(spoke, source)

    (record,) = failures.bodies(1)
    assert record["requestPayload"]["source"] == source
    assert calls.bodies(2) == [1, 1]
    assert dead.messages() == []
