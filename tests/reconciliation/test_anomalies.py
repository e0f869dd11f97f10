"""What raises an alarm, what does not, and how often noise does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from finops.reconciliation.anomalies import (
    HISTORY_DAYS,
    MOST_DEVIATIONS,
    Acknowledgement,
    AnomalyKind,
    Unusual,
    unusual_days,
)
from finops.shared.periods import Month, days_between
from tests.reconciliation.anomaly_kinds import KINDS, NOISES, ours, score
from tests.reconciliation.anomaly_kinds import made as made_of_kind

MONTH = Month.parse("2026-10")
START = MONTH.first - timedelta(days=HISTORY_DAYS)
Costs = dict[date, Decimal]


def made(cost: Callable[[date], float]) -> Costs:
    return {day: Decimal(f"{cost(day):.6f}") for day in days_between(START, MONTH.end)}


def office(rng: random.Random, *, noise: float = 0.05, weekend: float = 0.6) -> Costs:
    """Weekdays and weekends, growth, and noise around them."""
    base = rng.uniform(50, 5_000)
    growth = rng.uniform(-0.001, 0.002)
    return made(
        lambda day: (
            base
            * (weekend if day.weekday() >= 5 else 1)
            * (1 + growth * (day - START).days)
            * rng.gauss(1, noise)
        )
    )


def test_finds_a_spike_with_its_days_and_cost() -> None:
    costs = office(random.Random(1))
    day = date(2026, 10, 14)
    usual = costs[day] + costs[day + timedelta(days=1)]
    costs[day] *= 3
    costs[day + timedelta(days=1)] *= 3
    [found] = unusual_days(costs, MONTH)
    assert (found.first, found.last) == (day, date(2026, 10, 15))
    assert found.actual == pytest.approx(usual * 3, abs=Decimal("0.01"))
    assert abs(found.expected - usual) < usual * Decimal("0.15")
    assert found.score > 6


def test_finds_what_stopped() -> None:
    costs = office(random.Random(2))
    for day in days_between(date(2026, 10, 20), date(2026, 10, 23)):
        costs[day] = Decimal(0)
    [found] = unusual_days(costs, MONTH)
    assert (found.first, found.last, found.score < 0) == (
        date(2026, 10, 20),
        date(2026, 10, 22),
        True,
    )


def test_a_weekend_is_no_anomaly_even_where_nothing_runs_then() -> None:
    costs = made(lambda day: 0 if day.weekday() >= 5 else 1000)
    assert unusual_days(costs, MONTH) == []


def test_what_comes_every_month_is_expected_and_what_comes_once_is_not() -> None:
    def subscription(day: date) -> float:
        return 100 + (249 if day.day == 1 else 0)

    assert unusual_days(made(subscription), MONTH) == []

    def once(day: date) -> float:
        return 100 + (249 if day == MONTH.first else 0)

    [found] = unusual_days(made(once), MONTH)
    assert found.first == MONTH.first


def test_an_anomaly_of_last_month_does_not_hide_this_ones() -> None:
    costs = office(random.Random(3))
    for day in days_between(date(2026, 9, 12), date(2026, 9, 19)):
        costs[day] *= 4
    costs[date(2026, 10, 8)] *= 2
    assert [one.first for one in unusual_days(costs, MONTH)] == [date(2026, 10, 8)]


def intermittent(seed: str, share: float, *, noise: float = 0.05) -> Costs:
    """A job that runs on some days."""
    rng = random.Random(seed)
    return made(lambda _: 100 * rng.gauss(1, noise) if rng.random() < share else 0)


@pytest.mark.parametrize("noise", [0.05, 0.15])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.85])
def test_a_job_that_runs_on_some_days_is_no_anomaly(share: float, noise: float) -> None:
    """Fewer than 0.05 of a series' days are told without a reason."""
    alarms = sum(
        len(unusual_days(intermittent(f"{share}{seed}", share, noise=noise), MONTH))
        for seed in range(60)
    )
    assert alarms / 60 < 0.05


def above_a_base(seed: str, base: float, share: float, job: float, noise: float) -> Costs:
    """A job that runs on some days, in an account that costs something every day."""
    runs = intermittent(seed, share, noise=noise)
    return {day: Decimal(str(base)) + cost * Decimal(str(job / 100)) for day, cost in runs.items()}


