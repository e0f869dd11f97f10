"""A workbook is loaded like the CSV file of the same rows; what it can't say rightly is told."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook as Written
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from finops.billing import workbooks
from finops.billing.checking import check_file, proposal_of
from finops.billing.dataset_format import DatasetFormat, UsedFormat, used_format
from finops.billing.domain import FileEntry
from finops.billing.mapping import open_bills
from finops.billing.sheet_cells import shown_texts
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.billing.use_cases import SETTINGS, Flow

HEADER = ["record_id", "company_name", "bill_date", "currency", "bill_amount"]
DAY = date(2026, 3, 5)
Cells = Sequence[object]


def book(*sheets: Sequence[Cells], change: Callable[[Written], None] = lambda _: None) -> bytes:
    """A workbook with sheets of these rows, as openpyxl writes it."""
    written = Written()
    written.remove(written.active)
    for number, rows in enumerate(sheets, 1):
        sheet = written.create_sheet(f"Sheet{number}")
        for row in rows:
            sheet.append(list(row))
    change(written)
    file = io.BytesIO()
    written.save(file)
    return file.getvalue()


def with_part(content: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The workbook with the text of a part changed."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.infolist():
            text = before.read(part)
            if part.filename == name:
                changed = change(text.decode())
                assert changed != text.decode()
                text = changed.encode()
            after.writestr(part.filename, text)
    return file.getvalue()


SHEET1 = "xl/worksheets/sheet1.xml"


def declared(document: Mapping[str, Any]) -> UsedFormat:
    return used_format("datasets", DatasetFormat.from_document("d", document))


def records(content: bytes, document: Mapping[str, Any] | None = None) -> list[tuple[int, Any]]:
    table = open_bills(io.BytesIO(content), declared(document) if document else None)
    return [(line, fields and shown_texts(fields)) for line, fields in table.records()]


def refusal(content: bytes, document: Mapping[str, Any] | None = None) -> RejectedInput:
    with pytest.raises(RejectedInput) as raised:
        records(content, document)
    return raised.value


def load(
    content: bytes, flow: Flow | None = None, document: Mapping[str, Any] | None = None
) -> FileEntry:
    flow = flow or Flow()
    if document:
        flow.settings = replace(
            flow.settings, formats={"d": DatasetFormat.from_document("d", document)}
        )
    return flow.load(flow.objects.put("billing/d/march.xlsx", content))


def exact(flow: Flow) -> dict[Any, dict[str, Any]]:
    """The rows of the table, with its numbers as numbers: 1.50 is 1.5."""
    numbers = ("bill_amount", "amount_usd")
    return {
        key: row | {name: Decimal(row[name]) for name in numbers}
        for key, row in flow.store.rows.items()
    }


def amounts(flow: Flow) -> dict[str, Any]:
    return {key: Decimal(row["bill_amount"]) for (_, key), row in flow.store.rows.items()}


def test_a_sheet_is_loaded_with_its_days_and_amounts() -> None:
    flow = Flow()
    rows: list[Cells] = [
        [1001, "Maple", DAY, "USD", 12.5],
        ["b", "Maple", datetime.fromisoformat("2026-03-06T14:30"), "USD", -7],
        ["c", "Maple", "2026-03-07", "USD", "0.10"],
    ]
    entry = load(book([HEADER, *rows]), flow)
    assert (entry.status, entry.tally.inserted, entry.tally.notes) == ("LOADED", 3, {})
    assert amounts(flow) == {"1001": Decimal("12.5"), "b": Decimal(-7), "c": Decimal("0.1")}
    days = {key: row["bill_date"] for (_, key), row in flow.store.rows.items()}
    assert days == {"1001": "2026-03-05", "b": "2026-03-06", "c": "2026-03-07"}


def test_a_number_is_what_excel_shows_and_noise_is_told() -> None:
    flow = Flow()
    rows = [["a", "M", DAY, "USD", 0.25], ["b", "M", DAY, "USD", 0.5]]
    # As Excel writes them: with 17 digits.
    content = with_part(
        book([HEADER, *rows]),
        SHEET1,
        lambda text: text.replace(">0.25<", ">0.30000000000000004<").replace(
            ">0.5<", ">12345678901.230001<"
        ),
    )
    entry = load(content, flow)
    assert amounts(flow) == {"a": Decimal("0.3"), "b": Decimal("12345678901.23")}
    assert entry.tally.notes == {"rounded": 2}


def test_an_id_with_more_digits_than_a_double_keeps_is_damaged() -> None:
    flow = Flow()
    long = 123456789012345678
    rows: list[Cells] = [[123456789012345, "M", DAY, "USD", 1], [7, "M", DAY, "USD", 2]]
    rows += [[8, "M", DAY, "USD", 3], [9, "M", DAY, "USD", 4]]
    content = with_part(
        book([HEADER, *rows]),
        SHEET1,
        # As Excel and XlsxWriter write it, one with few digits, and one that a program wrote whole.
        lambda text: (
            text.replace(">7<", f">{float(long):.16G}<")
            .replace(">8<", ">1.2E+17<")
            .replace(">9<", f">{long}<")
        ),
    )
    entry = load(content, flow)
    assert entry.tally.quarantined == 1
    assert flow.quarantines[-1].rows[0].reason == "damaged_id"
    assert {key for _, key in flow.store.rows} == {
        "123456789012345",
        "120000000000000000",
        f"{long}",
    }


def formatted(code: str, *rows: Cells) -> bytes:
    """A workbook whose first column has a number format."""

    def change(written: Written) -> None:
        for row in range(2, len(rows) + 2):
            written.worksheets[0].cell(row, 1).number_format = code

    return book([HEADER, *rows], change=change)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        *(("00000", "00123"), ('"INV-"0000', "INV-0123"), ("000-000", "000-123")),
        *(("0####", "00123"), ('00"-"000', "00-123"), ("00000;-00000", "00123")),
        *((r"\R00\-0000", "R00-0123"), ("[$-407]000000", "000123"), ("###-##", "1-23")),
        *(("0", "123"), ("@", "123"), ("General", "123"), ("##", "123")),
        *(("0.00", "123"), ("#,##0", "123"), ("#,##0.00", "123")),
    ],
)
def test_an_id_is_the_text_that_its_number_format_shows(code: str, shown: str) -> None:
    """As it is in a CSV of the same sheet; else the bill would count once by each id."""
    flow = Flow()
    entry = load(formatted(code, [123, "M", DAY, "USD", 5]), flow)
    assert (entry.status, [*amounts(flow)]) == ("LOADED", [shown])


@pytest.mark.parametrize("code", ["#,##0,", "000,000", "0%", "[<=99]00;0000", '0" kg";-0', "INV0"])
def test_an_id_whose_number_format_may_show_more_is_damaged(code: str) -> None:
    flow = Flow()
    rows: list[Cells] = [[123, "M", DAY, "USD", 5], ["x", "M", DAY, "USD", 6]]
    load(formatted(code, *rows), flow)
    assert [*amounts(flow)] in (["x"], ["123 kg", "x"])
    if "kg" not in code:
        (refused,) = flow.quarantines[0].rows
        assert (refused.reason, refused.value) == ("damaged_id", "123")
        assert "00000" in refused.message
        assert refused.raw.startswith("123,M")


@pytest.mark.parametrize(
    "value", [datetime.fromisoformat("2026-05-03"), DAY, True, timedelta(hours=5)]
)
def test_an_id_that_became_a_day_or_a_logical_value_is_damaged(value: object) -> None:
    """Excel makes a day of 5-3."""
    flow = Flow()
    load(book([HEADER, [value, "M", DAY, "USD", 5], ["3-6", "M", DAY, "USD", 6]]), flow)
    assert [*amounts(flow)] == ["3-6"]
    assert [one.reason for one in flow.quarantines[0].rows] == ["damaged_id"]


def test_ids_of_two_series_whose_formats_differ_are_two() -> None:
    def change(written: Written) -> None:
        written.worksheets[0]["A2"].number_format = '"INV-"0'
        written.worksheets[0]["A3"].number_format = '"CRN-"0'

    rows: list[Cells] = [
        [HEADER[0], *HEADER[1:]],
        [7, "M", DAY, "USD", 5],
        [7, "M", DAY, "USD", -5],
    ]
    flow = Flow()
    assert load(book(rows, change=change), flow).status == "LOADED"
    assert {*amounts(flow)} == {"INV-7", "CRN-7"}
    by_hash = Flow()
    load(book([["Nr", *HEADER[1:]], *rows[1:]], change=change), by_hash, {"id_from": ["Nr"]})
    assert len(by_hash.store.rows) == 2


def test_an_amount_is_a_number_whatever_its_format_adds() -> None:
    def change(written: Written) -> None:
        for row, code in enumerate(("#,##0", '"EUR" 0', "0.00", "00-00", "[Red]0.0;0"), 2):
            written.worksheets[0].cell(row, 5).number_format = code

    rows: list[Cells] = [[f"B{at}", "M", DAY, "USD", 1234] for at in range(5)]
    flow = Flow()
    assert load(book([HEADER, *rows], change=change), flow).status == "LOADED"
    assert {*amounts(flow).values()} == {Decimal(1234)}


@pytest.mark.parametrize("last", ["23:59:59.999999", "23:59:59.9999", "23:59:59"])
def test_the_last_moment_of_a_day_is_on_that_day(last: str) -> None:
    """pandas ends a period so; openpyxl would round it to the next day, in the next month."""
    flow = Flow()
    load(book([HEADER, ["a", "M", datetime.fromisoformat(f"2026-03-31T{last}"), "USD", 1]]), flow)
    assert [row["bill_date"] for row in flow.store.rows.values()] == ["2026-03-31"]


def test_numbers_are_written_as_the_dataset_reads_them() -> None:
    """1.234 with `thousands: "."` would be one thousand two hundred and thirty-four."""
    flow = Flow()
    rows = [["a", "M", DAY, "USD", 1.234], ["b", "M", DAY, "USD", "1.234,50"]]
    entry = load(book([HEADER, *rows]), flow, {"decimal_comma": True, "thousands": "."})
    assert entry.status == "LOADED"
    assert amounts(flow) == {"a": Decimal("1.234"), "b": Decimal("1234.5")}


def test_lines_are_the_rows_of_the_sheet() -> None:
    title = ["Bills of March\n(draft)"]
    rows: list[Cells] = [
        title,
        [],
        [],
        HEADER,
        ["a", "x\ny", DAY, "USD", 1],
        [],
        ["b", "M", "?", "USD", 1],
    ]

    def merged(written: Written) -> None:
        written.worksheets[0].merge_cells("A1:E1")

    flow = Flow()
    entry = load(book(rows, change=merged), flow)
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 1)
    assert [(one.line, one.reason) for one in flow.quarantines[0].rows] == [(7, "invalid_date")]
    assert entry.tally.notes == {"lines_above_header": 3}


def test_hidden_rows_are_loaded_and_told() -> None:
    def hidden(written: Written) -> None:
        written.worksheets[0].row_dimensions[2].hidden = True

    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1], ["b", "M", DAY, "USD", 1]]
    entry = load(book(rows, change=hidden))
    assert (entry.tally.inserted, entry.tally.notes) == (2, {"hidden_rows": 1})


def test_days_count_from_1904_where_the_workbook_says_so() -> None:
    def mac(written: Written) -> None:
        written.epoch = CALENDAR_MAC_1904

    found = records(book([HEADER, ["a", "M", DAY, "USD", 1]], change=mac))
    assert found == [(2, ["a", "M", "2026-03-05", "USD", "1"])]


def test_rows_beyond_a_wrong_dimension_are_read() -> None:
    content = with_part(
        book([HEADER, ["a", "M", DAY, "USD", 1], ["b", "M", DAY, "USD", 2]]),
        SHEET1,
        lambda text: text.replace('ref="A1:E3"', 'ref="A1:B2"'),
    )
    assert [line for line, _ in records(content)] == [2, 3]


def formula(value: str) -> bytes:
    """A workbook in which the amount of row 2 is a formula with this cached value."""
    content = book([HEADER, ["a", "M", DAY, "USD", "=2*21"]])
    return with_part(
        content, SHEET1, lambda text: re.sub(r"<f>2\*21</f>\s*<v ?/>", f"<f>2*21</f>{value}", text)
    )


def test_a_formula_is_its_value() -> None:
    assert records(formula("<v>42</v>"))[0][1][-1] == "42"


def test_a_formula_without_a_value_is_refused_with_its_cell() -> None:
    error = refusal(book([HEADER, ["a", "M", DAY, "USD", "=2*21"]]))
    assert error.code == "formula_without_value"
    assert "cell E2" in error.message
    assert "save it" in error.remedy
    assert load(book([HEADER, ["a", "M", DAY, "USD", "=2*21"]])).status == "REJECTED"


@pytest.mark.parametrize("value", ["<v>0</v>", "<v>0.0</v>"])
def test_a_zero_of_a_program_that_calculates_nothing_is_no_value(value: str) -> None:
    """XlsxWriter: https://xlsxwriter.readthedocs.io/working_with_formulas.html#formula-results."""
    assert refusal(formula(value)).code == "formula_without_value"
    calculated = with_part(
        formula(value), "xl/workbook.xml", lambda text: text.replace(' fullCalcOnLoad="1"', "")
    )
    assert float(records(calculated)[0][1][-1]) == 0


