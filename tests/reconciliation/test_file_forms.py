"""Files of one input that name their columns differently, as two kinds of CUR do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.domain import Metric
from finops.reconciliation.ports import ChargeQuery, Detail
from finops.shared.errors import RejectedInput
from finops.shared.money import total
from finops.shared.periods import Month
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER
from tests.reconciliation.test_exports import cur

SEPTEMBER = OCTOBER.plus(-1)
#: The other account's share is in the second file.
OTHER = "3" * 12


def billed(source: ExportedCosts, month: Month = OCTOBER) -> Decimal:
    query = ChargeQuery(first=month.first, end=month.end, detail=Detail.MONTHS)
    return total(one.billed for one in source.charges(query))


def line_item(cost: str, month: Month = OCTOBER, **cells: str) -> Row:
    return cur(
        "Usage",
        cost,
        bill_billing_period_start_date=f"{month}-01T00:00:00Z",
        line_item_usage_start_date=f"{month}-03T00:00:00Z",
        **cells,
    )


def legacy(row: Row) -> Row:
    """`lineItem/UnblendedCost`, as the legacy CUR spells it."""
    groups = {"bill": "bill", "line_item": "lineItem", "product": "product"}
    return {
        f"{spelled}/{name.removeprefix(f'{group}_').title().replace('_', '')}": value
        for name, value in row.items()
        for group, spelled in groups.items()
        if name.startswith(f"{group}_")
    }


def in_words(row: Row) -> Row:
    """`billed_cost`, as Glue and Snowflake spell FOCUS."""
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): row[name] for name in row}


def stored(folder: Path, suffix: str, files: Sequence[Sequence[Row]]) -> Path:
    for at, rows in enumerate(files):
        if suffix != ".parquet":
            write(folder / f"{at}{suffix}", rows)
            continue
        path = write(folder.parent / f"{at}.csv", rows)
        duckdb.from_csv_auto(str(path), all_varchar=True).write_parquet(
            str(folder.joinpath(f"{at}.parquet"))
        )
    return folder


FORMS: dict[str, Sequence[list[Row]]] = {
    "legacy CUR": ([line_item("10")], [legacy(line_item("7", bill_payer_account_id=OTHER))]),
    "words": ([focus("10")], [in_words(focus("7", SubAccountId=OTHER))]),
    "lower case": (
        [focus("10")],
        [{name.lower(): cell for name, cell in focus("7", SubAccountId=OTHER).items()}],
    ),
    "another order": (
        [focus("10")],
        [dict(reversed([*focus("7", SubAccountId=OTHER).items()]))],
    ),
    "further columns": ([focus("10", ResourceId="i")], [focus("7", SubAccountId=OTHER)]),
}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_each_file_is_read_by_its_own_columns(
    tmp_path: Path, name: str, suffix: str, backwards: bool
) -> None:
    (tmp_path / "export").mkdir()
    files = FORMS[name][::-1] if backwards else FORMS[name]
    source = ExportedCosts([stored(tmp_path / "export", suffix, files)])
    assert billed(source) == 17
    assert [one.amount for one in source.control_totals(OCTOBER)] == [17]
    assert not source.notes


def test_a_month_of_the_legacy_cur_stands_before_one_of_cur_2(tmp_path: Path) -> None:
    write(tmp_path / "b" / "1.csv.gz", [line_item("10")])
    write(tmp_path / "a" / "1.csv.gz", [legacy(line_item("7", SEPTEMBER))])
    source = ExportedCosts([tmp_path])
    assert billed(source) == 10
    assert billed(source, SEPTEMBER) == 7
    assert source.name == "CUR and CUR 2.0 export (2 files)"


def test_a_cost_is_unknown_of_the_months_whose_files_lack_its_columns(tmp_path: Path) -> None:
    discounted = {"line_item_line_item_type": "DiscountedUsage", "reservation_effective_cost": "5"}
    write(tmp_path / "b.csv", [{**line_item("0"), **discounted}])
    write(tmp_path / "a.csv", [legacy({**line_item("0", SEPTEMBER), **discounted})])
    source = ExportedCosts([tmp_path])
    assert not source.lacks(Metric.AMORTIZED, OCTOBER)
    assert source.lacks(Metric.AMORTIZED, SEPTEMBER) == "the column reservation_effective_cost"


def test_a_part_without_its_header_is_refused_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", [focus("10")])
    part = write(tmp_path / "2.csv", [focus("7")])
    part.write_text(part.read_text().partition("\n")[2])
    with pytest.raises(RejectedInput, match=r"2\.csv lacks the columns") as refused:
        billed(ExportedCosts([tmp_path]))
    assert refused.value.code == "missing_columns"


def test_files_of_focus_and_of_a_cur_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", [focus("10")])
    write(tmp_path / "2.csv", [line_item("7")])
    with pytest.raises(RejectedInput) as refused:
        billed(ExportedCosts([tmp_path]))
    assert refused.value.code == "mixed_export"


def test_a_file_without_a_byte_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", [focus("10")])
    (tmp_path / "2.csv").touch()
    with pytest.raises(RejectedInput, match=r"2\.csv has no bytes"):
        billed(ExportedCosts([tmp_path]))


@pytest.mark.parametrize("folder", ["BilledCost=1", "BillingCurrency=EUR", "BillingPeriodStart=2"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folders_name_replaces_no_column(tmp_path: Path, folder: str, suffix: str) -> None:
    (tmp_path / folder).mkdir()
    source = ExportedCosts([stored(tmp_path / folder, suffix, [[focus("10")]])])
    assert billed(source) == 10
    assert [one.currency for one in source.control_totals(OCTOBER)] == ["USD"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_names_what_the_files_lack(tmp_path: Path, suffix: str) -> None:
    """As programs write that partition a table."""
    rows = [{name: cell for name, cell in focus("10").items() if name != "BillingCurrency"}]
    (tmp_path / "BillingCurrency=USD").mkdir()
    source = ExportedCosts([stored(tmp_path / "BillingCurrency=USD", suffix, [rows])])
    assert [one.currency for one in source.control_totals(OCTOBER)] == ["USD"]


def test_charges_in_two_kinds_of_cur_are_refused(tmp_path: Path) -> None:
    rows = [line_item(str(cost)) for cost in range(1, 12)]
    write(tmp_path / "1.csv", rows)
    write(tmp_path / "2.csv", [legacy(row) for row in rows])
    with pytest.raises(RejectedInput) as refused:
        billed(ExportedCosts([tmp_path]))
    assert refused.value.code == "charges_twice"


def test_many_small_gzipped_files_need_no_memory_of_their_own(tmp_path: Path) -> None:
    for at in range(40):
        write(tmp_path / f"{at}.csv.gz", [focus("1", SubAccountId=f"{at:012}")])
    assert billed(ExportedCosts([tmp_path])) == 40
