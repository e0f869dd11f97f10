"""Which accounts have budgets, and who made them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from finops.budgets import handlers
from finops.budgets.adapters.organizations import ListedAccounts, OrganizationAccounts
from finops.budgets.coverage import CoveredAccount, Source, coverage
from finops.budgets.domain import ActualBudget, RemovalPolicy
from tests.budgets.fakes import ACCOUNT, FakeSpokes, change
from tests.budgets.test_service import OTHER, World
from tests.lambda_context import Context

UNREACHABLE = "999999999999"


def covered(world: World, *accounts: str) -> list[CoveredAccount]:
    return coverage(accounts, table=world.table, statuses=world.statuses, spokes=world.spokes)


def by_hand(world: World, name: str) -> None:
    world.budgets.items[name] = ActualBudget(settings={"amount": Decimal("7.50")})


def test_each_budget_is_told_by_where_it_comes_from() -> None:
    world = World()
    world.edit(change(100))
    world.deliver()
    world.edit(change(5, sequence=2, budget_name="refused", time_unit="HOURLY"))
    by_hand(world, "ours")
    assert [(one.budget, one.source, one.amount) for one in covered(world, ACCOUNT)] == [
        ("monthly-total", Source.TABLE, "100.00"),
        ("ours", Source.BY_HAND, "7.50"),
        ("refused", Source.MISSING, None),
    ]


def test_an_account_without_a_budget_is_named_once() -> None:
    found = covered(World(), OTHER, OTHER)
    assert found == [CoveredAccount(account_id=OTHER, source=Source.NONE)]


def test_a_budget_that_outlives_its_row_is_not_taken_for_one_made_by_hand() -> None:
    world = World(RemovalPolicy.KEEP)
    world.edit(change(100))
    world.deliver()
    world.edit(change(None, sequence=2))
    assert [one.source for one in covered(world, ACCOUNT)] == [Source.KEPT]


def test_a_budget_made_by_hand_after_the_flow_removed_its_own_is_by_hand() -> None:
    world = World()
    world.edit(change(100))
    world.deliver()
    world.edit(change(None, sequence=2))
    world.deliver()
    assert [one.source for one in covered(world, ACCOUNT)] == [Source.NONE]
    by_hand(world, "monthly-total")
    assert [one.source for one in covered(world, ACCOUNT)] == [Source.BY_HAND]


def test_an_account_that_cannot_be_asked_stops_no_other() -> None:
    class Refusing(FakeSpokes):
        def budgets(self, account_id: str) -> dict[str, ActualBudget]:
            self._reach(account_id)
            return super().budgets(account_id)

    world = World()
    world.spokes = Refusing(ACCOUNT)
    world.table.items[UNREACHABLE, "monthly-total"] = dict(
        change(1, account_id=UNREACHABLE).row or {}
    )
    first, second, third = covered(world, ACCOUNT, UNREACHABLE, "888888888888")
    assert (first.account_id, first.source) == (ACCOUNT, Source.NONE)
    assert (second.source, second.budget, third.source, third.budget) == (
        Source.UNKNOWN,
        None,
        Source.UNKNOWN,
        "monthly-total",
    )
    assert "AssumeRole was refused" in third.error


def test_the_function_lists_accounts_and_answers_for_those_that_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    by_hand(world, "ours")
    monkeypatch.setenv("BUDGETS_TABLE", "budgets")
    for name, built in (
        ("_accounts", ListedAccounts([OTHER, ACCOUNT])),
        ("_statuses", world.statuses),
        ("_spokes", world.spokes),
        ("_dynamodb", None),
    ):
        monkeypatch.setattr(handlers, name, lambda built=built: built)
    monkeypatch.setattr(handlers, "DynamoBudgetTable", lambda *_: world.table)
    answer = handlers.repair_budget_drift({"coverage": True}, Context())
    assert answer == {"members": {ACCOUNT: "", OTHER: ""}}
    answer = handlers.repair_budget_drift(
        {"coverage": True, "account_ids": [ACCOUNT, OTHER]}, Context()
    )
    assert [(one["budget"], one["source"]) for one in answer["accounts"]] == [
        ("ours", "by_hand"),
        (None, "none"),
    ]


def test_active_accounts_of_the_organization_are_listed_with_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("organizations", aws_access_key_id="x", aws_secret_access_key="x")
    member: dict[str, Any] = {"Id": ACCOUNT, "Name": "Sales", "State": "ACTIVE"}
    closed = member | {"Id": OTHER, "State": "SUSPENDED"}
    second = member | {"Id": "111111111111", "Name": "Hub"}
    with Stubber(client) as stub:
        stub.add_response("list_accounts", {"Accounts": [member, closed], "NextToken": "next"}, {})
        stub.add_response("list_accounts", {"Accounts": [second]}, {"NextToken": "next"})
        found = OrganizationAccounts(lambda: client).members()
    assert found == {"111111111111": "Hub", ACCOUNT: "Sales"}
    assert list(found) == sorted(found)
