"""Price against quantity, of what a service costs more than in the month before."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.rendering import render
from finops.reconciliation.report import PriceLine, Report
from finops.shared.rates import Rate
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER, charge, reconciler
from tests.reconciliation.test_exports import cur

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SEPTEMBER = {
    "BillingPeriodStart": "2026-09-01 00:00:00",
    "BillingPeriodEnd": "2026-10-01 00:00:00",
    "ChargePeriodStart": "2026-09-05 13:00:00",
}


def used(cost: str, quantity: str, sku: str = "A", **cells: str) -> Row:
    """A FOCUS charge with a quantity."""
    more = {"SkuId": sku, "PricingQuantity": quantity, "PricingUnit": "Hours", "RegionId": "x"}
    return {**focus(cost), **more, **cells}


def focus_rows() -> list[Row]:
    return [
        # 100 hours at 1, then 150 at 1.20: 50 hours more at 1, and 150 at 0.20 more.
        used("60", "60", **SEPTEMBER),
        used("40", "40", **SEPTEMBER, SubAccountId="333333333333"),
        used("180", "150"),
        # New, gone, without a quantity, and what corrects another month.
        used("7", "1", "new"),
        used("3", "1", "gone", **SEPTEMBER),
        used("11", "", "A"),
        used("2", "2", ChargeClass="Correction"),
        used("5", "5", "", ChargeCategory="Tax"),
    ]


def cur_rows() -> list[Row]:
    def row(item: str, cost: str, quantity: str = "", sku: str = "A", **cells: str) -> Row:
        amounts = {"line_item_usage_amount": quantity, "pricing_unit": "Hrs"}
        which = {"line_item_usage_type": sku, "line_item_operation": "Run"}
        return {**cur(item, cost), **amounts, **which, **cells}

    before = {
        "bill_billing_period_start_date": "2026-09-01T00:00:00.000Z",
        "line_item_usage_start_date": "2026-09-03T00:00:00.000Z",
    }
    return [
        row("Usage", "100", "100", **before),
        row("Usage", "80", "50"),
        row("SavingsPlanCoveredUsage", "100", "100"),
        row("SavingsPlanNegation", "-100", "100"),
        row("Usage", "7", "1", "new"),
        row("Usage", "3", "1", "gone", **before),
        row("SavingsPlanRecurringFee", "118"),
    ]


def report(path: Path, rows: Sequence[Row], **settings: object) -> Report:
    source = ExportedCosts([write(path, rows)])
    run = reconciler([], source=source)
    changed = replace(run.evidence.configuration, **settings)  # type: ignore[arg-type]
    made = replace(run, evidence=replace(run.evidence, configuration=changed))
    return made.run(OCTOBER, now=NOW).report


def line(service: str, *amounts: str) -> PriceLine:
    now, before, change, price, quantity, exchange, other = map(Decimal, amounts)
    return PriceLine(
        service=service,
        now=now,
        before=before,
        change=change,
        price=price,
        quantity=quantity,
        exchange=exchange,
        other=other,
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            focus_rows(),
            line(
                *("Amazon EC2", "205.00", "103.00", "102.00", "30.00", "50.00", "0.00", "22.00"),
            ),
        ),
        (
            cur_rows(),
            line(*("AmazonEC2", "205.00", "103.00", "102.00", "30.00", "50.00", "0.00", "22.00")),
        ),
    ],
    ids=["FOCUS", "CUR"],
)
def test_a_change_is_split_into_price_and_quantity(
    tmp_path: Path, rows: list[Row], expected: PriceLine
) -> None:
    assert report(tmp_path / "a.csv", rows).prices == (expected,)


def test_the_lines_add_up_to_the_whole_change(tmp_path: Path) -> None:
    rows = []
    for at in range(14):
        service = {"ServiceName": f"Service {at:02}"}
        rows.append(used(f"{at}.005", "3", **service, **SEPTEMBER))
        rows.append(used(f"{at * 2}.333", "7", **service))
    made = report(tmp_path / "a.csv", rows)
    assert [one.service for one in made.prices][-1] == "Everything else"
    assert len(made.prices) == 11
    assert sum(one.change for one in made.prices) == made.totals.change
    for one in made.prices:
        assert one.change == one.price + one.quantity + one.exchange + one.other
        assert abs(one.other) <= Decimal("0.15")


def test_exchange_rates_are_no_price(tmp_path: Path) -> None:
    euros = {"BillingCurrency": "EUR"}
    rows = [used("100", "100", **SEPTEMBER, **euros), used("150", "150", **euros)]
    rates = tuple(
        Rate(currency="EUR", rate_date=day, usd_per_unit=Decimal(rate), source="ECB")
        for day, rate in ((date(2026, 9, 30), "1.10"), (date(2026, 10, 30), "1.20"))
    )
    [found] = report(tmp_path / "a.csv", rows, rates=rates).prices
    assert found == line(
        *("Amazon EC2", "180.00", "110.00", "70.00", "0.00", "60.00", "10.00", "0.00")
    )


@pytest.mark.parametrize("column", ["SkuId", "PricingQuantity"])
def test_without_the_columns_nothing_is_told(tmp_path: Path, column: str) -> None:
    rows = [{name: cell for name, cell in row.items() if name != column} for row in focus_rows()]
    made = report(tmp_path / "a.csv", rows)
    assert made.prices == ()
    assert "Price and quantity" not in render(made, "html").decode()


def test_a_quantity_that_cannot_be_read_loses_no_cost(tmp_path: Path) -> None:
    made = report(tmp_path / "a.csv", [*focus_rows(), used("9", "many", "B")])
    assert made.totals.actual == Decimal("214.00")
    assert made.prices[0].other == Decimal("31.00")


def test_an_open_month_is_not_compared_with_a_whole_one(tmp_path: Path) -> None:
    source = ExportedCosts([write(tmp_path / "a.csv", focus_rows(), delivered="2026-10-06")])
    run = reconciler([], source=source).run(OCTOBER, now=datetime(2026, 10, 6, tzinfo=UTC))
    assert run.report.known_until
    assert run.report.prices == ()


def test_sources_without_quantities_tell_nothing() -> None:
    assert reconciler([charge("5")]).run(OCTOBER, now=NOW).report.prices == ()


def test_price_and_quantity_are_in_every_format(tmp_path: Path) -> None:
    made = report(tmp_path / "a.csv", focus_rows())
    assert "Price and quantity" in render(made, "html").decode()
    assert json.loads(render(made, "json"))["prices"][0]["quantity"] == "50.00"
    rows = csv.DictReader(io.StringIO(render(made, "csv").decode("utf-8-sig")))
    found = {one["item"]: one["difference"] for one in rows if one["table"] == "prices"}
    assert found == {
        "change": "102.00",
        "price": "30.00",
        "quantity": "50.00",
        "exchange": "0.00",
        "other": "22.00",
    }
    assert render(made, "xlsx")
