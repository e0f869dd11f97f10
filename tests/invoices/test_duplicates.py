from __future__ import annotations

from dataclasses import replace

import pytest

from finops.invoices.domain import Invoice, InvoiceKind, OtherField
from finops.invoices.duplicates import first_resemblance, resemblance
from tests.invoices.builders import invoice

ONE = invoice()


def said(other: Invoice, one: Invoice = ONE) -> str:
    """`same`, what a near match differs in, or empty for two invoices."""
    found = resemblance(one, other, "x")
    if found is None:
        return ""
    return "same" if found.same else found.said.partition("another ")[2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "same"),
        ({"invoice_number": "r-2026 / 001"}, "same"),
        ({"invoice_number": "R\u20112026/001\u200b"}, "same"),
        ({"vendor": "ACME G.m.b.H."}, "same"),
        ({"invoice_date": "2026-01-02"}, "same"),
        ({"vendor_tax_id": "DE 123"}, "same"),
        ({"vendor": "Acme AG"}, "legal form"),
        ({"vendor": "Acme"}, "legal form"),
        ({"total": "120.00"}, "total"),
        ({"currency": "USD"}, "total"),
        ({"invoice_date": ""}, "date"),
        ({"vendor": "Acme AG", "total": "1"}, "legal form and total"),
        ({"invoice_date": "2025-03-31"}, ""),
        ({"invoice_number": "R-20260/01"}, ""),
        ({"vendor": "Other GmbH"}, ""),
    ],
)
def test_what_differs_makes_a_near_match_or_another_invoice(
    values: dict[str, str], expected: str
) -> None:
    assert said(invoice(**values)) == expected


def test_a_credit_note_is_not_a_duplicate_of_its_invoice() -> None:
    credit = replace(ONE, kind=InvoiceKind.CREDIT_NOTE)
    assert said(credit) == "kind and total"
    negative = replace(invoice(total="-119.00"), kind=InvoiceKind.CREDIT_NOTE)
    assert said(negative, credit) == "same"


def test_another_tax_id_makes_another_vendor_possible() -> None:
    assert said(invoice(vendor_tax_id="DE1"), invoice(vendor_tax_id="DE 2")) == "tax id"
    assert said(invoice(vendor_tax_id="DE-2"), invoice(vendor_tax_id="DE 2")) == "same"


def test_a_missing_year_is_no_year_of_its_own() -> None:
    dated = invoice(invoice_date="2026-11-20", due_date="2027-01-19")
    undated = invoice(invoice_date="", due_date="2027-01-19")
    assert said(undated, dated) == "same"
    assert said(invoice(invoice_date="", due_date="2027-02-19"), dated) == "date"
    assert said(invoice(invoice_date="", due_date="2027-02-19"), undated) == "same"
    assert said(invoice(invoice_date="", due_date="2028-01-19"), undated) == "date"


def test_decisions_of_people_are_kept() -> None:
    others = [("near", invoice(total="7")), ("same", ONE)]

    def first(accepted: set[str], distinct: set[str]) -> str:
        found = first_resemblance(ONE, others, accepted=accepted, distinct=distinct)
        return found.invoice_id if found else ""

    assert first(set(), set()) == "same"
    assert first({"near", "same"}, set()) == "same"
    assert first(set(), {"same"}) == "near"
    assert first({"near"}, {"same"}) == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("DE123456789", "DE 123 456 789", "same"),
        ("DE123456789", "123456789", "same"),
        ("CHE-123.456.789 MWST", "CHE123456789MWST", "same"),
        ("201/113/40209", "DE123456789", "same"),
        ("201/113/40208", "DE123456789", "tax id"),
    ],
)
def test_any_tax_id_of_the_vendor_tells_it(ours: str, theirs: str, same: str) -> None:
    number = OtherField(type="BT-32", text="201 113 40209")
    with_both = replace(invoice(vendor_tax_id=theirs), other=(number,))
    assert said(invoice(vendor_tax_id=ours), with_both) == same


def test_a_vendor_of_another_name_is_known_by_its_tax_id() -> None:
    one, other = (
        invoice(vendor=name, vendor_tax_id="DE123456789") for name in ("Acme", "Emca Trading")
    )
    assert said(one, other) == "name of the vendor"
    assert resemblance(one, invoice(vendor="Emca Trading"), "x") is None
