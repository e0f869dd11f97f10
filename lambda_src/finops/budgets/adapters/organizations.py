"""Which accounts may have budgets: those of a list, or those of the organization."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError

_ACTIVE: Final = "ACTIVE"
_KEPT_SECONDS: Final = 300


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

    def is_below(self, _account_id: str, _unit: str) -> bool:
        """Whether an account is in a unit, of which a list knows nothing."""
        return False

    def inherits(self, account_id: str) -> bool:
        """Whether an account may have budgets by default."""
        return account_id in self._account_ids

    def parents(self, _units: Collection[str]) -> dict[str, str]:
        """The unit above each unit and account, of which a list knows nothing."""
        return {}


class OrganizationAccounts:
    """The accounts of the organization, as its management account sees them.

    Args:
        client: Makes the client, which a function needs only when a role is refused.
    """

    def __init__(
        self, client: Callable[[], Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make_client = cache(client)
        self._clock = clock
        self._lock = threading.Lock()
        self._members: set[str] = set()
        self._management_account = ""
        self._read_parents: tuple[float, frozenset[str], dict[str, str]] | None = None

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

    def inherits(self, account_id: str) -> bool:
        """Whether an account may have budgets by default: not the management account.

        Raises:
            FinOpsError: the organization cannot be asked which that is.
        """
        if not self._management_account:
            with aws_errors("describe_organization"):
                found = self._client().describe_organization()["Organization"]
            self._management_account = found["MasterAccountId"]
        return account_id != self._management_account and not self.reason_against(account_id)

    def is_below(self, account_id: str, unit: str) -> bool:
        """Whether an account is in a unit or below it, asked of the account itself.

        https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html

        Raises:
            FinOpsError: the organization cannot be asked, so that nobody knows.
        """
        child = account_id
        while child and child != unit:
            try:
                with aws_errors("list_parents"):
                    (parent,) = self._client().list_parents(ChildId=child)["Parents"]
            except ConfigurationError as error:
                if error.code == "ChildNotFoundException":
                    return False
                raise
            child = parent["Id"] if parent["Type"] == "ORGANIZATIONAL_UNIT" else ""
        return child == unit

    def parents(self, units: Collection[str]) -> dict[str, str]:
        """The unit above each unit and account that is below one of these units.

        Kept for five minutes, since every account is listed:
        https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html

        Raises:
            FinOpsError: the organization cannot be asked, so that nobody knows.
        """
        now, asked = self._clock(), frozenset(units)
        if not (kept := self._read_parents) or kept[1] != asked or now - kept[0] > _KEPT_SECONDS:
            self._read_parents = kept = (now, asked, self._parents(asked))
        return kept[2]

    def _parents(self, units: Collection[str]) -> dict[str, str]:
        parents: dict[str, str] = {}
        waiting, seen = list(units), set(units)
        while waiting:
            unit = waiting.pop()
            below = self._below(unit, "list_organizational_units_for_parent", "OrganizationalUnits")
            parents |= dict.fromkeys(
                self._below(unit, "list_accounts_for_parent", "Accounts"), unit
            )
            parents |= dict.fromkeys(below, unit)
            waiting += [one for one in below if one not in seen]
            seen.update(below)
        return parents

    def _below(self, unit: str, operation: str, member: str) -> list[str]:
        """What is directly in a unit, which is nothing where it does not exist any more."""
        try:
            with aws_errors(operation):
                pages = self._client().get_paginator(operation).paginate(ParentId=unit)
                return [one["Id"] for page in pages for one in page[member]]
        except ConfigurationError as error:
            if error.code == "ParentNotFoundException":  # AWS deletes empty units only
                return []
            raise

    def _client(self) -> Any:
        with self._lock:  # boto3 makes one client at a time
            return self._make_client()


def _state(account: Mapping[str, Any]) -> str:
    """Of an account, as AWS tells it.

    AWS has removed `Status`, and an older botocore does not know `State` yet.
    """
    return str(account.get("State") or account.get("Status") or _ACTIVE)
