"""The table of goals that a run of benchmarks ends with, and when a run fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from localcloud.settings import REPOSITORY
from tests.benchmarks.goals import Goals, goals_document, goals_table
from tests.benchmarks.peak_memory import peak_mib


@pytest.fixture
def measured() -> Goals:
    found = Goals()
    found.at_most("edit applied, p50", 500, 52.3, "ms")
    found.at_most("console page", 1, 1.04, "s")
    found.at_least("rows a second beside LOAD DATA", 0.5, 0.287, "times")
    found.at_least("rows a second beside one call a row", 100, 100, "times")
    return found


def test_goals_are_met_on_their_better_side(measured: Goals) -> None:
    assert [one.is_met for one in measured.measurements] == [True, False, False, True]
    assert [one.name for one in measured.missed] == [
        "console page",
        "rows a second beside LOAD DATA",
    ]


def test_table_shows_goal_measured_and_whether_it_is_met(measured: Goals) -> None:
    screen = Console(width=120)
    with screen.capture() as printed:
        screen.print(goals_table(measured.measurements))
    heads, *lines = (
        [part.strip() for part in line.split("  ") if part.strip()]
        for line in printed.get().splitlines()
    )
    assert heads == ["benchmark", "goal", "measured"]
    assert lines == [
        ["edit applied, p50", "at most 500 ms", "52.3 ms", "met"],
        ["console page", "at most 1 s", "1.04 s", "MISSED"],
        ["rows a second beside LOAD DATA", "at least 0.5 times", "0.287 times", "MISSED"],
        ["rows a second beside one call a row", "at least 100 times", "100 times", "met"],
    ]


def test_document_holds_every_goal_with_its_unit(measured: Goals) -> None:
    at = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
    document = json.loads(goals_document(measured.measurements, at))
    assert document["measured_at"] == "2026-11-28T02:30:00+00:00"
    assert document["goals"][1] == {
        "name": "console page",
        "goal": 1,
        "measured": 1.04,
        "unit": "s",
        "better": "lower",
        "met": False,
    }


@pytest.mark.parametrize(
    ("options", "seconds", "exit_code"),
    [((), 2, 0), (("--strict",), 2, 1), (("--strict",), 0.5, 0)],
    ids=["missed", "missed, strict", "met, strict"],
)
def test_only_a_strict_run_fails_where_a_goal_is_missed(
    tmp_path: Path, options: tuple[str, ...], seconds: float, exit_code: int
) -> None:
    (tmp_path / "test_speed.py").write_text(
        f"def test_speed(goals):\n    goals.at_most('page', 1, {seconds}, 's')\n"
    )
    command = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", str(tmp_path)]
    ran = subprocess.run(
        [*command, "-p", "tests.benchmarks.goals", "-p", "no:cacheprovider", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == exit_code, ran.stdout + ran.stderr
    assert f"{int(seconds > 1)} of 1 goals missed" in ran.stdout
    (kept,) = (tmp_path / ".local" / "benchmarks").iterdir()
    assert [one["met"] for one in json.loads(kept.read_text())["goals"]] == [seconds < 1]


def test_peak_memory_of_a_program_is_not_that_of_whoever_started_it() -> None:
    held = bytes(range(256)) * (1 << 20)  # 256 MiB, of which each page was written
    script = "from tests.benchmarks.peak_memory import peak_mib; print(peak_mib())"
    started = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert peak_mib() > len(held) >> 20
    assert 5 < float(started.stdout) < 100
