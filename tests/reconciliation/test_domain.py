"""Rules of statuses, rounding, and categories."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.reconciliation.domain import (
    ChargeCategory,
    UnitStatus,
    category_of_focus,
    category_of_record_type,
    last_metered_day,
    months_due,
    percent,
    shared_out,
    unit_status,
)
from finops.shared.errors import RejectedInput
from finops.shared.money import rounded, rounded_to_sum, total
from finops.shared.periods import Month

AMOUNTS = st.decimals(-(10**9), 10**9, places=10, allow_nan=False)


@pytest.mark.parametrize(
    ("spent", "budget", "status"),
    [
        ("110", "100", UnitStatus.ON_TRACK),
        ("110.01", "100", UnitStatus.OVERRUN),
        ("90", "100", UnitStatus.ON_TRACK),
        ("89.99", "100", UnitStatus.UNDERRUN),
        ("-5", "100", UnitStatus.UNDERRUN),
        ("0", "100", UnitStatus.NO_SPEND),
        ("0", "0", UnitStatus.ON_TRACK),
        ("0.01", "0", UnitStatus.OVERRUN),
        ("7", None, UnitStatus.NO_BUDGET),
        ("0", None, UnitStatus.NO_BUDGET),
    ],
)
def test_status_against_a_budget_with_ten_percent(
    spent: str, budget: str | None, status: UnitStatus
) -> None:
    wanted = None if budget is None else Decimal(budget)
    assert unit_status(Decimal(spent), wanted, Decimal(10)) is status


@given(st.lists(AMOUNTS, max_size=30), st.integers(0, 3))
def test_rounded_amounts_add_up_to_the_rounded_sum_and_stay_near(
    amounts: list[Decimal], digits: int
) -> None:
    found = rounded_to_sum(amounts, digits)
    assert total(found) == rounded(total(amounts), digits)
    unit = Decimal(1).scaleb(-digits)
    assert all(abs(one - exact) < unit for one, exact in zip(found, amounts, strict=True))


@given(st.lists(AMOUNTS, min_size=2, max_size=30), st.sampled_from([-1, 0, 1]))
def test_rounded_amounts_add_up_to_a_sum_that_is_set(amounts: list[Decimal], off: int) -> None:
    whole = rounded(total(amounts), 2) + Decimal(off).scaleb(-2)
    assert total(rounded_to_sum(amounts, 2, whole)) == whole


@given(AMOUNTS, st.lists(AMOUNTS, min_size=1, max_size=12))
def test_shared_parts_add_up_to_the_whole(amount: Decimal, weights: list[Decimal]) -> None:
    parts = shared_out(amount, weights)
    assert total(parts) == amount
    if any(weight > 0 for weight in weights):
        for part, weight in zip(parts, weights, strict=True):
            assert weight > 0 or abs(part) <= Decimal("1e-9")


def test_shares_are_even_where_no_weight_is_positive() -> None:
    assert shared_out(Decimal(10), [Decimal(0), Decimal(-3)]) == [5, 5]


@pytest.mark.parametrize(
    ("record_type", "category"),
    [
        ("Usage", "Usage"),
        ("SavingsPlanCoveredUsage", "Usage"),
        ("SavingsPlanNegation", "Usage"),
        ("Recurring", "Purchase"),
        ("Savings Plan Recurring Fee", "Purchase"),
        ("Credit", "Credit"),
        ("Refund", "Refund"),
        ("Tax", "Tax"),
        ("Enterprise Discount Program Discount", "Discount"),
        ("EdpDiscount", "Discount"),
        ("Something of next year", "Adjustment"),
    ],
)
def test_each_record_type_has_a_category(record_type: str, category: str) -> None:
    assert category_of_record_type(record_type) == category


def test_a_corrected_credit_of_focus_is_a_refund() -> None:
    assert category_of_focus("Credit", "Correction") is ChargeCategory.REFUND
    assert category_of_focus("Credit", "") is ChargeCategory.CREDIT
    assert category_of_focus("Purchase", "") is ChargeCategory.PURCHASE
    assert category_of_focus("new", "") is ChargeCategory.ADJUSTMENT


def test_percent_is_of_the_size_and_of_nothing_none() -> None:
    assert percent(Decimal(5), Decimal(40)) == Decimal("12.5")
    assert percent(Decimal(5), Decimal(-40)) == Decimal("12.5")
    assert percent(Decimal(5), Decimal(0)) is None


@pytest.mark.parametrize(
    ("today", "due"),
    [
        ("2026-11-01", [("2026-10", False), ("2026-11", False)]),
        ("2026-11-05", [("2026-10", True), ("2026-11", False)]),
        ("2026-11-15", [("2026-10", True), ("2026-11", False)]),
        ("2026-11-16", [("2026-11", False)]),
        ("2026-01-03", [("2025-12", False), ("2026-01", False)]),
    ],
)
def test_the_month_before_is_closed_on_its_day_and_watched_for_corrections(
    today: str, due: list[tuple[str, bool]]
) -> None:
    found = months_due(date.fromisoformat(today), close_day=5, watch_until_day=15)
    assert [(str(month), close) for month, close in found] == due


def test_months_know_their_ends_and_neighbours() -> None:
    month = Month.parse("2024-02")
    assert (month.end, month.last, len(month.days)) == (date(2024, 3, 1), date(2024, 2, 29), 29)
    assert [str(one) for one in month.back(3)] == ["2023-12", "2024-01", "2024-02"]
    for text in ("2024-13", "2024-1", "24-01", "", "2024-02-01", "0000-01", "\uff12024-01"):
        with pytest.raises(RejectedInput):
            Month.parse(text)


@pytest.mark.parametrize(
    ("counts", "delivered", "last"),
    [
        pytest.param([], 15, None, id="nothing"),
        pytest.param([10] * 14, 15, 14, id="all alike"),
        pytest.param([10] * 13 + [2], 15, 13, id="the last day in part"),
        pytest.param([10] * 12 + [4, 1], 15, 12, id="the last two in part"),
        pytest.param([10] * 8 + [4] * 6, 15, 14, id="a clean-up"),
        pytest.param([10] * 8 + [4] * 6 + [1], 15, 14, id="a clean-up, the last day in part"),
        pytest.param([10] * 8 + [4] * 2, 15, 8, id="a clean-up two days ago"),
        pytest.param([10] * 6 + [4] * 8, 15, 14, id="most days are after the clean-up"),
        pytest.param([10] * 14 + [1] * 6, 15, 14, id="dated after the delivery"),
        pytest.param([10] * 12 + [0] * 5 + [1] * 4, 22, 12, id="dated ahead, after days of none"),
        pytest.param([90] + [3] * 9, 11, 10, id="much on the first"),
    ],
)
def test_a_day_is_metered_with_half_as_many_charges_as_usual(
    counts: list[int], delivered: int, last: int | None
) -> None:
    charges = {date(2026, 10, day): count for day, count in enumerate(counts, 1) if count}
    found = last_metered_day(charges, date(2026, 10, delivered))
    assert found == (last and date(2026, 10, last))
