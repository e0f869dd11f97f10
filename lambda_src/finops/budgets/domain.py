"""Rules of the budgets flow: which version of an edit wins, and what has to change in AWS.

Pure: no AWS, no I/O, no clock. Amounts are `Decimal` in the row's currency, thresholds are percent
of the amount, instants are UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from finops.budgets.plans import AmountPlan, PlannedAmount, epoch_seconds
from finops.shared.periods import Month

#: The dimension of AWS Budgets that holds account ids.
#: https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html
LINKED_ACCOUNT: Final = "LinkedAccount"
#: How far the clocks of two accounts may be apart.
CLOCK_SKEW: Final = timedelta(minutes=5)


class TimeUnit(enum.StrEnum):
    """The period of the amount, after which the spend starts again from zero."""

    DAILY = "DAILY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUALLY = "ANNUALLY"


#: How many months a period has.
MONTHS_OF: Final = {TimeUnit.MONTHLY: 1, TimeUnit.QUARTERLY: 3, TimeUnit.ANNUALLY: 12}


_PERIODS_A_YEAR: Final = {
    TimeUnit.DAILY: 365,
    TimeUnit.MONTHLY: 12,
    TimeUnit.QUARTERLY: 4,
    TimeUnit.ANNUALLY: 1,
}


class NotificationType(enum.StrEnum):
    """Whether a threshold is compared with the spend so far, or with AWS's forecast."""

    ACTUAL = "ACTUAL"
    FORECASTED = "FORECASTED"


class Status(enum.StrEnum):
    """How the newest edit of a budget ended."""

    PENDING = "PENDING"
    #: It raises the budget further than people may alone: two have to approve it.
    WAITING = "WAITING"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    REMOVED = "REMOVED"


class Delivery(enum.StrEnum):
    """Which account has the AWS Budget: the one that it watches, or the management account."""

    SPOKE = "spoke"
    #: With a filter on the accounts that it watches, which need no spoke.
    PAYER = "payer"

    @property
    def other(self) -> Delivery:
        """The account that must not have the budget, too."""
        return Delivery.SPOKE if self is Delivery.PAYER else Delivery.PAYER


class Owner(enum.StrEnum):
    """Who made an AWS Budget."""

    FLOW = "flow"
    HAND = "hand"


