"""The Lambda entry points, fed with events as SQS and the schedule send them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.audit import handlers
from finops.audit.adapters.sqlite import SeenIds
from finops.audit.domain import HEADS, lines_of, object_key, read_entry
from finops.audit.entry_appender import EntryAppender
from finops.audit.messages import decode_message
from finops.audit.trail_verifier import TrailVerifier, Verdict
from finops.audit.verification import Kind
from finops.shared.audit import canonical
from finops.shared.errors import TransientFailure
from finops.shared.observability import metrics
from tests.audit.fakes import Clock, FakeStore, message
from tests.lambda_context import Context

EVENTS = Path(__file__).parent / "events"


class Wired:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = FakeStore()
        self.sqs = boto3.client("sqs")
        self.rejected = self.sqs.create_queue(QueueName="rejected")["QueueUrl"]
        self.hidden: dict[str, int] = {}
        monkeypatch.setenv("REJECTED_QUEUE_URL", self.rejected)
        monkeypatch.setenv("QUEUE_URL", "audit.fifo")
        appender = EntryAppender(self.store, Clock(), handlers._contradicted)
        monkeypatch.setattr(handlers, "_store", lambda: self.store)
        monkeypatch.setattr(handlers, "_appender", lambda: appender)
        monkeypatch.setattr(handlers, "client", lambda _service: self)

    def send_message(self, **request: Any) -> None:
        self.sqs.send_message(**request)

    def change_message_visibility(self, **request: Any) -> None:
        self.hidden[request["ReceiptHandle"]] = request["VisibilityTimeout"]

    def append(self, *records: dict[str, Any]) -> list[str]:
        """Handle messages. Returns the ids of those that come back."""
        answer = handlers.append_audit_entries({"Records": list(records)}, Context())
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def entries(self, stream: str = "billing") -> list[dict[str, Any]]:
        keys = sorted(
            (k for k in self.store.bodies if k.startswith(f"trail/{stream}/")), reverse=True
        )
        return [read_entry(line) for key in keys for line in lines_of(self.store.bodies[key])]

    def verified(self) -> Verdict:
        return TrailVerifier(self.store, None, SeenIds().repeats).verify()

    @property
    def rejects(self) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=self.rejected, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return list(answer.get("Messages", ()))


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wired]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "FinOps")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")
    metrics.namespace = "FinOps"
    metrics.service = "test"
    with mock_aws():
        yield Wired(monkeypatch)


def template() -> dict[str, Any]:
    return dict(json.loads((EVENTS / "sqs.json").read_text())["Records"][0])


def record(document: dict[str, Any] | str, message_id: str, *, tries: int = 1) -> dict[str, Any]:
    found = copy.deepcopy(template())
    found["messageId"] = message_id
    found["receiptHandle"] = f"handle of {message_id}"
    found["attributes"]["ApproximateReceiveCount"] = str(tries)
    if isinstance(document, dict):
        found["body"] = canonical(document).decode()
        found["attributes"]["MessageGroupId"] = document["stream"]
    else:
        found["body"] = document
    return found


def counted(printed: str, metric: str) -> float:
    """The sum of a metric in what a function printed."""
    documents = [json.loads(line) for line in printed.splitlines()]
    return sum(sum(one[metric]) for one in documents if "_aws" in one and metric in one)


def test_the_event_is_as_sqs_sends_it() -> None:
    found = template()
    assert decode_message(found["body"])["subject"] == "s3://bucket/billing/acme/march.csv"


def test_messages_become_entries_with_the_sender_that_sqs_names(wired: Wired) -> None:
    assert wired.append(template()) == []
    (entry,) = wired.entries()
    assert entry["sender"] == "AROAEXAMPLE:finops-load-billing-file"
    assert entry["actor"] == "AWS:AIDAEXAMPLE"
    assert entry["counts"] == {"rows_inserted": 9, "rows_quarantined": 1, "rows_read": 10}
    assert wired.append(template()) == []
    assert len(wired.entries()) == 1


SENDERS = {"billing": ["AROAEXAMPLE"], "budgets": ["AROAPUBLISHER"], "*": ["AIDAOPERATOR"]}


def test_an_entry_of_another_streams_function_is_marked_and_raises_an_alarm(
    wired: Wired, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a function that may send could do: write any stream in another one's place."""
    monkeypatch.setenv("SENDERS", json.dumps(SENDERS))
    genuine, recovered, forged = (record(message(1), name) for name in "abc")
    forged["attributes"]["SenderId"] = "AROAPUBLISHER:finops-load-billing-file"
    recovered["attributes"]["SenderId"] = "AIDAOPERATOR"
    assert wired.append(forged) == []
    assert counted(capsys.readouterr().out, "AuditEntriesUnauthorized") == 1
    # It does not stand in for the genuine one, though it states the same.
    assert wired.append(genuine, recovered, forged) == []
    marks = [one.get("unauthorized", False) for one in wired.entries()]
    assert marks == [True, False]
    (problem,) = (one for one in wired.verified().problems if one.kind is Kind.UNAUTHORIZED)
    assert problem.sequence == 1
    assert "AROAPUBLISHER" in problem.message


