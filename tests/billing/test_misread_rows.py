"""Rows that would be read as something else than they are: they are told, and never loaded so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finops.billing.dataset_format import format_key
from finops.billing.domain import LOADED, FileStatus
from finops.shared.errors import FinOpsError, RejectedInput
from tests.billing.use_cases import FOCUS, HEADER, SETTINGS, Flow, bills, month


@pytest.fixture
def flow() -> Flow:
    return Flow()


UNTITLED = {
    "last": "record_id,bill_date,currency,bill_amount,\nB-1,2026-03-01,USD,{amount}\n",
    "among others": "record_id,bill_date,currency,bill_amount,,item\n"
    "B-1,2026-03-01,USD,{amount},x\n",
    "of FOCUS": FOCUS.decode().strip().replace("BilledCost,", "BilledCost,,")
    + "\n{amount},1,1,1,USD,2026-03-01,2026-04-01,2026-03-01,2026-03-02,1,EC2,Usage\n",
}


@pytest.mark.parametrize("form", UNTITLED.values(), ids=UNTITLED)
def test_a_cell_under_no_title_is_told(flow: Flow, form: str) -> None:
    cut = flow.load(flow.objects.put("billing/x/cut.csv", form.format(amount="10,50").encode()))
    assert (cut.tally.read, cut.tally.quarantined) == (1, 1)
    [row] = flow.quarantines[-1].rows
    assert row.reason == "wrong_column_count"
    assert "holds '50', but the header has no title there" in row.message
    whole = form.format(amount="10.50,").encode()
    assert flow.load(flow.objects.put("billing/y/whole.csv", whole)).status is FileStatus.LOADED


def test_numbers_before_the_first_title_are_no_values(flow: Flow) -> None:
    """As pandas writes the index of its rows."""
    body = b",record_id,bill_date,currency,bill_amount\n0,B-1,2026-03-01,USD,10.50\n"
    assert flow.load(flow.objects.put("billing/x/a.csv", body)).status is FileStatus.LOADED


SECOND_HEADERS = {
    "order": (
        HEADER.replace("bill_amount", "tax,bill_amount"),
        HEADER.replace("bill_amount", "bill_amount,tax"),
    ),
    "titles": (
        HEADER.replace("bill_amount", "bill_amount,tax"),
        "id,company,country,city,product,item,date,currency,tax,amount\n",
    ),
    "mark": (
        HEADER.replace("bill_amount", "tax,bill_amount"),
        "\ufeff" + HEADER.replace("bill_amount", "bill_amount,tax"),
    ),
    "not known": (
        HEADER.replace("bill_amount", "bill_amount,tax"),
        HEADER.replace("record_id", "invoice").replace("bill_amount", "tax,bill_amount"),
    ),
    "other language": (
        HEADER.replace("bill_amount", "bill_amount,tax"),
        "Rechnungsnr,Kunde,Land,Ort,Produkt,Position,Datum,Währung,Steuer,Betrag\n",
    ),
    "other length": (
        HEADER.replace("bill_amount", "bill_amount,tax"),
        HEADER.replace("bill_amount", "tax,bill_amount,note"),
    ),
}


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(("first", "second"), SECOND_HEADERS.values(), ids=SECOND_HEADERS)
def test_rows_below_another_header_are_not_read_by_the_first_one(
    flow: Flow, first: str, second: str, *, in_parts: bool
) -> None:
    row = "{},A,B,C,D,E,2026-03-05,USD,1,2\n"
    body = first + row.format("a") + second + row.format("b")
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    entry = flow.load(flow.objects.put("billing/x/two.csv", body.encode()))
    if in_parts:
        with pytest.raises(RejectedInput, match="second header"):
            flow.run_workflow(entry.load_id)
        error = FinOpsError("a part failed", code="States.TaskFailed", step="load_part")
        entry = flow.finisher.fail(entry.load_id, error)
        assert [one.action for one in flow.audit.events] == ["billing_file.rejected"]
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "second_header")
    assert "line 3 is a second header" in entry.error
    counted = [
        row for row in flow.store.rows.values() if flow.store.files[row["load"]].status in LOADED
    ]
    assert counted == []


def test_words_in_a_row_that_is_refused_are_no_second_header(flow: Flow) -> None:
    body = bills(("a", 1)) + b"Total,Customer,Land,,Service,Item,,,\nid,name,,,,,,,\n"
    entry = flow.load(flow.objects.put("billing/x/a.csv", body))
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED_WITH_REJECTS, 1)


@pytest.mark.parametrize(
    ("day", "form"),
    [
        *(("05MAR2026", "%d%b%Y"), ("2026年3月5日", "%Y年%m月%d日"), ("050326", "%d%m%y")),
        *(("2026064", "%Y%j"), ("Thu 05/03/2026", "%a %d/%m/%Y"), ("2026 03 05", "%Y %m %d")),
    ],
)
@pytest.mark.parametrize("row", ["A-1;{};EUR;10.50;Acme", "A-1;{};EUR;10.50"])
def test_a_row_above_the_header_is_refused_in_the_datasets_own_form_of_days(
    flow: Flow, day: str, form: str, row: str
) -> None:
    flow.objects.content[format_key("x"), ""] = f'{{"date_formats": ["{form}"]}}'.encode()
    header = "record_id;bill_date;currency;bill_amount;company_name\n"
    body = f"{row.format(day)}\n{header}B-1;{day};EUR;10.50;Acme\n"
    entry = flow.load(flow.objects.put("billing/x/a.csv", body.encode()))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "rows_above_header")


def test_a_second_line_of_titles_above_the_header_is_left_out(flow: Flow) -> None:
    body = b"Nummer,Tag,Geld,Betrag\nrecord_id,bill_date,currency,bill_amount\n"
    entry = flow.load(flow.objects.put("billing/x/a.csv", body + b"1,2026-03-05,USD,10\n"))
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED, 1)


def test_rows_are_not_skipped_as_lines_above_the_header(flow: Flow) -> None:
    flow.objects.content[format_key("x"), ""] = b'{"skip_lines": 4}'
    header = b"record_id,bill_date,currency,bill_amount\n"
    rows = b"1,2026-03-05,USD,10\n2,2026-03-05,USD,20\n3,2026-03-05,USD,30\n"
    last = b"4,2026-03-05,USD,40\n"
    entry = flow.load(flow.objects.put("billing/x/a.csv", header + rows + header + last))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "header_is_skipped")
    assert "--skip-lines 0" in entry.error
    titles = b"March\n\n\nbills of all branches\n"
    entry = flow.load(flow.objects.put("billing/x/b.csv", titles + header + last))
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED, 1)


def test_a_header_that_is_repeated_is_one_row_in_the_quarantine(flow: Flow) -> None:
    body = bills(("a", 1)) + bills(("b", 2))
    entry = flow.load(flow.objects.put("billing/x/twice.csv", body))
    assert (entry.tally.inserted, entry.tally.quarantined) == (2, 1)


def test_a_charge_of_an_account_that_is_a_word_for_totals_is_none(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/x/a.csv", month("1", "2") + rows_of("Total", "3")))
    assert (entry.tally.inserted, entry.tally.quarantined) == (2, 1)
    assert [row.reason for row in flow.quarantines[-1].rows] == ["totals_row"]
    named = flow.load(flow.objects.put("billing/y/a.csv", month("4", account="Total Energies 7")))
    assert named.status is FileStatus.LOADED


def rows_of(account: str, cost: str) -> bytes:
    return month(cost, account=account).partition(b"\n")[2]


@pytest.mark.parametrize(
    ("written", "amount"),
    [("5", "-5"), ("-5", "5"), ("+5", "-5"), ("--5", ""), ("-+5", ""), ("+-5", "")],
)
def test_a_sign_is_turned_once(flow: Flow, written: str, amount: str) -> None:
    flow.objects.content[format_key("x"), ""] = b'{"negate": true}'
    flow.load(flow.objects.put("billing/x/a.csv", bills(("a", written))))
    assert [str(row["bill_amount"]) for row in flow.store.rows.values()] == (
        [amount] if amount else []
    )


def test_what_is_no_date_amount_or_currency_is_told_with_what_to_declare(flow: Flow) -> None:
    body = b"id,date,currency,amount\na,5.3.26,EUR,1\nb,2026-03-05,USD,1.5,\nc,2026-03-05,$,1\n"
    flow.load(flow.objects.put("billing/x/a.csv", body.replace(b"1.5,", b'"1,5"')))
    days, amounts, currencies = (row.message for row in flow.quarantines[-1].rows)
    assert "--date-format" in days
    assert "--decimal-comma" not in days
    assert "--decimal-comma" in amounts
    assert "--date-format" not in amounts
    assert "finops billing format x --constant currency=CODE" in currencies


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-be"])
def test_a_file_in_utf_32_is_refused_as_such(flow: Flow, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("be") else ""
    text = f"{mark}id,date,currency,amount\na,2026-03-05,USD,1\n".encode(encoding)
    entry = flow.load(flow.objects.put("billing/x/a.csv", text))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "invalid_encoding")
    assert "UTF-32" in entry.error
