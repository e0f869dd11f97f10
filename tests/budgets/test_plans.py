"""Amounts by month and fiscal year: what each period gets, and when AWS is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.attributes import aws_settings, planned_in_aws
from finops.budgets.domain import ActualBudget, Budget, BudgetKey, Status
from finops.budgets.editing import described
from finops.budgets.plans import AmountPlan, PlannedAmount, epoch_seconds
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month
from tests.budgets.fakes import ACCOUNT, NOW, change
from tests.budgets.test_service import KEY, World

YEAR = {"2027-04": "120000/year"}


def planned(amounts: dict[str, Any], **row: Any) -> Budget:
    return parse_budget(change(100, planned_amounts=amounts, **row).row or {})


def amounts(budget: Budget, *months: str) -> list[Decimal]:
    return [budget.plan.of(Month.parse(one)) for one in months]


def test_an_amount_is_of_each_month_until_the_next_one_is_planned() -> None:
    budget = planned({"2027-03": "300.50", "2027-01": 200})
    months = ("2026-12", "2027-01", "2027-02", "2027-03", "2031-01")
    assert amounts(budget, *months) == [100, 200, 200, Decimal("300.50"), Decimal("300.50")]


def test_the_months_of_a_fiscal_year_add_up_to_its_amount() -> None:
    budget = planned({"2027-04": "100000/year", "2029-04": "7"})
    year = [str(Month.parse("2027-04").plus(number)) for number in range(24)]
    found = amounts(budget, *year)
    assert sum(found[:12]) == sum(found[12:]) == 100000
    assert {*found} == {Decimal("8333.33"), Decimal("8333.34")}
    assert amounts(budget, "2027-03", "2029-04") == [100, 7]


def test_weights_begin_with_the_fiscal_year() -> None:
    budget = planned({"2027-04": "1400/year"}, phasing="1,1,1,1,1,1,1,1,2,2,1,1")
    assert amounts(budget, "2027-04", "2027-12", "2028-01", "2028-02") == [100, 200, 200, 100]
    quarters = planned(
        {"2027-04": "1400/year"}, phasing="1,1,1,1,1,1,1,1,2,2,1,1", time_unit="QUARTERLY"
    )
    assert amounts(quarters, "2027-04", "2027-07", "2027-10", "2028-01") == [300, 300, 400, 400]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"planned_amounts": "1500"}, "planned_amounts", "is not a map"),
        ({"planned_amounts": {"2027-13": 5}}, "planned_amounts", "'2027-13' is not a month"),
        ({"planned_amounts": {"2027": 5}}, "planned_amounts", "'2027' is not a month"),
        ({"planned_amounts": {"9999-12": "9/year"}}, "planned_amounts", "'9999-12' is not a month"),
        ({"planned_amounts": {"0999-01": 5}}, "planned_amounts", "'0999-01' is not a month"),
        ({"planned_amounts": {"2027-01": "1.500"}}, "planned_amounts", "a thousands separator"),
        (
            {"planned_amounts": {"2027-01": "120.000/year"}},
            "planned_amounts",
            "a thousands separator",
        ),
        ({"planned_amounts": {"2027-01": "-5"}}, "planned_amounts", "not above zero"),
        ({"planned_amounts": {"2027-01": b"5"}}, "planned_amounts", "is not a number"),
        ({"planned_amounts": {"2027-01": None}}, "planned_amounts", "is missing"),
        ({"planned_amounts": {"2027-01": "5/month"}}, "planned_amounts", "'month', which is not"),
        ({"planned_amounts": YEAR, "time_unit": "ANNUALLY"}, "planned_amounts", "of a ANNUALLY"),
        ({"planned_amounts": YEAR, "time_unit": "DAILY"}, "planned_amounts", "of a DAILY"),
        (
            {"planned_amounts": {"2027-02": 5}, "time_unit": "QUARTERLY"},
            "planned_amounts",
            "2027-02, in which no quarter begins",
        ),
        ({"planned_amounts": {"2027-01": "0.05/year"}}, "planned_amounts", "without a cent"),
        ({"phasing": "1,1"}, "phasing", "has 2 weights"),
        ({"phasing": "1,1,1,1,1,1,1,1,1,1,1,0"}, "phasing", "not a number above 0"),
        ({"phasing": {"1"}}, "phasing", "no order"),
        ({"phasing": ",".join("1" * 12)}, "phasing", "is of no fiscal year"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(
    row: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(change(100, **row).row or {})
    assert refused.value.field == field
    assert reason in refused.value.message
    assert refused.value.explanation.rstrip(".") != refused.value.message


def test_aws_gets_twelve_months_or_four_quarters_from_the_current_one_on() -> None:
    monthly = aws_settings(planned({"2027-01": 200}), NOW)
    assert "BudgetLimit" not in monthly
    limits = monthly["PlannedBudgetLimits"]
    assert list(limits) == [
        str(epoch_seconds(Month.parse("2026-11").plus(number))) for number in range(12)
    ]
    assert [one["Amount"] for one in limits.values()] == ["100.00"] * 2 + ["200.00"] * 10
    quarterly = aws_settings(planned({"2027-01": 200}, time_unit="QUARTERLY"), NOW)
    assert list(quarterly["PlannedBudgetLimits"]) == [
        str(epoch_seconds(Month.parse(one))) for one in ("2026-10", "2027-01", "2027-04", "2027-07")
    ]


def in_aws(budget: Budget, now: datetime) -> ActualBudget:
    """The AWS Budget that is made of it at a moment."""
    settings = {"amount": budget.amount_at(now), "currency": "USD", "time_unit": budget.time_unit}
    return ActualBudget(settings=settings, planned=budget.planned_limits(now))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_turn_of_a_month_alone_changes_nothing_in_aws() -> None:
    budget = planned({"2027-01": 200, "2028-01": 300})
    made = in_aws(budget, NOW)
    for moment in ("2026-12-01", "2027-01-01", "2027-06-30T23:59:59"):
        assert made.settings_match(budget, at(moment)), moment
    # AWS may leave out months that are over.
    later = {
        key: value for key, value in made.planned.items() if key >= at("2027-02-01").timestamp()
    }
    assert replace(made, planned=later).settings_match(budget, at("2027-02-10"))
    # The half year from here on has January 2028, of which AWS does not know.
    assert not made.settings_match(budget, at("2027-08-01"))
    assert in_aws(budget, at("2027-08-01")).settings_match(budget, at("2027-08-01"))


def test_a_plan_without_a_further_change_is_never_sent_again() -> None:
    budget = planned({"2026-12": 200})
    made = in_aws(budget, NOW)
    assert made.settings_match(budget, at("2029-05-05"))
    spent = ActualBudget(settings={**made.settings, "amount": Decimal(200)})
    assert spent.settings_match(budget, at("2029-05-05"))


@pytest.mark.parametrize("months", range(12))
def test_a_limit_that_somebody_changed_is_drift(months: int) -> None:
    budget = planned({"2027-01": 200})
    made = in_aws(budget, NOW)
    start = epoch_seconds(Month.parse("2026-11").plus(months))
    for value in (Decimal(7), None):
        changed = replace(made, planned={**made.planned, start: value})
        assert not changed.settings_match(budget, NOW)


def test_a_plan_that_is_gone_or_not_asked_for_is_drift() -> None:
    budget, fixed = planned({"2027-01": 200}), parse_budget(change(100).row or {})
    assert not replace(in_aws(budget, NOW), planned={}).settings_match(budget, NOW)
    assert not in_aws(budget, NOW).settings_match(fixed, NOW)
    assert in_aws(fixed, NOW).settings_match(fixed, NOW)
    answer = {"PlannedBudgetLimits": {"1": {"Amount": "2.0", "Unit": "EUR"}}}
    assert planned_in_aws(answer, "USD") == {1: None}


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=5, unique=True),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from([1, 3]),
)
def test_what_aws_would_use_is_what_the_row_says_while_it_matches(
    starts: list[int], made: int, later: int, months: int
) -> None:
    """Whatever the plan, and whenever it was sent: a budget that matches has the right limit."""
    first = Month.parse("2026-10")
    budget = Budget(
        key=BudgetKey(account_id=ACCOUNT, budget_name="x"),
        amount=Decimal(1),
        time_unit=planned({}, time_unit="MONTHLY" if months == 1 else "QUARTERLY").time_unit,
        planned_amounts=tuple(
            PlannedAmount(start=first.plus(one * months), amount=Decimal(one + 2))
            for one in sorted(starts)
        ),
    )

    def moment(periods: int) -> datetime:
        start = first.plus(periods * months).first
        return datetime(start.year, start.month, 9, tzinfo=UTC)

    actual = in_aws(budget, moment(made))
    now = moment(made + later)
    current = epoch_seconds(first.plus((made + later) * months))
    used = actual.planned.get(current, actual.planned[max(actual.planned)])
    if actual.settings_match(budget, now):
        assert used == budget.amount_at(now)
    assert in_aws(budget, now).settings_match(budget, now)


def test_a_plan_is_applied_repaired_and_rolled_over_and_stays_applied() -> None:
    world = World()
    plan = {"2027-01": "200", "2027-12": "300"}
    world.edit(change(100, planned_amounts=plan))
    world.deliver()
    assert world.status == "APPLIED"
    budget = world.budgets.items[KEY.budget_name]
    assert [*budget.planned.values()] == [100] * 2 + [200] * 10
    world.budgets.items[KEY.budget_name] = replace(budget, planned={})
    assert [one.reason for one in world.drift()] == ["budget_changed"]
    world.drift(repair=True)
    world.deliver()
    assert world.drift() == []
    # In July the half year ahead has December.
    for moment, updates in ((NOW + timedelta(days=40), 0), (at("2027-07-02"), 1)):
        world.now = world.budgets.now = moment
        world.budgets.calls.clear()
        world.applier.apply_all()
        world.record()
        assert world.budgets.calls.count("update_budget") == updates
        assert (world.status, world.drift()) == ("APPLIED", [])


def test_a_variance_is_of_the_period_in_which_the_spend_was_read() -> None:
    row = dict(change(100, planned_amounts={"2026-12": "200"}).row or {})
    status = BudgetStatus(
        key=KEY, version="1", status=Status.APPLIED, actual_spend="150", spend_at=NOW
    )
    assert described(KEY, row, status)["variance"] == "50.00"
    december = replace(status, spend_at=at("2026-12-02"))
    assert described(KEY, row, december)["variance"] == "-50.00"


def test_a_plan_with_one_period_is_enough() -> None:
    plan = AmountPlan(amount=Decimal(1), planned=(), phasing=(), months=1)
    assert plan.smallest == 1
