"""FOCUS and CUR exports: sums, categories, amortized costs, tags, and what cannot be read."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.configuration import parse
from finops.reconciliation.domain import UNMAPPED, ChargeCategory, Metric, UnitStatus
from finops.reconciliation.mapping import Ownership, TagRule, allocate
from finops.reconciliation.ports import ChargeQuery, Detail
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.money import total
from finops.shared.periods import Month, days_between
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER, reconciler


def query(detail: Detail = Detail.MONTHS, **facts: object) -> ChargeQuery:
    return ChargeQuery(
        first=OCTOBER.first,
        end=OCTOBER.end,
        detail=detail,
        **facts,  # type: ignore[arg-type]
    )


def test_sums_a_gzipped_csv_exactly_by_invoice_and_category(tmp_path: Path) -> None:
    rows = [
        focus("0.1"),
        focus("0.2", ChargePeriodStart="2026-10-31T23:00:00Z"),
        focus("1e-7", ServiceName="Dust"),
        focus("-0.3", ChargeCategory="Credit", ChargeClass="Correction", EffectiveCost="0"),
        focus("5", SubAccountId="", BillingPeriodStart="2026-09-01 00:00:00"),
    ]
    source = ExportedCosts([write(tmp_path / "focus.csv.gz", rows)])
    found = {(one.service, one.category): one for one in source.charges(query())}
    assert {key: one.billed.normalize() for key, one in found.items()} == {
        ("Amazon EC2", ChargeCategory.USAGE): Decimal("0.3"),
        ("Dust", ChargeCategory.USAGE): Decimal("1E-7"),
        ("Amazon EC2", ChargeCategory.REFUND): Decimal("-0.3"),
    }
    one = found["Amazon EC2", ChargeCategory.USAGE]
    assert (one.payer_account, one.linked_account, one.invoice_id, one.period_start) == (
        "111111111111",
        "222222222222",
        "INV-1",
        OCTOBER.first,
    )
    assert source.known_until(OCTOBER, date(2026, 11, 20)) == date(2026, 11, 1)
    [control] = source.control_totals(OCTOBER)
    assert control.amount == Decimal("1E-7")


MONTHLY = {
    "ChargePeriodStart": "2026-10-01 00:00:00",
    "ChargePeriodEnd": "2026-11-01 00:00:00",
    "ChargeFrequency": "Recurring",
    "ChargeCategory": "Purchase",
}
NEXT = {
    "BillingPeriodStart": "2026-11-01 00:00:00",
    "ChargePeriodStart": "2026-11-01 00:00:00",
    "ChargePeriodEnd": "2026-11-01 01:00:00",
    "ChargeFrequency": "Usage-Based",
}


def october(last: int) -> list[Row]:
    """Two charges a day, from the first to some day of October."""
    return [
        focus(
            "1",
            ChargePeriodStart=f"2026-10-{day:02} {hour:02}:00:00",
            ChargePeriodEnd=f"2026-10-{day:02} {hour + 1:02}:00:00",
            ChargeFrequency="Usage-Based",
        )
        for day in range(1, last + 1)
        for hour in (3, 13)
    ]


AHEAD = focus(
    "1",
    ChargePeriodStart="2026-10-31 00:00:00",
    ChargePeriodEnd="2026-10-31 01:00:00",
    ChargeFrequency="Usage-Based",
)
FEE = focus("9", **MONTHLY)


def september(last: int) -> list[Row]:
    """The same of September."""
    return [
        {
            **row,
            "BillingPeriodStart": "2026-09-01 00:00:00",
            "BillingPeriodEnd": "2026-10-01 00:00:00",
            "ChargePeriodStart": row["ChargePeriodStart"].replace("-10-", "-09-"),
            "ChargePeriodEnd": row["ChargePeriodEnd"].replace("-10-", "-09-"),
        }
        for row in october(last)
    ]


@pytest.mark.parametrize(
    ("rows", "delivered", "today", "until"),
    [
        pytest.param(october(20), "2026-10-22", "2026-10-22", "2026-10-21", id="runs"),
        pytest.param([*october(20), AHEAD], "2026-10-22", "2026-10-22", "2026-10-21", id="ahead"),
        pytest.param(
            [*(12 * october(20)), AHEAD], "2026-11-01", "2026-11-01", "2026-10-21", id="one ahead"
        ),
        pytest.param([*october(20), FEE], "2026-10-22", "2026-10-22", "2026-10-21", id="a fee"),
        pytest.param([FEE], "2026-10-22", "2026-10-24", "2026-10-22", id="monthly only"),
        pytest.param([FEE], "2026-11-20", "2026-11-20", "2026-11-01", id="monthly only, over"),
        pytest.param(october(27), "2026-11-02", "2026-11-20", "2026-11-01", id="quiet end"),
        pytest.param(october(27), "2026-10-29", "2026-11-20", "2026-10-28", id="old delivery"),
        pytest.param(
            [*october(27), focus("1", **NEXT)], "2026-11-01", "2026-11-01", "2026-11-01", id="next"
        ),
        pytest.param([focus("1", **NEXT)], "2026-11-20", "2026-11-20", "2026-10-01", id="nothing"),
        pytest.param(
            [*(2 * october(8)), *october(14)], "2026-10-15", "2026-10-15", "2026-10-15", id="less"
        ),
        pytest.param(
            [FEE, *september(30)], "2026-10-03", "2026-10-03", "2026-10-01", id="usage is late"
        ),
        pytest.param(
            [FEE, *september(30)], "2026-10-20", "2026-10-21", "2026-10-18", id="usage ended"
        ),
        pytest.param(
            [FEE, *september(20)], "2026-10-03", "2026-10-03", "2026-10-03", id="ended before"
        ),
    ],
)
def test_costs_are_known_by_daily_charges_and_by_the_delivery(
    tmp_path: Path, rows: list[Row], delivered: str, today: str, until: str
) -> None:
    columns = dict.fromkeys(key for row in rows for key in row)
    path = tmp_path / "f.csv"
    write(path, [{**dict.fromkeys(columns, ""), **row} for row in rows], delivered=delivered)
    known = ExportedCosts([path]).known_until(OCTOBER, date.fromisoformat(today))
    assert known == date.fromisoformat(until)


def test_a_charge_without_sub_account_is_the_payers(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", [focus("5", SubAccountId="NULL")])
    [found] = ExportedCosts([path]).charges(query())
    assert found.linked_account == "111111111111"


def test_days_are_of_the_billing_period_and_agree_with_months(tmp_path: Path) -> None:
    rows = [
        focus("1", ChargePeriodStart="2026-09-28 00:00:00"),
        focus("2"),
        focus("4", ChargePeriodStart="2026-11-02 00:00:00"),
        focus("8", ChargeCategory="Tax"),
    ]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    daily = {
        one.period_start: (one.billed, one.linked_account, one.service)
        for one in source.charges(query(Detail.ACCOUNT_DAYS))
    }
    assert daily == {
        date(2026, 10, 1): (Decimal(1), "222222222222", ""),
        date(2026, 10, 5): (Decimal(2), "222222222222", ""),
        date(2026, 10, 31): (Decimal(4), "222222222222", ""),
    }
    by_service = list(source.charges(query(Detail.SERVICE_DAYS, accounts=("222222222222",))))
    assert total(one.billed for one in by_service) == 7
    assert {one.linked_account for one in by_service} == {""}


def test_tag_rules_tell_charges_apart_in_csv_and_in_parquet(tmp_path: Path) -> None:
    rules = (
        TagRule(key="team", values=("fraud", "risk"), ownership=Ownership(business_unit="R")),
        TagRule(key="env: it's", values=("prod",), ownership=Ownership(business_unit="P")),
    )
    rows = [
        focus("1"),
        focus("2", Tags='{"team": "web", "env: it\'s": "prod"}'),
        focus("4", Tags="NULL"),
        focus("8", Tags=""),
    ]
    path = write(tmp_path / "f.csv", rows)
    parquet = tmp_path / "parquet" / "f.parquet"
    parquet.parent.mkdir()
    duckdb.execute(
        "COPY (SELECT * REPLACE (CAST(BilledCost AS DOUBLE) AS BilledCost,"
        " CAST(json_transform(Tags, '\"MAP(VARCHAR, VARCHAR)\"')"
        " AS MAP(VARCHAR, VARCHAR)) AS Tags)"
        f" FROM read_csv('{path}', all_varchar = true, nullstr = ['', 'NULL']))"
        f" TO '{parquet}' (FORMAT parquet)"
    )
    for one in (path, parquet.parent):
        found = ExportedCosts([one]).charges(query(tag_rules=rules))
        assert {each.tag_rule: each.billed for each in found} == {
            1: 1,
            2: 2,
            0: 12,
        }


def test_doubles_in_parquet_are_the_decimals_that_they_were(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT '1' AS BillingAccountId, 'S3' AS ServiceName,"
        " TIMESTAMP '2026-10-01' AS BillingPeriodStart,"
        " TIMESTAMP '2026-10-02' AS ChargePeriodStart,"
        " 'Usage' AS ChargeCategory, CAST(0.1 AS DOUBLE) AS BilledCost, 'USD' AS BillingCurrency"
        f" FROM range(1000)) TO '{tmp_path / 'f.parquet'}' (FORMAT parquet)"
    )
    [found] = ExportedCosts([tmp_path]).charges(query())
    assert found.billed == 100
    assert found.amortized == 100


def cur(item: str, cost: str, **cells: str) -> Row:
    """A row of a CUR 2.0 export of October 2026, with the columns of commitments."""
    return {
        "bill_payer_account_id": "111111111111",
        "bill_invoice_id": "42",
        "bill_billing_period_start_date": "2026-10-01T00:00:00.000Z",
        "line_item_usage_account_id": "222222222222",
        "line_item_usage_start_date": "2026-10-03T00:00:00.000Z",
        "line_item_line_item_type": item,
        "line_item_product_code": "AmazonEC2",
        "product_servicecode": "",
        "line_item_unblended_cost": cost,
        "line_item_currency_code": "USD",
        "resource_tags": "",
        "savings_plan_savings_plan_effective_cost": "",
        "savings_plan_total_commitment_to_date": "",
        "savings_plan_used_commitment": "",
        "savings_plan_savings_plan_a_r_n": "",
        "reservation_effective_cost": "",
        "reservation_unused_amortized_upfront_fee_for_billing_period": "",
        "reservation_unused_recurring_fee": "",
        "reservation_reservation_a_r_n": "",
        **cells,
    }


def commitments() -> list[Row]:
    """Savings Plans and reservations, one of each kind of line item, and a refunded purchase."""
    plan = {"line_item_product_code": "ComputeSavingsPlans"}
    team = {"resource_tags": '{"user_team": "fraud"}'}
    return [
        cur("Usage", "1550", **team),
        cur(
            "SavingsPlanCoveredUsage",
            "1240",
            savings_plan_savings_plan_effective_cost="806",
            **team,
        ),
        cur("SavingsPlanNegation", "-1240", **team),
        cur(
            "SavingsPlanRecurringFee",
            "930",
            savings_plan_total_commitment_to_date="930",
            savings_plan_used_commitment="806",
            **plan,
        ),
        cur("SavingsPlanUpfrontFee", "5000", savings_plan_savings_plan_a_r_n="arn:sp:2", **plan),
        cur("Refund", "-5000", savings_plan_savings_plan_a_r_n="arn:sp:2", **plan),
        cur("Refund", "-7000", **plan),
        cur("Refund", "-20"),
        cur("DiscountedUsage", "0", reservation_effective_cost="372"),
        cur("Fee", "3650", reservation_reservation_a_r_n="arn:ri:2"),
        cur("Refund", "-3650", reservation_reservation_a_r_n="arn:ri:2"),
        cur("Fee", "100", line_item_product_code="AWSSupportBusiness"),
        cur(
            "RIFee",
            "310",
            reservation_unused_amortized_upfront_fee_for_billing_period="1",
            reservation_unused_recurring_fee="2",
        ),
        cur("Tax", "123.45", line_item_product_code=""),
    ]


def test_cur_is_amortized_by_awss_own_rule_and_refunds_of_upfront_fees_are_spread_too(
    tmp_path: Path,
) -> None:
    source = ExportedCosts([write(tmp_path / "cur.csv.gz", commitments())])
    charges = list(source.charges(query()))
    assert total(one.billed for one in charges) == Decimal("-4006.55")
    assert total(one.amortized for one in charges) == (
        1550 + 806 + (930 - 806) - 20 + 372 + 100 + (1 + 2) + Decimal("123.45")
    )
    categories = {"Usage", "Purchase", "Tax", "Refund"}
    assert {one.category.value for one in charges} == categories
    assert source.name == "CUR 2.0 export (1 file)"
    assert {one.invoice_id for one in charges} == {"42"}
    assert not source.lacks(Metric.AMORTIZED, OCTOBER)


@pytest.mark.parametrize("kind", ["focus", "cur"])
def test_a_running_months_forecast_has_usage_and_the_fees_of_each_day(
    tmp_path: Path, kind: str
) -> None:
    """100 of usage and 100 of a Savings Plan's fee a day, from September to 15 November."""
    rows: list[Row] = []
    for day in days_between(date(2026, 9, 1), date(2026, 11, 16)):
        start, end = f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"
        first = Month.of(day).first
        if kind == "cur":
            cells = {
                "bill_billing_period_start_date": f"{first}T00:00:00Z",
                "line_item_usage_start_date": start,
                "line_item_usage_end_date": end,
            }
            rows += [cur("Usage", "100", **cells), cur("SavingsPlanRecurringFee", "100", **cells)]
            continue
        cells = {
            "BillingPeriodStart": f"{first}T00:00:00Z",
            "ChargePeriodStart": start,
            "ChargePeriodEnd": end,
        }
        rows += [
            focus("100", ChargeFrequency="Usage-Based", **cells),
            focus("100", ChargeFrequency="Recurring", ChargeCategory="Purchase", **cells),
        ]
    path = write(tmp_path / "f.csv", rows, delivered="2026-11-16")
    settings = parse(
        """
linked_accounts: [{id: "222222222222", business_unit: A}]
budgets: {A: {monthly_target: 5000}}
"""
    )
    report = (
        reconciler([], source=ExportedCosts([path]), configuration=settings)
        .run(Month.parse("2026-11"), now=datetime(2026, 11, 16, 9, tzinfo=UTC))
        .report
    )
    [unit] = report.units
    assert (str(unit.actual), str(unit.forecast), unit.status) == (
        "3000.00",
        "6000.00",
        UnitStatus.OVERRUN,
    )
    assert report.known_until == date(2026, 11, 16)


