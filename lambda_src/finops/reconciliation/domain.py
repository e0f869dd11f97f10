"""Charges, in the form that every source gives, and how costs compare with budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from statistics import median
from typing import Final, NamedTuple

from finops.shared.money import WIDE, rounded, rounded_to_sum, total
from finops.shared.periods import Month

#: Where charges come from: Cost Explorer, FOCUS or CUR exports, or the billing ledger.
SOURCES: Final = ("ce", "focus", "athena", "ledger")
#: The row of costs that no rule of the mapping claims: shown as a business unit of its own.
UNMAPPED: Final = "Unmapped"
#: A month's costs may still change for so long after its end:
#: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html
FINAL_AFTER: Final = timedelta(days=15)


class ChargeCategory(StrEnum):
    """What a charge is for: FOCUS's ChargeCategory, and AWS's refunds and discounts.

    https://focus.finops.org/focus-specification/v1-2/#chargecategory
    """

    USAGE = "Usage"
    PURCHASE = "Purchase"
    CREDIT = "Credit"
    REFUND = "Refund"
    DISCOUNT = "Discount"
    TAX = "Tax"
    ADJUSTMENT = "Adjustment"


#: AWS's record types (Cost Explorer's RECORD_TYPE, CUR's line_item_line_item_type), without spaces
#: and case: https://docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html
_CATEGORY_OF_RECORD_TYPE: Final = {
    "usage": ChargeCategory.USAGE,
    "discountedusage": ChargeCategory.USAGE,
    "savingsplancoveredusage": ChargeCategory.USAGE,
    "savingsplannegation": ChargeCategory.USAGE,
    "support": ChargeCategory.USAGE,
    "fee": ChargeCategory.PURCHASE,
    "rifee": ChargeCategory.PURCHASE,
    "recurring": ChargeCategory.PURCHASE,
    "upfront": ChargeCategory.PURCHASE,
    "savingsplanrecurringfee": ChargeCategory.PURCHASE,
    "savingsplanupfrontfee": ChargeCategory.PURCHASE,
    "credit": ChargeCategory.CREDIT,
    "refund": ChargeCategory.REFUND,
    "tax": ChargeCategory.TAX,
}


@lru_cache(maxsize=1024)
def category_of_record_type(record_type: str) -> ChargeCategory:
    """The category of an AWS record type; unknown types are adjustments."""
    spelt = "".join(record_type.split()).replace("_", "").casefold()
    if spelt.endswith("discount"):  # EdpDiscount, PrivateRateDiscount, …
        return ChargeCategory.DISCOUNT
    return _CATEGORY_OF_RECORD_TYPE.get(spelt, ChargeCategory.ADJUSTMENT)


def is_daily_fee(record_type: str) -> bool:
    """Whether AWS charges a record type of fees day by day: Savings Plans, not reservations."""
    return "".join(record_type.split()).replace("_", "").casefold() == "savingsplanrecurringfee"


@lru_cache(maxsize=1024)
def category_of_focus(category: str, charge_class: str) -> ChargeCategory:
    """The category of a FOCUS charge. FOCUS has no refunds: they are corrections of charges."""
    try:
        found = ChargeCategory(category)
    except ValueError:
        return ChargeCategory.ADJUSTMENT
    corrects = charge_class == "Correction" and found is ChargeCategory.CREDIT
    return ChargeCategory.REFUND if corrects else found


def account_id(text: str) -> str:
    """An account's id, the same for all its spellings.

    Azure compares its ids without regard to case, and spells them in both:
    https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/resource-name-rules
    They are paths (`/subscriptions/…`) or GUIDs; other providers' ids have neither form.
    """
    return text.lower() if text[:1] == "/" or text[8:9] == "-" else text


class Metric(StrEnum):
    """Which of a charge's costs is compared.

    `BILLED` is what the invoice says (FOCUS's BilledCost, unblended cost for AWS). `AMORTIZED`
    spreads upfront and recurring fees over the usage that they pay for (EffectiveCost). `NET` and
    `NET_AMORTIZED` are AWS's, after the discounts that it lists as charges of their own.
    """

    BILLED = "billed"
    AMORTIZED = "amortized"
    NET = "net"
    NET_AMORTIZED = "net_amortized"

    @classmethod
    def _missing_(cls, value: object) -> Metric | None:
        """Former versions spelled it the British way."""
        spelled = str(value).replace("amortis", "amortiz")
        return next((one for one in cls if one.value == spelled), None)


# Not frozen: a frozen one takes four times as long to make, and there are hundreds of thousands.
@dataclass(slots=True, kw_only=True)
class Charge:
    """Costs of one payer's account, service and category in a period, in one currency.

    Nobody changes one.

    Attributes:
        payer_account: The account that pays (FOCUS's BillingAccountId).
        linked_account: The account that caused the costs (SubAccountId).
        service: As its source names it; empty where the query did not ask for services.
        period_start: First day, UTC; a month's first, or a day of the billing period.
        arose_on: The day on which a charge of a day arose, which may be outside of its billing
            period, as of a correction; None where it is `period_start`.
        unblended: In `currency`, tax in charges of its own.
        billed: What the invoice says of it.
        net, net_amortized: None where the source does not know them.
        currency: ISO 4217.
        invoice_id: Empty where the source does not know it, as Cost Explorer.
        issuer: Who sends the invoice, where the source knows it.
        tag_rule: The place of the first tag rule that the charge fulfils, from 1; 0 for none.
    """

    payer_account: str
    linked_account: str
    linked_account_name: str = ""
    service: str
    period_start: date
    category: ChargeCategory
    unblended: Decimal
    amortized: Decimal
    billed: Decimal
    currency: str
    arose_on: date | None = None
    net: Decimal | None = None
    net_amortized: Decimal | None = None
    invoice_id: str = ""
    issuer: str = ""
    tag_rule: int = 0

    @property
    def day(self) -> date:
        """The day on which it arose, UTC."""
        return self.arose_on or self.period_start

    def cost(self, metric: Metric) -> Decimal:
        """One of its costs; zero where the source does not know it."""
        found: Decimal | None = getattr(self, metric)
        return Decimal(0) if found is None else found


class UsageSource(NamedTuple):
    """What usage of a day has in common with that of its month."""

    payer_account: str
    linked_account: str
    service: str
    tag_rule: int
    currency: str


class LineUsage(NamedTuple):
    """Usage of a day that is summed in a line.

    Attributes:
        line: Its number; all usage in it is in one currency.
        day: Of the billing period.
        amount: By the metric that was asked for.
    """

    line: int
    day: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedCosts:
    """What commitments (Savings Plans, reservations) did for the usage of a month.

    Only usage with a list price counts. Costs are amortized, before negotiated discounts that are
    charges of their own.

    Attributes:
        list_cost: What usage would have cost by list price (FOCUS's ListCost; on demand, at AWS).
        effective_cost: What it cost, with the unused part of commitments.
        covered_list_cost: The part of `list_cost` that commitments covered.
        used, unused: Costs of commitments, by whether usage needed them.
    """

    currency: str
    list_cost: Decimal
    effective_cost: Decimal
    covered_list_cost: Decimal
    used: Decimal
    unused: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEffect:
    """Why usage of a service costs another amount than in the month before, in one currency.

    Only SKUs that both months have are compared. Their unit prices are averages over all accounts,
    so a commitment that covers more of them, or a free tier that ends, is a change of price.

    Attributes:
        price: What the month's quantities cost more at its prices than at those before.
        quantity: What they cost more than the quantities before, both at the prices before.
    """

    currency: str
    service: str
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedCosts:
    """What a value of a tag cost in a month, of one service and account, in one currency.

    Attributes:
        value: Empty where the tag is not set.
        linked_account: Empty where the source does not tell accounts apart by tag.
        first: The month's first day.
        amount: By the metric that was asked for, without excluded categories.
    """

    value: str
    linked_account: str
    service: str
    first: date
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedInvoice:
    """An invoice as AWS's Invoicing API lists it, or as the invoices flow read its document.

    Attributes:
        payer: The payer account; empty where the document does not say.
        number: The issuer's number; empty where AWS lists none.
        amount: What is to be paid, tax included, in `currency`; None where AWS states no amount.
        tax: Of `amount`, None where it is not said.
        base_amount, base_currency, base_tax: The same before it was converted for payment.
        exchange_rate: Payment currency for one unit of the base currency, or None.
    """

    payer: str
    number: str
    issuer: str
    amount: Decimal | None
    currency: str
    tax: Decimal | None = None
    base_amount: Decimal | None = None
    base_currency: str = ""
    base_tax: Decimal | None = None
    exchange_rate: Decimal | None = None
    issued_on: date | None = None


class UnitStatus(StrEnum):
    """How a business unit's costs compare with its budget."""

    OVERRUN = "OVERRUN"
    UNDERRUN = "UNDERRUN"
    ON_TRACK = "ON_TRACK"
    NO_BUDGET = "NO_BUDGET"
    NO_SPEND = "NO_SPEND"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitBudget:
    """What a business unit may spend in a month.

    Attributes:
        monthly_target: In `currency`.
        alert_threshold_pct: How far, in percent of the target, costs may be above or below it.
        origin: Where it stands, such as a file or a table.
    """

    monthly_target: Decimal
    currency: str = "USD"
    alert_threshold_pct: Decimal = Decimal(10)
    origin: str = ""


def unit_status(spent: Decimal, budget: Decimal | None, threshold_pct: Decimal) -> UnitStatus:
    """Compare costs with a budget in the same currency.

    A budget is overrun when costs are above it by more than the threshold, underrun when they are
    below it by more. Zero costs with a budget above zero are NO_SPEND.
    """
    if budget is None:
        return UnitStatus.NO_BUDGET
    if not spent and budget:
        return UnitStatus.NO_SPEND
    allowed = WIDE.divide(WIDE.multiply(abs(budget), threshold_pct), Decimal(100))
    if WIDE.subtract(spent, budget) > allowed:
        return UnitStatus.OVERRUN
    if WIDE.subtract(budget, spent) > allowed:
        return UnitStatus.UNDERRUN
    return UnitStatus.ON_TRACK


def last_metered_day(charges: Mapping[date, int], delivered: date) -> date | None:
    """The last day of a month that is metered, None where none is.

    A few charges that are dated after all others are no knowledge of their day: it needs half as
    many as a usual day of the month. So are fewer on each of at least three days on end: resources
    have been cleaned up.

    Args:
        charges: How many there are of each day; days without any are missing.
        delivered: The day of the newest delivery, UTC; what is dated later is dated ahead.
    """
    if not charges:
        return None
    usual = median(charges.values())
    last = max(day for day, count in charges.items() if count * 2 >= usual)
    fewer: list[date] = []
    while (day := last + timedelta(days=len(fewer) + 1)) in charges and day <= delivered:
        fewer.append(day)
    if len(fewer) < _LEAST_OF_A_LEVEL:
        return last
    level = median(charges[day] for day in fewer)
    return max(day for day in fewer if charges[day] * 2 >= level)


#: Of fewer days, none is usual; the newest ones are metered in part only.
_LEAST_OF_A_LEVEL: Final = 3


def costs_known_until(
    month: Month,
    today: date,
    *,
    last_day: date | None,
    delivered: date | None,
    goes_on: bool,
    was_daily: bool = False,
) -> date:
    """The first day of the month of which nothing is known yet; its end where all is.

    A month without usage on its last days is as whole as any other: that its data was delivered
    later, or holds charges of the month after, says that it is over. A day is metered within a
    day: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html

    Args:
        month: Which.
        today: UTC.
        last_day: The last one with charges that arise daily; None where all are monthly.
        delivered: The day of the newest delivery, UTC; None where it is unknown.
        goes_on: Whether charges of the months after are known.
        was_daily: Whether the month before ended with charges that arise daily. Where none of this
            month is there, they are late: its first days are known once they can't be any more.
    """
    if today >= month.end and (goes_on or delivered is None or delivered > month.end):
        return month.end
    if last_day:
        known = last_day + timedelta(days=1)
    else:
        known = (delivered or today) - (_METERED_WITHIN if was_daily else timedelta(0))
    return max(month.first, min(known, today + timedelta(days=1), month.end))


#: A day, and the delivery after it.
_METERED_WITHIN: Final = timedelta(days=2)


def months_due(today: date, *, close_day: int, watch_until_day: int) -> list[tuple[Month, bool]]:
    """(month, whether it is to be closed) of what a daily run reconciles.

    The running month; and the one before, which is closed on `close_day` or, where that day's run
    failed, on the next, and looked at for late corrections up to `watch_until_day`.
    """
    running = Month.of(today)
    due = [(running, False)]
    if today.day <= watch_until_day:
        due.insert(0, (running.plus(-1), today.day >= close_day))
    return due


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """`part` in percent of `whole`, to a tenth; None if `whole` is zero."""
    if not whole:
        return None
    return rounded(WIDE.divide(WIDE.multiply(part, Decimal(100)), abs(whole)), 1)


def shared_out(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """The amount by weights, exactly: the parts add up to it. Even where no weight is positive."""
    positive = [max(weight, Decimal(0)) for weight in weights]
    whole = total(positive)
    if not whole:
        positive, whole = [Decimal(1)] * len(weights), Decimal(len(weights))
    digits = max(_SHARE_DIGITS, -_exponent(amount))
    parts = [WIDE.divide(WIDE.multiply(amount, weight), whole) for weight in positive]
    return rounded_to_sum(parts, digits, amount)


#: Parts of a shared cost are as fine as Cost Explorer's own amounts.
_SHARE_DIGITS: Final = 10


def _exponent(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
