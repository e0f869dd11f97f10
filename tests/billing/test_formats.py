"""The format of a dataset as data: what it maps, what it refuses, and what a load keeps of it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from finops.billing.dataset_format import (
    DatasetFormat,
    UsedFormat,
    format_document,
    format_key,
    is_format,
    used_format,
)
from finops.billing.domain import FileEntry
from finops.shared.errors import RejectedInput
from tests.billing.use_cases import SETTINGS, Flow

WERKE = {
    "columns": {"record_id": "Rechnungsnr.", "bill_date": "Datum", "bill_amount": "Betrag"},
    "constants": {"company_name": "Werke AG"},
    "defaults": {"currency": "USD", "country": "DE"},
    "date_formats": ["%d.%m.%Y"],
    "decimal_comma": True,
    "thousands": ".",
    "extra": ["Kostenstelle", "Steuer"],
}


@pytest.fixture
def flow() -> Flow:
    return Flow()


def declare(flow: Flow, document: object, dataset: str = "werke") -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    flow.objects.content[format_key(dataset), ""] = text.encode()


def load(flow: Flow, body: str | bytes, key: str = "werke/a.csv") -> FileEntry:
    content = body if isinstance(body, bytes) else body.encode()
    return flow.load(flow.objects.put(f"billing/{key}", content))


def rows(flow: Flow) -> list[dict[str, Any]]:
    return [flow.store.rows[key] for key in sorted(flow.store.rows)]


def reasons(flow: Flow) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in flow.quarantines[-1].rows]


GERMAN = (
    "Rechnungsnr.;Datum;Betrag;Kostenstelle;Steuer;Land\n"
    "R-1;05.03.2026;1.222,56;K7;19;\n"
    "R-2;06.03.2026;-10,00;;;AT\n"
)


def test_a_format_maps_columns_and_fills_what_the_file_lacks(flow: Flow) -> None:
    declare(flow, WERKE)
    entry = load(flow, GERMAN)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 2)
    first, second = rows(flow)
    assert (first["record_id"], first["bill_date"], first["bill_amount"]) == (
        "R-1",
        "2026-03-05",
        "1222.56",
    )
    assert (first["company_name"], first["currency"], first["country"]) == (
        "Werke AG",
        "USD",
        "DE",
    )
    assert json.loads(first["extra"]) == {"Kostenstelle": "K7", "Steuer": "19"}
    assert second["extra"] is None


def test_the_ledger_keeps_the_format_that_a_load_used(flow: Flow) -> None:
    assert load(flow, "id,date,currency,amount\n1,2026-03-05,USD,1\n", "plain/a.csv").format is None
    declare(flow, WERKE)
    used = load(flow, GERMAN).format
    assert used is not None
    assert used.source == "billing/werke/_format.json"
    assert used.format == DatasetFormat.from_document("x", WERKE)
    assert UsedFormat.from_document(json.loads(json.dumps(used.to_document()))) == used
    declare(flow, WERKE | {"thousands": ""})
    later = load(flow, GERMAN, "werke/b.csv").format
    assert later is not None
    assert later.version != used.version
    assert flow.store.files[2].format == used, "a loaded file keeps what it was read by"


def test_the_setting_of_the_module_stays_the_base(flow: Flow) -> None:
    base = DatasetFormat(date_formats=("%d.%m.%Y",), decimal_comma=True, thousands=".")
    flow.settings = replace(SETTINGS, formats={"werke": base})
    declare(flow, {"columns": WERKE["columns"], "defaults": {"currency": "USD"}})
    assert load(flow, GERMAN).status == "LOADED"
    assert rows(flow)[0]["bill_amount"] == "1222.56"


@pytest.mark.parametrize(
    "text",
    [
        '{"decimal_comma": tru',
        "[]",
        '{"decimal_coma": true}',
        '{"replace": true, "replace": false}',
        '{"columns": {"bill_amount": "Betrag", "betrag": "x"}}',
        "{" * 40_000,
        "\udcff",
    ],
)
def test_a_broken_format_refuses_all_files_of_its_dataset(flow: Flow, text: str) -> None:
    flow.objects.content[format_key("werke"), ""] = text.encode("utf-8", "surrogateescape")
    for name in ("a", "b"):
        entry = load(flow, f"id,date,currency,amount\n{name},2026-03-05,USD,1\n", f"werke/{name}")
        assert (entry.status, entry.error_code) == ("REJECTED", "invalid_dataset_format")
        assert "billing/werke/_format.json" in entry.error
    assert flow.store.rows == {}
    other = load(flow, "id,date,currency,amount\n1,2026-03-05,USD,1\n", "other/a.csv")
    assert other.status == "LOADED"


def test_every_fault_of_a_format_is_named_with_what_would_be_right() -> None:
    document = {
        "colums": {},
        "columns": {"amount": "Betrag", "bill_date": 3},
        "defaults": {"bill_amount": "1"},
        "date_formats": ["%d.%m", "%Q"],
        "decimal_comma": "yes",
        "delimiter": "ab",
        "encoding": "klingon",
        "skip_lines": -1,
        "debit": "Soll",
        "sign": {"column": "S/H", "negative": ["H"]},
        "rows": [{"column": "Status"}],
        "fiscal_year_start": "May",
        "extra": ["A", "a"],
    }
    with pytest.raises(RejectedInput) as refused:
        DatasetFormat.from_document("billing/d/_format.json", document)
    for part in (
        "colums is unknown",
        "columns.amount is no column that can be set here",
        "columns.bill_date must be a text, and is 3",
        "defaults.bill_amount is no column",
        "date_formats[0] '%d.%m' must have a day, a month and a year",
        "date_formats[1] '%Q'",
        'decimal_comma must be true or false, and is "yes"',
        "delimiter 'ab'",
        "encoding 'klingon' is not one of",
        "skip_lines must be from 0 to 1000",
        "debit and credit must both be named",
        "sign needs column, negative and positive",
        "rows[0] needs a column",
        "fiscal_year_start 'May' is not a day",
        "extra names a column twice",
    ):
        assert part in refused.value.message, part
    assert "finops billing format" in refused.value.remedy


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"decimal_comma": True, "thousands": ","}, "both for decimals and for thousands"),
        ({"columns": {"bill_amount": "A"}, "debit": "S", "credit": "H"}, "exclude each other"),
        ({"columns": {"record_id": "A"}, "id_from": ["A"]}, "exclude each other"),
        ({"constants": {"currency": "EUR"}, "defaults": {"currency": "USD"}}, "leaves nothing"),
        ({"columns": {"item": "A", "city": "a"}}, "one header for two columns"),
        ({"debit": "A", "credit": "a"}, "same column"),
    ],
)
def test_what_contradicts_itself_is_no_format(document: dict[str, Any], part: str) -> None:
    with pytest.raises(RejectedInput, match=part):
        DatasetFormat.from_document("d", document)


def test_a_file_without_a_column_that_the_format_names_is_refused(flow: Flow) -> None:
    declare(flow, WERKE)
    entry = load(flow, GERMAN.replace("Betrag", "Summe"))
    assert (entry.status, entry.error_code) == ("REJECTED", "format_mismatch")
    assert "line 1" in entry.error
    assert "'Betrag' (columns.bill_amount)" in entry.error


DEBIT = {"columns": {"record_id": "Nr"}, "debit": "Debit", "credit": "Credit"}


@pytest.mark.parametrize(
    ("debit", "credit", "amount"),
    [
        ("12.50", "", "12.50"),
        ("", "12.50", "-12.50"),
        ("12.50", "0.00", "12.50"),
        ("0", "12.50", "-12.50"),
        ("0.00", "", "0.00"),
        ("-12.50", "", "ambiguous_amount"),
        ("", "-12.50", "ambiguous_amount"),
        ("1", "1", "ambiguous_amount"),
        ("", "", "missing_value"),
        ("x", "", "invalid_amount"),
    ],
)
def test_a_credit_is_subtracted_and_never_guessed(
    flow: Flow, debit: str, credit: str, amount: str
) -> None:
    declare(flow, DEBIT)
    load(flow, f"Nr,date,currency,Debit,Credit\n1,2026-03-05,USD,{debit},{credit}\n")
    got = [row["bill_amount"] for row in rows(flow)] or [reason for _, reason in reasons(flow)]
    assert got == [amount]


SIGN = {
    "columns": {"record_id": "Nr"},
    "sign": {"column": "S/H", "negative": ["H"], "positive": ["S"]},
}


@pytest.mark.parametrize(
    ("sign", "text", "amount"),
    [
        ("S", "5.00", "5.00"),
        ("H", "5.00", "-5.00"),
        ("", "5.00", "unknown_sign"),
        ("h", "5.00", "unknown_sign"),
        ("H", "-5.00", "ambiguous_amount"),
    ],
)
def test_a_sign_column_says_what_is_a_credit(flow: Flow, sign: str, text: str, amount: str) -> None:
    declare(flow, SIGN)
    load(flow, f"Nr,date,currency,amount,S/H\n1,2026-03-05,USD,{text},{sign}\n")
    got = [row["bill_amount"] for row in rows(flow)] or [reason for _, reason in reasons(flow)]
    assert got == [amount]


def test_charges_that_are_written_as_negative_amounts_are_charges(flow: Flow) -> None:
    declare(flow, {"negate": True})
    load(flow, "id,date,currency,amount\n1,2026-03-05,USD,-5\n2,2026-03-05,USD,+3\n")
    assert [row["bill_amount"] for row in rows(flow)] == ["5", "-3"]


HASHED = {"id_from": ["Date", "Text", "Card"]}
CARDS = "Date,Text,Card,Currency,Amount\n"


def test_the_hash_of_columns_identifies_a_bill(flow: Flow) -> None:
    declare(flow, HASHED)
    body = f"{CARDS}2026-03-05,Taxi,1,USD,9\n2026-03-05,Taxi,2,USD,9\n"
    entry = load(flow, body)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 2)
    assert entry.tally.notes == {"hashed_ids": 2}
    again = load(flow, body.replace("USD,9\n2", "USD,8\n2"))
    assert (again.tally.updated, again.tally.unchanged) == (1, 1)
    assert sum(Decimal(row["bill_amount"]) for row in rows(flow)) == 17


def test_equal_rows_of_one_file_are_never_taken_for_one_charge_or_for_two(flow: Flow) -> None:
    declare(flow, HASHED)
    entry = load(flow, f"{CARDS}2026-03-05,Taxi,1,USD,9\n2026-03-05,Taxi,1,USD,9\n")
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 1)
    assert reasons(flow) == [(3, "duplicate_record_id")]
    assert "add a column that tells them apart to id_from" in flow.quarantines[-1].rows[0].message
    assert entry.tally.quarantined_sums == {"USD": Decimal(9)}


def test_a_bill_that_two_files_hold_counts_once_and_is_told(flow: Flow) -> None:
    declare(flow, HASHED)
    load(flow, f"{CARDS}2026-03-05,Taxi,1,USD,9\n")
    entry = load(flow, f"{CARDS}2026-03-05,Taxi,1,USD,9\n2026-03-06,Taxi,1,USD,9\n", "werke/b.csv")
    assert (entry.tally.inserted, entry.tally.unchanged) == (1, 1)
    assert entry.tally.notes == {"hashed_ids": 2, "also_in_another_file": 1}


def test_cells_that_only_join_alike_are_different_bills(flow: Flow) -> None:
    declare(flow, HASHED)
    assert load(flow, f"{CARDS}2026-03-05,ab,c,USD,9\n2026-03-05,a,bc,USD,9\n").tally.inserted == 2


@pytest.mark.parametrize("changed", [HASHED, {"columns": {"record_id": "Card"}}])
def test_a_changed_rule_of_ids_never_loads_a_bill_twice(
    flow: Flow, changed: dict[str, Any]
) -> None:
    body = "id,Date,Text,Card,Currency,Amount\n1,2026-03-05,Taxi,7,USD,9\n"
    first = load(flow, body)
    declare(flow, changed)
    for key in ("werke/a.csv", "werke/b.csv"):
        entry = load(flow, body, key)
        assert (entry.status, entry.error_code) == ("REJECTED", "other_ids"), key
        assert "finops billing withdraw 1" in entry.error
    assert len(flow.store.rows) == 1
    flow.withdraw(first)
    assert load(flow, body).status == "LOADED"
    assert len(flow.store.rows) == 1


def test_a_changed_rule_of_ids_stops_a_large_file_as_well(flow: Flow) -> None:
    body = b"id,Date,Text,Card,Currency,Amount\n1,2026-03-05,Taxi,7,USD,9\n"
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    first = flow.load(flow.objects.put("billing/werke/a.csv", body))
    assert flow.run_workflow(first.load_id).status == "LOADED"
    declare(flow, HASHED)
    flow.workflow.running = False
    again = flow.load(flow.objects.put("billing/werke/a.csv", body))
    assert flow.run_workflow(again.load_id).error_code == "other_ids"


def test_a_name_of_the_record_id_is_no_other_rule(flow: Flow) -> None:
    assert load(flow, "id,date,currency,amount\n1,2026-03-05,USD,9\n").status == "LOADED"
    declare(flow, {"columns": {"record_id": "ID"}})
    again = load(flow, "ID,date,currency,amount\n1,2026-03-05,USD,10\n")
    assert (again.status, again.tally.updated) == ("LOADED", 1)


def test_a_format_that_is_dropped_after_the_data_counts_from_the_next_file_on(flow: Flow) -> None:
    body = "id;date;currency;amount\n1;05.03.2026;USD;1,50\n"
    assert load(flow, body).tally.quarantined == 1
    declare(flow, {"date_formats": ["%d.%m.%Y"], "decimal_comma": True})
    source = flow.objects.put("billing/werke/a.csv", body.encode())
    assert flow.load(source).tally.inserted == 1
    declare(flow, "broken")
    assert flow.load(source).status == "LOADED", "a replay changes nothing"


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "cp932", "cp850"])
def test_a_large_file_is_read_as_a_whole_one_is(flow: Flow, encoding: str, compress: bool) -> None:
    name = "山田商事" if encoding == "cp932" else "Müller & Söhne"
    lines = "".join(f"{n};05.03.2026;{n},50;{name} {n}\n" for n in range(1, 40))
    body = f"Bericht\nNr;Datum;Betrag;Firma\n{lines}".encode(encoding)
    document = {
        "columns": {"record_id": "Nr", "bill_date": "Datum", "bill_amount": "Betrag"}
        | {"company_name": "Firma"},
        "constants": {"currency": "USD"},
        "date_formats": ["%d.%m.%Y"],
        "decimal_comma": True,
        "encoding": encoding,
        "skip_lines": 1,
        "delimiter": ";",
    }
    declare(flow, document)
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    content = gzip.compress(body, mtime=0) if compress else body
    entry = flow.load(flow.objects.put("billing/werke/a.csv", content))
    declare(flow, "broken", "werke")
    flow.objects.content[format_key("werke"), ""] = json.dumps(document).encode()
    done = flow.run_workflow(entry.load_id, part_bytes=200)
    assert (done.status, done.tally.inserted) == ("LOADED", 39)
    assert len(flow.store.chunks) > 3
    assert flow.store.rows["werke", "7"]["company_name"] == f"{name} 7"
    assert done.tally.notes == {"lines_above_header": 1}


def test_parts_keep_the_format_of_their_plan(flow: Flow) -> None:
    declare(flow, WERKE)
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    entry = flow.load(flow.objects.put("billing/werke/a.csv", GERMAN.encode()))
    planned = flow.run_workflow(entry.load_id)
    assert planned.status == "LOADED"
    declare(flow, {})
    flow.store.files[1] = replace(planned, status=entry.status)
    assert flow.run_workflow(entry.load_id).format == planned.format


def test_a_byte_that_the_declared_encoding_lacks_costs_its_line_only(flow: Flow) -> None:
    declare(flow, {"encoding": "cp1252"})
    body = (
        b"id,date,currency,amount,company\n1,2026-03-05,USD,1,M\xfcller\n2,2026-03-05,USD,1,\x81\n"
    )
    entry = load(flow, body)
    assert reasons(flow) == [(3, "invalid_encoding")]
    assert (rows(flow)[0]["company_name"], entry.tally.notes) == ("Müller", {})


def test_a_declared_delimiter_and_skipped_lines_are_kept_to(flow: Flow) -> None:
    declare(flow, {"delimiter": "~", "skip_lines": 2})
    body = (
        "id,date,currency,amount\n1,2026-03-05,USD,1\nid~date~currency~amount\n2~2026-03-05~USD~2\n"
    )
    entry = load(flow, body)
    assert [row["record_id"] for row in rows(flow)] == ["2"]
    assert entry.tally.notes == {"lines_above_header": 2}
    short = load(flow, "id,date\n", "werke/short.csv")
    assert (short.status, "skip_lines" in short.error) == ("REJECTED", True)


def test_a_format_is_no_file_of_bills() -> None:
    assert is_format("billing/werke/_format.json")
    assert is_format("billing/a/b/_format.json")
    assert not is_format("billing/werke/format.json")
    assert not is_format("rates/_format.json")


def test_the_version_of_a_format_is_that_of_what_it_says() -> None:
    first = format_document(b'{"negate": true, "thousands": ""}', "x")
    again = format_document(b'\xef\xbb\xbf{ "negate": true }', "x")
    versions = {
        used_format("x", DatasetFormat.from_document("x", one)).version for one in (first, again)
    }
    assert len(versions) == 1
    assert len(versions.pop()) == 16


def test_files_of_a_dataset_correct_one_another_where_its_format_says_so(flow: Flow) -> None:
    declare(flow, {"replace": True})
    load(flow, "id,date,currency,amount\n1,2026-03-05,USD,9\n")
    entry = load(flow, "id,date,currency,amount\n1,2026-03-05,USD,8\n", "werke/b.csv")
    assert (entry.status, entry.tally.updated) == ("LOADED", 1)
