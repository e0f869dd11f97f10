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
    assert currency_of(amounts, labels, lines, codes)[:2] == (code, "")


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
    found, doubt, _ = currency_of(amounts, [], lines, codes)
    assert found == code
    assert doubt


def test_words_in_capitals_are_not_currencies() -> None:
    assert currency_of(["5.00"], ["TOTAL"], ["ALL THE TOP"], []).code == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.99", "0.99"),
        (".50", "0.50"),
        ("€ ,50", "0.50"),
        ("100.-", "100"),
        ("1'250.--", "1250"),
        ("CHF 1'250.\u2014", "1250"),
        ("1.250,-", "1250"),
        ("1 250:-", "1250"),
        ("₹1,250/-", "1250"),
        ("Rs. 1,250.00/-", "1250.00"),
        ("(EUR) 119.00", "119.00"),
        ("119.00 [USD]", "119.00"),
        ("(€) 119.00", "119.00"),
        ("(EUR 119.00)", "-119.00"),
        ("EUR (119.00)", "-119.00"),
        ("108.43 cr", "-108.43"),
        ("$108.43cr", "-108.43"),
        ("CR 108.43", "-108.43"),
        ("108.43 Cr.", "-108.43"),
        ("108.43 DR", "108.43"),
        ("1.250,00 kr.", "1250.00"),
        ("\u0663\u066b\u0665\u0660", "3.50"),
    ],
)
def test_amounts_as_countries_and_ledgers_write_them(text: str, value: str) -> None:
    assert NONE.amount(text) == (Decimal(value), "")


@pytest.mark.parametrize(
    "text",
    [
        "l00.00",
        "I19.00",
        "119.00 net",
        "50.00 per month",
        "-119.00 CR",
        "-(119.00)",
        "(119.00",
        "119.00)",
        "-.50",
        "007.00",
        "<5.00>",
        "[5.00]",
        "~100.00",
        "1.250⁰⁰",
        ".500",
    ],
)
def test_an_amount_with_anything_strange_beside_it_is_uncertain(text: str) -> None:
    assert NONE.amount(text)[1]


def test_three_decimals_are_uncertain_in_a_currency_with_two() -> None:
    assert NONE.amount("1000,000", digits=2)[1]
    assert NONE.amount("1000.000", digits=3) == (Decimal("1000.000"), "")


@pytest.mark.parametrize(
    "text",
    [
        "1447/09/25",
        "14 March 1926",
        "14/03/2569",
        "1404/12/23",
        "R8.3.14",
        "115/03/14",
        "令和8年3月14日",
        "25 Ramadan 1447",
    ],
)
def test_a_year_of_another_calendar_or_century_is_no_date(text: str) -> None:
    found, doubt = NONE.date(text)
    assert found is None
    assert doubt


def test_a_year_of_two_digits_may_come_first() -> None:
    _, doubt = NONE.date("26-03-14")
    assert "2014-03-26 or 2026-03-14" in doubt
    swedish = ["Faktura", "Moms 25%", "SEK"]
    assert Conventions.of(swedish).date("26-03-14")[1]
    known = Conventions.of([*swedish, "Förfallodatum 2026-04-13"])
    assert known.date("26-03-14") == (date(2026, 3, 14), "")
    for texts, text in ((["TVA 20%"], "14/03/26"), (["Rechnung"], "14.03.26")):
        assert Conventions.of(texts).date(text) == (date(2026, 3, 14), ""), text
    assert Conventions.of(["14.04.2026"]).date("26 Mar 14")[1]
    assert Conventions.of(["14.04.2026"]).date("14 Mar 26") == (date(2026, 3, 14), "")
    assert Conventions.of(["USA"]).date("03/14/26") == (date(2026, 3, 14), "")


def test_a_month_that_languages_name_differently_is_decided_by_the_language() -> None:
    assert NONE.date("14. ožujka 2026.") == (date(2026, 3, 14), "")
    assert NONE.date("14. lipnja 2026.") == (date(2026, 6, 14), "")
    assert NONE.date("14 listopada 2026")[1]
    assert Conventions.of(["Račun", "OIB"]).date("14. listopada 2026.") == (date(2026, 10, 14), "")
    assert Conventions.of(["NIP", "Kwota"]).date("14 listopada 2026") == (date(2026, 11, 14), "")


def test_several_dates_in_one_value_are_uncertain() -> None:
    assert NONE.date("01.03.2026 - 31.03.2026")[1]
    assert NONE.date("14 March 2026 / 14.03.2026") == (date(2026, 3, 14), "")


def test_the_customers_country_says_nothing_about_dates() -> None:
    texts = ["Harbour Ltd, Cork, Ireland", "Springfield, IL 62701", "USA"]
    assert Conventions.of(texts).date("03/04/2026")[0] == date(2026, 3, 4)
    assert Conventions.of(texts, seller=texts[:1]).date("03/04/2026")[1]
    assert Conventions.of(texts, address=["8 Quay Street, Cork"]).date("03/04/2026")[1]
    assert Conventions.of(["DE 80331 München"]).date("03/04/2026")[1]


@pytest.mark.parametrize(
    ("amounts", "lines", "codes", "code", "shown"),
    [
        (["$113.00"], ["Toronto, Canada", "All amounts are in US dollars."], [], "USD", 1),
        (["$5.00"], ["Paid in U.S. dollars", "Hong Kong"], [], "USD", 0),
        (["$5.00"], ["8 Queen's Road, Hong Kong"], [], "HKD", 0),
        (["$5.00"], ["Buenos Aires", "CUIT 30-1"], [], "ARS", 0),
        (["$5.00"], ["Vancouver BC V6B 1A1"], [], "CAD", 0),
        (["$5.00"], ["Currency: CAD"], [], "CAD", 0),
        (["Rs. 500"], ["GSTIN 27A"], [], "INR", 0),
    ],
)
def test_words_decide_before_the_sellers_country(
    amounts: list[str], lines: list[str], codes: list[str], code: str, shown: int
) -> None:
    assert currency_of(amounts, [], lines, codes) == (code, "", lines[shown])


def test_the_sellers_address_decides_before_other_lines() -> None:
    lines = ["1 Elm Street, Austin, TX 78701", "Ship from: Toronto, Canada"]
    assert currency_of(["$5.00"], [], lines, []).doubt
    found = currency_of(["$5.00"], [], lines, [], address=lines[:1])
    assert (found.code, found.doubt) == ("USD", "")


@pytest.mark.parametrize(
    ("amounts", "lines", "codes"),
    [
        (["$5.00"], ["ABN AMRO Bank"], []),
        (["$5.00"], ["CAD drawings"], []),
        (["$5.00"], ["Las Cruces, New Mexico"], []),
        (["$5.00"], ["Toronto, Canada"], ["USD"]),
        (["$5.00"], ["Canada", "Australia"], ["USD"]),
        (["£5.00"], ["Cairo, Egypt"], []),
    ],
)
def test_a_currency_that_words_only_suggest_is_uncertain(
    amounts: list[str], lines: list[str], codes: list[str]
) -> None:
    assert currency_of(amounts, [], lines, codes).doubt


def test_a_code_that_is_no_money_is_no_currency() -> None:
    assert currency_of(["XXX 5.00"], ["Total XAU"], [], ["XTS"]).code == ""
