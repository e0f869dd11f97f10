"""The exchange-rate policy, and that billing and reconciliation convert alike by it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.billing.cells import RowProblem
from finops.billing.dataset_format import DatasetFormat
from finops.billing.rows import RowParser
from finops.billing.schemas import BILLING, FOCUS, Schema, recognise
from finops.billing.settings import Settings
from finops.reconciliation.adapters.folder import FolderCache
from finops.reconciliation.composition import Deployment
from finops.reconciliation.configuration import parse
from finops.reconciliation.service import Reconciler
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month
from finops.shared.rates import DatedRates, ExchangeRates, Rate, RatePolicy
from tests.reconciliation.fakes import FakeStore, charge, reconciler

DAY = date(2026, 1, 3)
MONTH = Month.of(date(2025, 12, 1))


def known(days_before: int, usd: str = "2", day: date = DAY) -> Rate:
    day -= timedelta(days=days_before)
    return Rate(currency="EUR", rate_date=day, usd_per_unit=Decimal(usd), source="test")


def loaded(*rates: Rate) -> DatedRates:
    """Rates as a database holds them: ascending."""

    def between(currency: str, first: date, last: date) -> list[Rate]:
        return [
            one
            for one in sorted(rates, key=lambda rate: rate.rate_date)
            if one.currency == currency and first <= one.rate_date <= last
        ]

    return between


@pytest.mark.parametrize(
    ("ages", "used"),
    [([0], 0), ([7], 7), ([8], None), ([-1], None), ([7, 3, 5], 3), ([-1, 2], 2), ([], None)],
)
def test_the_last_rate_within_a_week_is_used_and_none_of_a_later_day(
    ages: list[int], used: int | None
) -> None:
    found = ExchangeRates(RatePolicy(), loaded(*map(known, ages))).rate_on("EUR", DAY)
    assert found == (None if used is None else known(used))


def test_a_dollar_is_a_dollar() -> None:
    found = ExchangeRates(RatePolicy()).rate_on("USD", DAY)
    assert found is not None
    assert found.usd_per_unit == 1


def test_a_static_rate_stands_in_where_no_dated_one_may_be_used() -> None:
    policy = RatePolicy(static={"EUR": Decimal("1.1")})
    found = ExchangeRates(policy, loaded(known(8))).rate_on("EUR", DAY)
    assert found is not None
    assert (found.usd_per_unit, found.source) == (Decimal("1.1"), "static")
    assert ExchangeRates(policy, loaded(known(1))).rate_on("EUR", DAY) == known(1)


def test_rates_are_read_once_a_currency_and_year() -> None:
    asked = []

    def rates(currency: str, first: date, last: date) -> list[Rate]:
        asked.append((currency, first, last))
        return [known(1)]

    found = ExchangeRates(RatePolicy(), rates)
    for day in range(1, 20):
        found.rate_on("EUR", date(2026, 6, day))
    assert asked == [("EUR", date(2026, 1, 1), date(2026, 12, 31))]


def test_of_two_rates_of_one_day_the_later_sources_counts() -> None:
    found = ExchangeRates(RatePolicy(), loaded(known(1, "2")), loaded(known(1, "3"), known(2, "4")))
    assert found.rate_on("EUR", DAY) == known(1, "3")


def test_both_flows_have_the_same_setting_and_default(tmp_path: Path) -> None:
    variables = {
        "MAX_RATE_AGE_DAYS": "3",
        "STATIC_RATES": '{"CAD":"0.79"}',
        "LARGE_FILE_BYTES": "5",
        "DATASETS": "{}",
    }
    policy = RatePolicy(max_age_days=3, static={"CAD": Decimal("0.79")})
    assert Settings.from_variables(variables).rates == policy
    assert _deployed(variables, tmp_path).evidence.rate_policy == policy
    unset = {"LARGE_FILE_BYTES": "5", "DATASETS": "{}"}
    assert Settings.from_variables(unset).rates == RatePolicy()
    assert _deployed({}, tmp_path).evidence.rate_policy == RatePolicy()


def _deployed(variables: dict[str, str], scratch: Path) -> Reconciler:
    export = scratch / "export.csv"
    export.touch()
    deployment = Deployment(
        variables=variables,
        client=lambda service: None,
        roles=None,
        configuration=parse(""),
        cache=FolderCache(scratch),
        now=datetime(2026, 1, 1, tzinfo=UTC),
        scratch=scratch,
    )
    return deployment.reconciler(
        "focus", month=MONTH, inputs=[str(export)], store=FakeStore(), formats=()
    )


@pytest.mark.parametrize("max_age_days", [0, 3, 7])
@pytest.mark.parametrize("ages", [[0], [3], [4], [7], [8], [31], [-1], [5, 2, -2], []])
def test_a_month_converts_alike_from_every_source(ages: list[int], max_age_days: int) -> None:
    """An amount of the month's last day: as a bill, a FOCUS charge, and a cost that is compared."""
    policy = RatePolicy(max_age_days=max_age_days)
    rates = [known(age, f"1.{age + 10}", MONTH.last) for age in ages]
    allowed = [age for age in ages if 0 <= age <= max_age_days]
    expected = Decimal(f"1.{min(allowed) + 10}") * 100 if allowed else None
    written = ", ".join(
        f"{{currency: EUR, date: {one.rate_date}, usd_per_unit: {one.usd_per_unit}}}"
        for one in rates
    )
    assert {
        "bill": _loaded(BILLING, policy, loaded(*rates)),
        "FOCUS charge": _loaded(FOCUS, policy, loaded(*rates)),
        "ledger, rates of the database": _reconciled("ledger", policy, rates=loaded(*rates)),
        "focus, rates of the database": _reconciled("focus", policy, rates=loaded(*rates)),
        "focus, rates of the YAML": _reconciled(
            "focus", policy, configuration=parse(f"rates: [{written}]")
        ),
    } == dict.fromkeys(
        (
            "bill",
            "FOCUS charge",
            "ledger, rates of the database",
            "focus, rates of the database",
            "focus, rates of the YAML",
        ),
        expected,
    )


