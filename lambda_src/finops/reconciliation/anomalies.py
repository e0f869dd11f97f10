"""Finds days with unusual costs, judged by the days before them.

The method, in the terms of robust statistics (Huber and Ronchetti, Robust Statistics, 2nd ed.):

1. A day is expected to cost the series' level times the factor of its weekday. The level is the
   median of the 28 days before it, each divided by its weekday's factor. The factor of a weekday is
   the median, over the whole weeks before the month, of the day's share of its week's median. A
   week's median is that of the weekdays on which the series usually has costs at all.
2. Costs that recur on the same day of each month (such as a subscription) are expected too: the
   smallest excess on that day in the months before.
3. A day's deviation is divided by the series' own scatter: 1.4826 times the median absolute
   deviation of all days that are looked back at, at least 1% of the level. A day is
   unusual beyond `DEVIATIONS` of it.
4. An intermittent series, which paused three times or on most days, is judged by its days with
   costs alone: a pause is usual, and a day is unusual only above them. With fewer than five such
   days, it must be beyond the most expensive of them.
5. It is an anomaly if the difference also matters: at least `LEAST_SHARE` of what was
   expected and `LEAST_AMOUNT`. Consecutive unusual days are one anomaly.

Outliers move a median little while they are fewer than half of its values. So an earlier anomaly
does not hide a later one, and a change of level is reported for about two weeks, after which it is
the new level. How often noise alone raises an alarm is measured by
tests/reconciliation/test_anomalies.py: see docs/decisions/0011.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Final

from finops.shared.periods import Month, days_between

#: Days of the past that are looked at: eight weeks, and the two months' days that recur.
HISTORY_DAYS: Final = 62
#: Fewer known days than this say nothing.
_LEAST_HISTORY: Final = 21
_LEVEL_DAYS: Final = 28
#: Robust deviations beyond which a day is unusual.
DEVIATIONS: Final = 7.0
LEAST_SHARE: Final = 0.2
#: In the report's currency, a day.
LEAST_AMOUNT: Final = 10.0
_MAD_TO_DEVIATION: Final = 1.4826
_LEAST_SCATTER: Final = 0.01
#: A difference of `LEAST_AMOUNT` is no more than `DEVIATIONS` of it.
_LEAST_SCALE: Final = LEAST_AMOUNT / DEVIATIONS
#: What more robust deviations than that say is no more than this.
MOST_DEVIATIONS: Final = Decimal(100)
#: Pauses of an intermittent series; one or two are outages.
_LEAST_PAUSES: Final = 3
_LEAST_ACTIVE_DAYS: Final = 5
_LEAST_SCATTER_OF_FEW: Final = 0.1
#: Of a weekday's days, on which a series usually has costs.
_USUAL_SHARE: Final = 0.25
_LEAST_FACTOR: Final = 0.1

Series = Mapping[date, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """Consecutive days that cost more or less than expected.

    Attributes:
        last: Inclusive.
        score: Robust deviations of the worst day, at most `MOST_DEVIATIONS`; negative where it
            cost less.
        days_before: The number of days that the expectation is based on.
    """

    first: date
    last: date
    actual: Decimal
    expected: Decimal
    score: Decimal
    days_before: int


def unusual_days(series: Series, month: Month, known_until: date | None = None) -> list[Unusual]:
    """The anomalies of a month, the earliest first.

    Args:
        series: Costs by day; a day without costs may be missing. From the first day on that it
            names, every day counts.
        month: Which is looked at.
        known_until: The first day of which nothing is known yet.
    """
    end = min(month.end, known_until or month.end)
    if not series or min(series) >= end:
        return []
    past = _Past(series, max(min(series), month.first - timedelta(days=HISTORY_DAYS)), month)
    found: list[_Day] = []
    for day in days_between(max(past.start, month.first), end):
        judged = past.judge(day)
        if judged:
            found.append(judged)
            # What is unusual is no measure for the days after it.
            past.forgive(judged)
    return [_joined(run) for run in _runs(found)]


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    actual: float
    expected: float
    score: float
    before: int


class _Past:
    """A series as the days after it are judged by it. Positions count days from `start`."""

    def __init__(self, series: Series, start: date, month: Month) -> None:
        self.start = start
        self._costs = [float(series.get(day, 0)) for day in days_between(start, month.end)]
        known = max((month.first - start).days, 0)
        usual = self._usual_weekdays(known)
        self._is_intermittent = self._pauses(known, usual)
        self._factors = [1.0] * 7 if self._is_intermittent else self._weekday_factors(known, usual)
        self._levels = [self._level(at) for at in range(len(self._costs))]

    def judge(self, day: date) -> _Day | None:
        """The day, where it is unusual."""
        at = (day - self.start).days
        before = min(at, HISTORY_DAYS)
        if before < _LEAST_HISTORY:
            return None
        levels = [one for one in self._levels[at - before : at] if one is not None]
        if self._is_intermittent:
            return self._judge_intermittent(day, levels, before)
        if not levels:
            return None
        level = median(levels[-_LEVEL_DAYS:])
        factor = self._factor(at)
        cost = self._costs[at]
        expected = level * factor + self._recurring(level, day)
        off = cost - expected
        if abs(off) < max(LEAST_AMOUNT, LEAST_SHARE * abs(expected)):
            return None
        least = _LEAST_SCATTER if len(levels) >= _LEAST_HISTORY else _LEAST_SCATTER_OF_FEW
        scale = max(_scatter(levels, level), least * abs(level))
        score = off / max(scale * max(factor, _LEAST_FACTOR), _LEAST_SCALE)
        return _Day(day, cost, expected, score, before) if abs(score) >= DEVIATIONS else None

    def _judge_intermittent(self, day: date, active: Sequence[float], before: int) -> _Day | None:
        """By the days with costs. Whether a day has any says nothing."""
        cost = self._costs[(day - self.start).days]
        expected = median(active[-_LEVEL_DAYS:]) if active else 0.0
        off = cost - expected
        if off < max(LEAST_AMOUNT, LEAST_SHARE * abs(expected)):
            return None
        scale = max(_scatter(active, expected), _LEAST_SCATTER_OF_FEW * abs(expected), _LEAST_SCALE)
        if len(active) < _LEAST_ACTIVE_DAYS:
            scale = max(scale, (max(active, default=0.0) - expected) / DEVIATIONS + scale)
        score = off / scale
        return _Day(day, cost, expected, score, before) if score >= DEVIATIONS else None

    def forgive(self, unusual: _Day) -> None:
        """From now on, the day cost what was expected of it."""
        at = (unusual.day - self.start).days
        self._costs[at] = unusual.expected
        self._levels[at] = self._level(at)

    def _factor(self, at: int) -> float:
        return self._factors[self._weekday(at)]

    def _level(self, at: int) -> float | None:
        """The cost without its weekday; None of days on which next to nothing runs."""
        factor = self._factor(at)
        if self._is_intermittent and not self._costs[at]:
            return None
        return self._costs[at] / factor if factor > _LEAST_FACTOR else None

    def _weekday(self, at: int) -> int:
        return (self.start.weekday() + at) % 7

    def _usual_weekdays(self, until: int) -> set[int]:
        """The weekdays that usually have costs; all where none has."""
        active: list[list[bool]] = [[] for _ in range(7)]
        for at, cost in enumerate(self._costs[:until]):
            active[self._weekday(at)].append(bool(cost))
        usual = {
            weekday
            for weekday, days in enumerate(active)
            if days and sum(days) > _USUAL_SHARE * len(days)
        }
        return usual or set(range(7))

    def _pauses(self, until: int, usual: Container[int]) -> bool:
        """Whether the series stops now and then, or mostly, its weekdays without costs apart."""
        active = [
            bool(cost) for at, cost in enumerate(self._costs[:until]) if self._weekday(at) in usual
        ]
        pauses = sum(before and not now for before, now in pairwise([True, *active]))
        return pauses >= _LEAST_PAUSES or sum(active) * 2 < len(active)

    def _weekday_factors(self, until: int, usual: Container[int]) -> list[float]:
        """How each weekday compares with the median day of its week; 1 where little is known."""
        shares: list[list[float]] = [[] for _ in range(7)]
        for first in range(until - 7, -1, -7):
            week = self._costs[first : first + 7]
            middle = median(
                cost for at, cost in enumerate(week, first) if self._weekday(at) in usual
            )
            if middle > 0:
                for at, cost in enumerate(week, first):
                    shares[self._weekday(at)].append(cost / middle)
        return [max(median(one), 0.0) if len(one) >= 3 else 1.0 for one in shares]

    def _recurring(self, level: float, day: date) -> float:
        """What was beyond the level on this day of the months before, and on each of them."""
        excesses = []
        for back in (1, 2):
            earlier = Month.of(day).plus(-back)
            same = earlier.first + timedelta(days=day.day - 1)
            at = (same - self.start).days
            if at >= 0 and same < earlier.end:
                excesses.append(self._costs[at] - level * self._factor(at))
        if not excesses or min(excesses) < 0 < max(excesses):
            return 0.0
        least = min(excesses, key=abs)
        return least if abs(least) >= LEAST_SHARE * abs(level) else 0.0


def _scatter(values: Sequence[float], level: float) -> float:
    return _MAD_TO_DEVIATION * median(abs(one - level) for one in values) if values else 0.0


def _runs(days: Sequence[_Day]) -> list[list[_Day]]:
    runs: list[list[_Day]] = []
    for one in days:
        last = runs[-1][-1] if runs else None
        if last and one.day - last.day == timedelta(days=1) and one.score * last.score > 0:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _joined(run: Sequence[_Day]) -> Unusual:
    worst = max(run, key=lambda one: abs(one.score))
    return Unusual(
        first=run[0].day,
        last=run[-1].day,
        actual=_amount(sum(one.actual for one in run)),
        expected=_amount(sum(one.expected for one in run)),
        score=max(-MOST_DEVIATIONS, min(MOST_DEVIATIONS, Decimal(f"{worst.score:.1f}"))),
        days_before=worst.before,
    )


def _amount(value: float) -> Decimal:
    """An estimate is no money: to the cent is more than it knows."""
    return Decimal(f"{value:.2f}")
