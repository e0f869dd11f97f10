"""Finds days with unusual costs, judged by the days before them.

The method, in the terms of robust statistics (Huber and Ronchetti, Robust Statistics, 2nd ed.):

1. A day is expected to cost the series' level times the factor of its weekday. The level is the
   median of the 28 days before it, each divided by its weekday's factor. The factor of a weekday is
   the mean of the day's shares of its weeks' medians over the whole weeks before the month, without
   outliers, drawn to the mean of workdays or weekends as far as their difference may be noise. A
   week's median is that of the weekdays on which the series usually has costs at all.
2. Costs that recur on the same day of each month (such as a subscription) are expected too: the
   mean excess on that day in the months before, where each of them was far off.
3. A day's deviation is divided by the series' own scatter: the standard deviation of all days that
   are looked back at, without outliers (further than 3.5 times 1.4826 median absolute deviations),
   or that of the days on the same side, whichever is greater; at least 1% of the level. It grows
   with the expected cost, and where few days are known. A day is unusual beyond `DEVIATIONS` of it.
4. An intermittent series, which paused three times or on most days, is judged by its days with
   costs alone: a pause is usual, and a day is unusual only above them. With fewer than five such
   days, it must be beyond the most expensive of them.
5. It is an anomaly if the difference also matters: at least `LEAST_SHARE` of what was
   expected and `LEAST_AMOUNT`. Consecutive unusual days are one anomaly.
6. A change of the level, at once or by and by, is one anomaly: the mean of a week is off that of
   the four weeks before it, by `_CHANGE_SHARE` and by `_CHANGE_DEVIATIONS` of a week's mean.
7. What came before is usual, such as a job that runs on some days above a base: a day or a change
   that is off as far as three days before, or two runs of days, were. Days just before it do not
   count, which may be its own event. Where days differ on three weekdays or more, weekdays say
   nothing.
8. A series without costs before is new; one that ends, three days or more before what is known
   ends, has vanished.

Outliers move a median little while they are fewer than half of its values. So an earlier anomaly
does not hide a later one, and a change of level is reported for about two weeks, after which it is
the new level. How often noise alone raises an alarm, and what is found, is measured by
tests/reconciliation/test_anomalies.py and tests/benchmarks/test_anomalies.py: see
docs/decisions/0011.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from finops.shared.periods import Month, days_between

#: Days of the past that are looked at: eight weeks, and the two months' days that recur.
HISTORY_DAYS: Final = 62
#: Fewer known days than this say nothing.
_LEAST_HISTORY: Final = 21
_LEVEL_DAYS: Final = 28
#: Robust deviations beyond which a day is unusual.
DEVIATIONS: Final = 3.2
#: The same for a day that costs less than expected, which is seldom worth a person's time.
_DEVIATIONS_BELOW: Final = 3.7
LEAST_SHARE: Final = 0.2
#: In the report's currency, a day.
LEAST_AMOUNT: Final = 10.0
_MAD_TO_DEVIATION: Final = 1.4826
#: Robust deviations beyond which a day does not count for the scatter.
_OUTLIER: Final = 3.5
#: Of fewer days, each counts.
_LEAST_FOR_OUTLIERS: Final = 14
_LEAST_SCATTER: Final = 0.01
#: A difference of `LEAST_AMOUNT` is no more than `DEVIATIONS` of it.
_LEAST_SCALE: Final = LEAST_AMOUNT / DEVIATIONS
#: What more robust deviations than that say is no more than this.
MOST_DEVIATIONS: Final = Decimal(100)
#: Pauses of an intermittent series; one or two are outages.
_LEAST_PAUSES: Final = 3
_LEAST_ACTIVE_DAYS: Final = 5
_LEAST_SCATTER_OF_FEW: Final = 0.1
_LEAST_SCATTER_BELOW_FIVE: Final = 0.25
#: Of a weekday's days, on which a series usually has costs.
_USUAL_SHARE: Final = 0.25
_LEAST_FACTOR: Final = 0.1
#: What seven factors and a level take from what is known of the scatter.
_FITTED: Final = 7
#: By how much more a score must be where the scatter is known from n days: 1 + 4/n, about the
#: quantiles of Student's t beside the normal ones.
_FEW_DAYS: Final = 4.0
#: How much wider a scatter is around what is known from the months before.
_OF_TWO: Final = 1.5
#: Days, or runs of days, that came before, after which their like is usual.
_CAME_ON_DAYS: Final = 3
_CAME_IN_RUNS: Final = 2
#: How far such days were off, beside the day that is judged.
_LEAST_ALIKE: Final = 2 / 3
_MOST_ALIKE: Final = 1.5
_WEEK: Final = 7
#: Weekdays whose days differ among themselves.
_MOST_SPLIT: Final = 3
_FORTNIGHTS: Final = (14, 28, 42)
_CHANGE_SHARE: Final = 0.3
_CHANGE_DEVIATIONS: Final = 5.0
#: Days without costs before a series is said to have vanished.
_GONE_DAYS: Final = 3
#: How many times its noise a difference of weekdays must be before it is told from none.
_CAUTION: Final = 2.0
_WORKDAYS: Final = (range(5), range(5, 7))

Series = Mapping[date, Decimal]


class AnomalyKind(StrEnum):
    """What is odd about the days of an anomaly."""

    UNUSUAL = "unusual"
    CHANGE = "change"
    """The level is another one since."""
    NEW = "new"
    VANISHED = "vanished"


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
    kind: AnomalyKind = AnomalyKind.UNUSUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody knows of an anomaly, and why it is.

    Attributes:
        subject: An account's id, or a service.
        day: A day of the anomaly, UTC.
        until: The last day on which it is quiet; None where it is quiet as long as it lasts.
    """

    subject: str
    day: date
    reason: str
    until: date | None = None

    def covers(self, subject: str, days: Unusual, month: Month, series: Series) -> bool:
        """Whether an anomaly of a month is meant: it has the day, or goes on from the month before.

        What goes on after `until` is told again.
        """
        return (
            subject == self.subject
            and (days.first <= self.day <= days.last or self._goes_on(days, month, series))
            and (self.until is None or days.last <= self.until)
        )

    def _goes_on(self, days: Unusual, month: Month, series: Series) -> bool:
        """Whether costs have been off like this since the day, but for one day in four."""
        if days.first != month.first or Month.of(self.day) != month.plus(-1):
            return False
        count = (days.last - days.first).days + 1
        usual, off = days.expected / count, (days.actual - days.expected) / count
        since = [series.get(day, Decimal(0)) - usual for day in days_between(self.day, month.first)]
        alike = [one for one in since if one * off > 0 and 2 * abs(one) >= abs(off)]
        return 4 * len(alike) >= 3 * len(since)


