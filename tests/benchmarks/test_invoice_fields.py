"""How many fields of real e-invoices are read right, by field and form.

FINOPS_CORPUS=FOLDER make bench ARGS="-k by_field"
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest

from finops.invoices.domain import Invoice
from finops.invoices.einvoice.as_invoice import as_invoice
from finops.invoices.einvoice.embedded import read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from tests.benchmarks.measuring import show
from tests.invoices.corpus import agrees, corpus
from tests.invoices.einvoice_truth import FIELDS, stated

pytestmark = pytest.mark.benchmark


def _read() -> Iterator[tuple[str, str, Invoice, dict[str, str]]]:
    """(form, file, as read here, what the XML states)."""
    for path in sorted(corpus("einvoices").rglob("*.xml")):
        content = path.read_bytes()
        form = "UBL" if b"oasis:names" in content[:3000] else "CII"
        yield form, path.name, as_invoice(read_einvoice(io.BytesIO(content))), stated(content)
    for path in sorted(corpus("einvoices").rglob("*.pdf")):
        found = read_embedded(io.BytesIO(path.read_bytes()))
        assert found.einvoice
        yield "in a PDF", path.name, as_invoice(found.einvoice), stated(_attached(path))


def _attached(path: Path) -> bytes:
    pdf = pypdfium2.PdfDocument(path)
    try:
        attachments = [pdf.get_attachment(at) for at in range(pdf.count_attachments())]
        (content,) = [
            bytes(one.get_data()) for one in attachments if one.get_name().endswith(".xml")
        ]
        return content
    finally:
        pdf.close()


def test_invoices_by_field() -> None:
    counts: dict[str, Counter[str]] = {name: Counter() for name in FIELDS}
    forms = Counter[str]()
    wrong = []
    for form, file, invoice, truth in _read():
        forms[form] += 1
        for name, value in truth.items():
            ours = invoice.text(name)
            is_right = agrees("total", ours, value) if _is_amount(name) else _alike(ours, value)
            counts[name][form if is_right else "wrong"] += 1
            counts[name]["stated"] += 1
            if not is_right:
                wrong.append(f"{file}: {name} {ours!r}, stated {value!r}")
    kinds = ("stated", "UBL", "CII", "in a PDF", "wrong")
    rows = [(name, *(str(found[kind]) for kind in kinds)) for name, found in counts.items()]
    show(f"Real e-invoices {dict(forms)}, fields read right", ("field", *kinds), rows)
    assert wrong == []


def _is_amount(name: str) -> bool:
    return name in {"subtotal", "tax", "total", "amount_due"}


def _alike(ours: str, stated: str) -> bool:
    return "".join(ours.split()) == "".join(stated.split())
