"""S3, SQS and KMS behind the ports, over moto where it behaves as AWS does."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from finops.audit import adapters
from finops.audit.adapters import (
    KmsSigner,
    S3TrailStore,
    SeenIds,
    SqsAuditRecorder,
    audit_recorder,
    decode_message,
)
from finops.audit.domain import object_key
from finops.audit.ports import StoredObject
from finops.audit.service import EntryAppender, HeadWriter, TrailVerifier
from finops.audit.verification import Kind
from finops.shared.audit import NoAudit, canonical
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.observability import logger
from tests.audit.fakes import Clock, event, message

BUCKET = "trail-bucket"


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
def s3(aws: None) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    return client


@pytest.fixture
def store(s3: Any) -> S3TrailStore:
    return S3TrailStore(s3, BUCKET)


def test_an_object_is_created_once(store: S3TrailStore) -> None:
    assert store.create("trail/billing/a", b"first")
    assert not store.create("trail/billing/a", b"second")
    (found,) = store.objects("trail/billing/")
    assert (found.versions, found.deleted) == (1, False)
    assert store.read(found) == b"first"


def test_another_writer_at_the_same_moment_is_no_failure(store: S3TrailStore, s3: Any) -> None:
    def conflict(**_request: Any) -> None:
        said = {"Error": {"Code": "ConditionalRequestConflict", "Message": "concurrent"}}
        raise ClientError(said, "PutObject")

    s3.put_object = conflict
    assert not store.create("trail/billing/a", b"x")


def test_a_missing_bucket_needs_a_person(s3: Any) -> None:
    with pytest.raises(ConfigurationError):
        S3TrailStore(s3, "none").create("trail/billing/a", b"x")
    with pytest.raises(ConfigurationError):
        list(S3TrailStore(s3, "none").objects("trail/"))


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_the_first_version_counts_and_the_others_show(
    store: S3TrailStore, s3: Any, page_size: int
) -> None:
    for key in ("trail/billing/a", "trail/billing/b", "trail/billing/c", "trail/budgets/a"):
        store.create(key, f"first of {key}".encode())
    s3.put_object(Bucket=BUCKET, Key="trail/billing/b", Body=b"second")
    s3.put_object(Bucket=BUCKET, Key="trail/billing/b", Body=b"third")
    s3.delete_object(Bucket=BUCKET, Key="trail/billing/c")
    found = list(store.objects("trail/billing/", page_size=page_size))
    assert [(one.key[-1], one.versions, one.deleted) for one in found] == [
        ("a", 1, False),
        ("b", 3, False),
        ("c", 1, True),
    ]
    assert [store.read(one) for one in found] == [
        b"first of trail/billing/a",
        b"first of trail/billing/b",
        b"first of trail/billing/c",
    ]
    assert store.folders("trail/") == ["billing", "budgets"]
    assert store.folders("none/") == []


def test_of_a_key_without_versions_nothing_is_left(store: S3TrailStore) -> None:
    gone = StoredObject(key="k", version_id="", versions=0, deleted=True)
    assert store.read(gone) == b""


def test_an_object_that_is_gone_meanwhile_is_a_failure(store: S3TrailStore) -> None:
    gone = StoredObject(key="k", version_id="0" * 32, versions=1, deleted=False)
    with pytest.raises(ConfigurationError):
        store.read(gone)


def test_a_connection_that_breaks_is_transient(store: S3TrailStore, s3: Any) -> None:
    class Broken:
        def read(self) -> bytes:
            raise OSError("reset")

    s3.get_object = lambda **_request: {"Body": Broken()}
    with pytest.raises(TransientFailure):
        store.read(StoredObject(key="k", version_id="1", versions=1, deleted=False))


def test_two_appenders_make_one_chain_in_s3(store: S3TrailStore) -> None:
    """moto checks the condition and writes in two steps, so these take turns."""
    appenders = [EntryAppender(store, Clock()) for _ in range(2)]
    for number in range(6):
        appenders[number % 2].append("billing", [message(number), message(number + 1)])
    HeadWriter(store, None, Clock()).write()
    verdict = TrailVerifier(store, None, SeenIds().repeats).verify()
    assert (verdict.ok, verdict.entries, verdict.heads) == (True, 7, 1)


def test_what_is_done_to_the_bucket_is_found(store: S3TrailStore, s3: Any) -> None:
    appender = EntryAppender(store, Clock())
    for number in range(1, 6):
        appender.append("billing", [message(number)])
    HeadWriter(store, None, Clock()).write()
    s3.put_object(Bucket=BUCKET, Key=object_key("billing", 2), Body=b"other")
    s3.delete_object(Bucket=BUCKET, Key=object_key("billing", 3))
    (fifth,) = store.objects(object_key("billing", 5))
    s3.delete_object(Bucket=BUCKET, Key=fifth.key, VersionId=fifth.version_id)
    verdict = TrailVerifier(store, None, SeenIds().repeats).verify()
    assert [(one.kind, one.sequence) for one in verdict.problems] == [
        (Kind.OVERWRITTEN, 2),
        (Kind.DELETED, 3),
        (Kind.TRUNCATED, 5),
    ]


@pytest.fixture
def kms(aws: None) -> Any:
    return boto3.client("kms")


def signing_key(kms: Any) -> str:
    created = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return str(created["KeyMetadata"]["Arn"])


def test_a_signature_is_the_keys_own_and_the_messages(kms: Any) -> None:
    signer = KmsSigner(kms, signing_key(kms))
    signature = signer.sign(b"head")
    assert signer.verify(b"head", signature)
    assert not signer.verify(b"other", signature)
    assert not signer.verify(b"head", "no base64")
    assert not signer.verify(b"head", signature[:-8])
    assert not KmsSigner(kms, signing_key(kms)).verify(b"head", signature)


def test_a_key_that_is_gone_is_no_forgery(kms: Any) -> None:
    missing = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    with pytest.raises(ConfigurationError):
        KmsSigner(kms, missing).verify(b"head", "AAAA")


def test_seen_ids_are_known_by_stream() -> None:
    seen = SeenIds()
    assert seen.repeats("billing", "a", 9) is None
    assert seen.repeats("budgets", "a", 5) is None
    assert seen.repeats("billing", "a", 4) == 9


def test_a_message_is_what_the_recorder_sends() -> None:
    document = message(1, details={"before": None, "after": ["1.10", {"x": 2}]})
    assert decode_message(canonical(document).decode()) == document


@pytest.mark.parametrize(
    "facts",
    [
        {"stream": "heads"},
        {"stream": "Billing"},
        {"stream": "billing/x"},
        {"action": ""},
        {"actor": None},
        {"subject": "other"},
        {"version": "2"},
        {"entry_id": "0" * 32},
        {"occurred_at": "2026-03-05"},
        {"input_sha256": "abc"},
        {"output_sha256": "0" * 64 + "\n"},
        {"counts": {"rows": "1"}},
        {"counts": {"rows": 1.5}},
        {"details": {"amount": 1.5}},
        {"sequence": 1},
        {"hash": "x"},
    ],
)
def test_what_is_no_message_is_rejected(facts: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput):
        decode_message(json.dumps({**message(1), **facts}))


@pytest.mark.parametrize("body", ["", "x", "[]", "null", "{}", '{"a":NaN}', "[" * 100_000])
def test_what_is_no_document_is_rejected(body: str) -> None:
    with pytest.raises(RejectedInput):
        decode_message(body)


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
    recorder.record(event(1))
    found = received(sqs, queue_url)
    documents = [decode_message(one["Body"]) for one in found]
    billing = [one["subject"] for one in documents if one["stream"] == "billing"]
    assert billing == [f"load/{number}" for number in range(25)]
    assert len(documents) == 26
    assert documents[0] == event(0).document("code")
    for one, document in zip(found, documents, strict=True):
        assert one["Attributes"]["MessageGroupId"] == document["stream"]
        assert one["Attributes"]["MessageDeduplicationId"] == document["entry_id"]
    assert logged.records == []


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


def test_an_entry_that_sqs_refuses_is_logged_and_its_neighbours_are_sent(
    sqs: Any, queue_url: str, logged: Logged
) -> None:
    send = sqs.send_message_batch

    def refuse_second(QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        answer = send(QueueUrl=QueueUrl, Entries=[one for one in Entries if one["Id"] != "1"])
        return answer | {"Failed": [{"Id": "1", "Code": "TooBig", "SenderFault": True}]}

    sqs.send_message_batch = refuse_second
    SqsAuditRecorder(sqs, queue_url, code_version="code").record(event(1), event(2), event(3))
    assert logged.entries == [message(2)]
    assert logged.records[0].reason == "TooBig: "
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
    monkeypatch.setattr(
        adapters, "_SEND_SETTINGS", {**adapters._SEND_SETTINGS, "read_timeout": 0.2}
    )
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
