"""Public e-invoices of others, in the folder that `FINOPS_CORPUS` names."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest

from finops.invoices.einvoice.as_invoice import as_invoice
from finops.invoices.einvoice.business_rules import violations
from finops.invoices.einvoice.embedded import read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.einvoice.terms import EInvoice
from tests.invoices.corpus import corpus

#: What the two syntaxes of an invoice may say in other words.
COMPARED = (
    *("vendor", "invoice_number", "invoice_date", "due_date", "currency", "subtotal", "tax"),
    *("total", "amount_paid", "amount_due", "vendor_tax_id", "customer", "iban"),
)


def attached(path: Path) -> bytes:
    with pypdfium2.PdfDocument(path) as document:
        for index in range(document.count_attachments()):
            one = document.get_attachment(index)
            if one.get_name().lower().endswith(".xml"):
                return bytes(one.get_data())
    raise AssertionError(f"{path.name} has no XML")


def values(read: EInvoice) -> dict[str, object]:
    found = as_invoice(read)
    return {
        name: amount if (amount := _amount(found.text(name))) is not None else found.text(name)
        for name in COMPARED
        if name != "amount_paid" or found.amount(name)
    }


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def test_every_public_invoice_is_read_and_keeps_the_rules() -> None:
    folder = corpus("einvoices")
    paths = sorted(one for one in folder.rglob("*") if one.suffix in {".xml", ".pdf"})
    assert len(paths) > 40
    groups = defaultdict(list)
    for path in paths:
        content = attached(path) if path.suffix == ".pdf" else path.read_bytes()
        read = read_einvoice(io.BytesIO(content))
        assert violations(read) == (), path.name
        groups[re.sub(r"(\.cii|\.ubl|_ubl|_uncefact)?\.(xml|pdf)$", "", path.name)].append(read)
    for name, reads in groups.items():
        first, *others = (values(one) for one in reads)
        assert all(one == first for one in others), name


@pytest.mark.parametrize("cents", [Decimal("0.01"), Decimal("-0.01")])
def test_a_changed_total_of_any_public_invoice_is_found(cents: Decimal) -> None:
    for path in sorted((corpus("einvoices") / "xrechnung").glob("*.xml")):
        read = read_einvoice(io.BytesIO(path.read_bytes()))
        assert read.totals.gross is not None
        assert violations(
            replace(read, totals=replace(read.totals, gross=read.totals.gross + cents))
        ), path.name


def test_pages_of_public_invoices_say_what_their_xml_says() -> None:
    found = {
        path.name: [one.message for one in read_embedded(io.BytesIO(path.read_bytes())).findings]
        for path in sorted((corpus("einvoices") / "zugferd").glob("*.pdf"))
    }
    assert len(found) > 8
    assert {name: said for name, said in found.items() if said} == {}