@pytest.mark.parametrize("mark", ["unauthorized", "actor_proven", "sender"])
def test_an_entry_cannot_say_itself_that_its_sender_may_write(wired: Wired, mark: str) -> None:
    wired.append(record({**message(1), mark: False}, "a"))
    assert wired.entries() == []
    assert len(wired.rejects) == 1


@pytest.mark.parametrize(
    ("actor", "sender", "proven"),
    [
        ("arn:aws:iam::1:user/cfo <AIDACFO>", "AIDAOPERATOR", False),
        ("schedule", "AIDAOPERATOR", False),
        ("arn:aws:iam::1:user/bea <AIDAOPERATOR>", "AIDAOPERATOR", True),
        ("arn:aws:sts::1:assumed-role/Finance/cfo", "AROAFINANCE:bea", False),
        ("arn:aws:sts::1:assumed-role/Finance/bea", "AROAFINANCE:bea", True),
        ("arn:aws:iam::1:user/cfo <AIDACFO>", "AROAEXAMPLE:finops-load-billing-file", True),
        # Whoever assumes a role calls the session what they like.
        ("arn:aws:iam::1:user/cfo <AIDACFO>", "AROAFINANCE:cfo", False),
        ("cfo", "AROAFINANCE:cfo", False),
        ("schedule", "AROAFINANCE:schedule", False),
        ("cfo@example.com <6f9d>", "AROAFINANCE:cfo@example.com", False),
    ],
)
def test_a_person_who_names_somebody_else_proves_nothing(
    wired: Wired, monkeypatch: pytest.MonkeyPatch, actor: str, sender: str, proven: bool
) -> None:
    """A changed command line sends the CFO's name; a function knows whom it names."""
    people = ["AIDAOPERATOR", "AROAFINANCE"]
    monkeypatch.setenv("SENDERS", json.dumps({**SENDERS, "*": people}))
    sent = record({**message(1), "actor": actor}, "a")
    sent["attributes"]["SenderId"] = sender
    assert wired.append(sent) == []
    (entry,) = wired.entries()
    assert entry.get("actor_proven", True) is proven
    assert (entry["actor"], entry["sender"]) == (actor, sender)
    assert not wired.verified().problems


