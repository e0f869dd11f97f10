"""`finops status` where AWS refuses, throttles or fails one of its calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError

from finops.cli.main import main
from finops.cli.status import rejected_by_people
from finops.cli.waiting import no_head
from finops.invoices.domain import Review
from tests.invoices.builders import record

VARIABLES = {
    "BUCKET": "bucket",
    "TABLE": "finops-invoices",
    "DATABASE_ARN": "arn:aws:rds:us-east-1:111111111111:cluster:finops",
    "DATABASE_NAME": "billing",
    "DATABASE_READER_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:111111111111:secret:reader",
}
#: What AWS answers of a deployment in which nothing has happened yet.
SOUND: dict[str, Any] = {
    "DescribeTable": {"Table": {"TableStatus": "ACTIVE"}},
    "GetFunctionConfiguration": {
        "State": "Active",
        "Environment": {"Variables": VARIABLES},
        "LastModified": "2026-11-01T12:00:00.000+0000",
    },
    "GetQueueUrl": {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/111111111111/queue"},
    "GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
    "Scan": {"Items": []},
    "Query": {"Items": [], "Count": 0},
    "ListObjectsV2": {},
    "ListObjectVersions": {},
    "ExecuteStatement": {"columnMetadata": [], "records": []},
}
FLOWS = ("budgets", "billing", "invoices", "reconciliation", "audit")
Status = Callable[..., tuple[int, dict[str, Any]]]


def test_what_a_reviewer_rejected_waits_for_nobody() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rejected, corrected = (
        replace(record(), reviews=(Review(reviewer="bea", at=at, decision=decision),))
        for decision in ("REJECTED", "CORRECTED")
    )
    assert rejected_by_people([record(), rejected, corrected]) == 1


@pytest.fixture
def refused() -> dict[str, tuple[str, str]]:
    """The code and the text of the calls that AWS refuses, by operation."""
    return {}


@pytest.fixture
def status(
    refused: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Status:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "LOCALSTACK_HOST", "FINOPS_NAME_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FINOPS_ENV", "aws")

    def call(_client: Any, operation: str, _arguments: Any) -> Any:
        if operation in refused:
            code, text = refused[operation]
            said: Any = {"Error": {"Code": code, "Message": text}}
            raise ClientError(said | {"ResponseMetadata": {"HTTPStatusCode": 400}}, operation)
        return SOUND[operation]

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr("sys.argv", ["finops", "status", "--json", *arguments])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, document

    return run


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in answer["status"] if one["kind"] == "flow"}


def test_a_sound_deployment_runs(status: Status) -> None:
    code, answer = status()
    assert (code, states(answer)) == (0, dict.fromkeys(FLOWS, "RUNNING"))


@pytest.mark.parametrize(
    ("operation", "right", "unchecked"),
    [
        ("Scan", "dynamodb:Scan", ["budgets"]),
        ("Query", "dynamodb:Query", ["invoices"]),
        ("ListObjectsV2", "s3:ListBucket", ["reconciliation"]),
        ("ListObjectVersions", "s3:ListBucketVersions", ["audit"]),
        ("ExecuteStatement", "rds-data:ExecuteStatement", ["billing"]),
    ],
)
def test_a_refused_call_leaves_the_other_rows_and_names_the_right(
    status: Status,
    refused: dict[str, tuple[str, str]],
    operation: str,
    right: str,
    unchecked: list[str],
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    text = (
        f"User: arn:aws:iam::111111111111:user/a is not authorized to perform: {right} on"
        f" resource: * because no identity-based policy allows the {right} action"
    )
    refused[operation] = ("AccessDeniedException", text)
    code, answer = status()
    expected = {flow: "NOT CHECKED" if flow in unchecked else "RUNNING" for flow in FLOWS}
    assert (code, states(answer)) == (3, expected)
    (step,) = (one for one in answer["next"] if one.startswith(", ".join(unchecked)))
    assert step.endswith(f". Allow {right}")


@pytest.mark.parametrize("operation", ["Scan", "Query", "ExecuteStatement", "ListObjectsV2"])
def test_a_throttled_call_leaves_the_other_rows_and_asks_to_wait(
    status: Status, refused: dict[str, tuple[str, str]], operation: str
) -> None:
    refused[operation] = ("ThrottlingException", "Rate exceeded")
    code, answer = status()
    assert code == 3
    assert set(states(answer).values()) == {"RUNNING", "NOT CHECKED"}
    assert any(one.endswith(": wait a minute, then try again") for one in answer["next"])


def test_who_may_read_nothing_is_not_told_to_deploy(
    status: Status, refused: dict[str, tuple[str, str]]
) -> None:
    refused.update(dict.fromkeys(SOUND, ("AccessDeniedException", "not authorized")))
    code, answer = status()
    assert (code, states(answer)) == (3, dict.fromkeys(FLOWS, "NOT CHECKED"))
    assert "terraform apply" not in json.dumps(answer)
    steps = "\n".join(answer["next"])
    for right in (
        "dynamodb:DescribeTable",
        "lambda:GetFunctionConfiguration",
        "sqs:GetQueueUrl and sqs:GetQueueAttributes",
    ):
        assert steps.count(f": allow {right}") == 1


def test_a_throttled_row_has_its_code_and_what_to_do(
    status: Status, refused: dict[str, tuple[str, str]]
) -> None:
    refused["DescribeTable"] = ("ThrottlingException", "Rate exceeded")
    rows = {one["name"]: one for one in status()[1]["status"]}
    row = rows["finops-budgets"]
    assert (row["state"], row["detail"]) == ("ThrottlingException", "wait a minute, then try again")
    assert rows["finops-publish-budget"]["ok"]


def test_credentials_that_are_over_end_the_command(
    status: Status, refused: dict[str, tuple[str, str]]
) -> None:
    refused.update(dict.fromkeys(SOUND, ("ExpiredTokenException", "The token is over")))
    code, answer = status()
    assert (code, answer["code"]) == (3, "ExpiredTokenException")


def test_a_trail_without_a_head_has_a_next_step(status: Status) -> None:
    """The function was last changed long ago."""
    (step,) = status()[1]["next"]
    assert step.startswith("audit: no head was ever written")
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert list(no_head(now - timedelta(hours=24), now)) == []


def test_next_steps_name_the_deployment_that_the_command_was_given(status: Status) -> None:
    (step,) = status("--env", "aws")[1]["next"]
    assert "`finops doctor --env aws`" in step
    (step,) = status()[1]["next"]
    assert "`finops doctor`" in step