class RemovalPolicy(enum.StrEnum):
    """What happens to the spoke's AWS Budget when its row is removed."""

    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BudgetKey:
    """Which budget: the spoke account that it watches, and its name there."""

    account_id: str
    budget_name: str

    def name_in(self, delivery: Delivery) -> str:
        """The name of its AWS Budget, and the last part of its parameter's name.

        In the management account no row's name has a slash, so that none is taken for another.
        """
        in_payer = delivery is Delivery.PAYER
        return f"{self.account_id}/{self.budget_name}" if in_payer else self.budget_name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Threshold:
    """Notify when the spend exceeds this percentage of the budget's amount."""

    type: NotificationType
    percent: Decimal

    def as_document(self) -> dict[str, str]:
        """The JSON form, with the percentage as text."""
        return {"type": self.type.value, "percent": decimal_text(self.percent)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the AWS Budget has to be, in the spoke account or, by `delivery`, in the payer's.

    `thresholds` and `emails` are None where the row leaves them out: the spoke's defaults apply.
    `cost_types` says what it counts other than all unblended costs: see `values.COST_TYPES`.
    """

    key: BudgetKey
    amount: Decimal
    currency: str = "USD"
    time_unit: TimeUnit = TimeUnit.MONTHLY
    thresholds: tuple[Threshold, ...] | None = None
    emails: tuple[str, ...] | None = None
    cost_filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cost_types: tuple[str, ...] = ()
    delivery: Delivery = Delivery.SPOKE
    planned_amounts: tuple[PlannedAmount, ...] = ()
    phasing: tuple[Decimal, ...] = ()

    @property
    def plan(self) -> AmountPlan:
        """What the amount is in each period."""
        return AmountPlan(
            amount=self.amount,
            planned=self.planned_amounts,
            phasing=self.phasing,
            months=MONTHS_OF.get(self.time_unit, 1),
        )

    def amount_at(self, moment: datetime) -> Decimal:
        """The amount of the period around a moment."""
        return self.plan.of(Month.of(period_start(self.time_unit, moment).date()))

    def planned_limits(self, now: datetime) -> dict[int, Decimal]:
        """What AWS is given of the plan, by epoch seconds of the periods; empty without one."""
        if not self.planned_amounts:
            return {}
        current = Month.of(period_start(self.time_unit, now).date())
        return {epoch_seconds(start): at for start, at in self.plan.limits(current).items()}

    @property
    def yearly(self) -> Decimal:
        """What it would be in a year, by the largest of its amounts."""
        return self.plan.largest * _PERIODS_A_YEAR[self.time_unit]

    @property
    def aws_name(self) -> str:
        """The name of the AWS Budget."""
        return self.key.name_in(self.delivery)

    @property
    def counts_whole_account(self) -> bool:
        """Whether it counts all unblended costs of its account, and nobody else's."""
        own = {LINKED_ACCOUNT: (self.key.account_id,)}
        return not self.cost_types and self.cost_filters in ({}, own)

    def with_defaults(self, thresholds: Sequence[Threshold], emails: Sequence[str]) -> Budget:
        """The same budget, with the defaults where it leaves something out.

        AWS makes no forecast for a day, so that a daily budget gets none of those alerts.
        """
        defaults = tuple(
            one
            for one in thresholds
            if self.time_unit is not TimeUnit.DAILY or one.type is NotificationType.ACTUAL
        )
        return replace(
            self,
            thresholds=defaults if self.thresholds is None else self.thresholds,
            emails=tuple(emails) if self.emails is None else self.emails,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """One edit of the table: the row as it is after the edit, or None where it was removed.

    `previous` is the row before the edit, None where there was none.
    """

    key: BudgetKey
    version: str
    request_id: str
    edited_at: datetime
    row: Mapping[str, object] | None
    previous: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One alert of an AWS Budget. `threshold` is None for one that no row can ask for."""

    threshold: Threshold | None
    subscribers: frozenset[tuple[str, str]]
    raw: Mapping[str, object] = field(default_factory=dict, compare=False, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What AWS Budgets has calculated for the current period of a budget, in its currency.

    `forecast` is None where AWS has too little history for one.
    """

    actual: Decimal
    forecast: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualBudget:
    """The spoke's AWS Budget as it is now.

    Attributes:
        settings: Those attributes of `Budget` that AWS's `Budget` structure holds, by name; None
            where it holds none.
        beyond_rows: Members of AWS's structure that change what the budget counts, and that no
            row can ask for.
        planned: Its limits by the epoch seconds of the periods, where they are planned; None for
            one that is in another currency.
        updated_at: When it was made or last changed, by whomever.
        spend: What AWS has calculated; None where it has not yet.
        raw: AWS's answer.
    """

    settings: Mapping[str, object]
    notifications: tuple[Notification, ...] = ()
    beyond_rows: tuple[str, ...] = ()
    planned: Mapping[int, Decimal | None] = field(default_factory=dict)
    updated_at: datetime | None = None
    spend: Spend | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def amount(self) -> Decimal | None:
        """Of the current period, in the budget's currency; None where AWS does not tell."""
        amount = self.settings.get("amount")
        return amount if isinstance(amount, Decimal) else None

    def settings_match(self, wanted: Budget, now: datetime) -> bool:
        """Whether all settings are as wanted ("100" equals "100.0"). Ignores notifications."""
        return (
            not self.beyond_rows
            and self._limits_match(wanted, now)
            and all(
                getattr(wanted, name) == value
                for name, value in self.settings.items()
                if name != "amount"
            )
        )

    def _limits_match(self, wanted: Budget, now: datetime) -> bool:
        """Whether the limits are as wanted for the half year to come, and any later ones.

        AWS goes on with the last limit. A plan is therefore sent again twice a year, and not in
        each month, since an update resets the calculated spend.
        """
        if not wanted.planned_amounts:
            return not self.planned and self.amount == wanted.amount
        limits = wanted.planned_limits(now)
        ahead = {start: at for start, at in self.planned.items() if start >= min(limits)}
        if not ahead.keys() <= limits.keys():
            return False
        # Limits that are used up leave the last one, as a budget without a plan has it.
        last = self.planned[max(self.planned)] if self.planned else self.amount
        soon = sorted(limits)[: len(limits) // 2]
        return all(
            ahead.get(start, last) == at
            for start, at in limits.items()
            if start in ahead or start in soon
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationChanges:
    """The API calls that turn a budget's notifications into the wanted ones, in this order.

    Subscribers are replaced one by one: an alert has room for one topic and ten addresses, and AWS
    does not remove its last subscriber.
    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_UpdateSubscriber.html
    """

    delete: tuple[Notification, ...] = ()
    create: tuple[Notification, ...] = ()
    replace: tuple[tuple[Notification, tuple[str, str], tuple[str, str]], ...] = ()
    subscribe: tuple[tuple[Notification, tuple[str, str]], ...] = ()
    unsubscribe: tuple[tuple[Notification, tuple[str, str]], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        calls = (self.delete, self.create, self.replace, self.subscribe, self.unsubscribe)
        return any(calls)


def period_start(unit: TimeUnit, moment: datetime) -> datetime:
    """The start of the period around a moment, UTC, which is also AWS's default.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_TimePeriod.html
    """
    utc = moment.astimezone(UTC)
    if unit is TimeUnit.DAILY:
        return utc.replace(hour=0, minute=0, second=0, microsecond=0)
    months = MONTHS_OF[unit]
    return datetime(utc.year, utc.month - (utc.month - 1) % months, 1, tzinfo=UTC)


def edit_version(sequence_number: str) -> str:
    """The version of an edit: its stream sequence number, padded so that text order is edit order.

    Sequence numbers have up to 40 digits and rise with each change of an item:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
    """
    return f"{sequence_number:0>40}.000000"


def repair_version(previous: str | None) -> str:
    """A version just above `previous`, and below that of any later edit."""
    sequence, _, repairs = (previous or edit_version("0")).partition(".")
    return f"{sequence}.{int(repairs or 0) + 1:06d}"


def notification_changes(
    wanted: Budget, actual: Sequence[Notification], topic_arn: str
) -> NotificationChanges:
    """What has to change so that the budget has exactly the wanted alerts.

    Each alert goes to all emails and to the topic.
    """
    subscribers = wanted_subscribers(wanted, topic_arn)
    standing = {one.threshold: one for one in actual if one.threshold is not None}
    thresholds = wanted.thresholds or ()
    replaced, added, removed = [], [], []
    for one in (standing[threshold] for threshold in thresholds if threshold in standing):
        new = _without(subscribers, one.subscribers)
        old = _without(one.subscribers, subscribers)
        pairs = [
            pair
            for kind in ("EMAIL", "SNS")
            for pair in zip(
                [each for each in old if each[0] == kind],
                [each for each in new if each[0] == kind],
                strict=False,
            )
        ]
        replaced += [(one, *pair) for pair in pairs]
        added += [(one, each) for each in new if each not in {to for _, to in pairs}]
        removed += [(one, each) for each in old if each not in {gone for gone, _ in pairs}]
    return NotificationChanges(
        delete=tuple(
            one
            for one in actual
            if one.threshold not in thresholds or standing[one.threshold] is not one
        ),
        create=tuple(
            Notification(threshold=one, subscribers=subscribers)
            for one in thresholds
            if one not in standing
        ),
        replace=tuple(replaced),
        subscribe=tuple(added),
        unsubscribe=tuple(removed),
    )


def _without(
    some: frozenset[tuple[str, str]], others: frozenset[tuple[str, str]]
) -> list[tuple[str, str]]:
    known = frozenset(map(_identity, others))
    return [one for one in sorted(some) if _identity(one) not in known]


def _identity(subscriber: tuple[str, str]) -> tuple[str, str]:
    """Addresses that differ in case only reach the same person."""
    kind, address = subscriber
    return kind, address.lower() if kind == "EMAIL" else address


def wanted_subscribers(wanted: Budget, topic_arn: str) -> frozenset[tuple[str, str]]:
    """(subscription type, address) of everybody who is notified when a threshold is exceeded."""
    return frozenset({("SNS", topic_arn), *(("EMAIL", email) for email in wanted.emails or ())})


def decimal_text(number: Decimal) -> str:
    """A number as digits, never in exponent form, which AWS Budgets rejects (`1E+3`)."""
    return format(number, "f")


def as_percent(value: Decimal | float | str) -> Decimal:
    """A percentage of at most two decimals, in its shortest form: 80, 80.0 and 8E1 are the same.

    AWS keeps a double, so a third is compared as 33.33.
    """
    rounded = Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return Decimal(decimal_text(rounded.normalize()))