def test_a_formula_whose_value_is_an_empty_text_is_an_empty_cell() -> None:
    content = with_part(
        formula("<v></v>"), SHEET1, lambda text: text.replace('<c r="E2"', '<c r="E2" t="str"')
    )
    assert records(content)[0][1][-1] == ""


@pytest.mark.parametrize(("column", "id_from"), [(0, False), (1, False), (4, False), (1, True)])
def test_a_row_with_an_error_where_it_counts_is_refused_with_the_cell(
    column: int, id_from: bool
) -> None:
    row: list[Any] = ["a", "M", DAY, "USD", 1]
    row[column] = "#REF!"
    flow = Flow()
    document = {"id_from": ["company_name", "bill_date"]} if id_from else None
    header = ["Nr", *HEADER[1:]] if id_from else HEADER
    entry = load(book([header, row, ["b", "N", DAY, "USD", 2]]), flow, document)
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 1)
    (refused,) = flow.quarantines[0].rows
    assert (refused.line, refused.reason, refused.value) == (2, "error_value", "#REF!")
    assert f"cell {'ABCDE'[column]}2" in refused.message
    assert refused.raw.isprintable()


def test_an_error_in_a_column_that_is_not_read_does_not_matter() -> None:
    header, row = [*HEADER, "Kostenstelle"], ["a", "M", DAY, "USD", 1, "#N/A"]
    flow = Flow()
    entry = load(book([header, row]), flow, {"extra": ["Kostenstelle"]})
    assert entry.status == "LOADED"
    assert flow.store.rows["d", "a"]["extra"] == '{"Kostenstelle":"#N/A"}'


