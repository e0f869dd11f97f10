"""S3 and Step Functions behind the ports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from finops.billing.adapters import s3 as s3_adapter
from finops.billing.adapters.quarantine import S3Quarantine
from finops.billing.adapters.s3 import S3Objects
from finops.billing.adapters.step_functions import StepFunctionsWorkflow
from finops.billing.database.store import AuroraBillingStore
from finops.billing.dataset_format import DatasetFormat, used_format
from finops.billing.domain import FileEntry, FileStatus, Quarantined, SourceObject, Tally
from finops.billing.schema_migrations import migrate, numbered_files, statements
from finops.shared.data_api import DataApi
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.spreadsheets import unguard

BUCKET = "billing-bucket"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def source(s3: Any, body: bytes) -> SourceObject:
    put = s3.put_object(Bucket=BUCKET, Key="billing/d/a.csv", Body=body)
    return SourceObject(
        bucket=BUCKET,
        key="billing/d/a.csv",
        version_id=put["VersionId"],
        etag="",
        size=len(body),
        order="1",
    )


def entry(load_id: int = 7, **facts: Any) -> FileEntry:
    found = SourceObject(bucket=BUCKET, key="k", version_id="v", etag="", size=1, order="1")
    return FileEntry(
        load_id=load_id,
        source=found,
        dataset="acme",
        status=facts.pop("status", FileStatus.RECEIVED),
        tally=Tally(),
        amounts={},
        **facts,
    )


def test_a_version_is_read_though_a_newer_one_is_there(s3: Any) -> None:
    old = source(s3, b"0123456789")
    source(s3, b"newer")
    objects = S3Objects(s3, BUCKET)
    assert objects.open(old).read(100) == b"0123456789"
    assert objects.open(old, 2, 5).read(100) == b"234"
    assert objects.open(old, 7).read(100) == b"789"


def test_an_object_or_a_version_that_is_gone_is_refused(s3: Any) -> None:
    found = source(s3, b"x")
    s3.delete_object(Bucket=BUCKET, Key=found.key, VersionId=found.version_id)
    for gone in (found, replace(found, version_id="", key="billing/none.csv")):
        with pytest.raises(RejectedInput) as refusal:
            S3Objects(s3, BUCKET).open(gone)
        assert refusal.value.code == "object_is_gone"


def test_a_submitter_is_whom_the_metadata_of_this_version_name(s3: Any) -> None:
    put = s3.put_object(
        Bucket=BUCKET, Key="billing/d/a.csv", Body=b"1", Metadata={"submitted-by": "Ann <1>"}
    )
    objects = S3Objects(s3, BUCKET)
    newer = source(s3, b"2")
    assert objects.metadata(replace(newer, version_id=put["VersionId"])) == {
        "submitted-by": "Ann <1>"
    }
    assert objects.metadata(newer) == {}
    assert objects.metadata(replace(newer, version_id="", key="billing/none.csv")) == {}


def test_a_missing_bucket_needs_a_person(s3: Any) -> None:
    with pytest.raises(ConfigurationError):
        S3Objects(s3, BUCKET).open(replace(source(s3, b"x"), bucket="none", version_id=""))


@pytest.mark.parametrize("pieces", [0, 1, 40])
def test_an_object_is_written_piece_by_piece(
    s3: Any, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    monkeypatch.setattr(s3_adapter, "_PART", 5 << 20)
    objects = S3Objects(s3, BUCKET)
    objects.write("chunks/1/00001", (bytes([n]) * 400_000 for n in range(pieces)))
    found = b"".join(objects.read("chunks/1/00001"))
    assert found == b"".join(bytes([n]) * 400_000 for n in range(pieces))
    assert list(objects.keys("chunks/")) == ["chunks/1/00001"]


def test_an_object_that_fails_half_way_is_not_there(s3: Any) -> None:
    def failing() -> Iterator[bytes]:
        yield bytes(9 << 20)
        raise KeyError

    with pytest.raises(KeyError):
        S3Objects(s3, BUCKET).write("chunks/1/00001", failing())
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def quarantined(line: int, raw: str, value: str = "") -> Quarantined:
    return Quarantined(
        line=line, reason="invalid_amount", field="amount", value=value, message="no", raw=raw
    )


def test_quarantine_is_a_table_that_no_spreadsheet_runs(s3: Any) -> None:
    quarantine = S3Quarantine.open(s3, BUCKET, entry())
    rows = [("=1+1", '=1+1,"two\nlines"'), ("-5", "-5,x"), ("é😀", "bad \udc81 byte")]
    for line, (value, raw) in enumerate(rows, 2):
        quarantine.put(quarantined(line, raw, value))
    uri = quarantine.close()
    assert uri == f"s3://{BUCKET}/quarantine/acme/7/rows.csv"
    body = s3.get_object(Bucket=BUCKET, Key="quarantine/acme/7/rows.csv")["Body"].read()
    assert body.startswith(b"\xef\xbb\xbf")
    found = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert [row["value"] for row in found] == ["'=1+1", "-5", "é😀"]
    assert found[0]["raw"].startswith("'=")
    assert unguard(found[0]["raw"]) == rows[0][1]
    assert found[2]["raw"] == "bad \\udc81 byte"


def test_no_bad_rows_make_no_file(s3: Any) -> None:
    assert S3Quarantine.open(s3, BUCKET, entry(), 3).close() == ""
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_a_large_quarantine_goes_in_parts_and_leaves_nothing_when_abandoned(s3: Any) -> None:
    quarantine = S3Quarantine.open(s3, BUCKET, entry(), 3)
    for line in range(100):
        quarantine.put(quarantined(line, "x" * 100_000))
    assert s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    quarantine.abandon()
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


class FakeStates:
    """Step Functions that knows one execution."""

    def __init__(self, status: str = "RUNNING", refusal: str = "") -> None:
        self.status = status
        self.refusal = refusal
        self.calls: list[dict[str, Any]] = []

    def start_execution(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal}}, "StartExecution")
        return {}

    def describe_execution(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal}}, "DescribeExecution")
        return {"status": self.status}


ARN = "arn:aws:states:us-east-1:1:stateMachine:load"


def test_an_execution_is_named_by_its_file_and_number() -> None:
    states = FakeStates()
    StepFunctionsWorkflow(states, ARN).start(entry(), 2)
    assert states.calls[0]["name"] == f"{entry().source.file_id}-2"
    assert '"load_id": 7' in states.calls[0]["input"]


def test_an_execution_that_another_delivery_started_is_left_alone() -> None:
    StepFunctionsWorkflow(FakeStates(refusal="ExecutionAlreadyExists"), ARN).start(entry(), 1)
    with pytest.raises(ConfigurationError):
        StepFunctionsWorkflow(FakeStates(refusal="StateMachineDoesNotExist"), ARN).start(entry(), 1)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "SUCCEEDED"])
def test_only_a_running_execution_is_on_its_way(status: str) -> None:
    states = FakeStates(status)
    loading = entry(status=FileStatus.LOADING, execution=1)
    assert StepFunctionsWorkflow(states, ARN).is_running(loading) is (status == "RUNNING")
    assert states.calls[0]["executionArn"].startswith("arn:aws:states:us-east-1:1:execution:load:")
    assert not StepFunctionsWorkflow(FakeStates(), ARN).is_running(entry())


def test_an_execution_whose_history_aws_has_deleted_is_not_running() -> None:
    """After 90 days: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    states = FakeStates(refusal="ExecutionDoesNotExist")
    loading = entry(status=FileStatus.LOADING, execution=1)
    assert not StepFunctionsWorkflow(states, ARN).is_running(loading)


