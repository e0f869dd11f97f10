"""Who is told that an object does not exist.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions": "If you have the
s3:ListBucket permission on the bucket, Amazon S3 returns an HTTP status code 404 error. If you
don't have the s3:ListBucket permission, Amazon S3 returns an HTTP status code 403 ("access denied")
error." The same is said of HeadObject.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, Statement, allow, unique

pytestmark = pytest.mark.needs("s3_missing_objects")
READ = ["s3:GetObject", "s3:GetObjectVersion"]


@pytest.fixture(scope="module")
def bucket(management: Account) -> str:
    name = unique("missing").lower()
    s3 = management.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="there", Body=b"x")
    return name


def reader(account: Account, bucket: str, *statements: Statement) -> Any:
    role = account.role(allow(READ, f"arn:aws:s3:::{bucket}/*"), *statements)
    return account.client("s3", account.assume(role))


def statuses(s3: Any, bucket: str, **where: str) -> list[int]:
    found = []
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError) as refused:
            call(Bucket=bucket, **{"Key": "missing", **where})
        found.append(refused.value.response["ResponseMetadata"]["HTTPStatusCode"])
    return found


def test_who_may_not_list_is_refused(management: Account, bucket: str) -> None:
    s3 = reader(management, bucket)
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == b"x"
    assert statuses(s3, bucket) == [403, 403]


def test_who_may_list_is_told(management: Account, bucket: str) -> None:
    s3 = reader(management, bucket, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    assert statuses(s3, bucket) == [404, 404]


def test_a_grant_by_prefix_does_not_count(management: Account, bucket: str) -> None:
    granted = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    granted["Condition"] = {"StringLike": {"s3:prefix": "*"}}
    assert statuses(reader(management, bucket, granted), bucket) == [403, 403]


def test_a_missing_version_needs_the_list_of_versions(management: Account, bucket: str) -> None:
    s3 = management.client("s3")
    gone = s3.put_object(Bucket=bucket, Key="there", Body=b"y")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="there", VersionId=gone)
    where = {"Key": "there", "VersionId": gone}
    arn = f"arn:aws:s3:::{bucket}"
    objects = reader(management, bucket, allow("s3:ListBucket", arn))
    assert statuses(objects, bucket, **where) == [403, 403]
    versions = reader(management, bucket, allow(["s3:ListBucket", "s3:ListBucketVersions"], arn))
    assert statuses(versions, bucket, **where) == [404, 404]
