"""Which services drove an account's anomaly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final, NamedTuple

from finops.reconciliation.anomalies import Unusual
from finops.reconciliation.domain import Charge
from finops.shared.money import WIDE, total
from finops.shared.periods import days_between

#: Days before an anomaly by which its services are told.
DAYS_BEFORE: Final = 28
_SERVICES_NAMED: Final = 3


class AccountDays(NamedTuple):
    """An anomaly's days, to the last one, of a linked account."""

    account: str
    first: date
    last: date

    @property
    def known_from(self) -> date:
        """The first of the days before by which they are judged."""
        return self.first - timedelta(days=DAYS_BEFORE)


class ServiceCosts(NamedTuple):
    """What a service cost on an anomaly's days.

    Attributes:
        spent: On all of them.
        usual: The median of the days before, on which it may have cost nothing.
    """

    spent: Decimal
    usual: Decimal


def costs_by_service(
    charges: Iterable[Charge], anomalies: Sequence[AccountDays]
) -> list[dict[str, ServiceCosts]]:
    """By service, of each anomaly; of each charge no more is kept than its costs by day."""
    found: dict[str, dict[str, dict[date, Decimal]]] = {}
    for charge in charges:
        services = found.setdefault(charge.linked_account, {})
        days = services.setdefault(charge.service or charge.category.value, {})
        days[charge.day] = WIDE.add(days.get(charge.day, Decimal(0)), charge.billed)
    return [
        {service: _costs(days, one) for service, days in found.get(one.account, {}).items()}
        for one in anomalies
    ]


def _costs(days: Mapping[date, Decimal], anomaly: AccountDays) -> ServiceCosts:
    zero = Decimal(0)
    window = days_between(anomaly.first, anomaly.last + timedelta(days=1))
    before = days_between(anomaly.known_from, anomaly.first)
    return ServiceCosts(
        spent=total(days.get(day, zero) for day in window),
        usual=median(days.get(day, zero) for day in before),
    )


def driving_services(services: Mapping[str, ServiceCosts], days: Unusual) -> list[str]:
    """Services by how far they were off their own median, the largest first; at most three.

    Args:
        services: Of the account; one that cost nothing may be left out.
        days: The anomaly.
    """
    count = (days.last - days.first).days + 1
    moved: dict[str, Decimal] = {}
    for service, costs in services.items():
        off = costs.spent - costs.usual * count
        moved[service] = off if days.score > 0 else -off
    largest = max(moved.values(), default=Decimal(0))
    ranked = sorted(moved, key=lambda service: (-moved[service], service))
    return [one for one in ranked if moved[one] * 10 >= largest > 0][:_SERVICES_NAMED]
