"""Exports in S3 are read in place: of Parquet the columns that count, of others part by part."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from moto import mock_aws

from finops.reconciliation.adapters.export_engines import ExportEngines
from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.adapters.s3 import counted_export, stored_files
from finops.reconciliation.domain import Charge
from finops.reconciliation.ports import ChargeQuery, CostSource, Detail
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from tests.reconciliation.export_files import focus, write
from tests.reconciliation.fakes import OCTOBER

BUCKET = "exports-of-tests"
MONTHS = [OCTOBER]
ALL = ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.MONTHS)
KEY = "focus/data/BILLING_PERIOD=2026-10/focus-00001.snappy.parquet"
#: Of a charge, columns that no report needs.
UNREAD = ", repeat(md5(CAST(i AS VARCHAR)), 8) AS x_Unread, md5(i::VARCHAR) AS x_Neither"


class Counting:
    """A client of S3 that counts the bytes of contents, and may be disturbed."""

    def __init__(self) -> None:
        self._client = boto3.client("s3", region_name="us-east-1")
        self.bytes = self.requests = 0
        #: Called before each content with its number, from 1.
        self.before: Any = lambda _: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> Any:
        self.requests += 1
        self.before(self.requests)
        answer = self._client.get_object(**request)
        self.bytes += answer["ContentLength"]
        return answer


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        counting = Counting()
        counting.create_bucket(Bucket=BUCKET)
        yield counting


def put(s3: Counting, path: Path, key: str = KEY) -> int:
    """Its size."""
    content = path.read_bytes()
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    return len(content)


def source_of(s3: Counting, scratch: Path, uri: str = f"s3://{BUCKET}/focus") -> CostSource:
    engines = ExportEngines(client=lambda _: s3, settings=None, bucket="", scratch=scratch)
    return engines.source([uri], MONTHS, by_athena=False)


def as_parquet(path: Path, rows: int, columns: str = "") -> Path:
    """Charges of October; `columns` are beside those that count."""
    duckdb.execute(
        "COPY (SELECT '111111111111' AS BillingAccountId,"
        " CAST(200000000000 + i % 50 AS VARCHAR) AS SubAccountId, 'account' AS SubAccountName,"
        " 'Service ' || i % 20 AS ServiceName, TIMESTAMP '2026-10-01' AS BillingPeriodStart,"
        " TIMESTAMP '2026-10-01' + INTERVAL (i % 31) DAY AS ChargePeriodStart,"
        " 'Usage' AS ChargeCategory, CAST(i % 100 AS DECIMAL(20,10)) AS BilledCost,"
        f" CAST(i % 100 AS DECIMAL(20,10)) AS EffectiveCost, 'USD' AS BillingCurrency{columns}"
        f" FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 20000)"
    )
    return path


def in_order(charges: Any) -> list[Charge]:
    return sorted(charges, key=repr)


def test_of_parquet_the_columns_that_count_are_fetched_once(s3: Counting, tmp_path: Path) -> None:
    path = as_parquet(tmp_path / "a.parquet", 100_000, UNREAD)
    size = put(s3, path)
    scratch = tmp_path / "scratch"
    source = source_of(s3, scratch)
    here = ExportedCosts([path])
    assert in_order(source.charges(ALL)) == in_order(here.charges(ALL))
    once = s3.bytes
    assert once < size / 10
    totals = [one.amount for one in source.control_totals(OCTOBER)]
    assert totals == [one.amount for one in here.control_totals(OCTOBER)]
    source.known_until(OCTOBER, datetime.now(UTC).date())
    # Whatever else is asked is answered from the charges that were read.
    assert s3.bytes == once
    # The export itself is nowhere on the disk.
    names = {one.name for one in scratch.rglob("*") if one.is_file()}
    assert names <= {"charges.duckdb", "charges.duckdb.wal"}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_of_csv_each_part_is_fetched_about_once(s3: Counting, tmp_path: Path, suffix: str) -> None:
    rows = [focus(f"{at % 97}.25", ResourceId=f"arn:{at * 7919:x}") for at in range(40_000)]
    path = write(tmp_path / f"a{suffix}", rows)
    size = put(s3, path, f"focus/data/BILLING_PERIOD=2026-10/a{suffix}")
    source = source_of(s3, tmp_path / "scratch")
    assert in_order(source.charges(ALL)) == in_order(ExportedCosts([path]).charges(ALL))
    assert size <= s3.bytes <= 2 * size


def test_the_names_of_objects_are_no_patterns(s3: Counting, tmp_path: Path) -> None:
    """A key may hold any of these: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""
    folder = "focus/BILLING_PERIOD=2026-10"
    for at, name in enumerate(("a[1]", "a1", "it's *", "b?", "c{d}", "ü %20+&#")):
        rows = [focus(f"{10**at}", SubAccountId=f"{at:012}") for _ in range(3)]
        put(s3, write(tmp_path / "made.csv", rows), f"{folder}/{name}.csv")
    [total] = source_of(s3, tmp_path / "scratch").control_totals(OCTOBER)
    assert total.amount == 333_333


