"""What the command line itself takes: its start, and each command without the cloud's own time.

make bench ARGS="tests/benchmarks/test_cli.py"
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show, timed
from tests.flows.deployment import SPOKE, Deployment

pytestmark = pytest.mark.benchmark

_RUNS = 20
FINOPS = Path(sys.executable).with_name("finops")
#: Commands that read, of every flow.
COMMANDS = (
    "audit show",
    "audit verify",
    "billing files",
    f"budgets show {SPOKE}",
    "budgets list",
    "budgets coverage",
    "doctor",
    "fx rate EUR 2026-03-31",
    "invoices list",
    "invoices next",
    "status",
    "vendors list",
)


def test_start_of_the_command_line(goals: Goals) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "finops --help": [FINOPS, "--help"],
        "finops budgets set --help": [
            FINOPS,
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


def test_own_time_of_each_command(deployment: Deployment, goals: Goals) -> None:
    """Processor time of the command's process: what it does besides waiting for the cloud."""
    environment = os.environ | {"AWS_ENDPOINT_URL": deployment.url, "FINOPS_ENV": "local"}
    least = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(3):
        for name in COMMANDS:
            command = [str(FINOPS), *name.split()]
            least[name] = min(least[name], processor_seconds_of(command, environment))
    show(
        "Own time of commands: processor time of their processes",
        ("command", "least of 3"),
        [(f"finops {name}", f"{found:.2f} s") for name, found in least.items()],
    )
    slowest = max(least.values())
    goals.at_most("command line: own time of the slowest reading command", 1, slowest, "s")


def processor_seconds_of(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """The processor time of a command that answers, whatever it answers."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr
        said = running.stderr.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert "Traceback" not in said, said
    return used.ru_utime + used.ru_stime
