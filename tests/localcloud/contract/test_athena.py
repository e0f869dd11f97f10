"""UNLOAD in a workgroup: its result, its limit, its token, and whose permissions count.

https://docs.aws.amazon.com/athena/latest/ug/unload.html,
https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html,
https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatistics.html and
https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, eventually, unique

pytestmark = pytest.mark.needs("athena")

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass
class Exports:
    """A bucket with a table over two months, and a workgroup."""

    account: Account
    name: str
    athena: Any
    folder: Path

    @property
    def select(self) -> str:
        return f'SELECT "service", sum("cost") AS cost FROM "{self.name}" GROUP BY "service"'

    def start(self, select: str, place: str = "", athena: Any = None, **given: Any) -> str:
        place = place or unique("place")
        query = (athena or self.athena).start_query_execution(
            QueryString=f"UNLOAD ({select}) TO 's3://{self.name}/{place}/'"
            " WITH (format = 'PARQUET', compression = 'SNAPPY')",
            QueryExecutionContext={"Database": self.name},
            WorkGroup=self.name,
            **given,
        )["QueryExecutionId"]
        return str(query)

    def ended(self, query: str) -> Any:
        def execution() -> Any:
            found = self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            return found["Status"]["State"] not in {"QUEUED", "RUNNING"} and found

        return eventually(execution)

    def run(self, select: str, **given: Any) -> Any:
        return self.ended(self.start(select, **given))

    def rows(self, execution: Any) -> list[tuple[Any, ...]]:
        """Of the files that the manifest names."""
        s3 = self.account.client("s3")
        found = []
        for location in self.read(execution["Statistics"]["DataManifestLocation"]).split():
            content = s3.get_object(Bucket=self.name, Key=location.partition(f"{self.name}/")[2])
            path = self.folder / "answer.parquet"
            path.write_bytes(content["Body"].read())
            found += duckdb.from_parquet(str(path)).fetchall()
        return sorted(found)

    def read(self, location: str) -> str:
        key = location.partition(f"{self.name}/")[2]
        body = self.account.client("s3").get_object(Bucket=self.name, Key=key)["Body"].read()
        return str(body.decode())


def parquet(folder: Path, rows: str) -> bytes:
    path = folder / "made.parquet"
    duckdb.execute(f"COPY (SELECT * FROM (VALUES {rows}) t(Service, Cost)) TO '{path}'")
    return path.read_bytes()


@pytest.fixture
def exports(management: Account, tmp_path: Path) -> Iterator[Exports]:
    name = unique("athena")
    s3, glue, athena = (management.client(one) for one in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket=name)
    for month, rows in (
        ("2026-09", "('EC2', 9.0::DOUBLE)"),
        ("2026-10", "('EC2', 1.5), ('S3', 2)"),
    ):
        key = f"data/BILLING_PERIOD={month}/a.parquet"
        content = parquet(tmp_path, rows.replace("1.5", "1.5::DOUBLE"))
        s3.put_object(Bucket=name, Key=key, Body=content)
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(
        DatabaseName=name,
        TableInput={
            "Name": name,
            "Parameters": {
                "projection.enabled": "true",
                "storage.location.template": f"s3://{name}/data/BILLING_PERIOD=${{billing_period}}/",
            },
            "PartitionKeys": [{"Name": "billing_period", "Type": "string"}],
            "StorageDescriptor": {
                "Location": f"s3://{name}/data/",
                "Columns": [
                    {"Name": "service", "Type": "string"},
                    {"Name": "cost", "Type": "double"},
                    {"Name": "unknown", "Type": "string"},
                ],
                "SerdeInfo": {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
            },
        },
    )
    athena.create_work_group(
        Name=name,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{name}/results/"},
        },
    )
    yield Exports(management, name, athena, tmp_path)
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)


def test_rows_are_written_as_parquet_and_named_by_a_manifest(exports: Exports) -> None:
    done = exports.run(exports.select)
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    assert done["StatementType"] == "DML"
    assert done["Statistics"]["DataScannedInBytes"] > 0
    assert exports.rows(done) == [("EC2", 10.5), ("S3", 2.0)]
    elsewhere = {"OutputLocation": f"s3://{exports.name}/elsewhere/"}
    enforced = exports.run(exports.select, ResultConfiguration=elsewhere)
    assert "/results/" in enforced["Statistics"]["DataManifestLocation"]


def test_only_what_is_read_is_scanned(exports: Exports) -> None:
    whole = exports.run(exports.select)["Statistics"]["DataScannedInBytes"]
    month = (
        f'SELECT sum("cost") AS cost FROM "{exports.name}" WHERE "billing_period" IN (\'2026-10\')'
    )
    done = exports.run(month)
    assert exports.rows(done) == [(3.5,)]
    assert 0 < done["Statistics"]["DataScannedInBytes"] < whole
    path = f"s3://{exports.name}/data/BILLING_PERIOD=2026-09/a.parquet"
    of_path = exports.run(
        f'SELECT sum("cost") AS cost, max("unknown") AS nothing FROM "{exports.name}"'
        f" WHERE \"$path\" IN ('{path}')"
    )
    assert exports.rows(of_path) == [(9.0, None)]


def test_a_query_above_the_limit_is_cancelled(exports: Exports) -> None:
    updates = {"BytesScannedCutoffPerQuery": 10_000_000}
    exports.athena.update_work_group(WorkGroup=exports.name, ConfigurationUpdates=updates)
    assert exports.run(exports.select)["Status"]["State"] == "SUCCEEDED"
    path = exports.folder / "large.parquet"
    duckdb.execute(
        "COPY (SELECT 'EC2' AS Service, random() AS Cost FROM range(1_300_000))"
        f" TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)"
    )
    key = "data/BILLING_PERIOD=2026-11/a.parquet"
    exports.account.client("s3").put_object(Bucket=exports.name, Key=key, Body=path.read_bytes())
    done = exports.run(exports.select)
    assert done["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in done["Status"]["StateChangeReason"]
    assert done["Statistics"]["DataScannedInBytes"] == 10_000_000


def test_a_place_that_is_not_empty_is_not_written(exports: Exports) -> None:
    place = unique("place")
    assert exports.run(exports.select, place=place)["Status"]["State"] == "SUCCEEDED"
    again = exports.run(exports.select, place=place)
    assert again["Status"]["State"] == "FAILED"
    assert "already exists" in again["Status"]["StateChangeReason"]


def test_a_token_starts_one_query(exports: Exports) -> None:
    token, place = unique("token") + 32 * "x", unique("place")
    first = exports.start(exports.select, place=place, ClientRequestToken=token)
    again = exports.start(exports.select, place=place, ClientRequestToken=token)
    assert first == again
    assert exports.ended(first)["Status"]["State"] == "SUCCEEDED"
    another = partial(exports.start, f"{exports.select} HAVING true", place=place)
    assert error_code(partial(another, ClientRequestToken=token)) == "InvalidRequestException"


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ('SELECT list_has_any("service", "service") AS x FROM "{0}"', "not registered"),
        ('SELECT "nothing" FROM "{0}"', "nothing"),
        ('SELECT 1 AS one FROM "another"', "not found"),
        ('SELECT FROM WHERE "{0}"', ""),
    ],
)
def test_what_trino_does_not_know_fails(exports: Exports, select: str, said: str) -> None:
    done = exports.run(select.format(exports.name))
    assert done["Status"]["State"] == "FAILED"
    assert said in done["Status"]["StateChangeReason"]
    assert done["Status"]["AthenaError"]["ErrorCategory"] == 2


def test_a_type_that_is_not_the_files_fails(exports: Exports) -> None:
    glue = exports.account.client("glue")
    table = glue.get_table(DatabaseName=exports.name, Name=exports.name)["Table"]
    table["StorageDescriptor"]["Columns"][1]["Type"] = "decimal(20,10)"
    kept = {key: table[key] for key in ("Name", "Parameters", "PartitionKeys", "StorageDescriptor")}
    glue.update_table(DatabaseName=exports.name, TableInput=kept)
    done = exports.run(exports.select)
    assert "HIVE_BAD_DATA" in done["Status"]["StateChangeReason"]


def test_a_workgroup_must_exist_and_a_statement_be_short(exports: Exports) -> None:
    for changed in ({"WorkGroup": unique("none")}, {"QueryString": "x" * 262_145}):
        request = {"QueryString": "SELECT 1", "WorkGroup": exports.name, **changed}
        start = partial(exports.athena.start_query_execution, **request)
        assert error_code(start) == "InvalidRequestException"


def test_tables_and_objects_are_read_with_the_callers_permissions(exports: Exports) -> None:
    account, bucket = exports.account, f"arn:aws:s3:::{exports.name}"
    workgroup = f"arn:aws:athena:*:*:workgroup/{exports.name}"
    statements = {
        "athena": allow(["athena:StartQueryExecution", "athena:GetQueryExecution"], workgroup),
        "glue:GetTable": allow("glue:GetTable", "arn:aws:glue:*:*:*"),
        "s3:GetBucketLocation": allow("s3:GetBucketLocation", bucket),
        "s3:GetObject": allow("s3:GetObject", f"{bucket}/data/*"),
        "s3:PutObject": allow("s3:PutObject", f"{bucket}/*"),
    }
    for missing in (None, *list(statements)[1:]):
        given = [one for name, one in statements.items() if name != missing]
        athena = account.client("athena", account.assume(account.role(*given)))
        query = exports.start(exports.select, athena=athena)
        assert athena.get_query_execution(QueryExecutionId=query)
        status = exports.ended(query)["Status"]
        if missing:
            assert missing in status["StateChangeReason"]
        else:
            assert status["State"] == "SUCCEEDED", status
    stranger = account.client("athena", account.assume(account.role(statements["s3:GetObject"])))
    denied = "AccessDeniedException"
    assert error_code(lambda: exports.start(exports.select, athena=stranger)) == denied
    query = exports.start(exports.select)
    asked = error_code(lambda: stranger.get_query_execution(QueryExecutionId=query))
    assert asked == denied
