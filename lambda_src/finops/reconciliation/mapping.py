"""Which business unit bears a charge."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from finops.reconciliation.domain import UNMAPPED, Charge, ChargeCategory, shared_out
from finops.shared.money import WIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who answers for costs."""

    business_unit: str
    cost_centre: str = ""
    owner: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account in the mapping; it may be listed without an owner."""

    id: str
    name: str = ""
    ownership: Ownership | None = None


def spellings(key: str) -> tuple[str, ...]:
    """A tag's key in every spelling that a source may give it.

    CUR tells tags of users from those of AWS by a prefix (`resourceTags/user:team`, and
    `resource_tags_user_team` in Athena), and a map's keys have it too.
    """
    plain = _snake_case(key.removeprefix("aws:").removeprefix("user:"))
    prefixed = (
        f"{by}{mark}{name}"
        for by in ("user", "aws")
        for mark, name in ((":", key), ("_", key), ("_", plain))
    )
    return tuple(dict.fromkeys((key, *prefixed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagKey:
    """A tag by whose values all costs are shown.

    Attributes:
        ignore_case: Whether keys and values are compared without regard to case.
    """

    key: str
    ignore_case: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """In every spelling, as they are compared."""
        found = spellings(self.key)
        return tuple(dict.fromkeys(map(str.lower, found))) if self.ignore_case else found


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """Charges of resources whose tag has one of these values belong to `ownership`.

    Attributes:
        ignore_case: Whether keys and values are compared without regard to case.
    """

    key: str
    values: tuple[str, ...]
    ownership: Ownership
    ignore_case: bool = False

    @property
    def name(self) -> str:
        """For messages: other rules may have the same one."""
        return f"{self.key}={'|'.join(self.values)}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The key in every spelling that a source may give it."""
        return spellings(self.key)

    def compared(self, texts: Iterable[str]) -> list[str]:
        """Keys or values as they are compared."""
        return [one.lower() if self.ignore_case else one for one in texts]


class Split(StrEnum):
    """How a shared cost is divided between business units."""

    PROPORTIONAL = "proportional"
    """By what they spend themselves in the month."""
    EVEN = "even"
    FIXED = "fixed"
    """By set shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCost:
    """Costs that several business units bear together.

    Attributes:
        services, accounts, categories: Which charges; an empty one stands for all. Accounts are
            linked accounts.
        units: Who bears them; all units with costs of their own where it is empty.
        shares: Of each unit, for a FIXED split; they need not add up to 100.
    """

    name: str
    services: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    categories: frozenset[ChargeCategory] = frozenset()
    split: Split = Split.PROPORTIONAL
    units: tuple[str, ...] = ()
    shares: Mapping[str, Decimal] = field(default_factory=dict)

    def covers(self, charge: Charge) -> bool:
        """Whether the charge is shared by this rule."""
        return (
            (not self.services or charge.service in self.services)
            and (not self.accounts or charge.linked_account in self.accounts)
            and (not self.categories or charge.category in self.categories)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGroup:
    """Business units, or groups of them, that are summed up for somebody.

    Attributes:
        members: Names of units and groups.
    """

    name: str
    members: tuple[str, ...]
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class CostMapping:
    """The rules, in the order in which they apply: shared costs, tags, accounts.

    Attributes:
        payers: The payer accounts by id. A payer's ownership holds for all of its linked accounts
            where the mapping names no linked account at all, else for its own costs only.
        linked: Linked accounts by id; they come before payers.
    """

    payers: Mapping[str, Account] = field(default_factory=dict)
    linked: Mapping[str, Account] = field(default_factory=dict)
    tag_rules: tuple[TagRule, ...] = ()
    shared_costs: tuple[SharedCost, ...] = ()

    def ownership(self, charge: Charge) -> Ownership | None:
        """Who answers for the charge; None where no rule says."""
        if charge.tag_rule:
            return self.tag_rules[charge.tag_rule - 1].ownership
        account = self.linked.get(charge.linked_account)
        if account and account.ownership:
            return account.ownership
        payer = self.payers.get(charge.payer_account)
        if payer and (charge.linked_account == payer.id or not self.linked):
            return payer.ownership
        return None

    def account_name(self, account_id: str) -> str:
        """The account's name, or an empty text."""
        for accounts in (self.linked, self.payers):
            if account_id in accounts and accounts[account_id].name:
                return accounts[account_id].name
        return ""

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Every business unit that a rule names, sorted."""
        named = {rule.ownership.business_unit for rule in self.tag_rules}
        for account in (*self.payers.values(), *self.linked.values()):
            if account.ownership:
                named.add(account.ownership.business_unit)
        for shared in self.shared_costs:
            named.update(shared.units)
            named.update(shared.shares)
        return tuple(sorted(named))

    @cached_property
    def _by_unit(self) -> dict[str, list[Ownership]]:
        """What accounts and rules say of each business unit."""
        found: dict[str, list[Ownership]] = defaultdict(list)
        accounts = (one.ownership for one in (*self.payers.values(), *self.linked.values()))
        for ownership in (*accounts, *(rule.ownership for rule in self.tag_rules)):
            if ownership:
                found[ownership.business_unit].append(ownership)
        return dict(found)

    @property
    def has_owners(self) -> bool:
        """Whether anybody answers for anything."""
        return any(one.owner for found in self._by_unit.values() for one in found)

    def has_one_owner(self, unit: str) -> bool:
        """Whether one person answers for all of a unit's accounts and rules, or nobody does."""
        return len({one.owner for one in self._by_unit.get(unit, ())}) < 2

    def ownership_of_unit(self, unit: str) -> Ownership:
        """The fields that all of the unit's accounts share; the others are empty."""
        found = self._by_unit.get(unit, [])

        def agreed(name: str) -> str:
            values = {getattr(one, name) for one in found}
            return values.pop() if len(values) == 1 else ""

        return Ownership(
            business_unit=unit,
            cost_centre=agreed("cost_centre"),
            owner=agreed("owner"),
            environment=agreed("environment"),
        )


