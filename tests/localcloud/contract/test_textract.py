"""https://docs.aws.amazon.com/textract/latest/dg/analyzing-document-expense.html."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from tests.invoices.corpus import corpus
from tests.localcloud.contract.aws import (
    Account,
    Queue,
    allow,
    error_code,
    eventually,
    unique,
)

pytestmark = pytest.mark.needs("textract")

LINES = (
    ("Bakers Ltd", 20),
    ("Invoice number: B-77", 60),
    ("Invoice date: 2026-03-31", 68),
    ("Total EUR 119.00", 130),
)


def document(pages: int = 1) -> bytes:
    pdf = FPDF()
    for number in range(1, pages + 1):
        pdf.add_page()
        pdf.set_font("Helvetica", size=12)
        for text, top in LINES:
            pdf.text(20, top, text)
        pdf.text(20, 280, f"Page {number} of {pages}")
    return bytes(pdf.output())


def picture() -> bytes:
    """The same document as an image only."""
    image = Image.new("L", (1240, 1754), 255)
    draw = ImageDraw.Draw(image)
    for text, top in LINES:
        draw.text((120, top * 6), text, fill=0, font=ImageFont.load_default(36))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def bucket(management: Account) -> str:
    s3, name = management.client("s3"), unique("documents")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(management: Account, bucket: str, body: bytes) -> dict[str, str]:
    key = f"{uuid.uuid4().hex} ü.pdf"
    version = management.client("s3").put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    return {"Bucket": bucket, "Name": key, "Version": version}


def fields(answer: dict[str, Any]) -> dict[str, str]:
    return {
        one["Type"]["Text"]: one["ValueDetection"]["Text"]
        for page in answer["ExpenseDocuments"]
        for one in page["SummaryFields"]
    }


def conforms(answer: dict[str, Any]) -> None:
    """Check that the answer matches the service's own model."""
    model = botocore.session.get_session().get_service_model("textract")
    shape = model.operation_model("AnalyzeExpense").output_shape
    said = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    assert set(said) <= set(shape.members) | {
        "JobStatus",
        "NextToken",
        "AnalyzeExpenseModelVersion",
    }
    known = {name: value for name, value in said.items() if name in shape.members}
    report = ParamValidator().validate(known, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("body", [document(), picture()], ids=["text", "pixels"])
def test_text_is_found_with_its_place(management: Account, body: bytes) -> None:
    answer = management.client("textract").analyze_expense(Document={"Bytes": body})
    conforms(answer)
    found = fields(answer)
    assert found["INVOICE_RECEIPT_ID"] == "B-77"
    assert found["INVOICE_RECEIPT_DATE"] == "2026-03-31"
    assert "119.00" in found["TOTAL"]
    assert answer["DocumentMetadata"] == {"Pages": 1}
    (page,) = answer["ExpenseDocuments"]
    (total,) = (one for one in page["SummaryFields"] if one["Type"]["Text"] == "TOTAL")
    box = total["ValueDetection"]["Geometry"]["BoundingBox"]
    assert 0.38 < box["Top"] < 0.48
    assert total["Currency"]["Code"] == "EUR"
    blocks = {one["BlockType"] for one in page["Blocks"]}
    assert blocks == {"PAGE", "LINE", "WORD"}
    known = {one["Id"] for one in page["Blocks"]}
    for block in page["Blocks"]:
        for relation in block.get("Relationships", ()):
            assert set(relation["Ids"]) <= known


def test_the_structure_is_that_of_real_answers(management: Account) -> None:
    answer = management.client("textract").analyze_expense(Document={"Bytes": document()})
    known: dict[str, set[str]] = {}
    for real in sorted(corpus("textract").glob("*.json")):
        _collect(json.loads(real.read_text()), "", known)
    ours: dict[str, set[str]] = {}
    _collect(answer["ExpenseDocuments"], "/ExpenseDocuments", ours)
    for place, names in ours.items():
        assert names <= known.get(place, set()), place


def _collect(value: Any, place: str, found: dict[str, set[str]]) -> None:
    if isinstance(value, dict):
        found.setdefault(place, set()).update(value)
        for name, one in value.items():
            _collect(one, f"{place}/{name}", found)
    elif isinstance(value, list):
        for one in value:
            _collect(one, place, found)


def test_a_version_of_an_object_is_read_as_its_caller_may(management: Account, bucket: str) -> None:
    place = put(management, bucket, document())
    key = f"arn:aws:s3:::{bucket}/{place['Name']}"

    def analyze(*actions: str) -> dict[str, Any]:
        granted = [allow(action, key if action.startswith("s3") else "*") for action in actions]
        role = management.role(*granted)
        textract = management.client("textract", management.assume(role))
        return dict(textract.analyze_expense(Document={"S3Object": place}))

    every = ("textract:AnalyzeExpense", "s3:GetObject", "s3:GetObjectVersion")
    assert fields(analyze(*every))["INVOICE_RECEIPT_ID"] == "B-77"
    assert error_code(partial(analyze, *every[1:])) == "AccessDeniedException"
    assert error_code(partial(analyze, every[0])) == "InvalidS3ObjectException"
    gone = {**place, "Name": "none.pdf"}
    call = partial(management.client("textract").analyze_expense, Document={"S3Object": gone})
    assert error_code(call) == "InvalidS3ObjectException"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no document at all", "UnsupportedDocumentException"),
        (b"%PDF-1.7 and no more", "BadDocumentException"),
        (document(2), "UnsupportedDocumentException"),
        (document() + bytes(10 << 20), "DocumentTooLargeException"),
    ],
)
def test_a_document_too_large_for_the_synchronous_call_is_refused(
    management: Account, body: bytes, code: str
) -> None:
    call = partial(management.client("textract").analyze_expense, Document={"Bytes": body})
    assert error_code(call) == code


