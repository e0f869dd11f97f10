"""What the generated organisations use, line by line, and what each line costs.

A line depends on nothing but its payer and its day, so a month that is over keeps its costs while
the clock goes on. Two kinds of line come later, as on AWS: usage up to yesterday is known today,
and payers whose number is odd get a late credit on the tenth of the next month, when the invoice
is out.

Every month has: weekday and weekend levels, growth of 2% of the level of 2024 a month, noise of
5%, and one service of one account at three times its level for two days; a Savings Plan (fee,
covered usage, negation), a reservation paid in January and amortized over the year, credits, an
agreed discount, support, tax by account and seller, a Marketplace subscription, usage of fractions
of a cent, and every third month a refund.
"""

from __future__ import annotations

import calendar
import functools
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

#: Costs are whole numbers of 10^-10 USD, the smallest that Cost Explorer writes.
USD = 10**10
CENT = USD // 100

#: A month is invoiced, and no longer estimated, from this day of the next month on.
INVOICE_DAY = 3
_LATE_CREDIT_DAY = 10
_LATE_CREDIT = -25 * USD

DISCOUNT = "Enterprise Discount Program Discount"
CREDIT = "Credit"
TAX = "Tax"

_EC2 = "Amazon Elastic Compute Cloud - Compute"
_RDS = "Amazon Relational Database Service"
_S3 = "Amazon Simple Storage Service"
_KEYS = "AWS Key Management Service"
_SAVINGS_PLANS = "Savings Plans for AWS Compute usage"
_OBSERVABILITY = "Example Observability Platform"
_MARKETPLACE_SELLER = "Example Observability, Inc."


@dataclass(frozen=True, slots=True)
class _Service:
    """Cents a weekday at the level of January 2024, and the share of it on other days."""

    name: str
    usage_type: str
    weekday_cents: int
    weekend_percent: int


_SERVICES = (
    _Service(_EC2, "BoxUsage:m6g.large", 4200, 60),
    _Service("EC2 - Other", "EBS:VolumeUsage.gp3", 900, 100),
    _Service(_RDS, "InstanceUsage:db.r6g.large", 2600, 95),
    _Service(_S3, "TimedStorage-ByteHrs", 700, 100),
    _Service("AWS Lambda", "Lambda-GB-Second-ARM", 300, 40),
    _Service("AmazonCloudWatch", "CW:MetricMonitorUsage", 260, 100),
    _Service("Amazon DynamoDB", "WriteRequestUnits", 340, 55),
)
_LEVEL_OF = date(2024, 1, 1)

_NAMED_PAYER = "111111111111"
#: The one organisation whose accounts are named; every other caller pays for one of its own.
_NAMED = {
    _NAMED_PAYER: "management",
    "222222222222": "payments",
    "333333333333": "platform",
    "444444444444": "sandbox",
}
_OTHER_NAMES = ("management", "production", "staging", "data", "security", "shared")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a payer has agreed with AWS; usage is in USD for everybody in the aws partition."""

    payment_currency: str
    tax_percent: int
    discount_percent: int

    @property
    def seller(self) -> str:
        """Who invoices AWS's own services."""
        if self.payment_currency == "USD":
            return "Amazon Web Services, Inc."
        return "Amazon Web Services EMEA SARL"


_TERMS = {
    _NAMED_PAYER: Terms("USD", 10, 5),
    "555555555555": Terms("EUR", 19, 0),
    "666666666666": Terms("GBP", 20, 3),
}


