"""Writes to the budgets table: what an edit has to find, and what an import leaves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.budgets.adapters.dynamodb import DynamoBudgetTable
from finops.budgets.domain import BudgetKey
from finops.deployment import budgets
from finops.deployment.budgets import BudgetRows
from finops.shared.errors import RejectedInput

KEY = BudgetKey(account_id="222222222222", budget_name="monthly-total")
NAMES = {"account_id": KEY.account_id, "budget_name": KEY.budget_name}
EDIT = {"updated_by": "ann", "request_id": "r"}


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="budgets",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in NAMES],
            KeySchema=[
                {"AttributeName": "account_id", "KeyType": "HASH"},
                {"AttributeName": "budget_name", "KeyType": "RANGE"},
            ],
        )
        yield client


@pytest.fixture
def rows(dynamodb: Any) -> BudgetRows:
    return BudgetRows(dynamodb, "budgets")


def stored(dynamodb: Any) -> dict[str, Any]:
    found = {one["budget_name"]: one for one in DynamoBudgetTable(dynamodb, "budgets").rows()}
    return dict(found.get(KEY.budget_name, {}))


def test_an_edit_is_written_where_its_attributes_are_as_they_were_seen(
    dynamodb: Any, rows: BudgetRows
) -> None:
    assert rows.merge(KEY, {"amount": Decimal(5), "emails": None, **EDIT}, seen={})[0] == {}
    seen = stored(dynamodb)
    # Somebody else sets another attribute.
    rows.merge(KEY, {"thresholds": ["ACTUAL:5"], "updated_by": "bea", "request_id": "s"})
    changed = {"amount": Decimal(6), "emails": ["a@example.com"], "cost_types": "none", **EDIT}
    before, after = rows.merge(KEY, changed, seen=seen)
    assert before["updated_by"] == "bea"
    assert stored(dynamodb) == after == {**NAMES, **changed, "thresholds": ["ACTUAL:5"]}


@pytest.mark.parametrize(
    "meanwhile",
    [{"amount": Decimal(7)}, {"emails": ["b@example.com"]}, {"cost_types": "BLENDED"}],
)
def test_an_edit_of_what_has_changed_meanwhile_writes_nothing(
    dynamodb: Any, rows: BudgetRows, meanwhile: dict[str, Any]
) -> None:
    rows.merge(KEY, {"amount": Decimal(5), "emails": None})
    seen = stored(dynamodb)
    rows.merge(KEY, meanwhile)
    there = stored(dynamodb)
    changed = {"amount": Decimal(6), "emails": ["a@example.com"], "cost_types": "none", **EDIT}
    with pytest.raises(RejectedInput, match="meanwhile"):
        rows.merge(KEY, changed, seen=seen)
    assert stored(dynamodb) == there


def test_a_row_that_is_gone_or_new_meanwhile_is_left_so(dynamodb: Any, rows: BudgetRows) -> None:
    with pytest.raises(RejectedInput, match="meanwhile"):
        rows.merge(KEY, EDIT, seen={**NAMES, "amount": Decimal(5)})
    assert stored(dynamodb) == {}
    rows.merge(KEY, {"amount": Decimal(5)})
    with pytest.raises(RejectedInput, match="meanwhile"):
        rows.merge(KEY, {"amount": Decimal(6), **EDIT}, seen={})
    assert stored(dynamodb)["amount"] == 5


@pytest.mark.parametrize("asked", [0, 20])
def test_an_import_replaces_budgets_and_leaves_notes(
    dynamodb: Any, rows: BudgetRows, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    monkeypatch.setattr(budgets, "_ACCOUNTS_ASKED", asked)
    note = {"of": [Decimal(1), b"\xff", {"x"}]}
    rows.merge(KEY, {"amount": Decimal(5), "emails": ["a@example.com"], "note": note, "team": "a"})
    new = [
        {**NAMES, "budget_name": f"new-{number}", "amount": Decimal(number)}
        for number in range(1, 60)
    ]
    rows.put_all([*new, {**NAMES, "amount": Decimal(6), "team": None, **EDIT}])
    assert stored(dynamodb) == {**NAMES, "amount": Decimal(6), "note": note, **EDIT}
    assert len(list(DynamoBudgetTable(dynamodb, "budgets").rows())) == 60


def test_an_import_with_a_row_that_is_too_large_with_its_notes_writes_nothing(
    dynamodb: Any, rows: BudgetRows
) -> None:
    rows.merge(KEY, {"amount": Decimal(5), "note": "x" * 390_000})
    other = {**NAMES, "budget_name": "other", "amount": Decimal(1)}
    with pytest.raises(RejectedInput, match="would have"):
        rows.put_all([other, {**NAMES, "amount": Decimal(6), "team": "y" * 20_000}])
    assert len(list(DynamoBudgetTable(dynamodb, "budgets").rows())) == 1