@pytest.mark.parametrize("noise", [0.05, 0.15])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize(
    ("base", "job"),
    [(1, 1000), (1, 100), (10, 100), (50, 100), (100, 100), (100, 50), (1000, 300), (100, 1000)],
)
def test_a_job_that_runs_on_some_days_above_a_base_is_no_anomaly(
    base: float, job: float, share: float, noise: float
) -> None:
    """What came on some days of two months is usual, and so are the days without it."""
    told = [
        unusual_days(above_a_base(f"{share}{noise}{seed}", base, share, job, noise), MONTH)
        for seed in range(6)
    ]
    assert sum(map(bool, told)) <= 1  # One in which it hardly ran before.


def test_what_came_on_three_days_of_the_history_is_usual_and_what_came_on_one_is_not() -> None:
    costs = made(lambda day: 100)
    day = date(2026, 10, 20)
    before = [date(2026, 8, 11), date(2026, 9, 2), date(2026, 9, 17)]
    repeated = costs | dict.fromkeys([*before, day], Decimal(400))
    assert unusual_days(repeated, MONTH) == []
    once = costs | dict.fromkeys([before[0], day], Decimal(400))
    assert [one.first for one in unusual_days(once, MONTH)] == [day]
    further = repeated | {day: Decimal(900)}
    assert [one.first for one in unusual_days(further, MONTH)] == [day]


def test_a_weekend_job_above_a_base_that_rests_on_weekends_is_judged_by_what_came_before() -> None:
    rng = random.Random(5)
    costs = made(
        lambda day: (
            (0 if day.weekday() >= 5 else 10) + (400 * rng.gauss(1, 0.05)) * (rng.random() < 0.3)
        )
    )
    assert unusual_days(costs, MONTH) == []


def test_a_base_that_fails_below_a_job_that_runs_on_some_days_is_told() -> None:
    costs = above_a_base("outage", 200, 0.2, 300, 0.05)
    day = date(2026, 10, 14)
    costs[day] = Decimal(0)
    assert [(one.first, one.score < 0) for one in unusual_days(costs, MONTH)] == [(day, True)]


@pytest.mark.parametrize("every", [7, 14])
@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_a_job_that_runs_once_in_some_weeks_is_no_anomaly(every: int, noise: float) -> None:
    def alarms(seed: int) -> int:
        rng = random.Random(f"{every}{seed}")
        return len(
            unusual_days(
                made(
                    lambda day: (
                        100 * rng.gauss(1, noise) if (day.toordinal() + seed) % every == 0 else 0
                    )
                ),
                MONTH,
            )
        )

    assert sum(map(alarms, range(60))) / 60 < 0.05


@pytest.mark.parametrize("days_before", [0, 5, 15, 20])
@pytest.mark.parametrize("every", [2, 3, 5, 7, 10])
def test_a_job_that_is_no_older_than_the_month_has_not_vanished(
    every: int, days_before: int
) -> None:
    """The first export of a payer begins with its month."""
    start = MONTH.first - timedelta(days=days_before)
    for seed in range(20):
        rng = random.Random(f"{every}{days_before}{seed}")
        costs = {
            day: Decimal(f"{100 * rng.gauss(1, 0.05):.2f}")
            for at, day in enumerate(days_between(start, MONTH.end))
            if at % every == 0
        }
        assert unusual_days(costs, MONTH, known_from=start) == []


def test_weekends_of_what_began_with_the_month_are_no_anomaly() -> None:
    costs = {day: Decimal(100) for day in MONTH.days if day.weekday() < 5}
    assert unusual_days(costs, MONTH, known_from=MONTH.first) == []


def test_what_began_with_the_month_and_ran_each_day_has_vanished() -> None:
    costs = {day: Decimal(100) for day in days_between(MONTH.first, date(2026, 10, 24))}
    [found] = unusual_days(costs, MONTH, known_from=MONTH.first)
    assert (found.kind, found.first) == (AnomalyKind.VANISHED, date(2026, 10, 24))


def test_a_run_of_a_job_that_costs_far_more_than_others_is_found() -> None:
    found = 0
    for seed in range(60):
        costs = intermittent(f"far{seed}", 0.3)
        day = date(2026, 10, 10)
        costs[day] = Decimal(300)
        found += [one.first for one in unusual_days(costs, MONTH)] == [day]
    assert found >= 55


