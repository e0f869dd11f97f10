"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("s3_version_ranges")


def test_a_range_of_a_version_is_that_range(management: Account) -> None:
    s3, bucket = management.client("s3"), unique("ranges").lower()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="a", Body=b"0123456789")["VersionId"]
    s3.put_object(Bucket=bucket, Key="a", Body=b"abcdefghij")

    def read(wanted: str) -> tuple[bytes, str]:
        answer = s3.get_object(Bucket=bucket, Key="a", VersionId=old, Range=wanted)
        return answer["Body"].read(), answer["ContentRange"]

    assert read("bytes=2-4") == (b"234", "bytes 2-4/10")
    assert read("bytes=7-") == (b"789", "bytes 7-9/10")
    assert read("bytes=8-99") == (b"89", "bytes 8-9/10")
    with pytest.raises(ClientError, match="InvalidRange"):
        read("bytes=10-")
