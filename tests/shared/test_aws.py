"""Clients, as their services need them."""

from __future__ import annotations

import pytest

from finops.reconciliation import handlers
from finops.shared.aws import client

#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
LONGEST_STATEMENT = 45


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("make", [client, handlers._client])
def test_a_statement_is_awaited_as_long_as_it_may_take(make: object) -> None:
    assert callable(make)
    assert make("rds-data").meta.config.read_timeout > LONGEST_STATEMENT
    assert make("sqs").meta.config.read_timeout < LONGEST_STATEMENT