def _snake_case(key: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).lower()


class Allocated(NamedTuple):
    """A charge, or a unit's part of it, in the currency of the report.

    Attributes:
        unit: The business unit, or `Unmapped`.
        shared: The name of the rule by which it was divided, or empty.
    """

    unit: str
    charge: Charge
    amount: Decimal
    shared: str = ""


def allocate(
    charges: Iterable[Charge], mapping: CostMapping, amount: Callable[[Charge], Decimal]
) -> list[Allocated]:
    """Every charge with the business unit that bears it; what is shared, in parts.

    The parts of all charges add up to the charges, exactly. Shared costs are divided month by
    month, by what the units spend themselves in that month.

    Args:
        charges: In any order.
        mapping: The rules.
        amount: A charge's cost in the currency of the report.
    """
    allocated = []
    shared: list[tuple[SharedCost, Charge]] = []
    with localcontext(WIDE):
        for charge in charges:
            rule = next((one for one in mapping.shared_costs if one.covers(charge)), None)
            if rule:
                shared.append((rule, charge))
                continue
            ownership = mapping.ownership(charge)
            unit = ownership.business_unit if ownership else UNMAPPED
            allocated.append(Allocated(unit, charge, amount(charge)))
        if shared:
            own: dict[object, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
            for one in allocated:
                own[one.charge.period_start][one.unit] += one.amount
            for rule, charge in shared:
                parts = _divide(rule, amount(charge), own[charge.period_start])
                allocated.extend(Allocated(unit, charge, part, rule.name) for unit, part in parts)
    return allocated


def _divide(
    rule: SharedCost, amount: Decimal, own: Mapping[str, Decimal]
) -> Iterator[tuple[str, Decimal]]:
    if rule.split is Split.FIXED:
        weights = dict(rule.shares)
    else:
        units = rule.units or tuple(unit for unit in own if unit != UNMAPPED)
        weights = {
            unit: own.get(unit, Decimal(0)) if rule.split is Split.PROPORTIONAL else Decimal(1)
            for unit in sorted(units)
        }
    if not weights:
        yield UNMAPPED, amount
        return
    yield from zip(weights, shared_out(amount, list(weights.values())), strict=True)
