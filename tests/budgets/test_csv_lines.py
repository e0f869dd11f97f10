"""Lines of a CSV file that DynamoDB would refuse, with all others of their request."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.csv_files import read_budgets
from finops.budgets.editing import with_notes
from finops.shared.errors import RejectedInput
from tests.budgets.fakes import ACCOUNT
from tests.budgets.test_service import OTHER


def read(*lines: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return read_budgets("\n".join(lines).encode(), name="budgets.csv", editor="ann", known=list)


@pytest.mark.parametrize("values", ["agreed,", ",agreed", "agreed,twice"])
def test_a_value_in_a_column_without_a_name_is_refused_with_its_place(values: str) -> None:
    rows, (refused,) = read("account_id,amount,,", f"{ACCOUNT},5,{values}", f"{OTHER},6,,")
    assert [one["account_id"] for one in rows] == [OTHER]
    assert refused["line"] == 2
    assert "stands in column " in refused["reason"]
    assert "which has no name" in refused["reason"]


@pytest.mark.parametrize(
    "cell",
    [
        r'{"Service": "\ud800"}',
        r'{"Service": ["Amazon EC2", "Amazon \udfff"]}',
        r'{"TagKeyValue": "user:Team$\ud800"}',
        r'{"\ud800": "x"}',
    ],
)
def test_a_line_with_half_a_character_is_refused_alone(cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    rows, (refused,) = read(
        "account_id,amount,cost_filters", f"{ACCOUNT},5,{quoted}", f"{OTHER},6,"
    )
    assert [one["account_id"] for one in rows] == [OTHER]
    assert (refused["line"], refused["field"]) == (2, "cost_filters")
    assert json.dumps(refused, ensure_ascii=False).encode()


def test_columns_without_a_name_and_a_value_are_no_matter() -> None:
    rows, refused = read("account_id,amount,,,", f"{ACCOUNT},5,,,")
    assert not refused
    assert set(rows[0]) == {"account_id", "amount", "budget_name", "updated_by", "request_id"}


def test_a_line_that_is_larger_than_a_row_may_be_is_refused_alone() -> None:
    notes = [f"note_{number}" for number in range(4)]
    long = ",".join(["é" * 60_000] * 4)  # 480 KB
    header = ",".join(["account_id", "amount", *notes])
    rows, (refused,) = read(header, f"{ACCOUNT},5,{long}", f"{OTHER},6,,,,")
    assert [one["account_id"] for one in rows] == [OTHER]
    assert "a row of the table at most" in refused["reason"]


def test_a_column_whose_name_has_what_nobody_sees_is_named() -> None:
    with pytest.raises(RejectedInput, match=r"'amo\\u200bunt' of the first line has the invisible"):
        read("account_id,amo\u200bunt", f"{ACCOUNT},5")


def test_an_amount_that_a_comma_splits_is_refused_whole() -> None:
    header = "account_id,amount,note"
    rows, (refused,) = read(header, f"{ACCOUNT},12,500.00", f"{OTHER},500,300")
    assert [(one["account_id"], one["amount"]) for one in rows] == [(OTHER, 500)]
    assert (refused["line"], refused["value"]) == (2, "12,500.00")
    assert "look like one amount" in refused["reason"]


def test_numbers_in_the_json_of_a_cell_keep_their_cents() -> None:
    cell = '"{""2027-01"": 1500.50}"'
    (row,), refused = read("account_id,amount,planned_amounts", f"{ACCOUNT},5,{cell}")
    assert not refused
    assert row["planned_amounts"] == {"2027-01": Decimal("1500.50")}


@pytest.mark.parametrize(
    ("column", "cell", "key"),
    [
        ("cost_filters", '{"Region": ["eu-west-1"], "Region": ["us-east-1"]}', "Region"),
        ("planned_amounts", '{"2027-01": "5", "2027-01": "9"}', "2027-01"),
    ],
)
def test_a_map_with_a_key_twice_is_refused_with_the_key(column: str, cell: str, key: str) -> None:
    quoted = cell.replace('"', '""')
    rows, (refused,) = read(f"account_id,amount,{column}", f'{ACCOUNT},5,"{quoted}"', f"{OTHER},6,")
    assert [one["account_id"] for one in rows] == [OTHER]
    assert (refused["line"], refused["field"]) == (2, column)
    assert f"{key} is there twice" in refused["reason"]


def test_a_map_that_is_nested_too_deep_is_refused_alone() -> None:
    rows, (refused,) = read(
        "account_id,amount,cost_filters", f"{ACCOUNT},5,{'[' * 100_000}", f"{OTHER},6,"
    )
    assert [one["account_id"] for one in rows] == [OTHER]
    assert refused["field"] == "cost_filters"


@pytest.mark.parametrize("first", ["sep=,", '"sep=,"', "SEP=,\r"])
def test_the_line_that_tells_excel_the_separator_is_no_header(first: str) -> None:
    rows, (refused,) = read(first, "account_id,amount", f"{ACCOUNT},5", f"{OTHER},many")
    assert [row["amount"] for row in rows] == [5]
    assert refused["line"] == 4


def test_another_separator_that_excel_is_told_is_named() -> None:
    with pytest.raises(RejectedInput, match="separated by semicolons") as refused:
        read("sep=;", "account_id;amount", f"{ACCOUNT};5")
    assert refused.value.code == "wrong_separator"


@pytest.mark.parametrize("length", [140_000, 2_000_000])
def test_a_field_that_is_too_long_is_refused_with_its_line_and_stops_no_other(length: int) -> None:
    """Python's own limit of a field is 131072 characters, of which DynamoDB takes more."""
    rows, rejected = read(
        "account_id,amount,note",
        f"{ACCOUNT},5,short",
        f'{OTHER},6,"{"x" * length}\nand more"',
        f"{OTHER},7,{'y' * length}",
        "555555555555,8,short",
        "666666666666,many,short",
    )
    fits = length < 390 * 1024
    assert [row["amount"] for row in rows] == ([5, 6, 8] if fits else [5, 8])
    # The third is twice, or both are too long.
    assert [one["line"] for one in rejected] == ([5, 7] if fits else [4, 5, 7])