def usage(day: date, month: Month, cost: str = "100") -> Row:
    return focus(
        cost,
        BillingPeriodStart=f"{month.first}T00:00:00Z",
        ChargePeriodStart=f"{day}T00:00:00Z",
        ChargePeriodEnd=f"{day + timedelta(days=1)}T00:00:00Z",
    )


def test_corrections_of_earlier_months_are_no_anomaly_of_the_first_day(tmp_path: Path) -> None:
    rows = [usage(day, Month.of(day)) for day in days_between(date(2026, 8, 1), date(2026, 11, 1))]
    rows += [usage(day, OCTOBER, "40") for day in days_between(date(2026, 9, 5), date(2026, 9, 25))]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    report = (
        reconciler([], source=source).run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)).report
    )
    assert report.anomalies == ()
    assert str(report.totals.actual) == "3900.00"
    assert all(check.holds is not False for check in report.checks)


def test_billing_periods_from_mid_month_on_are_no_anomaly(tmp_path: Path) -> None:
    rows = [
        usage(day, Month.of(day - timedelta(days=14)))
        for day in days_between(date(2026, 7, 15), date(2026, 11, 15))
    ]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    report = (
        reconciler([], source=source).run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)).report
    )
    assert report.anomalies == ()
    assert str(report.totals.actual) == "3100.00"
    assert all(check.holds is not False for check in report.checks)


