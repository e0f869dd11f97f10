"""Exports by Athena: equal to what this process reads itself, paid once, and capped."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from moto import mock_aws

from finops.reconciliation.configuration import parse
from finops.reconciliation.domain import Metric
from finops.reconciliation.mapping import Ownership, TagKey, TagRule
from finops.reconciliation.ports import ChargeQuery, CostSource, Detail, TagQuery
from finops.reconciliation.report import as_document
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.periods import Month
from tests.reconciliation.athena_fakes import (
    BUCKET,
    EXPORT,
    FakeAthena,
    athena,
    engines,
    refused,
)
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER, reconciler
from tests.reconciliation.test_exports import commitments, cur

MONTHS = OCTOBER.back(13)
KEY = "focus/data/BILLING_PERIOD=2026-10/part-0.parquet"
SELECT = 'SELECT count(*) AS rows_of_it FROM "focus" WHERE "billing_period" IN (\'2026-10\')'


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def focus_rows(month: Month) -> list[Row]:
    """Usage by the hour, fees, credits, commitments, quantities, and what is awkward."""
    first = month.first

    def at(day: date, hour: int = 0) -> str:
        return f"{day} {hour:02}:00:00"

    rows = [
        focus(
            f"{number}.{hour:02}0000{number:02}",
            BillingPeriodStart=at(first),
            ChargePeriodStart=at(day, hour),
            ChargePeriodEnd=at(day, hour + 1),
            ChargeFrequency="Usage-Based",
            SubAccountId="222222222222" if number % 3 else "333333333333",
            ListCost="3.5",
            CommitmentDiscountStatus="Used" if number % 4 == 0 else "",
            SkuId=f"sku-{number % 5}",
            PricingQuantity=f"{number + 1}.5",
            PricingUnit="Hours",
            Tags='{"Team": "Fraud"}' if number % 2 else '{"user:team": "fraud"}',
        )
        for number, day in enumerate(month.days)
        for hour in (3, 13)
    ]
    end = month.end
    fee = {
        "ChargePeriodStart": at(first),
        "ChargePeriodEnd": at(end),
        "BillingPeriodStart": at(first),
    }
    rows += [
        focus("9", **fee, ChargeCategory="Purchase", ChargeFrequency="Recurring"),
        focus("-0.3", **fee, ChargeCategory="Credit", ChargeClass="Correction"),
        focus("1e-7", **fee, ServiceName="Dust"),
        focus("2", **fee, ServiceName="", ChargeCategory="Tax", EffectiveCost="", SubAccountId=""),
        focus("5", **{**fee, "ChargePeriodStart": at(first - timedelta(days=9))}),
        focus("1", **fee, SubAccountId="/SUBSCRIPTIONS/A", EffectiveCost=""),
    ]
    columns = dict.fromkeys(one for row in rows for one in row)
    return [{name: row.get(name, "") for name in columns} for row in rows]


def cur_rows(month: Month) -> list[Row]:
    """Every kind of line item of a commitment, and usage with quantities."""
    usage = {"line_item_usage_type": "BoxUsage", "line_item_usage_amount": "2.5"}
    rows = [
        *commitments(),
        *(
            cur(
                "Usage",
                f"{day.day}.25",
                line_item_usage_start_date=f"{day}T05:00:00.000Z",
                line_item_usage_end_date=f"{day}T06:00:00.000Z",
                pricing_public_on_demand_cost="9.5",
                line_item_net_unblended_cost=f"{day.day}",
                **usage,
            )
            for day in month.days
        ),
    ]
    moved = f"{month.first}T00:00:00.000Z"
    rows = [{**row, "bill_billing_period_start_date": moved} for row in rows]
    columns = dict.fromkeys(one for row in rows for one in row)
    return [{name: row.get(name, "") for name in columns} for row in rows]


FOCUS_TYPES = {
    **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "PricingQuantity"), "DOUBLE"),
    **dict.fromkeys(("BillingPeriodStart", "BillingPeriodEnd"), "TIMESTAMP"),
    **dict.fromkeys(("ChargePeriodStart", "ChargePeriodEnd"), "TIMESTAMP"),
}
EXACT = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost"), "DECIMAL(20,10)")
CUR_TYPES = {
    **dict.fromkeys(("line_item_unblended_cost", "line_item_usage_amount"), "DOUBLE"),
    **dict.fromkeys(("bill_billing_period_start_date", "line_item_usage_end_date"), "TIMESTAMP"),
    "line_item_usage_start_date": "TIMESTAMP",
}
AS_MAP = "MAP(VARCHAR, VARCHAR)"


def parquet(path: Path, rows: Sequence[Row], types: dict[str, str], tags: str = "") -> bytes:
    source = write(path / "rows.csv", rows)

    def cell(name: str) -> str:
        if name == tags:
            return f'CAST(TRY_CAST("{name}" AS JSON) AS {AS_MAP}) AS "{name}"'
        return f'CAST("{name}" AS {types[name]}) AS "{name}"' if name in types else f'"{name}"'

    cells = ", ".join(map(cell, rows[0]))
    made = path / "rows.parquet"
    duckdb.execute(
        f"COPY (SELECT {cells} FROM read_csv('{source}', all_varchar = true))"
        f" TO '{made}' (FORMAT parquet)"
    )
    return made.read_bytes()


def focus_parquet(path: Path, month: Month) -> tuple[str, bytes]:
    return ".parquet", parquet(path, focus_rows(month), FOCUS_TYPES, "Tags")


def focus_exact(path: Path, month: Month) -> tuple[str, bytes]:
    return ".parquet", parquet(path, focus_rows(month), FOCUS_TYPES | EXACT)


def focus_texts(path: Path, month: Month) -> tuple[str, bytes]:
    return ".parquet", parquet(path, focus_rows(month), {})


def focus_csv(path: Path, month: Month) -> tuple[str, bytes]:
    return ".csv.gz", write(path / "rows.csv.gz", focus_rows(month)).read_bytes()


def cur_parquet(path: Path, month: Month) -> tuple[str, bytes]:
    return ".parquet", parquet(path, cur_rows(month), CUR_TYPES, "resource_tags")


FAMILIES = [focus_parquet, focus_exact, focus_texts, focus_csv, cur_parquet]
Family = Callable[[Path, Month], tuple[str, bytes]]


def deliver(s3: Any, folder: Path, family: Family = focus_parquet) -> None:
    """An export of two months, as AWS Data Exports writes it."""
    for month in (OCTOBER.plus(-1), OCTOBER):
        suffix, content = family(folder, month)
        key = f"focus/data/BILLING_PERIOD={month}/part-0{suffix}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def fake_of(s3: Any) -> FakeAthena:
    return FakeAthena(s3, {EXPORT: "focus"})


SETTINGS = parse(
    """
