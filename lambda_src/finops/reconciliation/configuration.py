"""The settings of a reconciliation, written in YAML: accounts, rules, budgets and rates.

Every scalar is read as text, so that an account id keeps its leading zeros and an amount its
digits, whether quoted or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final

import msgspec
import yaml

from finops.reconciliation.anomalies import Acknowledgement
from finops.reconciliation.budget_plans import BudgetPeriod, BudgetPlan, Target
from finops.reconciliation.configuration_review import Lines, lines_of, suspicious
from finops.reconciliation.domain import (
    UNMAPPED,
    ChargeCategory,
    Metric,
    UnitBudget,
    account_id,
)
from finops.reconciliation.mapping import (
    Account,
    CostMapping,
    Ownership,
    SharedCost,
    Split,
    TagKey,
    TagRule,
    UnitGroup,
)
from finops.shared.errors import RejectedInput
from finops.shared.money import minor_units, was_currency
from finops.shared.periods import Month
from finops.shared.rates import Rate

#: Tags by which all costs are shown.
_MOST_TAGS: Final = 5
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _AccountEntry(msgspec.Struct, forbid_unknown_fields=True):
    id: _Text
    name: str = ""
    business_unit: str = ""
    cost_centre: str = ""
    owner: str = ""
    environment: str = ""


class _TagEntry(msgspec.Struct, forbid_unknown_fields=True):
    tag: _Text
    business_unit: _Text
    values: Annotated[list[_Text], msgspec.Meta(min_length=1)]
    cost_centre: str = ""
    owner: str = ""
    environment: str = ""


class _SharedEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: _Text
    services: list[_Text] = []
    accounts: list[_Text] = []
    categories: list[ChargeCategory] = []
    split: Split = Split.PROPORTIONAL
    units: list[_Text] = []
    shares: dict[str, Decimal] = {}


_TARGETS: Final = {
    BudgetPeriod.MONTH: "monthly_target",
    BudgetPeriod.QUARTER: "quarterly_target",
    BudgetPeriod.YEAR: "annual_target",
}


class _BudgetEntry(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from"}):
    monthly_target: Decimal | None = None
    quarterly_target: Decimal | None = None
    annual_target: Decimal | None = None
    phasing: list[Decimal] = []
    start: str = ""
    alert_threshold_pct: Decimal = Decimal(10)
    currency: str = ""

    @property
    def amounts(self) -> dict[BudgetPeriod, Decimal]:
        """By what they are for; exactly one is allowed."""
        found = {period: getattr(self, name) for period, name in _TARGETS.items()}
        return {period: amount for period, amount in found.items() if amount is not None}


class _RateEntry(msgspec.Struct, forbid_unknown_fields=True):
    currency: str
    date: date
    usd_per_unit: Decimal
    source: str = "configuration"


class _GroupEntry(msgspec.Struct, forbid_unknown_fields=True):
    units: Annotated[list[_Text], msgspec.Meta(min_length=1)]
    owner: str = ""


class _AcknowledgedEntry(msgspec.Struct, forbid_unknown_fields=True):
    subject: _Text
    day: date
    reason: _Text
    until: date | None = None


class _ShowbackEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    tags: Annotated[list[_Text], msgspec.Meta(max_length=_MOST_TAGS)] | None = None


class OrganizationTags(msgspec.Struct, forbid_unknown_fields=True):
    """Keys of the tags of accounts in AWS Organizations that say who answers for them."""

    business_unit: _Text
    cost_centre: str = ""
    owner: str = ""
    environment: str = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    currency: str = "USD"
    metric: Metric = Metric.BILLED
    payer_accounts: list[_AccountEntry] = []
    linked_accounts: list[_AccountEntry] = []
    organization_tags: OrganizationTags | None = None
    tag_rules: list[_TagEntry] = []
    ignore_tag_case: bool = False
    shared_costs: list[_SharedEntry] = []
    service_aliases: dict[str, list[_Text]] = {}
    excluded_categories: list[ChargeCategory] = []
    shown_apart: list[ChargeCategory] = []  # former name of excluded_categories
    smallest_line: Decimal = Decimal(1)
    budgets: dict[str, _BudgetEntry | list[_BudgetEntry]] = {}
    fiscal_year_starts_in: Annotated[int, msgspec.Meta(ge=1, le=12)] = 1
    rates: list[_RateEntry] = []
    static_rates: dict[str, Decimal] = {}
    acknowledged_anomalies: list[_AcknowledgedEntry] = []
    groups: dict[str, _GroupEntry] = {}
    showback: _ShowbackEntry = _ShowbackEntry()

    @property
    def targets(self) -> Iterator[tuple[str, _BudgetEntry]]:
        """(unit, entry) of every budget."""
        for unit, entries in self.budgets.items():
            for entry in entries if isinstance(entries, list) else [entries]:
                yield unit, entry


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The settings of a reconciliation.

    Attributes:
        currency: Of the report.
        plans: Budgets by business unit.
        fiscal_year_starts_in: A month, from 1.
        findings: What looks wrong in the file, each with its line.
        excluded: Categories that are left out of the units' costs, and shown separately.
        smallest_line: Accounts and services of less are summed into one line, in `currency`.
        showback_tags: Tags by whose values all costs are shown; a page for each value.
        organization_tags: Set where Organizations' tags complete the mapping.
        rates: Dated rates, beside those of the billing database.
        static_rates: USD per unit of currencies for which no dated rate may be used.
    """

    currency: str = "USD"
    metric: Metric = Metric.BILLED
    mapping: CostMapping = field(default_factory=CostMapping)
    organization_tags: OrganizationTags | None = None
    excluded: frozenset[ChargeCategory] = frozenset()
    smallest_line: Decimal = Decimal(1)
    plans: dict[str, BudgetPlan] = field(default_factory=dict)
    fiscal_year_starts_in: int = 1
    rates: tuple[Rate, ...] = ()
    static_rates: dict[str, Decimal] = field(default_factory=dict)
    acknowledgements: tuple[Acknowledgement, ...] = ()
    findings: tuple[str, ...] = ()
    groups: tuple[UnitGroup, ...] = ()
    showback_tags: tuple[TagKey, ...] = ()

    def budgets(self, month: Month) -> dict[str, UnitBudget]:
        """What each business unit may spend in a month; those whose targets start later lack."""
        found = {unit: plan.of_month(month) for unit, plan in self.plans.items()}
        return {unit: budget for unit, budget in found.items() if budget}

    def dated_rates(self, currency: str, first: date, last: date) -> list[Rate]:
        """The rates of a currency from `first` to `last`, both included."""
        return [
            one for one in self.rates if one.currency == currency and first <= one.rate_date <= last
        ]

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about what is allowed but probably a mistake."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if not self.mapping.payers:
            yield "payer_accounts is empty: Cost Explorer is queried in this account only"
        yield from self.findings
        for unit, plan in self.plans.items():
            widest = max(one.alert_threshold_pct for one in plan.targets)
            if widest >= 50:
                yield (
                    f"budgets.{unit}.alert_threshold_pct is {widest}: costs may be {widest}% above"
                    " or below the target without a warning"
                )
            if unit not in self.mapping.units and not self.organization_tags:
                yield f"budgets.{unit} has a budget, but no account or rule belongs to {unit}"
        for unit in self.mapping.units:
            if unit not in self.plans:
                yield (
                    f"{unit} has no budget in this file; without one in the budgets table its"
                    " status is NO_BUDGET"
                )
        for account in self.mapping.linked.values():
            if not account.ownership:
                yield f"linked account {account.id} has no business_unit: its costs are Unmapped"


