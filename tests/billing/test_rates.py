from __future__ import annotations

import gzip
import io
import os
import zipfile
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing import rates
from finops.billing.domain import Quarantined, Tally
from finops.billing.rates import read_rates
from finops.shared.errors import RejectedInput
from finops.shared.rates import Rate
from tests.billing.use_cases import Flow

CORPUS = os.environ.get("FINOPS_CORPUS", "")
ECB = """\
Date,USD,JPY,CYP,GBP,DKK,
2026-04-13,1.1684,186.75,N/A,0.87058,7.4600,
2026-04-10,1.1700,N/A,N/A,0.87,7.4650,
1999-01-04,1.1789,133.73,0.58231,0.7111,7.4501,
"""


def zipped(content: str | bytes, name: str = "eurofxref-hist.csv", **others: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, text in others.items():
            archive.writestr(other, text)
        archive.writestr(name, content)
    return file.getvalue()


def read(content: str | bytes) -> tuple[list[Rate], list[Quarantined]]:
    data = content.encode() if isinstance(content, str) else content
    rejected: list[Quarantined] = []
    return [*read_rates(io.BytesIO(data), rejected.append)], rejected


def refusal(content: str | bytes) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        read(content)
    assert refused.value.remedy
    return refused.value


def shown(found: list[Rate]) -> list[str]:
    return [f"{one.currency} {one.rate_date} {one.usd_per_unit:f}" for one in found]


class TestEcb:
    @pytest.mark.parametrize(
        "data",
        [ECB.encode(), zipped(ECB), gzip.compress(ECB.encode()), zipped(ECB, readme="Hello")],
    )
    def test_crosses_rates_through_the_euro(self, data: bytes) -> None:
        found, rejected = read(data)
        assert rejected == []
        assert shown(found) == [
            "EUR 2026-04-13 1.168400000000000",
            "JPY 2026-04-13 0.006256492637216",
            "GBP 2026-04-13 1.342093776562751",
            "DKK 2026-04-13 0.156621983914209",
            "EUR 2026-04-10 1.170000000000000",
            "GBP 2026-04-10 1.344827586206897",
            "DKK 2026-04-10 0.156731413261889",
            "EUR 1999-01-04 1.178900000000000",
            "JPY 1999-01-04 0.008815523816645",
            "CYP 1999-01-04 2.024523020384331",
            "GBP 1999-01-04 1.657854028969203",
            "DKK 1999-01-04 0.158239486718299",
        ]
        assert {one.source for one in found} == {"ECB"}

    def test_a_bad_cell_harms_no_other(self) -> None:
        found, rejected = read(
            "Date,USD,JPY,DKK\n2026-04-13,1.1,oops,7.46\n2026-04-14,1.2,150,7.47\n"
        )
        assert [one.currency for one in found] == ["EUR", "DKK", "EUR", "JPY", "DKK"]
        assert [(one.line, one.reason, one.field, one.value) for one in rejected] == [
            (2, "invalid_rate", "JPY", "oops")
        ]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("13/04/2026,1.1,7.46", "invalid_date"),
            ("2026-02-30,1.1,7.46", "invalid_date"),
            ("20260413,1.1,7.46", "invalid_date"),
            ("2026-04-13,N/A,7.46", "no_dollar_rate"),
            ("2026-04-13,0,7.46", "no_dollar_rate"),
            ("2026-04-13,1.27,8.61", "invalid_rate"),
            ("2026-04-13,1.1,N/A", "invalid_rate"),
            ("2026-04-13,1.1", "wrong_column_count"),
            ('2026-04-13,"1"1,2', "bad_quoting"),
        ],
    )
    def test_a_bad_line_harms_no_other(self, line: str, reason: str) -> None:
        found, rejected = read(f"Date,USD,DKK\n{line}\n2026-04-15,1.1,7.46\n")
        assert [one.currency for one in found] == ["EUR", "DKK"]
        assert [(one.line, one.reason, one.raw) for one in rejected] == [(2, reason, line)]

    @pytest.mark.parametrize("text", ["0", "-1", "1e3", "1,5", "NaN", "0.0", "9" * 16, "\uff11"])
    def test_a_rate_is_a_plain_number_above_zero(self, text: str) -> None:
        _, rejected = read(f'Date,USD,DKK,JPY\n2026-04-13,1.1,7.46,"{text}"\n')
        assert [one.reason for one in rejected] == ["invalid_rate"]

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("Date,JPY,GBP", "missing_columns"),
            ("Date,USD,JPY,JPY", "ambiguous_header"),
            ("Date,USD,EUR", "ambiguous_header"),
        ],
    )
    def test_refuses_a_header_without_a_meaning(self, header: str, code: str) -> None:
        refused = refusal(f"{header}\n2026-04-13,1,2,3\n")
        assert refused.code == code
        assert "line 1" in refused.message

    @pytest.mark.skipif(not CORPUS, reason="FINOPS_CORPUS names no folder of real files")
    def test_reads_the_whole_history(self) -> None:
        found, rejected = read(Path(CORPUS, "fx", "eurofxref-hist.zip").read_bytes())
        assert rejected == []
        assert len(found) > 200_000
        assert {one.rate_date for one in found if one.currency == "EUR"} >= {
            date(1999, 1, 4),
            date(2026, 4, 13),
        }


