"""The events that AWS hands to functions: queue batches, S3 notifications, failed workflow steps.

Why not Powertools' batch processor and event classes: docs/decisions/0014-own-event-helpers.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from finops.shared.observability import MetricUnit, logger, metrics

_LONGEST_RETRY_DELAY: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedObject:
    """An S3 object that was just written, from an S3 event notification.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

    Attributes:
        key: Decoded; in the notification it is URL-encoded.
        version_id: Empty in a bucket without versioning.
        etag: Without quotes.
        size: Bytes.
        event_time: When S3 finished the request: ISO 8601, UTC.
        sequencer: Orders the events of one key: hexadecimal, of varying length.
        principal: Who wrote the object.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int
    event_time: str
    sequencer: str
    principal: str


def created_objects(notification: Mapping[str, Any]) -> Iterator[CreatedObject]:
    """The objects that a notification reports as created.

    Removals, S3's test event, and the empty objects that the S3 console creates for folders
    are left out.
    """
    for record in notification.get("Records", ()):
        stored = record["s3"]
        key = unquote_plus(stored["object"]["key"])
        if not record["eventName"].startswith("ObjectCreated:") or key.endswith("/"):
            continue
        yield CreatedObject(
            bucket=stored["bucket"]["name"],
            key=key,
            version_id=stored["object"].get("versionId", ""),
            etag=stored["object"].get("eTag", "").strip('"'),
            size=int(stored["object"].get("size", 0)),
            event_time=record["eventTime"],
            sequencer=stored["object"].get("sequencer", ""),
            principal=record.get("userIdentity", {}).get("principalId", ""),
        )


def handle_messages(
    event: Mapping[str, Any],
    handle: Callable[[Any], None],
    *,
    failure: str,
    on_failure: Callable[[Mapping[str, Any]], None] = lambda _message: None,
) -> dict[str, Any]:
    """Handle each message of an SQS batch; a message that fails never blocks the others.

    The metric MessagesFailed counts those that failed: Lambda counts no error for them, and SQS
    leaves a message that was received three times out of ApproximateAgeOfOldestMessage
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html).
    MessageLatency is the time from when a message was sent until it was handled, in milliseconds.

    Args:
        event: The batch. Message bodies are JSON.
        handle: Takes a message's decoded body.
        failure: Logged, with the traceback, for each message that fails.
        on_failure: Called with each message that failed.

    Returns:
        The partial batch response: SQS delivers the messages that failed again.
    """
    failed = []
    for message in event["Records"]:
        try:
            handle(json.loads(message["body"]))
            if sent := message.get("attributes", {}).get("SentTimestamp"):
                latency = max(0, int(time.time() * 1000) - int(sent))
                metrics.add_metric("MessageLatency", MetricUnit.Milliseconds, latency)
        except Exception:  # noqa: BLE001 - SQS delivers the message again
            logger.exception(failure)
            on_failure(message)
            failed.append(message["messageId"])
    if failed:
        metrics.add_metric("MessagesFailed", MetricUnit.Count, len(failed))
    return batch_response(failed)


def batch_response(failed: Iterable[str]) -> dict[str, Any]:
    """The partial batch response: what the event source delivers again.

    Args:
        failed: Message ids of a queue, or sequence numbers of a stream.
    """
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def shorten_visibility(
    sqs: Any, queue_url: str, message: Mapping[str, Any], *, first_delay: int
) -> None:
    """Make a message visible again before the queue's own visibility timeout ends.

    The delay triples with each delivery, up to 15 minutes.

    Args:
        sqs: A boto3 client.
        queue_url: Of the message's queue.
        message: As Lambda receives it.
        first_delay: Seconds after the first delivery.
    """
    deliveries = int(message["attributes"]["ApproximateReceiveCount"])
    try:
        sqs.change_message_visibility(
            QueueUrl=queue_url,
            ReceiptHandle=message["receiptHandle"],
            VisibilityTimeout=min(first_delay * 3 ** min(deliveries - 1, 10), _LONGEST_RETRY_DELAY),
        )
    except Exception:  # noqa: BLE001 - the message is retried anyway, only later
        logger.exception("the retry waits for the queue's visibility timeout")


def workflow_error_message(cause: str) -> str:
    """Why a step of a Step Functions workflow failed.

    Args:
        cause: `Cause` of the caught error: a function's error as JSON, or any text
            (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).
    """
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause[:2000] or "the workflow gives no cause"
