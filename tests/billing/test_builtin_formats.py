"""Which rows of a known export are bills, and what a dataset may say besides its columns."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest

from finops.billing.builtin_formats import BUILTIN_FORMATS, BuiltinFormat, is_builtin
from finops.billing.checking import Check, check_file
from finops.billing.dataset_format import DatasetFormat, UsedFormat, used_format
from finops.billing.mapping import lines_above
from finops.shared.rates import ExchangeRates, RatePolicy

RATES = ExchangeRates(RatePolicy(static={"EUR": Decimal(1)}))


def check(text: str, document: dict[str, Any] | None = None) -> Check:
    used = (
        used_format("billing/d/_format.json", DatasetFormat.from_document("d", document))
        if document
        else None
    )
    return check_file(lambda: io.BytesIO(text.encode()), used, RATES, "d")


def amounts(found: Check) -> dict[str, Decimal]:
    return {currency: Decimal(one) for currency, one in found.amounts.items()}


def paypal(*rows: tuple[str, str, str]) -> str:
    """An activity download with rows of (type, gross, balance impact)."""
    lines = [
        "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,Transaction ID,Balance Impact"
    ]
    for number, (kind, gross, impact) in enumerate(rows):
        lines.append(f"2026-03-05,1,Z,X,{kind},Completed,USD,{gross},0,{gross},T{number},{impact}")
    return "\n".join(lines) + "\n"


#: Names of https://developer.paypal.com/docs/reports/reference/tcodes/ and of downloads.
OWN_MONEY = (
    *("General Authorization", "Reauthorization", "Void of Authorization"),
    *("Account Hold for Open Authorization", "Hold on Available Balance", "Payment Hold"),
    *("Payment Hold Release", "Payment Review Hold", "Payment Review Release", "General Hold"),
    *("General Hold Release", "Reserve Hold", "Reserve Release", "Funds Not Yet Available"),
    *("Hold on Balance for Dispute Investigation", "Reversal of General Account Hold"),
    *("Cancellation of Hold for Dispute Resolution", "General Card Deposit"),
    *("General Credit Card Deposit", "Bank Deposit to PP Account ", "General Withdrawal"),
    *("General Withdrawal - Bank Account", "User Initiated Withdrawal", "AutoSweep"),
    *("Reversal of ACH Withdrawal Transaction", "Transfer to Bank Initiated"),
    *("Buyer Credit Payment Withdrawal - Transfer To BML", "PayPal Buyer Credit Payment Funding"),
    *("General Currency Conversion", "User Initiated Currency Conversion", "Order"),
    *("Update to Payment Received", "Something that PayPal adds later"),
)
EARNED_OR_SPENT = (
    *("Payment", "Payment Refund", "Payment Reversal", "Express Checkout Payment"),
    *("Website Payment", "Mobile Payment", "Subscription Payment", "Mass Pay Payment"),
    *("PreApproved Payment Bill User Payment", "Donation Payment", "eBay Auction Payment"),
    *("Chargeback", "Chargeback Reversal", "Chargeback Fee", "General Payment", "Fee Reversal"),
)


@pytest.mark.parametrize("kind", OWN_MONEY)
@pytest.mark.parametrize("impact", ["Credit", "Debit"])
def test_paypals_holds_and_own_transfers_are_no_bills(kind: str, impact: str) -> None:
    found = check(paypal(("Payment", "100.00", "Credit"), (kind, "60.00", impact)))
    assert amounts(found) == {"USD": Decimal(100)}
    assert [one.reason for one in found.problems] == ["left_out_by_format"]


@pytest.mark.parametrize("kind", EARNED_OR_SPENT)
def test_paypals_payments_and_what_takes_them_back_are_bills(kind: str) -> None:
    found = check(paypal((kind, "-2.50", "Debit")))
    assert (amounts(found), found.problems) == ({"USD": Decimal("-2.5")}, [])


@pytest.mark.parametrize("impact", ["Memo", "memo", "", "Other"])
def test_a_row_of_paypal_that_moves_no_money_is_no_bill(impact: str) -> None:
    found = check(paypal(("Express Checkout Payment", "9.00", impact)))
    assert (found.amounts, found.rows_quarantined) == ({}, 1)


def stripe(*categories: str) -> str:
    lines = ["balance_transaction_id,created,currency,gross,fee,net,reporting_category"]
    for number, one in enumerate(categories):
        lines.append(f"txn_{number},2026-03-05 10:15:00,usd,-4.00,0,-4.00,{one}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "category",
    [
        *("payout", "payout_reversal", "topup", "topup_reversal", "risk_reserved_funds"),
        *("connect_reserved_funds", "advance", "advance_funding", "financing_payout", "transfer"),
        *("financing_paydown", "issuing_authorization_hold", "added_by_stripe_later", ""),
    ],
)
def test_what_stripe_moves_without_earning_it_is_no_bill(category: str) -> None:
    found = check(stripe("charge", category))
    assert amounts(found) == {"USD": Decimal(-4)}
    assert [one.reason for one in found.problems] == ["left_out_by_format"]


def test_a_kind_that_is_not_known_may_be_declared() -> None:
    text = stripe("charge", "added_by_stripe_later")
    assert "`rows` of the dataset's format" in check(text).problems[0].message
    rule = {"column": "reporting_category", "keep": ["charge", "added_by_stripe_later"]}
    assert amounts(check(text, {"rows": [rule]})) == {"USD": Decimal(-8)}


@pytest.mark.parametrize("category", ["charge", "refund", "dispute", "dispute_reversal", "fee"])
def test_what_stripe_counts_as_earned_or_spent_is_a_bill(category: str) -> None:
    assert amounts(check(stripe(category))) == {"USD": Decimal(-4)}


DATEV = (
    '"EXTF";700;21;"Buchungsstapel";13;20260401120000000;;"RE";"";"";1001;1;20260101;4;'
    '20260301;20260331;"";"";1;0;0;"EUR"\n'
    "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Konto;BU-Schlüssel;Belegdatum;"
    "Belegfeld 1;Buchungstext;Generalumkehr (GU)\n"
)


def datev(currency: str = "EUR", key: str = "", reversal: str = "", side: str = "S") -> str:
    return (
        f'{DATEV}100,00;"S";"{currency}";4930;"";0503;"RE-1";"Miete";"0"\n'
        f'7,00;"{side}";"{currency}";4930;"{key}";0503;"RE-2";"Storno";"{reversal}"\n'
    )


@pytest.mark.parametrize(
    ("key", "reversal"),
    [("", "1"), ("", "G"), ("", "g"), ("20", ""), ("29", ""), ("69", "0"), ("0080", "")],
)
@pytest.mark.parametrize("side", ["S", "H"])
def test_a_generalumkehr_is_a_reject_since_its_side_is_not_certain(
    key: str, reversal: str, side: str
) -> None:
    found = check(datev(key=key, reversal=reversal, side=side))
    assert amounts(found) == {"EUR": Decimal(100)}
    assert "`--corrects FILE`" in found.problems[0].message


@pytest.mark.parametrize("key", ["", "9", "40", "0093", "101"])
def test_a_booking_with_another_key_is_none(key: str) -> None:
    assert amounts(check(datev(key=key, reversal="0"))) == {"EUR": Decimal(107)}


def test_a_dataset_says_what_a_known_export_leaves_open() -> None:
    """Its columns stay known; only what names other columns takes their place."""
    found = check(datev(currency=""), {"defaults": {"currency": "EUR"}})
    assert (amounts(found), found.error) == ({"EUR": Decimal(107)}, "")
    assert found.used is not None
    assert is_builtin(found.used.source)
    document = {"constants": {"country": "DE"}, "extra": ["Name"], "negate": True}
    found = check(paypal(("Payment", "5.00", "Credit")), document)
    assert (amounts(found), found.error) == ({"USD": Decimal(-5)}, "")


def test_a_datasets_rule_takes_the_place_of_the_built_in_one_of_its_column() -> None:
    rule = {"column": "type", "keep": ["Payment Hold"]}
    found = check(
        paypal(
            ("Payment", "1", "Debit"), ("Payment Hold", "5", "Debit"), ("Payment Hold", "7", "")
        ),
        {"rows": [rule]},
    )
    assert amounts(found) == {"USD": Decimal(5)}


@pytest.mark.parametrize("case", ["Draft", "draft", "DRAFT", " Draft "])
@pytest.mark.parametrize("rule", [{"leave_out": ["Draft"]}, {"keep": ["Paid"]}])
def test_a_value_is_left_out_in_letters_of_any_case(case: str, rule: dict[str, Any]) -> None:
    text = f"id,date,currency,amount,Status\n1,2026-03-05,USD,5,{case}\n2,2026-03-05,USD,8,paid\n"
    found = check(text, {"rows": [{"column": "Status", **rule}]})
    assert amounts(found) == {"USD": Decimal(8)}


def test_a_rule_says_why_a_row_is_no_bill() -> None:
    rule = {"column": "Kind", "leave_out": ["* (hold)"], "message": "ask Finance"}
    text = "id,date,currency,amount,Kind\n1,2026-03-05,USD,5,A (hold)\n2,2026-03-05,USD,8,Holding\n"
    found = check(text, {"rows": [rule]})
    assert amounts(found) == {"USD": Decimal(8)}
    assert found.problems[0].message == "Kind 'A (hold)': ask Finance"


@pytest.mark.parametrize("one", BUILTIN_FORMATS, ids=lambda one: one.name)
def test_the_ledger_can_read_a_built_in_format_again(one: BuiltinFormat) -> None:
    """Parts of a large file are read by it, with what the dataset says besides."""
    used = used_format(one.name, one.format)
    assert UsedFormat.from_document(json.loads(json.dumps(used.to_document()))) == used


def test_the_ledger_can_read_a_format_that_an_older_release_used() -> None:
    """Xero's had one value in two spellings."""
    rule = {"column": "Type", "keep": ["Sales invoice", "Sales Invoice"]}
    assert DatasetFormat.from_document("xero_invoices", {"rows": [rule]}).rows