def test_a_weekly_job_at_three_times_its_cost_is_found() -> None:
    costs = made(lambda day: 100 if day.weekday() == 2 else 0)
    costs[date(2026, 10, 14)] = Decimal(300)
    assert [one.first for one in unusual_days(costs, MONTH)] == [date(2026, 10, 14)]


def test_deviations_beyond_a_hundred_say_no_more() -> None:
    costs = made(lambda day: 100)
    costs[date(2026, 10, 14)] = Decimal(90_000)
    nothing = made(lambda day: 0)
    nothing[date(2026, 10, 14)] = Decimal(5000)
    for series in (costs, nothing):
        [found] = unusual_days(series, MONTH)
        assert found.score == MOST_DEVIATIONS


def test_small_amounts_are_not_worth_a_persons_time() -> None:
    costs = made(lambda day: 1.0)
    costs[date(2026, 10, 8)] = Decimal(9)
    assert unusual_days(costs, MONTH) == []


def test_says_nothing_without_three_weeks_of_history() -> None:
    costs = {day: Decimal(100) for day in days_between(date(2026, 9, 25), MONTH.end)}
    costs[date(2026, 10, 5)] = Decimal(900)
    assert unusual_days(costs, MONTH) == []
    costs[date(2026, 10, 28)] = Decimal(900)
    assert [one.first for one in unusual_days(costs, MONTH)] == [date(2026, 10, 28)]
    assert unusual_days({}, MONTH) == []


def test_looks_only_at_days_that_are_known() -> None:
    costs = office(random.Random(4))
    known = {day: cost for day, cost in costs.items() if day < date(2026, 10, 12)}
    assert unusual_days(known, MONTH, date(2026, 10, 12)) == []


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.10, 0.20])
def test_noise_raises_less_than_one_alarm_in_twenty_series(noise: float) -> None:
    """Gaussian noise around weekdays, growth and levels that differ: 200 series of a month."""
    alarms = sum(
        len(unusual_days(office(random.Random(f"{noise}{seed}"), noise=noise), MONTH))
        for seed in range(200)
    )
    assert alarms / 200 < 0.05


def test_noise_with_heavy_tails_raises_less_than_one_alarm_in_two_hundred_days() -> None:
    """Log-normal noise, skewed as real costs are."""

    def skewed(seed: int) -> Costs:
        rng = random.Random(f"skewed{seed}")
        return made(
            lambda day: 800 * (0.7 if day.weekday() >= 5 else 1) * rng.lognormvariate(0, 0.25)
        )

    alarms = sum(len(unusual_days(skewed(seed), MONTH)) for seed in range(150))
    assert alarms / (150 * 31) < 1 / 200


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found_and_little_else_is_told(kind: str, noise: float) -> None:
    found = score(ours, [made_of_kind(kind, noise, seed) for seed in range(20)])
    assert found.false_days <= 0.1  # Of so few series; make bench asks more.
    if found.recall is not None and (kind, noise) != ("+50%", 0.15):
        assert found.recall >= 0.9


def test_what_is_new_is_one_anomaly_from_its_first_day_on() -> None:
    at = date(2026, 10, 9)
    costs = {day: Decimal(100) for day in days_between(at, MONTH.end)}
    [found] = unusual_days(costs, MONTH, known_from=START)
    assert (found.kind, found.first, found.last) == (AnomalyKind.NEW, at, MONTH.last)
    assert (str(found.actual), str(found.expected)) == ("2300.00", "0.00")
    assert found.days_before == 70
    # Nobody knows whether it is new, where the source begins with it.
    assert unusual_days(costs, MONTH) == []
    assert unusual_days(costs, MONTH, known_from=at - timedelta(days=14)) == []


def test_what_is_new_and_cheap_is_not_worth_a_persons_time() -> None:
    costs = {day: Decimal(9) for day in days_between(date(2026, 10, 9), MONTH.end)}
    assert unusual_days(costs, MONTH, known_from=START) == []


