"""Coverage, utilization and waste of commitments, and the effective savings rate."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.commitments import Commitments
from finops.reconciliation.rendering import render
from finops.reconciliation.report import Report
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER, charge, reconciler
from tests.reconciliation.test_exports import cur

NOW = datetime(2026, 11, 20, tzinfo=UTC)
#: 1,000 by list price, of which 600 are covered; 1,000 - 400 - 390 - 60 are saved.
EXPECTED = Commitments(
    list_cost=Decimal("1000.00"),
    effective_cost=Decimal("850.00"),
    savings=Decimal("150.00"),
    effective_savings_pct=Decimal("15.0"),
    covered=Decimal("600.00"),
    coverage_pct=Decimal("60.0"),
    used=Decimal("390.00"),
    unused=Decimal("60.00"),
    utilization_pct=Decimal("86.7"),
)


def focus_rows() -> list[Row]:
    def row(billed: str, effective: str, listed: str, status: str, **cells: str) -> Row:
        costs = {"EffectiveCost": effective, "ListCost": listed}
        return {**focus(billed), **costs, "CommitmentDiscountStatus": status, **cells}

    return [
        row("400", "400", "400", ""),
        row("0", "390", "600", "Used"),
        row("0", "60", "0", "Unused"),
        # A product of a marketplace has no list price.
        row("75", "75", "0", ""),
        row("450", "0", "450", "", ChargeCategory="Purchase"),
        row("9", "9", "9", "", ChargeCategory="Tax"),
        row("7", "7", "7", "", BillingPeriodStart="2026-09-01 00:00:00"),
    ]


def cur_rows() -> list[Row]:
    def row(item: str, cost: str, listed: str = "", **cells: str) -> Row:
        return {**cur(item, cost), "pricing_public_on_demand_cost": listed, **cells}

    return [
        row("Usage", "400", "400"),
        row("Usage", "75"),
        row(
            "SavingsPlanCoveredUsage", "500", "500", savings_plan_savings_plan_effective_cost="310"
        ),
        row("SavingsPlanNegation", "-500"),
        row(
            "SavingsPlanRecurringFee",
            "350",
            savings_plan_total_commitment_to_date="350",
            savings_plan_used_commitment="310",
        ),
        row("DiscountedUsage", "0", "100", reservation_effective_cost="80"),
        row(
            "RIFee",
            "100",
            reservation_unused_amortized_upfront_fee_for_billing_period="5",
            reservation_unused_recurring_fee="15",
        ),
        row("Tax", "9"),
    ]


def report(path: Path, rows: Sequence[Row]) -> Report:
    source = ExportedCosts([write(path, rows)])
    return reconciler([], source=source).run(OCTOBER, now=NOW).report


@pytest.mark.parametrize("rows", [focus_rows(), cur_rows()], ids=["FOCUS", "CUR"])
def test_commitments_are_told_by_what_usage_needed_of_them(tmp_path: Path, rows: list[Row]) -> None:
    assert report(tmp_path / "a.csv", rows).commitments == EXPECTED


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        (focus_rows(), "ListCost"),
        (focus_rows(), "CommitmentDiscountStatus"),
        (focus_rows(), "EffectiveCost"),
        (cur_rows(), "pricing_public_on_demand_cost"),
        (cur_rows(), "reservation_effective_cost"),
    ],
)
def test_nothing_is_told_of_commitments_without_the_columns(
    tmp_path: Path, rows: list[Row], column: str
) -> None:
    without = [{name: cell for name, cell in row.items() if name != column} for row in rows]
    made = report(tmp_path / "a.csv", without)
    assert made.commitments is None
    assert 'id="commitments"' not in render(made, "html").decode()


def test_a_month_without_commitments_has_no_utilization(tmp_path: Path) -> None:
    found = report(tmp_path / "a.csv", focus_rows()[:1]).commitments
    assert found
    assert (found.effective_savings_pct, found.coverage_pct) == (Decimal("0.0"), Decimal("0.0"))
    assert found.utilization_pct is None


def test_other_currencies_count_by_the_months_rate(tmp_path: Path) -> None:
    rows = [*focus_rows()[:3], {**focus_rows()[0], "BillingCurrency": "EUR"}]
    source = ExportedCosts([write(tmp_path / "a.csv", rows)])
    run = reconciler([], source=source)
    settings = replace(run.evidence.configuration, static_rates={"EUR": Decimal(2)})
    made = replace(run, evidence=replace(run.evidence, configuration=settings))
    found = made.run(OCTOBER, now=NOW).report.commitments
    assert found
    assert found.list_cost == Decimal("1800.00")


def test_sources_without_list_prices_tell_nothing() -> None:
    assert reconciler([charge("5")]).run(OCTOBER, now=NOW).report.commitments is None


def test_commitments_are_in_every_format(tmp_path: Path) -> None:
    made = report(tmp_path / "a.csv", focus_rows())
    page = render(made, "html").decode()
    assert "effective savings rate: of the list cost of 1,000.00" in page
    assert "86.7%" in page
    assert json.loads(render(made, "json"))["commitments"]["unused"] == "60.00"
    rows = csv.DictReader(io.StringIO(render(made, "csv").decode("utf-8-sig")))
    found = {one["item"]: one for one in rows if one["table"] == "commitments"}
    assert found["effective cost"]["difference"] == "-150.00"
    assert found["effective cost"]["note"] == "effective savings rate: 15.0%"
    assert [found[name]["amount"] for name in ("covered", "used", "unused")] == [
        *("600.00", "390.00", "60.00")
    ]
    assert render(made, "xlsx")
