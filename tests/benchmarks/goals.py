"""A pytest plugin: benchmarks record what they measure, and the run ends with a table of goals.

`--strict`, pytest's own option, makes a run fail that misses a goal. Each run is kept as JSON in
.local/benchmarks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import table


class Better(StrEnum):
    """Which side of a goal meets it."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A measured figure and its goal, both in the same unit."""

    name: str
    goal: float
    measured: float
    unit: str
    better: Better

    @property
    def is_met(self) -> bool:
        """Whether the goal is met; a figure equal to its goal meets it."""
        if self.better is Better.LOWER:
            return self.measured <= self.goal
        return self.measured >= self.goal


@dataclass
class Goals:
    """What the benchmarks of a run have measured."""

    measurements: list[Measurement] = field(default_factory=list)

    def at_most(self, name: str, goal: float, measured: float, unit: str) -> None:
        """Record a figure that should not exceed its goal."""
        self._record(name, goal, measured, unit, Better.LOWER)

    def at_least(self, name: str, goal: float, measured: float, unit: str) -> None:
        """Record a figure that should reach its goal."""
        self._record(name, goal, measured, unit, Better.HIGHER)

    @property
    def missed(self) -> list[Measurement]:
        """What did not meet its goal."""
        return [one for one in self.measurements if not one.is_met]

    def _record(self, name: str, goal: float, measured: float, unit: str, better: Better) -> None:
        self.measurements.append(
            Measurement(name=name, goal=goal, measured=measured, unit=unit, better=better)
        )


def goals_table(measurements: Sequence[Measurement]) -> Table:
    """The table that a run ends with: one row for each goal."""
    limits = {Better.LOWER: "at most", Better.HIGHER: "at least"}
    rows = [
        (
            one.name,
            f"{limits[one.better]} {_figure(one.goal)} {one.unit}",
            f"{_figure(one.measured)} {one.unit}",
            "[green]met[/green]" if one.is_met else "[bold red]MISSED[/bold red]",
        )
        for one in measurements
    ]
    return table(("benchmark", "goal", "measured", ""), rows)


def _figure(number: float) -> str:
    """Three digits that count: 0.287, 5.23, 61.4, 1,023."""
    if number == int(number) or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def goals_document(measurements: Sequence[Measurement], measured_at: datetime) -> str:
    """The run as JSON."""
    return json.dumps(
        {
            "measured_at": measured_at.isoformat(timespec="seconds"),
            "goals": [asdict(one) | {"met": one.is_met} for one in measurements],
        },
        indent=2,
    )


_GOALS = pytest.StashKey[Goals]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run that has measured nothing yet."""
    config.stash[_GOALS] = Goals()


@pytest.fixture(scope="session")
def goals(pytestconfig: pytest.Config) -> Goals:
    """Where a benchmark records what it measured."""
    return pytestconfig.stash[_GOALS]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that was to meet every goal."""
    missed = session.config.stash[_GOALS].missed
    if missed and session.config.getini("strict") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the goals, and keep them."""
    found = config.stash[_GOALS]
    if not found.measurements:
        return
    now = datetime.now(UTC)
    kept = keep(found.measurements, config.rootpath / ".local" / "benchmarks", now)
    terminalreporter.section("goals")
    screen = Console(width=120, highlight=False, force_terminal=terminalreporter.hasmarkup)
    with screen.capture() as printed:
        screen.print(goals_table(found.measurements))
    terminalreporter.write_line(printed.get().rstrip())
    terminalreporter.write_line(
        f"{len(found.missed)} of {len(found.measurements)} goals missed; kept in {kept}"
    )


def keep(measurements: Sequence[Measurement], folder: Path, at: datetime) -> Path:
    """Write the run to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{at:%Y-%m-%dT%H-%M-%S}.json"
    file.write_text(goals_document(measurements, at) + "\n")
    return file
