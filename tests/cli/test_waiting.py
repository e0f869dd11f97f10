"""`finops status` says what waits for a person, with the command to run."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.cli.waiting import months_to_close, old_head, waiting_in
from finops.invoices.domain import InvoiceStatus
from tests.docs.test_commands import problem


@pytest.mark.parametrize(
    ("flow", "status", "said", "command"),
    [
        ("budgets", Status.WAITING, "2 raises wait for approvals", "budgets approve"),
        ("budgets", Status.REJECTED, "2 edits were rejected", "budgets list --status REJECTED"),
        (
            "billing",
            FileStatus.REJECTED,
            "2 files were rejected",
            "billing files --to-fix",
        ),
        ("billing", FileStatus.LOADED_WITH_REJECTS, "2 files have rows", "billing quarantine FILE"),
        ("invoices", InvoiceStatus.NEEDS_REVIEW, "2 invoices wait for a review", "invoices next"),
        ("invoices", InvoiceStatus.REJECTED, "2 documents could not be read", "invoices list"),
        ("invoices", InvoiceStatus.VALIDATION_FAILED, "2 invoices were not", "invoices list"),
    ],
)
def test_what_waits_is_told_with_the_command(
    flow: str, status: str, said: str, command: str
) -> None:
    (step,) = waiting_in(flow, {status: 2})
    assert step.startswith(f"{flow}: {said}")
    assert f"`finops {command}" in step
    for shown in re.findall(r"`finops ([^`]+)`", step):
        assert problem(shown.split()) == ""
    (one,) = waiting_in(flow, {status: 1})
    assert one.startswith(f"{flow}: 1 ")
    assert one != step.replace("2", "1")


def test_what_runs_or_is_done_waits_for_nobody() -> None:
    assert list(waiting_in("budgets", {Status.PENDING: 1, Status.APPLIED: 9})) == []
    done = {FileStatus.LOADED: 1, FileStatus.WITHDRAWN: 1, FileStatus.LOADING: 2}
    assert list(waiting_in("billing", done)) == []
    seen = {InvoiceStatus.PROCESSED: 1, InvoiceStatus.DUPLICATE: 1, InvoiceStatus.NEEDS_REVIEW: 0}
    assert list(waiting_in("invoices", seen)) == []


def test_the_most_urgent_comes_first() -> None:
    counts = dict.fromkeys(Status, 1)
    assert [one.split()[2] for one in waiting_in("budgets", counts)] == ["raise", "edit"]


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2026, 11, 15), ["2026-08", "2026-09"]),
        (date(2026, 11, 16), ["2026-08", "2026-09", "2026-10"]),
    ],
)
def test_a_month_that_nothing_closes_any_more_waits(today: date, months: list[str]) -> None:
    """The function runs for the month before until its day 15."""
    found = {"2026-07": 1, "2026-08": 0, "2026-09": 0, "2026-10": 0, "2026-11": 0}
    (step,) = months_to_close(found, today)
    assert step.startswith(f"reconciliation: {', '.join(months)} are still open: ")
    assert "--month 2026-08 --source SOURCE --close`" in step
    assert list(months_to_close({"2026-07": 2}, today)) == []


def test_a_trail_whose_head_is_old_is_told() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert list(old_head("2026-11-28T11:00:01Z", now)) == []
    (step,) = old_head("2026-11-28T10:59:59Z", now)
    assert "of 2026-11-28T10:59:59Z" in step
