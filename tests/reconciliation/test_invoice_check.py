"""Charges against invoices: what agrees, what differs, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from finops.invoices.identity import number_key
from finops.reconciliation.domain import Charge, ChargeCategory, IssuedInvoice
from finops.reconciliation.invoice_check import check_invoices, focus_rule
from finops.reconciliation.report import Agreement, InvoiceLine
from tests.reconciliation.fakes import PAYER, charge


def invoice(
    amount: str,
    number: str = "EUINV26-1",
    *,
    currency: str = "USD",
    base: str = "",
    tax: str = "",
    payer: str = PAYER,
) -> IssuedInvoice:
    return IssuedInvoice(
        payer=payer,
        number=number,
        issuer="Amazon Web Services, Inc.",
        amount=Decimal(amount),
        currency=currency,
        tax=Decimal(tax) if tax else None,
        base_amount=Decimal(base or amount),
        base_currency="USD",
        base_tax=Decimal(tax) if tax else None,
    )


def check(
    charges: Sequence[Charge],
    issued: Sequence[IssuedInvoice] | None = (),
    processed: Sequence[IssuedInvoice] = (),
    *,
    is_open: bool = False,
) -> list[InvoiceLine]:
    numbers = {one.invoice_id for one in charges} | {one.number for one in issued or ()}
    numbers |= {one.number for one in processed}
    return check_invoices(
        charges,
        issued,
        processed,
        is_open=is_open,
        number_key={one: number_key(one) for one in numbers},
    )


def test_charges_of_an_invoice_agree_with_it_and_with_its_document() -> None:
    charges = [charge("99.996", invoice="EUINV26-1"), charge("0.004", invoice="EUINV26-1")]
    [line] = check(charges, [invoice("100.00")], [invoice("100.00", "euinv26 1", payer="")])
    assert (line.agreement, line.charged, line.invoiced, line.processed, line.difference) == (
        Agreement.AGREES,
        *([Decimal("100.00")] * 3),
        Decimal("0.00"),
    )


@pytest.mark.parametrize(
    ("charges", "issued", "reason"),
    [
        (
            [charge("100"), charge("-25", service="S3", category=ChargeCategory.CREDIT)],
            invoice("100"),
            "credit",
        ),
        ([charge("100"), charge("-7", category=ChargeCategory.REFUND)], invoice("100"), "credit"),
        ([charge("100"), charge("19", category=ChargeCategory.TAX)], invoice("100"), "tax"),
        ([charge("100")], invoice("119", tax="19"), "tax"),
        ([charge("33.333")] * 3 + [charge("0.02")], invoice("100.01"), "rounding"),
        ([charge("100")], invoice("88", currency="JPY", base=""), "currency"),
    ],
)
def test_names_what_makes_a_difference(
    charges: list[Charge], issued: IssuedInvoice, reason: str
) -> None:
    if reason == "currency":
        issued = IssuedInvoice(
            payer=PAYER, number="J", issuer="AWS", amount=Decimal(88), currency="JPY"
        )
    [line, *_] = check(charges, [issued])
    assert (line.agreement, line.reason) == (Agreement.EXPLAINED, reason)
    assert line.explanation


def test_compares_in_the_currency_of_the_charges() -> None:
    [line, *_] = check([charge("110")], [invoice("100", currency="EUR", base="110")])
    assert (line.agreement, line.currency, line.invoiced) == (Agreement.AGREES, "USD", Decimal(110))


def test_an_invoice_that_states_no_amount_is_no_difference_and_no_agreement() -> None:
    unpriced = replace(
        invoice("1"), amount=None, currency="", base_amount=None, base_currency="", tax=None
    )
    [line] = check([charge("100", invoice="EUINV26-1")], [unpriced])
    assert (line.agreement, line.difference, line.reason) == (Agreement.MISSING, None, "")
    assert line.explanation == "AWS lists the invoice without an amount"
    [line] = check([], [unpriced], [invoice("100", payer="")])
    assert (line.agreement, line.processed, line.difference) == (
        Agreement.MISSING,
        Decimal(100),
        None,
    )
    assert "AWS states no amount" in line.explanation


def test_an_invoice_without_a_number_counts_for_its_payer() -> None:
    nameless = replace(invoice("100"), number="")
    [line, alone] = check([charge("100")], [nameless])
    assert (line.agreement, line.invoiced) == (Agreement.AGREES, Decimal(100))
    assert "without a number" in line.explanation
    assert (alone.invoice_id, alone.invoiced) == ("", Decimal(100))
    [unnamed, _] = check([charge("100", invoice="EUINV26-1")], [nameless])
    assert "AWS lists no number of it" in unnamed.explanation


def test_an_unknown_difference_is_not_explained_away() -> None:
    [line, *_] = check([charge("100")], [invoice("93.10")])
    assert (line.agreement, line.reason, line.difference) == (
        Agreement.DIFFERS,
        "",
        Decimal("6.90"),
    )
    assert "6.90 USD charged but not invoiced" in line.explanation
    [early, *_] = check([charge("100")], [invoice("93.10")], is_open=True)
    assert (early.agreement, early.reason) == (Agreement.DIFFERS, "late_data")


def test_a_payer_without_ids_is_held_against_all_its_invoices() -> None:
    charges = [charge("60"), charge("40", service="Marketplace")]
    lines = check(charges, [invoice("60", "A"), invoice("40", "B")], [invoice("41", "B")])
    assert [(one.invoice_id, one.charged, one.invoiced, one.agreement) for one in lines] == [
        ("", Decimal("100.00"), Decimal(100), Agreement.AGREES),
        ("A", None, Decimal(60), Agreement.MISSING),
        ("B", None, Decimal(40), Agreement.DIFFERS),
    ]
    assert "invoices A, B" in lines[0].explanation


def test_says_what_is_not_there() -> None:
    [asked] = check([charge("1", invoice="X")], [])
    [unasked] = check([charge("1", invoice="X")], None)
    [waiting] = check([charge("1")], [], is_open=True)
    [stray] = check([], [], [invoice("5", "STRAY", payer="")])
    assert "AWS does not list this invoice" in asked.explanation
    assert "was not queried" in unasked.explanation
    assert "no invoice for this month yet" in waiting.explanation
    assert (stray.processed, stray.agreement) == (Decimal(5), Agreement.MISSING)


def test_focus_rule_holds_only_to_the_cent() -> None:
    charges = [charge("100", invoice="A"), charge("50", invoice="B")]
    held = focus_rule(check(charges, [invoice("100", "A"), invoice("50", "B")]))
    broken = focus_rule(check(charges, [invoice("100", "A"), invoice("50.01", "B")]))
    unknown = focus_rule(check([charge("1")], []))
    assert (held.holds, held.expected, held.found) == (True, Decimal(150), Decimal(150))
    assert (broken.holds, "different: B" in broken.note) == (False, True)
    assert unknown.holds is None
