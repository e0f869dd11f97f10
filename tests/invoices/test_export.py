from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace

from finops.invoices.domain import InvoiceKind, InvoiceRecord, InvoiceStatus
from finops.invoices.export import as_json, write_csv, write_json
from finops.invoices.workbook import ACCOUNTING, write_xlsx
from tests.invoices.builders import processed, record
from tests.workbooks import sheet, table

EMPTY = record("raw/empty.pdf", status=InvoiceStatus.REJECTED)


def test_an_invoice_as_json_has_the_documented_keys() -> None:
    found = as_json(processed())
    assert {
        *("id", "file", "status", "vendor", "invoice_number", "invoice_date", "due_date"),
        *("currency", "subtotal", "tax", "total", "confidence", "issues", "line_items"),
    } <= set(found)
    assert (found["total"], found["subtotal"], found["tax"]) == ("119.00", "100.00", "19.00")
    assert found["line_items"][0]["unit_price"] == "0.12345"
    assert found["issues"][0]["severity"] == "FLAG"
    assert json.loads(json.dumps(found)) == found
    bare = as_json(EMPTY)
    assert (bare["vendor"], bare["total"], bare["line_items"]) == (None, None, [])


def test_json_is_one_document() -> None:
    file = io.BytesIO()
    write_json([processed(1), EMPTY], file)
    assert json.loads(file.getvalue())["invoices"] == [as_json(processed(1)), as_json(EMPTY)]
    file = io.BytesIO()
    write_json([], file)
    assert json.loads(file.getvalue()) == {"invoices": []}


def test_csv_cells_never_run_as_formulas() -> None:
    file = io.BytesIO()
    write_csv([processed(vendor="=cmd|'/c calc'!A1", invoice_number="-7"), EMPTY], file)
    text = file.getvalue().decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert first["vendor"] == "'=cmd|'/c calc'!A1"
    assert first["total"] == "119.00"
    assert first["invoice_number"] == "-7"  # a number is no formula
    assert first["file"] == "1, ü.pdf"
    assert first["processed_at"] == "2026-04-01 12:30:15"
    assert second["status"] == "REJECTED"


def xlsx(*records: InvoiceRecord) -> bytes:
    file = io.BytesIO()
    write_xlsx(records, file)
    return file.getvalue()


def test_a_workbook_has_invoices_lines_and_totals() -> None:
    content = xlsx(processed(1), processed(2), EMPTY)
    head, first, *rest = sheet(content, 1)
    assert head[:4] == ["serial number", "status", "kind", "vendor"]
    assert head[-1] == "id"
    assert "Acme GmbH" in first
    assert 119.0 in first
    assert len(rest) == 2
    lines = sheet(content, 2)
    assert len(lines) == 3
    assert "=HYPERLINK(1)" in lines[1]  # as a text
    assert 0.12345 in lines[1]
    assert sheet(content, 3)[1] == ["PROCESSED", "EUR", 2.0, 238.0, 238.0, 0.0, 0.0]
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        formulas = book.read("xl/worksheets/sheet3.xml").decode()
        terms = "Invoices!$B$2:$B$4,A2,Invoices!$H$2:$H$4,B2"
        assert f"SUMIFS(Invoices!$K$2:$K$4,{terms})" in formulas
        assert "<f>" not in book.read("xl/worksheets/sheet2.xml").decode()


def test_an_amount_beyond_a_spreadsheets_digits_stays_exact_as_text() -> None:
    content = xlsx(processed(total="12345678901234567.89"))
    assert "12345678901234567.89" in sheet(content, 1)[1]


