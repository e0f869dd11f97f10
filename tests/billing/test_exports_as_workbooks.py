"""The exports of `test_exports`, opened in a spreadsheet program and saved as workbooks.

Such a program makes numbers and days of what looks like them, and leaves other cells as texts.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from finops.billing.checking import Check, check_file
from finops.billing.dataset_format import DatasetFormat, used_format
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.billing.test_exports import (
    BUILT_IN,
    PROPOSED,
    REFUSED,
    STATIC,
    Export,
    amounts,
    name,
    wanted,
)
from tests.billing.test_workbooks import Cells, book

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,12})(?:\.\d+)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def as_text(cell: str) -> object:
    return cell


def as_typed(cell: str) -> object:
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return date.fromisoformat(cell) if _DAY.fullmatch(cell) else cell


def workbook(export: Export, cell: Callable[[str], object]) -> bytes:
    longest = max(export.text.splitlines(), key=len)
    delimiter = ";" if longest.count(";") > longest.count(",") else ","
    rows: list[Cells] = [
        [cell(text) if text and not text.startswith("=") else text or None for text in row]
        for row in csv.reader(io.StringIO(export.text, newline=""), delimiter=delimiter)
    ]
    return book(rows)


def check(content: bytes, document: dict[str, Any] | None = None) -> Check:
    rates = ExchangeRates(RatePolicy(static=STATIC))
    form = DatasetFormat.from_document("d", document or {})
    used = used_format("d", form) if document else None
    return check_file(lambda: io.BytesIO(content), used, rates, "d")


CELLS: Sequence[Callable[[str], object]] = (as_text, as_typed)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("export", BUILT_IN, ids=name)
def test_is_loaded_as_it_is(export: Export, cell: Callable[[str], object]) -> None:
    found = check(workbook(export, cell), export.declared)
    assert (amounts(found), found.error) == (wanted(export), "")
    assert tuple(one.reason for one in found.problems) == export.rejects
    assert (found.used.source if found.used else "") == export.source


@pytest.mark.parametrize("export", REFUSED, ids=name)
def test_is_refused_for_an_export_that_says_more(export: Export) -> None:
    found = check(workbook(export, as_typed))
    assert (found.status, found.error_code) == ("REJECTED", export.code)
    assert export.remedy in found.error


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("export", PROPOSED, ids=name)
def test_is_loaded_by_the_format_that_is_proposed(
    export: Export, cell: Callable[[str], object]
) -> None:
    content = workbook(export, cell)
    found = check(content)
    assert (found.status, found.proposal is None) == ("REJECTED", False)
    assert found.proposal is not None
    loaded = check(content, found.proposal.document | export.answers)
    assert (loaded.error, loaded.problems) == ("", [])
    assert amounts(loaded) == wanted(export)


def test_numbers_of_a_datev_workbook_are_read_where_its_dataset_declares_the_comma() -> None:
    export = next(one for one in BUILT_IN if one.source == "datev_bookings")

    def number(cell: str) -> object:
        return float(cell.replace(",", ".")) if re.fullmatch(r"\d+,\d+", cell) else cell

    content = workbook(replace(export, text=export.text.replace("119,00", "119,50")), number)
    assert [one.reason for one in check(content).problems] == ["invalid_amount"]
    found = check(content, {"decimal_comma": True})
    assert (found.error, found.problems, amounts(found)) == ("", [], {"EUR": Decimal("100.5")})
