from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.domain import Invoice, InvoiceKind, LineItem, Reading, Severity
from finops.invoices.rules import parse_rules
from finops.invoices.validation import Outcome, ValidationSettings, canonical, check, outcome
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.invoices.builders import invoice

TODAY = date(2026, 4, 1)
CHECKS = ValidationSettings()


def codes(found: Invoice, checks: ValidationSettings = CHECKS) -> list[str]:
    return [issue.code for issue in check(found, checks, TODAY)]


def as_json(**values: str) -> Invoice:
    read = invoice(**values)
    return replace(
        read, readings={name: replace(one, source="json") for name, one in read.readings.items()}
    )


def item(amount: str, quantity: str = "1", unit_price: str | None = None) -> LineItem:
    return LineItem(
        description="Bread",
        amount=Decimal(amount),
        quantity=Decimal(quantity),
        unit_price=None if unit_price is None else Decimal(unit_price),
    )


def test_a_complete_invoice_has_no_issues() -> None:
    whole = replace(
        invoice(subtotal="100.00", tax="19.00", due_date="2026-04-30"),
        line_items=(item("60.00", "2", "30.00"), item("40.00")),
    )
    assert check(whole, CHECKS, TODAY) == ()
    assert outcome(whole, (), approved=False) is Outcome.VALID


@pytest.mark.parametrize("name", ["vendor", "invoice_number", "invoice_date", "currency", "total"])
def test_required_fields_must_have_a_value(name: str) -> None:
    (issue,) = check(invoice(**{name: ""}), CHECKS, TODAY)
    assert (issue.code, issue.severity, issue.field) == ("missing", Severity.ERROR, name)
    assert outcome(invoice(), (issue,), approved=True) is Outcome.REVIEW
    assert outcome(as_json(), (issue,), approved=True) is Outcome.INVALID


def test_a_json_invoice_with_a_due_date_needs_no_invoice_date() -> None:
    assert codes(as_json(invoice_date="", due_date="2026-04-30")) == []
    assert codes(as_json(invoice_date="")) == ["missing"]


def test_a_value_that_was_not_understood_is_shown_as_printed() -> None:
    read = invoice()
    unclear = Reading(value="", text="1.2.3", confidence=99.0, doubt="it has too many points")
    found = replace(read, readings={**read.readings, "total": unclear})
    (issue,) = check(found, CHECKS, TODAY)
    assert issue.code == "not_understood"
    assert "'1.2.3'" in issue.message
    assert "it has too many points" in issue.message


def test_doubts_and_low_confidence_need_review() -> None:
    read = invoice()
    doubtful = replace(read.readings["invoice_date"], doubt="3 April or 4 March")
    faint = replace(read.readings["total"], confidence=79.9)
    found = replace(read, readings={**read.readings, "invoice_date": doubtful, "total": faint})
    issues = check(found, CHECKS, TODAY)
    assert [(one.code, one.field) for one in issues] == [
        ("ambiguous", "invoice_date"),
        ("low_confidence", "total"),
    ]
    assert outcome(found, issues, approved=False) is Outcome.REVIEW
    assert outcome(found, issues, approved=True) is Outcome.VALID


def test_the_required_confidence_is_set_by_field() -> None:
    read = invoice(purchase_order="77")
    assert codes(read, ValidationSettings(confidence={"default": 95.0})) == []
    assert codes(read, ValidationSettings(confidence={"default": 80.0, "vendor": 96.0})) == [
        "low_confidence"
    ]
    assert codes(read, ValidationSettings(confidence={"purchase_order": 96.0})) == [
        "low_confidence"
    ]
    assert (
        len(codes(read, ValidationSettings(confidence={"default": 96.0}))) == 5
    )  # not the order's number


@pytest.mark.parametrize("total", ["0", "-5.00"])
def test_only_a_credit_note_can_be_negative(total: str) -> None:
    assert codes(invoice(total=total)) == ["total_not_positive"]
    assert codes(replace(invoice(total=total), kind=InvoiceKind.CREDIT_NOTE)) == []
    (issue,) = check(as_json(total=total), CHECKS, TODAY)
    assert issue.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("parts", "issue"),
    [
        ({"subtotal": "100.00", "tax": "19.00"}, []),
        ({"subtotal": "100.01", "tax": "19.00"}, []),
        ({"subtotal": "100.02", "tax": "19.00"}, ["total_is_not_the_sum"]),
        ({"subtotal": "119.00"}, []),
        ({"subtotal": "100.00"}, ["total_is_not_the_sum"]),
        ({"subtotal": "95.00", "tax": "19.00", "shipping": "5.00"}, []),
        ({"subtotal": "110.00", "tax": "19.00", "discount": "10.00"}, []),
        ({"subtotal": "110.00", "tax": "19.00", "discount": "-10.00"}, []),
        ({"tax": "19.00"}, []),
    ],
)
def test_subtotal_and_tax_add_up_to_the_total(parts: dict[str, str], issue: list[str]) -> None:
    assert codes(invoice(**parts)) == issue


