from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from finops.invoices.domain import Invoice, InvoiceKind
from finops.invoices.textract_response.reading import read_expense
from tests.invoices.corpus import corpus
from tests.invoices.responses import GOOD, TYPES, answer, page


def read(*pages: dict[str, str], **more: Any) -> Invoice:
    (found,) = read_expense(answer(*pages, **more))
    return found


def values(found: Invoice) -> dict[str, str]:
    return {name: one.value for name, one in found.readings.items()}


def labelled(kind: str, text: str, label: str = "", number: int = 1, sure: float = 99.0) -> Any:
    return {
        "Type": {"Text": kind, "Confidence": sure},
        "LabelDetection": {"Text": label, "Confidence": sure},
        "ValueDetection": {"Text": text, "Confidence": sure},
        "PageNumber": number,
    }


def response(*pages: list[Any]) -> dict[str, Any]:
    return {
        "DocumentMetadata": {"Pages": len(pages)},
        "ExpenseDocuments": [
            {"ExpenseIndex": n, "SummaryFields": fields, "LineItemGroups": []}
            for n, fields in enumerate(pages, 1)
        ],
    }


def test_fields_are_read_in_canonical_form() -> None:
    assert values(read(GOOD)) == {
        "vendor": "Acme GmbH",
        "invoice_number": "R-77",
        "invoice_date": "2026-03-31",
        "currency": "EUR",
        "subtotal": "100.00",
        "tax": "19.00",
        "total": "119.00",
    }


def test_pages_with_the_same_number_are_one_invoice() -> None:
    first = {name: GOOD[name] for name in ("vendor", "invoice_number", "invoice_date")}
    found = read(first, {"total": GOOD["total"]}, {"invoice_number": "r 77", "tax": "EUR 19.00"})
    assert found.pages == (1, 2, 3)
    assert values(found)["total"] == "119.00"
    assert [one.reason for one in found.other] == ["repeated"]


def test_another_number_starts_another_invoice() -> None:
    found = read_expense(answer(GOOD, {"total": "EUR 1.00"}, GOOD | {"invoice_number": "R-78"}))
    assert [one.pages for one in found] == [(1, 2), (3,)]
    assert [one.text("invoice_number") for one in found] == ["R-77", "R-78"]


def test_page_two_of_two_belongs_to_the_same_invoice_even_if_its_number_was_misread() -> None:
    pages = [
        [labelled("INVOICE_RECEIPT_ID", "R-77"), labelled("OTHER", "1 of 2", "Page")],
        [
            labelled("INVOICE_RECEIPT_ID", "R-77l", number=2, sure=80),
            labelled("OTHER", "2 of 2", "Page", 2),
        ],
    ]
    (found,) = read_expense(response(*pages))
    assert found.text("invoice_number") == "R-77"
    assert "and also R-77l" in found.readings["invoice_number"].doubt


def test_page_one_starts_another_invoice() -> None:
    one = [labelled("TOTAL", "EUR 1.00"), labelled("OTHER", "1 of 1", "Page")]
    assert len(read_expense(response(one, one))) == 2


def test_the_grand_total_of_the_last_page_counts() -> None:
    fields = [
        [labelled("TOTAL", "EUR 50.00", "Carried over")],
        [
            labelled("TOTAL", "EUR 70.00", "Total", 2),
            labelled("TOTAL", "EUR 84.00", "Grand total", 2),
        ],
    ]
    (found,) = read_expense(response(*fields))
    total = found.readings["total"]
    assert total.value == "84.00"
    assert "50.00" in total.doubt
    assert "70.00" in total.doubt


def test_the_total_that_adds_up_wins() -> None:
    fields = [
        labelled("TOTAL", "EUR 500.00", "Total points"),
        labelled("TOTAL", "EUR 119.00", "Total", sure=70),
        labelled("SUBTOTAL", "EUR 100.00"),
        labelled("TAX", "EUR 19.00"),
    ]
    (found,) = read_expense(response(fields))
    assert (found.text("total"), found.readings["total"].doubt) == ("119.00", "")
    assert [(one.text, one.reason) for one in found.other] == [("EUR 500.00", "contradicts")]


def test_taxes_at_several_rates_are_added_up() -> None:
    fields = [
        labelled("TOTAL", "126.00 EUR"),
        labelled("SUBTOTAL", "100.00 EUR"),
        labelled("TAX", "19.00 EUR", "VAT 19%"),
        labelled("TAX", "7.00 EUR", "VAT 7%"),
    ]
    (found,) = read_expense(response(fields))
    assert found.text("tax") == "26.00"


def test_an_amount_due_is_used_as_an_uncertain_total() -> None:
    (found,) = read_expense(response([labelled("AMOUNT_DUE", "EUR 5.00")]))
    assert found.text("total") == "5.00"
    assert found.readings["total"].doubt