linked_accounts: [{id: "222222222222", business_unit: Payments}]
tag_rules: [{tag: team, values: [fraud], business_unit: Risk}]
budgets: {Payments: {monthly_target: 100}, Risk: {monthly_target: 50}}
"""
)
RULES = (
    TagRule(key="team", values=("fraud",), ownership=Ownership(business_unit="Risk")),
    TagRule(
        key="TEAM", values=("FRAUD",), ownership=Ownership(business_unit="Any"), ignore_case=True
    ),
)
KEYS = (
    *(TagKey(key="team"), TagKey(key="TEAM", ignore_case=True)),
    *(TagKey(key="no such tag"), TagKey(key="'\"$[0].*\\")),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_report_is_the_same_whatever_has_read_the_export(
    s3: Any, tmp_path: Path, family: Family
) -> None:
    deliver(s3, tmp_path, family)
    engine = engines(s3, fake_of(s3), tmp_path / "scratch")
    documents, charges = [], []
    for by_athena in (False, True):
        source = engine.source([EXPORT], MONTHS, by_athena=by_athena)
        made = reconciler([], source=source, configuration=SETTINGS)
        report = made.run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC), close=True).report
        documents.append(as_document(report))
        charges.append(asked(source))
    assert documents[0] == documents[1]
    assert charges[0] == charges[1]
    assert documents[0]["totals"]["actual"] != "0.00"


def asked(source: CostSource) -> list[Any]:
    """Every answer that a source gives, in an order of its own."""
    queries = [
        ChargeQuery(
            first=OCTOBER.first, end=OCTOBER.end, detail=detail, tag_rules=RULES, tag_keys=KEYS
        )
        for detail in Detail
    ]
    tagged = [
        TagQuery(month=OCTOBER, key=key, metric=metric)
        for key in KEYS
        for metric in (Metric.BILLED, Metric.AMORTIZED)
    ]
    return [
        source.name,
        [sorted(map(repr, source.charges(one))) for one in queries],
        [source.known_until(OCTOBER, date(2026, 10, day)) for day in (2, 15, 31)],
        source.control_totals(OCTOBER),
        source.committed_costs(OCTOBER),
        [sorted(map(repr, source.tagged_costs(one) or ())) for one in tagged],
        [source.price_effects(OCTOBER, metric) for metric in (Metric.BILLED, Metric.AMORTIZED)],
        [source.lacks(metric, OCTOBER) for metric in Metric],
        source.notes,
    ]


def test_a_report_asks_three_things_and_another_run_pays_nothing(s3: Any, tmp_path: Path) -> None:
    """Also after a run that was killed between its questions."""
    deliver(s3, tmp_path)
    fake = fake_of(s3)
    first = engines(s3, fake, tmp_path / "first")
    before = asked(first.source([EXPORT], MONTHS, by_athena=True))
    paid = first.athena.usage
    assert (paid.queries, paid.bytes_scanned > 0) == (3, True)
    # A query is charged for 10 MB at least.
    assert paid.cost_usd == 3 * 10 * 2**20 * Decimal(5) / 2**40
    second = engines(s3, fake, tmp_path / "second")
    assert asked(second.source([EXPORT], MONTHS, by_athena=True)) == before
    assert second.athena.usage.document() == {
        "queries": 0,
        "reused": 4,
        "bytes_scanned": 0,
        "cost_usd": "0.000000",
    }
    deliver(s3, tmp_path, focus_exact)  # a new delivery is another question
    third = engines(s3, fake, tmp_path / "third")
    asked(third.source([EXPORT], MONTHS, by_athena=True))
    assert third.athena.usage.queries == 3


@pytest.mark.parametrize("gone", ["query", "result"])
def test_what_athena_or_the_bucket_has_forgotten_is_asked_again(
    s3: Any, tmp_path: Path, gone: str
) -> None:
    deliver(s3, tmp_path)
    fake = fake_of(s3)
    assert athena(s3, fake).unload(SELECT, version="1", folder=tmp_path / "a")
    if gone == "query":
        fake.forget()
    else:
        s3.delete_object(Bucket=BUCKET, Key="results/query-1-manifest.csv")
    again = athena(s3, fake)
    assert again.unload(SELECT, version="1", folder=tmp_path / "b")
    assert (again.usage.queries, again.usage.reused) == (1, 0)


def test_a_run_waits_for_the_query_of_one_that_was_killed(s3: Any, tmp_path: Path) -> None:
    deliver(s3, tmp_path)
    fake, naps = fake_of(s3), list[float]()
    fake.runs_for = 3
    moments = iter(range(0, 10_000, 400))
    killed = athena(s3, fake, sleep=naps.append, clock=lambda: float(next(moments)))
    with pytest.raises(TransientFailure, match="still runs") as raised:
        killed.unload(SELECT, version="1", folder=tmp_path / "a")
    assert raised.value.code == "query_still_runs"
    later = athena(s3, fake, sleep=naps.append)
    [path] = later.unload(SELECT, version="1", folder=tmp_path / "b")
    assert duckdb.execute(f"FROM '{path}'").fetchall() == [(68,)]
    assert (len(fake.started), later.usage.reused, later.usage.bytes_scanned) == (1, 1, 0)


def test_a_query_above_the_limit_is_told_and_not_paid_again(s3: Any, tmp_path: Path) -> None:
    deliver(s3, tmp_path)
    fake = fake_of(s3)
    fake.limit = 1
    select = 'SELECT sum("billedcost") AS billed FROM "focus"'
    for started in (1, 1):
        with pytest.raises(ConfigurationError, match="scanned the 100 GB") as raised:
            athena(s3, fake).unload(select, version="1", folder=tmp_path)
        assert (raised.value.code, len(fake.started)) == ("scan_limit", started)
    assert "most_gb_scanned" in raised.value.remedy
    fake.limit = None
    raised_limit = athena(s3, fake, most_gb_scanned=Decimal(200))
    assert raised_limit.unload(select, version="1", folder=tmp_path)


@pytest.mark.parametrize(
    ("state", "error", "kind"),
    [
        ("FAILED", {"ErrorCategory": 2}, ConfigurationError),
        ("FAILED", {"ErrorCategory": 1}, TransientFailure),
        ("FAILED", {"ErrorCategory": 3, "Retryable": True}, TransientFailure),
        ("CANCELLED", {}, TransientFailure),
    ],
)
def test_a_query_that_ends_without_an_answer_is_told_counted_and_started_anew(
    s3: Any, tmp_path: Path, state: str, error: dict[str, Any], kind: type[Exception]
) -> None:
    """https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html."""
    deliver(s3, tmp_path)
    fake = fake_of(s3)
    status = {"State": state, "StateChangeReason": "HIVE_BAD_DATA: x", "AthenaError": error}
    fake.outcome = {"Status": status, "Statistics": {"DataScannedInBytes": 2**30}}
    one = athena(s3, fake)
    with pytest.raises(kind, match="HIVE_BAD_DATA"):
        one.unload(SELECT, version="1", folder=tmp_path)
    assert one.usage.bytes_scanned == 2**30
    # What is cancelled is paid, what fails is not: https://aws.amazon.com/athena/pricing/
    assert one.usage.cost_usd == (Decimal(5) / 1024 if state == "CANCELLED" else 0)
    fake.outcome = None
    assert athena(s3, fake).unload(SELECT, version="1", folder=tmp_path)
    assert len(fake.started) == 2


def test_sums_that_do_not_fit_on_the_disk_are_told(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    deliver(s3, tmp_path)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ConfigurationError, match="do not fit on the disk"):
        athena(s3, fake_of(s3)).unload(SELECT, version="1", folder=tmp_path / "a")


def test_a_throttled_call_is_tried_later(s3: Any, tmp_path: Path) -> None:
    class Throttled(FakeAthena):
        def start_query_execution(self, **request: Any) -> Any:
            raise refused("TooManyRequestsException", "StartQueryExecution")

    with pytest.raises(TransientFailure, match="TooManyRequests"):
        athena(s3, Throttled(s3, {})).unload(SELECT, version="1", folder=tmp_path)


def test_a_statement_that_is_too_long_is_not_sent(s3: Any, tmp_path: Path) -> None:
    fake = fake_of(s3)
    with pytest.raises(RejectedInput, match="262,144"):
        athena(s3, fake).unload("x" * 262_144, version="1", folder=tmp_path)
    assert not fake.started


def test_a_query_without_rows_has_no_files(s3: Any, tmp_path: Path) -> None:
    deliver(s3, tmp_path)
    none = f"{SELECT} HAVING count(*) < 0"
    assert athena(s3, fake_of(s3)).unload(none, version="1", folder=tmp_path) == []


def test_an_export_that_is_delivered_while_it_is_read_is_read_again(
    s3: Any, tmp_path: Path
) -> None:
    class Meanwhile(FakeAthena):
        def start_query_execution(self, **request: Any) -> Any:
            answer = super().start_query_execution(**request)
            if len(self.started) == 1:
                deliver(s3, tmp_path, focus_exact)
            return answer

    deliver(s3, tmp_path)
    fake = Meanwhile(s3, {EXPORT: "focus"})
    engine = engines(s3, fake, tmp_path / "scratch")
    with pytest.raises(TransientFailure, match="delivered anew"):
        asked(engine.source([EXPORT], MONTHS, by_athena=True))
    assert asked(engine.source([EXPORT], MONTHS, by_athena=True))


def test_files_that_do_not_count_are_not_read(s3: Any, tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html."""
    folder, old, new = (
        "focus/data/BILLING_PERIOD=2026-10",
        "2026-11-01T00:00:00Z-1",
        "2026-11-02T00:00:00Z-2",
    )
    _, content = focus_parquet(tmp_path, OCTOBER)
    for run in (old, new):
        key = f"{folder}/{run}/e.parquet"
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        manifest = f'{{"dataFiles": ["s3://{BUCKET}/{key}"]}}'.encode()
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/{run}/e-Manifest.json", Body=manifest)
    fake = FakeAthena(s3, {EXPORT: "focus"})
    engine = engines(s3, fake, tmp_path / "scratch")
    answers = [
        asked(engine.source([EXPORT], MONTHS, by_athena=by_athena)) for by_athena in (False, True)
    ]
    assert answers[0] == answers[1]
    assert "1 of 2 files belong to older or unfinished deliveries" in answers[1][-1][0]
    started = len(fake.started)
    source = engine.source([EXPORT], MONTHS, by_athena=True)
    assert source.control_totals(OCTOBER.plus(-1)) == []  # without a file, nothing is asked
    assert source.price_effects(OCTOBER.plus(-3), Metric.BILLED) == []
    assert len(fake.started) == started + 1


