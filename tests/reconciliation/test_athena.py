"""Exports by Athena: equal to what this process reads itself, paid once, and capped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from finops.reconciliation.mapping import Ownership, TagRule
from finops.reconciliation.ports import ChargeQuery, CostSource, Detail
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
KEY = "focus/data/BILLING_PERIOD=2026-10/part-0"


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

    rows = []
    for number, day in enumerate(month.days):
        for hour in (3, 13):
            rows.append(
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
            )
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
        focus("2", **fee, ServiceName="", ChargeCategory="Tax", SubAccountId=""),
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
        ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=detail, tag_rules=RULES)
        for detail in Detail
    ]
    return [
        source.name,
        [sorted(map(repr, source.charges(one))) for one in queries],
        [source.known_until(OCTOBER, date(2026, 10, day)) for day in (2, 15, 31)],
        source.control_totals(OCTOBER),
        source.committed_costs(OCTOBER),
        [source.price_effects(OCTOBER, metric) for metric in (Metric.BILLED, Metric.AMORTIZED)],
        [source.lacks(metric, OCTOBER) for metric in Metric],
        source.notes,
    ]
