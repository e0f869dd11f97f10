from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.domain import (
    Invoice,
    InvoiceKind,
    InvoiceStatus,
    SourceDocument,
    invoice_id,
    serial_number,
)
from finops.invoices.identity import duplicate_key, near_match_key, number_key, vendor_key
from tests.invoices.builders import invoice


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ACME GmbH", "Acme"),
        ("Acme, Inc.", "ACME INC"),
        ("Coolblue B.V.", "coolblue bv"),
        ("Café Müller S.à r.l.", "Cafe Muller SARL"),
        ("Acme GmbH & Co. KG", "Acme"),
        ("Straße AG", "STRASSE"),
        ("O'Neill Ltd", "O\u2019Neill Limited"),
    ],
)
def test_vendors_are_compared_without_case_accents_and_legal_form(one: str, other: str) -> None:
    assert vendor_key(one) == vendor_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("Acme", "Acne"), ("Acme 1", "Acme 2"), ("SE", "AG"), ("日本", "中国")]
)
def test_different_vendors_stay_different(one: str, other: str) -> None:
    assert vendor_key(one) != vendor_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("R-2026/001", "r 2026 001"), ("INV.77", "inv77"), ("№ 5", "NO5")],
)
def test_numbers_are_compared_by_letters_and_digits(one: str, other: str) -> None:
    assert number_key(one) == number_key(other) != ""


def test_numbers_differ_by_leading_zeros() -> None:
    assert number_key("0012") != number_key("12")


def test_the_same_number_in_another_year_is_another_invoice() -> None:
    assert duplicate_key(invoice()) == duplicate_key(invoice(total="1", currency="USD"))
    assert duplicate_key(invoice()) != duplicate_key(invoice(invoice_date="2025-03-31"))
    assert duplicate_key(invoice()) != duplicate_key(invoice(vendor="Other"))
    assert duplicate_key(invoice()) != duplicate_key(invoice(invoice_number="R-2026/002"))


def test_without_an_invoice_date_the_due_date_gives_the_year() -> None:
    undated = invoice(invoice_date="", due_date="2026-04-30")
    assert duplicate_key(undated) == duplicate_key(invoice())


def test_a_near_match_has_another_number() -> None:
    assert near_match_key(invoice()) == near_match_key(invoice(invoice_number="7", total="119"))
    for name, value in {
        "vendor": "Other",
        "total": "119.01",
        "currency": "USD",
        "invoice_date": "2026-03-30",
    }.items():
        assert near_match_key(invoice()) != near_match_key(invoice(**{name: value}))


@given(st.text(), st.text(), st.text(), st.text())
def test_different_values_never_give_the_same_key(a: str, b: str, c: str, d: str) -> None:
    one = duplicate_key(invoice(vendor=a, invoice_number=b))
    other = duplicate_key(invoice(vendor=c, invoice_number=d))
    same = (vendor_key(a), number_key(b)) == (vendor_key(c), number_key(d))
    assert (one == other) == same


def test_an_object_version_has_one_id() -> None:
    def document(**changes: str) -> str:
        facts = {"bucket": "b", "key": "raw/a b.pdf", "version_id": "1", "etag": "e"} | changes
        return SourceDocument(**facts, size=1).document_id

    assert document() == document(etag="other")
    assert len({document(), *(document(**{name: "x"}) for name in ("bucket", "key"))}) == 3
    assert document(version_id="") != document(version_id="", etag="x")
    assert invoice_id("abc", 1) == "abc"
    assert invoice_id("abc", 3) == "abc-3"


def test_a_file_name_has_no_folder_of_the_bucket() -> None:
    document = SourceDocument(bucket="b", key="raw/2026/a b.pdf", version_id="1", size=1)
    assert document.file == "2026/a b.pdf"
    assert document.uri == "s3://b/raw/2026/a b.pdf"


def test_serial_numbers_are_padded() -> None:
    assert serial_number(2026, 123) == "INV-2026-000123"
    assert serial_number(2026, 1_234_567) == "INV-2026-1234567"


def test_corrections_have_the_source_review() -> None:
    read = invoice()
    corrected = read.corrected({"total": "120.00", "due_date": "2026-04-30", "currency": ""})
    assert corrected.amount("total") == Decimal("120.00")
    assert corrected.readings["total"].source == "review"
    assert corrected.readings["total"].confidence == 100
    assert corrected.text("due_date") == "2026-04-30"
    assert "currency" not in corrected.readings
    assert read.amount("total") == Decimal("119.00")
    assert read.confidence == corrected.confidence == 95
    assert Invoice(readings={}).confidence == 0


def test_final_statuses_are_final() -> None:
    assert {one for one in InvoiceStatus if not one.is_final} == {
        InvoiceStatus.RECEIVED,
        InvoiceStatus.EXTRACTING,
        InvoiceStatus.VALIDATING,
        InvoiceStatus.NEEDS_REVIEW,
    }


@pytest.mark.parametrize("printed", ["60.00", "-60.00"])
def test_a_credit_note_is_negative_in_sums_whatever_it_prints(printed: str) -> None:
    read = invoice(total=printed)
    assert replace(read, kind=InvoiceKind.CREDIT_NOTE).signed_total == Decimal("-60.00")
    assert read.signed_total == Decimal(printed)
