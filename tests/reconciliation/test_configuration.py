"""Budgets by month, quarter and year, and what `check` finds in a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from finops.reconciliation.configuration import parse
from finops.reconciliation.rendering import render
from finops.shared.errors import RejectedInput
from finops.shared.money import total
from finops.shared.periods import Month
from tests.reconciliation.fakes import OCTOBER, FakeStore, reconciler, usual


def targets(text: str, first: str = "2026-01", count: int = 12) -> list[str | None]:
    """Of the unit A, by month."""
    settings = parse(text)
    months = [Month.parse(first).plus(at) for at in range(count)]
    found = (settings.budgets(month).get("A") for month in months)
    return [str(one.monthly_target) if one else None for one in found]


def test_a_target_counts_from_its_start_on() -> None:
    text = "budgets: {A: [{monthly_target: 700, from: 2026-11}, {monthly_target: 560}]}"
    assert targets(text, "2026-09", 4) == ["560", "560", "700", "700"]
    assert targets("budgets: {A: {monthly_target: 5, from: 2026-11}}", "2026-10", 2) == [None, "5"]


def test_a_year_is_shared_by_its_months_to_the_cent() -> None:
    found = targets("budgets: {A: {annual_target: 1000}}")
    assert set(found) == {"83.33", "83.34"}
    assert total(Decimal(one or 0) for one in found) == 1000


def test_a_fiscal_year_has_its_own_quarters_and_phasing() -> None:
    weights = "[1, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0, 3]"
    text = (
        f"fiscal_year_starts_in: 4\nbudgets: {{A: {{quarterly_target: 300, phasing: {weights}}}}}"
    )
    assert targets(text, "2026-04") == [
        *("75.00", "75.00", "150.00"),
        *["100.00"] * 6,
        *("0.00", "0.00", "300.00"),
    ]
    yearly = text.replace("quarterly_target: 300", "annual_target: 1300")
    assert targets(yearly, "2026-06", 1) == ["200.00"]
    assert targets(yearly, "2027-03", 1) == ["300.00"]


def test_yen_are_shared_whole() -> None:
    found = targets("budgets: {A: {annual_target: 1000, currency: JPY}}")
    assert set(found) == {"83", "84"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{}", "needs one of monthly_target"),
        ("{monthly_target: 1, annual_target: 12}", "needs one of monthly_target"),
        ("[]", "no target"),
        ("{annual_target: 12, phasing: [1, 2]}", "twelve weights"),
        ("{monthly_target: 12, phasing: [1,1,1,1,1,1,1,1,1,1,1,1]}", "twelve weights"),
        ("{quarterly_target: 12, phasing: [0,0,0,1,1,1,1,1,1,1,1,1]}", "a period without"),
        ("{annual_target: 12, phasing: [1,1,1,1,1,1,1,1,1,1,1,-1]}", "0 or more"),
        ("{monthly_target: 1, from: 2026-13}", "not a month"),
        ("[{monthly_target: 1}, {monthly_target: 2}]", "2 targets from the beginning"),
    ],
)
def test_refuses_a_budget_with_the_reason(entry: str, said: str) -> None:
    with pytest.raises(RejectedInput, match=said):
        parse(f"budgets: {{A: {entry}}}")


def test_a_new_target_leaves_the_months_before_alone_also_where_they_are_open() -> None:
    rules = 'linked_accounts: [{id: "222222222222", business_unit: A}]\n'
    before = "budgets: {A: {monthly_target: 300}}"
    after = "budgets: {A: [{monthly_target: 300}, {monthly_target: 400, from: 2026-11}]}"
    found = [
        reconciler(usual(), configuration=parse(rules + text), store=FakeStore())
        .run(OCTOBER, now=datetime(2026, 11, 3, tzinfo=UTC))
        .report.units[0]
        for text in (before, after)
    ]
    assert found[0] == found[1]
    assert str(found[0].budget) == "300.00"


LOOKS_WRONG = """\
payer_accounts: [{id: "111111111111", business_unit: Core}]
linked_accounts:
  - {id: "22222222222", business_unit: Payments}
  - {id: "111111111111", business_unit: Lab}
  - {id: "333333333333", business_unit: "payments "}
tag_rules:
  - {tag: team, values: [fraud], business_unit: Risk}
  - {tag: Team, values: [Fraud], business_unit: Lab}
  - {tag: product, values: [x], business_unit: Core}
  - {tag: product, values: [y], business_unit: Lab}
shared_costs:
  - {name: Support, services: [Support]}
  - {name: Rest, accounts: ["333333333333"]}
  - {name: Other, services: [Other], accounts: ["444444444444"]}
budgets:
  PAYMENTS: {monthly_target: 5}
