"""From charges to a report: sums that agree, drivers, forecasts, checks, revisions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.reconciliation.comparison.evidence import Evidence
from finops.reconciliation.comparison.report import compare
from finops.reconciliation.configuration import parse
from finops.reconciliation.domain import (
    UNMAPPED,
    Charge,
    ChargeCategory,
    Metric,
    UnitBudget,
    UnitStatus,
)
from finops.reconciliation.rendering import render
from finops.reconciliation.report import RateUsed, as_document
from finops.reconciliation.revisions import differences
from finops.shared.money import rounded, total
from finops.shared.periods import Month
from tests.reconciliation.fakes import (
    OCTOBER,
    PAYER,
    PAYMENTS,
    PLATFORM,
    STRANGER,
    charge,
    days,
)

MAPPING = parse(
    """
payer_accounts: [{id: "111111111111", name: Holding, business_unit: Corporate IT}]
linked_accounts:
  - {id: "222222222222", name: payments, business_unit: Payments, owner: p@example.com}
  - {id: "333333333333", name: platform, business_unit: Platform}
shared_costs: [{name: Support, services: [Support], split: proportional}]
"""
).mapping
SEPTEMBER = OCTOBER.plus(-1).first
EURO = Decimal("1.15")


def rate(currency: str, month: Month) -> RateUsed | None:
    worth = {"USD": Decimal(1), "EUR": EURO}.get(currency)
    if worth is None:
        return None
    return RateUsed(currency=currency, rate=worth, rate_date=month.last, source="ECB")


def evidence(charges: Sequence[Charge], **facts: object) -> Evidence:
    made = Evidence(
        month=OCTOBER,
        currency="USD",
        metric=Metric.BILLED,
        source="focus",
        source_name="by hand",
        mapping=MAPPING,
        excluded=frozenset(),
        smallest_line=Decimal(1),
        charges=charges,
        account_days=(),
        service_days=(),
        rate=rate,
        budgets={},
        known_until=OCTOBER.end,
    )
    return replace(made, **facts)  # type: ignore[arg-type]  # tests name what they change


def budget(target: str, currency: str = "USD") -> UnitBudget:
    return UnitBudget(monthly_target=Decimal(target), currency=currency, origin="test")


def test_units_stand_against_budget_and_month_before() -> None:
    report = compare(
        evidence(
            [
                charge("1200"),
                charge("1000", start=SEPTEMBER),
                charge("50", account=PLATFORM),
                charge("7", account=STRANGER),
            ],
            budgets={"Payments": budget("1000"), "Platform": budget("51"), "Lab": budget("5")},
        )
    )
    found: dict[str, object] = {
        one.name: (one.actual, one.previous, one.variance, one.variance_pct, one.status)
        for one in report.units
    }
    assert found == {
        "Corporate IT": (0, 0, None, None, UnitStatus.NO_BUDGET),
        "Lab": (0, 0, -5, Decimal("-100.0"), UnitStatus.NO_SPEND),
        "Payments": (1200, 1000, 200, Decimal("20.0"), UnitStatus.OVERRUN),
        "Platform": (50, 0, -1, Decimal("-2.0"), UnitStatus.ON_TRACK),
        UNMAPPED: (7, 0, None, None, UnitStatus.NO_BUDGET),
    }
    assert [one.account for one in report.unmapped] == [STRANGER]
    assert report.totals.unmapped == 7
    assert report.units[-1].name == UNMAPPED


def test_drivers_are_the_largest_changes_and_add_up_to_the_units_own() -> None:
    now = [charge(str(100 + number), service=f"Service {number}") for number in range(9)]
    before = [charge("100", service=f"Service {number}", start=SEPTEMBER) for number in range(1, 9)]
    before.append(charge("40", service="Gone", start=SEPTEMBER))
    report = compare(evidence([*now, *before], budgets={"Payments": budget("500")}))
    found = report.units[1]
    assert found.name == "Payments"
    assert [(one.service, str(one.change)) for one in found.drivers[:3]] == [
        ("Service 0", "100.00"),
        ("Gone", "-40.00"),
        ("Service 8", "8.00"),
    ]
    assert total(one.change for one in found.drivers) == found.change
    assert total(one.change for one in found.plan_drivers) == found.variance
    assert found.drivers[0].account_name == "payments"


def test_drivers_of_the_whole_say_what_is_new_and_what_is_gone() -> None:
    charges = [
        *(charge("100", service=name) for name in ("Same", "More", "New")),
        charge("100", service="More", account=PLATFORM),
        charge("100", service="Same", start=SEPTEMBER),
        charge("60", service="More", start=SEPTEMBER),
        charge("250", service="Gone", account=PLATFORM, start=SEPTEMBER),
        charge("60", service="More", account=PLATFORM, start=SEPTEMBER),
    ]
    report = compare(evidence(charges))
    assert [(one.service, one.account, one.kind, one.change) for one in report.drivers] == [
        ("Gone", PLATFORM, "gone", Decimal(-250)),
        ("New", PAYMENTS, "new", Decimal(100)),
        ("More", PAYMENTS, "", Decimal(40)),
        ("More", PLATFORM, "", Decimal(40)),
        ("Everything else", "", "", Decimal(0)),
    ]
    assert total(one.now for one in report.drivers) == report.totals.actual
    assert total(one.before for one in report.drivers) == report.totals.previous


def test_what_is_excluded_is_in_no_unit_and_not_lost() -> None:
    charges = [
        charge("100"),
        charge("19", service="Tax", category=ChargeCategory.TAX),
        charge("-30", category=ChargeCategory.CREDIT),
    ]
    kept = compare(evidence(charges))
    excluded = compare(
        evidence(charges, excluded=frozenset({ChargeCategory.TAX, ChargeCategory.CREDIT}))
    )
    assert [kept.totals.actual, kept.totals.excluded] == [89, 0]
    assert [excluded.totals.actual, excluded.totals.excluded] == [100, -11]
    assert [(one.category, str(one.amount), one.excluded) for one in excluded.categories] == [
        ("Usage", "100.00", False),
        ("Credit", "-30.00", True),
        ("Tax", "19.00", True),
    ]
    assert all(check.holds for check in excluded.checks)


def test_small_lines_are_summed_and_never_dropped() -> None:
    charges = [charge("100"), *(charge("0.004", service=f"s{number}") for number in range(50))]
    report = compare(evidence(charges))
    assert [(one.service, one.amount) for one in report.services] == [
        ("Amazon EC2", Decimal("100.00")),
        ("50 services below 1.00 USD", Decimal("0.20")),
    ]


def test_currencies_are_converted_by_the_months_rate_and_named() -> None:
    report = compare(
        evidence(
            [charge("100", currency="EUR"), charge("10")],
            budgets={"Payments": budget("100", "EUR")},
        )
    )
    payments = report.units[1]
    assert (payments.actual, payments.budget) == (Decimal("125.00"), Decimal("115.00"))
    assert [(one.currency, one.rate) for one in report.rates] == [("EUR", EURO)]


def test_months_before_without_a_rate_are_left_out_of_trends_and_said() -> None:
    report = compare(
        evidence([charge("100"), charge("9", currency="GBP", start=OCTOBER.plus(-5).first)])
    )
    assert any("GBP of 2026-05 are left out" in note for note in report.notes)
    assert report.trends[0].amounts[-6:] == (None, None, None, None, None, Decimal("100.00"))


def test_an_open_month_is_judged_by_its_forecast() -> None:
    known = date(2026, 10, 11)
    daily = [charge("10", start=day) for day in days(date(2026, 8, 30), known)]
    monthly = [
        charge("310", start=SEPTEMBER),
        charge("100"),
        charge("5", service="Support", account=PAYER),
    ]
    report = compare(
        evidence(
            monthly,
            account_days=daily,
            known_until=known,
            budgets={"Payments": budget("300")},
        )
    )
    payments = report.units[1]
    assert payments.actual == Decimal("105.00")
    assert payments.forecast == Decimal("315.00")
    assert payments.status is UnitStatus.ON_TRACK
    assert report.totals.forecast == Decimal("315.00")
    assert report.known_until == known
    assert [one.day for one in report.daily] == days(OCTOBER.first, known)


def test_tax_and_discounts_go_with_the_usage_that_is_coming() -> None:
    known = date(2026, 10, 11)
    daily = [charge("10", start=day) for day in days(date(2026, 9, 1), known)]
    charges = [
        charge("100"),
        charge("19", service="Tax", category=ChargeCategory.TAX),
        charge("-5", category=ChargeCategory.ADJUSTMENT),
        charge("50", category=ChargeCategory.PURCHASE),
        charge("300", start=SEPTEMBER),
        charge("57", service="Tax", category=ChargeCategory.TAX, start=SEPTEMBER),
        charge("-15", category=ChargeCategory.ADJUSTMENT, start=SEPTEMBER),
        charge("50", category=ChargeCategory.PURCHASE, start=SEPTEMBER),
    ]
    report = compare(evidence(charges, account_days=daily, known_until=known))
    assert str(report.totals.forecast) == "403.40"  # 310 of usage, 14% of it, and the fee once


def test_fees_that_are_charged_day_by_day_go_on() -> None:
    known = date(2026, 10, 16)
    before = days(date(2026, 9, 1), known)
    daily = [charge("100", start=day) for day in before]
    fee = ChargeCategory.PURCHASE
    made = evidence(
        [charge("1500"), charge("1500", category=fee, account=PLATFORM)],
        account_days=daily,
        fee_days=[charge("100", start=day, category=fee, account=PLATFORM) for day in before],
        known_until=known,
        budgets={"Payments": budget("3100"), "Platform": budget("2000")},
    )
    forecasts = {one.name: (str(one.forecast), one.status) for one in compare(made).units}
    assert forecasts["Payments"] == ("3100.00", UnitStatus.ON_TRACK)
    assert forecasts["Platform"] == ("3100.00", UnitStatus.OVERRUN)
    since_two_days = replace(made, fee_days=made.fee_days[-2:])
    assert str(compare(since_two_days).units[2].forecast) == "3100.00"
    ended = replace(made, fee_days=made.fee_days[:-8])
    assert str(compare(ended).units[2].forecast) == "1500.00"


def test_what_is_partly_known_is_not_counted_twice() -> None:
    known = date(2026, 10, 11)
    daily = [charge("10", start=day) for day in days(date(2026, 9, 1), known)]
    partly = charge("4", start=known)
    report = compare(evidence([charge("104")], account_days=[*daily, partly], known_until=known))
    assert report.totals.forecast == Decimal("310.00")


def test_a_charge_that_is_dated_ahead_ends_neither_forecast_nor_days() -> None:
    known = date(2026, 10, 11)
    daily = [charge("10", start=day) for day in days(date(2026, 9, 1), known)]
    ahead = charge("5000", start=date(2026, 10, 31))
    report = compare(evidence([charge("5100")], account_days=[*daily, ahead], known_until=known))
    assert report.totals.forecast == Decimal("5300.00")  # 20 more days, and 10 of them is ahead
    assert report.anomalies == ()
    assert [one.day for one in report.daily] == days(OCTOBER.first, known)


def test_billed_and_amortized_costs_stand_side_by_side() -> None:
    charges = [
        charge("100", amortized="130"),
        charge("0.005", amortized="0", service="S3"),
        charge("9", category=ChargeCategory.TAX),
        charge("50", start=SEPTEMBER),
    ]
    made = evidence(charges, excluded=frozenset({ChargeCategory.TAX}))
    totals = compare(made).totals
    assert (str(totals.actual), str(totals.billed), str(totals.amortized)) == (
        "100.01",
        "100.01",
        "130.00",
    )
    assert compare(replace(made, knows_amortized=False)).totals.amortized is None
    net = [replace(one, net=one.billed / 2) for one in charges]
    assert str(compare(replace(made, charges=net, metric=Metric.NET)).totals.actual) == "50.00"


def test_amortized_costs_are_compared_where_that_is_set() -> None:
    charges = [charge("1200", amortized="100", category=ChargeCategory.PURCHASE)]
    assert compare(evidence(charges)).totals.actual == 1200
    assert compare(evidence(charges, metric=Metric.AMORTIZED)).totals.actual == 100


def test_a_source_that_lost_something_is_said() -> None:
    report = compare(evidence([charge("100")], control_totals=[("it", Decimal("100.02"), "USD")]))
    [broken] = [check for check in report.checks if not check.holds]
    assert (broken.name, broken.expected, broken.found) == (
        "source_total",
        Decimal("100.02"),
        Decimal("100.00"),
    )


@pytest.mark.parametrize(
    ("lost", "shown", "holds"),
    [("0.001", "313.81", True), ("0.006", "313.82", False), ("0.90", "314.71", False)],
)
def test_a_charge_that_is_lost_is_told_in_its_own_currency(
    lost: str, shown: str, holds: bool
) -> None:
    def yen(currency: str, month: Month) -> RateUsed | None:
        found = rate(currency, month)
        return found and replace(found, rate=Decimal(150))

    charged = Decimal("313.813")
    total = ("it", charged + Decimal(lost), "USD")
    report = compare(evidence([charge(charged)], currency="JPY", rate=yen, control_totals=[total]))
    [check] = [one for one in report.checks if one.name == "source_total"]
    assert (check.holds, str(check.expected), str(check.found)) == (holds, shown, "313.81")
    assert shown in render(report, "html").decode(), "though yen have no cents"


def test_days_that_do_not_add_up_are_said() -> None:
    daily = [charge("10", start=day) for day in OCTOBER.days]
    held = compare(evidence([charge("310")], account_days=daily))
    broken = compare(evidence([charge("300")], account_days=daily))
    assert [one.holds for one in held.checks if one.name == "days_add_up"] == [True]
    assert [one.holds for one in broken.checks if one.name == "days_add_up"] == [False]


def test_anomalies_name_account_units_and_services() -> None:
    spike = date(2026, 10, 14)
    daily = [
        charge("500" if day == spike else "100", start=day)
        for day in days(OCTOBER.first - timedelta(days=62), OCTOBER.end)
    ]
    report = compare(
        evidence(
            [charge("3500")],
            account_days=[replace(one, service="") for one in daily],
            service_days=[replace(one, linked_account="") for one in daily],
            anomaly_services=lambda unusual: [["Amazon EC2"] for _ in unusual],
        )
    )
    [found] = report.anomalies
    assert (found.scope, found.subject, found.name) == ("account", PAYMENTS, "payments")
    assert found.units == ("Payments",)
    assert (found.first, found.last, found.impact) == (spike, spike, Decimal("400.00"))
    assert found.services == ("Amazon EC2",)
    # What was expected is an amount of its own, which the words do not repeat.
    assert found.expected == Decimal(100)
    assert found.evidence.startswith("Expected by weekday, from the 62 days before; ")
    assert "100.00" not in found.evidence


def test_revisions_name_the_amounts_that_changed() -> None:
    before = compare(evidence([charge("100"), charge("5", service="S3")]))
    after = compare(evidence([charge("100"), charge("5", service="S3"), charge("-25")]))
    changes = {
        (one.table, one.line): (one.before, one.after)
        for one in differences(as_document(before), as_document(after))
    }
    assert changes[("units", "Payments: actual")] == (Decimal("105.00"), Decimal("80.00"))
    assert changes[("services", "Amazon EC2")] == (Decimal("100.00"), Decimal("75.00"))
    assert ("services", "S3") not in changes
    assert not differences(as_document(before), as_document(before))


def test_what_shares_the_line_of_small_ones_is_no_change() -> None:
    small = [charge(cost, service=name) for cost, name in (("0.4", "S3"), ("0.3", "SQS"))]
    dust = [charge("0.2", service="SNS", account=one) for one in (PLATFORM, STRANGER)]
    charges = [charge("100"), *small, *dust]
    corrected = [*charges, charge("4", service="SQS", start=SEPTEMBER)]
    first, *others = (
        as_document(compare(evidence(found, smallest_line=Decimal(least))))
        for found, least in (
            (charges, 1),
            (charges, 0),
            (corrected, 1),
            ([*charges, charge("0.01", service="S3")], 0),
            ([charge("100"), charge("0.7", service="S4"), *dust], 1),
            ([charge("100"), charge("1.1", service="S4")], 1),
        )
    )
    same, also_same, more, other_names, another = (
        {one.line for one in differences(first, later) if one.table == "services"}
        for later in others
    )
    assert same == also_same == set()
    assert {"S3", "SQS"} <= more
    assert other_names == set(), "lines of small ones do not name them"
    assert "S4" in another


def test_a_month_that_a_former_version_closed_has_not_changed() -> None:
    report = compare(evidence([charge("100")], excluded=frozenset({ChargeCategory.TAX})))
    document = as_document(report)
    former = {
        **document,
        "units": [
            {name: value for name, value in unit.items() if name != "excluded"}
            for unit in document["units"]
        ],
    }
    assert [unit["apart"] for unit in former["units"]] == ["0.00", "0.00", "0.00"]
    assert not differences(former, document)


COSTS = st.tuples(
    st.decimals(-5000, 5000, places=10, allow_nan=False),
    st.sampled_from([PAYER, PAYMENTS, PLATFORM, STRANGER]),
    st.sampled_from(["Amazon EC2", "S3", "Support", "dust"]),
    st.sampled_from(list(ChargeCategory)),
    st.sampled_from(["USD", "EUR"]),
    st.sampled_from([OCTOBER.first, SEPTEMBER]),
)


def made(costs: Sequence[tuple[Decimal, str, str, ChargeCategory, str, date]]) -> list[Charge]:
    found: dict[tuple[object, ...], Charge] = {}
    for cost, account, service, category, currency, start in costs:
        key = (account, service, category, currency, start)
        before = found[key].billed if key in found else Decimal(0)
        found[key] = charge(
            cost + before,
            account=account,
            service=service,
            category=category,
            currency=currency,
            start=start,
        )
    return list(found.values())


@given(
    st.lists(COSTS, min_size=1, max_size=30),
    st.sets(st.sampled_from(list(ChargeCategory))),
)
@settings(max_examples=60, deadline=None)
def test_totals_by_any_grouping_agree_to_the_cent(
    costs: list[tuple[Decimal, str, str, ChargeCategory, str, date]],
    excluded: set[ChargeCategory],
) -> None:
    charges = made(costs)
    report = compare(evidence(charges, excluded=frozenset(excluded)))
    whole = report.totals.actual + report.totals.excluded
    exact = total(
        one.billed * (EURO if one.currency == "EUR" else 1)
        for one in charges
        if one.period_start == OCTOBER.first
    )
    assert abs(whole - rounded(exact, 2)) <= Decimal("0.01")
    assert total(one.actual for one in report.units) == report.totals.actual
    assert total(one.excluded for one in report.units) == report.totals.excluded
    assert total(one.amount for one in report.accounts) == whole
    assert total(one.amount for one in report.services) == whole
    assert total(one.amount for one in report.categories) == whole
    assert total(one.amount for one in report.unmapped) == report.totals.unmapped
    assert report.trends[0].amounts[-1] in {report.totals.actual, None}
    assert all(check.holds for check in report.checks)


@given(st.lists(COSTS, min_size=1, max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_charges_changes_nothing(
    costs: list[tuple[Decimal, str, str, ChargeCategory, str, date]], rng: random.Random
) -> None:
    charges = made(costs)
    shuffled = list(charges)
    rng.shuffle(shuffled)
    one, other = (
        compare(evidence(each, budgets={"Payments": budget("10", "EUR")}))
        for each in (charges, shuffled)
    )
    assert as_document(one) == as_document(other)


@pytest.mark.parametrize("sign", [1, -1])
def test_sign_never_changes_a_sum(sign: int) -> None:
    report = compare(
        evidence([charge(sign * Decimal("0.015")), charge(sign * Decimal("0.015"), service="b")])
    )
    assert report.totals.actual == sign * Decimal("0.03")
