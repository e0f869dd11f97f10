"""The billing flow's bucket as a person sees it, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.deployment.billing import BillingDeployment
from finops.deployment.environment import Environment


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(BillingDeployment, "variables", {"BUCKET": "bills"})
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="bills")
        client.put_bucket_versioning(Bucket="bills", VersioningConfiguration={"Status": "Enabled"})
        yield client


def test_the_newest_version_is_the_objects_or_none(s3: Any) -> None:
    """A deleted object answers 404: API_HeadObject.html of the S3 API."""
    deployment = BillingDeployment(Environment(name="test", prefix="finops"))
    key = "billing/two/märz +1.csv"
    assert deployment.newest(key) is None
    versions = [s3.put_object(Bucket="bills", Key=key, Body=one)["VersionId"] for one in ("a", "b")]
    found = deployment.newest(key)
    assert found is not None
    assert (found.key, found.version_id) == (key, versions[-1])
    s3.delete_object(Bucket="bills", Key=key)
    assert deployment.newest(key) is None
