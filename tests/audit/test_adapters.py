"""S3, SQS and KMS behind the ports, over moto where it behaves as AWS does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from finops.audit.adapters.kms import KmsSigner
from finops.audit.adapters.s3 import S3TrailStore
from finops.audit.adapters.sqlite import SeenIds
from finops.audit.domain import facts_digest, object_key
from finops.audit.entry_appender import EntryAppender
from finops.audit.heads import HeadWriter
from finops.audit.messages import decode_message
from finops.audit.ports import StoredObject
from finops.audit.trail_verifier import TrailVerifier
from finops.audit.verification import Kind, Seen
from finops.shared.audit import canonical
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from tests.audit.fakes import Clock, message

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
    newer = {**message(1), "sequence": 9, "sender": "AROA1:loader"}
    assert seen.repeats("billing", newer) == []
    assert seen.repeats("budgets", newer | {"sequence": 5}) == []
    facts = facts_digest(newer)
    known = [Seen(sequence=9, facts=facts, principal="AROA1")]
    assert seen.repeats("billing", newer | {"sequence": 4}) == known


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
