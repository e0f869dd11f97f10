from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Issue, LineItem, Severity
from finops.invoices.export import as_json, write_csv, write_json
from finops.invoices.messages import customer_mail, message
from finops.invoices.workbook import write_xlsx
from tests.invoices.fakes import record
from tests.invoices.test_domain import invoice

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def full(number: int = 1, **values: str) -> InvoiceRecord:
    item = LineItem(
        description="=HYPERLINK(1)",
        quantity=Decimal(2),
        unit_price=Decimal("0.12345"),
        amount=Decimal("119.00"),
    )
    read = replace(
        invoice(subtotal="100.00", tax="19.00", due_date="2026-04-30", **values),
        line_items=(item,),
    )
    issue = Issue(code="past_due", severity=Severity.FLAG, field="due_date", message="it was due")
    return record(
        f"raw/{number}, ü.pdf",
        invoice=read,
        status=InvoiceStatus.PROCESSED,
        serial_number=f"INV-2026-{number:06}",
        issues=(issue,),
        processed_at=datetime(2026, 4, 1, 12, 30, 15, tzinfo=UTC),
        engine="textract",
    )


EMPTY = record("raw/empty.pdf", status=InvoiceStatus.REJECTED)


def test_an_invoice_as_json_has_the_contracts_keys() -> None:
    found = as_json(full())
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
    write_json([full(1), EMPTY], file)
    assert json.loads(file.getvalue())["invoices"] == [as_json(full(1)), as_json(EMPTY)]
    file = io.BytesIO()
    write_json([], file)
    assert json.loads(file.getvalue()) == {"invoices": []}


def test_csv_opens_in_a_spreadsheet_and_runs_nothing() -> None:
    file = io.BytesIO()
    write_csv([full(vendor="=cmd|'/c calc'!A1", invoice_number="-7"), EMPTY], file)
    text = file.getvalue().decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert first["vendor"] == "'=cmd|'/c calc'!A1"
    assert first["total"] == "119.00"
    assert first["invoice_number"] == "-7"  # a number is no formula
    assert first["file"] == "1, ü.pdf"
    assert first["processed_at"] == "2026-04-01 12:30:15"
    assert second["status"] == "REJECTED"


def sheet(content: bytes, number: int) -> list[list[Any]]:
    """The cells of a sheet: numbers as floats, texts as texts."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        tree = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    rows = []
    for row in tree.iter(f"{MAIN}row"):
        cells: list[Any] = []
        for cell in row:
            value = cell.find(f"{MAIN}v")
            inline = cell.find(f"{MAIN}is/{MAIN}t")
            if inline is not None:
                cells.append(inline.text)
            elif value is not None:
                cells.append(float(value.text or "nan"))
        rows.append(cells)
    return rows


def xlsx(*records: InvoiceRecord) -> bytes:
    file = io.BytesIO()
    write_xlsx(records, file)
    return file.getvalue()


def test_a_workbook_has_invoices_lines_and_totals() -> None:
    content = xlsx(full(1), full(2), EMPTY)
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
        assert "SUMIFS(Invoices!$M$2:$M$4" in formulas
        assert "<f>" not in book.read("xl/worksheets/sheet2.xml").decode()


def test_an_amount_beyond_a_spreadsheets_digits_stays_exact_as_text() -> None:
    content = xlsx(full(total="12345678901234567.89"))
    assert "12345678901234567.89" in sheet(content, 1)[1]


def test_the_same_invoices_give_the_same_bytes() -> None:
    assert xlsx(full(1), EMPTY) == xlsx(full(1), EMPTY)


def test_ten_thousand_invoices_need_little_memory() -> None:
    one = full()

    def many() -> Iterator[InvoiceRecord]:
        for _ in range(10_000):
            yield one

    tracemalloc.start()
    try:
        write_xlsx(many(), io.BytesIO())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20


class TestMessages:
    def test_a_processed_invoice_is_told_in_prose_and_as_facts(self) -> None:
        said = message(full(), "PROCESSED")
        assert said.subject == "Invoice processed: Acme GmbH, R-2026/001, 119.00 EUR"
        assert "Our number: INV-2026-000001" in said.text
        assert said.data["total"] == "119.00"
        assert said.attributes["status"] == "PROCESSED"

    def test_a_review_says_what_to_do(self) -> None:
        wrong = Issue(code="x", severity=Severity.REVIEW, message="the sum is wrong")
        one = replace(full(), status=InvoiceStatus.NEEDS_REVIEW, issues=(wrong,))
        said = message(one, "NEEDS_REVIEW")
        assert "the sum is wrong" in said.text
        assert f"finops invoices review {one.id} --approve" in said.text

    def test_subjects_are_what_sns_takes(self) -> None:
        said = message(full(vendor="Größe 日本 " + "x" * 200), "DUPLICATE")
        assert len(said.subject) <= 100
        assert said.subject.isascii()
        assert "\n" not in said.subject

    def test_a_message_is_never_too_large(self) -> None:
        issues = tuple(
            Issue(code="x", severity=Severity.REVIEW, message="y" * 10_000) for _ in range(500)
        )
        said = message(replace(full(vendor="z" * 100_000), issues=issues), "NEEDS_REVIEW")
        assert len(json.dumps({"email": said.text, "default": json.dumps(said.data)})) < 200_000
        assert "450 more" in said.text

    def test_what_was_not_read_is_told_by_its_file(self) -> None:
        assert message(EMPTY, "REJECTED").subject == "Document rejected: empty.pdf"

    def test_the_customers_mail_names_number_and_amount(self) -> None:
        subject, text = customer_mail(full(description="March"))
        assert subject == "Invoice R-2026/001 is processed"
        for part in ("119.00 EUR", "INV-2026-000001", "2026-04-30", "March"):
            assert part in text