def test_the_one_sheet_with_bills_is_read_and_the_others_are_named() -> None:
    flow = Flow()
    notes = [["What this is"], ["see Sheet2"]]
    content = book(notes, [HEADER, ["a", "M", DAY, "USD", 1]], [])
    entry = load(content, flow)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 1)
    assert entry.tally.notes == {"other_sheets": 1}
    assert [one.value for one in flow.quarantines[0].rows] == ["Sheet1"]


def test_two_sheets_with_bills_are_refused_until_the_format_names_one() -> None:
    content = book([HEADER, ["a", "M", DAY, "USD", 1]], [HEADER, ["b", "M", DAY, "USD", 2]])
    error = refusal(content)
    assert error.code == "several_sheets"
    assert "'Sheet1', 'Sheet2'" in error.message
    assert "--sheet" in error.remedy
    assert records(content, {"sheet": "Sheet2"})[0][1][0] == "b"
    assert refusal(content, {"sheet": "March"}).code == "no_such_sheet"


def test_a_hidden_sheet_is_read_only_where_the_format_names_it() -> None:
    def hidden(written: Written) -> None:
        written.worksheets[1].sheet_state = "hidden"

    content = book(
        [HEADER, ["a", "M", DAY, "USD", 1]], [HEADER, ["b", "M", DAY, "USD", 2]], change=hidden
    )
    flow = Flow()
    entry = load(content, flow)
    assert (entry.tally.notes, [*amounts(flow)]) == ({"other_sheets": 1}, ["a"])
    assert [one.value for one in flow.quarantines[0].rows] == ["Sheet2"]
    assert records(content, {"sheet": "Sheet2"})[0][1][0] == "b"


