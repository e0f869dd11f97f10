"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html.

Enabling it for a bucket that exists:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html. Checksums:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html. Locks of versions:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from finops.deployment.uploads import upload_form
from tests.localcloud.contract.aws import REGION, Account, allow, error_code, unique

pytestmark = pytest.mark.needs("s3_object_lock")

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)


@pytest.fixture
def s3(management: Account) -> Any:
    return management.client("s3")


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    """A bucket that existed before it got Object Lock, without a default."""
    name = unique("lock").lower()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    yield name
    for one in s3.list_object_versions(Bucket=name).get("Versions", ()):
        s3.delete_object(
            Bucket=name,
            Key=one["Key"],
            VersionId=one["VersionId"],
            BypassGovernanceRetention=True,
        )


def stored(s3: Any, bucket: str, key: str = "a") -> dict[str, str]:
    put = s3.put_object(Bucket=bucket, Key=key, Body=b"paper")
    return {"Bucket": bucket, "Key": key, "VersionId": put["VersionId"]}


def lock(s3: Any, where: dict[str, str], until: datetime = LATER, mode: str = "GOVERNANCE") -> None:
    s3.put_object_retention(**where, Retention={"Mode": mode, "RetainUntilDate": until})


def without_checksum(account: Account) -> Any:
    """A client as SDKs were before they sent checksums by themselves."""
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=account.endpoint_url,
        aws_access_key_id=account.id,
        aws_secret_access_key="test",
        config=Config(request_checksum_calculation="when_required"),
    )


def post(account: Account, bucket: str) -> int:
    """Upload by a form, as a browser does. Returns the status."""
    form = upload_form(account.client("s3"), bucket, "raw/", largest=100)
    lines = []
    for name, value in (form["fields"] | {"key": "raw/a.pdf"}).items():
        lines += ["--b", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += ["--b", 'Content-Disposition: form-data; name="file"; filename="a.pdf"', "", "paper"]
    body = "\r\n".join([*lines, "--b--", ""]).encode()
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    url = f"{account.endpoint_url}/{bucket}" if account.endpoint_url else form["url"]
    request = urllib.request.Request(url, body, kind, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_without_a_default_uploads_need_no_checksum(
    management: Account, s3: Any, bucket: str
) -> None:
    without_checksum(management).put_object(Bucket=bucket, Key="a", Body=b"paper")
    assert post(management, bucket) == 204


def test_with_a_default_uploads_need_a_checksum(management: Account, s3: Any, bucket: str) -> None:
    default = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default},
    )
    old = without_checksum(management)
    assert error_code(lambda: old.put_object(Bucket=bucket, Key="a", Body=b"a")) == "InvalidRequest"
    upload = old.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    assert (
        error_code(
            lambda: old.upload_part(
                Bucket=bucket, Key="b", UploadId=upload, PartNumber=1, Body=b"b"
            )
        )
        == "InvalidRequest"
    )
    assert post(management, bucket) == 400
    s3.put_object(Bucket=bucket, Key="a", Body=b"with a checksum")


def test_a_locked_version_is_not_deleted_and_another_one_is(s3: Any, bucket: str) -> None:
    first, second = stored(s3, bucket), stored(s3, bucket)
    lock(s3, first)
    assert error_code(lambda: s3.delete_object(**first)) == "AccessDenied"
    s3.delete_object(**second)
    # A delete marker hides it, and removes nothing.
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(**first)["Body"].read() == b"paper"


def test_a_lock_gets_longer_and_never_shorter(s3: Any, bucket: str) -> None:
    where = stored(s3, bucket)
    lock(s3, where)
    lock(s3, where)
    lock(s3, where, LATER + timedelta(days=1))
    assert error_code(lambda: lock(s3, where)) == "AccessDenied"
    found = s3.get_object_retention(**where)["Retention"]
    assert found == {"Mode": "GOVERNANCE", "RetainUntilDate": LATER + timedelta(days=1)}


def test_a_lock_ends_in_the_future(s3: Any, bucket: str) -> None:
    where = stored(s3, bucket)
    past = datetime.now(UTC) - timedelta(days=1)
    assert error_code(lambda: lock(s3, where, past)) == "InvalidArgument"


def test_only_who_may_bypass_governance_deletes_before_the_time(
    management: Account, s3: Any, bucket: str
) -> None:
    where = stored(s3, bucket)
    lock(s3, where)
    anything = f"arn:aws:s3:::{bucket}/*"

    def delete(*actions: str) -> None:
        role = management.assume(
            management.role(allow(["s3:DeleteObjectVersion", *actions], anything))
        )
        management.client("s3", role).delete_object(**where, BypassGovernanceRetention=True)

    assert error_code(delete) == "AccessDenied"
    delete("s3:BypassGovernanceRetention")


def test_a_version_that_is_gone_is_told_to_who_may_list_the_bucket(
    management: Account, s3: Any, bucket: str
) -> None:
    where = stored(s3, bucket)
    s3.delete_object(**where)
    may_lock = allow("s3:PutObjectRetention", f"arn:aws:s3:::{bucket}/*")
    may_list = allow(["s3:ListBucket", "s3:ListBucketVersions"], f"arn:aws:s3:::{bucket}")
    for statements, code in (([may_lock], "AccessDenied"), ([may_lock, may_list], "NoSuchVersion")):
        client = management.client("s3", management.assume(management.role(*statements)))
        assert error_code(lambda client=client: lock(client, where)) == code  # type: ignore[misc]
