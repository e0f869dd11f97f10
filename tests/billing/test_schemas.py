"""Files are known by their headers."""

from __future__ import annotations

import pytest

from finops.billing.schemas import BILLING, FOCUS, recognise

HEADER = [column.title for column in BILLING.columns if column.in_file]
FOCUS_NEEDED = [column.title for column in FOCUS.columns if column.in_header]


def test_columns_come_in_any_order_and_case() -> None:
    found = recognise(["Bill Amount", "x", *[one.upper() for one in HEADER[-2::-1]]])
    assert (found.schema, found.problem) == (BILLING, "")
    assert found.cells[HEADER.index("bill_amount")] == 0
    assert found.cells[HEADER.index("record_id")] == 10 - 1 + 0


@pytest.mark.parametrize(
    ("name", "alias"),
    [("record_id", "id"), ("company_name", "Company"), ("bill_date", "DATE"),
     ("bill_amount", "amount"), ("currency", "currency-code"), ("product_line", "productLine")],
)  # fmt: skip
def test_common_names_mean_the_same(name: str, alias: str) -> None:
    found = recognise([alias if one == name else one for one in HEADER])
    assert found.problem == ""
    assert found.cells == (*range(len(HEADER)), None)


def test_what_is_missing_is_named() -> None:
    found = recognise(HEADER[:-1])
    assert found.code == "missing_columns"
    assert "bill_amount" in found.problem
    assert "bill_amount" in found.remedy


def test_a_column_twice_is_ambiguous() -> None:
    found = recognise([*HEADER, "amount"])
    assert found.code == "ambiguous_header"
    assert "bill_amount" in found.problem


def test_no_known_column_is_no_header() -> None:
    assert recognise(["1", "2026-01-01", "5"]).code == "no_header"


@pytest.mark.parametrize("further", [[], ["InvoiceId", "ServiceSubcategory"], ["x_Own", "Tags"]])
def test_focus_of_any_version_is_known_by_what_it_must_have(further: list[str]) -> None:
    found = recognise([*FOCUS_NEEDED, *further])
    assert (found.schema, found.problem) == (FOCUS, "")


def test_tables_name_columns_as_the_standard_does() -> None:
    names = {column.title: column.name for column in FOCUS.columns}
    assert names["BilledCost"] == "billed_cost"
    assert names["BillingAccountId"] == "billing_account_id"
