"""The command line's billing commands over a deployment in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from finops.cli import billing, billing_formats, billing_moves
from finops.cli.main import finops
from finops.shared.errors import FinOpsError

BillingOn = Callable[[Any], None]


@pytest.fixture
def billing_on(monkeypatch: pytest.MonkeyPatch) -> BillingOn:
    """Has the commands use a deployment."""

    def use(deployment: Any) -> None:
        for commands in (billing, billing_formats, billing_moves):
            monkeypatch.setattr(commands, "deployed", lambda _environment: deployment)

    return use


def run_billing(*arguments: str) -> tuple[int, Any]:
    """Run `finops billing … --json`: its exit code, and its JSON document or else its stderr."""
    answer = CliRunner().invoke(finops, ["billing", *arguments, "--json"])
    if isinstance(answer.exception, FinOpsError):
        raise answer.exception
    return answer.exit_code, json.loads(answer.stdout) if answer.stdout else answer.stderr
