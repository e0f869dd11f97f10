"""Uploads to the invoice flow, over moto."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.deployment.billing import BillingDeployment
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.invoices import InvoiceDeployment
from finops.invoices.domain import InvoiceStatus, Review, SourceDocument, upload_key
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.invoices.builders import record


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(InvoiceDeployment, "variables", {"BUCKET": "invoices"})
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="invoices")
        yield client


@pytest.mark.parametrize("name", ["invoice.pdf", "invoice.json"])
def test_a_second_file_of_the_name_does_not_replace_the_first(
    s3: Any, tmp_path: Path, name: str
) -> None:
    """A replaced original is a noncurrent version, which a lifecycle rule may delete."""
    deployment = InvoiceDeployment(Environment(name="test", prefix="finops"))
    file = tmp_path / name
    ids = set()
    for content in (b"first", b"second"):
        file.write_bytes(content)
        ids.add(deployment.upload(file, "ann", lambda _sent: None))
    objects = s3.list_objects_v2(Bucket="invoices")["Contents"]
    bodies = {s3.get_object(Bucket="invoices", Key=one["Key"])["Body"].read() for one in objects}
    assert bodies == {b"first", b"second"}
    assert len(ids) == 2


@pytest.mark.parametrize("flow", ["invoices", "billing"])
def test_a_form_is_for_one_person_one_prefix_and_a_size(
    s3: Any, monkeypatch: pytest.MonkeyPatch, flow: str
) -> None:
    """S3 refuses a form whose fields differ from its policy, which is signed:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html"""
    monkeypatch.setattr(BillingDeployment, "variables", {"BUCKET": "invoices"})
    environment = Environment(name="test", prefix="finops")
    if flow == "invoices":
        prefix, form = "raw/", InvoiceDeployment(environment).upload_form("ann <1>")
    else:
        prefix = "billing/acme/"
        form = BillingDeployment(environment).upload_form(prefix, "ann <1>")
    assert form["fields"]["x-amz-meta-submitted-by"] == "ann <1>"
    signed = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert {"x-amz-meta-submitted-by": "ann <1>"} in signed["conditions"]
    assert ["starts-with", "$key", prefix] in signed["conditions"]
    (size,) = [one for one in signed["conditions"] if "content-length-range" in one]
    assert size[1] == 1
    lasts = datetime.fromisoformat(signed["expiration"]) - datetime.now(UTC)
    assert lasts <= timedelta(minutes=15)


def test_a_decision_says_what_its_sender_has_seen_and_names_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict[str, Any]] = []
    answers = [
        (200, b'{"invoice_id": "i", "status": "NEEDS_REVIEW", "revision": 9}'),
        (400, b'{"error": {"message": "no", "code": "own_invoice"}}'),
    ]

    def post(_self: Aws, function: str, document: bytes, *, remedy: str) -> tuple[int, bytes]:
        assert function == "finops-review-invoice"
        sent.append(json.loads(document))
        return answers.pop(0)

    monkeypatch.setattr(Aws, "post", post)
    review = Review(reviewer="ann", at=datetime(2026, 4, 1, tzinfo=UTC), decision="CORRECTED")
    seen = replace(record(), reviews=(review, review))
    deployment = InvoiceDeployment(Environment(name="test", prefix="finops"))
    decided = deployment.decide(seen, seen=2, approve=True, reason="checked")
    assert (decided.status, decided.revision) == (InvoiceStatus.NEEDS_REVIEW, 9)
    assert sent == [
        {
            "invoice_id": seen.id,
            "reviews": 2,
            "corrections": {},
            "approve": True,
            "reject": False,
            "not_duplicate": False,
            "reason": "checked",
        }
    ]
    with pytest.raises(RejectedInput) as refused:
        deployment.decide(seen, seen=2, approve=True)
    assert refused.value.code == "own_invoice"


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b"{}"),
        (200, b"<html>proxy</html>"),
        (502, b'{"Message": "Internal server error"}'),
        (200, b"\xff\xfe"),
        (200, b'{"status": 7}'),
    ],
)
def test_an_answer_that_is_no_decision_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, status: int, content: bytes
) -> None:
    monkeypatch.setattr(Aws, "post", lambda *_arguments, **_options: (status, content))
    deployment = InvoiceDeployment(Environment(name="test", prefix="finops"))
    with pytest.raises(ConfigurationError, match=f"the decision was not taken: {status}"):
        deployment.decide(record(), seen=0, approve=True)


def test_the_name_of_an_upload_is_the_files() -> None:
    key = upload_key("Invoice.JSON", "0f" * 16)
    assert key == f"json/{'0f' * 16}/Invoice.JSON"

    def name(key: str) -> str:
        return SourceDocument(bucket="b", key=key, version_id="1", size=1).file

    assert name(key) == "Invoice.JSON"
    assert name("raw/acme/invoice.pdf") == "acme/invoice.pdf"
    assert name(f"raw/{'0f' * 16}") == "0f" * 16
