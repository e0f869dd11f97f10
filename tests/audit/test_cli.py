"""`finops audit` over moto's bucket: what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from finops.audit.adapters.s3 import S3TrailStore
from finops.audit.domain import object_key
from finops.audit.entry_appender import EntryAppender
from finops.audit.heads import HeadWriter
from finops.audit.messages import decode_message
from finops.cli.audit import audit
from finops.deployment.audit import AuditDeployment
from finops.deployment.environment import Environment
from finops.deployment.invoices import InvoiceDeployment
from finops.invoices.audit_events import filed_event
from finops.invoices.domain import Erasure, InvoiceRecord
from finops.shared.audit import personal_digest
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.audit.fakes import Clock, message
from tests.invoices.builders import processed

Finops = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "LOCALSTACK_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FINOPS_ENV", "aws")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="trail", ObjectLockEnabledForBucket=True)
        queue = boto3.client("sqs").create_queue(
            QueueName="audit.fifo", Attributes={"FifoQueue": "true"}
        )
        key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        settings = {
            "finops-write-audit-head": {
                "BUCKET": "trail",
                "SIGNING_KEY_ARN": key["KeyMetadata"]["Arn"],
            },
            "finops-append-audit-entries": {"QUEUE_URL": queue["QueueUrl"]},
        }
        monkeypatch.setattr(
            AuditDeployment, "_variables", lambda self, name: settings[f"finops-{name}"]
        )
        yield client


@pytest.fixture
def trail(s3: Any) -> S3TrailStore:
    """Five entries and an unsigned head."""
    store = S3TrailStore(s3, "trail")
    clock = Clock()
    clock.now = datetime.now(UTC) - timedelta(minutes=1)
    appender = EntryAppender(store, clock)
    for number in range(1, 4):
        appender.append("billing", [message(number)])
    appender.append("budgets", [message(1, "budgets", actor="alice"), message(2, "budgets")])
    HeadWriter(store, AuditDeployment(_environment()).signer, clock).write()
    return store


def _environment() -> Environment:
    return Environment(name="test", prefix="finops")


class Records:
    """The records of invoices."""

    def __init__(self, *records: InvoiceRecord) -> None:
        self.records = {one.id: one for one in records}

    def find(self, invoice: str) -> InvoiceRecord:
        if invoice not in self.records:
            raise RejectedInput("none", code="unknown_invoice")
        return self.records[invoice]


@pytest.fixture
def finops(s3: Any) -> Finops:
    def run(*arguments: str, stdin: str = "") -> tuple[int, dict[str, Any]]:
        ended = CliRunner().invoke(audit, [*arguments, "--json"], input=stdin)
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended.exit_code, json.loads(ended.stdout)

    return run


def test_a_whole_trail_is_ok(trail: S3TrailStore, finops: Finops) -> None:
    code, answer = finops("verify")
    assert code == 0
    assert (answer["entries"], answer["ok"], answer["first_bad"]) == (5, True, None)
    assert answer["heads"]["signed"]
    assert [(one["stream"], one["sealed_sequence"]) for one in answer["streams"]] == [
        ("billing", 3),
        ("budgets", 2),
    ]


def test_a_trail_whose_newest_heads_are_gone_fails_without_asking_for_it(
    s3: Any, finops: Finops
) -> None:
    """An attacker past the lock who deletes the newest entries must delete the heads too."""
    store = S3TrailStore(s3, "trail")
    clock = Clock()
    clock.now = datetime.now(UTC) - timedelta(hours=4)
    EntryAppender(store, clock).append("billing", [message(1)])
    code, answer = finops("verify")
    assert (code, answer["first_bad"]["kind"]) == (1, "stale")
    HeadWriter(store, AuditDeployment(_environment()).signer, clock).write()
    code, answer = finops("verify")
    assert (code, answer["first_bad"]["kind"]) == (1, "stale")
    assert finops("verify", "--max-head-age", "0")[0] == 0
    HeadWriter(store, AuditDeployment(_environment()).signer, lambda: datetime.now(UTC)).write()
    assert finops("verify")[0] == 0


def test_an_empty_trail_is_ok(finops: Finops) -> None:
    code, answer = finops("verify")
    assert (code, answer["entries"], answer["ok"]) == (0, 0, True)


def test_the_first_bad_entry_is_named(trail: S3TrailStore, finops: Finops, s3: Any) -> None:
    s3.delete_object(Bucket="trail", Key=object_key("billing", 2))
    code, answer = finops("verify")
    assert code == 1
    assert not answer["ok"]
    assert answer["first_bad"] == {
        "stream": "billing",
        "sequence": 2,
        "kind": "deleted",
        "message": "the object was deleted, so that S3 hides it",
        "key": object_key("billing", 2),
    }
    said = CliRunner().invoke(audit, ["verify"])
    assert said.exit_code == 1
    assert "billing 2: deleted: the object was deleted" in said.stderr
    assert "1 problem in billing 2" in said.stderr


def test_a_head_that_is_too_old_fails(trail: S3TrailStore, finops: Finops) -> None:
    code, answer = finops("verify", "--max-head-age", "0.01")
    assert code == 1
    assert answer["first_bad"]["kind"] == "stale"


def test_entries_are_shown_newest_first(trail: S3TrailStore, finops: Finops) -> None:
    code, answer = finops("show", "--limit", "3")
    assert code == 0
    assert [(one["stream"], one["sequence"]) for one in answer["entries"]] == [
        ("budgets", 2),
        ("budgets", 1),
        ("billing", 3),
    ]
    _, answer = finops("show", "--actor", "alice", "--since", "2026-03-01", "--until", "2026-04-01")
    assert [one["subject"] for one in answer["entries"]] == ["load/1"]
    _, answer = finops("show", "--since", "2026-03-06T00:00:00+02:00")
    assert answer["entries"] == []
    assert "load/3" in CliRunner().invoke(audit, ["show", "--stream", "billing"]).stdout


def test_an_actor_whom_nobody_has_proven_is_said_to_be_that_one(
    trail: S3TrailStore, finops: Finops
) -> None:
    cfo = message(4, actor="cfo") | {"sender": "AROABEA:bea", "actor_proven": False}
    decided = message(1, "invoices", actor="cfo", details={"actor_proven": "no"})
    proven = message(2, "invoices", actor="cfo", details={"actor_proven": "yes"})
    EntryAppender(trail, Clock()).append("billing", [cfo])
    EntryAppender(trail, Clock()).append("invoices", [decided, proven])

    (line,) = [
        one
        for one in CliRunner().invoke(audit, ["show", "--stream", "billing"]).stdout.splitlines()
        if "load/4" in one
    ]
    assert "said to be cfo" in line
    assert "AROABEA:bea" in line
    _, answer = finops("show", "--unproven")
    assert {(one["stream"], one["sequence"], one["actor"]) for one in answer["entries"]} == {
        ("invoices", 1, "cfo"),
        ("billing", 4, "cfo"),
    }
    code, answer = finops("verify")
    assert (code, answer["ok"], answer["unproven_actors"]) == (0, True, 2)
    assert [(one["stream"], one["unproven_actors"]) for one in answer["streams"]] == [
        ("billing", 1),
        ("budgets", 0),
        ("invoices", 1),
    ]
    said = CliRunner().invoke(audit, ["verify"]).stderr
    assert "2 entries name an actor whom nobody has proven" in said


def test_what_is_no_time_is_refused(trail: S3TrailStore, finops: Finops) -> None:
    with pytest.raises(RejectedInput, match="yesterday"):
        finops("show", "--since", "yesterday")


def test_entries_that_were_only_logged_are_sent_again(finops: Finops, tmp_path: Path) -> None:
    lost = [message(number) for number in range(12)]
    log = tmp_path / "log"
    log.write_text(
        "\n".join(
            [
                "START RequestId: 1",
                "2026-03-05T08:15:30 " + json.dumps({"level": "ERROR", "message": "other"}),
                *(json.dumps({"level": "ERROR", "audit_entry": one}) for one in lost),
                "[1]",
            ]
        )
    )
    code, answer = finops("recover", str(log))
    assert (code, answer["entries"]) == (0, 12)
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="audit.fifo")["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [decode_message(one["Body"]) for one in found] == lost[:10]
    assert finops("recover", "-", stdin=log.read_text())[1]["entries"] == 12


def test_without_the_module_there_is_a_reason(
    s3: Any, monkeypatch: pytest.MonkeyPatch, finops: Finops
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FINOPS_ENV", "aws")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(ConfigurationError, match="Deploy the module audit first"):
        finops("verify")


def test_show_tells_values_only_while_their_record_has_them(
    trail: S3TrailStore, finops: Finops, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(processed(), audit_salt="salt", submitted_by="ann")
    erased = replace(whole, id="erased").erased(
        Erasure(at=whole.updated_at, by="dpo", reason="a request")
    )
    monkeypatch.setattr(InvoiceDeployment, "store", Records(whole, erased))
    assert whole.invoice
    vendor = whole.invoice.text("vendor")
    appender = EntryAppender(trail, Clock())
    for number, subject in enumerate((whole.id, "erased", "unknown")):
        said = filed_event(replace(whole, id=subject), whole.updated_at)
        assert said
        appender.append("invoices", [replace(said, version=str(number)).document("code")])

    def vendors(*options: str) -> list[str]:
        code, answer = finops("show", "--stream", "invoices", *options)
        assert code == 0
        return [one["details"]["vendor"] for one in answer["entries"]]

    digests = [personal_digest("salt", "vendor", vendor)] * 3
    assert vendors() == digests
    assert vendors("--values") == [*digests[:2], vendor]