def test_a_sheet_that_lacks_columns_is_refused_by_its_row() -> None:
    error = refusal(book([["Title"], ["record_id", "bill_date"], ["a", DAY]]))
    assert (error.code, "line 1" in error.message) == ("no_header", True)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (OLE, "without a password"),
        (book([HEADER])[:-40], "save it as CSV"),
        (
            with_part(book([HEADER]), SHEET1, lambda text: text.replace("</sheetData>", "")),
            "save it as CSV",
        ),
        (
            with_part(
                book([HEADER]),
                SHEET1,
                lambda text: f"<!DOCTYPE x [<!ENTITY a 'aa'>]>{text}",
            ),
            "save it as CSV",
        ),
    ],
    ids=["password", "cut off", "damaged", "entities"],
)
def test_what_is_no_whole_workbook_is_refused_with_the_remedy(content: bytes, says: str) -> None:
    assert says in refusal(content).remedy


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name in names:
            written.writestr(name, b"<x/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("xl/workbook.bin",), "XLSB"),
        (("mimetype", "content.xml"), "ODS"),
        (("word/document.xml",), "anything else"),
    ],
)
def test_other_archives_are_refused_by_what_they_are(names: Sequence[str], says: str) -> None:
    error = refusal(archive(*names))
    assert (error.code, says in error.message) == ("spreadsheet", True)


