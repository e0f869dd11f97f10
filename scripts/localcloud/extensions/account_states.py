"""Accounts of an organization have a state and, since September 9, 2026, no status.

AWS: "Monitor the state of your AWS accounts"
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html
MiniStack answers the status alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import organizations

from localcloud.extensions._patch import wrap


def _public(original: Callable[[Any], dict[str, Any]], account: Any) -> dict[str, Any]:
    found = original(account)
    status = found.pop("Status")
    # MiniStack has only closed accounts that are suspended.
    return {**found, "State": "CLOSED" if status == "SUSPENDED" else status}


def install() -> None:
    """Answer DescribeAccount, ListAccounts and ListAccountsForParent as AWS does."""
    wrap(organizations, "_public_account", _public)
