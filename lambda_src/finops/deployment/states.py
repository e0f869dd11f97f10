"""The state of a table, a function or a queue, in one word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from finops.shared.aws import aws_errors, is_denied
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

#: The right that a refusal names:
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_REFUSED: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")


@dataclass(frozen=True, slots=True)
class State:
    """What AWS says of one resource.

    Attributes:
        word: Its state, how many messages it has, or the code of AWS's error.
        hint: What to do where AWS did not say it; empty where it did.
    """

    word: str
    hint: str = ""


def table_state(client: Any, table: str) -> State:
    """The table's status."""
    return _state(
        lambda: str(client.describe_table(TableName=table)["Table"]["TableStatus"]),
        "dynamodb:DescribeTable",
    )


def function_state(client: Any, function: str) -> State:
    """The function's state."""

    def read() -> str:
        found = client.get_function_configuration(FunctionName=function)
        return str(found.get("State", "Active")).upper()

    return _state(read, "lambda:GetFunctionConfiguration")


def queue_depth(client: Any, queue: str) -> State:
    """How many messages are in the queue."""

    def read() -> str:
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        return str(
            client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]["ApproximateNumberOfMessages"]
        )

    return _state(read, "sqs:GetQueueUrl and sqs:GetQueueAttributes")


def unchecked(error: FinOpsError) -> str:
    """Why something could not be looked at, and what to do."""
    if isinstance(error, TransientFailure):
        return error.explanation if error.remedy else f"{error.message}: {again(error)}"
    cause = error.__cause__
    if error.remedy or not (is_denied(error) and isinstance(cause, ClientError)):
        return error.explanation
    named = _REFUSED.search(error.message)
    return f"{error.message}. Allow {named[1] if named else cause.operation_name}"


def again(error: FinOpsError) -> str:
    """What to do about a failure that passes."""
    if error.code.startswith("ExpiredToken"):
        return "sign in again"
    return "wait a minute, then try again"


def _state(read: Callable[[], str], rights: str) -> State:
    try:
        with aws_errors("status", remedy=f"allow {rights}"):
            return State(read())
    except (ConfigurationError, TransientFailure) as error:
        # Without an answer, or with credentials that are over, nothing else can be looked at.
        if not isinstance(error.__cause__, ClientError) or error.code.startswith("ExpiredToken"):
            raise
        passes = isinstance(error, TransientFailure)
        return State(error.code, again(error) if passes else error.remedy)
