"""A test that test_capabilities.py runs on an endpoint without Textract; no run collects it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def document() -> str:
    """What cannot be set up where there is no Textract."""
    raise RuntimeError("the endpoint has no Textract")


@pytest.mark.needs("textract")
def test_reads(document: str) -> None:
    assert document
