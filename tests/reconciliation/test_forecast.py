"""What the rest of a running month will cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from finops.reconciliation.comparison.evidence import Evidence
from finops.reconciliation.comparison.forecast import expected_rest
from finops.reconciliation.comparison.report import compare
from finops.reconciliation.domain import Charge, ChargeCategory
from finops.reconciliation.forecasting import DailyForecast
from finops.reconciliation.messages import headline
from finops.shared.periods import Month, days_between
from tests.reconciliation.fakes import OCTOBER, PAYER, PLATFORM, charge, days
from tests.reconciliation.forecast_kinds import KINDS, NOISES, backtest
from tests.reconciliation.test_comparison import evidence

MONTH = Month.parse("2026-10")
KNOWN = date(2026, 10, 15)


def made(cost: Callable[[date], float], *, since: date = date(2026, 8, 1)) -> dict[date, Decimal]:
    return {day: Decimal(str(cost(day))) for day in days_between(since, KNOWN)}


def test_rest_of_the_month_follows_weekdays_and_forgives_a_spike() -> None:
    costs = made(lambda day: 60 if day.weekday() >= 5 else 100)
    costs[date(2026, 10, 7)] = Decimal(5000)
    weekdays = sum(day.weekday() < 5 for day in days_between(KNOWN, MONTH.end))
    assert expected_rest(costs, KNOWN, MONTH.end) == 100 * weekdays + 60 * (17 - weekdays)


def test_a_new_account_is_foretold_by_its_own_days() -> None:
    costs = made(lambda _: 50, since=date(2026, 10, 11))
    assert expected_rest(costs, KNOWN, MONTH.end) == 17 * 50
    assert expected_rest({}, KNOWN, MONTH.end) == 0


def test_what_has_changed_goes_on_as_it_is_now() -> None:
    stepped = made(lambda day: 150 if day >= date(2026, 10, 8) else 100)
    assert expected_rest(stepped, KNOWN, MONTH.end) == 17 * 150
    ended = made(lambda day: 0 if day >= date(2026, 10, 6) else 100)
    assert expected_rest(ended, KNOWN, MONTH.end) == 0


def test_what_comes_on_a_day_of_each_month_comes_again() -> None:
    costs = made(lambda day: 100 + (900 if day.day == 25 else 0))
    assert expected_rest(costs, KNOWN, MONTH.end) == 17 * 100 + 900
    once = made(lambda day: 100 + (900 if day == date(2026, 9, 25) else 0))
    assert expected_rest(once, KNOWN, MONTH.end) == 17 * 100


def test_a_range_is_wider_where_costs_scatter_and_where_they_change() -> None:
    def half(costs: dict[date, Decimal]) -> Decimal:
        return DailyForecast(costs, KNOWN).half_range(MONTH.end)

    steady = made(lambda _: 100)
    noisy = made(lambda day: 100 + day.toordinal() * 7 % 11)
    stepped = made(lambda day: 150 if day >= date(2026, 10, 8) else 100)
    assert half(steady) == 0 < half(noisy) < half(stepped)
    assert half({}) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_foretold_worse_than_by_the_last_day(kind: str) -> None:
    for noise in NOISES:
        found = backtest(kind, noise, 4)
        assert found.errors["ours"] <= found.errors["last day"] + 2


def of_months(*amounts: str, category: ChargeCategory, service: str = "SaaS") -> list[Charge]:
    """Charges of October, September and August."""
    return [
        charge(amount, category=category, service=service, start=OCTOBER.plus(-back).first)
        for back, amount in enumerate(amounts)
        if amount
    ]


def running(charges: Sequence[Charge], **facts: object) -> Evidence:
    """Ten days of October are known, with 10 of usage on each day."""
    known = date(2026, 10, 11)
    daily = [charge("10", start=day) for day in days(date(2026, 8, 1), known)]
    made = evidence([charge("100"), *charges], account_days=daily, known_until=known)
    return replace(made, **facts)  # type: ignore[arg-type]  # tests name what they change


@pytest.mark.parametrize(
    ("amounts", "category", "forecast"),
    [
        (("", "40", "44"), ChargeCategory.PURCHASE, "352.00"),
        (("40", "40", "40"), ChargeCategory.PURCHASE, "350.00"),  # it has come
        (("", "40", ""), ChargeCategory.PURCHASE, "310.00"),  # it came once
        (("", "40", "400"), ChargeCategory.PURCHASE, "310.00"),  # not the same twice
        (("-20", "-60", "-60"), ChargeCategory.CREDIT, "250.00"),
        (("", "-60", "-60"), ChargeCategory.CREDIT, "250.00"),
        (("-70", "-60", "-60"), ChargeCategory.CREDIT, "240.00"),
        (("", "-60", ""), ChargeCategory.CREDIT, "310.00"),
        (("", "-60", "-60"), ChargeCategory.REFUND, "310.00"),
    ],
)
def test_fees_and_credits_come_as_they_came(
    amounts: tuple[str, ...], category: ChargeCategory, forecast: str
) -> None:
    report = compare(running(of_months(*amounts, category=category)))
    assert str(report.totals.forecast) == forecast


def test_what_is_excluded_is_not_foretold_either() -> None:
    fees = [
        charge("5", category=ChargeCategory.PURCHASE, start=day)
        for day in days(date(2026, 8, 1), date(2026, 10, 11))
    ]
    monthly = of_months("", "40", "40", category=ChargeCategory.PURCHASE)
    excluded = frozenset({ChargeCategory.PURCHASE})
    report = compare(running(monthly, fee_days=fees, excluded=excluded))
    assert str(report.totals.forecast) == "310.00"


def test_a_fee_of_each_day_is_no_monthly_fee_too() -> None:
    fees = [
        charge("5", category=ChargeCategory.PURCHASE, service="Savings Plans", start=day)
        for day in days(date(2026, 8, 1), date(2026, 10, 11))
    ]
    monthly = of_months(
        "50", "150", "155", category=ChargeCategory.PURCHASE, service="Savings Plans"
    )
    report = compare(running(monthly, fee_days=fees))
    assert str(report.totals.forecast) == "465.00"


@pytest.mark.parametrize(
    ("fees", "taxes", "forecast"),
    [
        pytest.param(("50", "50", "50"), ("15", "35", "35"), "396.00", id="has come, with its tax"),
        pytest.param(("", "50", "50"), ("10", "35", "35"), "396.00", id="to come, with its tax"),
        pytest.param(("50", "50", "50"), ("10", "30", "30"), "391.00", id="has come, untaxed"),
        pytest.param(("", "50", "50"), ("10", "30", "30"), "391.00", id="to come, untaxed"),
        pytest.param(("9000", "", ""), ("910", "30", "30"), "10241.00", id="once, with its tax"),
        pytest.param(("9000", "", ""), ("10", "30", "30"), "9341.00", id="once, untaxed"),
        pytest.param(("9000", "", ""), ("910", "", ""), "10241.00", id="no tax before"),
    ],
)
def test_the_tax_of_a_fee_comes_with_the_fee(
    fees: tuple[str, ...], taxes: tuple[str, ...], forecast: str
) -> None:
    charges = [
        *of_months(*fees, category=ChargeCategory.PURCHASE),
        *of_months(*taxes, category=ChargeCategory.TAX),
        *of_months("", "300", "300", category=ChargeCategory.USAGE),
    ]
    assert str(compare(running(charges)).totals.forecast) == forecast


@pytest.mark.parametrize(
    ("fee_days", "forecast"),
    [
        pytest.param(("2026-08-20", "2026-09-20"), "350.00", id="monthly"),
        pytest.param(("2026-08-10", "2026-09-10", "2026-10-10"), "350.00", id="came yesterday"),
        pytest.param(("2026-08-31", "2026-09-30"), "350.00", id="last of the month"),
        pytest.param(("2026-10-10",), "350.00", id="for the first time"),
        pytest.param(("2026-10-09", "2026-10-10"), "1230.00", id="daily, since two days"),
    ],
)
def test_a_fee_of_one_day_is_daily_if_it_comes_on_most_days(
    fee_days: tuple[str, ...], forecast: str
) -> None:
    purchase = ChargeCategory.PURCHASE
    fees = [charge("40", category=purchase, start=date.fromisoformat(day)) for day in fee_days]
    monthly = [replace(one, period_start=one.period_start.replace(day=1)) for one in fees]
    assert str(compare(running(monthly, fee_days=fees)).totals.forecast) == forecast


def test_changes_to_date_compare_the_same_days() -> None:
    given = running([charge("3", account=PLATFORM, category=ChargeCategory.TAX)])
    september = [
        charge("2", account=PAYER, start=day) for day in days(date(2026, 9, 1), date(2026, 9, 30))
    ]
    report = compare(replace(given, account_days=[*given.account_days, *september]))
    totals = report.totals
    assert (str(totals.usage_to_date), str(totals.usage_to_date_previous)) == ("100.00", "120.00")
    assert "Usage: -16.7% on the same days of the month before." in headline(report)
    closed = compare(replace(given, known_until=OCTOBER.end)).totals
    assert (closed.usage_to_date, closed.forecast_low, closed.forecast_high) == (None, None, None)