@pytest.mark.parametrize(
    ("currency", "subtotal", "total", "issue"),
    [
        ("JPY", "1000", "1001", []),
        ("JPY", "1000", "1002", ["total_is_not_the_sum"]),
        ("KWD", "1.000", "1.001", []),
        ("KWD", "1.000", "1.002", ["total_is_not_the_sum"]),
        ("JPY", "1000.5", "1000.5", ["too_many_digits", "too_many_digits"]),
    ],
)
def test_the_tolerance_is_in_minor_units_of_the_currency(
    currency: str, subtotal: str, total: str, issue: list[str]
) -> None:
    assert codes(invoice(currency=currency, subtotal=subtotal, total=total)) == issue


def test_line_items_add_up_to_the_subtotal_or_the_total() -> None:
    read = invoice(subtotal="100.00", tax="19.00")
    assert codes(replace(read, line_items=(item("60"), item("40")))) == []
    assert codes(replace(read, line_items=(item("79"), item("40")))) == []  # with tax
    assert codes(replace(read, line_items=(item("60"), item("30")))) == ["lines_are_not_the_sum"]
    unknown = replace(item("1"), amount=None)
    assert codes(replace(read, line_items=(item("60"), unknown))) == []


def test_a_line_whose_amount_is_not_the_product_is_only_a_note() -> None:
    found = replace(invoice(), line_items=(item("119.00", "3", "40.00"),))
    (issue,) = check(found, CHECKS, TODAY)
    assert (issue.code, issue.severity) == ("line_is_not_the_product", Severity.FLAG)
    assert outcome(found, (issue,), approved=False) is Outcome.VALID


def test_due_dates_are_checked() -> None:
    assert codes(invoice(due_date="2026-04-01")) == []
    (late,) = check(invoice(due_date="2026-03-31"), CHECKS, TODAY)
    assert (late.code, late.severity) == ("past_due", Severity.FLAG)
    (strict,) = check(
        invoice(due_date="2026-03-31"), ValidationSettings(refuse_past_due=True), TODAY
    )
    assert (strict.code, strict.severity) == ("past_due", Severity.ERROR)
    assert "due_before_issued" in codes(invoice(due_date="2026-03-30"))
    assert codes(invoice(invoice_date="2026-04-02")) == ["dated_in_the_future"]


