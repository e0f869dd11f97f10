"""SQS reports to CloudWatch how old the oldest message of each queue is.

AWS: "Available CloudWatch metrics for Amazon SQS"
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
A message that was received three times or more, and not deleted, is left out of the age.
MiniStack has no metrics of queues. Here they are measured, and alarms look at them, when CloudWatch
is asked, at most once a second.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, sqs

from localcloud.extensions._patch import Response, wrap

#: A message that was received as often as this is left out.
_POISON_RECEIVES: Final = 3
#: When the queues of an account and region were measured last.
_measured: dict[tuple[str, str], float] = {}


def _measure() -> None:
    for queue in list(sqs._queues.values()):
        messages = queue["messages"]
        dimensions = {"QueueName": queue["name"]}
        cloudwatch.record_metric(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            sum(one["visible_at"] <= time.time() for one in messages),
            "Count",
            dimensions,
        )
        sent = [one["sent_at"] for one in messages if one["receive_count"] < _POISON_RECEIVES]
        cloudwatch.record_metric(
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            time.time() - min(sent) if sent else 0,
            "Seconds",
            dimensions,
        )


async def _handle(
    original: Callable[..., Awaitable[Response]], *args: Any, **kwargs: Any
) -> Response:
    owner = (get_account_id(), get_region())
    if time.monotonic() - _measured.get(owner, -1) >= 1:
        _measured[owner] = time.monotonic()
        _measure()
        cloudwatch._evaluate_all_alarms()
    return await original(*args, **kwargs)


def install() -> None:
    """Measure before CloudWatch answers."""
    wrap(cloudwatch, "handle_request", _handle)
