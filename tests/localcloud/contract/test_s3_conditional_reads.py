"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, unique


def test_a_range_is_read_of_the_content_that_was_listed(management: Account) -> None:
    """If-Match: "Return the object only if its entity tag is the same as the one specified"."""
    s3, bucket = management.client("s3"), unique("conditional").lower()
    s3.create_bucket(Bucket=bucket)
    key = "data/BILLING_PERIOD=2026-10/ü a+b [1].csv"
    s3.put_object(Bucket=bucket, Key=key, Body=b"0123456789")
    [listed] = s3.list_objects_v2(Bucket=bucket)["Contents"]

    def read(wanted: str) -> tuple[bytes, int]:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=wanted, IfMatch=listed["ETag"])
        return answer["Body"].read(), answer["ContentLength"]

    assert read("bytes=0-0") == (b"0", 1)
    assert read("bytes=7-9") == (b"789", 3)
    s3.put_object(Bucket=bucket, Key=key, Body=b"abcdefghij")
    with pytest.raises(ClientError) as caught:
        read("bytes=0-0")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert answer["Error"]["Code"] == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="NoSuchKey"):
        read("bytes=0-0")
