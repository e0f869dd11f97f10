"""Rows that are the budget of every account without one of its own.

Such a row's account is `*`, or an organizational unit's id. For each budget name an account has its
own row, else that of the nearest unit above it, else that of `*`.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

EVERY_ACCOUNT: Final = "*"
# https://docs.aws.amazon.com/organizations/latest/APIReference/API_OrganizationalUnit.html
_UNIT: Final = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}")


def is_unit(account_id: object) -> bool:
    """Whether it is the id of an organizational unit."""
    return isinstance(account_id, str) and bool(_UNIT.fullmatch(account_id))


def is_default(account_id: object) -> bool:
    """Whether a row of this account is the default of many."""
    return account_id == EVERY_ACCOUNT or is_unit(account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class InheritedRow:
    """A default, as the row of an account that has none of its own.

    `default_of` is `*` or the unit whose row it is.
    """

    default_of: str
    row: Mapping[str, Any]


def inherited_rows(
    account_id: str,
    defaults: Iterable[Mapping[str, Any]],
    *,
    units: Sequence[str],
    own: Collection[str],
) -> dict[str, InheritedRow]:
    """What an account inherits, by budget name.

    Args:
        account_id: The account.
        defaults: The rows of `*` and of units.
        units: The units above the account, the nearest first.
        own: Names of the budgets that have a row of the account's own.
    """
    nearest = {unit: distance for distance, unit in enumerate((*units, EVERY_ACCOUNT))}
    found: dict[str, InheritedRow] = {}
    for row in sorted(
        (one for one in defaults if one["account_id"] in nearest),
        key=lambda one: nearest[one["account_id"]],
    ):
        name = str(row["budget_name"])
        if name not in own and name not in found:
            found[name] = InheritedRow(
                default_of=row["account_id"], row={**row, "account_id": account_id}
            )
    return found


def units_above(account_id: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The units above an account, the nearest first, by the parent of each unit and account."""
    found: list[str] = []
    child = account_id
    while (parent := parents.get(child)) is not None and parent not in found:
        found.append(parent)
        child = parent
    return tuple(found)