class TestSimple:
    @pytest.mark.parametrize(
        "header",
        [
            "currency,rate_date,usd_per_unit",
            "Currency Code,Date,USD per unit",
            "ccy,date,usd_per_unit",
            "CODE,day,UsdPerUnit",
        ],
    )
    def test_reads_common_headers(self, header: str) -> None:
        found, rejected = read(f"{header}\ncad,2026-01-02,0.79\nMXN,2026/01/02, 0.05\n")
        assert rejected == []
        assert found == [
            Rate(
                currency=code,
                rate_date=date(2026, 1, 2),
                usd_per_unit=Decimal(usd).quantize(Decimal("1e-15")),
                source="csv",
            )
            for code, usd in (("CAD", "0.79"), ("MXN", "0.05"))
        ]

    @pytest.mark.parametrize("header", ["currency,date,rate", "ccy,date,usd", "code,day,FX Rate"])
    def test_a_rate_that_may_be_either_way_is_refused(self, header: str) -> None:
        refused = refusal(f"{header}\nJPY,2026-03-05,150.2\n".encode())
        assert refused.code == "missing_columns"
        assert "units for one USD: name the column usd_per_unit" in refused.remedy

    @pytest.mark.parametrize(
        ("line", "reason", "field"),
        [
            ("DEX,2026-01-02,0.5", "unknown_currency", "currency"),
            ("GBp,2026-01-02,0.013", "unknown_currency", "currency"),
            ("ZAc,2026-01-02,0.0005", "unknown_currency", "currency"),
            ("CAD,02.01.2026,0.5", "invalid_date", "rate_date"),
            ("CAD,2026-01-02,0", "invalid_rate", "usd_per_unit"),
            ("CAD,2026-01-02,", "invalid_rate", "usd_per_unit"),
            ("CAD,2026-01-02,0.0000000000000004", "invalid_rate", "usd_per_unit"),
            ("USD,2026-01-02,1.1", "invalid_rate", "usd_per_unit"),
            ("CAD,2026-01-02", "wrong_column_count", ""),
        ],
    )
    def test_a_bad_line_harms_no_other(self, line: str, reason: str, field: str) -> None:
        found, rejected = read(f"currency,rate_date,usd_per_unit\n{line}\nUSD,2026-01-02,1\n")
        assert [one.currency for one in found] == ["USD"]
        assert [(one.line, one.reason, one.field, one.raw) for one in rejected] == [
            (2, reason, field, line)
        ]
        assert rejected[0].message

    def test_reads_semicolons(self) -> None:
        found, _ = read("sep=;\ncurrency;rate_date;usd_per_unit\nCHF;2026-01-02;1.25\n")
        assert shown(found) == ["CHF 2026-01-02 1.250000000000000"]