def test_what_vanished_is_one_anomaly_also_where_it_rested_on_weekends() -> None:
    gone = date(2026, 10, 22)
    costs = made(lambda day: 0 if day.weekday() >= 5 or day >= gone else 300)
    [found] = unusual_days(costs, MONTH)
    assert (found.kind, found.first, found.last) == (AnomalyKind.VANISHED, gone, MONTH.last)
    assert (str(found.actual), str(found.expected)) == ("0.00", "2100.00")
    # A long weekend is not the end.
    known = date(2026, 10, 24)
    assert [one.kind for one in unusual_days(costs, MONTH, known)] == [AnomalyKind.UNUSUAL]


def test_a_ramp_that_no_day_shows_is_a_change() -> None:
    costs = made(lambda day: 500 + max((day - date(2026, 10, 1)).days, 0) * 500 * 0.02)
    changes = [one for one in unusual_days(costs, MONTH) if one.kind is AnomalyKind.CHANGE]
    assert [one.last for one in changes] == [MONTH.last]
    assert date(2026, 10, 8) <= changes[0].first <= date(2026, 10, 20)


@pytest.mark.parametrize("phase", range(0, 14, 3))
def test_what_recurs_each_fortnight_is_expected_and_what_is_far_beyond_it_is_not(
    phase: int,
) -> None:
    """A payroll that costs as much again as all else of its account."""
    rng = random.Random(phase)

    def costs(day: date) -> float:
        is_payday = (day.toordinal() - MONTH.first.toordinal() - phase) % 14 == 0
        return 100 * rng.gauss(1, 0.03) + (100 if is_payday else 0)

    usual = made(costs)
    assert unusual_days(usual, MONTH) == []
    payday = MONTH.first + timedelta(days=phase)
    [found] = unusual_days({**usual, payday: Decimal(600)}, MONTH)
    assert (found.first, found.last) == (payday, payday)


def test_an_acknowledged_anomaly_is_quiet_while_it_lasts() -> None:
    def of(first: date, last: date) -> Unusual:
        return Unusual(
            first=first,
            last=last,
            actual=Decimal(1),
            expected=Decimal(0),
            score=Decimal(9),
            days_before=62,
        )

    said = Acknowledgement(subject="Amazon EC2", day=date(2026, 9, 20), reason="load test")
    september, october = MONTH.plus(-1), MONTH

    def quiet(first: date, last: date, month: Month, service: str = "Amazon EC2") -> bool:
        return said.covers(service, of(first, last), month, {})

    assert quiet(date(2026, 9, 18), date(2026, 9, 30), september)
    assert not quiet(date(2026, 10, 2), date(2026, 10, 7), october)
    assert not quiet(date(2026, 9, 21), date(2026, 9, 22), september)
    assert not quiet(date(2026, 9, 18), date(2026, 9, 30), september, "Amazon S3")
    limited = replace(said, until=date(2026, 9, 25))
    assert limited.covers("Amazon EC2", of(date(2026, 9, 18), date(2026, 9, 25)), september, {})
    assert not limited.covers("Amazon EC2", of(date(2026, 9, 18), date(2026, 9, 26)), september, {})


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ([400] * 11, 400, True),
        ([400, 400, 400, 120, 400, 400, 400, 400, 400, 130, 400], 400, True),
        ([1000, *[100] * 10], 400, False),
        ([1000, *[100] * 10], 5000, False),
        ([1000, *[100] * 10], 0, False),
        ([400] * 11, 0, False),
        ([0] * 11, 0, True),
    ],
)
def test_what_begins_on_the_first_is_not_what_was_acknowledged_the_month_before(
    before: list[int], now: int, goes_on: bool
) -> None:
    day = date(2026, 9, 20)
    series = {day + timedelta(days=at): Decimal(cost) for at, cost in enumerate(before)}
    said = Acknowledgement(subject="Amazon EC2", day=day, reason="load test")
    found = Unusual(
        first=MONTH.first,
        last=MONTH.first + timedelta(days=9),
        actual=Decimal(10 * now),
        expected=Decimal(1000),
        score=Decimal(9),
        days_before=62,
    )
    assert said.covers("Amazon EC2", found, MONTH, series) is goes_on


def test_finds_nine_in_ten_days_at_twice_their_cost() -> None:
    found = 0
    for seed in range(100):
        rng = random.Random(f"spike{seed}")
        costs = office(rng)
        day = MONTH.first + timedelta(days=rng.randrange(31))
        costs[day] *= 2
        found += any(one.first <= day <= one.last for one in unusual_days(costs, MONTH))
    assert found >= 90
