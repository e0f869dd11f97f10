"""The rules of a row."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing import record_ids
from finops.billing.cells import RowProblem, cell_reader, plain
from finops.billing.dataset_format import DatasetFormat
from finops.billing.record_ids import are_plain, is_nothing
from finops.billing.rows import Row, RowParser
from finops.billing.schemas import BILLING, FOCUS, Column, Kind, Schema, recognise
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates, Rate, RatePolicy

HEADER = [column.title for column in BILLING.columns if column.in_file]
FOCUS_HEADER = [column.title for column in FOCUS.columns]
GOOD = {
    "record_id": "7",
    "company_name": "Acme",
    "country": "DE",
    "city": "Köln",
    "product_line": "Bakery",
    "item": "Roll",
    "bill_date": "2026-03-05",
    "currency": "EUR",
    "bill_amount": "-10.50",
}
CHARGE = dict.fromkeys(FOCUS_HEADER, "") | {
    "BilledCost": "1.5E-7",
    "EffectiveCost": "0",
    "ListCost": "2",
    "ContractedCost": "2",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-03-01T00:00:00Z",
    "BillingPeriodEnd": "2026-04-01 00:00:00",
    "ChargePeriodStart": "2026-03-05T02:00:00+02:00",
    "ChargePeriodEnd": "2026-03-06",
    "BillingAccountId": "123",
    "ServiceName": "AmazonS3",
    "ChargeCategory": "Usage",
    "Tags": '{"b": 1, "a": "x"}',
    "RegionId": "NULL",
}


class DailyRates(ExchangeRates):
    """A rate of every day, but none of CHF."""

    def __init__(self) -> None:
        super().__init__(RatePolicy())
        self.asked: list[tuple[str, date]] = []

    def rate_on(self, currency: str, day: date) -> Rate | None:
        self.asked.append((currency, day))
        if currency == "CHF":
            return None
        usd = Decimal("1.25") if currency == "EUR" else Decimal(1)
        return Rate(currency=currency, rate_date=day, usd_per_unit=usd, source="test")


def parse(schema: Schema = BILLING, style: DatasetFormat | None = None, **cells: str) -> Row:
    good, header = (GOOD, HEADER) if schema is BILLING else (CHARGE, FOCUS_HEADER)
    parser = RowParser(recognise(header), style or DatasetFormat(), DailyRates())
    return parser.parse([(good | cells)[name] for name in header])


def refused(schema: Schema = BILLING, style: DatasetFormat | None = None, **cells: str) -> str:
    with pytest.raises(RowProblem) as problem:
        parse(schema, style, **cells)
    (column,) = cells
    assert problem.value.field == column
    assert column in problem.value.message or problem.value.reason == "no_rate"
    return problem.value.reason


def test_a_date_without_marks_that_lost_its_first_zero_is_no_other_day() -> None:
    style = DatasetFormat(date_formats=("%d%m%Y",))
    assert "2026-12-01" in parse(style=style, bill_date="01122026").values
    assert refused(style=style, bill_date="1122026") == "invalid_date"


@pytest.mark.parametrize("text", ["1.23457E+11", "1,23457e+11", "1E+12"])
def test_a_number_that_a_spreadsheet_shortened_identifies_nothing(text: str) -> None:
    assert refused(FOCUS, BillingAccountId=text) == "damaged_id"
    assert refused(record_id=text) == "damaged_id"
    quick = plain(
        next(one for one in FOCUS.columns if one.name == "billing_account_id"),
        DatasetFormat(),
        FOCUS,
    )
    assert not quick([text])
    assert quick(["123456789012", "1E12", "A-1"])


@pytest.mark.parametrize("text", ["1E12", "E+11", "7+8", "1.5E-7"])
def test_what_only_looks_like_one_is_an_id(text: str) -> None:
    assert text in parse(FOCUS, BillingAccountId=text).values
    assert parse(record_id=text).key == text


def value(row: Row, name: str, schema: Schema = BILLING) -> str | None:
    position = [column.title for column in schema.columns].index(name)
    return row.values[3 + len(schema.usd) + position]


def test_a_row_is_converted_with_its_rate() -> None:
    row = parse()
    assert row.key == "7"
    assert row.amount == Decimal("-10.50")
    assert row.values[:4] == ("1.25", "2026-03-05", "test", "-13.125000")


@pytest.mark.parametrize(
    ("text", "iso"),
    [("2026-03-05", "2026-03-05"), ("2026/03/05", "2026-03-05"), (" 2024-02-29 ", "2024-02-29")],
)
def test_iso_dates_are_read(text: str, iso: str) -> None:
    assert value(parse(bill_date=text), "bill_date") == iso


@pytest.mark.parametrize(
    "text",
    ["05.03.2026", "03/05/2026", "2026-3-5", "2026-02-30", "2026-03/05", "20260305", "1969-12-31",
     "2101-01-01", "٢٠٢٦-03-05", "2026-03-05T25:00:00", "2026-03-05 noon", "2026-02-30 10:00"],
)  # fmt: skip
def test_other_dates_are_not_guessed(text: str) -> None:
    assert refused(bill_date=text) == "invalid_date"


def test_a_dataset_says_which_dates_it_writes() -> None:
    style = DatasetFormat(date_formats=("%d.%m.%Y", "%d %b %Y"))
    assert value(parse(style=style, bill_date="05.03.2026"), "bill_date") == "2026-03-05"
    assert value(parse(style=style, bill_date="5 Mar 2026"), "bill_date") == "2026-03-05"
    assert refused(style=style, bill_date="31.02.2026") == "invalid_date"


@pytest.mark.parametrize(
    "text",
    ["1,50", "1.234,50", "1,234.50", "$5", "5 EUR", "(5)", "5-", "--5", "NaN", "Infinity", "1e3",
     "0x1F", "1_000", "٣", ".5", "5.", "=1+1", "1 000"],
)  # fmt: skip
def test_amounts_in_other_forms_are_not_guessed(text: str) -> None:
    assert refused(bill_amount=text) == "invalid_amount"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1.234.567,89", "1234567.89"), ("1,5", "1.5"), ("-0,01", "-0.01"), ("12", "12")],
)
def test_a_dataset_says_which_marks_it_writes(text: str, amount: str) -> None:
    style = DatasetFormat(decimal_comma=True, thousands=".")
    assert parse(style=style, bill_amount=text).amount == Decimal(amount)


@pytest.mark.parametrize("text", ["1.23", "1.2345,6", "1,2,3", "12.34,5"])
def test_marks_in_odd_places_are_refused(text: str) -> None:
    style = DatasetFormat(decimal_comma=True, thousands=".")
    assert refused(style=style, bill_amount=text) == "invalid_amount"


def test_both_marks_cannot_be_the_same() -> None:
    with pytest.raises(RejectedInput):
        DatasetFormat.from_document("d", {"decimal_comma": True, "thousands": ","})
    with pytest.raises(RejectedInput):
        DatasetFormat.from_document("d", {"decimal_coma": True})


def test_amounts_that_do_not_fit_are_refused() -> None:
    assert refused(bill_amount="1" + "0" * 14) == "out_of_range"
    assert refused(bill_amount="99999999999999.9999999") == "out_of_range"
    assert refused(bill_amount="1" + "0" * 150 + ".1234567") == "out_of_range"
    # It fits in euros, and not in the column of USD.
    assert refused(bill_amount="99999999999999") == "out_of_range"
    assert refused(bill_amount="-80000000000000") == "out_of_range"
    assert parse(bill_amount="79999999999999").amount == Decimal("79999999999999")


@pytest.mark.parametrize(
    ("schema", "text", "kept", "notes"),
    [
        (BILLING, "1.1000000000", "1.1", 0),
        (BILLING, "10.499999999999998", "10.5", 1),
        (BILLING, "1.5e-05", "0.000015", 0),
        (BILLING, "1.2345678901234567e-05", "0.000012", 1),
        (FOCUS, "1.2345678901234567e-05", "0.000012345678901235", 1),
        (FOCUS, "0.1234567890123456789", "0.123456789012345679", 1),
        (FOCUS, "1E-19", "0", 1),
    ],
)
def test_more_digits_than_are_kept_are_rounded_and_told(
    schema: Schema, text: str, kept: str, notes: int
) -> None:
    """As 64-bit floats print; a charge must not leave the totals for them."""
    row = parse(BILLING, bill_amount=text) if schema is BILLING else parse(FOCUS, BilledCost=text)
    assert row.amount == Decimal(kept)
    assert [note.reason for note in row.notes] == ["rounded"] * notes


@pytest.mark.parametrize(
    "text",
    ["2026-03-05T00:00:00Z", "2026-03-05 10:00:00", "2026-03-05T23:30:00.123-05:00",
     "2026/03/05 0:00", "2026-03-05 00:00:00 UTC"],
)  # fmt: skip
def test_the_day_of_a_time_is_the_one_that_is_written(text: str) -> None:
    assert value(parse(bill_date=text), "bill_date") == "2026-03-05"


def test_a_time_may_follow_a_date_in_a_format_of_the_dataset() -> None:
    style = DatasetFormat(date_formats=("%d.%m.%Y",))
    assert value(parse(style=style, bill_date="05.03.2026 00:00:00"), "bill_date") == "2026-03-05"


@pytest.mark.parametrize(
    "text",
    ["2026-03-01 00:00:00 UTC", "2026-03-01 00:00:00.123456 UTC", "2026-03-01T00:00:00.1234567Z",
     "2026-03-01 00:00:00+00"],
)  # fmt: skip
def test_times_are_read_as_providers_write_them(text: str) -> None:
    row = parse(FOCUS, ChargePeriodStart=text)
    assert value(row, "ChargePeriodStart", FOCUS) == "2026-03-01 00:00:00"


@pytest.mark.parametrize("code", ["HRK", "LTL", "BGN", "ROL", "dem"])
def test_a_withdrawn_currency_is_one_while_it_has_rates(code: str) -> None:
    assert parse(currency=code).currency == code.upper()


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ("GBp", "GBP"),
        ("GBX", "GBP"),
        ("gbx", "GBP"),
        ("ZAc", "ZAR"),
        ("ILA", "ILS"),
        ("USd", "USD"),
    ],
)
def test_a_hundredth_of_a_currency_is_never_taken_for_the_currency(text: str, major: str) -> None:
    with pytest.raises(RowProblem, match=f"write the amount in {major}") as problem:
        parse(currency=text)
    assert problem.value.reason == "unknown_currency"
    assert parse(currency=major.lower()).currency == major


def test_all_problems_of_a_row_are_told_at_once() -> None:
    with pytest.raises(RowProblem) as problem:
        parse(record_id="", bill_date="never", bill_amount="much")
    assert problem.value.reason == "missing_value"
    for title in ("record_id", "bill_date", "bill_amount"):
        assert title in problem.value.message


def test_a_line_of_totals_is_told_to_be_one() -> None:
    with pytest.raises(RowProblem, match="if it holds totals") as problem:
        parse(record_id="Total", bill_date="", currency="", bill_amount="21.00")
    assert problem.value.reason == "totals_row"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *(
            (one, "missing_value")
            for one in (
                *("NULL", "null", r"\N", "#N/A", "#REF!", "-", "(blank)", "TBD", "n/a", "k.A."),
                *("#NV", "#WERT!", "#BEZUG!", "#DIV/0!", "#NAME?", "#N/D", "#I/T", "####", "***"),
            )
        ),
        *(
            (one, "totals_row")
            for one in ("Total", "GRAND TOTAL", "Summe:", "*** Total ***", "合計")
        ),
        *((one, "totals_row") for one in ("Subtotal Acme", "Total for March 2026", "Total USD")),
        *((one, "control_character") for one in ("\ufeff2", "A1\u200b", "A\u00ad1")),
    ],
)
def test_what_is_no_id_identifies_no_bill(text: str, reason: str) -> None:
    """A total would count beside its bills, and a bill take the place of another."""
    with pytest.raises(RowProblem) as problem:
        parse(record_id=text)
    assert (problem.value.reason, problem.value.field) == (reason, "record_id")


@pytest.mark.parametrize(
    "text",
    [
        *("TOTAL-4711", "Total 4711", "Sumatra", "N", "None-1", "-1", "totalize", "1", "é"),
        *("Total FRA", "#4711", "#A-1", "NA-1", "TBD2"),
    ],
)
def test_ids_that_only_begin_like_such_words_are_ids(text: str) -> None:
    assert parse(record_id=text).key == text


def test_the_quick_look_at_ids_takes_none_for_plain_that_is_none() -> None:
    for text in record_ids._NOTHING | {"#NV", "#REF!", "?", "..."}:
        for written in (text, text.upper()):
            assert not are_plain(["1", written])
            assert is_nothing(written)
    assert are_plain(["1", "A-1", "INV 7", "é"])
    assert not are_plain(["1", "A\u200b"])


TAGS = {
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":Infinity}',
    "minus infinity": '{"a":-Infinity}',
    "1e999": '{"a":1e999}',
    "400 digits": '{"a":' + "9" * 400 + "}",
    "40 levels": '{"a":' * 40 + "1" + "}" * 40,
    "9000 levels": '{"a":' * 9_000 + "1" + "}" * 9_000,
    "half a character": r'{"a":"\ud83d"}',
    "no JSON": "{env=prod}",
    "no object": "[]",
    "a list": "[1]",
    "no end": "{",
    "a text": '"prod"',
    "a NUL": '{"a":"\0"}',
    "too long": '{"a":"' + "x" * 70_000 + '"}',
}


@pytest.mark.parametrize("text", TAGS.values(), ids=TAGS)
def test_a_charge_keeps_its_cost_whatever_its_tags_are(text: str) -> None:
    row = parse(FOCUS, Tags=text)
    assert (row.amount, value(row, "Tags", FOCUS)) == (Decimal("1.5E-7"), None)
    (note,) = row.notes
    assert (note.reason, note.field) == ("tags_left_out", "Tags")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"env": "prod"', '{"env":"prod"}'),
        ('{"a":1.50,"b":{"c":[true,null]}}', '{"a":1.5,"b":{"c":[true,null]}}'),
        (r'{"a":"\ud83d\ude00"}', '{"a":"😀"}'),
        ("{}", "{}"),
    ],
)
def test_tags_that_are_an_object_are_kept(text: str, kept: str) -> None:
    row = parse(FOCUS, Tags=text)
    assert (value(row, "Tags", FOCUS), row.notes) == (kept, ())


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"record_id": " "}, "missing_value"),
        ({"bill_amount": ""}, "missing_value"),
        ({"currency": "EURO"}, "unknown_currency"),
        ({"currency": "XYZ"}, "unknown_currency"),
        ({"currency": "CHF"}, "no_rate"),
        ({"record_id": "x" * 129}, "too_long"),
        ({"item": "a\x00b"}, "control_character"),
    ],
)
def test_bad_values_are_refused_by_name(cells: dict[str, str], reason: str) -> None:
    assert refused(BILLING, None, **cells) == reason


def test_what_may_be_empty_is_no_value() -> None:
    assert value(parse(city=" ", item=""), "city") is None


def test_a_currency_in_small_letters_is_the_currency() -> None:
    assert parse(currency="eur").currency == "EUR"


@given(st.decimals(min_value=-(10**13), max_value=10**13, places=6))
def test_amounts_are_exact_and_converted_once(amount: Decimal) -> None:
    row = parse(bill_amount=f"{amount:f}")
    assert row.amount == amount
    exact = Context(prec=60).multiply(amount, Decimal("1.25"))
    usd = exact.quantize(Decimal("0.000001"), ROUND_HALF_UP, Context(prec=60))
    assert row.values[3] == f"{usd:f}"


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        row = parse(bill_amount=text)
    except RowProblem:
        return
    assert row.amount == Decimal(text.strip())


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    style = DatasetFormat(date_formats=("%d.%m.%y", "%Y%m%d"))
    try:
        found = value(parse(style=style, bill_date=text), "bill_date")
    except RowProblem:
        return
    assert found is not None
    date.fromisoformat(found)


def test_a_focus_charge_is_read() -> None:
    row = parse(FOCUS)
    assert row.key == ""
    assert row.amount == Decimal("1.5E-7")
    assert value(row, "BilledCost", FOCUS) == "0.00000015"
    assert value(row, "ChargePeriodStart", FOCUS) == "2026-03-05 00:00:00"
    assert value(row, "ChargePeriodEnd", FOCUS) == "2026-03-06 00:00:00"
    assert value(row, "Tags", FOCUS) == '{"a":"x","b":1}'
    assert value(row, "RegionId", FOCUS) is None


def test_a_charge_without_a_contracted_cost_is_a_charge_all_the_same() -> None:
    assert value(parse(FOCUS, ContractedCost="NULL"), "ContractedCost", FOCUS) is None


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"BilledCost": "1E400"}, "out_of_range"),
        ({"BilledCost": "NULL"}, "missing_value"),
        ({"ChargePeriodStart": "yesterday"}, "invalid_date"),
        ({"ChargePeriodStart": "0001-01-01T00:00:00+23:00"}, "invalid_date"),
    ],
)
def test_bad_charges_are_refused_by_name(cells: dict[str, str], reason: str) -> None:
    assert refused(FOCUS, None, **cells) == reason


def test_rates_are_asked_for_once_a_currency_and_day() -> None:
    rates = DailyRates()
    parser = RowParser(recognise(HEADER), DatasetFormat(), rates)
    for number in range(10):
        day = date(2026, 3, 1) + timedelta(days=number % 2)
        row = GOOD | {"record_id": str(number), "bill_date": day.isoformat()}
        parser.parse([row[name] for name in HEADER])
    assert len(rates.asked) == 2


#: JSON_TABLE turns what a column cannot hold into NULL on MySQL, and into 0, a clamped number or a
#: zero date on MariaDB, so no such value may leave the parser.
NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?")
CELLS = st.one_of(
    st.text(max_size=300),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.integers().map(str),
    st.floats().map(repr),
    st.dates(min_value=date(1, 1, 1)).map(str),
    st.datetimes().map(str),
    st.sampled_from(["9" * 14, "-" + "9" * 18, "9" * 18]),
    st.sampled_from(["0000-00-00", "9999-12-31", "NULL", "1e40", "-0", "1e-40", "\0", "{}", "[1]"]),
)


def fits(text: str | None, kind: Kind, column: Column | None, whole: int, decimals: int) -> bool:
    """Whether a column of this kind holds the text as it is."""
    if text is None:
        return column is not None and not column.filled
    if kind is Kind.DECIMAL:
        number = Decimal(text)
        return bool(
            NUMBER.fullmatch(text)
            and number.is_finite()
            and abs(number) < Decimal(10) ** whole
            and number == number.quantize(Decimal(1).scaleb(-decimals), context=Context(prec=60))
        )
    if kind is Kind.DATE:
        return 1000 <= date.fromisoformat(text).year <= 9999 and len(text) == 10
    if kind in {Kind.TIMESTAMP, Kind.PERIOD}:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - as the column is
        return 1000 <= moment.year <= 9999
    if kind is Kind.CURRENCY:
        return len(text) == 3
    if kind is Kind.JSON:
        return isinstance(json.loads(text), dict)
    return column is not None and len(text) <= column.length


@pytest.mark.parametrize("schema", [BILLING, FOCUS])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_value_reaches_the_database_that_its_column_would_change(
    schema: Schema, data: st.DataObject
) -> None:
    good = GOOD if schema is BILLING else CHARGE
    title = data.draw(st.sampled_from(sorted(good)))
    try:
        row = parse(schema, **{title: data.draw(CELLS)})
    except RowProblem:
        return
    rate, rate_date, _, *rest = row.values
    usd, cells = rest[: len(schema.usd)], rest[len(schema.usd) :]
    assert fits(rate, Kind.DECIMAL, None, 15, 15)
    assert fits(rate_date, Kind.DATE, None, 0, 0)
    for amount in usd:
        assert fits(amount, Kind.DECIMAL, None, schema.digits, schema.decimals), amount
    for cell, column in zip(cells, schema.columns, strict=True):
        assert fits(cell, column.kind, column, schema.digits, schema.decimals), (column.name, cell)


@pytest.mark.parametrize("schema", [BILLING, FOCUS])
@given(data=st.data())
@settings(deadline=None)
def test_records_of_a_block_are_read_as_each_of_them_alone(
    schema: Schema, data: st.DataObject
) -> None:
    good, header = (GOOD, HEADER) if schema is BILLING else (CHARGE, FOCUS_HEADER)
    changes = st.dictionaries(st.sampled_from(sorted(good)), CELLS, max_size=2)
    records = [
        [(good | change)[name] for name in header]
        for change in data.draw(st.lists(changes, max_size=12))
    ]
    # Each knows the rows before, for lines of totals.
    in_block, one_by_one = (
        RowParser(recognise(header), DatasetFormat(), DailyRates()) for _ in range(2)
    )
    for fields, found in zip(records, in_block.parse_all(records), strict=True):
        try:
            alone: Row | RowProblem = one_by_one.parse(fields)
        except RowProblem as problem:
            alone = problem
        assert as_told(found) == as_told(alone)


def as_told(found: Row | RowProblem) -> tuple[object, ...]:
    if isinstance(found, RowProblem):
        return found.reason, found.field, found.value, found.message
    notes = [as_told(note) for note in found.notes]
    return found.values, found.key, found.currency, str(found.amount), notes


@given(st.lists(CELLS, max_size=5))
def test_cells_that_are_taken_as_they_stand_are_what_their_reader_says(cells: list[str]) -> None:
    """The shortcut is taken only where reading each cell would change none."""
    style = DatasetFormat()
    for column in (*BILLING.columns, *FOCUS.columns):
        schema = BILLING if column in BILLING.columns else FOCUS
        filled = dict.fromkeys(cell for cell in cells if cell)
        if plain(column, style, schema)(filled):
            read = cell_reader(column, style, schema, "d")
            assert [read(cell.strip()) for cell in filled] == [*filled]


def test_a_separator_within_a_cell_makes_no_two_numbers_of_it() -> None:
    assert refused(bill_amount="1;2") == "invalid_amount"