def test_a_service_is_named_by_the_first_column_that_its_row_fills(tmp_path: Path) -> None:
    rows = [*commitments(), cur("Usage", "9", product_servicecode="AmazonRDS")]
    charges = list(ExportedCosts([write(tmp_path / "cur.csv", rows)]).charges(query()))
    assert {one.service for one in charges} == {
        *("AmazonEC2", "ComputeSavingsPlans", "AWSSupportBusiness", "AmazonRDS", ""),
    }


@pytest.mark.parametrize(
    "left_out",
    [
        "savings_plan_used_commitment",
        "reservation_effective_cost",
        # Which fees are spread over the usage, and count in it.
        "reservation_reservation_a_r_n",
    ],
)
def test_amortized_cost_is_unknown_without_the_columns_of_commitments(
    tmp_path: Path, left_out: str
) -> None:
    def without(rows: list[Row]) -> list[Row]:
        return [{name: cell for name, cell in row.items() if name != left_out} for row in rows]

    source = ExportedCosts([write(tmp_path / "a" / "cur.csv", without(commitments()))])
    assert source.lacks(Metric.AMORTIZED, OCTOBER) == f"the column {left_out}"
    assert not source.lacks(Metric.BILLED, OCTOBER)
    assert not source.lacks(Metric.AMORTIZED, OCTOBER.plus(-1))
    rows = [cur("Usage", "1"), cur("Fee", "2")]
    plain = ExportedCosts([write(tmp_path / "b" / "cur.csv", without(rows))])
    assert not plain.lacks(Metric.AMORTIZED, OCTOBER)


