"""What waits for a person in each flow, though nothing is wrong with the deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.invoices.domain import InvoiceStatus
from finops.shared.periods import Month

#: A status, what it means of one and of several, and what a person does; the most urgent first.
_WAITING: Final[Mapping[str, Mapping[str, tuple[str, str, str]]]] = {
    "budgets": {
        Status.WAITING: (
            "raise waits",
            "raises wait",
            "for approvals: see `finops budgets list --status WAITING`, then"
            " `finops budgets approve ACCOUNT --name NAME`",
        ),
        Status.REJECTED: (
            "edit was rejected",
            "edits were rejected",
            "and changed nothing: `finops budgets list --status REJECTED` says why",
        ),
    },
    "billing": {
        FileStatus.REJECTED: (
            "file was rejected",
            "files were rejected",
            "whole: `finops billing files --to-fix` says why; load it corrected, under its name or"
            " with `--corrects FILE`",
        ),
        FileStatus.LOADED_WITH_REJECTS: (
            "file has",
            "files have",
            "rows in quarantine: see `finops billing files --to-fix`, then `finops billing"
            " quarantine FILE`, and `finops billing load CORRECTED --corrects FILE`",
        ),
    },
    "invoices": {
        InvoiceStatus.NEEDS_REVIEW: (
            "invoice waits",
            "invoices wait",
            "for a review: `finops invoices next`",
        ),
        InvoiceStatus.REJECTED: (
            "document could not be read",
            "documents could not be read",
            "as an invoice: `finops invoices list --status REJECTED`; send it again, as it should"
            " be",
        ),
        InvoiceStatus.VALIDATION_FAILED: (
            "invoice was not accepted",
            "invoices were not accepted",
            "or nobody reviewed it: `finops invoices list --status VALIDATION_FAILED`",
        ),
    },
}
#: A head is written each hour unless `heads.schedule_expression` says otherwise: a day is late.
_HEAD_AGE: Final = timedelta(hours=25)


def waiting_in(flow: str, counts: Mapping[Any, int]) -> Iterator[str]:
    """What a person does about a flow's rows, files or invoices, by how many have which status."""
    for status, (one, several, what) in _WAITING[flow].items():
        if count := counts.get(status, 0):
            yield f"{flow}: {count} {one if count == 1 else several} {what}"


def months_to_close(months: Mapping[str, int], today: date) -> Iterator[str]:
    """What a person does about months that are over and open, though nothing closes them any more.

    Args:
        months: Each `YYYY-MM` with a report, with its revision; 0 of one that is open.
        today: The day in UTC.
    """
    from finops.reconciliation.domain import FINAL_AFTER

    late = [
        month
        for month, revision in months.items()
        if not revision and Month.parse(month).end + FINAL_AFTER <= today
    ]
    if late:
        yield (
            f"reconciliation: {', '.join(late)} {'is' if len(late) == 1 else 'are'} still open:"
            f" `finops reconcile --month {late[0]} --source SOURCE --close`"
        )


def no_head(changed_at: datetime, now: datetime) -> Iterator[str]:
    """What a person does about an audit trail without a head.

    Args:
        changed_at: When Lambda last changed the function that writes heads.
        now: With its zone, as `changed_at`.
    """
    if changed_at < now - _HEAD_AGE:
        yield (
            "audit: no head was ever written, so nothing is sealed: `finops doctor`, then the log"
            " of write-audit-head"
        )


def old_head(written_at: str, now: datetime) -> Iterator[str]:
    """What a person does about an audit trail whose newest head is more than a day old."""
    if datetime.fromisoformat(written_at).astimezone(UTC) < now - _HEAD_AGE:
        yield (
            f"audit: the newest head is of {written_at}, and what came after it is not sealed:"
            " `finops doctor`, then the log of write-audit-head"
        )