def test_a_column_that_the_dataset_names_takes_the_place_of_a_built_in_one() -> None:
    text = (
        "Date,Time,Type,Status,Currency,Gross,Fee,Net,Transaction ID\n"
        "2026-03-05,1,Payment,Completed,USD,10.00,-0.50,9.50,T1\n"
    )
    found = check(text, {"columns": {"bill_amount": "Net"}})
    assert (amounts(found), found.error) == ({"USD": Decimal("9.5")}, "")
    found = check(text, {"id_from": ["Transaction ID", "Time"]})
    assert (amounts(found), found.notes) == ({"USD": Decimal(10)}, {"hashed_ids": 1})
    found = check(text, {"columns": {"bill_amount": "Nett"}})
    assert found.error_code == "format_mismatch"


@pytest.mark.parametrize(
    ("currency", "loaded"), [("JPY", {}), ("usd", {"USD": 5}), ("$", {"USD": 5}), ("", {"USD": 5})]
)
def test_a_constant_currency_never_takes_the_place_of_another_one(
    currency: str, loaded: dict[str, int]
) -> None:
    text = f"id,date,ccy,amount\n1,2026-03-05,{currency},5\n"
    found = check(text, {"constants": {"currency": "USD"}})
    assert amounts(found) == {name: Decimal(one) for name, one in loaded.items()}
    assert found.rows_quarantined == (0 if loaded else 1)


def test_rejects_can_be_read_again_below_the_lines_that_their_format_needs() -> None:
    """DATEV's days have no year but for its first line; `skip_lines` would skip the header."""
    found = check(datev())
    above = lines_above(found.used)
    rows = datev().splitlines()[1:]
    again = check("\n".join([";".join(above[0]), *rows]) + "\n")
    assert (len(above), amounts(again)) == (1, amounts(found))
    skipping = check("Bills\n\nid,date,currency,amount\n1,2026-03-05,USD,5\n", {"skip_lines": 2})
    assert (lines_above(skipping.used), lines_above(None)) == ([[], []], [])