class TestChoice:
    """`costs.athena.engine`, by what counts of the export."""

    @pytest.mark.parametrize(
        ("changed", "queries"),
        [
            ({}, 0),
            ({"from_mb": Decimal("0.0001")}, 1),
            ({"engine": "athena"}, 1),
            ({"engine": "function", "from_mb": Decimal(0)}, 0),
            ({"engine": "athena", "tables": {}}, 0),
        ],
    )
    def test_the_engine_follows_the_size(
        self, s3: Any, tmp_path: Path, changed: dict[str, Any], queries: int
    ) -> None:
        deliver(s3, tmp_path)
        fake = fake_of(s3)
        engine = engines(s3, fake, tmp_path / "scratch", **changed)
        source = engine.source([EXPORT], MONTHS, by_athena=False)
        assert list(
            source.charges(ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.MONTHS))
        )
        assert len(fake.started) == queries
        assert engine.asked_athena == bool(queries)

    def test_without_a_table_or_a_deployment_athena_is_refused(
        self, s3: Any, tmp_path: Path
    ) -> None:
        deliver(s3, tmp_path)
        engine = engines(s3, fake_of(s3), tmp_path / "scratch", tables={})
        with pytest.raises(RejectedInput, match="Athena has no table of"):
            engine.source([EXPORT], MONTHS, by_athena=True)
        with pytest.raises(RejectedInput, match="has no Athena"):
            replace(engine, settings=None).source([EXPORT], MONTHS, by_athena=True)