def test_a_line_that_is_no_csv_has_its_own_number() -> None:
    rows, rejected = read(
        "account_id,amount", f'{ACCOUNT},"5"x', f"{OTHER},6", f'{OTHER},"7"y', f"{ACCOUNT},many"
    )
    assert [row["amount"] for row in rows] == [6]
    assert [one["line"] for one in rejected] == [2, 4, 5]


def test_a_note_that_a_line_leaves_empty_goes_and_one_without_a_column_stays() -> None:
    (row,), _ = read("account_id,amount,team,cost_filters", f"{ACCOUNT},5,,")
    before = {"amount": 4, "team": "a", "owner": {"of": [1, 2]}, "emails": ["a@example.com"]}
    assert with_notes(row, before) == {
        **{name: value for name, value in row.items() if value is not None},
        "owner": {"of": [1, 2]},
    }


def test_what_was_refused_as_no_note_goes_with_the_row_before() -> None:
    (row,), _ = read("account_id,amount", f"{ACCOUNT},5")
    before = {"Currency": "EUR", "tresholds": "ACTUAL:5", "team": b"\xff"}
    assert with_notes(row, before) == {**row, "team": b"\xff"}


def test_a_row_that_is_too_large_with_its_notes_is_named() -> None:
    (row,), _ = read("account_id,amount", f"{ACCOUNT},5")
    with pytest.raises(RejectedInput, match=f"account {ACCOUNT} would have 4.* bytes"):
        with_notes(row, {"team": "x" * 400_000})


def test_other_readers_keep_their_limit_of_a_field() -> None:
    before = csv.field_size_limit()
    read("account_id,amount,note", f"{ACCOUNT},5,{'x' * 140_000}")
    with pytest.raises(RejectedInput):
        read("account_id;amount")
    assert csv.field_size_limit() == before