def test_a_vendor_with_the_customers_name_is_uncertain() -> None:
    fields = [labelled("VENDOR_NAME", "Acme Ltd"), labelled("RECEIVER_NAME", "ACME")]
    (found,) = read_expense(response(fields))
    assert found.readings["vendor"].doubt


def test_a_value_that_is_not_understood_is_kept_as_printed() -> None:
    found = read(GOOD | {"total": "1.2.3 EUR", "invoice_date": "soon"})
    for name, text in (("total", "1.2.3 EUR"), ("invoice_date", "soon")):
        assert (found.text(name), found.readings[name].text) == ("", text)


@pytest.mark.parametrize(
    "title", ["Credit note", "GUTSCHRIFT Nr. 5", "Avoir", "Creditnota", "Nota de crédito"]
)
def test_a_credit_note_is_recognized_by_its_title(title: str) -> None:
    made = answer(GOOD)
    made["ExpenseDocuments"][0]["Blocks"] = [{"BlockType": "LINE", "Text": title}]
    (found,) = read_expense(made)
    assert found.kind is InvoiceKind.CREDIT_NOTE
    assert read(GOOD).kind is InvoiceKind.INVOICE


def test_line_items_keep_their_cells() -> None:
    made = answer(GOOD)
    cells = [
        ("ITEM", "", "Bread,\nsliced"),
        ("PRODUCT_CODE", "", "B-1"),
        ("QUANTITY", "", "2"),
        ("UNIT_PRICE", "", "1.234,50"),
        ("PRICE", "", "2.469,00 €"),
        ("OTHER", "VAT", "19%"),
        ("OTHER", "VAT", "469,11"),
        ("EXPENSE_ROW", "", "Bread 2"),
    ]
    made["ExpenseDocuments"][0]["LineItemGroups"] = [
        {
            "LineItems": [
                {
                    "LineItemExpenseFields": [
                        {
                            "Type": {"Text": kind},
                            "LabelDetection": {"Text": label},
                            "ValueDetection": {"Text": text, "Confidence": 90.0},
                        }
                        for kind, label, text in cells
                    ]
                }
            ]
        }
    ]
    (item,) = read_expense(made)[0].line_items
    assert (item.description, item.product_code) == ("Bread, sliced", "B-1")
    assert [f"{one}" for one in (item.quantity, item.unit_price, item.amount, item.tax)] == [
        "2",
        "1234.50",
        "2469.00",
        "469.11",
    ]
    assert item.other == {"VAT": "19%"}
    assert (item.confidence, item.text) == (90.0, "Bread 2")


def test_nothing_that_was_found_is_lost() -> None:
    made = answer(GOOD, GOOD | {"total": "EUR 7.00"})
    made["ExpenseDocuments"][0]["SummaryFields"].append(labelled("VENDOR_PHONE", "555"))
    accounted(made)


def accounted(made: dict[str, Any]) -> None:
    """Every field is a reading or kept beside them, every row an item."""
    found = read_expense(made)
    fields = sum(len(one["SummaryFields"]) for one in made["ExpenseDocuments"])
    readings = sum(len(set(one.readings) - {"currency", "iban"}) for one in found)
    kept = sum(other.reason != "printed" for one in found for other in one.other)
    assert readings + kept == fields
    rows = sum(
        len(group["LineItems"])
        for one in made["ExpenseDocuments"]
        for group in one["LineItemGroups"]
    )
    assert sum(len(one.line_items) for one in found) == rows


REAL = {
    "expense_async_two_pages.json": {
        "invoice_number": "00000135",
        "invoice_date": "2020-03-12",
        "due_date": "2020-03-26",
        "total": "5715.00",
        "currency": "USD",
        "vendor": "META",
        "purchase_order": "F0016",
    },
    "expense_invoice.json": {
        "invoice_number": "123PQR456",
        "invoice_date": "2021-01-01",
        "due_date": "2021-01-31",
        "subtotal": "6169.40",
        "tax": "61.69",
        "total": "6231.09",
        "currency": "USD",
        "customer": "XZY Company",
    },
    "expense_sample1.json": {"total": "50.00"},
}


@pytest.mark.parametrize("name", REAL)
def test_real_responses_are_read_completely(name: str) -> None:
    made = json.loads((corpus("textract") / name).read_text())
    accounted(made)
    (found,) = read_expense(made)
    assert REAL[name].items() <= values(found).items()


def test_every_field_has_a_type_of_textract() -> None:
    assert set(TYPES) <= set(values(read(GOOD))) | {"due_date", "vendor_tax_id"}
    assert page(GOOD)["SummaryFields"]


