from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.conventions import Conventions
from finops.invoices.currencies import currency_of

NONE = Conventions.of([])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u00a0234,56 €", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1\u2019234.56", "1234.56"),
        ("1,23,456.78", "123456.78"),
        ("12 345 678", "12345678"),
        ("1.234.567", "1234567"),
        ("(123.45)", "-123.45"),
        ("-123.45", "-123.45"),
        ("\u22125.00", "-5.00"),
        ("123.45-", "-123.45"),
        ("123.45 CR", "-123.45"),
        ("$ 50.00", "50.00"),
        ("EUR 12,50", "12.50"),
        ("0.125", "0.125"),
        ("7", "7"),
    ],
)
def test_an_amount_that_can_be_read_in_one_way(text: str, value: str) -> None:
    assert NONE.amount(text) == (Decimal(value), "")


@pytest.mark.parametrize(
    "text", ["", "n/a", "19%", "1.2.3", "1 2", "12 x 3.00", "1,23,4", "1.2345.678"]
)
def test_a_text_that_is_not_an_amount_gives_the_reason(text: str) -> None:
    value, doubt = NONE.amount(text)
    assert value is None
    assert doubt


def test_one_mark_before_three_digits_is_ambiguous_unless_the_document_decides() -> None:
    value, doubt = NONE.amount("1.234")
    assert value == 1234
    assert "1.234 can mean 1234 or 1.234" in doubt
    assert Conventions.of(["12,50"]).amount("1.234") == (Decimal(1234), "")
    assert Conventions.of(["12.50"]).amount("1.234") == (Decimal("1.234"), "")
    assert Conventions.of(["12.50", "12,50"]).amount("1.234")[1]
    assert NONE.amount("1.234", digits=0) == (Decimal(1234), "")
    guess, doubt = NONE.amount("1.234", digits=3)
    assert guess == Decimal("1.234")
    assert doubt


@given(
    value=st.decimals(-(10**9), 10**9, places=2),
    marks=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ",")]),
)
def test_written_amounts_are_read_back(value: Decimal, marks: tuple[str, str]) -> None:
    thousands, decimal = marks
    text = f"{value:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    assert NONE.amount(text) == (value, "")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2021/03/04", date(2021, 3, 4)),
        ("12 March 2020", date(2020, 3, 12)),
        ("01-Jan-2021", date(2021, 1, 1)),
        ("Thursday, 26 March 2020", date(2020, 3, 26)),
        ("March 5th, 2024", date(2024, 3, 5)),
        ("Nov 3, 2021", date(2021, 11, 3)),
        ("7. Mai 2014", date(2014, 5, 7)),
        ("19 april 2014", date(2014, 4, 19)),
        ("1er février 2023", date(2023, 2, 1)),
        ("14 de marzo de 2022", date(2022, 3, 14)),
        ("3 giugno 2022", date(2022, 6, 3)),
        ("15 września 2023", date(2023, 9, 15)),
        ("01/31/2021", date(2021, 1, 31)),
        ("28/11/2022", date(2022, 11, 28)),
        ("07.05.2014", date(2014, 5, 7)),
        ("5/5/26", date(2026, 5, 5)),
    ],
)
def test_a_date_that_can_be_read_in_one_way(text: str, day: date) -> None:
    assert NONE.date(text) == (day, "")


@pytest.mark.parametrize("text", ["", "soon", "30/02/2024", "2024-13-01", "32 March 2020"])
def test_a_text_that_is_not_a_date_gives_the_reason(text: str) -> None:
    found, doubt = NONE.date(text)
    assert found is None
    assert doubt


def test_day_and_month_are_told_apart_by_the_rest_of_the_document() -> None:
    _, doubt = NONE.date("03/04/2026")
    assert "2026-04-03 or 2026-03-04" in doubt
    european, american = date(2026, 4, 3), date(2026, 3, 4)
    for texts, day in {
        ("13/02/2024",): european,
        ("02/13/2024",): american,
        ("Rechnung",): european,
        ("TVA 20%",): european,
        ("San Francisco CA 94105",): american,
        ("01.02.2024",): european,
    }.items():
        assert Conventions.of(texts).date("03/04/2026") == (day, ""), texts
    for contrary in (["13/02/2024", "02/13/2024"], ["USA", "IBAN"]):
        assert Conventions.of(contrary).date("03/04/2026")[1]


@pytest.mark.parametrize(
    ("amounts", "labels", "lines", "codes", "code"),
    [
        (["€ 5.00"], [], [], [], "EUR"),
        (["5.00"], ["Total EUR"], [], [], "EUR"),
        (["5.00"], ["Total (USD)"], [], [], "USD"),
        (["US$ 5.00"], [], [], [], "USD"),
        (["C$5.00"], [], [], [], "CAD"),
        (["R$ 5,00"], [], [], [], "BRL"),
        (["5,00 zł"], [], [], [], "PLN"),
        (["CHF 5.00"], [], [], [], "CHF"),
        (["$5.00"], [], [], ["USD"], "USD"),
        (["$5.00"], [], ["New York, NY 10001"], [], "USD"),
        (["$5.00"], [], ["Toronto, Canada"], [], "CAD"),
        (["$5.00"], [], ["All amounts in AUD"], [], "AUD"),
        (["¥500"], [], ["Tokyo"], [], "JPY"),
        (["500 kr"], [], ["Sverige"], [], "SEK"),
    ],
)
def test_a_currency_that_is_certain(
    amounts: list[str], labels: list[str], lines: list[str], codes: list[str], code: str
) -> None:
    assert currency_of(amounts, labels, lines, codes) == (code, "")


@pytest.mark.parametrize(
    ("amounts", "lines", "codes", "code"),
    [
        (["$5.00"], [], [], "USD"),
        (["$5.00"], ["USD and CAD are taken"], [], "USD"),
        (["¥500"], [], [], "JPY"),
        (["500 kr"], [], [], "SEK"),
        (["€5", "£5"], [], [], "EUR"),
        (["€5"], [], ["USD"], "EUR"),
        (["5.00"], ["Pay 7.00 EUR"], [], "EUR"),
    ],
)
def test_an_uncertain_currency_gives_the_reason(
    amounts: list[str], lines: list[str], codes: list[str], code: str
) -> None:
    found, doubt = currency_of(amounts, [], lines, codes)
    assert found == code
    assert doubt


def test_words_in_capitals_are_not_currencies() -> None:
    assert currency_of(["5.00"], ["TOTAL"], ["ALL THE TOP"], []) == ("", "")