def parse(text: str, *, name: str = "the configuration") -> Configuration:
    """A configuration from its YAML.

    Args:
        text: The document.
        name: Of the file, for messages.

    Raises:
        RejectedInput: `invalid_configuration`, which says where and what.
    """
    document, lines = _read(text, name)
    problems = list(_problems(document))
    if problems:
        raise _invalid(f"{name}: {'; '.join(problems)}")
    return Configuration(
        currency=document.currency,
        metric=document.metric,
        mapping=CostMapping(
            payers={account_id(entry.id): _account(entry) for entry in document.payer_accounts},
            linked={account_id(entry.id): _account(entry) for entry in document.linked_accounts},
            tag_rules=tuple(
                TagRule(
                    key=entry.tag,
                    values=tuple(entry.values),
                    ownership=_ownership(entry),
                    ignore_case=document.ignore_tag_case,
                )
                for entry in document.tag_rules
            ),
            shared_costs=tuple(
                _shared(entry, document.service_aliases) for entry in document.shared_costs
            ),
        ),
        organization_tags=document.organization_tags,
        excluded=_categories(document.excluded_categories or document.shown_apart),
        smallest_line=document.smallest_line,
        plans=_plans(document, name),
        fiscal_year_starts_in=document.fiscal_year_starts_in,
        findings=tuple(suspicious(document, lines)),
        groups=tuple(
            UnitGroup(name=group, members=tuple(entry.units), owner=entry.owner)
            for group, entry in document.groups.items()
        ),
        rates=tuple(
            Rate(
                currency=entry.currency,
                rate_date=entry.date,
                usd_per_unit=entry.usd_per_unit,
                source=entry.source,
            )
            for entry in document.rates
        ),
        static_rates=document.static_rates,
        showback_tags=_showback_tags(document),
        acknowledgements=tuple(
            Acknowledgement(
                subject=account_id(entry.subject),
                day=entry.day,
                reason=entry.reason,
                until=entry.until,
            )
            for entry in document.acknowledged_anomalies
        ),
    )


