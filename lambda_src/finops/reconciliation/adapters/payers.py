"""Clients of the payer accounts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from finops.shared.aws import AssumedRoles


class PayerAccounts:
    """Clients of the payer accounts: the own one, and others by their roles.

    Args:
        own_account: Whose credentials `own` has.
        own: Makes its clients.
        roles: Of the other payers; None where there are none.
    """

    def __init__(
        self, own_account: str, own: Callable[[str], Any], roles: AssumedRoles | None
    ) -> None:
        self._own_account = own_account
        self._own = cache(own)
        self._roles = roles

    def client(self, service: str, payer: str) -> Any:
        """A client in the payer's account."""
        if payer == self._own_account or not self._roles:
            return self._own(service)
        return self._roles.client(service, payer)


def payer_remedy(payer: str, role_name: str) -> str:
    """What to do when a payer account refuses the call."""
    return (
        f"Deploy modules/reconciliation_payer to {payer}: its role {role_name} must trust this"
        " caller with the same external id"
    )
