"""What is found on the samples, and on real invoices where there are some."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal

import botocore.session
import pytest
from botocore.validate import ParamValidator

import sample_invoices
from finops.invoices.domain import Invoice
from finops.invoices.text_layer.layout import analyze_expense
from finops.invoices.text_layer.pdf import analyze_text_layer
from finops.invoices.text_layer.words import PageWords, Word, lines_of
from finops.invoices.textract_response.reading import read_expense
from sample_invoices import Sample
from tests.invoices.corpus import TRUTH, agrees, corpus

SAMPLES = {one.name: one for one in sample_invoices.samples()}
READ = [one for one in SAMPLES.values() if one.fields and one.name.endswith(".pdf")]


def read(content: bytes) -> list[Invoice]:
    found = analyze_text_layer(io.BytesIO(content))
    assert found
    return read_expense(found, source="text-layer")


def lines(*texts: tuple[float, float, str], size: float = 0.012) -> PageWords:
    """A page with these texts at (left, top)."""

    def words() -> Iterator[Word]:
        for left, top, text in texts:
            at = left
            for word in text.split():
                right = at + 0.009 * len(word)
                yield Word(text=word, left=at, top=top, right=right, bottom=top + size)
                at = right + 0.006

    return PageWords(words=tuple(words()))


def found(*texts: tuple[float, float, str]) -> dict[str, str]:
    answer = analyze_expense([lines(*texts)])
    return {
        one["Type"]["Text"]: one["ValueDetection"]["Text"]
        for one in answer["ExpenseDocuments"][0]["SummaryFields"]
    }


def test_samples_are_the_same_bytes_every_time() -> None:
    assert sample_invoices.samples() == list(SAMPLES.values())


@pytest.mark.parametrize("sample", READ, ids=[one.name for one in READ])
def test_samples_are_read_exactly(sample: Sample) -> None:
    (invoice,) = read(sample.content)
    assert {name: invoice.text(name) for name in sample.fields} == dict(sample.fields)
    assert all(not one.doubt for one in invoice.readings.values())
    subtotal = sum((item.amount or Decimal(0) for item in invoice.line_items), Decimal(0))
    assert subtotal == Decimal(sample.fields["subtotal"])


def test_the_answer_is_one_that_textracts_model_describes() -> None:
    answer = analyze_text_layer(io.BytesIO(SAMPLES["gracht.pdf"].content))
    assert answer
    model = botocore.session.get_session().get_service_model("textract")
    shape = model.operation_model("AnalyzeExpense").output_shape
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()


def test_two_invoices_in_one_file_are_two() -> None:
    first, second = read(SAMPLES["two-invoices.pdf"].content)
    assert (first.text("invoice_number"), second.text("invoice_number")) == (
        "RE-88300",
        "RE-88301",
    )


def test_an_ambiguous_date_is_uncertain() -> None:
    (invoice,) = read(SAMPLES["unclear-date.pdf"].content)
    assert invoice.readings["invoice_date"].doubt


@pytest.mark.parametrize(
    ("texts", "kind", "value"),
    [
        ([(0.1, 0.2, "Invoice No: 77-A")], "INVOICE_RECEIPT_ID", "77-A"),
        ([(0.1, 0.2, "Invoice No"), (0.5, 0.2, "77-A")], "INVOICE_RECEIPT_ID", "77-A"),
        ([(0.1, 0.2, "Invoice No"), (0.1, 0.22, "77-A")], "INVOICE_RECEIPT_ID", "77-A"),
        ([(0.1, 0.2, "Rechnungs-Nr.: RE 2026/7")], "INVOICE_RECEIPT_ID", "RE 2026/7"),
        ([(0.1, 0.2, "N° de facture : F-1")], "INVOICE_RECEIPT_ID", "F-1"),
        ([(0.1, 0.2, "Fakturanummer 5512")], "INVOICE_RECEIPT_ID", "5512"),
        ([(0.1, 0.2, "Due date: 30 April 2026")], "DUE_DATE", "30 April 2026"),
        ([(0.1, 0.2, "Vencimiento"), (0.5, 0.2, "30/04/2026")], "DUE_DATE", "30/04/2026"),
        ([(0.1, 0.2, "Grand Total"), (0.8, 0.2, "$ 1,234.00")], "TOTAL", "$ 1,234.00"),
        ([(0.1, 0.2, "Totaal incl. btw"), (0.8, 0.2, "12,00")], "TOTAL", "12,00"),
        ([(0.1, 0.2, "Att betala"), (0.8, 0.2, "100,00 kr")], "AMOUNT_DUE", "100,00 kr"),
        ([(0.1, 0.2, "MwSt. 19%"), (0.8, 0.2, "19,00")], "TAX", "19,00"),
        ([(0.1, 0.2, "IVA 22%"), (0.8, 0.2, "22,00")], "TAX", "22,00"),
        ([(0.1, 0.2, "USt-IdNr. DE123456789")], "VENDOR_VAT_NUMBER", "DE123456789"),
        ([(0.1, 0.2, "Phone: 555-123")], "OTHER", "555-123"),
    ],
)
def test_a_value_stands_beside_or_below_its_label(
    texts: list[tuple[float, float, str]], kind: str, value: str
) -> None:
    assert found(*texts)[kind] == value


@pytest.mark.parametrize(
    "texts",
    [
        [(0.1, 0.2, "Invoice address: 5 Mill Lane")],
        [(0.1, 0.2, "Total pages"), (0.8, 0.2, "of this order")],
        [(0.1, 0.2, "Invoice"), (0.1, 0.6, "77-A")],
    ],
)
def test_text_that_only_resembles_a_label_is_ignored(texts: list[tuple[float, float, str]]) -> None:
    assert not {"INVOICE_RECEIPT_ID", "TOTAL"} & set(found(*texts))


def test_the_receiver_is_not_the_vendor() -> None:
    page = [
        (0.1, 0.05, "Acme Ltd"),
        (0.1, 0.2, "Bill to:"),
        (0.1, 0.215, "Somebody Else Ltd"),
        (0.1, 0.23, "5 Mill Lane"),
        (0.1, 0.9, "Acme Ltd"),
    ]
    assert found(*page)["VENDOR_NAME"] == "Acme Ltd"
    assert found(*page)["RECEIVER_NAME"] == "Somebody Else Ltd"


def test_an_email_address_confirms_a_name() -> None:
    page = [
        (0.1, 0.05, "The best of all wholesalers"),
        (0.1, 0.08, "Azure Interior"),
        (0.1, 0.9, "sales@azure-interior.test"),
    ]
    assert found(*page)["VENDOR_NAME"] == "Azure Interior"


HEAD = [
    (0.1, 0.04, "Acme GmbH"),
    (0.1, 0.09, "Rechnungsnummer: R-1"),
    (0.1, 0.11, "Rechnungsdatum: 14.03.2026"),
    (0.1, 0.13, "Rechnung an"),
    (0.1, 0.145, "Kontor Nord AG"),
    (0.1, 0.16, "20095 Hamburg"),
]


def sums(*rows: tuple[str, str], head: list[tuple[float, float, str]] = HEAD) -> Invoice:
    """An invoice with these rows of a label and an amount."""
    placed = [
        (left, 0.3 + 0.02 * at, text)
        for at, row in enumerate(rows)
        for left, text in zip((0.5, 0.8), row, strict=True)
    ]
    (found,) = read_expense(analyze_expense([lines(*head, *placed)]), source="text-layer")
    return found


def test_rows_of_rates_are_parts_of_the_total() -> None:
    found = sums(
        ("Nettobetrag 7%", "100,00 €"),
        ("MwSt. 7%", "7,00 €"),
        ("Bruttobetrag", "107,00 €"),
        ("Nettobetrag 19%", "200,00 €"),
        ("MwSt. 19%", "38,00 €"),
        ("Bruttobetrag", "238,00 €"),
        ("Rechnungsbetrag", "345,00 €"),
    )
    assert [found.text(name) for name in ("subtotal", "tax", "total")] == [
        "300.00",
        "45.00",
        "345.00",
    ]
    assert not found.readings["total"].doubt


def test_a_total_without_tax_is_not_what_is_to_pay() -> None:
    found = sums(("Gesamt", "1.000,00 €"), ("MwSt. 19%", "190,00 €"), ("zu zahlen", "1.190,00 €"))
    assert (found.text("subtotal"), found.text("total")) == ("1000.00", "1190.00")


def test_amounts_without_cents_and_credits_are_read() -> None:
    swiss = sums(
        ("Nettobetrag", "CHF 1'250.--"), ("MwSt. 8.1%", "CHF 101.25"), ("Total", "CHF 1'351.25")
    )
    assert [swiss.amount(name) for name in ("subtotal", "tax", "total")] == [
        Decimal("1250"),
        Decimal("101.25"),
        Decimal("1351.25"),
    ]
    assert sums(("Total", "$108.43 cr")).text("total") == "-108.43"
    assert sums(("Total", "₹1,250.00/-")).text("total") == "1250.00"
    assert sums(("Total", "$.99")).text("total") == "0.99"
    assert not sums(("Total", "l00.00")).text("total")


def test_the_only_name_on_a_page_may_be_the_customers() -> None:
    addressed = [HEAD[1], HEAD[2], (0.1, 0.13, "Firma"), *HEAD[4:]]
    assert not sums(("Total", "595,00 €"), head=addressed).text("vendor")
    alone = [HEAD[1], HEAD[2], (0.1, 0.05, "Kontor Nord AG")]
    assert sums(("Total", "595,00 €"), head=alone).readings["vendor"].confidence < 80


def test_words_form_lines_from_the_top_and_pieces_from_the_left() -> None:
    page = lines((0.5, 0.3, "right"), (0.1, 0.3, "left one"), (0.1, 0.1, "first"))
    assert [[piece.text for piece in line.pieces] for line in lines_of(page)] == [
        ["first"],
        ["left one", "right"],
    ]


def test_wrong_fields_of_real_invoices_always_need_review() -> None:
    for path in sorted(corpus("invoices").glob("*.pdf")):
        (truth,) = json.loads(path.with_suffix(".json").read_text())
        (invoice,) = read(path.read_bytes())
        for key, name in TRUTH.items():
            reading = invoice.readings.get(name)
            if key not in truth or reading is None or agrees(name, reading.value, truth[key]):
                continue
            assert reading.confidence < 80 or reading.doubt, (path.name, name, reading, truth[key])