def test_amortized_cost_of_focus_needs_its_effective_cost(tmp_path: Path) -> None:
    row = {name: cell for name, cell in focus("1").items() if name != "EffectiveCost"}
    source = ExportedCosts([write(tmp_path / "f.csv", [row])])
    assert source.lacks(Metric.AMORTIZED, OCTOBER) == "the column EffectiveCost"
    with pytest.raises(RejectedInput) as refused:
        reconciler([], source=source, configuration=parse("metric: amortized")).run(
            OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)
        )
    assert (refused.value.code, refused.value.field) == ("metric_unknown", "metric")


def test_net_costs_are_those_of_cur_and_the_billed_ones_where_no_discount_applies(
    tmp_path: Path,
) -> None:
    rows = [
        cur("Usage", "100", line_item_net_unblended_cost="90"),
        cur("Usage", "7", line_item_net_unblended_cost=""),
        # It is in the 90 already.
        cur("EdpDiscount", "-10", line_item_net_unblended_cost=""),
    ]
    source = ExportedCosts([write(tmp_path / "cur.csv", rows)])
    assert total(one.net or Decimal(0) for one in source.charges(query())) == 97
    assert not source.lacks(Metric.NET, OCTOBER)
    # No row is of a commitment.
    assert not source.lacks(Metric.NET_AMORTIZED, OCTOBER)
    assert total(one.net_amortized or Decimal(0) for one in source.charges(query())) == 97
    plain = ExportedCosts([write(tmp_path / "b" / "focus.csv", [focus("1")])])
    assert [one.net for one in plain.charges(query())] == [None]
    assert plain.lacks(Metric.NET, OCTOBER) == "the column line_item_net_unblended_cost"


def discounted() -> list[Row]:
    """A CUR of a payer with a discount of 10% on all but tax; the last plan has no own net fee."""
    nets = dict.fromkeys(
        (
            "line_item_net_unblended_cost",
            "savings_plan_net_savings_plan_effective_cost",
            "savings_plan_amortized_upfront_commitment_for_billing_period",
            "savings_plan_recurring_commitment_for_billing_period",
            "savings_plan_net_amortized_upfront_commitment_for_billing_period",
            "savings_plan_net_recurring_commitment_for_billing_period",
            "reservation_net_effective_cost",
            "reservation_net_unused_amortized_upfront_fee_for_billing_period",
            "reservation_net_unused_recurring_fee",
        ),
        "",
    )

    def row(item: str, cost: str, **cells: str) -> Row:
        return {**cur(item, cost), **nets, **cells}

    fee = {"savings_plan_total_commitment_to_date": "930", "savings_plan_used_commitment": "806"}
    return [
        row("Usage", "1550", line_item_net_unblended_cost="1395"),
        row(
            "SavingsPlanCoveredUsage",
            "1240",
            line_item_net_unblended_cost="1116",
            savings_plan_savings_plan_effective_cost="806",
            savings_plan_net_savings_plan_effective_cost="725.4",
        ),
        row("SavingsPlanNegation", "-1240", line_item_net_unblended_cost="-1116"),
        row(
            "SavingsPlanRecurringFee",
            "620",
            line_item_net_unblended_cost="558",
            savings_plan_amortized_upfront_commitment_for_billing_period="310",
            savings_plan_recurring_commitment_for_billing_period="620",
            savings_plan_net_amortized_upfront_commitment_for_billing_period="279",
            savings_plan_net_recurring_commitment_for_billing_period="558",
            **fee,
        ),
        row("SavingsPlanRecurringFee", "930", line_item_net_unblended_cost="930", **fee),
        row("SavingsPlanUpfrontFee", "3720", line_item_net_unblended_cost="3348"),
        row(
            "DiscountedUsage",
            "0",
            line_item_net_unblended_cost="0",
            reservation_effective_cost="372",
            reservation_net_effective_cost="334.8",
        ),
        row(
            "RIFee",
            "100",
            line_item_net_unblended_cost="90",
            reservation_unused_amortized_upfront_fee_for_billing_period="10",
            reservation_unused_recurring_fee="20",
            reservation_net_unused_amortized_upfront_fee_for_billing_period="9",
            reservation_net_unused_recurring_fee="18",
        ),
        row("EdpDiscount", "-600", line_item_net_unblended_cost="0"),
        row("Tax", "123.45", line_item_net_unblended_cost="123.45"),
    ]


