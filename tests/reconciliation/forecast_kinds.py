"""Daily costs of many kinds up to the end of a month, and how far forecasts of them are off."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean

from finops.reconciliation.forecasting import DailyForecast
from finops.shared.periods import Month, days_between

MONTH = Month.parse("2026-10")
START = MONTH.first - timedelta(days=62)
NOISES = (0.05, 0.15)
KINDS = (
    *("office", "growth", "step", "drop", "ramp", "spike", "new", "ended", "some days", "the 25th"),
)
#: Days of the month on which its rest is foretold.
ORIGINS = tuple(MONTH.first + timedelta(days=days) for days in (10, 15, 20, 25))

Costs = Mapping[date, Decimal]
#: What the days from one to before another will cost, by what is known of those before.
Method = Callable[[Costs, date, date], Decimal]


def made(kind: str, noise: float, seed: int) -> Costs:
    """A series of a kind: half of them fall to 60% on weekends, all have gaussian noise."""
    rng = random.Random(f"{kind} {noise} {seed}")
    base, weekend = rng.uniform(100, 2000), rng.choice((1.0, 0.6))
    growth = rng.uniform(-0.002, 0.004)
    changed = date(2026, 10, 3)
    shapes: dict[str, Callable[[date], float]] = {
        "office": lambda _: 1,
        "growth": lambda day: 1 + growth * (day - START).days,
        "step": lambda day: 1.5 if day >= changed else 1,
        "drop": lambda day: 0.5 if day >= changed else 1,
        "ramp": lambda day: 1 + 0.03 * max((day - date(2026, 9, 20)).days, 0),
        "spike": lambda day: 6 if day == date(2026, 10, 8) else 1,
        "new": lambda day: 1 if day >= changed else 0,
        "ended": lambda day: 0 if day >= changed else 1,
        "some days": lambda day: float(random.Random(f"{seed} {day}").random() < 0.3),
        "the 25th": lambda day: 13 if day.day == 25 else 1,
    }
    shape = shapes[kind]

    def usual(day: date) -> float:
        return base * (weekend if day.weekday() >= 5 else 1)

    return {
        day: Decimal(f"{usual(day) * shape(day) * rng.gauss(1, noise):.4f}")
        for day in days_between(START, MONTH.end)
    }


def ours(costs: Costs, first: date, end: date) -> Decimal:
    """What reports foretell."""
    return sum(DailyForecast(costs, first).days(end).values(), Decimal(0))


def last_day(costs: Costs, first: date, end: date) -> Decimal:
    """Naive: each day as the last one."""
    return costs.get(first - timedelta(days=1), Decimal(0)) * (end - first).days


def last_week(costs: Costs, first: date, end: date) -> Decimal:
    """Seasonal naive: each day as the same weekday of the last week."""
    return sum(
        (
            costs.get(first - timedelta(days=7 - days % 7), Decimal(0))
            for days in range((end - first).days)
        ),
        Decimal(0),
    )


def run_rate(costs: Costs, first: date, end: date) -> Decimal:
    """Each day as the mean of the month so far."""
    so_far = sum(
        (costs.get(day, Decimal(0)) for day in days_between(MONTH.first, first)), Decimal(0)
    )
    return so_far * (end - first).days / (first - MONTH.first).days


METHODS: Mapping[str, Method] = {
    "ours": ours,
    "last day": last_day,
    "last week": last_week,
    "run rate": run_rate,
}


@dataclass(frozen=True)
class Backtest:
    """Of one kind and noise, on all days of `ORIGINS`.

    Attributes:
        errors: Of each method, the mean distance of the forecast from the month, in percent of it.
        covered: How often the month was within the range that is to cover 80%.
    """

    errors: Mapping[str, float]
    covered: float


def backtest(kind: str, noise: float, series: int) -> Backtest:
    """Foretell the rest of the month in many series."""
    errors: dict[str, list[float]] = {name: [] for name in METHODS}
    covered = []
    for seed in range(series):
        costs = made(kind, noise, seed)
        month = sum(costs[day] for day in days_between(MONTH.first, MONTH.end))
        for first in ORIGINS:
            known = {day: cost for day, cost in costs.items() if day < first and cost}
            rest = sum((costs[day] for day in days_between(first, MONTH.end)), Decimal(0))
            for name, method in METHODS.items():
                off = abs(method(known, first, MONTH.end) - rest)
                errors[name].append(float(off / month) * 100)
            half = DailyForecast(known, first).half_range(MONTH.end)
            covered.append(abs(ours(known, first, MONTH.end) - rest) <= half)
    return Backtest({name: fmean(off) for name, off in errors.items()}, fmean(covered))
