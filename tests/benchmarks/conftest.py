"""Benchmarks run on a deployment like the flow tests' own."""

from tests.flows.conftest import deployment

__all__ = ["deployment"]
