from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.documents import BudgetDocument, decode_document, document_for, row_of
from finops.budgets.rows import parse_budget
from finops.shared.errors import RejectedInput
from tests.budgets.fakes import change


def test_a_document_survives_its_encoding() -> None:
    document = document_for(
        change(
            "1250.50",
            time_unit="QUARTERLY",
            thresholds=["ACTUAL:80", "FORECASTED:99.5"],
            emails=["finance@example.com"],
            cost_filters={"Service": ["Amazon S3"]},
        )
    )
    assert decode_document(document.encode()) == document


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"thresholds": "none", "emails": "none"},
        {"delivery": "payer"},
        {"planned_amounts": {"2027-01": "150"}},
        {"planned_amounts": {"2027-01": "1200/year"}, "phasing": ",".join(["12"] * 12)},
        {"time_unit": "DAILY", "cost_filters": {"Service": ["Amazon S3"]}},
    ],
)
def test_what_a_default_hands_on_is_a_row_again(fields: dict[str, Any]) -> None:
    edit = change(100, account_id="*", **fields)
    assert edit.row is not None
    document = BudgetDocument(
        key=edit.key,
        version=edit.version,
        request_id="",
        edited_at=None,
        budget=parse_budget(edit.row, defaults=True),
    )
    decoded = decode_document(document.encode(), defaults=True)
    assert decoded == document
    row = row_of(decoded)
    assert row is not None
    assert parse_budget(row, defaults=True) == document.budget
    # The account's own: one of the payer has a filter on it.
    own = {"account_id": "222222222222"}
    assert parse_budget({**row, **own}) == parse_budget({**edit.row, **own})
    assert row_of(replace(document, budget=None)) is None
    with pytest.raises(RejectedInput):
        decode_document(document.encode())


def test_a_removal_survives_its_encoding() -> None:
    document = document_for(change(None))
    assert document.budget is None
    assert decode_document(document.encode()) == document


@given(st.decimals(min_value=Decimal("0.01"), max_value=10**12, places=2))
def test_an_amount_is_exact_to_the_cent_through_a_document(amount: Decimal) -> None:
    budget = decode_document(document_for(change(amount)).encode()).budget
    assert budget is not None
    assert budget.amount == amount


def test_the_same_wish_has_the_same_digest_whoever_asks() -> None:
    first = document_for(change("100", sequence=1, thresholds=["ACTUAL:80"]))
    second = document_for(change(Decimal("100.0"), sequence=2, thresholds="actual:80.0"))
    assert first.content_digest == second.content_digest
    assert first.content_digest != document_for(change(101)).content_digest
    assert first.content_digest != replace(first, budget=None).content_digest


def test_refuses_a_budget_that_no_parameter_can_hold() -> None:
    filters = {"Service": [f"Service {number} {'x' * 60}" for number in range(60)]}
    with pytest.raises(RejectedInput) as refused:
        document_for(change(100, cost_filters=filters))
    assert refused.value.code == "budget_too_large"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1, "account_id": "222222222222", "amount": "5"}',
        '{"schema": 1, "account_id": "222222222222", "state": "present", "amount": "abc"}',
        '{"schema": 1, "account_id": "222222222222", "state": "absent", "edited_at": "noon"}',
    ],
)
def test_refuses_what_somebody_typed_over_a_parameter(text: str) -> None:
    with pytest.raises(RejectedInput):
        decode_document(text)


def test_reads_a_json_number_exactly() -> None:
    budget = decode_document(
        '{"schema": 1, "account_id": "222222222222", "state": "present", "amount": 5.55}'
    ).budget
    assert budget is not None
    assert budget.amount == Decimal("5.55")
