"""Benchmarks run on a deployment like the flow tests' own."""

from tests.flows.conftest import billing, deployment, outputs

__all__ = ["billing", "deployment", "outputs"]
