"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html.

boto3 signs links and forms with version 2 by default: https://github.com/boto/boto3/issues/2680.
What becomes of a key: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from finops.deployment.uploads import upload_form
from tests.localcloud.contract.aws import REGION, Account, error_code, unique

pytestmark = pytest.mark.needs("s3_kms")


@pytest.fixture
def bucket(management: Account) -> Iterator[str]:
    """A bucket whose objects a key encrypts; one object is there."""
    s3, name = management.client("s3"), unique("contract")
    key = management.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=name)
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    s3.put_object(Bucket=name, Key="report.html", Body=b"<p>costs</p>")
    yield name
    for found in s3.list_objects_v2(Bucket=name)["Contents"]:
        s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


def signing(account: Account, version: str) -> Any:
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=account.endpoint_url,
        aws_access_key_id=account.id,
        aws_secret_access_key="test",
        config=Config(signature_version=version),
    )


def status(request: str | urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_link_to_an_encrypted_object_needs_version_4(management: Account, bucket: str) -> None:
    def follow(version: str) -> tuple[int, str]:
        where = {"Bucket": bucket, "Key": "report.html"}
        return status(signing(management, version).generate_presigned_url("get_object", where))

    code, said = follow("s3")
    assert code == 400
    assert "require AWS Signature Version 4" in said
    assert follow("s3v4") == (200, "<p>costs</p>")


def test_a_form_that_uploads_to_an_encrypted_bucket_needs_version_4(
    management: Account, bucket: str
) -> None:
    def upload(version: str) -> int:
        form = upload_form(signing(management, version), bucket, "raw/", largest=1000)
        lines = []
        for name, value in {**form["fields"], "file": "%PDF"}.items():
            file = '; filename="a.pdf"' if name == "file" else ""
            lines += ["--part", f'Content-Disposition: form-data; name="{name}"{file}', "", value]
        body = "\r\n".join([*lines, "--part--", ""]).encode()
        kind = {"Content-Type": "multipart/form-data; boundary=part"}
        return status(urllib.request.Request(form["url"], body, kind, method="POST"))[0]

    assert upload("s3") == 400
    assert upload("s3v4") == 204


def test_an_object_cannot_be_read_without_its_key(management: Account, bucket: str) -> None:
    """A lock keeps an object, and not the key that reads it."""
    s3, kms = management.client("s3"), management.client("kms")
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    key = rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]

    def read() -> str:
        return str(s3.get_object(Bucket=bucket, Key="report.html")["Body"].read().decode())

    kms.disable_key(KeyId=key)
    assert error_code(read) == "KMS.DisabledException"
    kms.enable_key(KeyId=key)
    assert read() == "<p>costs</p>"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert error_code(read) == "KMS.KMSInvalidStateException"
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.put_object(Bucket=bucket, Key="entry", Body=b"kept")
    assert s3.get_object(Bucket=bucket, Key="entry")["Body"].read() == b"kept"