def _read(text: str, name: str) -> tuple[_Document, Lines]:
    """The document, and where its parts are; YAML's nodes, of which there may be many, are gone."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        raw = loader.construct_document(node) if node else {}
        return msgspec.convert(raw or {}, _Document, strict=False), lines_of(node)
    except yaml.YAMLError as error:
        raise _invalid(f"{name} is not valid YAML: {error}") from None
    except msgspec.ValidationError as error:
        raise _invalid(f"{name}: {error}") from None


def _showback_tags(document: _Document) -> tuple[TagKey, ...]:
    """Those that are named, else those of the tag rules."""
    named = document.showback.tags
    if named is None:
        named = [entry.tag for entry in document.tag_rules]
    ignore_case = document.ignore_tag_case
    keys: dict[str, str] = {}
    for key in named:
        keys.setdefault(key.lower() if ignore_case else key, key)
    found = (TagKey(key=key, ignore_case=ignore_case) for key in keys.values())
    return tuple(found)[:_MOST_TAGS]


def _plans(document: _Document, name: str) -> dict[str, BudgetPlan]:
    targets: dict[str, list[Target]] = {}
    for unit, entry in document.targets:
        [(period, amount)] = entry.amounts.items()
        targets.setdefault(unit, []).append(
            Target(
                start=Month.parse(entry.start) if entry.start else None,
                period=period,
                amount=amount,
                phasing=tuple(entry.phasing),
                currency=entry.currency or document.currency,
                alert_threshold_pct=entry.alert_threshold_pct,
                origin=name,
            )
        )
    return {
        unit: BudgetPlan(
            targets=sorted(of_unit, key=lambda one: (one.start is not None, one.start)),
            first_month=document.fiscal_year_starts_in,
        )
        for unit, of_unit in targets.items()
    }


def _budget_problems(document: _Document) -> Iterator[str]:
    starts = Counter((unit, entry.start) for unit, entry in document.targets)
    for (unit, start), count in starts.items():
        if count > 1:
            yield f"budgets.{unit} has {count} targets from {start or 'the beginning'} on"
    for unit, entries in document.budgets.items():
        if entries == []:
            yield f"budgets.{unit} has no target"
    for unit, entry in document.targets:
        if len(entry.amounts) != 1:
            yield f"budgets.{unit} needs one of monthly_target, quarterly_target, annual_target"
        if entry.phasing and (len(entry.phasing) != 12 or BudgetPeriod.MONTH in entry.amounts):
            yield f"budgets.{unit}.phasing has twelve weights, of an annual or quarterly target"
        months = 3 if BudgetPeriod.QUARTER in entry.amounts else 12
        if not all(
            any(entry.phasing[at : at + months]) for at in range(0, len(entry.phasing), months)
        ):
            yield f"budgets.{unit}.phasing leaves a period without a weight above 0"
        if entry.start:
            try:
                Month.parse(entry.start)
            except RejectedInput as error:
                yield f"budgets.{unit}.from: {error}"


def _group_problems(document: _Document) -> Iterator[str]:
    units, groups = _units(document), document.groups
    members = Counter(member for entry in groups.values() for member in entry.units)
    for member, count in members.items():
        if count > 1:
            yield f"groups: {member!r} is in {count} groups, so its costs would count twice"
        is_known = member in units or member in groups or document.organization_tags
        if not is_known:
            yield f"groups: {member!r} is no business unit and no group of this file"
    for name in groups:
        if name in units:
            yield f"groups.{name} is also the name of a business unit"
        above, seen = [name], set[str]()
        while above:
            group = above.pop()
            if group in seen:
                continue
            seen.add(group)
            above += [one for one in groups[group].units if one in groups]
            if name in groups[group].units:
                yield f"groups.{name} is in itself"
                break


def _problems(document: _Document) -> Iterator[str]:
    """Rules that the document's schema cannot express."""
    for name in ("payer_accounts", "linked_accounts"):
        entries: list[_AccountEntry] = getattr(document, name)
        for account, count in Counter(account_id(entry.id) for entry in entries).items():
            if count > 1:
                yield f"{name} lists {account} {count} times"
    if document.excluded_categories and document.shown_apart:
        yield "shown_apart is the former name of excluded_categories: use only the new one"
    yield from _unit_problems(document)
    yield from _budget_problems(document)
    yield from _group_problems(document)
    for where, amount, least in _amounts(document):
        if not amount.is_finite() or amount < least:
            yield f"{where} must be {'0 or more' if not least else 'above 0'}, not {amount}"
    yield from _too_precise(document)
    for where, currency in _currencies(document):
        if not was_currency(currency):
            yield f"{where} {currency!r} is not an ISO 4217 code"


