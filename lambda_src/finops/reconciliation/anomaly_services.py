"""Which services drove an account's anomaly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from finops.reconciliation.anomalies import Unusual
from finops.reconciliation.domain import Charge
from finops.shared.money import WIDE, total
from finops.shared.periods import days_between

#: Days before an anomaly by which its services are told.
DAYS_BEFORE: Final = 28
_SERVICES_NAMED: Final = 3

#: Costs by service and day.
ServiceDays = dict[str, dict[date, Decimal]]


def service_days(charges: Iterable[Charge]) -> dict[str, ServiceDays]:
    """Costs by linked account, service and day; of each charge no more is kept."""
    found: dict[str, ServiceDays] = {}
    for charge in charges:
        services = found.setdefault(charge.linked_account, {})
        days = services.setdefault(charge.service or charge.category.value, {})
        days[charge.day] = WIDE.add(days.get(charge.day, Decimal(0)), charge.billed)
    return found


def driving_services(services: ServiceDays, days: Unusual) -> list[str]:
    """Services by how far they were off their own median, the largest first; at most three.

    Args:
        services: Of the account; days from `DAYS_BEFORE` days before the anomaly to its end count.
        days: The anomaly.
    """
    earliest = days.first - timedelta(days=DAYS_BEFORE)
    window = list(days_between(days.first, days.last + timedelta(days=1)))
    before = list(days_between(earliest, days.first))
    moved: dict[str, Decimal] = {}
    for service, costs in services.items():
        usual = median(costs.get(day, Decimal(0)) for day in before)
        off = total(costs.get(day, Decimal(0)) for day in window) - usual * len(window)
        moved[service] = off if days.score > 0 else -off
    largest = max(moved.values(), default=Decimal(0))
    ranked = sorted(moved, key=lambda service: (-moved[service], service))
    return [one for one in ranked if moved[one] * 10 >= largest > 0][:_SERVICES_NAMED]
