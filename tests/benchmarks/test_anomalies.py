"""How well unusual days are found, beside the usual rule of three standard deviations.

make bench ARGS="-k anomalies"
"""

from __future__ import annotations

import pytest

from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show
from tests.reconciliation.anomaly_kinds import KINDS, NOISES, Score, made, ours, score, three_sigma

pytestmark = pytest.mark.benchmark

SERIES = 300


def _cells(found: Score) -> list[str]:
    shares = ("" if one is None else f"{one:.2f}" for one in (found.recall, found.precision))
    return [*shares, f"{found.false_days:.3f}"]


def test_anomalies_by_kind(goals: Goals) -> None:
    """A month of 300 series of each kind; a false day is one that was told without a reason."""
    rows = []
    worst, behind = 0.0, 0
    for kind in KINDS:
        for noise in NOISES:
            series = [made(kind, noise, seed) for seed in range(SERIES)]
            mine, usual = score(ours, series), score(three_sigma, series)
            rows.append((f"{kind}, {noise:.0%}", *_cells(mine), *_cells(usual)))
            worst = max(worst, mine.false_days)
            behind += (mine.recall or 0) < (usual.recall or 0)
            behind += mine.recall is not None and (mine.precision or 0) < (usual.precision or 0)
    show(
        f"{SERIES} series of each kind and noise",
        ("", "recall", "precision", "false days", "3 sigma: recall", "precision", "false days"),
        rows,
    )
    goals.at_most("anomalies: false days a series, of the worst kind", 0.05, worst, "days")
    goals.at_most("anomalies: kinds where 3 sigma recalls more or is more precise", 0, behind, "")