def unusual_days(
    series: Series,
    month: Month,
    known_until: date | None = None,
    *,
    known_from: date | None = None,
) -> list[Unusual]:
    """The anomalies of a month, the earliest first.

    Args:
        series: Costs by day; a day without costs may be missing.
        month: Which is looked at.
        known_until: The first day of which nothing is known yet.
        known_from: The first day on which the source knows the costs of any series; the first one
            that the series names where it is not given. From then on, every day counts.
    """
    end = min(month.end, known_until or month.end)
    charged = [day for day, cost in series.items() if cost and day < end]
    if not charged or max(abs(series[day]) for day in charged) < LEAST_AMOUNT:
        return []
    earliest = month.first - timedelta(days=HISTORY_DAYS)
    known_from = max(known_from or min(series), earliest)
    first = max(min(charged), known_from)
    if first >= month.first and (first - known_from).days >= _LEAST_HISTORY:
        return _new(series, first, max(charged), known_from)
    past = _Past(series, first, month)
    found: dict[date, _Day] = {}
    for day in days_between(max(first, month.first), end):
        judged = past.judge(day)
        if judged:
            found[day] = judged
            # What is unusual is no measure for the days after it.
            past.forgive(judged)
    gone = past.gone_days(end)
    changed = past.changed_days(gone[0].day if gone else end)
    told = [*_joined_as(AnomalyKind.VANISHED, gone), *_joined_as(AnomalyKind.CHANGE, changed)]
    for run in _runs([one for day, one in sorted(found.items())]):
        day = run[0].day
        if any(
            one.first <= day <= one.last and (run[0].score > 0) == (one.score > 0) for one in told
        ):
            continue
        told.append(_joined(run))
    return sorted(told, key=lambda one: one.first)


