"""Foretells daily costs from the days before.

1. A day costs the level times its weekday's share: the median cost of that weekday in the last
   four weeks. Where the median of the last week is off the level of four weeks by more than
   `_CHANGED_SHARE`, it is the level: the costs have changed. A series that is younger than two
   weeks has its own last week as its level, and no weekdays.
2. What came on the same day of each of the two months before comes again: far more than the same
   weekday cost then, and alike in both.
3. A job that runs on some days costs its mean over four weeks each day.

How far forecasts are off, beside simpler ones, is measured by tests/benchmarks/test_forecast.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Final

from finops.shared.money import total
from finops.shared.periods import Month, days_between

#: Days by which the days to come are foretold.
DAYS_BEFORE: Final = 28
_WEEK: Final = 7
_LEAST_FOR_WEEKDAYS: Final = 14
_CHANGED_SHARE: Final = Decimal("0.15")
_LEAST_PAUSES: Final = 3
_LEAST_FACTOR: Final = Decimal("0.1")
_MONTHS_BACK: Final = (1, 2)
_RECURS_BEYOND: Final = Decimal("0.5")
_RECURS_WITHIN: Final = 2
#: Of normal values, 80% are as near to their mean, in standard deviations.
_OF_80_PERCENT: Final = Decimal("1.2816")
#: The variance of a median of n normal values is about pi/2 times that of their mean.
_OF_A_MEDIAN: Final = Decimal("1.5708")
#: The scatter around medians of four days is less than that of the days to come.
_FITTED: Final = Decimal("1.6")
_MAD_TO_DEVIATION: Final = Decimal("1.4826")
_ZERO: Final = Decimal(0)

Series = Mapping[date, Decimal]


@dataclass(frozen=True)
class DailyForecast:
    """The days to come of a series.

    Attributes:
        series: Costs by day, before `first`; a day without costs may be missing.
        first: The first day that is foretold.
    """

    series: Series
    first: date

    def days(self, end: date) -> dict[date, Decimal]:
        """The cost of each day before `end`."""
        if not self._known:
            return {}
        if self._is_intermittent:
            mean = total(map(self._cost, self._known)) / len(self._known)
            return dict.fromkeys(days_between(self.first, end), mean)
        return {day: self._usual(day) + self._recurring(day) for day in self._coming(end)}

    def half_range(self, end: date) -> Decimal:
        """How far the sum of the days before `end` may be off, either way, in 80% of all cases."""
        coming = Decimal(len(self._coming(end)))
        if not self._known or not coming:
            return _ZERO
        if self._is_intermittent:
            mean = total(map(self._cost, self._known)) / len(self._known)
            off = [self._cost(day) - mean for day in self._known]
            variance = total(one * one for one in off) / len(off)
        else:
            off = [abs(self._cost(day) - self._usual(day)) for day in self._known[-DAYS_BEFORE:]]
            variance = (_MAD_TO_DEVIATION * median(off)) ** 2
        of_level = variance * _OF_A_MEDIAN / (_WEEK if self._has_changed else len(self._known))
        drift = self._last_week - self._four_weeks if self._has_weekdays else _ZERO
        again = total(
            (max(found) - min(found)) ** 2
            for day in self._coming(end)
            if (found := self._excesses(day))
        )
        return (
            _OF_80_PERCENT
            * (_FITTED * variance * coming + coming**2 * (of_level + drift**2) + again).sqrt()
        )

    def _coming(self, end: date) -> list[date]:
        return list(days_between(self.first, end))

    def _cost(self, day: date) -> Decimal:
        return self.series.get(day, _ZERO)

    @cached_property
    def _begins(self) -> date:
        return min((day for day, cost in self.series.items() if cost), default=self.first)

    @cached_property
    def _earliest(self) -> date:
        return min(self.series)

    @cached_property
    def _known(self) -> list[date]:
        start = max(self._begins, self.first - timedelta(days=DAYS_BEFORE))
        return list(days_between(start, self.first))

    @property
    def _has_weekdays(self) -> bool:
        return len(self._known) >= _LEAST_FOR_WEEKDAYS

    @cached_property
    def _by_weekday(self) -> list[Decimal]:
        return [
            median(self._cost(day) for day in self._known if day.weekday() == weekday)
            for weekday in range(_WEEK)
        ]

    @cached_property
    def _four_weeks(self) -> Decimal:
        return total(self._by_weekday) / _WEEK

    def _factor(self, day: date) -> Decimal:
        if not self._has_weekdays or not self._four_weeks:
            return Decimal(1)
        return self._by_weekday[day.weekday()] / self._four_weeks

    @cached_property
    def _last_week(self) -> Decimal:
        levels = [
            self._cost(day) / factor
            for day in self._known[-_WEEK:]
            for factor in [self._factor(day)]
            if factor > _LEAST_FACTOR
        ]
        return median(levels) if levels else _ZERO

    @cached_property
    def _has_changed(self) -> bool:
        if not self._has_weekdays:
            return True
        off = abs(self._last_week - self._four_weeks)
        return off > _CHANGED_SHARE * abs(self._four_weeks)

    def _usual(self, day: date) -> Decimal:
        if not self._has_weekdays:
            return self._last_week
        level = self._last_week if self._has_changed and self._four_weeks else self._four_weeks
        return level * self._factor(day)

    @cached_property
    def _is_intermittent(self) -> bool:
        """Whether it pauses now and then, or runs on weekdays on which it mostly does not."""
        if not self._has_weekdays:
            return False
        pauses = sum(
            bool(self._cost(one)) and not self._cost(other) for one, other in pairwise(self._known)
        )
        usual = [bool(self._by_weekday[day.weekday()]) for day in self._known]
        ran = [bool(self._cost(day)) for day in self._known]
        odd = sum(now and not usually for now, usually in zip(ran, usual, strict=True))
        missed = sum(usually and not now for now, usually in zip(ran, usual, strict=True))
        is_alive = any(ran[-_LEAST_FOR_WEEKDAYS:])
        return is_alive and pauses >= _LEAST_PAUSES and max(odd, missed) > _LEAST_PAUSES

    def _recurring(self, day: date) -> Decimal:
        """Beyond what is usual, where both months before had about as much on the same day."""
        found = self._excesses(day)
        return total(found) / len(found) if found else _ZERO

    def _excesses(self, day: date) -> Sequence[Decimal]:
        usual = self._usual(day)
        has_ended = self._has_weekdays and self._four_weeks and not self._last_week
        if self._is_intermittent or has_ended:
            return ()
        excesses = []
        for back in _MONTHS_BACK:
            earlier = Month.of(day).plus(-back)
            same = earlier.first + timedelta(days=day.day - 1)
            near = self._near(same) if same < earlier.end else ()
            middle = median(near) if near else _ZERO
            excess = self._cost(same) - middle
            if not near or excess <= max(_RECURS_BEYOND * max(middle, usual), _ZERO):
                return ()
            excesses.append(excess)
        recur = max(excesses) <= _RECURS_WITHIN * min(excesses)
        return excesses if recur else ()

    def _near(self, day: date) -> Sequence[Decimal]:
        """The same weekdays of the weeks around a day."""
        around = (day + timedelta(days=_WEEK * weeks) for weeks in (-2, -1, 1, 2))
        return [self._cost(one) for one in around if self._earliest <= one < self.first]
