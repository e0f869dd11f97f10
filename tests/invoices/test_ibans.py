from __future__ import annotations

import pytest

from finops.invoices.ibans import ibans_in, other_account_in, other_accounts

BRITISH = "GB82WEST12345698765432"


@pytest.mark.parametrize(
    "text",
    [
        "IBAN: GB82 WEST 1234 5698 7654 32",
        "gb82west12345698765432",
        "IBANGB82WEST12345698765432",
        "GB82WEST12345698765432BIC:WESTGB22",
        "GB82/WEST/1234/5698/7654/32",
        "GB82\u00b7WEST\u00b71234\u00b75698\u00b77654\u00b732",
        "GB82    WEST    1234    5698    7654    32",
        "GB\u0668\u0662 WEST \u0661\u0662\u0663\u0664 5698 7654 32",
        "GB82\u200bWEST\u200b1234\u200b5698\u200b7654\u200b32",
        "GB82 WEST 1234 5698 \n 7654 32\nBIC WESTGB22",
        "GB82\nWEST\n1234\n5698\n7654\n32",
    ],
)
def test_an_iban_however_it_is_divided(text: str) -> None:
    assert ibans_in(text) == (BRITISH,)


@pytest.mark.parametrize(
    "text",
    [
        "GB82 WEST 1234 5698 7654 33",
        "GB82WEST12345698765432X",
        "XGB82WEST12345698765432",
        "GB82, WEST, 1234, 5698, 7654, 32",
    ],
)
def test_what_is_no_iban(text: str) -> None:
    assert ibans_in(text) == ()


def test_the_words_of_the_next_line_are_no_part_of_an_iban() -> None:
    """By chance the digits would fit: DE41 2045 7700 RECH NUNG 20."""
    digits = "20457700RECHNUNG20"
    rest = int("".join(str(int(c, 36)) for c in f"{digits}DE00")) % 97
    text = f"DE{98 - rest:02}20457700\nRECHNUNG 20"
    assert ibans_in(text.replace("\n", " ")) != ()
    assert ibans_in(text) == ()


def test_a_number_and_a_date_below_it_are_no_norwegian_iban() -> None:
    texts = [f"Invoice No {number}\n14.03.2026" for number in range(10_000, 10_300)]
    assert {ibans_in(text) for text in texts} == {()}
    assert ibans_in("Konto\nNO93 8601\n1117 947") == ("NO9386011117947",)


@pytest.mark.parametrize(
    "iban",
    [
        *("BI4210000100010000332045181", "DJ2100010000000154000100186", "FK88SC123456789012"),
        *("HN88CABF00000000000250005469", "MN121234123456789123", "NI45BAPR00000013000003558124"),
        *("OM810180000001299123456", "RU0304452522540817810538091310419", "SD2129010501234001"),
        *("SO211000001001000100141", "YE15CBYE0001018861234567891234"),
    ],
)
def test_the_examples_of_the_registry_that_joined_it_last(iban: str) -> None:
    assert ibans_in(f"pay to {iban}") == (iban,)


@pytest.mark.parametrize("text", ["Konto-Nr. 1234567890", "Konto Nr 12 345 678 90", "KtoNr 1"])
def test_a_german_account_number(text: str) -> None:
    assert other_account_in(text) == ("" if text == "KtoNr 1" else "1234567890")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["Sort code", "20-00-00", "Account number", "12345678"], ("20000012345678",)),
        (["Sort code:", "Account number", "20-00-00", "12345678"], ("20000012345678",)),
        (["Routing number", "021000021"], ("021000021",)),
        (["Sort code 20-00-00", "12345678"], ("200000",)),
        (["Bank transfer", "20260017"], ()),
        (["BLZ", "Seite 1", "31.03.2026"], ()),
    ],
)
def test_a_number_below_its_label(lines: list[str], found: tuple[str, ...]) -> None:
    assert other_accounts(lines) == found