@dataclass(frozen=True, slots=True)
class Line:
    """Costs of one account, service and record type on one day, in 10^-10 USD.

    Attributes:
        quantity: Usage in 10^-10 units.
        discount: What is off these costs, and has its own line; net costs are without it.
        seller: Legal entity that sells and invoices.
        bill_type: The kind of invoice it is on.
    """

    day: date
    linked_account: str
    service: str
    record_type: str
    usage_type: str
    unblended: int
    amortized: int
    quantity: int
    discount: int
    billing_entity: str
    seller: str
    bill_type: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who pays, under which terms, and for which accounts (id → name, the payer's own first)."""

    payer: str
    terms: Terms
    accounts: Mapping[str, str]


@functools.cache
def organisation(caller: str, accounts: int) -> Organisation:
    """The organisation that the account belongs to.

    Args:
        caller: Its id.
        accounts: How many accounts a payer that is not named here has, itself included.
    """
    if caller in _NAMED:
        return Organisation(_NAMED_PAYER, _TERMS[_NAMED_PAYER], _NAMED)
    named = {caller: _OTHER_NAMES[0]}
    for number in range(1, accounts):
        round_, place = divmod(number, len(_OTHER_NAMES))
        name = _OTHER_NAMES[place] + (f"-{round_ + 1}" if round_ else "")
        named[f"{steady_number(caller, f'account {number}') % 10**12:012}"] = name
    choices = list(_TERMS.values())
    terms = _TERMS.get(caller, choices[steady_number(caller, "terms") % len(choices)])
    return Organisation(caller, terms, named)


def lines(payer: Organisation, start: date, end: date, today: date) -> Iterator[Line]:
    """The lines of the days from `start` to before `end` that are known on `today`."""
    month = start.replace(day=1)
    while month < min(end, today):
        known = _known(payer.payer, payer.terms, tuple(payer.accounts), month, _as_of(month, today))
        for line in known:
            if start <= line.day < end:
                yield line
        month = next_month(month)


def next_month(month: date) -> date:
    """The first day of the month after this one."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before this one."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def invoiced_on(month: date) -> date:
    """The day from which the invoices of the month are there."""
    return next_month(month).replace(day=INVOICE_DAY)


def round_to_cents(amount: int) -> int:
    """Whole cents, half away from zero."""
    cents = (abs(amount) + CENT // 2) // CENT * CENT
    return -cents if amount < 0 else cents


def _as_of(month: date, today: date) -> date:
    """The earliest day on which as much of the month is known as today."""
    late = next_month(month).replace(day=_LATE_CREDIT_DAY)
    return late if today >= late else min(today, next_month(month))


# A few months of some payers: a month of one has about a thousand lines.
@functools.lru_cache(maxsize=200)
def _known(
    payer: str, terms: Terms, accounts: tuple[str, ...], month: date, as_of: date
) -> tuple[Line, ...]:
    known = [one for one in _Month(payer, terms, accounts, month).lines() if one.day < as_of]
    late = next_month(month).replace(day=_LATE_CREDIT_DAY)
    known.extend(_taxes(known, month, terms.tax_percent))
    if as_of >= late and int(payer[-1]) % 2:
        last = next_month(month) - timedelta(days=1)
        known.append(_line(last, payer, _S3, CREDIT, "", _LATE_CREDIT, seller=terms.seller))
    return tuple(known)


def _taxes(known: list[Line], month: date, percent: int) -> Iterator[Line]:
    """Tax is in whole cents and lies on the first day of its month."""
    taxed: dict[tuple[str, str, str, str], int] = {}
    for line in known:
        key = (line.linked_account, line.billing_entity, line.seller, line.bill_type)
        taxed[key] = taxed.get(key, 0) + line.unblended
    for (account, entity, seller, bill), amount in taxed.items():
        if cents := round_to_cents(amount * percent // 100):
            yield _line(
                month, account, TAX, TAX, "", cents, seller=seller, bill=bill, entity=entity
            )


def _line(
    day: date,
    account: str,
    service: str,
    record_type: str,
    usage_type: str,
    unblended: int,
    *,
    seller: str,
    amortized: int | None = None,
    quantity: int = 0,
    discount: int = 0,
    entity: str = "AWS",
    bill: str = "ANNIVERSARY",
) -> Line:
    return Line(
        day,
        account,
        service,
        record_type,
        usage_type,
        unblended,
        unblended if amortized is None else amortized,
        quantity,
        discount,
        entity,
        seller,
        bill,
    )


@dataclass(frozen=True, slots=True)
class _Month:
    """What happens in a month, whatever the day on which it is asked for."""

    payer: str
    terms: Terms
    accounts: tuple[str, ...]
    month: date

    def lines(self) -> Iterator[Line]:
        for day in range(1, calendar.monthrange(self.month.year, self.month.month)[1] + 1):
            for account in self.accounts:
                yield from self._usage(account, self.month.replace(day=day))
            yield from self._commitments(self.month.replace(day=day))
        yield from self._monthly()

    @property
    def _ordinal(self) -> int:
        return self.month.year * 12 + self.month.month

    def _usage(self, account: str, day: date) -> Iterator[Line]:
        seller = self.terms.seller
        noise = random.Random(f"{account} {day}")
        for service in _SERVICES:
            factor = 3 if self._spikes(account, service, day) else 1
            cost = _level(account, service, day) * noise.randint(9500, 10500) * factor // 10**4
            off = cost * self.terms.discount_percent // 100
            yield _line(
                day,
                account,
                service.name,
                "Usage",
                service.usage_type,
                cost,
                quantity=cost // 7,
                discount=off,
                seller=seller,
            )
            if off:
                yield _line(
                    day, account, service.name, DISCOUNT, "", -off, discount=-off, seller=seller
                )
        dust = noise.randint(10**5, 9 * 10**5)
        yield _line(
            day, account, _KEYS, "Usage", "KMS-Requests", dust, quantity=dust, seller=seller
        )

    def _spikes(self, account: str, service: _Service, day: date) -> bool:
        first = 8 + steady_number(self.payer, f"day {self._ordinal}") % 15
        spiking = (
            self.accounts[
                (steady_number(self.payer, "spike") + self._ordinal) % len(self.accounts)
            ],
            _SERVICES[(steady_number(self.payer, "service") + self._ordinal) % len(_SERVICES)],
        )
        return (account, service) == spiking and day.day in {first, first + 1}

    def _commitments(self, day: date) -> Iterator[Line]:
        """A Savings Plan of 30 USD a day, fully used, and a reservation of 1,460 USD a year."""
        line = functools.partial(_line, day, self.payer, seller=self.terms.seller)
        fee, on_demand = 30 * USD, 41 * USD + 70 * CENT
        yield line(_SAVINGS_PLANS, "SavingsPlanRecurringFee", "ComputeSP", fee, amortized=0)
        yield line(
            _EC2,
            "SavingsPlanCoveredUsage",
            "BoxUsage:c6g.large",
            on_demand,
            amortized=fee,
            quantity=24 * USD,
        )
        yield line(_EC2, "SavingsPlanNegation", "BoxUsage:c6g.large", -on_demand, amortized=0)
        upfront = 1460 * USD
        if (day.month, day.day) == (1, 3):
            usage_type = "HeavyUsage:db.r6g.large"
            yield line(_RDS, "Upfront", usage_type, upfront, amortized=0, bill="PURCHASE")
        share = upfront // (366 if calendar.isleap(day.year) else 365)
        usage_type = "InstanceUsage:db.r6g.large"
        yield line(_RDS, "DiscountedUsage", usage_type, 0, amortized=share, quantity=24 * USD)

    def _monthly(self) -> Iterator[Line]:
        seller, month = self.terms.seller, self.month
        support = (100 + steady_number(self.payer, "support") % 50) * USD
        yield _line(
            month, self.payer, "AWS Support (Business)", "Support", "", support, seller=seller
        )
        user, buyer = self.accounts[-1], self.accounts[len(self.accounts) // 2]
        for day in range(1, 11):
            credit = -(4 * USD + 33 * CENT + day * 12345)
            yield _line(
                month.replace(day=day), user, "AWS Lambda", CREDIT, "", credit, seller=seller
            )
        yield _line(
            month,
            buyer,
            _OBSERVABILITY,
            "Usage",
            "Subscription",
            249 * USD,
            quantity=USD,
            entity="AWS Marketplace",
            seller=_MARKETPLACE_SELLER,
        )
        if self._ordinal % 3 == steady_number(self.payer, "refund") % 3:
            refund = -(17 * USD + 42 * CENT)
            yield _line(
                month.replace(day=14), user, _S3, "Refund", "", refund, seller=seller, bill="REFUND"
            )


@functools.cache
def _base(account: str, service: _Service) -> int:
    """Each account uses its own share of each service: 20% to 180% of the common level."""
    return service.weekday_cents * CENT * (20 + steady_number(account, service.name) % 161) // 100


def _level(account: str, service: _Service, day: date) -> int:
    months = (day.year - _LEVEL_OF.year) * 12 + day.month - _LEVEL_OF.month
    weekday = 100 if day.weekday() < 5 else service.weekend_percent
    return _base(account, service) * weekday * max(100 + 2 * months, 10) // 10**4


@functools.cache
def steady_number(*names: str) -> int:
    """A number that is always the same for these names."""
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:8], "big")
