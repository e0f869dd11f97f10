from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from finops.shared.workbook import BAD, Styles, is_exact


class Book:
    """A workbook that returns each requested format as it was requested."""

    def add_format(self, properties: dict[str, Any]) -> dict[str, Any]:
        return properties


@pytest.mark.parametrize(
    ("currency", "value", "form"),
    [
        ("USD", "1", "#,##0.00;[Red]-#,##0.00"),
        ("JPY", "1", "#,##0;[Red]-#,##0"),
        ("KWD", "1", "#,##0.000;[Red]-#,##0.000"),
        ("USD", "0.12345", "#,##0.00000;[Red]-#,##0.00000"),
        ("", "1E+3", "#,##0;[Red]-#,##0"),
    ],
)
def test_an_amount_shows_its_currencys_minor_units_or_more(
    currency: str, value: str, form: str
) -> None:
    styles = Styles(Book(), {})
    assert styles.amount(currency, Decimal(value))["num_format"] == form
    assert styles.amount(currency, Decimal(value)) is styles.amount(currency, Decimal(value))


def test_a_total_has_a_line_above_it() -> None:
    styles = Styles(Book(), {})
    assert styles.amount("USD", total=True)["top"] == 1
    assert "top" not in styles.amount("USD")


def test_a_status_has_its_colours() -> None:
    background, text = BAD
    assert Styles(Book(), {"REJECTED": BAD}).statuses["REJECTED"] == {
        "bg_color": background,
        "font_color": text,
    }


@pytest.mark.parametrize(
    ("value", "exact"), [("123456789012345", True), ("-1234567890123.45", True), ("1" * 16, False)]
)
def test_a_number_of_fifteen_digits_is_exact(value: str, exact: bool) -> None:
    assert is_exact(Decimal(value)) is exact
