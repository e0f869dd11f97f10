"""The model from which every format of a report is written.

Amounts are in the report's currency and already rounded to its minor units, so that each table
adds up to its total in every format. Everything is in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final

from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.commitments import Commitments
from finops.reconciliation.domain import UnitStatus
from finops.reconciliation.showback import Showback
from finops.reconciliation.year import Year

#: What a report can be written as, with the media type of each.
MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FORMATS: Final = tuple(MEDIA_TYPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A service of an account that changed costs.

    Attributes:
        kind: `new` where it had no costs before, `gone` where it has none now; empty otherwise.
        now: In the month (for an open month, up to now).
        before: In the month before, or by plan: its share of the budget, by what it cost in
            the three months before.
        change: `now` less `before`.
    """

    service: str
    account: str
    account_name: str
    now: Decimal
    before: Decimal
    change: Decimal
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """Why a service costs another amount than in the month before. The last may sum up others.

    Attributes:
        change: `now` less `before`, which is `price`, `quantity`, `exchange` and `other` together.
        price: What the month's quantities cost more at its unit prices than at those before.
        quantity: What they cost more than the quantities before, both at the prices before.
        exchange: What the costs before come to more by the month's exchange rates.
        other: SKUs that are new or gone, and charges without a quantity, such as fees and tax.
    """

    service: str
    now: Decimal
    before: Decimal
    change: Decimal
    price: Decimal
    quantity: Decimal
    exchange: Decimal
    other: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAccount:
    """What a service of a business unit costs in a linked account; one may sum up small ones.

    Attributes:
        amount: Of the month (or so far): `days` and `monthly` together.
        days: Usage of each day of the report's `daily`, in the same order.
        monthly: What is no usage of these days, such as fees, tax and credits.
    """

    account: str
    name: str
    amount: Decimal
    days: tuple[Decimal, ...]
    monthly: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitService:
    """What a service costs a business unit: its accounts together; one may sum up small ones."""

    service: str
    amount: Decimal
    accounts: tuple[UnitAccount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A business unit's line; `Unmapped` is one too.

    Attributes:
        actual: Costs of the month (or so far), without excluded categories.
        excluded: Costs of the excluded categories; not in `actual`.
        budget: None where none is set; so are the variances then.
        variance: `actual` less `budget`.
        forecast: Of the whole month, in an open month only.
        forecast_low, forecast_high: It will be between them in about 80% of all cases.
        status: By `forecast` in an open month, else by `actual`.
        drivers: Of the change against the month before, the largest first.
        plan_drivers: Of the variance from the budget.
        services: What `actual` is made of, the largest first.
    """

    name: str
    cost_centre: str
    owner: str
    environment: str
    actual: Decimal
    excluded: Decimal
    previous: Decimal
    change: Decimal
    change_pct: Decimal | None
    budget: Decimal | None
    budget_origin: str
    alert_threshold_pct: Decimal | None
    variance: Decimal | None
    variance_pct: Decimal | None
    forecast: Decimal | None
    status: UnitStatus
    drivers: tuple[Driver, ...]
    plan_drivers: tuple[Driver, ...]
    forecast_low: Decimal | None = None
    forecast_high: Decimal | None = None
    services: tuple[UnitService, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All units together; fields as theirs.

    Attributes:
        unbudgeted: Of `actual`, what units without a budget cost, Unmapped among them.
        variance: The sum of the units' own: costs of units with a budget, less their budgets.
        forecast_variance: The same by forecast, in an open month only.
        unmapped: Of `actual`, what no rule claims.
        usage_to_date: Usage of the known days of an open month, and `usage_to_date_previous` that
            of the same days of the month before; None where it is not known by day.
        billed, amortized: `actual` by these costs, whichever is compared; None where the source
            does not know it.
    """

    actual: Decimal
    excluded: Decimal
    previous: Decimal
    change: Decimal
    change_pct: Decimal | None
    budget: Decimal
    unbudgeted: Decimal
    variance: Decimal
    variance_pct: Decimal | None
    forecast: Decimal | None
    forecast_variance: Decimal | None
    unmapped: Decimal
    billed: Decimal | None = None
    amortized: Decimal | None = None
    forecast_low: Decimal | None = None
    forecast_high: Decimal | None = None
    usage_to_date: Decimal | None = None
    usage_to_date_previous: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Business units together; fields as those of `Totals`.

    Attributes:
        parent: The group that it is in, or empty.
        units: The business units in it and in its groups.
        budget: Of those that have one; None where none has, as the variances then.
    """

    name: str
    owner: str
    parent: str
    units: tuple[str, ...]
    actual: Decimal
    previous: Decimal
    change: Decimal
    change_pct: Decimal | None
    budget: Decimal | None
    unbudgeted: Decimal
    variance: Decimal | None
    variance_pct: Decimal | None
    forecast: Decimal | None
    forecast_variance: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedAccount:
    """An account, part of whose costs no rule claims."""

    account: str
    name: str
    payer: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """Costs of a linked account, all categories. The last line may sum up small accounts.

    Attributes:
        units: That bear its costs, but for what is shared by a rule.
    """

    account: str
    name: str
    payer: str
    units: tuple[str, ...]
    amount: Decimal
    previous: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """Costs of a service, all categories. Services below the threshold share one line."""

    service: str
    amount: Decimal
    previous: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryLine:
    """Costs of a charge category.

    Attributes:
        excluded: Whether it is left out of the units' `actual` and shown separately.
    """

    category: str
    amount: Decimal
    excluded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A unit's costs by month, up to twelve, the report's own last; None where they are unknown."""

    unit: str
    amounts: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCost:
    """Usage of one day, without monthly charges such as tax."""

    day: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Usage that differs from what the days before lead one to expect.

    Attributes:
        kind: `unusual` days, `change` of the level, or what is `new` or has `vanished`.
        scope: `account` or `service`.
        subject: The account's id, or the service.
        last: Its last day, inclusive.
        expected: What these days would have cost, and `actual` what they cost.
        score: By how many robust deviations the worst day is off; 100 where nothing was before.
        evidence: In words: what was expected, and from which days.
        services: What drove it, the largest first (of an account).
        acknowledged: Why it needs nobody's attention; empty where nobody said so.
    """

    scope: str
    subject: str
    name: str
    units: tuple[str, ...]
    first: date
    last: date
    actual: Decimal
    expected: Decimal
    impact: Decimal
    score: Decimal
    services: tuple[str, ...]
    evidence: str
    kind: str = "unusual"
    acknowledged: str = ""


class Agreement(StrEnum):
    """The result of comparing two amounts."""

    AGREES = "AGREES"
    EXPLAINED = "EXPLAINED"
    """They differ, and a known reason explains the difference exactly."""
    DIFFERS = "DIFFERS"
    MISSING = "MISSING"
    """There is nothing to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """Charges compared with an invoice.

    Attributes:
        payer: The payer account.
        invoice_id: AWS's number of it; where the source knows no ids, empty, and the line holds
            all charges of the payer and issuer.
        charged: What the charges add up to in `currency`; None where there are none.
        invoiced: What AWS's Invoicing API says the invoice comes to, in `currency`.
        processed: What the invoices flow read from the document, in `currency`.
        difference: `charged` less what it is compared with.
        reason: The likely reason of a difference: credit, tax, rounding, currency, late_data.
        explanation: In words.
    """

    payer: str
    invoice_id: str
    issuer: str
    currency: str
    charged: Decimal | None
    invoiced: Decimal | None
    processed: Decimal | None
    difference: Decimal | None
    agreement: Agreement
    reason: str
    explanation: str


def compared(invoices: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Those that have something to be compared with."""
    return [one for one in invoices if one.agreement is not Agreement.MISSING]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Two amounts that must be equal.

    Attributes:
        rule: The rule that must hold, in words.
        holds: None where it could not be checked; `note` says why.
    """

    name: str
    rule: str
    holds: bool | None
    expected: Decimal | None
    found: Decimal | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateUsed:
    """An exchange rate that converted amounts into the report's currency."""

    currency: str
    rate: Decimal
    rate_date: date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An amount that differs from the previous revision; its line may be in one revision only."""

    table: str
    line: str
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a reconciled month.

    Attributes:
        month: Such as `2026-10`.
        source: Where charges are from: `ce`, `focus` or `ledger`; `source_name` for people.
        metric: Which cost is compared: `billed` or `amortized`.
        is_open: Whether the month still goes on, or its costs are not final.
        known_until: For an open month the first day of which nothing is known yet.
        revision: 0 until the month is closed; then it counts its closed versions from 1.
        trend_months: The months of `trends`, such as `2025-11`.
        trends: The first one is of everything.
        groups: Each before those that are in it.
        drivers: Of the change of all units together against the month before, the largest first.
        prices: The same change by service, split into price and quantity; empty of an open month,
            and where the source knows no quantities.
        aws_budgets: Those that were read in the month, the furthest above its limit first; None
            where no budgets flow is known.
        showback: All costs by owner, and by each tag; empty where nobody is an owner.
        notes: What a reader must know to judge the figures.
    """

    month: str
    currency: str
    source: str
    source_name: str
    metric: str
    is_open: bool
    known_until: date | None
    revision: int
    totals: Totals
    units: tuple[Unit, ...]
    unmapped: tuple[UnmappedAccount, ...]
    categories: tuple[CategoryLine, ...]
    accounts: tuple[AccountLine, ...]
    services: tuple[ServiceLine, ...]
    daily: tuple[DailyCost, ...]
    trend_months: tuple[str, ...]
    trends: tuple[Trend, ...]
    anomalies: tuple[Anomaly, ...]
    invoices: tuple[InvoiceLine, ...]
    checks: tuple[Check, ...]
    rates: tuple[RateUsed, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    year: Year | None = None
    commitments: Commitments | None = None
    drivers: tuple[Driver, ...] = ()
    prices: tuple[PriceLine, ...] = ()
    aws_budgets: tuple[AwsBudget, ...] | None = None
    showback: tuple[Showback, ...] = ()


def file_stem(report: Report) -> str:
    """What the names of its files begin with."""
    suffix = f"-r{report.revision}" if report.revision else ""
    return f"reconciliation-{report.month}{suffix}"


#: Of the document: the first number changes where a key goes or means something else.
SCHEMA_VERSION: Final = "1.3"
#: Keys of earlier versions, which documents keep beside the new ones for one version.
FORMER_KEYS: Final = {"excluded": "apart"}


def as_document(report: Report) -> dict[str, Any]:
    """The report in JSON's types: amounts are texts, dates ISO 8601, null what is not there.

    docs/report.schema.json is its schema.
    """
    return {"schema_version": SCHEMA_VERSION, **_json_object(report)}


def _json_value(value: Any) -> Any:
    # Amounts come first: there are a hundred times as many as of all else.
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        return [_json_value(one) for one in value]
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return _json_object(value)
    return str(value)


def _json_object(value: Any) -> dict[str, Any]:
    found = {name: _json_value(getattr(value, name)) for name in value.__dataclass_fields__}
    former = {old: found[new] for new, old in FORMER_KEYS.items() if new in found}
    return found | former
