"""Which services drove an account's anomaly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from finops.reconciliation.anomalies import Unusual
from finops.reconciliation.domain import Charge, total
from finops.shared.periods import days_between

#: Days before an anomaly by which its services are told.
DAYS_BEFORE: Final = 28
_SERVICES_NAMED: Final = 3


def driving_services(charges: Iterable[Charge], days: Unusual) -> list[str]:
    """Services by how far they were off their own median, the largest first; at most three.

    Args:
        charges: Of the account, by day and service; those from `DAYS_BEFORE` days before the
            anomaly to its end count.
        days: The anomaly.
    """
    series: dict[str, dict[date, Decimal]] = {}
    earliest = days.first - timedelta(days=DAYS_BEFORE)
    for charge in charges:
        if not earliest <= charge.day <= days.last:
            continue
        of_service = series.setdefault(charge.service, {})
        of_service[charge.day] = total((of_service.get(charge.day, Decimal(0)), charge.billed))
    window = list(days_between(days.first, days.last + timedelta(days=1)))
    before = list(days_between(earliest, days.first))
    moved: dict[str, Decimal] = {}
    for service, costs in series.items():
        usual = median(costs.get(day, Decimal(0)) for day in before)
        off = total(costs.get(day, Decimal(0)) for day in window) - usual * len(window)
        moved[service] = off if days.score > 0 else -off
    largest = max(moved.values(), default=Decimal(0))
    ranked = sorted(moved, key=lambda service: (-moved[service], service))
    return [one for one in ranked if moved[one] * 10 >= largest > 0][:_SERVICES_NAMED]
