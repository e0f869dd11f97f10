"""The days on which the ECB publishes euro reference rates.

"Every working day, except on TARGET closing days", at around 16:00 CET:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Final

from dateutil.easter import easter  # type: ignore[import-untyped]

#: UTC; one hour after 16:00 in Frankfurt in winter, two in summer.
DUE: Final = time(17)
#: Month and day of closing days: https://www.ecb.europa.eu/ecb/contacts/working-hours/
_CLOSED: Final = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})


def is_published_on(day: date) -> bool:
    """Whether a day has rates of its own: no weekend, and no closing day of TARGET."""
    if day.weekday() >= 5 or (day.month, day.day) in _CLOSED:
        return False
    sunday = easter(day.year)
    return day not in (sunday - timedelta(days=2), sunday + timedelta(days=1))


def day_due(now: datetime) -> date:
    """The last day whose rates should be published by now.

    Args:
        now: In UTC.
    """
    day = now.date() if now.time() >= DUE else now.date() - timedelta(days=1)
    while not is_published_on(day):
        day -= timedelta(days=1)
    return day


def days_missing(known: Collection[date], last: date) -> list[date]:
    """The days with rates of their own that are not known, though an earlier one is.

    Args:
        known: Days whose rates are there.
        last: The last day to look at.
    """
    if not known:
        return []
    first = min(known)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [one for one in days if one not in known and is_published_on(one)]