def test_credit_notes_are_negative_in_totals() -> None:
    printed = [processed(2, total="-19.00"), processed(3, total="19.00")]
    notes = [
        replace(one, invoice=replace(one.invoice, kind=InvoiceKind.CREDIT_NOTE))
        for one in printed
        if one.invoice
    ]
    assert [as_json(one)["signed_total"] for one in notes] == ["-19.00", "-19.00"]
    content = xlsx(processed(1), *notes)
    assert sheet(content, 3)[1] == ["PROCESSED", "EUR", 3.0, 81.0, 81.0, 2.0, -38.0]
    rows = table(content, 1)
    assert [one["total"] for one in rows] == [119.0, -19.0, -19.0]
    assert [one["amount due"] for one in rows] == [119.0, -19.0, -19.0]
    # Beside a negative total, other amounts have the signs that the document gives them.
    assert [one["subtotal"] for one in rows] == [100.0, 100.0, -100.0]
    assert [one["amount"] for one in table(content, 2)] == [119.0, 119.0, -119.0]


def test_what_is_due_is_net_of_what_was_paid_and_net_of_credit_notes() -> None:
    paid = processed(1, amount_paid="19.00")
    said = processed(2, amount_paid="19.00", amount_due="90.00")
    (note,) = [
        replace(one, invoice=replace(one.invoice, kind=InvoiceKind.CREDIT_NOTE))
        for one in [processed(3, total="50.00", amount_paid="20.00")]
        if one.invoice
    ]
    dollars = processed(4, currency="USD")
    found = [as_json(one) for one in (paid, said, note)]
    assert [one["amount_due"] for one in found] == [None, "90.00", None]
    assert [one["signed_amount_due"] for one in found] == ["100.00", "90.00", "-30.00"]
    totals = table(xlsx(paid, said, note, dollars), 3)
    assert [(one["currency"], one["total"], one["amount due"]) for one in totals] == [
        ("EUR", 188.0, 160.0),
        ("USD", 119.0, 119.0),
    ]


def test_an_amount_of_any_size_is_turned_exactly() -> None:
    large = "9" * 40 + ".99"
    (note,) = [
        replace(one, invoice=replace(one.invoice, kind=InvoiceKind.CREDIT_NOTE))
        for one in [processed(total=large)]
        if one.invoice
    ]
    assert as_json(note)["signed_total"] == f"-{large}"


def test_a_workbook_prints_what_accounting_needs_on_the_width_of_a_page() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx(*map(processed, range(1, 120))))) as book:
        sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2, 3)]
        names = book.read("xl/workbook.xml").decode()
    for one in sheets:
        assert 'orientation="landscape"' in one
        assert 'fitToHeight="0"' in one  # as many pages as it needs, each one page wide
    assert names.count("$1:$1</definedName>") == 3  # the head on each page
    assert "Invoices!$A$1:$N$120" in names
    printed = ACCOUNTING[:14]
    assert printed[-2:] == ("amount_due", "payment_terms")
    assert "id" not in printed
    assert ACCOUNTING[-1] == "id"


def test_a_file_for_scripts_keeps_its_columns_and_adds_signed_amounts() -> None:
    file = io.BytesIO()
    write_csv([processed()], file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))
    assert list(row)[:3] == ["id", "file", "status"]
    assert row["signed_subtotal"] == row["subtotal"] == "100.00"
    assert row["signed_amount_due"] == "119.00"


def test_any_text_can_be_exported() -> None:
    strange = processed(vendor="A\ud83d\x00\x0b\ufffe\uffff", description="x" * 40_000)
    for write in (write_json, write_csv, write_xlsx):
        file = io.BytesIO()
        write([strange], file)
        assert file.getvalue()
    rows = sheet(xlsx(strange), 1)
    assert any(str(cell).startswith("A\ufffd") for cell in rows[1])


def test_the_same_invoices_give_the_same_bytes() -> None:
    assert xlsx(processed(1), EMPTY) == xlsx(processed(1), EMPTY)


def test_an_invoice_more_needs_less_than_a_kilobyte_of_memory() -> None:
    one = processed()
    xlsx(one)  # what is kept from the first export on is not counted
    tracemalloc.start()
    try:
        write_xlsx((one for _ in range(2_000)), io.BytesIO())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
