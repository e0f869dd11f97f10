"""From a business unit to its services, their accounts and their days: each level adds up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from finops.reconciliation.comparison.unit_costs import LINES
from finops.reconciliation.configuration import Configuration, parse
from finops.reconciliation.domain import UNMAPPED, Charge, ChargeCategory
from finops.reconciliation.ports import Detail
from finops.reconciliation.report import Report, UnitService, as_document
from finops.shared.money import total
from tests.reconciliation.fakes import (
    OCTOBER,
    PAYER,
    PAYMENTS,
    PLATFORM,
    STRANGER,
    FakeSource,
    charge,
    days,
    reconciler,
)

NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
FIRST: Final = OCTOBER.first
TEAM: Final = 1
SETTINGS: Final = parse(
    """
payer_accounts: [{id: "111111111111", name: Holding, business_unit: Corporate IT}]
linked_accounts:
  - {id: "222222222222", name: payments, business_unit: Payments}
  - {id: "333333333333", business_unit: Platform}
tag_rules: [{tag: team, values: [data], business_unit: Data}]
shared_costs: [{name: Support, services: [Support], split: proportional}]
excluded_categories: [Tax]
"""
)
PLAIN: Final = parse("linked_accounts: [{id: '222222222222', business_unit: Payments}]")


def report_of(
    charges: Sequence[Charge], configuration: Configuration = SETTINGS, now: datetime = NOW
) -> Report:
    return reconciler(charges, configuration=configuration).run(OCTOBER, now=now).report


def services(report: Report, unit: str) -> tuple[UnitService, ...]:
    (found,) = (one.services for one in report.units if one.name == unit)
    return found


def assert_levels_add_up(report: Report) -> None:
    for unit in report.units:
        assert total(one.amount for one in unit.services) == unit.actual, unit.name
        for service in unit.services:
            assert total(one.amount for one in service.accounts) == service.amount
            for account in service.accounts:
                assert len(account.days) == len(report.daily)
                assert total((*account.days, account.monthly)) == account.amount


AMOUNTS = st.decimals("-500", "5000", places=4)
CHARGES = st.builds(
    charge,
    AMOUNTS,
    account=st.sampled_from([PAYER, PAYMENTS, PLATFORM, STRANGER]),
    service=st.sampled_from(["Amazon EC2", "Amazon S3", "Support", ""]),
    start=st.sampled_from([FIRST, date(2026, 10, 2), date(2026, 10, 31), date(2026, 9, 30)]),
    category=st.sampled_from(list(ChargeCategory)),
    tag_rule=st.sampled_from([0, TEAM]),
)


@given(st.lists(CHARGES, min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_every_level_adds_up_to_the_one_above(charges: list[Charge]) -> None:
    report = report_of([charge("0.01"), *charges])
    assert_levels_add_up(report)
    by_day = [
        total(
            account.days[at]
            for unit in report.units
            for service in unit.services
            for account in service.accounts
        )
        for at in range(len(report.daily))
    ]
    # Each line is rounded, and usage that a rule cancels within a month has no days.
    lines = sum(len(service.accounts) for unit in report.units for service in unit.services)
    if all(one.billed > 0 for one in charges):
        for found, day in zip(by_day, report.daily, strict=True):
            assert abs(found - day.amount) <= Decimal("0.01") * (lines + 1)


def test_days_are_usage_and_the_rest_is_said_to_be_none() -> None:
    day = date(2026, 10, 14)
    report = report_of(
        [
            *(charge("10", start=one) for one in days(FIRST, OCTOBER.end)),
            charge("7.25", start=day),
            charge("-3", category=ChargeCategory.CREDIT),
            charge("900", category=ChargeCategory.TAX),
        ]
    )
    (service,) = services(report, "Payments")
    (account,) = service.accounts
    assert (service.service, account.account, account.name) == ("Amazon EC2", PAYMENTS, "payments")
    assert account.days[13] == Decimal("17.25")
    assert {*account.days[:13], *account.days[14:]} == {Decimal(10)}
    assert (account.monthly, account.amount) == (Decimal(-3), Decimal("314.25"))


def test_a_tagged_part_and_a_shared_cost_are_their_units_own() -> None:
    report = report_of(
        [
            charge("60"),
            charge("40", tag_rule=TEAM),
            charge("300", account=PLATFORM, start=date(2026, 10, 3)),
            charge("4", service="Support", account=PAYER, start=date(2026, 10, 5)),
        ]
    )
    assert_levels_add_up(report)
    found = {
        (unit.name, one.service): (one.amount, one.accounts[0].days)
        for unit in report.units
        for one in unit.services
    }
    assert found["Data", "Amazon EC2"][0] == 40
    assert found["Data", "Amazon EC2"][1][0] == 40
    assert found["Payments", "Amazon EC2"][1][0] == 60
    assert found["Platform", "Amazon EC2"][1][2] == 300
    shared = {unit: one for (unit, service), one in found.items() if service == "Support"}
    assert {unit: (one[0], one[1][4]) for unit, one in shared.items()} == {
        "Payments": (Decimal("0.60"), Decimal("0.60")),
        "Data": (Decimal("0.40"), Decimal("0.40")),
        "Platform": (Decimal("3.00"), Decimal("3.00")),
    }


def test_small_lines_are_one_and_the_largest_lines_of_a_report_have_their_own() -> None:
    large = [charge(str(100 + number), service=f"Service {number:02}") for number in range(3)]
    small = [charge("0.30", service=f"Small {number}") for number in range(4)]
    report = report_of([*large, *small], PLAIN)
    assert_levels_add_up(report)
    found = {one.service: one for one in services(report, "Payments")}
    assert [*found] == ["Service 02", "Service 01", "Service 00", "4 other services"]
    others = found["4 other services"]
    assert (others.amount, others.accounts[0].days[0]) == (Decimal("1.20"), Decimal("1.20"))
    accounts = [charge(str(number), account=f"{number:012}") for number in range(10, LINES + 20)]
    report = report_of(accounts, PLAIN)
    assert_levels_add_up(report)
    ((service,),) = (one.services for one in report.units if one.name == UNMAPPED)
    assert len(service.accounts) == LINES + 1
    assert (service.accounts[-1].account, service.accounts[-1].name) == ("10 other accounts", "")
    assert service.accounts[-1].amount == sum(range(10, 20))


def test_of_an_open_month_the_days_that_are_not_known_are_no_days() -> None:
    source = FakeSource(
        [charge("10", start=one) for one in days(date(2026, 8, 1), date(2026, 10, 16))],
        known_until=date(2026, 10, 15),
    )
    report = (
        reconciler([], source=source)
        .run(OCTOBER, now=datetime.fromisoformat("2026-10-16T06:00:00+00:00"))
        .report
    )
    assert_levels_add_up(report)
    (account,) = services(report, "Payments")[0].accounts
    assert (account.days, account.monthly) == ((Decimal(10),) * 14, Decimal(10))


def test_a_source_without_days_is_asked_for_none() -> None:
    source = FakeSource([charge("10", category=ChargeCategory.PURCHASE)])
    report = reconciler([], source=source).run(OCTOBER, now=NOW).report
    (account,) = services(report, "Payments")[0].accounts
    assert (account.days, account.monthly) == ((), Decimal(10))
    assert Detail.ACCOUNT_SERVICE_DAYS not in {one.detail for one in source.queries}


def test_a_source_with_days_is_asked_for_them_once() -> None:
    source = FakeSource([charge("10")])
    report = reconciler([], source=source, configuration=SETTINGS).run(OCTOBER, now=NOW).report
    (asked,) = (one for one in source.queries if one.detail is Detail.ACCOUNT_SERVICE_DAYS)
    assert (asked.first, asked.end, asked.accounts) == (FIRST, OCTOBER.end, ())
    assert asked.tag_rules == SETTINGS.mapping.tag_rules
    unit = next(one for one in as_document(report)["units"] if one["name"] == "Payments")
    assert unit["services"][0]["accounts"][0]["days"][:2] == ["10.00", "0.00"]
