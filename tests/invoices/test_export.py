from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace

from finops.invoices.domain import InvoiceKind, InvoiceRecord, InvoiceStatus
from finops.invoices.export import as_json, write_csv, write_json
from finops.invoices.workbook import write_xlsx
from tests.invoices.builders import processed, record
from tests.workbooks import sheet

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
    assert head[:4] == ["id", "file", "status", "serial number"]
    assert "Acme GmbH" in first
    assert 119.0 in first
    assert len(rest) == 2
    lines = sheet(content, 2)
    assert len(lines) == 3
    assert "=HYPERLINK(1)" in lines[1]  # as a text
    assert 0.12345 in lines[1]
    assert sheet(content, 3)[1] == ["PROCESSED", "EUR", 2.0, 238.0]
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        formulas = book.read("xl/worksheets/sheet3.xml").decode()
        assert "SUMIFS(Invoices!$N$2:$N$4" in formulas
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
    assert sheet(xlsx(processed(1), *notes), 3)[1] == ["PROCESSED", "EUR", 3.0, 81.0]


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