def _new(series: Series, first: date, last: date, known_from: date) -> list[Unusual]:
    """A series that had no costs before, where it matters."""
    costs = [float(series.get(day, 0)) for day in days_between(first, last + timedelta(days=1))]
    if max(costs) < LEAST_AMOUNT:
        return []
    return [
        Unusual(
            first=first,
            last=last,
            actual=_amount(sum(costs)),
            expected=_amount(0),
            score=MOST_DEVIATIONS,
            days_before=(first - known_from).days,
            kind=AnomalyKind.NEW,
        )
    ]


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
        self._month_first = month.first
        self._costs = [float(series.get(day, 0)) for day in days_between(start, month.end)]
        self._original = tuple(self._costs)
        known = max((month.first - start).days, 0)
        if known >= _LEAST_HISTORY:
            usual = self._usual_weekdays(known)
            self._is_intermittent = self._pauses(known, usual)
        else:
            # Hardly older than the month: its weekdays are not known yet, and it is told by its
            # days up to the last costs.
            usual = set(range(7))
            last = max((at for at, cost in enumerate(self._costs) if cost), default=-1)
            self._is_intermittent = self._pauses(last + 1, usual)
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
        recent = levels[-_LEVEL_DAYS:]
        level = median(recent)
        factor = self._factor(at)
        cost = self._costs[at]
        recurring = self._recurring(level, day, levels)
        if (
            abs(cost - level * factor - recurring)
            < LEAST_SHARE * abs(level * factor + recurring) / 2
        ):
            return None  # Most days; a mean without outliers is near the median.
        level = _without_outliers(recent, level)
        expected = level * factor + recurring
        off = cost - expected
        if abs(off) < max(LEAST_AMOUNT, LEAST_SHARE * abs(expected)):
            return None
        least = _LEAST_SCATTER if len(levels) >= _LEAST_HISTORY else _LEAST_SCATTER_OF_FEW
        scale = max(_scatter(levels, level, off), least * abs(level))
        share = abs(expected / level) if level else 1.0
        scale *= max(share, _LEAST_FACTOR) * (_OF_TWO if recurring else 1)
        score = off / max(scale, _LEAST_SCALE)
        score /= 1 + _FEW_DAYS / max(len(levels) - _FITTED, 1)
        is_far = score >= DEVIATIONS or score <= -_DEVIATIONS_BELOW
        if (
            not is_far
            or self._is_biweekly(at, off, expected)
            or self._has_come(at, off, level, scale)
        ):
            return None
        return _Day(day, cost, expected, score, before)

    def _judge_intermittent(self, day: date, active: Sequence[float], before: int) -> _Day | None:
        """By the days with costs. Whether a day has any says nothing."""
        at = (day - self.start).days
        cost = self._costs[at]
        expected = median(active[-_LEVEL_DAYS:]) if active else 0.0
        off = cost - expected
        if off < max(LEAST_AMOUNT, LEAST_SHARE * abs(expected)):
            return None
        scale = _scatter(active, expected, off) * (1 + _FEW_DAYS / max(len(active) - 1, 1))
        are_few = len(active) < _LEAST_ACTIVE_DAYS
        least = _LEAST_SCATTER_BELOW_FIVE if are_few else _LEAST_SCATTER_OF_FEW
        scale = max(scale, least * abs(expected), _LEAST_SCALE)
        if are_few:
            scale = max(scale, (max(active, default=0.0) - expected) / DEVIATIONS + scale)
        score = off / scale
        if score < DEVIATIONS or self._has_come(at, off, expected, scale):
            return None
        return _Day(day, cost, expected, score, before)

    def forgive(self, unusual: _Day) -> None:
        """From now on, the day cost what was expected of it."""
        at = (unusual.day - self.start).days
        self._costs[at] = unusual.expected
        self._levels[at] = self._level(at)

    def gone_days(self, end: date) -> list[_Day]:
        """The last days, where a series that had costs every day has none any more."""
        if self._is_intermittent:
            return []
        last = max(at for at, cost in enumerate(self._original) if cost)
        first = self.start + timedelta(days=last + 1)
        if (first - self.start).days < _LEAST_HISTORY:
            return []
        before = [one for one in self._levels[max(last + 1 - _LEVEL_DAYS, 0) : last + 1] if one]
        level = median(before) if before else 0.0
        days = [
            _Day(day, 0.0, expected, -float(MOST_DEVIATIONS), min(last + 1, HISTORY_DAYS))
            for day in days_between(first, end)
            for expected in [level * self._factor((day - self.start).days)]
        ]
        missed = sum(one.expected >= LEAST_AMOUNT for one in days)
        return days if missed >= _GONE_DAYS else []

    def changed_days(self, end: date) -> list[_Day]:
        """The days since the level changed in the month, as far as it stays so."""
        if self._is_intermittent:
            return []
        until = (end - self.start).days
        levels = [self._level_of(at, cost) for at, cost in enumerate(self._original[:until])]
        first = max((self._month_first - self.start).days, _LEAST_HISTORY + _WEEK)
        for at in range(first + _WEEK, until + 1):
            weeks = levels[max(at - _WEEK - _LEVEL_DAYS, 0) : at - _WEEK], levels[at - _WEEK : at]
            before, now = ([one for one in some if one is not None] for some in weeks)
            if len(before) < _LEVEL_DAYS // 2 or len(now) < _WEEK // 2:
                continue
            level = median(before)
            off = median(now) - level
            if abs(off) < max(LEAST_AMOUNT, _CHANGE_SHARE * abs(level)):
                continue
            noise = max(_scatter(before, level, off), _LEAST_SCATTER * abs(level))
            # The deviation of a median, of values that are about normal.
            scale = noise * math.sqrt(math.pi / 2 * (1 / len(now) + 1 / len(before)))
            score = off / max(scale * (1 + _FEW_DAYS / len(before)), _LEAST_SCALE)
            if abs(score) >= _CHANGE_DEVIATIONS and not self._has_come(
                at - _WEEK, off, level, noise
            ):
                return self._since(range(at - _WEEK, at), level, off, score, until)
        return []

    def _since(
        self, week: Sequence[int], level: float, off: float, score: float, until: int
    ) -> list[_Day]:
        """From the first day of a week on that is off by half, as its days after it are."""

        def is_off(at: int) -> bool:
            found = self._level_of(at, self._original[at])
            return found is None or (found - level) / off > 1 / 2

        first = next((at for at in week if all(map(is_off, range(at, week[-1] + 1)))), week[-1])
        last = until - 1
        while last > week[-1] and not is_off(last):
            last -= 1
        return [
            _Day(
                self.start + timedelta(days=at),
                self._original[at],
                level * self._factor(at),
                score,
                min(at, HISTORY_DAYS),
            )
            for at in range(first, last + 1)
        ]

    def _factor(self, at: int) -> float:
        return self._factors[self._weekday(at)]

    def _level(self, at: int) -> float | None:
        """The cost without its weekday; None of days on which next to nothing runs."""
        return self._level_of(at, self._costs[at])

    def _level_of(self, at: int, cost: float) -> float | None:
        factor = self._factor(at)
        if self._is_intermittent and not cost:
            return None
        return cost / factor if factor > _LEAST_FACTOR else None

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
        """Whether the series stops now and then, or mostly; or runs on other weekdays, too."""
        active = [
            bool(cost) for at, cost in enumerate(self._costs[:until]) if self._weekday(at) in usual
        ]
        pauses = sum(before and not now for before, now in pairwise([True, *active]))
        others = sum(bool(cost) for cost in self._costs[:until]) - sum(active)
        return max(pauses, others) >= _LEAST_PAUSES or sum(active) * 2 < len(active)

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
        return _drawn_together(shares)

    def _is_biweekly(self, at: int, off: float, expected: float) -> bool:
        """Whether the days 14, 28 and 42 days before were off alike, by a third at least."""
        if at < max(_FORTNIGHTS):
            return False
        usual = median(self._original[at - back] for back in _FORTNIGHTS) - expected
        return usual / off >= 1 / 3

    def _has_come(
        self, at: int, off: float, level: float, scale: float, but: Container[int] = ()
    ) -> bool:
        """Whether days before were off alike; not those just before it, which may be its event.

        Noise is not: such days were unusual, too.
        """
        least = max(_LEAST_ALIKE * abs(off), DEVIATIONS * scale)
        side = math.copysign(1, off)
        offs = [side * (self._original[one] - level * self._factor(one)) for one in range(at)]
        while offs and offs[-1] >= least:
            offs.pop()
        far = [one >= least and other not in but for other, one in enumerate(offs)]
        alike = sum(
            now and one <= _MOST_ALIKE * abs(off) for now, one in zip(far, offs, strict=True)
        )
        runs = sum(now and not before for before, now in pairwise([False, *far]))
        return alike >= _CAME_ON_DAYS or runs >= _CAME_IN_RUNS

    def _recurring(self, level: float, day: date, levels: Sequence[float]) -> float:
        """What was beyond the level on this day of the months before, and far on each of them."""
        excesses, same_days = [], set()
        for back in (1, 2):
            earlier = Month.of(day).plus(-back)
            same = earlier.first + timedelta(days=day.day - 1)
            at = (same - self.start).days
            if at >= 0 and same < earlier.end:
                excess = self._costs[at] - level * self._factor(at)
                if abs(excess) < LEAST_SHARE * abs(level):
                    return 0.0
                excesses.append(excess)
                same_days.add(at)
        if not excesses or min(excesses) < 0 < max(excesses):
            return 0.0
        scale, excess = _scatter(levels, level, 0), fmean(excesses)
        is_near = min(map(abs, excesses)) < DEVIATIONS * scale
        at = (day - self.start).days
        return 0.0 if is_near or self._has_come(at, excess, level, scale, same_days) else excess