class FakeSchema:
    """A Data API whose tables have some columns and keys; it keeps what it was asked to run."""

    def __init__(self, *there: tuple[str, str]) -> None:
        self.there = there
        self.changed: list[str] = []
        self.continued: list[bool] = []

    def execute_statement(self, sql: str, parameters: Any = (), **request: Any) -> Any:
        values = {one["name"]: next(iter(one["value"].values())) for one in parameters}
        answer: Any = None
        if "information_schema" in sql:
            answer = int((values["table"], values["name"]) in self.there)
        elif "GET_LOCK" in sql:
            answer = 1
        elif "schema_migrations" not in sql and "LOCK" not in sql:
            self.changed.append(sql)
            self.continued.append(request.get("continueAfterTimeout", False))
        label = "found" if "information_schema" in sql else "locked"
        records = [] if answer is None else [[{"longValue": answer}]]
        return {"columnMetadata": [{"label": label}], "records": records}

    def begin_transaction(self, **_: Any) -> Any:
        return {"transactionId": "t"}

    def commit_transaction(self, **_: Any) -> None:
        return None


def migrated(schema: FakeSchema) -> list[str]:
    migrate(DataApi(schema, cluster_arn="c", secret_arn="s", database="d"))
    return [sql for sql in schema.changed if sql.startswith("ALTER")]


