"""What a function would pay at each cold start for Powertools' event helpers, beside our own.

python -m pytest tests/benchmarks/test_imports.py -m benchmark -s
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

from tests.benchmarks.test_budgets import show

pytestmark = pytest.mark.benchmark

#: Every function imports these first.
_BASE = "import boto3, finops.shared.observability"
_CANDIDATES = {
    "finops.shared.events": "import finops.shared.events",
    "Powertools, batch": "import aws_lambda_powertools.utilities.batch",
    "Powertools, S3 and SQS event classes": (
        "from aws_lambda_powertools.utilities.data_classes import S3Event, SQSEvent"
    ),
    "Powertools, both": (
        "import aws_lambda_powertools.utilities.batch\n"
        "from aws_lambda_powertools.utilities.data_classes import S3Event, SQSEvent"
    ),
}


def test_import_time_of_event_helpers() -> None:
    """Milliseconds in fresh interpreters that have loaded boto3 and the logger before."""

    def cost(statement: str) -> float:
        code = (
            f"{_BASE}\nimport time\nstart = time.perf_counter()\n{statement}\n"
            "print(time.perf_counter() - start)"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return float(answer.stdout) * 1000

    def start() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", _BASE], check=True)
        return (time.perf_counter() - began) * 1000

    taken: dict[str, list[float]] = {name: [] for name in _CANDIDATES}
    starts = []
    for _ in range(15):
        starts.append(start())
        for name, statement in _CANDIDATES.items():
            taken[name].append(cost(statement))
    show(
        f"Import time of event helpers, after a start of {statistics.median(starts):.0f} ms",
        *((name, f"{statistics.median(found):.1f} ms", "") for name, found in taken.items()),
    )