class TestTwice:
    CSV = "currency,rate_date,usd_per_unit\n"

    def test_another_rate_of_the_same_day_is_rejected_with_both_lines(self) -> None:
        text = self.CSV + (
            "EUR,2026-03-05,1.10\nCHF,2026-03-05,1.1\neur,2026/03/05,1.1000\nEUR,2026-03-05,1.20\n"
        )
        found, rejected = read(text)
        assert set(shown(found)) == {
            "EUR 2026-03-05 1.100000000000000",
            "CHF 2026-03-05 1.100000000000000",
        }
        assert [(one.line, one.reason) for one in rejected] == [(5, "duplicate_rate")]
        assert "EUR 2026-03-05 has other rates than on line 2" in rejected[0].message

    def test_a_rejected_line_is_not_the_first_rate(self) -> None:
        found, rejected = read(f"{self.CSV}EUR,2026-03-05,x\nEUR,2026-03-05,1.20\n")
        assert [one.usd_per_unit for one in found] == [Decimal("1.2")]
        assert [one.reason for one in rejected] == ["invalid_rate"]

    def test_a_day_of_the_ecb_is_there_once(self) -> None:
        again = "2026-04-10,1.1700,N/A,N/A,0.87,7.4650,\n"
        assert shown(read(ECB)[0]) == shown(read(ECB + again)[0])[: len(read(ECB)[0])]
        assert read(ECB + again)[1] == []
        found, rejected = read(ECB + again.replace("0.87", "0.88"))
        assert shown(found) == shown(read(ECB)[0])
        assert [(one.line, one.reason) for one in rejected] == [(5, "duplicate_rate")]

    def test_more_rates_than_are_kept_are_refused(self) -> None:
        text = self.CSV + "".join(f"EUR,2026-03-0{day},1\n" for day in range(1, 5))
        with patch.object(rates, "_MOST_RATES", 3):
            assert refusal(text).code == "too_many_rates"


def test_a_file_that_contradicts_itself_never_flips_its_rates() -> None:
    flow = Flow()
    text = b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1.10\nEUR,2026-03-05,1.20\n"
    for end in (b"", b"\n", b"\n\n"):
        entry = flow.load_rates(flow.objects.put("rates/a.csv", text + end))
        assert (entry.status, entry.tally.quarantined) == ("LOADED_WITH_REJECTS", 1)
        assert [one.usd_per_unit for one in flow.store.known_rates] == [Decimal("1.1")]


def test_a_persons_rate_is_theirs_where_it_equals_the_ecbs() -> None:
    flow = Flow()

    def load(name: str, text: str) -> Tally:
        return flow.load_rates(flow.objects.put(f"rates/{name}.csv", text.encode())).tally

    load("ecb", "Date,USD,DKK\n2026-04-10,1.1,7.5\n")
    mine = load("mine", "currency,rate_date,usd_per_unit\nEUR,2026-04-10,1.1\n")
    assert (mine.updated, mine.notes) == (1, {})
    revised = load("ecb", "Date,USD,DKK\n2026-04-10,1.2,7.5\n")
    assert (revised.updated, revised.unchanged, revised.notes) == (1, 1, {"rates_kept": 1})
    held = {one.currency: (one.usd_per_unit, one.source) for one in flow.store.known_rates}
    assert held == {"EUR": (Decimal("1.1"), "csv"), "DKK": (Decimal("0.16"), "ECB")}


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            ("", "empty_file"),
            ("hello\n", "no_header"),
            ("currency,usd_per_unit\nCAD,1\n", "missing_columns"),
            ("PK\x03\x04", "corrupt_zip"),
            (zipped(ECB)[:-30], "corrupt_zip"),
            (zipped("", name="rates.txt"), "corrupt_zip"),
            (zipped("", name="rates.csv"), "empty_file"),
            (zipped("PK\x03\x04", name="rates.csv"), "spreadsheet"),
        ],
    )
    def test_refuses_what_holds_no_rates(self, content: str | bytes, code: str) -> None:
        assert refusal(content).code == code

    def test_refuses_a_damaged_zip_file(self) -> None:
        data = bytearray(zipped(ECB * 50))
        data[len(data) // 3] ^= 0x55
        assert refusal(bytes(data)).code == "corrupt_zip"

    def test_refuses_a_zip_bomb_without_unpacking_it(self) -> None:
        bomb = zipped(ECB.encode() + b"\n" * (3 << 20))
        assert len(bomb) < 5_000
        with patch.object(rates, "_LARGEST_CSV", 1 << 20):
            refused = refusal(bomb)
        assert refused.code == "corrupt_zip"
        assert "larger than 1 MiB" in refused.message

    def test_refuses_a_zip_file_too_large_to_hold(self) -> None:
        with patch.object(rates, "_LARGEST_ZIP", 100):
            assert "larger than" in refusal(zipped(ECB)).message


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_rates_or_a_refusal(data: bytes) -> None:
    for content in (
        data,
        b"Date,USD,DKK\n" + data,
        b"currency,date,usd_per_unit\n" + data,
        b"PK\x03\x04" + data,
    ):
        try:
            read(content)
        except RejectedInput as refused:
            assert refused.remedy  # noqa: PT017


ZIP = zipped(ECB * 3, readme="Hello")


@given(st.lists(st.tuples(st.integers(0, len(ZIP) - 1), st.integers(0, 255)), max_size=4))
@settings(deadline=None, max_examples=200)
def test_any_damage_to_a_zip_file_is_rates_or_a_refusal(changes: list[tuple[int, int]]) -> None:
    data = bytearray(ZIP)
    for at, value in changes:
        data[at] = value
    try:
        read(bytes(data))
    except RejectedInput as refused:
        assert refused.remedy  # noqa: PT017


NUMBERS = st.decimals("0.00001", 10**6, places=5)


@given(NUMBERS, NUMBERS)
@settings(deadline=None)
def test_cross_rates_are_exact_to_the_last_digit(dollars: Decimal, units: Decimal) -> None:
    found, _ = read(f"Date,USD,DKK,JPY\n2026-04-13,{dollars:f},7.46,{units:f}\n")
    exact = Fraction(dollars) / Fraction(units)
    kept = Fraction(next(one for one in found if one.currency == "JPY").usd_per_unit)
    assert abs(kept - exact) * 2 <= Fraction(1, 10**rates.DIGITS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Date,USD,JPY,DKK", "Date,DKK,USD,JPY"),
        ("currency,rate_date,usd_per_unit,old_rate", "currency,rate_date,old_rate,usd_per_unit"),
    ],
)
def test_rates_below_another_header_are_not_read_by_the_first_one(first: str, second: str) -> None:
    row = "2026-03-02,1.1,2,3" if first.startswith("Date") else "EUR,2026-03-02,1.1,2"
    body = f"{first}\n{row}\n{second}\n{row}\n".encode()
    with pytest.raises(RejectedInput) as refused:
        list(read_rates(io.BytesIO(body), lambda row: None))
    assert refused.value.code == "second_header"


