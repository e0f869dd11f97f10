"""Billing periods: calendar months in UTC, as AWS bills them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from finops.shared.errors import RejectedInput

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, UTC."""

    first: date

    @classmethod
    def parse(cls, text: str) -> Month:
        """A month from `2026-10`, of the years 1000 to 9998: later ones have no year after them.

        Raises:
            RejectedInput: the text is not a month, or of no such year.
        """
        found = _MONTH.fullmatch(text)
        if not found or not "1000" <= found[1] <= "9998":
            raise RejectedInput(
                f"{text!r} is not a month", code="invalid_month", value=text, remedy="Write YYYY-MM"
            )
        return cls(date(int(found[1]), int(found[2]), 1))

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(day: date) -> Month:
        """The month of a day."""
        return Month(day.replace(day=1))

    @property
    def end(self) -> date:
        """The first day after it: ends are exclusive, as Cost Explorer's are."""
        return (self.first + timedelta(days=32)).replace(day=1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of it."""
        return tuple(days_between(self.first, self.end))

    def plus(self, months: int) -> Month:
        """So many months later; earlier where the number is negative."""
        number = self.first.year * 12 + self.first.month - 1 + months
        return Month(date(number // 12, number % 12 + 1, 1))

    def back(self, count: int) -> tuple[Month, ...]:
        """The last `count` months up to this one, the oldest first."""
        return tuple(self.plus(-number) for number in range(count - 1, -1, -1))

    def __str__(self) -> str:
        """Such as `2026-10`."""
        return f"{self.first:%Y-%m}"


def last_months(now: datetime, count: int = 12) -> list[str]:
    """The last months as `2026-10`, this one first."""
    return [str(month) for month in reversed(Month.of(now.date()).back(count))]


def days_between(first: date, end: date) -> Iterator[date]:
    """Every day from `first` to before `end`."""
    for number in range((end - first).days):
        yield first + timedelta(days=number)


def month_end(end: date) -> date:
    """The first day of a month on or after this one: a part of a month asks for all of it."""
    return end if end.day == 1 else Month.of(end).end
