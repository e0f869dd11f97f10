"""https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html and its pages on queues.

A schedule acts as its own role. (AWS is exact to the minute; the local cloud to the second.)
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, Queue, allow, unique

pytestmark = pytest.mark.needs("eventbridge_targets")

ECHO = "def handler(event, context): record(event)"


def schedule(account: Account, function: str, role: str, dead: Queue, event: Any) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    account.client("scheduler").create_schedule(
        Name=unique("contract"),
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": function,
            "RoleArn": role,
            "Input": json.dumps(event),
            "DeadLetterConfig": {"Arn": dead.arn},
            "RetryPolicy": {"MaximumRetryAttempts": 0},
        },
    )


def test_a_schedule_invokes_as_its_role_with_its_input(spoke: Account) -> None:
    calls, dead = spoke.queue(), spoke.queue()
    function = spoke.function(ECHO, calls=calls)
    role = spoke.role(allow("lambda:InvokeFunction", function), service="scheduler.amazonaws.com")
    schedule(spoke, function, role, dead, {"source": "finops.drift"})
    assert calls.bodies(
        1,
    ) == [{"source": "finops.drift"}]


def test_a_schedule_whose_role_may_not_invoke_delivers_to_its_queue(spoke: Account) -> None:
    calls, dead = spoke.queue(), spoke.queue()
    function = spoke.function(ECHO, calls=calls)
    role = spoke.role(allow("sqs:SendMessage", dead.arn), service="scheduler.amazonaws.com")
    schedule(spoke, function, role, dead, {"source": "finops.drift"})
    assert json.loads(dead.next()["Body"]) == {"source": "finops.drift"}
    assert calls.messages() == []
