"""Where a run's time goes: told at its end, and kept."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.settings import REPOSITORY

KEPT = REPOSITORY / ".local" / "test-durations.json"
_SLOWEST = 10


def group_of(nodeid: str) -> str:
    """What a test is counted with: of flows those of its file, else those of its folder."""
    folders, _, name = nodeid.partition("::")[0].removeprefix("tests/").rpartition("/")
    return f"{folders}/{name.removesuffix('.py')}" if folders == "flows" else folders


def shares(seconds: Mapping[str, float]) -> list[tuple[str, int, float]]:
    """Group, number of tests and seconds (set-up and tear-down counted), longest first."""
    groups: dict[str, list[float]] = defaultdict(list)
    for nodeid, duration in seconds.items():
        groups[group_of(nodeid)].append(duration)
    found = [(group, len(each), sum(each)) for group, each in groups.items()]
    return sorted(found, key=lambda one: -one[2])


class Durations:
    """Adds up what each test took, in the process that reports."""

    def __init__(self, kept: Path = KEPT) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._kept = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        total = sum(self.seconds.values())
        if total < 60:
            return
        terminalreporter.section("where the time went", sep="-")
        for nodeid in sorted(self.seconds, key=self.seconds.__getitem__, reverse=True)[:_SLOWEST]:
            terminalreporter.write_line(f"{self.seconds[nodeid]:7.1f} s  {nodeid}")
        terminalreporter.write_line("")
        for group, tests, seconds in shares(self.seconds):
            if seconds >= total / 100:
                terminalreporter.write_line(
                    f"{seconds:7.1f} s  {seconds / total:4.0%}  {group}, {tests} tests"
                )
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        self._kept.write_text(json.dumps(self.seconds, indent=0))
