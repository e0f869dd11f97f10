from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.shared.errors import RejectedInput
from finops.shared.money import Money, is_currency, minor_units, product

AMOUNTS = st.decimals(-(10**18), 10**18, places=18)


@pytest.mark.parametrize(
    ("text", "currency", "whole"),
    [
        ("1234.565", "USD", "1234.57"),
        ("-1234.565", "USD", "-1234.57"),
        ("0.5", "JPY", "1"),
        ("1.2345", "KWD", "1.235"),
        ("1.2345", "EUR", "1.23"),
        ("+7", "EUR", "7.00"),
        ("1.23456", "CLF", "1.2346"),
        ("1.23456", "XAU", "1.23456"),
        ("1.5", "XXX", "1.5"),
    ],
)
def test_rounds_half_up_to_the_minor_units_of_the_currency(
    text: str, currency: str, whole: str
) -> None:
    assert str(Money.parse(text, currency).rounded().amount) == whole


@pytest.mark.parametrize("amount", [1.5, 1, "1.5", True, None])
def test_refuses_floats_and_everything_else_that_is_not_a_decimal(amount: object) -> None:
    with pytest.raises(TypeError, match="money is a Decimal"):
        Money(amount, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [1.5, 1, Decimal(1), None, b"1"])
def test_parses_text_only(text: object) -> None:
    with pytest.raises(TypeError, match="parsed from text"):
        Money.parse(text, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1,5",
        "1_000",
        "1e3",
        "NaN",
        "Infinity",
        "\uff11",
        " 1",
        "1.",
        ".5",
        "9" * 41,
    ],
)
def test_refuses_text_that_is_not_a_plain_number(text: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        Money.parse(text, "USD")
    assert refused.value.code == "invalid_amount"
    assert refused.value.value == text


@pytest.mark.parametrize("code", ["", "usd", "USDX", "US", "ZZZ", "DEM", "€"])
def test_knows_active_currencies_only(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(RejectedInput) as refused:
        Money(Decimal(1), code)
    assert refused.value.code == "unknown_currency"


def test_knows_the_minor_units_of_all_currencies() -> None:
    units = minor_units()
    assert {code: units[code] for code in ("JPY", "USD", "KWD", "UYW", "XAU")} == {
        "JPY": 0,
        "USD": 2,
        "KWD": 3,
        "UYW": 4,
        "XAU": None,
    }
    assert len(units) > 150
    assert all(is_currency(code) for code in units)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_refuses_amounts_that_are_not_finite(amount: str) -> None:
    with pytest.raises(RejectedInput):
        Money(Decimal(amount), "USD")


def test_adds_within_a_currency_only() -> None:
    assert Money.parse("0.1", "EUR") + Money.parse("0.2", "EUR") == Money(Decimal("0.3"), "EUR")
    with pytest.raises(ValueError, match="EUR and USD"):
        Money.parse("1", "EUR") + Money.parse("1", "USD")


def test_is_shown_in_whole_minor_units() -> None:
    assert str(Money.parse("-1234567.5", "EUR")) == "-1,234,567.50 EUR"
    assert str(Money.parse("1234.5", "JPY")) == "1,235 JPY"


@given(AMOUNTS, AMOUNTS)
def test_sums_are_exact(one: Decimal, other: Decimal) -> None:
    total = Money(one, "USD") + Money(other, "USD")
    assert Fraction(total.amount) == Fraction(one) + Fraction(other)


@given(AMOUNTS, st.sampled_from(["JPY", "USD", "KWD"]))
def test_rounding_changes_an_amount_by_at_most_half_a_unit_and_only_once(
    amount: Decimal, currency: str
) -> None:
    money = Money(amount, currency)
    whole = money.rounded()
    unit = Decimal(1).scaleb(-(minor_units()[currency] or 0))
    assert abs(whole.amount - amount) * 2 <= unit
    assert whole.rounded() == whole
    assert Money(amount.copy_negate(), currency).rounded().amount == -whole.amount


@given(AMOUNTS, st.decimals(0, 10**6, places=15), st.integers(0, 18))
def test_products_are_rounded_once_half_up(amount: Decimal, rate: Decimal, digits: int) -> None:
    exact = Fraction(amount) * Fraction(rate)
    units = floor(abs(exact) * 10**digits + Fraction(1, 2))
    found = product(amount, rate, digits)
    assert abs(Fraction(found)) * 10**digits == units
    assert found.as_tuple().exponent == -digits
    assert units == 0 or (found < 0) == (exact < 0)


def test_importing_it_does_not_read_the_list_of_currencies() -> None:
    code = "import sys, finops.shared.money; sys.exit('iso4217' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
