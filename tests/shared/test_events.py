"""What AWS hands to functions: queue batches, S3 notifications, failed workflow steps."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from finops.shared.events import (
    CreatedObject,
    created_objects,
    handle_messages,
    shorten_visibility,
    workflow_error_message,
)
from finops.shared.observability import metrics, status_metric

EVENTS = Path(__file__).parent / "events"


def event(name: str) -> dict[str, Any]:
    return dict(json.loads((EVENTS / name).read_text()))


class Queue:
    def __init__(self) -> None:
        self.delays: dict[str, int] = {}

    def change_message_visibility(self, **request: Any) -> None:
        self.delays[request["ReceiptHandle"]] = request["VisibilityTimeout"]


def message(deliveries: int, body: str = "{}") -> dict[str, Any]:
    return {
        "messageId": f"message {deliveries}",
        "receiptHandle": f"handle {deliveries}",
        "attributes": {"ApproximateReceiveCount": str(deliveries)},
        "body": body,
    }


def test_an_event_names_a_version_of_an_object_by_its_decoded_key() -> None:
    assert list(created_objects(event("s3_put.json"))) == [
        CreatedObject(
            bucket="finops-billing-111111111111-us-east-1",
            key="billing/café chain/märz +1.csv",
            version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
            etag="d41d8cd98f00b204e9800998ecf8427e-2",
            size=1024,
            event_time="2026-03-05T08:15:30.123Z",
            sequencer="0055AED6DCD90281E5",
            principal="AWS:AIDAEXAMPLE",
        )
    ]


def test_the_test_event_names_none() -> None:
    assert list(created_objects(event("s3_test.json"))) == []


def test_a_removed_object_is_ignored() -> None:
    removal = event("s3_put.json")
    removal["Records"][0]["eventName"] = "ObjectRemoved:DeleteMarkerCreated"
    assert list(created_objects(removal)) == []


def test_a_folder_made_in_the_console_is_ignored() -> None:
    folder = event("s3_put.json")
    folder["Records"][0]["s3"]["object"] |= {"key": "billing/acme/", "size": 0}
    assert list(created_objects(folder)) == []


def test_only_messages_that_fail_are_delivered_again() -> None:
    handled: list[Any] = []
    failed: list[str] = []

    def handle(body: Any) -> None:
        if body == "bad":
            raise ValueError(body)
        handled.append(body)

    batch = {"Records": [message(1, '"bad"'), message(2, '{"good": 1}'), message(3, "not JSON")]}
    answer = handle_messages(
        batch,
        handle,
        failure="not handled",
        on_failure=lambda one: failed.append(one["receiptHandle"]),
    )
    assert answer == {
        "batchItemFailures": [{"itemIdentifier": "message 1"}, {"itemIdentifier": "message 3"}]
    }
    assert handled == [{"good": 1}]
    assert failed == ["handle 1", "handle 3"]
    assert metrics.metric_set["MessagesFailed"]["Value"] == [2.0]
    metrics.clear_metrics()
    handle_messages({"Records": [message(4, "{}")]}, handle, failure="not handled")
    assert not metrics.metric_set


def test_the_time_from_sending_to_handling_is_measured() -> None:
    metrics.clear_metrics()
    sent = {"SentTimestamp": str(int(time.time() * 1000) - 90_000)}
    handled, failing = message(1, "{}"), message(2, "not JSON")
    batch = {
        "Records": [one | {"attributes": one["attributes"] | sent} for one in (handled, failing)]
    }
    handle_messages(batch, lambda _body: None, failure="not handled")
    (latency,) = metrics.metric_set["MessageLatency"]["Value"]
    assert 90_000 <= latency < 1_000_000
    assert metrics.metric_set["MessageLatency"]["Unit"] == "Milliseconds"
    metrics.clear_metrics()


def test_a_retry_waits_longer_each_time_up_to_a_quarter_of_an_hour() -> None:
    queue = Queue()
    for deliveries in (1, 2, 3, 400):
        shorten_visibility(queue, "queue", message(deliveries), first_delay=10)
    assert list(queue.delays.values()) == [10, 30, 90, 900]


def test_a_retry_whose_delay_cannot_be_shortened_is_no_failure() -> None:
    shorten_visibility(object(), "queue", message(1), first_delay=10)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ('{"errorType": "ChunksMissing", "errorMessage": "2 of 9 parts"}', "2 of 9 parts"),
        ("Task timed out", "Task timed out"),
        ("", "the workflow gives no cause"),
        ("[1]", "[1]"),
    ],
)
def test_the_reason_is_found_in_the_cause_of_a_failed_step(cause: str, expected: str) -> None:
    assert workflow_error_message(cause) == expected


def test_metrics_that_count_by_status_are_named_in_pascal_case() -> None:
    assert status_metric("Invoices", "NEEDS_REVIEW") == "InvoicesNeedsReview"
    assert status_metric("Budgets", "APPLIED") == "BudgetsApplied"