class TestTable:
    def test_files_outside_the_folders_of_periods_are_refused(
        self, s3: Any, tmp_path: Path
    ) -> None:
        deliver(s3, tmp_path)
        s3.copy_object(Bucket=BUCKET, Key="focus/data/a.parquet", CopySource=f"{BUCKET}/{KEY}")
        with pytest.raises(ConfigurationError, match="no partition for"):
            engines(s3, fake_of(s3), tmp_path / "s").source([EXPORT], MONTHS, by_athena=True)

    def test_folders_in_other_letters_are_refused(self, s3: Any, tmp_path: Path) -> None:
        """Athena would find nothing in them."""
        deliver(s3, tmp_path)
        lower = KEY.replace("BILLING_PERIOD", "billing_period")
        s3.copy_object(Bucket=BUCKET, Key=lower, CopySource=f"{BUCKET}/{KEY}")
        with pytest.raises(ConfigurationError, match="no partition for"):
            engines(s3, fake_of(s3), tmp_path / "s").source([EXPORT], MONTHS, by_athena=True)

    def test_a_type_that_is_not_the_files_is_told_before_a_query_is_paid(
        self, s3: Any, tmp_path: Path
    ) -> None:
        deliver(s3, tmp_path)
        fake = fake_of(s3)
        fake.declared = {"billedcost": "decimal(20,10)"}
        with pytest.raises(ConfigurationError, match=r"billedcost is DOUBLE in s3://.*2026-10"):
            engines(s3, fake, tmp_path / "s").source([EXPORT], MONTHS, by_athena=True)
        assert not fake.started

    def test_a_column_that_no_file_has_is_lacking(self, s3: Any, tmp_path: Path) -> None:
        deliver(s3, tmp_path)
        fake = fake_of(s3)
        fake.declared = {"x_discounts": "double"}
        source = engines(s3, fake, tmp_path / "s").source([EXPORT], MONTHS, by_athena=True)
        assert asked(source) == asked(
            engines(s3, fake_of(s3), tmp_path / "t").source([EXPORT], MONTHS, by_athena=False)
        )

    def test_a_csv_file_whose_header_is_another_is_refused(self, s3: Any, tmp_path: Path) -> None:
        deliver(s3, tmp_path, focus_csv)
        rows = [dict(reversed(list(row.items()))) for row in focus_rows(OCTOBER)]
        content = write(tmp_path / "other.csv.gz", rows).read_bytes()
        key = KEY.replace("part-0.parquet", "part-1.csv.gz")
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        with pytest.raises(ConfigurationError, match="is not that of Athena's table"):
            engines(s3, fake_of(s3), tmp_path / "s").source([EXPORT], MONTHS, by_athena=True)

    def test_a_date_that_is_none_is_refused(self, s3: Any, tmp_path: Path) -> None:
        rows = [focus("1", ChargePeriodStart="10/1/26")]
        content = write(tmp_path / "a.csv", rows).read_bytes()
        s3.put_object(Bucket=BUCKET, Key=KEY.replace("parquet", "csv"), Body=content)
        engine = engines(s3, fake_of(s3), tmp_path / "s")
        with pytest.raises(RejectedInput, match="10/1/26"):
            asked(engine.source([EXPORT], MONTHS, by_athena=True))


def test_two_exports_of_one_payer_are_refused(s3: Any, tmp_path: Path) -> None:
    deliver(s3, tmp_path)
    other = f"s3://{BUCKET}/again/data"
    for month in (OCTOBER.plus(-1), OCTOBER):
        key = f"data/BILLING_PERIOD={month}/part-0.parquet"
        s3.copy_object(Bucket=BUCKET, Key=f"again/{key}", CopySource=f"{BUCKET}/focus/{key}")
    tables = {EXPORT: "focus", other: "again"}
    engine = engines(s3, FakeAthena(s3, tables), tmp_path / "s", tables=tables)
    with pytest.raises(RejectedInput, match="would count twice"):
        asked(engine.source([EXPORT, other], MONTHS, by_athena=True))