@pytest.mark.parametrize("is_legacy", [False, True], ids=["CUR 2.0", "the legacy CUR"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_all_four_costs_of_a_cur_with_discounts(
    tmp_path: Path, is_legacy: bool, suffix: str
) -> None:
    rows = [{_legacy(name): cell for name, cell in row.items()} for row in discounted()]
    path = write(tmp_path / "cur.csv", rows if is_legacy else discounted())
    if suffix == "parquet":
        to = tmp_path / "p" / "cur.parquet"
        to.parent.mkdir()
        duckdb.execute(f"COPY (FROM read_csv('{path}')) TO '{to}'")
        path = to
    source = ExportedCosts([path])
    assert not any(source.lacks(metric, OCTOBER) for metric in Metric)
    sums = {metric: total(one.cost(metric) for one in source.charges(query())) for metric in Metric}
    assert sums == {
        Metric.BILLED: Decimal("6443.45"),
        # 1550 + 806 + 124 + 124 + 372 + 30 - 600 + 123.45
        Metric.AMORTIZED: Decimal("2529.45"),
        Metric.NET: Decimal("6444.45"),
        # 1395 + 725.4 + 111.6 + 124 + 334.8 + 27 + 0 + 123.45
        Metric.NET_AMORTIZED: Decimal("2841.25"),
    }


def _legacy(name: str) -> str:
    """As `lineItem/NetUnblendedCost`."""
    for group in ("line_item", "savings_plan", "reservation", "bill", "product", "resource_tags"):
        if name.startswith(f"{group}_"):
            first, *more = group.split("_")
            words = name.removeprefix(f"{group}_").split("_")
            return f"{first}{''.join(map(str.title, more))}/{''.join(map(str.title, words))}"
    return name


@pytest.mark.parametrize(
    "column",
    [
        "savings_plan_net_savings_plan_effective_cost",
        "savings_plan_net_recurring_commitment_for_billing_period",
        "reservation_net_unused_recurring_fee",
        "line_item_net_unblended_cost",
    ],
)
def test_net_amortized_cost_is_unknown_without_its_columns(tmp_path: Path, column: str) -> None:
    rows = [{name: cell for name, cell in row.items() if name != column} for row in discounted()]
    source = ExportedCosts([write(tmp_path / "cur.csv", rows)])
    assert source.lacks(Metric.NET_AMORTIZED, OCTOBER) == f"the column {column}"
    assert not source.lacks(Metric.AMORTIZED, OCTOBER)


def test_a_tag_rule_finds_its_key_as_cur_writes_it(tmp_path: Path) -> None:
    rules = (
        TagRule(key="CostCenter", values=("7",), ownership=Ownership(business_unit="C")),
        TagRule(key="team", values=("fraud",), ownership=Ownership(business_unit="F")),
        TagRule(key="aws:createdBy", values=("bot",), ownership=Ownership(business_unit="B")),
    )
    rows = [
        *commitments(),
        cur("Usage", "4", resource_tags='{"user_cost_center": "7", "user_team": "fraud"}'),
        cur("Usage", "2", resource_tags='{"aws_created_by": "bot"}'),
        cur("Usage", "8", resource_tags='{"user_team": "FRAUD"}'),
    ]
    found = ExportedCosts([write(tmp_path / "cur.csv", rows)]).charges(query(tag_rules=rules))
    sums: dict[int, Decimal] = {}
    for one in found:
        sums[one.tag_rule] = sums.get(one.tag_rule, Decimal(0)) + one.billed
    del sums[0]
    assert sums == {2: 1550, 1: 4, 3: 2}


def test_rules_whose_names_come_out_alike_are_two(tmp_path: Path) -> None:
    settings = parse(
        """
tag_rules:
  - {tag: team, values: ["a|b"], business_unit: X}
  - {tag: team, values: [a, b], business_unit: Y}
  - {tag: cost, values: ["x=y"], business_unit: X}
  - {tag: "cost=x", values: ["y"], business_unit: Y}
"""
    )
    tags = ({"team": "a|b"}, {"team": "a"}, {"cost": "x=y"}, {"cost=x": "y"}, {"team": "c"})
    rows = [focus(str(2**at), Tags=json.dumps(one)) for at, one in enumerate(tags)]
    path = write(tmp_path / "f.csv", rows)
    found = ExportedCosts([path]).charges(query(tag_rules=settings.mapping.tag_rules))
    units: Counter[str] = Counter()
    for one in allocate(found, settings.mapping, lambda charge: charge.billed):
        units[one.unit] += int(one.amount)
    assert units == {"X": 1 + 4, "Y": 2 + 8, UNMAPPED: 16}


def test_tags_are_compared_without_case_where_that_is_set(tmp_path: Path) -> None:
    rule = TagRule(
        key="Team", values=("Fraud",), ownership=Ownership(business_unit="F"), ignore_case=True
    )
    rows = [focus("1", Tags='{"team": "FRAUD"}'), focus("2", Tags='{"TEAM": "fraud"}'), focus("4")]
    path = write(tmp_path / "f.csv", [*rows, focus("8", Tags='{"team": "web"}')])
    for rules, expected in (((rule,), 7), ((replace(rule, ignore_case=False),), 0)):
        found = ExportedCosts([path]).charges(query(tag_rules=rules))
        assert total(one.billed for one in found if one.tag_rule) == expected


def test_rows_without_an_amortized_cost_are_told(tmp_path: Path) -> None:
    exports = {
        "focus.csv": [focus("5", EffectiveCost=""), focus("0", EffectiveCost=""), focus("1")],
        "cur.csv": [cur("SavingsPlanCoveredUsage", "5"), cur("Usage", "1"), *commitments()],
    }
    for name, rows in exports.items():
        source = ExportedCosts([write(tmp_path / name, rows)])
        source.control_totals(OCTOBER)
        assert source.notes == [
            "1 row of the export with a billed, but without an amortized cost, which counts as"
            " zero: 5 USD are billed for them."
        ]


def test_what_has_no_amortized_cost_breaks_a_check_and_taxes_have_their_billed_one(
    tmp_path: Path,
) -> None:
    rows = [
        *(focus("100", EffectiveCost="100"), focus("11", EffectiveCost="")),
        focus("20", ChargeCategory="Tax", EffectiveCost=""),
        focus("-3", ChargeCategory="Credit", EffectiveCost=""),
        focus("7", ChargeCategory="Tax", EffectiveCost="6"),
    ]
    path = write(tmp_path / "focus.csv", rows)
    for metric, expected in (("amortized", "123"), ("billed", "135")):
        settings = parse(f"metric: {metric}")
        run = reconciler([], source=ExportedCosts([path]), configuration=settings)
        report = run.run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)).report
        assert report.totals.actual == Decimal(expected)
        broken = [(one.name, one.found) for one in report.checks if one.holds is False]
        assert broken == ([("amortized_known", Decimal(11))] if metric == "amortized" else [])
        assert sum("11 USD are billed for them" in note for note in report.notes) == 1


