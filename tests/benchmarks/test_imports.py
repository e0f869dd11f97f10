"""What a function would pay at each cold start for Powertools' event helpers, beside our own.

python -m pytest tests/benchmarks/test_imports.py -m benchmark -s
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.benchmarks.measuring import show

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
    base = min(starts)
    show(
        "Import time of event helpers, in fresh interpreters with boto3 and the logger loaded",
        ("what", "least of 15", "share of the start"),
        [("boto3 and the logger", f"{base:.0f} ms", "")]
        + [
            (name, f"{min(found):.1f} ms", f"{min(found) / base:.1%}")
            for name, found in taken.items()
        ],
    )