def _unit_problems(document: _Document) -> Iterator[str]:
    named = _units(document)
    if UNMAPPED in named:
        yield f"{UNMAPPED} can't be the name of a business unit"
    rules = Counter(
        (entry.tag, value) for entry in document.tag_rules for value in set(entry.values)
    )
    for (tag, value), count in rules.items():
        if count > 1:
            yield f"tag_rules give {tag}={value} to more than one rule"
    for shared in document.shared_costs:
        strangers = set() if document.organization_tags else _bearers(shared) - named
        yield from _shared_problems(shared, strangers)


def _units(document: _Document) -> set[str]:
    """The business units that the document names, but for shared costs."""
    entries: tuple[_AccountEntry | _TagEntry, ...] = (
        *document.payer_accounts,
        *document.linked_accounts,
        *document.tag_rules,
    )
    return {*(entry.business_unit for entry in entries), *document.budgets} - {""}


def _bearers(shared: _SharedEntry) -> set[str]:
    return {*shared.units, *shared.shares}


def _shared_problems(shared: _SharedEntry, strangers: set[str]) -> Iterator[str]:
    where = f"shared_costs {shared.name!r}"
    if not (shared.services or shared.accounts or shared.categories):
        yield f"{where} names no services, accounts or categories: it would share all costs"
    if (shared.split is Split.FIXED) != bool(shared.shares):
        yield f"{where}: `shares` is required with split fixed, and allowed only there"
    for unit in sorted(strangers):
        yield f"{where} names {unit!r}, which is not a business unit of this file"


