"""`finops invoices review`: nobody approves what was reviewed after they looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from finops.cli import invoices
from finops.cli.main import finops
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Review
from tests.invoices.builders import record

CORRECTED = Review(
    reviewer="ann <6f9d>", at=datetime(2026, 3, 1, tzinfo=UTC), decision="CORRECTED", reason=""
)


class Deployment:
    """As `InvoiceDeployment`, with an invoice that was corrected."""

    def __init__(self) -> None:
        self.store = self
        self.record = replace(record(), status=InvoiceStatus.NEEDS_REVIEW, reviews=(CORRECTED,))
        self.seen: list[int] = []

    def find(self, _invoice: str) -> InvoiceRecord:
        return self.record

    def decide(self, found: InvoiceRecord, *, seen: int, **_: Any) -> InvoiceRecord:
        self.seen.append(seen)
        return found


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment()
    monkeypatch.setattr(invoices, "_deployed", lambda _environment: made)
    return made


def review(*arguments: str) -> Result:
    return CliRunner().invoke(finops, ["invoices", "review", "some-id", *arguments, "--json"])


@pytest.mark.parametrize("decision", [["--approve"], ["--not-duplicate", "--reason", "two"]])
def test_what_was_reviewed_before_is_approved_by_who_has_seen_it(
    deployment: Deployment, decision: list[str]
) -> None:
    refused = review(*decision)
    assert refused.exit_code == 2
    assert "was reviewed, last by ann" in refused.stderr
    assert "--seen 1" in refused.stderr
    assert deployment.seen == []
    assert review(*decision, "--seen", "1").exit_code == 0
    assert deployment.seen == [1]


def test_a_rejection_or_correction_needs_no_such_word(deployment: Deployment) -> None:
    assert review("--reject", "--reason", "not ours").exit_code == 0
    assert review("--set", "total=1.00").exit_code == 0
    assert deployment.seen == [1, 1]


def test_the_function_is_told_what_was_seen(deployment: Deployment) -> None:
    deployment.record = replace(deployment.record, reviews=(CORRECTED, CORRECTED))
    assert review("--approve", "--seen", "1").exit_code == 0
    assert deployment.seen == [1]
