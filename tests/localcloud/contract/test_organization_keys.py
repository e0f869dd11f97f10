"""Roles of an organization's accounts: what the budgets flow needs where it serves one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourceorgid
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, policy, unique

pytestmark = pytest.mark.needs("organization_keys")


@pytest.fixture
def manager(spoke: Account) -> Account:
    """The management account of an organization of its own."""
    return Account("444444444444", spoke.endpoint_url)


@pytest.fixture
def member(manager: Account) -> Account:
    asked = manager.client("organizations").create_account(
        Email=f"{unique('member')}@example.com", AccountName="member"
    )
    return Account(asked["CreateAccountStatus"]["AccountId"], manager.endpoint_url)


def _trusting_role(account: Account, name: str, hub_role: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"AWS": hub_role}, "Action": "sts:AssumeRole"}
    account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    return f"arn:aws:iam::{account.id}:role/{name}"


def test_a_role_of_the_organization_is_assumed_and_one_outside_of_it_is_not(
    manager: Account, member: Account, spoke: Account
) -> None:
    organization = manager.client("organizations").describe_organization()["Organization"]["Id"]
    name = unique("contract-spoke")
    statement: dict[str, Any] = {
        **allow("sts:AssumeRole", f"arn:aws:iam::*:role/{name}"),
        "Condition": {"StringEquals": {"aws:ResourceOrgID": organization}},
    }
    hub_role = manager.role(statement)
    inside, outside = (_trusting_role(one, name, hub_role) for one in (member, spoke))
    sts = manager.client("sts", manager.assume(hub_role))
    assume = partial(sts.assume_role, RoleSessionName="contract")
    assert assume(RoleArn=inside)["Credentials"]
    assert error_code(lambda: assume(RoleArn=outside)) == "AccessDenied"


def test_accounts_are_listed_below_the_unit_that_holds_them(
    manager: Account, member: Account
) -> None:
    """API_ListAccountsForParent.html: only the accounts directly in a root or unit."""
    organizations = manager.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    create = organizations.create_organizational_unit
    outer = create(ParentId=root, Name=unique("outer"))["OrganizationalUnit"]["Id"]
    inner = create(ParentId=outer, Name=unique("inner"))["OrganizationalUnit"]["Id"]
    move = partial(organizations.move_account, AccountId=member.id)
    move(SourceParentId=root, DestinationParentId=inner)

    def accounts(parent: str) -> set[str]:
        pages = organizations.get_paginator("list_accounts_for_parent").paginate(ParentId=parent)
        return {one["Id"] for page in pages for one in page["Accounts"]}

    units = organizations.get_paginator("list_organizational_units_for_parent")
    below = [
        one["Id"] for page in units.paginate(ParentId=outer) for one in page["OrganizationalUnits"]
    ]
    assert below == [inner]
    assert (accounts(outer), accounts(inner)) == (set(), {member.id})
    assert member.id not in accounts(root)


def test_an_account_that_is_no_member_is_not_found(manager: Account) -> None:
    """API_DescribeAccount.html"""
    describe = manager.client("organizations").describe_account
    assert error_code(lambda: describe(AccountId="999999999999")) == "AccountNotFoundException"
