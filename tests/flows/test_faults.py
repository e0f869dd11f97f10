"""AWS throttles and loses answers, and functions are killed between calls: nothing is lost."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.flows.deployment import SPOKE, Deployment, eventually, pauses
from tests.flows.fault_proxy import (
    Answer,
    Call,
    Fault,
    FaultProxy,
    kill_after,
    kill_before,
    lose_answer,
    once,
    pass_on,
    refusal,
)

pytestmark = [
    pytest.mark.flow,
    # Only our own local cloud runs workers as processes of this machine.
    pytest.mark.needs("lambda_workers"),
]

HUB = "111111111111"
FUNCTIONS = {
    "finops-publish-budget": HUB,
    "finops-apply-budget": SPOKE,
    "finops-record-budget-result": HUB,
}
#: What each function must call: a test without these calls would show nothing.
EFFECTS = {
    "finops-publish-budget": {"UpdateItem", "PutParameter", "GetItem", "SendMessageBatch"},
    "finops-apply-budget": {
        "UpdateBudget",
        "CreateNotification",
        "DeleteNotification",
        "PutEvents",
    },
    "finops-record-budget-result": {"UpdateItem"},
}
ASSUME = "AssumeRole"
#: Far more than it takes until a call is made that not each edit leads to.
EDITS = 20
TOPIC = f"arn:aws:sns:us-east-1:{SPOKE}:finops-budget-alerts"
amounts = itertools.count(1000)


def settings(d: Deployment, function: str, variables: dict[str, str]) -> dict[str, str]:
    """Give the function these variables; returns those it had."""
    functions = d.client("lambda", FUNCTIONS[function])
    before: dict[str, str] = functions.get_function_configuration(FunctionName=function)[
        "Environment"
    ]["Variables"]
    functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": variables}
    )
    functions.get_waiter("function_updated_v2").wait(
        FunctionName=function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    return before


@pytest.fixture
def proxied(deployment: Deployment) -> Iterator[Callable[..., FaultProxy]]:
    """Puts a proxy between a function and AWS, with a fault from its first call on if wanted."""
    proxy = FaultProxy(deployment.url)
    undo: list[tuple[str, dict[str, str]]] = []

    def install(function: str, fault: Fault = pass_on) -> FaultProxy:
        proxy.fault = fault
        before = settings(deployment, function, {})
        undo.append((function, before))
        settings(deployment, function, before | proxy.environment)
        return proxy

    yield install
    for function, before in undo:
        settings(deployment, function, before)
    proxy.close()


def change(d: Deployment, name: str) -> tuple[int, set[float]]:
    """An edit that changes the amount, one threshold, and the mail address."""
    amount = next(amounts)
    percents = {50.0, 60.0 + amount % 30}
    d.edit(
        SPOKE,
        amount,
        name,
        thresholds=[f"ACTUAL:{percent}" for percent in percents],
        emails=[f"mail-{amount}@example.com"],
    )
    return amount, percents


def assert_applied_once(d: Deployment, name: str, amount: int, percents: set[float]) -> None:
    """The edit is applied completely, there is one budget of the name, and nothing is pending."""

    def ended() -> bool:
        status = d.status(SPOKE, name)
        return status.get("status") == "APPLIED" and status.get("applied_amount") == f"{amount}.00"

    eventually(ended, what=f"APPLIED {amount} of {name}: {d.status(SPOKE, name)}")
    assert d.amount(SPOKE, name) == amount
    everyone = {TOPIC, f"mail-{amount}@example.com"}
    assert d.alerts(SPOKE, name) == {("ACTUAL", percent): everyone for percent in percents}


def operations(d: Deployment, proxy: FaultProxy, name: str, effects: set[str]) -> list[str]:
    """What a warm function calls for an edit, in order, each once, these effects among it."""
    assert_applied_once(d, name, *change(d, name))
    proxy.calls.clear()
    assert_applied_once(d, name, *change(d, name))

    def found() -> list[str]:
        # Budgets of tests that have ended are still being removed.
        return [call.operation for call in [*proxy.calls] if name in call.body]

    eventually(lambda: effects <= {*found()}, what=f"{effects}")
    return [*dict.fromkeys(found())]


def soon(struck: Callable[[], bool]) -> bool:
    """Whether a call is made now, or within seconds after the budget was applied.

    Some calls depend on the second of the edit before, so that not each edit leads to them.
    """
    for pause in itertools.islice(pauses(), 12):
        if struck():
            return True
        time.sleep(pause)
    return struck()


@pytest.mark.parametrize("fault", [kill_before, kill_after, lose_answer])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_that_is_killed_or_gets_no_answer_at_any_call_loses_nothing(
    deployment: Deployment,
    budget_name: str,
    proxied: Callable[..., FaultProxy],
    function: str,
    fault: Fault,
) -> None:
    proxy = proxied(function)
    found = operations(deployment, proxy, budget_name, EFFECTS[function])
    struck_at = set()
    # A session is cached: AssumeRole is called only by a worker that a kill has replaced.
    for operation in [*found, ASSUME]:
        at_first, struck = once(operation, fault)
        with proxy.faulty(at_first):
            for _ in range(EDITS):
                wanted = change(deployment, budget_name)
                assert_applied_once(deployment, budget_name, *wanted)
                if operation not in found or soon(struck):
                    break
        assert_applied_once(deployment, budget_name, *wanted)
        if struck():
            struck_at.add(operation)
    assert set(found) <= struck_at
    assert EFFECTS[function] <= struck_at


@pytest.mark.parametrize(
    ("function", "operation", "code"),
    [
        ("finops-publish-budget", "AssumeRole", "Throttling"),
        ("finops-publish-budget", "PutParameter", "ThrottlingException"),
        ("finops-publish-budget", "PutParameter", "TooManyUpdates"),
        ("finops-publish-budget", "UpdateItem", "ProvisionedThroughputExceededException"),
        ("finops-apply-budget", "UpdateBudget", "ThrottlingException"),
        ("finops-apply-budget", "DescribeBudget", "ThrottlingException"),
        ("finops-apply-budget", "PutEvents", "ThrottlingException"),
        ("finops-record-budget-result", "UpdateItem", "InternalServerError"),
    ],
)
def test_throttling_is_waited_out(
    deployment: Deployment,
    budget_name: str,
    proxied: Callable[..., FaultProxy],
    function: str,
    operation: str,
    code: str,
) -> None:
    assert_applied_once(deployment, budget_name, *change(deployment, budget_name))
    seen = itertools.count()

    def twice(call: Call, forward: Callable[[], Answer], _: Callable[[], None]) -> Answer:
        if call.operation == operation and next(seen) < 2:
            return refusal(code, 500 if code == "InternalServerError" else 400)
        return forward()

    # From the start, since a worker assumes its role once.
    proxied(function, twice)
    assert_applied_once(deployment, budget_name, *change(deployment, budget_name))
    assert next(seen) >= 2


def test_lasting_throttling_fails_with_its_reason_and_is_retried(
    deployment: Deployment, budget_name: str, proxied: Callable[..., FaultProxy]
) -> None:
    proxy = proxied("finops-publish-budget")
    failed: list[dict[str, Any]] = []

    def until_it_has_failed(
        call: Call, forward: Callable[[], Answer], _: Callable[[], None]
    ) -> Answer:
        if call.operation == "PutParameter" and not failed:
            return refusal("ThrottlingException")
        if call.operation == "UpdateItem":
            values = json.loads(call.body)["ExpressionAttributeValues"]
            if values.get(":status") == {"S": "FAILED"}:
                failed.append(values)
        return forward()

    # A poll may miss the status, since the stream's next attempt is soon under way.
    with proxy.faulty(until_it_has_failed):
        amount, percents = change(deployment, budget_name)
        assert_applied_once(deployment, budget_name, amount, percents)
    assert failed[0][":error_step"] == {"S": "put_parameter"}
    assert "ThrottlingException" in failed[0][":error"]["S"]


def test_a_poison_record_ends_in_the_failure_queue_and_blocks_no_other(
    deployment: Deployment, budget_name: str, proxied: Callable[..., FaultProxy]
) -> None:
    proxy = proxied("finops-publish-budget")
    poison = f"poison-{budget_name}"[:90]

    def refuse(call: Call, forward: Callable[[], Answer], _: Callable[[], None]) -> Answer:
        poisoned = call.operation == "UpdateItem" and poison in call.body
        return refusal("ValidationException") if poisoned else forward()

    queue = deployment.outputs["failure_queue_urls"]["publish_budget"]
    deployment.messages(queue)
    with proxy.faulty(refuse):
        rows: list[dict[str, Any]] = [
            {"account_id": SPOKE, "budget_name": poison, "amount": 1},
            {"account_id": SPOKE, "budget_name": budget_name, "amount": 2},
        ]
        deployment.edit_all(rows)
        deployment.await_status(SPOKE, "APPLIED", budget_name)
        kept = eventually(lambda: deployment.messages(queue), what="the poison in the queue")
    assert any("DDBStreamBatchInfo" in one for one in kept)
    assert deployment.status(SPOKE, poison) == {}
    deployment.remove(SPOKE, poison)