def test_an_export_that_is_replaced_while_it_is_read_is_told(s3: Counting, tmp_path: Path) -> None:
    """AWS may write the same keys again at any time; parts of two deliveries are neither.

    https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
    """
    put(s3, as_parquet(tmp_path / "a.parquet", 100_000, UNREAD))

    def replaced(number: int) -> None:
        if number == 3:
            put(s3, as_parquet(tmp_path / "b.parquet", 100_001, UNREAD))

    s3.before = replaced
    with pytest.raises(TransientFailure, match="was delivered anew") as caught:
        list(source_of(s3, tmp_path / "scratch").charges(ALL))
    assert caught.value.code == "export_changed"
    s3.before = lambda _: None
    assert list(source_of(s3, tmp_path / "scratch").charges(ALL))


def test_an_object_that_is_gone_is_told(s3: Counting, tmp_path: Path) -> None:
    put(s3, as_parquet(tmp_path / "a.parquet", 1_000))
    source = source_of(s3, tmp_path / "scratch")
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(TransientFailure, match=f"s3://{BUCKET}/{KEY} was delivered anew"):
        list(source.charges(ALL))


class BreaksOff:
    """A content that ends before its end."""

    def read(self) -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


@pytest.mark.parametrize("breaks", [4, sys.maxsize])
def test_a_content_that_breaks_off_is_fetched_again(
    s3: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: int
) -> None:
    path = write(tmp_path / "a.csv", [focus("12.50")])
    put(s3, path, "focus/a.csv")
    source = source_of(s3, tmp_path / "scratch")
    whole, left = s3.get_object, [breaks]

    def broken(**request: Any) -> Any:
        left[0] -= 1
        return whole(**request) if left[0] < 0 else {"Body": BreaksOff()}

    monkeypatch.setattr(s3, "get_object", broken)
    if breaks > 4:
        with pytest.raises(TransientFailure, match="total bytes expected is 2"):
            list(source.charges(ALL))
        return
    [charge] = source.charges(ALL)
    assert charge.billed == Decimal("12.50")


def test_a_role_that_may_not_read_the_objects_is_told(
    s3: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, as_parquet(tmp_path / "a.parquet", 1_000))
    source = source_of(s3, tmp_path / "scratch")

    def refused(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(s3, "get_object", refused)
    with pytest.raises(ConfigurationError) as caught:
        list(source.charges(ALL))
    assert (caught.value.code, caught.value.step) == ("AccessDenied", "read_export")


def test_a_file_that_is_none_is_told_by_its_uri(s3: Counting, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"PAR1 is only how it begins")
    with pytest.raises(RejectedInput, match=f"s3://{BUCKET}/{KEY}") as caught:
        list(source_of(s3, tmp_path / "scratch").charges(ALL))
    assert caught.value.code == "unreadable_export"
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"")
    with pytest.raises(RejectedInput, match="has no bytes"):
        list(source_of(s3, tmp_path / "scratch").charges(ALL))


def test_a_file_of_s3_and_one_of_this_machine_are_read_together(
    s3: Counting, tmp_path: Path
) -> None:
    here = write(tmp_path / "here.csv", [focus("1", BillingAccountId="222222222222")])
    put(s3, write(tmp_path / "there.csv", [focus("2")]), "focus/there.csv")
    engines = ExportEngines(client=lambda _: s3, settings=None, bucket="", scratch=tmp_path / "s")
    inputs = [f"s3://{BUCKET}/focus/there.csv", str(here)]
    [total] = engines.source(inputs, MONTHS, by_athena=False).control_totals(OCTOBER)
    assert total.amount == 3
    assert (
        counted_export(s3, inputs[0], MONTHS).size
        == stored_files(counted_export(s3, inputs[0], MONTHS)).objects[inputs[0]].size
    )


def test_a_gzipped_file_without_its_end_is_told(s3: Counting, tmp_path: Path) -> None:
    text = "\n".join(",".join(focus("1").keys()) for _ in range(2_000))
    content = gzip.compress(text.encode())
    s3.put_object(Bucket=BUCKET, Key="focus/a.csv.gz", Body=content[: len(content) // 2])
    with pytest.raises(RejectedInput, match="can't be read"):
        list(source_of(s3, tmp_path / "scratch").charges(ALL))
