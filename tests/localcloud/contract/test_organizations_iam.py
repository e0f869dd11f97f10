"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, unique

pytestmark = pytest.mark.needs("organizations_iam")

DENIED = "AccessDeniedException"


@pytest.fixture
def manager(spoke: Account) -> Account:
    """The management account of an organization of its own."""
    return Account("555555555555", spoke.endpoint_url)


@pytest.fixture
def organization(manager: Account) -> str:
    found = manager.client("organizations").describe_organization()["Organization"]
    return str(found["Id"])


@pytest.fixture
def root(manager: Account) -> str:
    return str(manager.client("organizations").list_roots()["Roots"][0]["Id"])


@pytest.fixture
def unit(manager: Account, root: str) -> str:
    made = manager.client("organizations").create_organizational_unit(
        ParentId=root, Name=unique("unit")
    )
    return str(made["OrganizationalUnit"]["Id"])


@pytest.fixture
def member(manager: Account, root: str, unit: str) -> str:
    """An account in the unit."""
    organizations = manager.client("organizations")
    asked = organizations.create_account(
        Email=f"{unique('member')}@example.com", AccountName="member"
    )
    account_id = str(asked["CreateAccountStatus"]["AccountId"])
    organizations.move_account(AccountId=account_id, SourceParentId=root, DestinationParentId=unit)
    return account_id


def as_role(manager: Account, actions: str | list[str], *resources: str) -> Any:
    statement = allow(actions, list(resources))
    return manager.client("organizations", manager.assume(manager.role(statement)))


def arn(kind: str, organization: str, name: str = "*") -> str:
    return f"arn:aws:organizations::*:{kind}/{organization}/{name}"


def test_what_is_in_a_unit_is_asked_of_the_unit(
    manager: Account, organization: str, root: str, unit: str, member: str
) -> None:
    actions = [
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
    ]
    ask = as_role(manager, actions, arn("ou", organization))
    assert [one["Id"] for one in ask.list_accounts_for_parent(ParentId=unit)["Accounts"]] == [
        member
    ]
    assert ask.list_organizational_units_for_parent(ParentId=unit)["OrganizationalUnits"] == []
    assert error_code(lambda: ask.list_accounts_for_parent(ParentId=root)) == DENIED
    listed = partial(ask.list_organizational_units_for_parent, ParentId=root)
    assert error_code(listed) == DENIED
    of_root = as_role(manager, actions, arn("root", organization, root))
    assert of_root.list_accounts_for_parent(ParentId=root)["Accounts"]
    assert error_code(lambda: of_root.list_accounts_for_parent(ParentId=unit)) == DENIED


def test_the_parent_is_asked_of_the_child(
    manager: Account, organization: str, unit: str, member: str
) -> None:
    of_accounts = as_role(manager, "organizations:ListParents", arn("account", organization))
    (parent,) = of_accounts.list_parents(ChildId=member)["Parents"]
    assert parent["Id"] == unit
    assert error_code(lambda: of_accounts.list_parents(ChildId=unit)) == DENIED
    of_units = as_role(manager, "organizations:ListParents", arn("ou", organization))
    assert of_units.list_parents(ChildId=unit)["Parents"]


def test_an_account_is_described_by_its_own_arn(
    manager: Account, organization: str, unit: str, member: str
) -> None:
    ask = as_role(
        manager, "organizations:Describe*", arn("account", organization, member), arn("ou", "o-no")
    )
    assert ask.describe_account(AccountId=member)["Account"]["Id"] == member
    assert error_code(lambda: ask.describe_account(AccountId=manager.id)) == DENIED
    # Of another organization.
    assert error_code(lambda: ask.describe_organizational_unit(OrganizationalUnitId=unit)) == DENIED


def test_what_is_about_no_resource_needs_a_star(manager: Account, organization: str) -> None:
    named = f"arn:aws:organizations::{manager.id}:organization/{organization}"
    for action, call in (
        ("ListAccounts", "list_accounts"),
        ("ListRoots", "list_roots"),
        ("DescribeOrganization", "describe_organization"),
    ):
        assert getattr(as_role(manager, f"organizations:{action}", "*"), call)()
        refused = as_role(manager, f"organizations:{action}", named, arn("account", organization))
        assert error_code(getattr(refused, call)) == DENIED