def test_the_legacy_cur_is_read_by_its_own_names(tmp_path: Path) -> None:
    legacy = {
        "bill/PayerAccountId": "111111111111",
        "bill/InvoiceId": "42",
        "bill/BillingPeriodStartDate": "2026-10-01T00:00:00Z",
        "lineItem/UsageAccountId": "222222222222",
        "lineItem/LineItemType": "Usage",
        "lineItem/UsageStartDate": "2026-10-03T00:00:00Z",
        "lineItem/UsageEndDate": "2026-10-03T01:00:00Z",
        "lineItem/ProductCode": "AmazonEC2",
        "lineItem/UnblendedCost": "0.1",
        "lineItem/CurrencyCode": "USD",
        "reservation/ReservationARN": "",
        "savingsPlan/SavingsPlanEffectiveCost": "",
        "resourceTags/user:team": "fraud",
    }
    rule = TagRule(key="team", values=("fraud",), ownership=Ownership(business_unit="F"))
    source = ExportedCosts([write(tmp_path / "cur-00001.csv.gz", [legacy])])
    [found] = source.charges(query(tag_rules=(rule,)))
    assert source.name == "CUR export (1 file)"
    assert (found.billed, found.linked_account, found.service, found.tag_rule) == (
        Decimal("0.1"),
        "222222222222",
        "AmazonEC2",
        1,
    )


@pytest.mark.parametrize(
    ("columns", "provider"),
    [
        (("BillingAccountId", "SubscriptionId", "MeterCategory", "CostInBillingCurrency"), "Azure"),
        (("billing_account_id", "service.description", "usage_start_time", "cost"), "Google Cloud"),
        (("Billing account ID", "Service description", "SKU description"), "Google Cloud"),
        (("lineItem/referenceNo", "lineItem/intervalUsageStart", "cost/myCost"), "Oracle Cloud"),
    ],
)
def test_a_providers_own_export_is_refused_by_the_providers_name(
    tmp_path: Path, columns: tuple[str, ...], provider: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        list(
            ExportedCosts([write(tmp_path / "f.csv", [dict.fromkeys(columns, "1")])]).charges(
                query()
            )
        )
    assert (refused.value.code, refused.value.value) == ("native_export", provider)
    assert "FOCUS" in str(refused.value.remedy)
    assert "BilledCost" not in str(refused.value)


def test_a_cur_without_a_column_is_told_by_the_names_of_a_cur(tmp_path: Path) -> None:
    for column in ("line_item_line_item_type", "line_item_unblended_cost"):
        row = {name: cell for name, cell in cur("Usage", "1").items() if name != column}
        with pytest.raises(RejectedInput) as refused:
            list(ExportedCosts([write(tmp_path / column / "c.csv", [row])]).charges(query()))
        assert refused.value.code == "missing_columns"
        assert f"lacks the columns {column} " in str(refused.value)


def test_a_billing_period_is_the_month_of_its_own_clock(tmp_path: Path) -> None:
    rows = [
        focus(cost, BillingPeriodStart=f"2026-10-01T00:00:00{offset}")
        for cost, offset in (("1", "+09:00"), ("2", "-05:00"), ("4", "Z"))
    ]
    charges = ExportedCosts([write(tmp_path / "f.csv", rows)]).charges(query())
    assert total(one.billed for one in charges) == 7


def test_spaces_are_no_name_of_a_service(tmp_path: Path) -> None:
    rows = [focus("1", ServiceName=" ")]
    [one] = ExportedCosts([write(tmp_path / "f.csv", rows)]).charges(query())
    assert one.service == ""


def test_ids_of_azure_are_one_whatever_their_case(tmp_path: Path) -> None:
    name = "/subscriptions/ABCDEF01-0000-0000-0000-00000000000A"
    rows = [focus("1", SubAccountId=name), focus("2", SubAccountId=name.lower()), focus("4")]
    charges = list(ExportedCosts([write(tmp_path / "f.csv", rows)]).charges(query()))
    assert {one.linked_account: one.billed for one in charges} == {
        name.lower(): 3,
        "222222222222": 4,
    }
    settings = parse(f"linked_accounts: [{{id: {name}, business_unit: A}}]")
    owners = [settings.mapping.ownership(one) for one in charges]
    assert {one.business_unit for one in owners if one} == {"A"}


@pytest.mark.parametrize(
    ("cell", "kind", "account"),
    [
        ("222222222222.0", "VARCHAR", "222222222222"),
        ("222222222222", "DOUBLE", "222222222222"),
        ("222222222222", "BIGINT", "222222222222"),
        ("12222222222", "BIGINT", "012222222222"),
        ("v1.0", "VARCHAR", "v1.0"),
    ],
)
def test_an_account_that_a_program_took_for_a_number_is_the_same(
    tmp_path: Path, cell: str, kind: str, account: str
) -> None:
    path = write(tmp_path / "cur.csv", [cur("Usage", "1", line_item_usage_account_id=cell)])
    column = "line_item_usage_account_id"
    typed = f"* REPLACE (CAST({column} AS {kind}) AS {column})"
    rows = f"SELECT {typed} FROM read_csv('{path}', all_varchar = true)"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path / 'cur.parquet'}'")
    [found] = ExportedCosts([tmp_path / "cur.parquet"]).charges(query())
    assert found.linked_account == account