def _currencies(document: _Document) -> Iterator[tuple[str, str]]:
    yield "currency", document.currency
    for unit, budget in document.targets:
        if budget.currency:
            yield f"budgets.{unit}.currency", budget.currency
    for rate in document.rates:
        yield "rates: currency", rate.currency
    for currency in document.static_rates:
        yield "static_rates: currency", currency


def _amounts(document: _Document) -> Iterator[tuple[str, Decimal, Decimal]]:
    """(where, amount, the least that it may be) of every amount."""
    nothing, something = Decimal(0), Decimal("1e-15")
    yield "smallest_line", document.smallest_line, nothing
    for unit, budget in document.targets:
        for period, amount in budget.amounts.items():
            yield f"budgets.{unit}.{_TARGETS[period]}", amount, nothing
        for weight in budget.phasing:
            yield f"budgets.{unit}.phasing", weight, nothing
        yield f"budgets.{unit}.alert_threshold_pct", budget.alert_threshold_pct, nothing
    for entry in document.shared_costs:
        for unit, share in entry.shares.items():
            yield f"shared_costs {entry.name!r}: the share of {unit}", share, something
    for rate in document.rates:
        yield f"rates: {rate.currency} of {rate.date}", rate.usd_per_unit, something
    for currency, usd_per_unit in document.static_rates.items():
        yield f"static_rates: {currency}", usd_per_unit, something


def _too_precise(document: _Document) -> Iterator[str]:
    """5.500 is five and a half thousand for half of Europe."""
    for unit, budget in document.targets:
        currency = (budget.currency or document.currency).upper()
        digits = minor_units().get(currency)
        for period, amount in budget.amounts.items():
            exponent = amount.as_tuple().exponent
            if digits is not None and isinstance(exponent, int) and -exponent > digits:
                yield (
                    f"budgets.{unit}.{_TARGETS[period]} is {amount}, which has more than the"
                    f" {digits} decimals of {currency}: write it without thousands separators"
                )


def _account(entry: _AccountEntry) -> Account:
    return Account(
        id=account_id(entry.id),
        name=entry.name,
        ownership=_ownership(entry) if entry.business_unit else None,
    )


def _ownership(entry: _AccountEntry | _TagEntry) -> Ownership:
    return Ownership(
        business_unit=entry.business_unit,
        cost_centre=entry.cost_centre,
        owner=entry.owner,
        environment=entry.environment,
    )


def _shared(entry: _SharedEntry, aliases: Mapping[str, Sequence[str]]) -> SharedCost:
    """A rule that names a service means it by all of its names."""
    groups = [{name, *others} for name, others in aliases.items()]
    return SharedCost(
        name=entry.name,
        services=frozenset(entry.services).union(
            *(group for group in groups if group & set(entry.services))
        ),
        accounts=frozenset(map(account_id, entry.accounts)),
        categories=_categories(entry.categories),
        split=entry.split,
        units=tuple(entry.units),
        shares=entry.shares,
    )


def _categories(named: Sequence[ChargeCategory]) -> frozenset[ChargeCategory]:
    """Who names adjustments means discounts too, which earlier versions did not tell apart."""
    also = (ChargeCategory.DISCOUNT,) if ChargeCategory.ADJUSTMENT in named else ()
    return frozenset((*named, *also))


def _invalid(message: str) -> RejectedInput:
    return RejectedInput(message, code="invalid_configuration", field="configuration")


#: Texts only. That in C reads 100,000 accounts in a tenth of the time.
_BaseLoader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """Texts only, and no key twice: PyYAML would keep the last one and say nothing."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = Counter(loader.construct_scalar(key) for key, _ in node.value)
    twice = [str(key) for key, count in keys.items() if count > 1]
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"{', '.join(twice)} is given more than once", node.start_mark
        )
    made: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