class TestBounds:
    def test_a_row_that_does_not_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workbooks, "_LONGEST_ROW", 50_000)
        long = book([HEADER, *[["a", "M" * 900, DAY, "USD", 1]] * 100])
        assert len(records(long)) == 100
        wide = book([HEADER, ["a", *[f"M{at}" for at in range(3000)]]])
        assert refusal(wide).code == "workbook_too_large"

    @pytest.mark.parametrize(
        "limit", ["LARGEST_WORKBOOK", "LARGEST_SHEET", "_LARGEST_PART", "_LARGEST_TEXTS"]
    )
    def test_parts_and_the_whole_have_limits(
        self, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        written = io.BytesIO()
        with xlsxwriter.Workbook(written) as target:
            target.add_worksheet().write_row(0, 0, HEADER)
        assert records(written.getvalue()) == []
        monkeypatch.setattr(workbooks, limit, 50)
        assert refusal(written.getvalue()).code == "workbook_too_large"

    def test_a_part_that_is_longer_than_it_says_is_refused(self) -> None:
        content = book([HEADER, *[["a", "M", DAY, "USD", 1]] * 2000])
        with zipfile.ZipFile(io.BytesIO(content)) as read:
            size = read.getinfo(SHEET1).file_size
        lying = content.replace(size.to_bytes(4, "little"), (2000).to_bytes(4, "little"))
        assert lying != content
        assert refusal(lying).code == "damaged_workbook"

    def test_a_last_row_far_below_costs_no_memory(self) -> None:
        content = with_part(
            book([HEADER, ["a", "M", DAY, "USD", 1]]),
            SHEET1,
            lambda text: re.sub(r'(r="[A-E]?)2"', r'\g<1>1048576"', text),
        )
        assert [line for line, _ in records(content)] == [1048576]

    @pytest.mark.parametrize("order", ["2", "1"])
    def test_rows_out_of_order_are_refused_and_none_is_lost(self, order: str) -> None:
        content = with_part(
            book([HEADER, ["a", "M", DAY, "USD", 1], ["b", "M", DAY, "USD", 2]]),
            SHEET1,
            lambda text: text.replace('<row r="3"', f'<row r="{order}"'),
        )
        assert "out of order" in refusal(content).message

    def test_a_row_beyond_the_last_one_of_a_sheet_is_refused(self) -> None:
        content = with_part(
            book([HEADER, ["a", "M", DAY, "USD", 1]]),
            SHEET1,
            lambda text: text.replace('<row r="2"', '<row r="999999999999"'),
        )
        assert "999,999,999,999" in refusal(content).message


def test_a_large_workbook_is_loaded_in_parts_like_the_whole() -> None:
    rows = [[f"b{at}", "M", DAY, "USD", at + 0.25] for at in range(300)]
    rows[9][2] = "?"
    content = with_part(
        book([["Title"], HEADER, *rows], [["notes"]]),
        SHEET1,
        lambda text: text.replace(">7.25<", ">7.2500000000000009<"),
    )
    whole, parts = Flow(), Flow(settings=replace(SETTINGS, large_file_bytes=1000))
    one = load(content, whole)
    started = load(content, parts)
    assert started.status == "LOADING"
    other = parts.run_workflow(started.load_id, part_bytes=2000)
    assert (other.status, other.tally.inserted) == (one.status, one.tally.inserted)
    assert amounts(parts) == amounts(whole)
    assert other.tally.notes == one.tally.notes
    assert {"rounded", "other_sheets", "lines_above_header"} == set(one.tally.notes)
    refused = [
        {(row.line, row.reason, row.value) for each in flow.quarantines for row in each.rows}
        for flow in (whole, parts)
    ]
    assert refused[0] == refused[1]
    assert len(refused[0]) == 2


def test_check_and_proposals_read_workbooks() -> None:
    rates = ExchangeRates(RatePolicy(), Flow().store.rates)
    content = book([["Rechnungsnummer", "Datum", "Währung", "Betrag"], ["R1", DAY, "USD", 1.5]])
    check = check_file(lambda: io.BytesIO(content), None, rates)
    assert (check.status, check.proposal is not None) == ("REJECTED", True)
    proposal = proposal_of(io.BytesIO(content))
    assert proposal is not None
    again = check_file(lambda: io.BytesIO(content), declared(proposal.document), rates)
    assert (again.status, again.amounts) == ("LOADED", {"USD": Decimal("1.5")})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), max_size=12),
            st.integers(0, 20000).map(lambda days: date(1990, 1, 1) + timedelta(days)),
            st.one_of(
                st.integers(-(10**12), 10**12),
                st.decimals(-(10**8), 10**8, places=6).map(float),
            ),
        ),
        max_size=12,
    )
)
def test_workbook_and_csv_of_the_same_rows_load_to_the_same_table(
    rows: list[tuple[str, date, float]],
) -> None:
    whole = [(f"b{at}", *row) for at, row in enumerate(rows)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for key, name, day, number in whole:
        writer.writerow([key, name, day.isoformat(), "USD", f"{Decimal(repr(number)):f}"])
    written = io.BytesIO()
    # Another writer than the one of the other tests.
    target = xlsxwriter.Workbook(written, {"strings_to_formulas": False, "strings_to_urls": False})
    sheet, form = target.add_worksheet(), target.add_format({"num_format": "d.m.yy"})
    sheet.write_row(0, 0, HEADER)
    for at, (key, name, day, number) in enumerate(whole, 1):
        sheet.write_string(at, 0, key)
        sheet.write_string(at, 1, name)
        sheet.write_datetime(at, 2, datetime.fromisoformat(day.isoformat()), form)
        sheet.write_string(at, 3, "USD")
        sheet.write_number(at, 4, number)
    target.close()
    first, second = Flow(), Flow()
    one = load(text.getvalue().encode(), first)
    other = load(written.getvalue(), second)
    assert (one.status, one.tally.inserted) == (other.status, other.tally.inserted)
    assert exact(first) == exact(second)


def test_numbers_that_are_filled_up_with_zeros_stay_so() -> None:
    """Account ids above all: the CSV of the same sheet has 012345678901."""

    def fill(written: Written) -> None:
        sheet = written["Sheet1"]
        for cell, form in (("A2", "000000000000"), ("A3", "00000"), ("E2", "000"), ("E3", "0")):
            sheet[cell].number_format = form

    rows: list[Cells] = [HEADER, [12345678901, "A", DAY, "USD", 7], [123, "B", DAY, "USD", 7]]
    flow = Flow()
    assert load(book(rows, change=fill), flow).status == "LOADED"
    assert amounts(flow) == {"012345678901": 7, "00123": 7}


@pytest.mark.parametrize("large", [False, True])
def test_hashed_ids_of_a_csv_and_of_a_workbook_are_never_mixed(large: bool) -> None:
    """The 12.50 of a CSV is 12.5 in a workbook: the bill would have two ids, and count twice."""
    form = {"columns": {"bill_date": "Day", "bill_amount": "Amt"}, "id_from": ["Day", "Amt"]}
    rows: list[Cells] = [["Day", "Currency", "Amt"], [DAY, "USD", 12.5]]
    flow = Flow()
    flow.settings = replace(
        SETTINGS,
        formats={"d": DatasetFormat.from_document("d", form)},
        large_file_bytes=1 if large else SETTINGS.large_file_bytes,
    )

    def dropped(name: str, content: bytes) -> FileEntry:
        flow.workflow.running = False
        entry = flow.load(flow.objects.put(f"billing/d/{name}", content))
        return flow.run_workflow(entry.load_id) if large else entry

    first = dropped("march.csv", b"Day,Currency,Amt\n2026-03-05,USD,12.50\n")
    assert first.status == "LOADED"
    refused = dropped("march.xlsx", book(rows))
    assert (refused.status, refused.error_code) == ("REJECTED", "other_ids")
    assert "hash of day, amt of typed cells" in refused.error
    assert len(flow.store.rows) == 1

    flow.withdraw(first)
    assert dropped("again.xlsx", book(rows)).status == "LOADED"
    assert dropped("april.xlsx", book([*rows, [DAY, "USD", 13.0]])).status == "LOADED"
    assert (
        dropped("april.csv", b"Day,Currency,Amt\n2026-03-05,USD,13.00\n").error_code == "other_ids"
    )
    assert len(flow.store.rows) == 2


def test_ids_that_stand_in_a_column_may_come_from_either() -> None:
    flow = Flow()
    text = b"record_id,bill_date,currency,bill_amount\n1,2026-03-05,USD,12.50\n"
    assert load(text, flow).status == "LOADED"
    header = ["record_id", "bill_date", "currency", "bill_amount"]
    assert load(book([header, ["2", DAY, "USD", 12.5]]), flow).status == "LOADED"


def test_rules_of_typed_ids_differ_however_long_they_are() -> None:
    rules = set()
    for last in ("a", "b"):
        form = DatasetFormat.from_document("d", {"id_from": ["x" * 100, f"{'y' * 9}{last}"]})
        rules |= {replace(used_format("d", form), typed=typed).id_rule for typed in (False, True)}
    assert len(rules) == 4
    assert all(len(rule) <= 128 for rule in rules)


STRICT = {
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "spreadsheetml/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
        "officeDocument/relationships"
    ),
    "http://schemas.openxmlformats.org/drawingml/2006/main": "drawingml/main",
}