@pytest.mark.parametrize("column", ["BillingAccountId", "SubAccountId"])
def test_an_account_that_a_spreadsheet_rounded_is_refused(tmp_path: Path, column: str) -> None:
    source = ExportedCosts([write(tmp_path / "f.csv", [focus("1", **{column: "2.22E+11"})])])
    with pytest.raises(RejectedInput, match=r"an account 2\.22E\+11") as refused:
        source.control_totals(OCTOBER)
    assert refused.value.code == "rounded_account"


def test_a_row_without_a_billing_period_is_told_and_breaks_the_check(tmp_path: Path) -> None:
    rows = [focus("1252.40"), focus("5", BillingPeriodStart=""), focus("")]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    report = (
        reconciler([], source=source).run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)).report
    )
    [check] = [one for one in report.checks if one.name == "source_total"]
    assert (check.holds, str(check.expected), str(check.found)) == (False, "1257.40", "1252.40")
    assert report.notes == (
        "1 row of the export without a billing period: 5 USD are in no month's costs.",
        "1 row of the export without a cost, counted as zero.",
    )
    assert str(report.totals.actual) == "1252.40"


@pytest.mark.parametrize("period", ["2062-10-01 00:00:00", "2027-01-01 00:00:00"])
def test_a_billing_period_that_cannot_be_is_told_and_breaks_the_check(
    tmp_path: Path, period: str
) -> None:
    rows = [focus("1252.40"), focus("5", BillingPeriodStart=period)]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    report = (
        reconciler([], source=source).run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC)).report
    )
    [check] = [one for one in report.checks if one.name == "source_total"]
    assert (check.holds, str(check.expected), str(check.found)) == (False, "1257.40", "1252.40")
    assert "5 USD are in no month's costs." in report.notes[0]


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        pytest.param("2026-01-10T00:00:00Z", "", "2026-01", id="day and month in another order"),
        pytest.param("2026-01-10", "2026-01-11", "2026-01", id="and in the end as well"),
        pytest.param("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-09", id="billed ahead"),
        pytest.param("2026-09-15T00:00:00Z", "2026-10-15T00:00:00Z", "", id="from mid-month on"),
        pytest.param("2026-09-15T00:00:00Z", "", "", id="from mid-month on, without an end"),
    ],
)
def test_a_charge_after_the_end_of_its_billing_period_is_told(
    tmp_path: Path, start: str, end: str, told: str
) -> None:
    rows = [focus("1252.40"), focus("5", BillingPeriodStart=start, BillingPeriodEnd=end)]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    [control] = source.control_totals(OCTOBER)
    assert control.amount == Decimal("1252.40")
    notes = [*source.notes]
    said = "with charges that begin in 2026-10, after the end of their billing period: 5 USD"
    assert [said in one and f"costs of {told}," in one for one in notes] == ([True] if told else [])
    source.control_totals(Month.parse(told or "2026-09"))
    assert source.notes == notes * 2


def test_a_year_that_a_program_misread_is_told(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    rows = [focus("1252.40"), focus("5")]
    columns = ", ".join(rows[0])
    values = ", ".join(str(tuple(one.values())) for one in rows)
    duckdb.execute(
        f"COPY (SELECT * REPLACE (CAST(CASE BilledCost WHEN '5' THEN '0010-10-01'"
        f" ELSE BillingPeriodStart END AS TIMESTAMP) AS BillingPeriodStart)"
        f" FROM (VALUES {values}) t({columns})) TO '{path}'"
    )
    source = ExportedCosts([path])
    [control] = source.control_totals(OCTOBER)
    assert control.amount == Decimal("1257.40")
    assert "before 2000" in source.notes[0]


@pytest.mark.parametrize("times", [2, 3])
def test_rows_that_are_in_one_file_twice_are_told(tmp_path: Path, times: int) -> None:
    rows = [focus("10", ChargePeriodStart=f"2026-10-{day:02} 00:00:00") for day in range(1, 21)]
    source = ExportedCosts([write(tmp_path / "f.csv", rows * times)])
    assert [one.amount for one in source.control_totals(OCTOBER)] == [200 * times]
    [note] = source.notes
    assert note.startswith(f"{20 * times} rows of {20 * times} are in the export more than once")
    assert f"written twice, {200 * (times - 1)} USD are counted twice" in note


@pytest.mark.parametrize(
    ("older", "told"), [(26, "200 rows of 225"), (4, "24 rows of 137"), (3, "")]
)
def test_an_older_delivery_in_the_same_file_is_told(tmp_path: Path, older: int, told: str) -> None:
    """By days of accounts: those of the newer one alone are there once."""

    def rows(end: int) -> list[Row]:
        return [
            focus("1.5", ResourceId=f"i-{at}", ChargePeriodStart=f"2026-10-{day:02} 00:00:00")
            for day in range(1, end)
            for at in range(4)
        ]

    other = focus("3", SubAccountId="333333333333")
    source = ExportedCosts([write(tmp_path / "f.csv", [*rows(older), *rows(32), other])])
    source.control_totals(OCTOBER)
    assert [one[: len(told)] for one in source.notes] == ([told] if told else [])


def test_a_few_rows_that_are_alike_are_no_news(tmp_path: Path) -> None:
    rows = [focus("10", ChargePeriodStart=f"2026-10-{day:02} 00:00:00") for day in range(1, 21)]
    source = ExportedCosts([write(tmp_path / "f.csv", [*rows, *rows[:9]])])
    source.control_totals(OCTOBER)
    assert source.notes == []


def test_a_currency_is_one_whatever_its_case(tmp_path: Path) -> None:
    rows = [focus("1"), focus("2", BillingCurrency="usd")]
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    [charge] = source.charges(query())
    assert (charge.billed, charge.currency) == (Decimal(3), "USD")


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([{"BilledCost": "1", "ServiceName": "S3"}], "missing_columns", "BillingAccountId"),
        ([focus("abc")], "unreadable_export", "abc"),
        ([focus("1", BillingPeriodStart="soon")], "unreadable_export", "soon"),
        ([focus("1"), focus("2", BillingPeriodStart="10/1/26")], "unreadable_export", "10/1/26"),
        ([focus("1"), focus("2", ChargePeriodStart="10/1/26")], "unreadable_export", "10/1/26"),
        ([{**focus("1"), **cur("Usage", "1")}], "mixed_export", "count twice"),
    ],
)
def test_refuses_what_it_cannot_read_with_the_reason(
    tmp_path: Path, rows: list[Row], code: str, said: str
) -> None:
    source = ExportedCosts([write(tmp_path / "f.csv", rows)])
    with pytest.raises(RejectedInput) as refused:
        list(source.charges(query()))
    assert refused.value.code == code
    assert said in str(refused.value)


