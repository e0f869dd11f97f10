"""Which accounts may have budgets: those of a list, or those of the organization."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError

_ACTIVE: Final = "ACTIVE"


class ListedAccounts:
    """The accounts that the deployment names."""

    def __init__(self, account_ids: Collection[str]) -> None:
        self._account_ids = frozenset(account_ids)

    def reason_against(self, account_id: str) -> str:
        """Why no budget can be made in an account; empty where nothing is known."""
        if account_id in self._account_ids:
            return ""
        return f"account {account_id} is not among the module's spoke_account_ids"

    def members(self) -> dict[str, str]:
        """The accounts by id, with their names, which nobody has given here."""
        return dict.fromkeys(sorted(self._account_ids), "")


class OrganizationAccounts:
    """The accounts of the organization, as its management account sees them.

    Args:
        client: Makes the client, which a function needs only when a role is refused.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._make_client = cache(client)
        self._lock = threading.Lock()
        self._members: set[str] = set()

    def reason_against(self, account_id: str) -> str:
        """Why no budget can be made in an account; empty where nothing is known.

        https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html
        """
        if account_id in self._members:
            return ""
        try:
            with aws_errors("describe_account"):
                account = self._client().describe_account(AccountId=account_id)["Account"]
        except FinOpsError as error:
            # Only a delegated administrator and the management account may ask.
            found = error.code != "AccountNotFoundException"
            return "" if found else f"account {account_id} is not in the organization"
        state = _state(account)
        if state != _ACTIVE:
            return f"account {account_id} is {state.replace('_', ' ').lower()}"
        self._members.add(account_id)
        return ""

    def members(self) -> dict[str, str]:
        """The active accounts of the organization by id, with their names.

        https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
        """
        with aws_errors("list_accounts"):
            pages = self._client().get_paginator("list_accounts").paginate()
            found = {one["Id"]: one for page in pages for one in page["Accounts"]}
        return {
            account_id: one.get("Name", "")
            for account_id, one in sorted(found.items())
            if _state(one) == _ACTIVE
        }

    def _client(self) -> Any:
        with self._lock:  # boto3 makes one client at a time
            return self._make_client()


def _state(account: Mapping[str, Any]) -> str:
    """Of an account, as AWS tells it.

    AWS has removed `Status`, and an older botocore does not know `State` yet.
    """
    return str(account.get("State") or account.get("Status") or _ACTIVE)
