"""The fiscal year to date, what is left of its budget, and the same month a year before."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from finops.reconciliation.configuration import Configuration, parse
from finops.reconciliation.domain import Charge, ChargeCategory, UnitBudget
from finops.reconciliation.rendering import render
from finops.reconciliation.report import Report
from finops.reconciliation.year import Year, YearLine, fiscal_year
from finops.shared.periods import Month
from tests.reconciliation.fakes import (
    OCTOBER,
    PAYMENTS,
    PLATFORM,
    FakeBudgetRows,
    FakeSource,
    charge,
    reconciler,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ACCOUNTS = """
linked_accounts:
  - {id: "222222222222", business_unit: Payments}
  - {id: "333333333333", business_unit: Platform}
"""


def monthly(months: int, cost: str = "100") -> list[Charge]:
    """A charge of each account in October and so many months before; a cent more each month."""
    return [
        charge(Decimal(cost) + Decimal(number).scaleb(-2), account=account, start=month.first)
        for number, month in enumerate(OCTOBER.back(months + 1))
        for account in (PAYMENTS, PLATFORM)
    ]


def report(charges: Sequence[Charge], settings: str = "", **facts: object) -> Report:
    configuration = parse(f"{ACCOUNTS}{settings}")
    run = reconciler(charges, configuration=configuration, **facts)
    return run.run(OCTOBER, now=NOW, close=True).report


def year(made: Report) -> tuple[Year, dict[str, YearLine]]:
    assert made.year
    return made.year, {one.unit: one for one in made.year.lines}


def test_a_year_is_held_against_the_budgets_of_its_months() -> None:
    found, lines = year(report(monthly(12), "budgets: {Payments: {annual_target: 1200}}"))
    assert (found.first_month, found.last_month) == ("2026-01", "2026-12")
    assert found.months_without_data == ()
    # Ten months from January on, the third of thirteen: 100.03 to 100.12.
    assert lines["Payments"] == YearLine(
        unit="Payments",
        actual=Decimal("1000.75"),
        budget=Decimal(1000),
        variance=Decimal("0.75"),
        year_budget=Decimal(1200),
        remaining=Decimal("199.25"),
        remaining_pct=Decimal("16.6"),
        year_before=Decimal("100.00"),
        change=Decimal("0.12"),
        change_pct=Decimal("0.1"),
    )
    assert lines["Platform"].actual == Decimal("1000.75")
    assert lines["Platform"].year_budget is None
    assert lines["Platform"].remaining is None
    whole = lines["All"]
    assert (whole.actual, whole.variance) == (Decimal("2001.50"), Decimal("0.75"))
    assert (whole.year_budget, whole.remaining) == (Decimal(1200), Decimal("199.25"))
    assert (whole.year_before, whole.change) == (Decimal("200.00"), Decimal("0.24"))


def test_a_fiscal_year_begins_when_it_is_set_to() -> None:
    found, lines = year(report(monthly(12), "fiscal_year_starts_in: 4"))
    assert (found.first_month, found.last_month) == ("2026-04", "2027-03")
    assert len(found.months) == 7
    assert lines["All"].actual == 2 * Decimal("700.63")


@pytest.mark.parametrize(
    ("month", "starts_in", "first"),
    [
        ("2026-03", 4, "2025-04"),
        ("2026-04", 4, "2026-04"),
        ("2026-12", 1, "2026-01"),
        ("2026-01", 12, "2025-12"),
    ],
)
def test_a_month_is_in_the_fiscal_year_that_began_last(
    month: str, starts_in: int, first: str
) -> None:
    months = fiscal_year(Month.parse(month), starts_in)
    assert str(months[0]) == first
    assert len(months) == 12


def test_a_target_that_starts_in_the_year_counts_from_then_on() -> None:
    settings = "budgets: {Payments: {monthly_target: 90, from: 2026-09}}"
    _, lines = year(report(monthly(12), settings))
    one = lines["Payments"]
    assert (one.actual, one.budget) == (Decimal("1000.75"), Decimal(180))
    # 100.11 and 100.12, of September and October.
    assert (one.variance, one.year_budget) == (Decimal("20.23"), Decimal(360))
    assert one.remaining == Decimal("159.77")


def test_months_without_data_are_told_and_their_budgets_do_not_count_to_date() -> None:
    found, lines = year(report(monthly(2), "budgets: {Payments: {monthly_target: 100}}"))
    assert found.months_without_data == tuple(f"2026-{number:02}" for number in range(1, 8))
    one = lines["Payments"]
    assert (one.budget, one.year_budget) == (Decimal(300), Decimal(1200))
    assert one.year_before is None
    assert one.change is None
    page = render(report(monthly(2)), "html").decode()
    assert "left out: 2026-01, 2026-02" in page


def test_a_running_month_is_not_held_against_a_whole_one() -> None:
    charges = [*monthly(12), charge("3", start=date(2026, 10, 9))]
    run = reconciler([], source=FakeSource(charges, known_until=date(2026, 10, 10)))
    made = run.run(OCTOBER, now=datetime(2026, 10, 10, tzinfo=UTC)).report
    _, lines = year(made)
    assert lines["All"].year_before == Decimal("200.00")
    assert lines["All"].change is None
    rows = csv.DictReader(io.StringIO(render(made, "csv").decode("utf-8-sig")))
    [whole] = [one for one in rows if one["table"] == "year before" and one["unit"] == "All"]
    assert (whole["amount"], whole["reference"], whole["difference"]) == ("", "200.00", "")


def test_a_month_of_excluded_charges_alone_has_data() -> None:
    tax = [replace(one, category=ChargeCategory.TAX) for one in monthly(2)]
    made = report(tax, "excluded_categories: [Tax]\nbudgets: {Payments: {monthly_target: 90}}\n")
    found, lines = year(made)
    assert found.months_without_data == tuple(f"2026-{number:02}" for number in range(1, 8))
    assert lines["Payments"].actual == 0
    assert lines["Payments"].variance == -270
    assert "7 of 10 months to date have no data" in render(made, "html").decode()


def test_a_closed_months_own_budget_is_the_one_that_it_was_closed_with() -> None:
    first, later = (f"budgets: {{Payments: {{monthly_target: {one}}}}}" for one in (100, 200))
    run = reconciler(monthly(0), configuration=parse(f"{ACCOUNTS}{first}"))
    run.run(OCTOBER, now=NOW, close=True)
    again = replace(run.evidence, configuration=parse(f"{ACCOUNTS}{later}"))
    outcome = replace(run, evidence=again).run(OCTOBER, now=NOW)
    _, lines = year(outcome.report)
    assert lines["Payments"].budget == Decimal(100)
    assert not outcome.is_new


def test_rows_of_the_budgets_table_count_in_the_year() -> None:
    rows = FakeBudgetRows({PAYMENTS: [UnitBudget(monthly_target=Decimal(50))]})
    _, lines = year(report(monthly(12), budget_rows=rows))
    assert lines["Payments"].year_budget == Decimal(600)


def test_a_budget_of_another_month_without_a_rate_is_left_out_and_told() -> None:
    settings = "budgets: {Payments: {monthly_target: 90, currency: EUR, from: 2026-12}}"
    made = report(monthly(12), settings)
    _, lines = year(made)
    assert lines["Payments"].year_budget is None
    assert "The year leaves out budgets of 2026-12: no rate converts them." in made.notes


def test_the_year_is_the_same_in_all_formats() -> None:
    made = report(monthly(12), "budgets: {Payments: {annual_target: 1200}}")
    text = render(made, "csv").decode("utf-8-sig")
    rows = [one for one in csv.DictReader(io.StringIO(text)) if one["unit"] == "Payments"]
    tables = {one["table"]: one for one in rows}
    assert [
        tables["year to date"][name] for name in ("from", "to", "amount", "reference", "difference")
    ] == ["2026-01-01", "2026-10-31", "1000.75", "1000.00", "0.75"]
    assert [tables["annual budget"][name] for name in ("to", "reference", "difference")] == [
        *("2026-12-31", "1200.00", "-199.25")
    ]
    assert tables["year before"]["reference"] == "100.00"
    [line] = [
        one for one in json.loads(render(made, "json"))["year"]["lines"] if one["unit"] != "All"
    ][:1]
    assert line["remaining"] == "199.25"
    page = render(made, "html").decode()
    assert "Annual budget left" in page
    assert "199.25" in page
    assert render(made, "xlsx")


def test_a_year_of_one_month_without_a_budget_is_not_shown() -> None:
    assert 'id="year"' not in render(report(monthly(0)), "html").decode()
    assert Configuration().fiscal_year_starts_in == 1
