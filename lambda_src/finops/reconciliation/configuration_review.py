"""What looks wrong in a reconciliation's settings, each with its line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, Protocol

import yaml

from finops.reconciliation.domain import ChargeCategory, account_id

_AWS_DIGITS: Final = 12
#: Of places whose lines are told.
_DEEPEST: Final = 2

#: Of keys and positions, such as ("linked_accounts", 2, "id"), the line from 1.
Lines = Mapping[tuple[str | int, ...], int]


class _Account(Protocol):
    id: str
    business_unit: str
    owner: str


class _Tag(Protocol):
    tag: str
    values: list[str]
    business_unit: str
    owner: str


class _Shared(Protocol):
    name: str
    services: list[str]
    accounts: list[str]
    categories: list[ChargeCategory]


class Settings(Protocol):
    """What of the settings is looked at."""

    @property
    def payer_accounts(self) -> Sequence[_Account]:
        """As the file lists them."""

    @property
    def linked_accounts(self) -> Sequence[_Account]:
        """As the file lists them."""

    @property
    def tag_rules(self) -> Sequence[_Tag]:
        """As the file lists them."""

    @property
    def shared_costs(self) -> Sequence[_Shared]:
        """As the file lists them."""

    @property
    def budgets(self) -> Mapping[str, object]:
        """By business unit."""


def lines_of(node: yaml.Node | None) -> dict[tuple[str | int, ...], int]:
    """The line of each key of a YAML document, and of each key or list item of its values."""
    found: dict[tuple[str | int, ...], int] = {}

    def walk(node: yaml.Node | None, path: tuple[str | int, ...]) -> None:
        if len(path) == _DEEPEST:
            return
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*path, str(key.value))
                found[place] = key.start_mark.line + 1
                walk(value, place)
        elif isinstance(node, yaml.SequenceNode):
            for at, value in enumerate(node.value):
                found[*path, at] = value.start_mark.line + 1
                walk(value, (*path, at))

    walk(node, ())
    return found


def suspicious(settings: Settings, lines: Lines) -> Iterator[str]:
    """Findings, in the order of the kinds: ids, names, accounts in two places, rules."""
    accounts = [
        ((name, at), entry)
        for name, entries in (
            ("payer_accounts", settings.payer_accounts),
            ("linked_accounts", settings.linked_accounts),
        )
        for at, entry in enumerate(entries)
    ]
    for place, entry in accounts:
        if entry.id.isdigit() and len(entry.id) != _AWS_DIGITS:
            yield (
                f"line {lines[place]}: {entry.id} ({entry.business_unit or 'no business unit'}) has"
                f" {len(entry.id)} digits; ids of AWS accounts have {_AWS_DIGITS}"
            )
    yield from _alike_names(settings, accounts, lines)
    yield from _in_two_places(accounts, lines)
    yield from _overlapping(settings, lines)


_Placed = tuple[tuple[str, int], _Account]


def _alike_names(settings: Settings, accounts: Sequence[_Placed], lines: Lines) -> Iterator[str]:
    entries: list[tuple[_Account | _Tag, int]] = [
        *((entry, lines[place]) for place, entry in accounts),
        *((rule, lines["tag_rules", at]) for at, rule in enumerate(settings.tag_rules)),
    ]
    units = [(entry.business_unit, line) for entry, line in entries]
    units += [(unit, lines["budgets", unit]) for unit in settings.budgets]
    yield from _alike("business units", units)
    yield from _alike("owners", [(entry.owner, line) for entry, line in entries])


def _alike(what: str, places: Iterable[tuple[str, int]]) -> Iterator[str]:
    spelled: dict[str, dict[str, int]] = defaultdict(dict)
    for name, line in places:
        if name:
            spelled["".join(name.casefold().split())].setdefault(name, line)
    for alike in spelled.values():
        if len(alike) > 1:
            names = ", ".join(f"{name!r} (line {line})" for name, line in alike.items())
            yield f"{names} differ only in case or spaces, and are different {what}"


def _in_two_places(accounts: Sequence[_Placed], lines: Lines) -> Iterator[str]:
    by_id: dict[str, list[_Placed]] = defaultdict(list)
    for place, entry in accounts:
        by_id[account_id(entry.id)].append((place, entry))
    for account, entries in by_id.items():
        if len({entry.business_unit for _, entry in entries}) > 1:
            where = " and ".join(
                f"{place[0]} (line {lines[place]}, {entry.business_unit or 'no business unit'})"
                for place, entry in entries
            )
            yield f"{account} is in {where}: the linked account's business unit counts"


def _overlapping(settings: Settings, lines: Lines) -> Iterator[str]:
    rules = list(enumerate(settings.tag_rules))
    told: set[frozenset[str]] = set()
    for (first, one), (second, other) in combinations(rules, 2):
        alike = {value.casefold() for value in one.values} & {
            value.casefold() for value in other.values
        }
        if one.tag.casefold() == other.tag.casefold():
            if alike:
                yield (
                    f"line {lines['tag_rules', second]}: {other.business_unit} has values of"
                    f" {other.tag} that differ only in case from those of {one.business_unit}"
                    f" (line {lines['tag_rules', first]}): {', '.join(sorted(alike))}"
                )
        elif one.business_unit != other.business_unit and {one.tag, other.tag} not in told:
            told.add(frozenset({one.tag, other.tag}))
            yield (
                f"line {lines['tag_rules', second]}: what has both tags, {one.tag} and {other.tag},"
                f" goes to {one.business_unit} (line {lines['tag_rules', first]}), not to"
                f" {other.business_unit}"
            )
    for (first, shared), (second, later) in combinations(enumerate(settings.shared_costs), 2):
        if _may_cover_the_same(shared, later):
            yield (
                f"line {lines['shared_costs', second]}: what {later.name!r} and {shared.name!r}"
                f" (line {lines['shared_costs', first]}) both cover is shared by {shared.name!r}"
            )


def _may_cover_the_same(one: _Shared, other: _Shared) -> bool:
    """An empty list stands for all."""

    def meet(mine: Iterable[str], theirs: Iterable[str]) -> bool:
        mine, theirs = set(mine), set(theirs)
        return not mine or not theirs or bool(mine & theirs)

    return (
        meet(one.services, other.services)
        and meet(one.accounts, other.accounts)
        and meet(one.categories, other.categories)
    )
