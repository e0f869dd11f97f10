from __future__ import annotations

from decimal import Decimal

import pytest

from finops.invoices.totals import Amount, Totals, fits_a_rate, weighed

CENT = Decimal("0.01")


def amounts(*values: str) -> list[Amount]:
    """Each as `100.00 label`."""
    return [
        Amount(at, Decimal(text.partition(" ")[0]), text.partition(" ")[2])
        for at, text in enumerate(values)
    ]


def weigh(
    totals: tuple[str, ...],
    subtotals: tuple[str, ...],
    taxes: tuple[str, ...],
    dues: tuple[str, ...] = (),
) -> Totals | None:
    every = amounts(*totals, *subtotals, *taxes, *dues)
    ends = [len(totals), len(subtotals), len(taxes), len(dues)]
    parts = []
    for length in ends:
        parts.append(every[:length])
        every = every[length:]
    return weighed(parts[0], parts[3], parts[1], parts[2])


def values(found: Totals | None) -> tuple[str, str, str]:
    assert found
    return (
        f"{found.total.value}",
        f"{sum(one.value for one in found.subtotals)}",
        f"{sum(one.value for one in found.taxes)}",
    )


def test_rows_by_rate_are_parts_of_the_grand_total() -> None:
    found = weigh(
        ("107.00", "238.00", "345.00"), ("100.00", "200.00"), ("7.00 VAT 7%", "38.00 VAT 19%")
    )
    assert values(found) == ("345.00", "300.00", "45.00")
    assert found
    assert not found.doubt
    whole = weigh(("107.00", "345.00", "238.00"), ("300.00", "100.00", "200.00"), ("45", "7", "38"))
    assert values(whole) == ("345.00", "300.00", "45")
    assert whole
    assert not whole.doubt


def test_a_tax_of_zero_confirms_a_total() -> None:
    assert values(weigh(("100.00",), ("100.00",), ("0.00",))) == ("100.00", "100.00", "0.00")
    assert weigh(("100.00",), ("100.00",), ()) is None


def test_equal_taxes_at_two_rates_are_both_added() -> None:
    assert values(weigh(("220",), ("200",), ("10 VAT 7%", "10 VAT 19%"))) == ("220", "200", "20")


@pytest.mark.parametrize(
    ("totals", "subtotals", "taxes"),
    [
        (("107.00", "238.00"), ("100.00", "200.00"), ("7.00", "38.00")),
        (("107.00", "345.00"), ("100.00",), ("7.00",)),
        (("345.00",), ("300.00",), ("45.00", "7.00", "83.00")),
        (("119.00",), ("100.00", "112.00"), ("19.00", "7.00")),
    ],
)
def test_other_sums_and_larger_totals_are_doubt(
    totals: tuple[str, ...], subtotals: tuple[str, ...], taxes: tuple[str, ...]
) -> None:
    found = weigh(totals, subtotals, taxes)
    assert found
    assert found.doubt


def test_what_is_called_the_total_can_be_without_tax() -> None:
    found = weigh(("1000.00 Gesamt",), (), ("190.00 MwSt. 19%",), ("1190.00 zu zahlen",))
    assert values(found) == ("1190.00", "1000.00", "190.00")
    # Ten times the total is no tax.
    assert weigh(("1000.00",), (), ("9000.00",), ("10000.00",)) is None


@pytest.mark.parametrize(
    ("tax", "total", "label", "fits"),
    [
        ("190.00", "1190.00", "MwSt. 19%", True),
        ("190.00", "1000.00", "MwSt. 19%", False),
        ("190.00", "1190.00", "MwSt.", True),
        ("190.00", "1000.00", "", False),
        ("200.00", "1000.00", "TVA", False),
        ("200.00", "1000.00", "VAT 25%", True),
        ("101.25", "1351.25", "MwSt. 8.1%", True),
    ],
)
def test_a_tax_fits_a_total_by_its_rate(tax: str, total: str, label: str, fits: bool) -> None:
    assert fits_a_rate(Decimal(tax), Decimal(total), label, CENT) is fits
