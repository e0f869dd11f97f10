"""Benchmarks run on a deployment like the flow tests' own, and record their goals."""

from tests.benchmarks.goals import (
    goals,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from tests.flows.conftest import billing, deployment, outputs

__all__ = [
    "billing",
    "deployment",
    "goals",
    "outputs",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]
