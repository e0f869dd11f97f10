"""How long a scheduled drift run takes over many accounts, and what it costs a worker.

The accounts are an endpoint with AWS's limits, since no emulator bears so many: see
spokes_endpoint.py. Five workers run at once, as `publisher.drift_workers` has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from localcloud.settings import REPOSITORY
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show, timed

pytestmark = pytest.mark.benchmark

WORKERS = 5
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "lambda_src"), str(REPOSITORY)]),
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}


@pytest.fixture
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.spokes_endpoint"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=ENVIRONMENT
    ) as server:
        assert server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


@pytest.mark.parametrize("accounts", [600, 5000])
def test_a_drift_run_over_an_organization(accounts: int, endpoint: str, goals: Goals) -> None:
    step = accounts // WORKERS
    found: list[dict[str, float]] = []

    def run() -> None:
        command = [sys.executable, "-m", "tests.benchmarks.drift_worker", endpoint]
        firsts = range(1, accounts + 1, step)
        workers = [
            subprocess.Popen(
                [*command, str(first), str(first + step)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
                env=ENVIRONMENT,
            )
            for first in firsts
        ]
        found.extend(json.loads(worker.communicate()[0]) for worker in workers)

    seconds = timed(run)
    with urllib.request.urlopen(endpoint) as answer:
        calls = json.load(answer)
    assert sum(one["repaired"] for one in found) == accounts // 100
    assert sum(one["not_repaired"] for one in found) == 0
    assert calls["AssumeRole"] == accounts
    assert calls["PutParameter"] == accounts // 100
    milliseconds = 1000 * sum(one["processor_seconds"] for one in found) / accounts
    peak = max(one["peak_mb"] for one in found)
    show(
        f"A drift run over {accounts:,} accounts, {WORKERS} workers",
        ("", ""),
        [
            ("seconds", f"{seconds:.0f}"),
            ("processor time of an account: ms", f"{milliseconds:.1f}"),
            ("peak memory of a worker: MB", f"{peak:.0f}"),
            ("calls", f"{sum(calls.values()):,}"),
            ("of these throttled", str(calls.get("throttled", 0))),
        ],
    )
    goals.at_most(f"budgets: drift run over {accounts:,} accounts", 900, seconds, "s")
    goals.at_most(f"budgets: {accounts:,} accounts, peak memory of a worker", 400, peak, "MB")