def _scatter(values: Sequence[float], level: float, off: float) -> float:
    """The deviation from a level without outliers: of all values, or of those on one side."""
    if not values:
        return 0.0
    kept = [one - level for one in values]
    if len(kept) >= _LEAST_FOR_OUTLIERS:
        far = _OUTLIER * _MAD_TO_DEVIATION * median(map(abs, kept))
        kept = [one for one in kept if abs(one) <= far]
    side = [one for one in kept if one * off > 0]
    return max(map(_root_mean_square, (kept, side)))


def _root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(sum(one * one for one in values) / len(values)) if values else 0.0


def _without_outliers(values: Sequence[float], level: float) -> float:
    """The mean of values that are near their median."""
    far = _OUTLIER * _MAD_TO_DEVIATION * median([abs(one - level) for one in values])
    kept = [one for one in values if abs(one - level) <= far]
    return sum(kept) / len(kept)


def _drawn_together(shares: Sequence[Sequence[float]]) -> list[float]:
    """Of each weekday the mean share, drawn to that of its like as far as they are the same."""
    if any(len(one) < 3 for one in shares):
        return [1.0] * len(shares)
    off = [abs(one - median(of_day)) for of_day in shares for one in of_day]
    far = _OUTLIER * _MAD_TO_DEVIATION * median(off)
    if sum(_is_split(of_day, far) for of_day in shares) >= _MOST_SPLIT:
        return [1.0] * len(shares)
    means = _means(shares, far)
    spread = fmean(fmean((one - mean) ** 2 for one in kept) / len(kept) for kept, mean in means)
    groups = [fmean(means[at][1] for at in group) for group in _WORKDAYS]
    drawn = _drawn(groups, fmean(spread / len(group) for group in _WORKDAYS))
    factors = [0.0] * len(shares)
    for group, old, new in zip(_WORKDAYS, groups, drawn, strict=True):
        of_days = _drawn([means[at][1] for at in group], spread)
        for at, factor in zip(group, of_days, strict=True):
            factors[at] = max(factor + new - old, 0.0)
    return factors


