"""The days on which the ECB publishes euro reference rates.

"Every working day, except on TARGET closing days", at around 16:00 CET:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

#: UTC; one hour after 16:00 in Frankfurt in winter, two in summer.
DUE: Final = time(17)
#: Month and day of closing days: https://www.ecb.europa.eu/ecb/contacts/working-hours/
_CLOSED: Final = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})


def is_published_on(day: date) -> bool:
    """Whether a day has rates of its own: no weekend, and no closing day of TARGET."""
    if day.weekday() >= 5 or (day.month, day.day) in _CLOSED:
        return False
    easter = easter_sunday(day.year)
    return day not in (easter - timedelta(days=2), easter + timedelta(days=1))


def day_due(now: datetime) -> date:
    """The last day whose rates should be published by now.

    Args:
        now: In UTC.
    """
    day = now.date() if now.time() >= DUE else now.date() - timedelta(days=1)
    while not is_published_on(day):
        day -= timedelta(days=1)
    return day


def easter_sunday(year: int) -> date:
    """Easter of the Gregorian calendar, by the algorithm of Meeus, Jones and Butcher.

    J. Meeus, Astronomical Algorithms, chapter 8.
    """
    golden = year % 19
    century, rest = divmod(year, 100)
    leaps, years = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leaps - correction + 15) % 30
    fourths, left = divmod(rest, 4)
    weekday = (32 + 2 * years + 2 * fourths - epact - left) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
