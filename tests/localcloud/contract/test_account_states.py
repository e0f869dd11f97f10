"""https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html.

"The account Status parameter … will be retired on September 9, 2026."
"""

from __future__ import annotations

import pytest

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("account_states")


def test_accounts_have_a_state_and_no_status(management: Account) -> None:
    organizations, name = management.client("organizations"), unique("member")
    asked = organizations.create_account(Email=f"{name}@example.com", AccountName=name)
    account = asked["CreateAccountStatus"]["AccountId"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    open_ones = [
        organizations.describe_account(AccountId=account)["Account"],
        *organizations.list_accounts()["Accounts"],
        *organizations.list_accounts_for_parent(ParentId=root)["Accounts"],
    ]
    assert all(one["State"] in {"ACTIVE", "CLOSED"} and "Status" not in one for one in open_ones)
    assert open_ones[0]["State"] == "ACTIVE"
    organizations.close_account(AccountId=account)
    closed = organizations.describe_account(AccountId=account)["Account"]
    assert (closed["State"], "Status" in closed) == ("CLOSED", False)
