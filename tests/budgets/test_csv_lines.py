"""Lines of a CSV file that DynamoDB would refuse, with all others of their request."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.editing import read_budgets
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
