"""The e-invoice inside a PDF, and whether the page says the same."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal

import pytest

from finops.invoices import handlers
from finops.invoices.adapters.child_process import in_child
from finops.invoices.einvoice import embedded
from finops.invoices.einvoice.embedded import Embedded, read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from sample_einvoices import Sale, cii, hybrid, ubl

SALE = Sale(prepaid=Decimal("19.00"))
OTHER_IBAN = "GB82WEST12345698765432"


def found(content: bytes) -> Embedded:
    return read_embedded(io.BytesIO(content))


def codes(content: bytes) -> list[tuple[str, str]]:
    return [(one.code, one.field) for one in found(content).findings]


def test_a_page_that_says_the_same_raises_nothing() -> None:
    read = found(hybrid(SALE))
    assert read.einvoice
    assert (read.einvoice.number, read.einvoice.totals.due) == ("R-2026/17", Decimal("100.00"))
    assert read.findings == ()


@pytest.mark.parametrize(
    ("page", "field", "said"),
    [
        (
            {"changed": {"BT-112": Decimal("919.00"), "BT-115": Decimal("900.00")}},
            "total",
            "919.00",
        ),
        ({"changed": {"BT-115": Decimal("900.00")}}, "total", "900.00"),
        ({"number": "R-2026/18"}, "invoice_number", "'R-2026/18'"),
        ({"number": "R-2026/170"}, "invoice_number", "'R-2026/170'"),
        ({"iban": OTHER_IBAN}, "iban", OTHER_IBAN),
        ({"currency": "USD"}, "currency", "USD"),
    ],
)
def test_a_page_that_says_something_else_may_be_fraud(
    page: dict[str, object], field: str, said: str
) -> None:
    shown = replace(SALE, **page)  # type: ignore[arg-type]
    (one,) = found(hybrid(SALE, page=shown)).findings
    assert (one.code, one.field, one.severity) == ("page_differs_from_xml", field, "REVIEW")
    assert one.message.startswith("possible fraud: the page shows ")
    assert said in one.message
    assert hybrid(shown, page=SALE)
    assert field in {one.field for one in found(hybrid(shown, page=SALE)).findings}


def test_an_account_on_the_page_beside_the_xmls_own_is_told_apart_from_another_in_its_place() -> (
    None
):
    """A payer who reads the page may take either."""
    beside = replace(SALE, seller=f"IBAN {OTHER_IBAN}")
    both = found(hybrid(SALE, page=beside))
    assert (both.findings, both.page_ibans) == ((), (OTHER_IBAN,))
    instead = found(hybrid(SALE, page=replace(SALE, iban=OTHER_IBAN)))
    assert [one.field for one in instead.findings] == ["iban"]
    assert instead.page_ibans == ()
    without = found(hybrid(replace(SALE, iban=""), page=SALE))
    assert without.page_ibans == (SALE.iban,)
    assert found(hybrid(SALE)).page_ibans == ()


def test_an_untaxed_amount_does_not_hide_another_total() -> None:
    sale = Sale()
    free = [replace(sale.lines[0], category="E", rate=Decimal(0))]
    shown = replace(sale, lines=free, changed={"BT-112": Decimal("1000.00")})
    assert codes(hybrid(replace(sale, lines=free), page=shown)) == [
        ("page_differs_from_xml", "total")
    ]


def test_a_page_without_text_cannot_be_compared() -> None:
    assert codes(hybrid(SALE, text=False)) == [("page_not_compared", "document")]


@pytest.mark.parametrize("name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "../..\\x", "a.txt"])
@pytest.mark.parametrize("write", [ubl, cii])
def test_an_invoice_is_known_by_its_content(name: str, write: object) -> None:
    content = ubl(SALE) if write is ubl else cii(SALE)
    read = found(hybrid(SALE, files={"notes.txt": b"hello", name: content}))
    assert read.einvoice
    assert read.findings == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"factur-x.xml": b"no xml"}, "'factur-x.xml': line 1"),
        ({"factur-x.xml": b"<a/>"}, "is <a>"),
        ({"x.xml": cii(SALE).replace(b"20260331", b"someday")}, "BT-2 'someday'"),
        ({"x.xml": b"<!DOCTYPE a []>" + cii(SALE)}, "'x.xml'"),
    ],
)
def test_what_cannot_be_read_is_told(files: dict[str, bytes], said: str) -> None:
    read = found(hybrid(SALE, files=files))
    assert read.einvoice is None
    (one,) = read.findings
    assert (one.code, one.severity) == ("embedded_xml_unreadable", "REVIEW")
    assert said in one.message


def test_other_files_are_nobody_s_business() -> None:
    order = b"<SCRDMCCBDACIOMessageStructure xmlns='urn:order-x'/>"
    assert found(hybrid(SALE, files={"order-x.xml": order, "b.pdf": b"%PDF-"})) == Embedded()


def test_several_invoices_that_differ_are_told_and_the_standard_s_is_read() -> None:
    other = cii(replace(SALE, iban=OTHER_IBAN))
    read = found(hybrid(SALE, files={"a.xml": other, "factur-x.xml": cii(SALE)}))
    assert read.einvoice
    assert read.einvoice.accounts == (SALE.iban,)
    assert [one.code for one in read.findings] == ["several_embedded_invoices"]
    assert codes(hybrid(SALE, files={"a.xml": ubl(SALE), "factur-x.xml": cii(SALE)})) == []


def test_many_files_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MOST_ATTACHMENTS", 3)
    files = {f"{number}.txt": b"x" for number in range(4)}
    read = found(hybrid(SALE, files=files))
    assert "only 3 of 4 files" in read.findings[0].message


def test_a_child_process_reads_it() -> None:
    content = hybrid(SALE, page=replace(SALE, number="X"))
    assert in_child(read_embedded, io.BytesIO(content), Embedded) == found(content)
    assert handlers._einvoice(io.BytesIO(ubl(SALE))) == read_einvoice(io.BytesIO(ubl(SALE)))


def test_a_file_that_unpacks_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    content = hybrid(SALE, files={"factur-x.xml": b"<a>" + bytes(96 << 20)})
    assert len(content) < 200_000
    (one,) = handlers._embedded(io.BytesIO(content)).findings
    assert (one.code, "memory or time" in one.message) == ("embedded_xml_unreadable", True)