def test_an_unproven_entry_stands_in_for_no_genuine_one(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accomplice sends the same facts first, so that the trail calls them unproven for ever."""
    monkeypatch.setenv("SENDERS", json.dumps({**SENDERS, "*": ["AROAFINANCE"]}))
    for number, sender in enumerate(("AROAFINANCE:x", "AROAEXAMPLE:finops-load-billing-file")):
        sent = record({**message(1), "actor": "arn:aws:iam::1:user/cfo <AIDACFO>"}, f"{number}")
        sent["attributes"]["SenderId"] = sender
        assert wired.append(sent) == []
        assert wired.append(sent) == []
    assert [one.get("actor_proven", True) for one in wired.entries()] == [False, True]


def test_a_batch_of_two_streams_is_two_objects(wired: Wired) -> None:
    assert (
        wired.append(
            record(message(1), "a"),
            record(message(1, "budgets"), "b"),
            record(message(2), "c"),
        )
        == []
    )
    assert [one["subject"] for one in wired.entries()] == ["load/1", "load/2"]
    assert len([key for key in wired.store.bodies if key.startswith("trail/")]) == 2


def test_a_stream_that_fails_comes_back_whole_and_others_do_not(
    wired: Wired, capsys: pytest.CaptureFixture[str]
) -> None:
    wired.store.failures = [None, None, TransientFailure("S3 is away", code="SlowDown")]
    assert wired.append(
        record(message(1), "a", tries=3),
        record(message(1, "budgets"), "b"),
        record(message(2), "c"),
    ) == ["a", "c"]
    assert counted(capsys.readouterr().out, "AuditEntriesFailed") == 2
    assert wired.hidden == {"handle of a": 45, "handle of c": 5}
    assert wired.entries() == []
    assert len(wired.entries("budgets")) == 1
    assert wired.append(record(message(1), "a"), record(message(2), "c")) == []
    assert counted(capsys.readouterr().out, "AuditEntriesFailed") == 0
    assert [one["subject"] for one in wired.entries()] == ["load/1", "load/2"]


def test_the_pause_ends_at_a_quarter_of_an_hour(wired: Wired) -> None:
    wired.store.failures = [TransientFailure("S3 is away", code="SlowDown")]
    wired.append(record(message(1), "a", tries=400))
    assert wired.hidden == {"handle of a": 900}


def test_what_is_not_an_entry_waits_with_its_reason_and_never_blocks_others(wired: Wired) -> None:
    assert wired.append(record("nonsense", "a"), record(message(1), "b")) == []
    assert [one["subject"] for one in wired.entries()] == ["load/1"]
    (reject,) = wired.rejects
    assert reject["Body"] == "nonsense"
    assert "is not an audit entry" in reject["MessageAttributes"]["reason"]["StringValue"]
    assert reject["MessageAttributes"]["sender"]["StringValue"].startswith("AROAEXAMPLE")


def test_an_entry_under_another_streams_name_is_rejected(wired: Wired) -> None:
    sneaked = record(message(1, "budgets"), "a")
    sneaked["attributes"]["MessageGroupId"] = "billing"
    assert wired.append(sneaked) == []
    assert wired.entries() == wired.entries("budgets") == []
    assert len(wired.rejects) == 1


def test_a_forged_entry_raises_an_alarm_and_the_genuine_one_is_kept(
    wired: Wired, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = record(message(1, counts={"rows_read": 0}), "a")
    forged["attributes"]["SenderId"] = "AROAOTHER:finops-publish-budget"
    wired.append(forged)
    assert counted(capsys.readouterr().out, "AuditEntriesContradicted") == 0
    wired.append(record(message(1), "b"))
    assert [one["counts"]["rows_read"] for one in wired.entries()] == [0, 1]
    assert counted(capsys.readouterr().out, "AuditEntriesContradicted") == 1


def test_a_head_is_written_and_its_problems_are_counted(
    wired: Wired, capsys: pytest.CaptureFixture[str]
) -> None:
    wired.append(record(message(1), "a"))
    assert handlers.write_audit_head({}, Context()) == {"head": 1, "streams": 1, "problems": 0}
    key = object_key("billing", 1)
    wired.store.versions[key] = [wired.store.bodies[key].replace(b"load/1", b"load/2")]
    capsys.readouterr()
    answer = handlers.write_audit_head({}, Context())
    assert answer == {"head": 2, "streams": 1, "problems": 1}
    printed = capsys.readouterr().out
    assert counted(printed, "AuditProblems") == 1
    assert counted(printed, "AuditHeadsWritten") == 1
    assert read_entry(wired.store.bodies[object_key(HEADS, 2)])["problems"] == 1


def test_the_functions_are_put_together_from_their_environment(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With S3 and KMS themselves in place of fakes."""
    monkeypatch.undo()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("BUCKET", "trail")
    boto3.client("s3").create_bucket(Bucket="trail", ObjectLockEnabledForBucket=True)
    key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    monkeypatch.setenv("SIGNING_KEY_ARN", key["KeyMetadata"]["Arn"])
    for cached in (handlers._store, handlers._appender):
        cached.cache_clear()
    handlers.append_audit_entries({"Records": [template()]}, Context())
    assert handlers.write_audit_head({}, Context())["head"] == 1
    body = boto3.client("s3").get_object(Bucket="trail", Key=object_key(HEADS, 1))["Body"].read()
    head = read_entry(body)
    assert head["signing_key"] == key["KeyMetadata"]["Arn"]
    assert head["signature"]
    for cached in (handlers._store, handlers._appender):
        cached.cache_clear()
