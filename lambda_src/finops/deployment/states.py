"""The state of a table, a function or a queue, in one word."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError


def table_state(client: Any, table: str) -> str:
    """The table's status, or the error code."""
    return _state(lambda: str(client.describe_table(TableName=table)["Table"]["TableStatus"]))


def function_state(client: Any, function: str) -> str:
    """The function's state, or the error code."""

    def read() -> str:
        found = client.get_function_configuration(FunctionName=function)
        return str(found.get("State", "Active")).upper()

    return _state(read)


def queue_depth(client: Any, queue: str) -> str:
    """How many messages are in the queue, or the error code."""

    def read() -> str:
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        return str(
            client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]["ApproximateNumberOfMessages"]
        )

    return _state(read)


def _state(read: Any) -> str:
    try:
        with aws_errors("status"):
            return str(read())
    except ConfigurationError as error:
        if isinstance(error.__cause__, ClientError):
            return error.code
        raise