def strict(content: bytes) -> bytes:
    """The workbook in the strict form, which Excel saves as "Strict Open XML Spreadsheet".

    https://learn.microsoft.com/openspecs/office_standards/ms-oi29500
    """
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.infolist():
            text = before.read(part).decode()
            for name, short in STRICT.items():
                text = text.replace(name, f"http://purl.oclc.org/ooxml/{short}")
            if part.filename == "xl/workbook.xml":
                text = text.replace("<workbook ", '<workbook conformance="strict" ')
            after.writestr(part.filename, text)
    return file.getvalue()


def test_a_strict_workbook_is_read_like_another_one() -> None:
    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1.5], ["b", "N", DAY, "USD", -2]]
    hidden = [["http://purl.oclc.org/ooxml/spreadsheetml/main"]]

    def change(written: Written) -> None:
        written.worksheets[1].sheet_state = "hidden"
        written.worksheets[0].merge_cells("A9:E9")

    content = book(rows, hidden, change=change)
    first, second = Flow(), Flow()
    one, other = load(content, first), load(strict(content), second)
    assert (one.status, one.tally.notes) == (other.status, other.tally.notes)
    assert exact(first) == exact(second)
    assert len(second.store.rows) == 2


def test_days_of_a_strict_workbook_are_texts_of_iso_8601() -> None:
    content = strict(book([HEADER, ["a", "M", 5, "USD", 1], ["b", "M", 6, "USD", 1]]))

    def dated(text: str) -> str:
        for cell, number, day in (("C2", 5, "2026-03-05"), ("C3", 6, "2026-03-06T14:30:00")):
            text = re.sub(
                rf'<c r="{cell}"[^>]*><v>{number}</v>', f'<c r="{cell}" t="d"><v>{day}</v>', text
            )
        return text

    found = [row[2] for _, row in records(with_part(content, SHEET1, dated))]
    assert found == ["2026-03-05", "2026-03-06 14:30:00"]


def test_a_long_list_of_parts_of_a_strict_workbook_is_read_to_its_end() -> None:
    sheets: list[list[Cells]] = [[["x"]]] * 300
    content = strict(book(*sheets, [HEADER, ["a", "M", DAY, "USD", 1]]))
    assert records(content)[0][1][0] == "a"
