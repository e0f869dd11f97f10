"""Daily costs of sixteen kinds, with the days that are odd, and how well a method finds them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean, stdev

from finops.reconciliation.anomalies import HISTORY_DAYS, unusual_days
from finops.shared.periods import Month, days_between

MONTH = Month.parse("2026-10")
START = MONTH.first - timedelta(days=HISTORY_DAYS)
NOISES = (0.05, 0.15)
_BASELINE_DAYS = 28

Costs = Mapping[date, Decimal]
#: Of a series, the days that it calls odd.
Method = Callable[[Costs], set[date]]


@dataclass(frozen=True)
class Made:
    """A series.

    Attributes:
        odd: Its days that are to be found.
        event: Whether they are one event, which any of them tells.
    """

    costs: Costs
    odd: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Score:
    """How well a method finds a kind.

    Attributes:
        recall: The share of series whose event was told; None where there is none.
        precision: Of the days that were told, the share that is odd; None where none was told.
        false_days: Days told without a reason, by series.
    """

    recall: float | None
    precision: float | None
    false_days: float


def made(kind: str, noise: float, seed: int) -> Made:
    """A series of a kind: half of them fall to 60% on weekends, all have gaussian noise."""
    rng = random.Random(f"{kind} {noise} {seed}")
    base = rng.uniform(100, 2000)
    weekend = rng.choice((1.0, 0.6))
    at = MONTH.first + timedelta(days=rng.randrange(3, 18))
    phase = rng.randrange(14)
    rest = frozenset(days_between(at, MONTH.end))

    def usual(day: date) -> float:
        return base * (weekend if day.weekday() >= 5 else 1)

    def times(factor: float) -> Callable[[date], float]:
        return lambda day: usual(day) * (factor if day == at else 1)

    def runs(day: date, share: float = 0.3) -> bool:
        return random.Random(f"{seed} {day}").random() < share

    def sparse(day: date) -> float:
        return base if runs(day) else 0

    of_job = random.Random(f"job {seed}")
    share, job = of_job.uniform(0.1, 0.9), base * of_job.choice((0.5, 1, 3, 10, 100))

    def some_days(day: date) -> float:
        return usual(day) + (job if runs(day, share) else 0)

    shapes: dict[str, tuple[Callable[[date], float], frozenset[date]]] = {
        "clean": (usual, frozenset()),
        "doubled": (times(2), frozenset({at})),
        "+50%": (times(1.5), frozenset({at})),
        "zero": (times(0), frozenset({at})),
        "step": (lambda day: usual(day) * (1.5 if day >= at else 1), rest),
        "ramp": (lambda day: usual(day) * (1 + 0.06 * max((day - at).days + 1, 0)), rest),
        "new": (lambda day: usual(day) if day >= at else 0, rest),
        "vanished": (lambda day: 0 if day >= at else usual(day), rest),
        "weekly": (lambda day: base if day.weekday() == phase % 7 else 0, frozenset()),
        "sparse": (sparse, frozenset()),
        "every 14 days": (
            lambda day: base if (day.toordinal() + phase) % 14 == 0 else 0,
            frozenset(),
        ),
        "fortnight": (
            lambda day: usual(day) + (base if (day.toordinal() + phase) % 14 == 0 else 0),
            frozenset(),
        ),
        "some days": (some_days, frozenset()),
        "some days, fivefold": (
            lambda day: 5 * (usual(day) + job) if day == at else some_days(day),
            frozenset({at}),
        ),
        "weekly, more": (
            lambda day: usual(day) + (3 * base if day.weekday() == phase % 7 else 0),
            frozenset(),
        ),
        "month start": (lambda day: usual(day) + (3 * base if day.day == 1 else 0), frozenset()),
    }
    shape, odd = shapes[kind]
    costs = {
        day: Decimal(f"{max(shape(day) * rng.gauss(1, noise), 0):.4f}")
        for day in days_between(START, MONTH.end)
    }
    return Made(costs, odd)


KINDS = (
    *("clean", "doubled", "+50%", "zero", "step", "ramp", "new", "vanished"),
    *("weekly", "sparse", "every 14 days", "fortnight", "month start"),
    *("some days", "some days, fivefold", "weekly, more"),
)


def ours(costs: Costs) -> set[date]:
    """The days of the month that the report would tell."""
    return {
        day
        for one in unusual_days(costs, MONTH, known_from=START)
        for day in days_between(one.first, one.last + timedelta(days=1))
    }


def three_sigma(costs: Costs) -> set[date]:
    """The usual rule: further than three standard deviations from the mean of four weeks."""
    found = set()
    for day in MONTH.days:
        before = [float(costs[day - timedelta(days=back)]) for back in range(1, _BASELINE_DAYS + 1)]
        if abs(float(costs[day]) - fmean(before)) > 3 * stdev(before):
            found.add(day)
    return found


def score(method: Method, series: Iterable[Made]) -> Score:
    """Of one kind and noise."""
    events = hits = told = right = count = 0
    for one in series:
        found = method(one.costs)
        count += 1
        told += len(found)
        right += len(found & one.odd)
        events += bool(one.odd)
        hits += bool(found & one.odd)
    return Score(
        recall=hits / events if events else None,
        precision=right / told if told else None,
        false_days=(told - right) / count,
    )