@pytest.fixture
def told(management: Account) -> Iterator[tuple[Queue, dict[str, str]]]:
    """A queue on a topic, and the channel of a job to that topic."""
    sns = management.client("sns")
    topic = sns.create_topic(Name=unique("completions"))["TopicArn"]
    queue = management.queue(may_send="sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    role = management.role(allow("sns:Publish", topic), service="textract.amazonaws.com")
    yield queue, {"SNSTopicArn": topic, "RoleArn": role}
    sns.delete_topic(TopicArn=topic)


def test_a_job_reads_all_pages_and_notifies_its_topic_once(
    management: Account, bucket: str, told: tuple[Queue, dict[str, str]]
) -> None:
    textract, (queue, channel) = management.client("textract"), told
    place = put(management, bucket, document(25))
    request = {
        "DocumentLocation": {"S3Object": place},
        "ClientRequestToken": uuid.uuid4().hex,
        "JobTag": "tag-1",
        "NotificationChannel": channel,
    }
    job = textract.start_expense_analysis(**request)["JobId"]
    assert textract.start_expense_analysis(**request)["JobId"] == job
    other = partial(textract.start_expense_analysis, **{**request, "JobTag": "tag-2"})
    assert error_code(other) == "IdempotentParameterMismatchException"

    said = json.loads(json.loads(queue.next()["Body"])["Message"])
    assert (said["JobId"], said["Status"], said["JobTag"]) == (job, "SUCCEEDED", "tag-1")
    assert said["API"] == "StartExpenseAnalysis"
    assert said["DocumentLocation"] == {"S3ObjectName": place["Name"], "S3Bucket": bucket}
    assert queue.messages() == []

    first = textract.get_expense_analysis(JobId=job)
    conforms(first)
    assert (first["JobStatus"], first["DocumentMetadata"]["Pages"]) == ("SUCCEEDED", 25)
    rest = textract.get_expense_analysis(JobId=job, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    pages = [one["ExpenseIndex"] for one in (*first["ExpenseDocuments"], *rest["ExpenseDocuments"])]
    assert pages == list(range(1, 26))
    few = textract.get_expense_analysis(JobId=job, MaxResults=3)
    assert len(few["ExpenseDocuments"]) == 3


def test_a_failed_job_reports_its_failure(management: Account, bucket: str) -> None:
    textract = management.client("textract")
    place = put(management, bucket, b"%PDF-1.7 and no more")
    job = textract.start_expense_analysis(DocumentLocation={"S3Object": place})["JobId"]

    def ended() -> dict[str, Any] | None:
        found = dict(textract.get_expense_analysis(JobId=job))
        return None if found["JobStatus"] == "IN_PROGRESS" else found

    found = eventually(ended) or {}
    assert found["JobStatus"] == "FAILED"
    assert found["StatusMessage"]


def test_a_job_belongs_to_its_account(management: Account, spoke: Account, bucket: str) -> None:
    place = put(management, bucket, document())
    job = management.client("textract").start_expense_analysis(
        DocumentLocation={"S3Object": place}
    )["JobId"]
    foreign = partial(spoke.client("textract").get_expense_analysis, JobId=job)
    assert error_code(foreign) == "InvalidJobIdException"
    unknown = partial(management.client("textract").get_expense_analysis, JobId="none")
    assert error_code(unknown) == "InvalidJobIdException"
