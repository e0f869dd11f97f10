"""How long `finops --help` takes beside an interpreter that does nothing.

python -m pytest tests/benchmarks/test_cli.py -m benchmark -s
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show, timed

pytestmark = pytest.mark.benchmark

_RUNS = 20


def test_start_of_the_command_line(goals: Goals) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "finops --help": [Path(sys.executable).with_name("finops"), "--help"],
        "finops budgets set --help": [
            Path(sys.executable).with_name("finops"),
            *("budgets", "set", "--help"),
        ],
    }
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(_RUNS):
        for name, command in commands.items():
            run = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
            least[name] = min(least[name], timed(run))
    bare = least["python -c pass"]
    show(
        "Start of the command line, in fresh processes",
        ("what", f"least of {_RUNS}", "beside python -c pass"),
        [(name, f"{found * 1000:.0f} ms", f"{found / bare:.1f}") for name, found in least.items()],
    )
    ratio = least["finops --help"] / bare
    goals.at_most("command line: finops --help beside python -c pass", 8, ratio, "times")