def lined(*texts: str, **fields: str) -> Invoice:
    """An invoice whose page has these fields, and these lines."""
    found = answer(fields)
    found["ExpenseDocuments"][0]["Blocks"] = [
        {"BlockType": "LINE", "Text": text, "Confidence": 99.0} for text in texts
    ]
    (read_back,) = read_expense(found)
    return read_back


def test_an_unconfirmed_total_is_uncertain_beside_a_larger_amount() -> None:
    total = {"total": "EUR 1000.00"}
    assert lined("noch offen 1.190,00", **total).readings["total"].doubt
    for harmless in ("Capital social 10.000,00 EUR", "500,00", "Tel. 030/1.234.567,89"):
        assert not lined(harmless, **total).readings["total"].doubt, harmless


@pytest.mark.parametrize("name", ["29.99 € TTC", "EUR 12.00", "Total", "2026-03-14", "+49 30 1234"])
def test_a_vendor_that_is_no_name_is_uncertain(name: str) -> None:
    assert read(GOOD | {"vendor": name}).readings["vendor"].doubt


@pytest.mark.parametrize("name", ["3M", "1&1 Versatel", "O2", "7-Eleven Inc.", "Studio 54 Ltd"])
def test_a_name_can_contain_numbers(name: str) -> None:
    assert not read(GOOD | {"vendor": name}).readings["vendor"].doubt


def test_a_document_that_is_no_invoice_has_its_own_kind() -> None:
    assert lined("Tidewater Ltd", "PAYMENT REMINDER", **GOOD).kind is InvoiceKind.PAYMENT_REMINDER
    assert lined("Merci d'avoir choisi Martin", "Facture", **GOOD).kind is InvoiceKind.INVOICE


def test_missing_parts_and_empty_values_of_an_answer_are_nothing() -> None:
    field = {
        "Type": {"Text": "TOTAL", "Confidence": 99},
        "LabelDetection": None,
        "ValueDetection": {"Text": "€5.00", "Geometry": None, "Confidence": 99},
    }
    empty = labelled("PAYMENT_TERMS", "", "VISA", sure=0)
    document = {"SummaryFields": [field, empty], "LineItemGroups": None}
    (found,) = read_expense({"ExpenseDocuments": [document]})
    assert values(found) == {"total": "5.00", "currency": "EUR"}


def test_halves_of_characters_and_control_characters_do_not_stay() -> None:
    found = read(GOOD | {"vendor": "Pixel\ud83d Bakery\x01 \ud83d\udcde"})
    assert found.text("vendor") == "Pixel\ufffd Bakery \U0001f4de"
    assert found.text("vendor").encode()


def test_the_currency_shows_its_own_place() -> None:
    found = answer(GOOD | {"subtotal": "$100.00", "tax": "$19.00", "total": "$119.00"})
    box = {"Left": 0.1, "Top": 0.8, "Width": 0.4, "Height": 0.01}
    found["ExpenseDocuments"][0]["Blocks"] = [
        {
            "BlockType": "LINE",
            "Text": "All amounts are in US dollars.",
            "Confidence": 98.0,
            "Geometry": {"BoundingBox": box},
        }
    ]
    (invoice,) = read_expense(found)
    shown = invoice.readings["currency"]
    assert (shown.value, shown.doubt, shown.text) == ("USD", "", "All amounts are in US dollars.")
    assert shown.place
    assert shown.place.top == 0.8


def test_the_customers_country_is_no_sign_of_the_currency() -> None:
    fields = [
        labelled("TOTAL", "$5.00"),
        labelled("VENDOR_ADDRESS", "1 Elm St\nAustin, TX 78701"),
        labelled("RECEIVER_ADDRESS", "9 King St\nToronto, Canada"),
    ]
    document = response(fields)
    document["ExpenseDocuments"][0]["Blocks"] = [
        {"BlockType": "LINE", "Text": text} for text in ("Austin, TX 78701", "Toronto, Canada")
    ]
    (found,) = read_expense(document)
    assert (found.text("currency"), found.readings["currency"].doubt) == ("USD", "")


def expense(*fields: tuple[str, str, str], lines: tuple[str, ...] = ()) -> Invoice:
    """An invoice whose page has these fields, by type, label and text, and these lines."""
    response = answer(GOOD)
    document = response["ExpenseDocuments"][0]
    document["SummaryFields"] = [
        {
            "Type": {"Text": kind, "Confidence": 99.0},
            "LabelDetection": {"Text": label},
            "ValueDetection": {"Text": text, "Confidence": 99.0},
            "PageNumber": 1,
        }
        for kind, label, text in fields
    ]
    document["Blocks"] = [{"BlockType": "LINE", "Text": text, "Confidence": 98.0} for text in lines]
    (found,) = read_expense(response)
    return found


