"""The ECB's XML files load as its CSV does."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing.ecb_xml import csv_of_ecb
from finops.billing.rates import read_rates
from finops.shared.errors import RejectedInput
from tests.billing.test_rates import read, refusal, shown
from tests.billing.use_cases import Flow

#: As https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml is written.
XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
  xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube>{days}</Cube>
</gesmes:Envelope>"""
DAY = '<Cube time="{day}">{rates}</Cube>'
RATE = '<Cube currency="{currency}" rate="{rate}"/>'


def xml(days: dict[str, dict[str, str]]) -> str:
    return XML.format(
        days="".join(
            DAY.format(
                day=day,
                rates="".join(RATE.format(currency=c, rate=r) for c, r in rates.items()),
            )
            for day, rates in days.items()
        )
    )


DAYS = {
    "2026-04-13": {"USD": "1.1684", "JPY": "186.75"},
    "2026-04-10": {"USD": "1.1700", "GBP": "0.87"},
}


def test_rates_are_those_of_the_same_csv() -> None:
    as_csv = "Date,USD,JPY,DKK\n2026-04-13,1.1684,186.75,7.46\n2026-04-10,1.1700,,7.47\n"
    with_kroner = {
        "2026-04-13": {"USD": "1.1684", "JPY": "186.75", "DKK": "7.46"},
        "2026-04-10": {"USD": "1.1700", "DKK": "7.47"},
    }
    found, rejected = read(xml(with_kroner))
    expected, _ = read(as_csv)
    assert sorted(shown(found)) == sorted(shown(expected))
    assert ({one.source for one in found}, rejected) == ({"ECB"}, [])
    assert sorted(shown(read("\ufeff" + xml(with_kroner))[0])) == sorted(shown(found))


def test_a_dropped_file_is_loaded() -> None:
    flow = Flow()
    entry = flow.load_rates(flow.objects.put("rates/eurofxref-daily.xml", xml(DAYS).encode()))
    assert (entry.status, entry.tally.inserted) == ("LOADED", 4)
    assert {(one.currency, one.source) for one in flow.store.known_rates} == {
        ("EUR", "ECB"), ("JPY", "ECB"), ("GBP", "ECB")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (xml(DAYS)[:-30], "damaged"),
        (xml({}), "no rates"),
        ("<html><body>Not found</body></html>", "no rates"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
        (xml(DAYS).replace("2026-04-10", "2026-04-13"), "twice"),
        (xml({"2026-04-13": {"USD": "1"}}).replace("</Cube>", RATE.format(
            currency="USD", rate="2") + "</Cube>", 1), "two rates of 'USD'"),
        (XML.format(days=RATE.format(currency="USD", rate="1")), "without a day"),
        (xml({"2026-04-13": {f"C{at}": "1" for at in range(500)}}), "more currencies"),
    ],
)  # fmt: skip
def test_other_documents_are_refused(text: str, says: str) -> None:
    error = refusal(text)
    assert (error.code, says in error.message) == ("invalid_xml", True)


def test_a_day_without_the_dollar_is_a_reject_and_others_are_loaded() -> None:
    found, rejected = read(xml(DAYS | {"2026-04-09": {"GBP": "0.87"}}))
    assert {one.rate_date for one in found} == {date(2026, 4, 13), date(2026, 4, 10)}
    assert [one.line for one in rejected] == [4]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 900))
def test_any_bytes_are_rates_or_a_refusal(noise: bytes, at: int) -> None:
    text = xml(DAYS).encode()
    for data in (b"<" + noise, text[:at] + noise + text[at:]):
        with suppress(RejectedInput):
            csv_of_ecb(io.BytesIO(data))
        with suppress(RejectedInput):
            [*read_rates(io.BytesIO(data), lambda _: None)]


@pytest.mark.parametrize("encoding", ["U-TF-8", "big5"])
def test_an_encoding_that_is_none_or_has_several_bytes_is_refused(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><Cube/>'.encode()
    with pytest.raises(RejectedInput, match="is damaged"):
        csv_of_ecb(io.BytesIO(text))
