"""How flows send: over moto's queue, over one that is away, and over one that never answers."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from finops.audit import recorder as module
from finops.audit.messages import decode_message
from finops.audit.recorder import SqsAuditRecorder, audit_recorder
from finops.shared.audit import NoAudit
from finops.shared.observability import logger
from tests.audit.fakes import event, message


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def sqs(aws: None) -> Any:
    return boto3.client("sqs")


@pytest.fixture
def queue_url(sqs: Any) -> str:
    created = sqs.create_queue(
        QueueName="audit.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
    )
    return str(created["QueueUrl"])


def received(sqs: Any, queue_url: str) -> list[Any]:
    """All messages of the queue."""
    found: list[Any] = []
    while batch := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        for one in batch:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=one["ReceiptHandle"])
        found += batch
    return found


class Logged(logging.Handler):
    """What the project's logger was told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def entries(self) -> list[Any]:
        return [one.audit_entry for one in self.records]


@pytest.fixture
def logged() -> Iterator[Logged]:
    handler = Logged()
    logger.addHandler(handler)
    yield handler
    logger._logger.removeHandler(handler)


def test_entries_go_to_the_queue_by_stream(sqs: Any, queue_url: str, logged: Logged) -> None:
    recorder = SqsAuditRecorder(sqs, queue_url, code_version="code")
    recorder.record(*(event(number) for number in range(25)))
    recorder.record(event(1, stream="budgets"))
    found = received(sqs, queue_url)
    documents = [decode_message(one["Body"]) for one in found]
    billing = [one["subject"] for one in documents if one["stream"] == "billing"]
    assert billing == [f"load/{number}" for number in range(25)]
    assert len(documents) == 26
    assert documents[0] == event(0).document("code")
    for one, document in zip(found, documents, strict=True):
        assert one["Attributes"]["MessageGroupId"] == document["stream"]
    assert logged.records == []


def test_nobody_who_guesses_an_entrys_id_makes_sqs_drop_the_entry(
    sqs: Any, queue_url: str, logged: Logged
) -> None:
    """SQS drops what has a deduplication id of the last five minutes, whoever sent that."""
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody="forged",
        MessageGroupId="billing",
        MessageDeduplicationId=event(1).entry_id,
    )
    SqsAuditRecorder(sqs, queue_url, code_version="code").record(event(1))
    forged, genuine = received(sqs, queue_url)
    assert (forged["Body"], decode_message(genuine["Body"])["subject"]) == ("forged", "load/1")


class BrokenQueue:
    """SQS that cannot be reached."""

    def __init__(self) -> None:
        self.calls = 0

    def send_message_batch(self, **_request: Any) -> dict[str, Any]:
        self.calls += 1
        raise EndpointConnectionError(endpoint_url="https://sqs")


def test_a_queue_that_is_away_is_left_alone_and_nothing_is_lost(logged: Logged) -> None:
    now = 100.0
    queue = BrokenQueue()
    recorder = SqsAuditRecorder(queue, "url", code_version="code", clock=lambda: now)
    recorder.record(*(event(number) for number in range(30)))
    recorder.record(event(30))
    assert queue.calls == 1
    assert logged.entries == [message(number) for number in range(31)]
    now += 59
    recorder.record(event(31))
    assert queue.calls == 1
    now += 2
    recorder.record(event(32))
    assert queue.calls == 2
    assert len(logged.entries) == 33


def unsent(printed: str) -> list[tuple[int, str]]:
    """What CloudWatch counts as not sent: (count, service)."""
    documents = [json.loads(line) for line in printed.splitlines()]
    return [
        (one["AuditEntriesUnsent"][0], one["service"])
        for one in documents
        if "AuditEntriesUnsent" in one
        and one["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "FinOps"
        and one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    ]


@pytest.mark.parametrize("service", ["finops-extract-invoice", None])
def test_entries_that_the_queue_does_not_take_raise_an_alarm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, service: str | None
) -> None:
    """In a function as in the console, which has no settings of Powertools."""
    monkeypatch.delenv("POWERTOOLS_SERVICE_NAME", raising=False)
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)
    if service:
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", service)
    url = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
    recorder = SqsAuditRecorder(BrokenQueue(), url, code_version="code")
    recorder.record(*(event(number) for number in range(12)))
    assert unsent(capsys.readouterr().out) == [(12, "finops-audit-entries.fifo")]


def test_entries_that_the_queue_takes_raise_none(
    sqs: Any, queue_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    SqsAuditRecorder(sqs, queue_url, code_version="code").record(event(1))
    assert unsent(capsys.readouterr().out) == []


def test_an_entry_that_sqs_refuses_is_logged_and_its_neighbours_are_sent(
    sqs: Any, queue_url: str, logged: Logged, capsys: pytest.CaptureFixture[str]
) -> None:
    send = sqs.send_message_batch

    def refuse_second(QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        answer = send(QueueUrl=QueueUrl, Entries=[one for one in Entries if one["Id"] != "1"])
        return answer | {"Failed": [{"Id": "1", "Code": "TooBig", "SenderFault": True}]}

    sqs.send_message_batch = refuse_second
    SqsAuditRecorder(sqs, queue_url, code_version="code").record(event(1), event(2), event(3))
    assert logged.entries == [message(2)]
    assert logged.records[0].reason == "TooBig: "
    assert unsent(capsys.readouterr().out) == [(1, "audit.fifo")]
    assert len(received(sqs, queue_url)) == 2


def test_an_event_that_cannot_be_written_fails_no_flow(
    sqs: Any, queue_url: str, logged: Logged
) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise KeyError("no text")

        __repr__ = object.__repr__

    recorder = SqsAuditRecorder(sqs, queue_url, code_version="code")
    recorder.record(event(1, details={"x": Unprintable()}), event(2))
    assert [decode_message(one["Body"])["subject"] for one in received(sqs, queue_url)] == [
        "load/2"
    ]
    assert len(logged.records) == 1


def test_a_function_records_where_the_trail_is_deployed(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit_recorder.cache_clear()
    monkeypatch.delenv("AUDIT_QUEUE_URL", raising=False)
    assert isinstance(audit_recorder(), NoAudit)
    audit_recorder.cache_clear()
    monkeypatch.setenv("AUDIT_QUEUE_URL", "https://sqs/audit.fifo")
    monkeypatch.setenv("CODE_SHA256", "abc")
    found = audit_recorder()
    assert isinstance(found, SqsAuditRecorder)
    config = found._sqs.meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries["total_max_attempts"] == 2
    assert found._code_version == "abc"
    audit_recorder.cache_clear()


def test_a_queue_that_never_answers_keeps_a_flow_for_seconds_only(
    aws: None, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real socket that takes connections and says nothing."""
    monkeypatch.setattr(module, "_SEND_SETTINGS", {**module._SEND_SETTINGS, "read_timeout": 0.2})
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
        monkeypatch.setenv("AUDIT_QUEUE_URL", f"{url}/111111111111/audit.fifo")
        audit_recorder.cache_clear()
        started = time.monotonic()
        for number in range(100):
            audit_recorder().record(event(number))
        took = time.monotonic() - started
        listener.close()
    audit_recorder.cache_clear()
    assert 0.4 <= took < 4
    assert len(logged.entries) == 100
