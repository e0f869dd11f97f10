from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.domain import InvoiceKind
from finops.invoices.json_invoice import read_json
from finops.shared.errors import RejectedInput

WHOLE = {
    "invoiceId": "J-1",
    "customerId": "C-9",
    "customerEmail": "bill@example.com",
    "amount": 120.5,
    "dueDate": "2026-04-30",
    "description": "Bread",
    "items": [{"description": "Roll", "quantity": 10, "rate": "12.05"}],
}


def content(**changes: Any) -> bytes:
    return json.dumps({"invoice": {**WHOLE, **changes}}).encode()


def test_the_documented_shape_is_read() -> None:
    found = read_json(content(), currency="USD")
    assert {name: one.value for name, one in found.readings.items()} == {
        "invoice_number": "J-1",
        "vendor": "C-9",
        "customer": "C-9",
        "customer_email": "bill@example.com",
        "description": "Bread",
        "currency": "USD",
        "total": "120.5",
        "due_date": "2026-04-30",
    }
    (item,) = found.line_items
    assert (item.quantity, item.unit_price, item.amount) == (
        Decimal(10),
        Decimal("12.05"),
        Decimal("120.5"),
    )


def test_optional_keys_are_read() -> None:
    found = read_json(
        content(
            vendor=" Acme\nLtd ",
            currency="eur",
            invoiceDate="2026-03-31T10:00:00Z",
            subtotal="100",
            tax="20.5",
            kind="credit_note",
            amount="-120.5",
        ),
        currency="USD",
    )
    assert found.kind is InvoiceKind.CREDIT_NOTE
    for name, value in {
        "vendor": "Acme Ltd",
        "currency": "EUR",
        "invoice_date": "2026-03-31",
        "tax": "20.5",
        "total": "-120.5",
    }.items():
        assert found.text(name) == value


@given(st.decimals(-(10**12), 10**12, places=4))
def test_numbers_are_exact(amount: Decimal) -> None:
    body = content().replace(b"120.5", f"{amount:f}".encode())
    assert read_json(body, currency="USD").amount("total") == amount


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"", "invalid_json", "not valid JSON"),
        (b"\xff\xfe", "invalid_json", "UTF-8"),
        (b"[" * 100_000, "invalid_json", ""),
        (b"[]", "invalid_json", '"invoice"'),
        (b'{"invoice": 5}', "invalid_json", '"invoice"'),
        (content(amount=None), "missing", "amount"),
        (content(dueDate=""), "missing", "dueDate"),
        (content(amount="1,5"), "invalid_amount", "'1,5'"),
        (content(amount=True), "invalid_amount", "True"),
        (content().replace(b"120.5", b"NaN"), "invalid_json", "NaN"),
        (content().replace(b"120.5", b"1e400"), "invalid_amount", "amount"),
        (content(dueDate="30.04.2026"), "invalid_date", "30.04.2026"),
        (content(currency="EURO"), "unknown_currency", "EURO"),
        (content(customerEmail="nobody"), "invalid_email", "nobody"),
        (content(description={"a": 1}), "invalid_text", "description"),
        (content(items={"a": 1}), "invalid_items", "items"),
        (content(items=[5]), "invalid_items", "items[0]"),
        (content(items=[{"rate": "x"}]), "invalid_amount", "items[0].rate"),
        (content(kind="debit"), "unknown_kind", "DEBIT"),
        (
            content().replace(b"120.5", b'1, "amount": 1000'),
            "duplicate_key",
            "amount is there twice",
        ),
        (b'{"invoice": {}, "invoice": {}}', "duplicate_key", "invoice is there twice"),
        (
            content(items=[{"qty": 1}]),
            "unknown_key",
            "items[0].qty is not a key; did you mean quan",
        ),
        (content(vendorName="A", taxAmount=19), "unknown_key", "did you mean vendor, tax"),
        (content(total=119), "unknown_key", "did you mean amount"),
        (content(curency="EUR"), "unknown_key", "did you mean currency"),
        (content(due_date="2026-04-30"), "unknown_key", "did you mean dueDate"),
        (content(dueDate="2026-04-30; DROP"), "invalid_date", "DROP"),
        (content(dueDate=20260430), "invalid_date", "20260430"),
        (content(dueDate="2026-04-30T25:00"), "invalid_date", "T25:00"),
        (content(currency="XXX"), "unknown_currency", "XXX"),
        (content(currency="XAU"), "unknown_currency", "XAU"),
        (content(currency="CLF"), "unknown_currency", "CLF"),
        (content(invoiceId="J\u200b-1"), "invalid_text", "U+200B"),
        (content(customerId="C\u202e9"), "invalid_text", "U+202E"),
        (content(vendor="A\x01"), "invalid_text", "U+0001"),
        (content(vendor="A\ud83d"), "invalid_text", "vendor"),
        (content(notes=[{"a": "\udcde"}]), "invalid_text", "notes[0].a"),
        (content().replace(b"120.5", b"1e999999"), "invalid_amount", "amount"),
        (content().replace(b"120.5", b"1e-999999"), "invalid_amount", "amount"),
        (content().replace(b"120.5", b"1e" + b"9" * 30), "invalid_amount", "amount"),
        (content().replace(b"120.5", b"9" * 5000), "invalid_amount", "amount"),
    ],
)
def test_an_error_gives_the_key_and_the_value(body: bytes, code: str, said: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        read_json(body, currency="USD")
    assert refused.value.code == code
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


def test_keys_that_mean_something_else_are_ignored() -> None:
    found = read_json(content(customerName="B", notes="n", vendorId=5), currency="USD")
    assert found.text("total") == "120.5"


def test_a_time_of_day_may_follow_a_date() -> None:
    for text in ("2026-04-30T10:00:00Z", "2026-04-30 10:00"):
        assert read_json(content(dueDate=text), currency="USD").text("due_date") == "2026-04-30"
    assert (
        read_json(content(amount=None).replace(b"null", b"1.5e3"), currency="USD").text("total")
        == "1500"
    )


@given(st.binary())
def test_any_input_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(RejectedInput):
        read_json(body, currency="USD")