@given(
    subtotal=st.decimals(0, 10**12, places=2),
    tax=st.decimals(0, 10**12, places=2),
    off=st.decimals(-10, 10, places=2),
)
def test_sums_are_checked_to_the_cent(subtotal: Decimal, tax: Decimal, off: Decimal) -> None:
    total = subtotal + tax + off
    found = codes(invoice(subtotal=str(subtotal), tax=str(tax), total=str(total)))
    assert ("total_is_not_the_sum" in found) == (abs(off) > Decimal("0.01"))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("total", " 1234.50 ", "1234.50"),
        ("total", "", ""),
        ("due_date", "2026-04-30", "2026-04-30"),
        ("currency", "eur", "EUR"),
        ("vendor", " Acme \n GmbH ", "Acme GmbH"),
    ],
)
def test_corrections_are_stored_in_canonical_form(name: str, text: str, value: str) -> None:
    assert canonical(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("total", "1,234.50", "invalid_amount"),
        ("total", "NaN", "invalid_amount"),
        ("due_date", "31.12.2026", "invalid_date"),
        ("currency", "EURO", "unknown_currency"),
        ("colour", "red", "unknown_field"),
    ],
)
def test_invalid_corrections_are_refused_with_a_remedy(name: str, text: str, code: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        canonical(name, text)
    assert refused.value.code == code
    assert refused.value.remedy


class TestRules:
    def issues(self, expression: str, severity: str = "REVIEW", **values: str) -> list[str]:
        (rule,) = parse_rules(
            f'[{{"name": "own", "expression": "{expression}", "severity": "{severity}",'
            ' "message": "said", "field": "total"}]'
        )
        found = check(invoice(**values), ValidationSettings(rules=(rule,)), TODAY)
        return [f"{one.severity}: {one.message}" for one in found if one.code == "own"]

    @pytest.mark.parametrize(
        "expression",
        [
            "total > 100",
            "total == 119",
            "currency in ['EUR', 'CHF'] and not due_date",
            "same_vendor(vendor, 'ACME')",
            "days(today, invoice_date) >= 1",
            "invoice_date < date('2026-04-01')",
            "len(invoice_number) > 5",
            "kind == 'INVOICE' and line_count == 0",
            "total * 2 == 238.00 if currency == 'EUR' else False",
        ],
    )
    def test_apply_to_invoices_for_which_they_are_true(self, expression: str) -> None:
        assert self.issues(expression) == ["REVIEW: said"]
        assert self.issues(f"not ({expression})") == []

    def test_amounts_are_exact(self) -> None:
        assert self.issues("total == subtotal + tax", subtotal="118.90", tax="0.10") == [
            "REVIEW: said"
        ]

    def test_a_rule_that_cannot_be_evaluated_needs_review(self) -> None:
        (said,) = self.issues("tax / total > 1", severity="FLAG")
        assert said.startswith("REVIEW: the rule 'tax / total > 1' could not be evaluated")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{}", "not a list"),
            ("[1]", "rule 1 is not an object"),
            ("[", "not valid JSON"),
            (
                '[{"name": "a", "name": "b", "message": "m", "expression": "1"}]',
                "name is there twice",
            ),
            ('[{"name": "a", "message": "m"}]', "('a') has no expression"),
            ('[{"name": "a", "message": "m", "expression": "1 +"}]', "is not an expression"),
            ('[{"name": "a", "message": "m", "expression": "totl > 1"}]', "totl"),
            ('[{"name": "a", "message": "m", "expression": "open(1)"}]', "open"),
            ('[{"name": "a", "message": "m", "expression": "().__class__"}]', "__class__"),
            ('[{"name": "a", "message": "m", "expression": "1", "severity": "BAD"}]', "BAD"),
            ('[{"name": "a", "message": "m", "expression": "1", "colour": "red"}]', "colour"),
        ],
    )
    def test_an_error_in_a_rules_file_is_named(self, content: str, said: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            parse_rules(content)
        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"tax": "119.00", "total": "119.00"}, "tax_is_not_part_of_the_total"),
        ({"tax": "190.00", "total": "1000.00"}, "tax_fits_no_rate"),
        ({"subtotal": "10.00", "tax": "90.00", "total": "100.00"}, "tax_fits_no_rate"),
        ({"amount_due": "1190.00"}, "amount_due_is_not_the_total"),
        ({"amount_due": "19.00", "amount_paid": "50.00"}, "amount_due_is_not_the_total"),
        ({"invoice_date": "1999-03-14"}, "date_out_of_range"),
        ({"due_date": "2206-03-14"}, "date_out_of_range"),
        ({"currency": "XXX"}, "unknown_currency"),
    ],
)
def test_amounts_and_dates_that_cannot_be_right_need_review(
    values: dict[str, str], code: str
) -> None:
    read = invoice(**values)
    assert code in codes(read)
    assert outcome(read, check(read, CHECKS, TODAY), approved=False) is Outcome.REVIEW


def test_an_amount_due_is_what_is_left_of_the_total() -> None:
    assert codes(invoice(amount_due="119.00")) == []
    assert codes(invoice(amount_due="69.00", amount_paid="50.00")) == []


def test_a_document_that_is_no_invoice_is_never_processed() -> None:
    reminder = replace(invoice(), kind=InvoiceKind.PAYMENT_REMINDER)
    issues = check(reminder, CHECKS, TODAY)
    assert [issue.code for issue in issues] == ["not_an_invoice"]
    assert outcome(reminder, issues, approved=True) is Outcome.REVIEW
    assert codes(replace(invoice(), kind_doubt="its titles differ")) == ["ambiguous"]


def test_a_kind_is_entered_as_people_write_it() -> None:
    assert canonical("kind", " credit note ") == "CREDIT_NOTE"
    with pytest.raises(RejectedInput, match="not a kind"):
        canonical("kind", "letter")
