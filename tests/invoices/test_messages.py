from __future__ import annotations

import json
from dataclasses import replace

from finops.invoices.domain import InvoiceStatus, Issue, Severity
from finops.invoices.messages import customer_addresses, customer_mail, message
from tests.invoices.builders import invoice, processed, record

EMPTY = record("raw/empty.pdf", status=InvoiceStatus.REJECTED)


def test_a_notification_has_text_for_people_and_data_for_programs() -> None:
    said = message(processed(), "PROCESSED")
    assert said.subject == "Invoice processed: Acme GmbH, R-2026/001, 119.00 EUR"
    assert "Our number: INV-2026-000001" in said.text
    assert said.data["total"] == "119.00"
    assert said.attributes["status"] == "PROCESSED"


def test_a_review_request_lists_the_commands() -> None:
    wrong = Issue(code="x", severity=Severity.REVIEW, message="the sum is wrong")
    one = replace(processed(), status=InvoiceStatus.NEEDS_REVIEW, issues=(wrong,))
    said = message(one, "NEEDS_REVIEW")
    assert "the sum is wrong" in said.text
    assert f"finops invoices review {one.id} --approve" in said.text


def test_subjects_are_within_the_limits_of_sns() -> None:
    said = message(processed(vendor="Größe 日本 " + "x" * 200), "DUPLICATE")
    assert len(said.subject) <= 100
    assert said.subject.isascii()
    assert "\n" not in said.subject


def test_a_message_is_never_too_large() -> None:
    issues = tuple(
        Issue(code="x", severity=Severity.REVIEW, message="y" * 10_000) for _ in range(500)
    )
    said = message(replace(processed(vendor="z" * 100_000), issues=issues), "NEEDS_REVIEW")
    assert len(json.dumps({"email": said.text, "default": json.dumps(said.data)})) < 200_000
    assert "450 more" in said.text


def test_a_document_that_was_not_read_is_named_by_its_file() -> None:
    assert message(EMPTY, "REJECTED").subject == "Document rejected: empty.pdf"


def test_the_customers_email_gives_our_number_and_the_amount() -> None:
    subject, text = customer_mail(processed())
    assert subject == "Invoice INV-2026-000001 has been processed"
    for part in ("119.00 EUR", "INV-2026-000001", "2026-04-30"):
        assert part in text


def test_a_document_cannot_choose_whom_a_mail_goes_to() -> None:
    """Else whoever sends a document has mails sent to anybody, from an address they trust."""
    customers = {"C-7": ["ap@example.com"], "Acme  GmbH": ["acme@example.net"], "": ["x@y.example"]}

    def addresses(customer: str, stated: str = "") -> list[str]:
        named = invoice(customer=customer, customer_email=stated)
        return customer_addresses(replace(processed(), invoice=named), customers)

    assert addresses("C-7") == addresses("C-7", "victim@evil.example") == ["ap@example.com"]
    assert addresses("acme gmbh") == ["acme@example.net"]
    assert addresses("C-8", "ap@example.com") == addresses("", "ap@example.com") == []


def test_the_customers_email_holds_no_word_that_a_document_chose() -> None:
    """Else a JSON invoice mails any text to anybody, from an address that people trust."""
    lure = "https://evil.example/pay"
    names = ("description", "invoice_number", "vendor", "customer", "total", "currency", "due_date")
    chosen = invoice(**dict.fromkeys(names, lure))
    subject, text = customer_mail(replace(processed(), invoice=chosen))
    assert "evil" not in subject + text
    assert "INV-2026-000001" in text
