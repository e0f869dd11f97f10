"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.billing.adapters import copies
from finops.billing.adapters.copies import copy_version
from finops.billing.domain import SourceObject
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("s3_conditional_copies")


@pytest.fixture
def s3(management: Account) -> Any:
    return management.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = unique("copies").lower()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(s3: Any, bucket: str, key: str, body: bytes) -> SourceObject:
    done = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"submitted-by": "ada"})
    return SourceObject(
        bucket=bucket,
        key=key,
        version_id=done["VersionId"],
        etag=done["ETag"].strip('"'),
        size=len(body),
        order="",
    )


def body(s3: Any, bucket: str, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize(
    ("condition", "status"),
    [({"IfNoneMatch": "*"}, 412), ({"IfMatch": '"other"'}, 412), ({}, 0)],
)
def test_a_copy_keeps_to_its_condition(
    s3: Any, bucket: str, condition: dict[str, str], status: int
) -> None:
    put(s3, bucket, "a", b"one")
    put(s3, bucket, "b", b"two")
    of = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    if not status:
        s3.copy_object(**of)
        assert body(s3, bucket, "b") == b"one"
        return
    with pytest.raises(ClientError) as refused:
        s3.copy_object(**of, **condition)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert body(s3, bucket, "b") == b"two"


def test_a_key_with_a_delete_marker_is_free(s3: Any, bucket: str) -> None:
    put(s3, bucket, "b", b"two")
    s3.delete_object(Bucket=bucket, Key="b")
    copy_version(s3, put(s3, bucket, "a", b"one"), "b", None)
    assert body(s3, bucket, "b") == b"one"


@pytest.mark.parametrize("at_once", [copies.AT_ONCE, 5 << 20], ids=["whole", "in parts"])
def test_a_version_is_copied_where_nothing_else_was_written(
    s3: Any, bucket: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "AT_ONCE", at_once)
    content = b"one" * (2 << 20)
    source = put(s3, bucket, "a", content)
    put(s3, bucket, "a", b"a newer one")
    file_id = copy_version(s3, source, "b", None)
    head = s3.head_object(Bucket=bucket, Key="b")
    copy = SourceObject(
        bucket=bucket, key="b", version_id=head["VersionId"], etag="", size=0, order=""
    )
    assert (copy.file_id, head["Metadata"]) == (file_id, {"submitted-by": "ada"})
    assert body(s3, bucket, "b") == content

    with pytest.raises(RejectedInput) as taken:
        copy_version(s3, source, "b", None)
    assert taken.value.code == "key_is_taken"
    before = SourceObject(
        bucket=bucket, key="b", version_id="", etag=head["ETag"].strip('"'), size=0, order=""
    )
    other = put(s3, bucket, "c", b"x" * (6 << 20))
    copy_version(s3, other, "b", before)
    with pytest.raises(RejectedInput):
        copy_version(s3, source, "b", before)
    assert body(s3, bucket, "b") == b"x" * (6 << 20)
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_of_copies_at_once_one_is_there(s3: Any, bucket: str) -> None:
    sources = [put(s3, bucket, f"a{number}", b"%d" % number) for number in range(8)]

    def copy(source: SourceObject) -> str:
        try:
            return copy_version(s3, source, "b", None)
        except RejectedInput:
            return ""

    with ThreadPoolExecutor(8) as threads:
        done = [*filter(None, threads.map(copy, sources))]
    assert len(done) == 1
    versions = s3.list_object_versions(Bucket=bucket, Prefix="b")["Versions"]
    assert len(versions) == 1


def test_a_version_that_is_gone_is_no_taken_key(s3: Any, bucket: str) -> None:
    source = put(s3, bucket, "a", b"one")
    s3.delete_object(Bucket=bucket, Key="a", VersionId=source.version_id)
    with pytest.raises(ConfigurationError):
        copy_version(s3, source, "b", None)