def _drawn(values: Sequence[float], noise: float) -> list[float]:
    """Values drawn to their mean as far as they differ by noise of this variance alone."""
    mean = fmean(values)
    between = fmean((one - mean) ** 2 for one in values)
    own = max(1 - _CAUTION * noise / between, 0.0) if between else 0.0
    return [mean + own * (one - mean) for one in values]


def _means(shares: Sequence[Sequence[float]], far: float) -> list[tuple[list[float], float]]:
    """Of each weekday, the shares that are no outliers, and their mean."""
    kept = [
        [one for one in of_day if abs(one - median(of_day)) <= far] or [median(of_day)]
        for of_day in shares
    ]
    return [(one, fmean(one)) for one in kept]


def _is_split(shares: Sequence[float], far: float) -> bool:
    """Whether more than a third of a weekday's shares are outliers."""
    usual = median(shares)
    outliers = sum(abs(one - usual) > max(far, LEAST_SHARE * usual) for one in shares)
    return outliers * 3 > len(shares)


def _runs(days: Sequence[_Day]) -> list[list[_Day]]:
    runs: list[list[_Day]] = []
    for one in days:
        last = runs[-1][-1] if runs else None
        if last and one.day - last.day == timedelta(days=1) and one.score * last.score > 0:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _joined_as(kind: AnomalyKind, days: Sequence[_Day]) -> list[Unusual]:
    return [replace(_joined(days), kind=kind)] if days else []


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