def test_a_month_converts_alike_by_static_rates() -> None:
    policy = RatePolicy(static={"EUR": Decimal("1.1")})
    assert _loaded(BILLING, policy) == _reconciled("ledger", policy) == Decimal(110)
    settings = parse('static_rates: {EUR: "1.1"}')
    assert _reconciled("focus", RatePolicy(), configuration=settings) == Decimal(110)


def _loaded(schema: Schema, policy: RatePolicy, *rates: DatedRates) -> Decimal | None:
    """USD of 100 EUR of the month's last day, as the billing flow stores it."""
    cells = {column.title: "" for column in schema.columns}
    for column in schema.columns:
        if column.filled:
            cells[column.title] = MONTH.last.isoformat() if column.name in _DAYS else "100"
    cells[next(one.title for one in schema.columns if one.name == schema.currency)] = "EUR"
    parser = RowParser(recognise(list(cells)), DatasetFormat(), ExchangeRates(policy, *rates))
    try:
        usd = parser.parse(list(cells.values())).values[3]
    except RowProblem as problem:
        return _none_of(problem.reason)
    assert usd is not None
    return Decimal(usd)


_DAYS = {
    "bill_date",
    "billing_period_start",
    "billing_period_end",
    "charge_period_start",
    "charge_period_end",
}


def _reconciled(source: str, policy: RatePolicy, **facts: Any) -> Decimal | None:
    """USD of 100 EUR of the month, as a reconciliation reports it."""
    charges = [charge("100", currency="EUR", start=MONTH.last)]
    made = reconciler(
        charges, source_key=source, rate_policy=policy, **{"configuration": parse(""), **facts}
    )
    try:
        report = made.run(MONTH, now=datetime(2026, 3, 1, tzinfo=UTC)).report
    except RejectedInput as refused:
        return _none_of(refused.code)
    return report.totals.actual


def _none_of(reason: str) -> Decimal | None:
    assert reason == "no_rate"
    return None