def test_a_change_that_an_interrupted_migration_made_is_not_made_again() -> None:
    made = [
        ("billing_files", "principal"),
        ("billing_rows", "load_lines"),
        ("billing_rows", "object_hash"),
        ("billing_files", "notes"),
        ("billing_rows", "rate_source"),
        ("focus_charges", "rate_source"),
        ("billing_files", "submitted_by"),
        ("billing_files", "used_format"),
        ("billing_files", "id_rule"),
        ("billing_rows", "extra"),
        ("focus_charges", "host_provider_name"),
        ("focus_charges", "allocated_method_id"),
        ("focus_charges", "allocated_resource_id"),
        ("focus_charges", "allocated_resource_name"),
        ("focus_charges", "allocated_tags"),
        ("fx_rates", "version_order"),
        ("billing_files", "restates"),
        ("billing_files", "part_of"),
        ("billing_files", "first_day"),
        ("billing_files", "last_day"),
        ("billing_files", "corrects"),
        ("billing_files", "leaves_out"),
        ("billing_files", "corrects_key"),
        ("billing_chunks", "first_line"),
    ]
    assert len(migrated(FakeSchema())) == len(made)
    assert migrated(FakeSchema(*made)) == []
    (left,) = migrated(FakeSchema(made[0], *made[2:]))
    assert "load_lines" in left


def test_a_change_of_the_schema_goes_on_when_its_call_times_out() -> None:
    """https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html."""
    schema = FakeSchema()
    migrated(schema)
    assert schema.continued
    assert all(schema.continued)


def test_migrations_are_numbered_without_a_gap_and_can_run_twice() -> None:
    found = list(numbered_files())
    assert [int(name[:4]) for name, _ in found] == list(range(1, len(found) + 1))
    for name, text in found:
        for statement in statements(text):
            again = (
                r"CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE VIEW"
                r"|ALTER TABLE \w+\s+(DROP KEY \w+, )?ADD (COLUMN|KEY)"
            )
            assert re.match(again, statement), f"{name}: {statement[:60]}"
            # Of two columns the first might be there and the second not.
            assert len(re.findall("ADD (COLUMN|KEY)", statement)) <= 1
            assert "--" not in statement


#: A format that is as long as one may be, as the ledger has it.
LONGEST = json.dumps(
    used_format("billing/d/_format.json", DatasetFormat(extra=("e" * 8_100,))).to_document()
)


class Ledger:
    """The Data API over `billing_files` with rows of 18 KB; an answer holds 1 MiB.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
    """

    def __init__(self, count: int) -> None:
        self.newest_first = range(count, 0, -1)

    def execute_statement(self, *, sql: str, parameters: Any, **_: Any) -> dict[str, Any]:
        before = next(one["value"]["longValue"] for one in parameters if one["name"] == "before")
        limit = int(sql.rpartition(" LIMIT ")[2])
        rows = [self.row(number) for number in self.newest_first if number < before][:limit]
        if len(json.dumps(rows)) > 1 << 20:
            said = {"Code": "BadRequestException", "Message": "more than the allowed response size"}
            raise ClientError({"Error": said}, "ExecuteStatement")
        labels = [{"label": name} for name in self.row(0)]
        fields = [[self.field(value) for value in row.values()] for row in rows]
        return {"columnMetadata": labels, "records": fields}

    @staticmethod
    def row(load_id: int) -> dict[str, Any]:
        texts = ("bucket", "object_key", "version_id", "etag", "version_order", "principal")
        more = (
            "submitted_by",
            "part_of",
            "corrects",
            "leaves_out",
            "schema_name",
            "quarantine_uri",
            "content_sha256",
            "error_code",
        )
        counts = ("read", "inserted", "updated", "unchanged", "superseded", "quarantined")
        return (
            {"load_id": load_id, "dataset": "d", "status": "FAILED", "error": "e" * 8_000}
            | dict.fromkeys((*texts, *more), "")
            | {"used_format": LONGEST}
            | dict.fromkeys(
                ("size_bytes", "execution", "restates", *(f"rows_{one}" for one in counts)), 0
            )
            | dict.fromkeys(("notes", "amounts", "amount_usd", "received_at", "finished_at"))
        )

    @staticmethod
    def field(value: Any) -> dict[str, Any]:
        if value is None:
            return {"isNull": True}
        return {"stringValue": value} if isinstance(value, str) else {"longValue": value}


@pytest.mark.parametrize(("count", "limit", "found"), [(300, 250, 250), (100, 250, 100), (3, 2, 2)])
def test_any_number_of_files_is_listed_within_the_answers_of_the_data_api(
    count: int, limit: int, found: int
) -> None:
    api = DataApi(Ledger(count), cluster_arn="c", secret_arn="s", database="d")
    listed = [one.load_id for one in AuroraBillingStore(api).files(limit=limit)]
    assert listed == list(range(count, count - found, -1))
