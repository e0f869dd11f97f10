"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html."""

from __future__ import annotations

import pytest

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("s3_multipart_tags")


@pytest.mark.parametrize("versioned", [True, False])
def test_an_upload_in_parts_keeps_its_tags(versioned: bool, management: Account) -> None:
    s3, bucket = management.client("s3"), unique("parts").lower()
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    of = {"Bucket": bucket, "Key": "a"}
    begun = s3.create_multipart_upload(**of, Tagging="project=finops&empty=&spaced=a%20b")
    upload = {**of, "UploadId": begun["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"0123456789")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)

    found = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**of)["TagSet"]}
    assert found == {"project": "finops", "empty": "", "spaced": "a b"}
    assert s3.get_object(**of)["Body"].read() == b"0123456789"
