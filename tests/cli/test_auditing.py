"""What a command records in the audit trail's queue, or prints to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.audit.messages import decode_message
from finops.billing.audit_events import reconverted_event
from finops.billing.domain import Reconversion
from finops.cli.audit import logged_entries
from finops.deployment.recorder import CommandRecorder

EVENT = reconverted_event(
    Reconversion(
        dataset="acme",
        first_day=date(2026, 3, 1),
        last_day=date(2026, 3, 31),
        requested_by="ann",
        reason="late rates",
        requested_at=datetime(2026, 4, 1, 12, tzinfo=UTC),
        rows_changed=2,
        usd_before=Decimal("10.50"),
        usd_after=Decimal("11"),
    )
)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("sqs")


def test_a_command_is_recorded_with_its_user(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="a.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    CommandRecorder(sqs, url).record(EVENT)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    entry = decode_message(message["Body"])
    assert (entry["action"], entry["actor"], entry["subject"]) == (
        "bills.reconverted",
        "ann",
        "acme",
    )
    assert entry["counts"] == {"rows_changed": 2}
    assert entry["details"] == {
        "first_day": "2026-03-01",
        "last_day": "2026-03-31",
        "usd_before": "10.50",
        "usd_after": "11",
        "reason": "late rates",
    }


def test_entries_that_the_queue_does_not_accept_are_printed_for_recovery(
    sqs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    CommandRecorder(sqs, "https://sqs.us-east-1.amazonaws.com/123456789012/gone.fifo").record(EVENT)
    printed = capsys.readouterr()
    assert printed.out == ""
    (recovered,) = logged_entries(StringIO(printed.err))
    assert json.loads(json.dumps(recovered)) == EVENT.document("")


def test_without_a_trail_nothing_is_recorded(sqs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    CommandRecorder(sqs, "").record(EVENT)
    assert capsys.readouterr() == ("", "")