class TestPayment:
    def test_accounts_are_found_in_any_spelling_and_told_by_their_check_digits(self) -> None:
        found = expense(
            ("TOTAL", "Total", "EUR 1.00"),
            lines=(
                "IBAN: DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX",
                "or gb82-west-1234-5698-7654-32, wrong is DE88 3704 0044 0532 0130 00",
                "DE89370400440532013000",
                "Sort code 20-00-00, account 55779911",
            ),
        )
        assert found.readings["iban"].value == "DE89370400440532013000"
        assert found.readings["iban"].confidence == 98.0
        assert [(one.type, one.text) for one in found.other if one.reason == "printed"] == [
            ("IBAN", "GB82WEST12345698765432"),
            ("ACCOUNT", "20000055779911"),
        ]

    def test_an_invisible_character_hides_no_account(self) -> None:
        line = "IBAN DE89 3704\u200b 0044 0532 0130 00"
        assert expense(("TOTAL", "", "EUR 1"), lines=(line,)).text("iban")

    @pytest.mark.parametrize(
        "line",
        [
            "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0",
            "IBAN DE89  3704  0044  0532  0130  00",
            "de89.3704.0044.0532.0130.00",
            "(DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000)",
        ],
    )
    def test_an_account_is_found_in_any_division(self, line: str) -> None:
        found = expense(("TOTAL", "", "EUR 1"), lines=(line,))
        assert found.text("iban") == "DE89370400440532013000"

    @pytest.mark.parametrize(
        ("line", "digits"),
        [
            ("IBAN D\u041589 3704 0044 0532 0130 00", "89370400440532013000"),
            ("IBAN DE89 3704 0044", "8937040044"),
            ("Bankverbindung: Konto 532013000, BLZ 370 400 44", "53201300037040044"),
            ("Pay 119.00 by 30.04.2026 to our bank", ""),
            ("Your account number: 12345678", ""),
        ],
    )
    def test_a_line_that_names_a_bank_shows_an_account(self, line: str, digits: str) -> None:
        found = expense(("TOTAL", "", "EUR 1"), lines=(line,))
        assert [one.text for one in found.other if one.type == "ACCOUNT"] == [digits] * bool(digits)

    @pytest.mark.parametrize(
        "line", ["DE89 3704 0044 0532 0130 001", "XDE89370400440532013000", "DE89 3704", "AB12"]
    )
    def test_what_only_resembles_an_account_is_none(self, line: str) -> None:
        assert not expense(("TOTAL", "", "EUR 1"), lines=(line,)).text("iban")

    def test_the_reference_of_a_payment_is_known_by_its_label(self) -> None:
        found = expense(
            ("TOTAL", "Total", "EUR 1.00"),
            ("OTHER", "Verwendungszweck:", "RG 17 / K 4"),
            ("OTHER", "Fax", "1234"),
        )
        assert found.text("payment_reference") == "RG 17 / K 4"
        assert [one.label for one in found.other if one.reason == "unmapped"] == ["Fax"]

    def test_tax_ids_of_both_parties(self) -> None:
        found = expense(
            ("VENDOR_GST_NUMBER", "GSTIN", "27AAPFU0939F1ZV"),
            ("RECEIVER_VAT_NUMBER", "VAT", "DE123456789"),
            ("TOTAL", "Total", "EUR 1.00"),
        )
        assert found.text("vendor_tax_id") == "27AAPFU0939F1ZV"
        assert found.text("customer_tax_id") == "DE123456789"

    def test_taxes_by_rate_of_a_page(self) -> None:
        found = expense(
            ("SUBTOTAL", "Net 20%", "EUR 100.00"),
            ("SUBTOTAL", "Net 5%", "EUR 10.00"),
            ("TAX", "VAT 20%", "EUR 20.00"),
            ("TAX", "VAT 5%", "EUR 0.50"),
            ("TOTAL", "Total", "EUR 130.50"),
        )
        assert {(one.rate, one.base, one.tax) for one in found.taxes} == {
            (Decimal(20), Decimal("100.00"), Decimal("20.00")),
            (Decimal(5), Decimal("10.00"), Decimal("0.50")),
        }

    @pytest.mark.parametrize(
        ("label", "tax", "total"),
        [("VAT", "20.00", "120.00"), ("VAT 19%", "20.00", "120.00"), ("20%/5%", "20.00", "120.00")],
    )
    def test_a_tax_without_its_rate_is_in_no_row(self, label: str, tax: str, total: str) -> None:
        found = expense(
            ("SUBTOTAL", "Net", "EUR 100.00"),
            ("TAX", label, f"EUR {tax}"),
            ("TOTAL", "Total", f"EUR {total}"),
        )
        assert found.taxes == ()
        assert found.text("tax") == "20.00"
