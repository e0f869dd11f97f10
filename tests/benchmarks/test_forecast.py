"""How far forecasts of a running month are off, beside simpler ones.

make bench ARGS="-k forecast"
"""

from __future__ import annotations

from statistics import fmean

import pytest

from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show
from tests.reconciliation.forecast_kinds import KINDS, METHODS, NOISES, backtest

pytestmark = pytest.mark.benchmark

SERIES = 50


def test_forecasts_by_kind(goals: Goals) -> None:
    """On days 11, 16, 21 and 26 of a month of 50 series of each kind."""
    found = {(kind, noise): backtest(kind, noise, SERIES) for kind in KINDS for noise in NOISES}
    rows = [
        (
            f"{kind}, {noise:.0%}",
            *(f"{one.errors[name]:.1f}" for name in METHODS),
            f"{one.covered:.0%}",
        )
        for (kind, noise), one in found.items()
    ]
    whole = {name: fmean(one.errors[name] for one in found.values()) for name in METHODS}
    covered = fmean(one.covered for one in found.values())
    rows.append(("all", *(f"{whole[name]:.1f}" for name in METHODS), f"{covered:.0%}"))
    show(
        "mean error in percent of the month",
        ("", *METHODS, "within the range of 80%"),
        rows,
    )
    others = min(error for name, error in whole.items() if name != "ours")
    goals.at_most("forecast: error beside the best simpler one", 1, whole["ours"] / others, "")
    goals.at_least("forecast: months within the range of 80%", 0.75, covered, "")