def test_refuses_a_folder_without_exports_and_one_with_two_forms(tmp_path: Path) -> None:
    with pytest.raises(RejectedInput, match="does not exist"):
        ExportedCosts([tmp_path / "nothing"])
    with pytest.raises(RejectedInput, match="contains no export"):
        ExportedCosts([tmp_path])
    write(tmp_path / "a.csv", [focus("1")])
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(RejectedInput, match="count twice"):
        ExportedCosts([tmp_path])


@pytest.mark.skipif(
    "FINOPS_CORPUS" not in os.environ, reason="FINOPS_CORPUS does not name the real files"
)
def test_the_real_focus_sample_adds_up_to_an_independent_sum() -> None:
    path = Path(os.environ["FINOPS_CORPUS"]) / "focus" / "focus_1_0_sample.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    source = ExportedCosts([path])
    for month in ("2024-09", "2024-10"):
        wanted = Month.parse(month)
        mine = [row for row in rows if row["BillingPeriodStart"].startswith(month)]
        charges = list(
            source.charges(ChargeQuery(first=wanted.first, end=wanted.end, detail=Detail.MONTHS))
        )
        assert total(one.billed for one in charges) == total(
            Decimal(row["BilledCost"]) for row in mine
        )
        assert total(one.amortized for one in charges) == total(
            Decimal(row["EffectiveCost"]) for row in mine if row["EffectiveCost"] != "NULL"
        )
        rule = TagRule(
            key="business_unit", values=("ViennaAI",), ownership=Ownership(business_unit="V")
        )
        tagged = source.charges(
            ChargeQuery(first=wanted.first, end=wanted.end, detail=Detail.MONTHS, tag_rules=(rule,))
        )
        assert total(one.billed for one in tagged if one.tag_rule) == total(
            Decimal(row["BilledCost"])
            for row in mine
            if row["Tags"] != "NULL" and json.loads(row["Tags"]).get("business_unit") == "ViennaAI"
        )


def test_too_little_memory_is_no_fault_of_the_export(tmp_path: Path) -> None:
    rows = [focus(str(at), Tags=json.dumps({"team": f"{at}" * 50})) for at in range(3000)]
    source = ExportedCosts([write(tmp_path / "a.csv", rows)], memory="1MB")
    with pytest.raises(ConfigurationError, match="Raise reporting"):
        list(source.charges(query()))


@pytest.mark.parametrize(
    "error",
    [
        # As DuckDB 2.0.0 said it on a full disk of 12 MB.
        duckdb.IOException(
            'IO Error: Could not write file "/tmp/finops-charges-0/charges.duckdb":'
            " No space left on device"
        ),
        duckdb.OutOfMemoryException("failed to allocate data of size 8.0 MiB"),
    ],
)
def test_a_full_disk_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: duckdb.Error
) -> None:
    source = ExportedCosts([write(tmp_path / "f.csv", [focus("1")])])

    class Full:
        def execute(self, *_: object) -> None:
            raise error

    monkeypatch.setitem(source.__dict__, "_connection", Full())
    with pytest.raises(ConfigurationError, match="ephemeral_storage_mb") as caught:
        list(source.charges(query()))
    assert caught.value.code == "disk_too_small"
    assert "costs.athena" in caught.value.remedy


def test_a_files_name_is_no_pattern(tmp_path: Path) -> None:
    """Browsers write `charges[1].csv` beside charges.csv."""
    names = ("a[1].csv", "a1.csv", "b?.csv", "bc.csv", "it's *.csv", "it's.csv")
    for at, name in enumerate(names):
        rows = [focus(f"{10**at}", SubAccountId=f"{at:012}")] * 3
        write(tmp_path / "in [x]" / name, rows)
    for at, name in enumerate(names):
        [total] = ExportedCosts([tmp_path / "in [x]" / name]).control_totals(OCTOBER)
        assert total.amount == 3 * 10**at
    [total] = ExportedCosts([tmp_path / "in [x]"]).control_totals(OCTOBER)
    assert total.amount == 333_333