"""


def test_check_finds_what_looks_wrong_each_with_unit_and_line() -> None:
    assert list(parse(LOOKS_WRONG).findings) == [
        "line 3: 22222222222 (Payments) has 11 digits; ids of AWS accounts have 12",
        "'Payments' (line 3), 'payments ' (line 5), 'PAYMENTS' (line 16) differ only in case or"
        " spaces, and are different business units",
        "111111111111 is in payer_accounts (line 1, Core) and linked_accounts (line 4, Lab): the"
        " linked account's business unit counts",
        "line 8: Lab has values of Team that differ only in case from those of Risk (line 7):"
        " fraud",
        "line 9: what has both tags, team and product, goes to Risk (line 7), not to Core",
        "line 9: what has both tags, Team and product, goes to Lab (line 8), not to Core",
        "line 13: what 'Rest' and 'Support' (line 12) both cover is shared by 'Support'",
    ]
    assert set(parse(LOOKS_WRONG).findings) <= set(parse(LOOKS_WRONG).warnings)


def test_check_finds_owners_who_would_have_two_pages() -> None:
    text = """\
linked_accounts:
  - {id: "222222222222", business_unit: A, owner: ann@example.com}
  - {id: "333333333333", business_unit: B, owner: Ann@example.com}
tag_rules: [{tag: team, values: [x], business_unit: C, owner: "ann@example.com "}]
"""
    assert list(parse(text).findings) == [
        "'ann@example.com' (line 2), 'Ann@example.com' (line 3), 'ann@example.com ' (line 4) differ"
        " only in case or spaces, and are different owners"
    ]


def test_check_finds_nothing_in_settings_that_are_right() -> None:
    text = """
payer_accounts: [{id: "111111111111", business_unit: Core}]
linked_accounts:
  - {id: "111111111111", business_unit: Core}
  - {id: 0aa11bb2-0000-0000-0000-000000000001, business_unit: Lab}
tag_rules:
  - {tag: team, values: [a], business_unit: Lab}
  - {tag: team, values: [b], business_unit: Core}
budgets: {Core: {monthly_target: 5}, Lab: {annual_target: 50}}
"""
    assert parse(text).warnings == ()


UNITS = """
payer_accounts: [{id: "111111111111", business_unit: Core}]
linked_accounts:
  - {id: "222222222222", business_unit: Payments}
  - {id: "333333333333", business_unit: Platform}
budgets: {Payments: {monthly_target: 300}}
"""


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("{A: {units: [Nobody]}}", "'Nobody' is no business unit"),
        ("{A: {units: [Core]}, B: {units: [Core]}}", "'Core' is in 2 groups"),
        ("{A: {units: [B]}, B: {units: [A]}}", "groups.A is in itself"),
        ("{A: {units: [A]}}", "groups.A is in itself"),
        ("{Core: {units: [Payments]}}", "groups.Core is also the name of a business unit"),
        ("{A: {units: []}}", "length >= 1"),
    ],
)
def test_refuses_groups_that_would_count_twice_or_never_end(groups: str, said: str) -> None:
    with pytest.raises(RejectedInput, match=said):
        parse(f"{UNITS}groups: {groups}")


def test_groups_sum_up_their_units_and_groups_in_every_format() -> None:
    groups = """
groups:
  Commerce: {units: [Payments, Platform], owner: c@example.com}
  Company: {units: [Commerce, Core], owner: ceo@example.com}
"""
    report = (
        reconciler(usual(), configuration=parse(UNITS + groups))
        .run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC))
        .report
    )
    company, commerce = report.groups
    assert (company.name, company.parent, company.owner) == ("Company", "", "ceo@example.com")
    assert company.units == ("Core", "Payments", "Platform")
    assert company.actual == report.totals.actual
    assert (commerce.name, commerce.parent) == ("Commerce", "Company")
    amounts = (commerce.actual, commerce.budget, commerce.unbudgeted, commerce.variance)
    assert [str(one) for one in amounts] == ["620.00", "300.00", "310.00", "10.00"]
    page = render(report, "html").decode()
    assert "Groups of business units" in page
    assert "in Company · c@example.com" in page
    rows = render(report, "csv").decode().splitlines()
    assert sum(",groups,Com" in row for row in rows) == 2
    assert len(render(report, "xlsx")) > len(render(replace(report, groups=()), "xlsx"))


def test_a_group_without_any_budget_has_no_variance() -> None:
    report = (
        reconciler(usual(), configuration=parse(UNITS + "groups: {G: {units: [Platform]}}"))
        .run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC))
        .report
    )
    [found] = report.groups
    assert (found.budget, found.variance, str(found.actual)) == (None, None, "310.00")
    assert "Groups of business units" in render(report, "html").decode()