def test_a_table_of_the_ecb_that_someone_shortened_is_read() -> None:
    found, rejected = read("Date,USD,JPY,BGN,HRK,LTL,\n2014-12-30,1.2160,140,1.9558,7.6,3.4528,\n")
    assert ([one.currency for one in found], rejected) == (["EUR", "JPY", "BGN", "HRK", "LTL"], [])


@pytest.mark.parametrize("header", ["units", "Base", "CURRENCY_DENOM", "quote currency"])
def test_a_column_that_may_change_what_a_rate_means_is_refused(header: str) -> None:
    body = f"currency,rate_date,usd_per_unit,{header}\nJPY,2026-03-05,0.66,100\n"
    refused = refusal(body)
    assert refused.code == "ambiguous_header"
    assert header in refused.message


@pytest.mark.parametrize(
    "body",
    [
        "Date,USD,DKK,JPY\n2026-03-05,1.27,8.61,190\n",
        "Date,USD,DKK,SEK\n2026-03-05,10.5,1.5,1.0\n",
        "Date,USD,SEK\n2026-03-05,0.105,1.0\n",
        "Date,USD,JPY\n2026-03-05,10.5,160\n",
    ],
    ids=["per pound", "per krone", "dollars of a krone", "kroner of a dollar"],
)
def test_rates_of_another_currency_than_the_euro_are_none_of_the_ecb(body: str) -> None:
    found, rejected = read(body)
    assert (found, [one.reason for one in rejected]) == ([], ["invalid_rate"])
    assert "rates of another currency" in rejected[0].message


def test_the_ecb_s_file_of_one_day_is_read() -> None:
    """https://www.ecb.europa.eu/stats/eurofxref/eurofxref.zip holds eurofxref.csv."""
    body = "Date, USD, DKK, \n02 March 2026, 1.1694, 7.4694, \n31 Marsch 2026, 1, 2, \n"
    rejected: list[Quarantined] = []
    found = list(read_rates(io.BytesIO(zipped(body, "eurofxref.csv")), rejected.append))
    assert [(one.currency, one.rate_date) for one in found] == [
        ("EUR", date(2026, 3, 2)),
        ("DKK", date(2026, 3, 2)),
    ]
    assert found[0].usd_per_unit == Decimal("1.1694")
    assert [row.reason for row in rejected] == ["invalid_date"]


def test_a_decimal_comma_that_cuts_a_rate_in_two_is_told() -> None:
    body = b"currency,rate_date,usd_per_unit,\nEUR,2026-03-02,1,1\nGBP,2026-03-02,1.3,\n"
    rejected: list[Quarantined] = []
    assert [one.currency for one in read_rates(io.BytesIO(body), rejected.append)] == ["GBP"]
    assert "no title there" in rejected[0].message
