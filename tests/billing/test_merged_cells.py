"""Merged cells of a workbook: only the first cell of a range holds the value that people see."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook as Written

from finops.billing import merged_cells
from finops.billing.checking import sample_of
from finops.billing.dataset_format import DatasetFormat
from finops.billing.merged_cells import BadRangesError, Merged, MergedCells
from tests.billing.test_workbooks import (
    DAY,
    HEADER,
    SHEET1,
    amounts,
    book,
    load,
    refusal,
    with_part,
)
from tests.billing.use_cases import SETTINGS, Flow

Cells = Sequence[object]
NO = None


def merged(*ranges: str) -> Callable[[Written], None]:
    def change(written: Written) -> None:
        for one in ranges:
            written.worksheets[0].merge_cells(one)

    return change


def rejects(flow: Flow) -> list[tuple[int, str, str]]:
    return [(one.line, one.reason, one.field) for one in flow.quarantines[0].rows]


@pytest.mark.parametrize("large", [False, True])
def test_a_text_a_day_or_a_currency_that_is_merged_over_rows_counts_in_each(large: bool) -> None:
    """With a default currency, rows 3 and 4 would be 20 and 30 EUR, in place of GBP."""
    rows: list[Cells] = [
        HEADER,
        ["a", "Maple", DAY, "GBP", 10],
        ["b", NO, NO, NO, 20],
        ["c", NO, NO, NO, 30],
        ["d", "Oak", DAY, NO, 40],
    ]
    flow = Flow()
    flow.load_rates(flow.objects.put("rates/r.csv", b"currency,rate_date,usd_per_unit\n"
                               b"GBP,2026-03-05,1.25\nEUR,2026-03-05,1.1\n"))  # fmt: skip
    content = book(rows, change=merged("B2:B4", "C2:C4", "D2:D4"))
    form = DatasetFormat.from_document("d", {"defaults": {"currency": "EUR"}})
    limit = 1 if large else SETTINGS.large_file_bytes
    flow.settings = replace(SETTINGS, formats={"d": form}, large_file_bytes=limit)
    entry = load(content, flow)
    if large:
        entry = flow.run_workflow(entry.load_id)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 4)
    stored = {key: row for (_, key), row in flow.store.rows.items()}
    assert [stored[one]["currency"] for one in "abcd"] == ["GBP", "GBP", "GBP", "EUR"]
    assert [stored[one]["company_name"] for one in "abcd"] == ["Maple", "Maple", "Maple", "Oak"]
    assert {row["bill_date"] for row in stored.values()} == {DAY.isoformat()}


@pytest.mark.parametrize(
    ("header", "document"),
    [
        (HEADER, None),
        ([*HEADER[:4], "Betrag"], {"columns": {"bill_amount": "Betrag"}}),
        (HEADER, {"negate": True}),
    ],
)
def test_an_amount_that_is_merged_over_rows_is_never_counted_for_each(
    header: Cells, document: dict[str, Any] | None
) -> None:
    flow = Flow()
    rows: list[Cells] = [
        header,
        ["a", "M", DAY, "USD", 100],
        ["b", "M", DAY, "USD"],
        ["c", "M", DAY, "USD", 1],
    ]
    entry = load(book(rows, change=merged("E2:E3")), flow, document)
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 2)
    assert {key: abs(one) for key, one in amounts(flow).items()} == {"a": 100, "c": 1}
    (refused,) = flow.quarantines[0].rows
    assert (refused.line, refused.reason) == (3, "merged_cells")
    assert "cells E2:E3 are merged" in refused.message
    # Whoever drops the rejected line again must not count the amount twice.
    assert refused.raw == "b,M,2026-03-05,USD,"


def test_debit_and_credit_and_signs_are_of_one_row() -> None:
    form = {"debit": "Soll", "credit": "Haben"}
    header = [*HEADER[:4], "Soll", "Haben"]
    rows: list[Cells] = [header, ["a", "M", DAY, "USD", 5, NO], ["b", "M", DAY, "USD", NO, 2]]
    flow = Flow()
    assert load(book(rows, change=merged("E2:E3")), flow, form).status == "LOADED_WITH_REJECTS"
    assert rejects(flow) == [(3, "merged_cells", "Soll")]
    form = {"sign": {"column": "S/H", "positive": ["S"], "negative": ["H"]}}  # type: ignore[dict-item]
    rows = [[*HEADER, "S/H"], ["a", "M", DAY, "USD", 5, "H"], ["b", "M", DAY, "USD", 2, NO]]
    flow = Flow()
    load(book(rows, change=merged("F2:F3")), flow, form)
    assert rejects(flow) == [(3, "merged_cells", "S/H")]


def test_an_id_of_several_rows_is_refused_and_a_hashed_one_is_made_of_what_is_seen() -> None:
    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1], [NO, "N", DAY, "USD", 2]]
    flow = Flow()
    load(book(rows, change=merged("A2:A3")), flow)
    assert rejects(flow) == [(3, "merged_cells", "record_id")]
    header = ["Nr", *HEADER[1:]]
    plain: list[Cells] = [header, ["a", "M", DAY, "USD", 1], ["a", "N", DAY, "USD", 2]]
    form = {"id_from": ["Nr", "company_name"]}
    flow = Flow()
    load(book([header, *rows[1:]], change=merged("A2:A3")), flow, form)
    again = load(book(plain), flow, form)
    assert (again.tally.unchanged, again.tally.inserted) == (2, 0)


def test_rows_that_only_continue_a_row_are_no_rows() -> None:
    """A tall row, made of two merged ones."""
    flow = Flow()
    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1], [], ["b", "M", DAY, "USD", 2]]
    tall = [f"{column}2:{column}3" for column in "ABCDE"]
    entry = load(book(rows, change=merged(*tall)), flow)
    assert (entry.status, entry.tally.inserted, [*amounts(flow)]) == ("LOADED", 2, ["a", "b"])


def test_a_value_below_a_title_that_is_merged_over_its_column_is_told() -> None:
    """Net and tax below one title: 20 of 120 would vanish."""
    header = [*HEADER, NO, "Note"]
    rows: list[Cells] = [
        header,
        ["a", "M", DAY, "USD", 100, 20, "x"],
        ["b", "M", DAY, "USD", 7, NO, "y"],
    ]
    flow = Flow()
    entry = load(book(rows, change=merged("E1:F1")), flow)
    assert (entry.status, amounts(flow)) == ("LOADED_WITH_REJECTS", {"b": 7})
    (refused,) = flow.quarantines[0].rows
    assert (refused.line, refused.reason, refused.field) == (2, "merged_cells", "bill_amount")
    assert "E1:F1" in refused.message
    assert "'20'" in refused.message


def test_a_title_that_is_merged_over_columns_that_do_not_count_changes_nothing() -> None:
    header = [*HEADER, "Remarks", NO]
    flow = Flow()
    rows: list[Cells] = [header, ["a", "M", DAY, "USD", 1, "x", "y"]]
    assert load(book(rows, change=merged("F1:G1")), flow).status == "LOADED"


def test_titles_of_two_lines_are_known_where_the_second_names_the_columns() -> None:
    rows: list[Cells] = [
        ["record_id", "Bill", NO, NO, NO],
        [NO, "company_name", "bill_date", "currency", "bill_amount"],
        ["a", "M", DAY, "USD", 1],
    ]
    flow = Flow()
    entry = load(book(rows, change=merged("A1:A2", "B1:E1")), flow)
    assert (entry.status, amounts(flow)) == ("LOADED", {"a": 1})
    sample = sample_of(io.BytesIO(book(rows, change=merged("A1:A2", "B1:E1"))))
    assert "\ufdd0" not in repr(sample)


def test_a_totals_row_stays_one() -> None:
    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1], ["Total", NO, NO, NO, 1]]
    flow = Flow()
    entry = load(book(rows, change=merged("A3:D3")), flow)
    assert (entry.tally.inserted, rejects(flow)) == (1, [(3, "totals_row", "bill_amount")])


def test_an_error_that_is_merged_keeps_the_name_of_its_cell() -> None:
    rows: list[Cells] = [HEADER, ["a", "M", "#REF!", "USD", 1], ["b", "M", NO, "USD", 2]]
    flow = Flow()
    load(book(rows, change=merged("C2:C3")), flow)
    assert rejects(flow) == [(2, "error_value", "bill_date"), (3, "error_value", "bill_date")]
    assert all("cell C2" in one.message for one in flow.quarantines[0].rows)


def test_a_value_that_hides_in_a_merged_cell_is_not_what_counts() -> None:
    """Programs write it; a spreadsheet does not show it, and formulas count it all the same."""
    content = book([HEADER, ["a", "M", DAY, "GBP", 1], ["b", "M", DAY, "USD", 2]])

    def cover(text: str) -> str:
        return text.replace(
            "</sheetData>",
            '</sheetData><mergeCells count="1"><mergeCell ref="E2:E3"/></mergeCells>',
        )

    flow = Flow()
    load(with_part(content, SHEET1, cover), flow)
    assert (3, "merged_cells", "bill_amount") in rejects(flow)


def test_ranges_that_overlap_or_are_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Cells] = [HEADER, ["a", "M", DAY, "USD", 1], ["b", "M", DAY, "USD", 2]]
    content = book(rows, change=merged("A2:A3"))

    def twice(text: str) -> str:
        return re.sub(r'<mergeCell ref="A2:A3" ?/>', r'\g<0><mergeCell ref="A3:B3"/>', text)

    error = refusal(with_part(content, SHEET1, twice))
    assert (error.code, "A2:A3 and A3:B3" in error.message) == ("damaged_workbook", True)
    monkeypatch.setattr(merged_cells, "MOST_RANGES", 1)
    assert refusal(book(rows, change=merged("A2:A3", "B2:B3"))).code == "damaged_workbook"


def test_a_range_over_the_whole_sheet_costs_no_memory() -> None:
    cells = MergedCells(io.BytesIO(b'<mergeCells><x:mergeCell ref="$B$2:$XFD$1048576"/>'))
    assert cells.shown(1, [(1, "a")]) == [(1, "a")]
    wide = cells.shown(1_048_576, [(1, "b")])
    assert dict(wide).keys() == {1, *range(3, merged_cells._WIDEST + 1)}
    assert wide[-1] == (merged_cells._WIDEST, Merged("B2:XFD1048576", None))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_ranges_are_found_wherever_pieces_end(encoding: str, size: int) -> None:
    text = '<worksheet><mergeCells><mergeCell ref="A2:A3"/><mergeCell foo="1" ref=\'B2:B3\'/>'

    class Slow(io.BytesIO):
        def read(self, amount: int | None = -1, /) -> bytes:
            return super().read(min(amount or size, size))

    cells = MergedCells(Slow(text.encode(encoding)))
    assert cells.shown(2, [(1, "x"), (2, "y")]) == [(1, "x"), (2, "y")]
    assert cells.shown(3, [(3, "z")]) == [
        (1, Merged("A2:A3", "x")),
        (2, Merged("B2:B3", "y")),
        (3, "z"),
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3)),
        max_size=5,
    ),
    st.sets(st.tuples(st.integers(1, 9), st.integers(1, 9))),
)
def test_each_cell_shows_what_its_range_says(
    ranges: list[tuple[int, int, int, int]], held: set[tuple[int, int]]
) -> None:
    cover: dict[tuple[int, int], tuple[int, int]] = {}
    overlap = False
    for top, left, down, right in dict.fromkeys(ranges):
        for row in range(top, top + down + 1):
            for column in range(left, left + right + 1):
                overlap |= (row, column) in cover
                cover[row, column] = (top, left)
    names = [
        f'<mergeCell ref="{chr(64 + left)}{top}:{chr(64 + left + right)}{top + down}"/>'
        for top, left, down, right in ranges
    ]
    cells = MergedCells(io.BytesIO("".join(names).encode()))
    rows = {row: [(c, f"{row}.{c}") for c in range(1, 10) if (row, c) in held] for row in range(10)}
    try:
        shown = {row: dict(cells.shown(row, some)) for row, some in rows.items()}
    except BadRangesError:
        assert overlap
        return
    assert not overlap
    for row, some in rows.items():
        for column in range(1, 10) if some else ():
            first = cover.get((row, column), (row, column))
            value = shown[row].get(column)
            if first == (row, column):
                assert value == ({**dict(some)}.get(column))
            elif first[1] == column:
                expected = f"{first[0]}.{first[1]}" if first in held else None
                assert (value.value if value else None) == expected
            else:
                assert isinstance(value, Merged)
                assert value.value is None
