from __future__ import annotations

import pytest

from finops.invoices.domain import InvoiceKind
from finops.invoices.kinds import Heading, kind_of


def kind(*texts: str, labels: tuple[str, ...] = ()) -> tuple[str, bool]:
    found, doubt = kind_of([Heading(text) for text in texts], labels)
    return found.value, bool(doubt)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Rechnung", "INVOICE"),
        ("TAX INVOICE", "INVOICE"),
        ("Schlussrechnung", "INVOICE"),
        ("Handelsrechnung (380) Nr. 471102 vom 05.06.2018", "INVOICE"),
        ("Credit Note", "CREDIT_NOTE"),
        ("Gutschrift Nr. 77", "CREDIT_NOTE"),
        ("Facture d'avoir", "CREDIT_NOTE"),
        ("Stornorechnung", "CREDIT_NOTE"),
        ("Gutschrift zu Rechnung Nr. 5", "CREDIT_NOTE"),
        ("Credit memo for invoice 7", "CREDIT_NOTE"),
        ("Mahnung zur Rechnung 5", "PAYMENT_REMINDER"),
        ("Remittance advice", "STATEMENT"),
        ("PAYMENT REMINDER", "PAYMENT_REMINDER"),
        ("2. Mahnung", "PAYMENT_REMINDER"),
        ("Final Notice", "INVOICE"),
        ("Zahlungserinnerung", "PAYMENT_REMINDER"),
        ("Pro-forma invoice", "PRO_FORMA"),
        ("Facture proforma", "PRO_FORMA"),
        ("Statement of Account", "STATEMENT"),
        ("Kontoauszug", "STATEMENT"),
        ("Angebot Nr. 5", "QUOTE"),
        ("Devis", "QUOTE"),
        ("Lieferschein", "DELIVERY_NOTE"),
        ("Auftragsbestätigung", "ORDER_CONFIRMATION"),
        ("PURCHASE ORDER", "PURCHASE_ORDER"),
    ],
)
def test_a_title_decides_the_kind(title: str, expected: str) -> None:
    assert kind("Acme GmbH", title, "8 Mill Lane") == (expected, False)


@pytest.mark.parametrize(
    "text",
    [
        "Merci d'avoir choisi notre boulangerie !",
        "Gutschrift Leergut",
        "This is a friendly reminder of our opening times",
        "Please quote the invoice number",
        "Your order was shipped with a delivery note",
    ],
)
def test_verbs_and_items_decide_nothing(text: str) -> None:
    assert kind("Facture", text) == ("INVOICE", False)


def test_titles_of_several_kinds_are_uncertain_unless_one_is_larger() -> None:
    assert kind("Invoice", "Statement")[1]
    assert kind("Rechnung / Lieferschein")[1]
    larger = [Heading("Rechnung", 0.03), Heading("Lieferschein", 0.012)]
    assert kind_of(larger, [], 0.012) == (InvoiceKind.INVOICE, "")


def test_a_heading_of_the_usual_size_is_no_certain_title() -> None:
    assert kind_of([Heading("Bestellung", 0.012)], [], 0.012)[1]


def test_numbers_of_other_documents_make_no_other_kind() -> None:
    assert kind("Invoice no. 7", "Delivery note no. 8", "Order: 9") == ("INVOICE", False)
    assert kind("Acme Ltd", "Bestellung: 2013-4711") == ("INVOICE", False)
    assert kind(labels=("Credit note no.",)) == ("CREDIT_NOTE", False)
    assert kind("Gutschrift Nr. 77", labels=("Rechnungsnummer",)) == ("CREDIT_NOTE", False)
    assert kind("Credit note no. 77", labels=("Invoice no.",))[1]
    assert kind("Delivery note", labels=("Invoice no.",)) == ("INVOICE", True)
