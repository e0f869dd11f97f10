"""One invocation after the other of `repair-budget-drift`, each over 50 accounts of an endpoint.

The tables are in memory: what is measured is the work in the accounts.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import boto3

from finops.budgets.adapters.organizations import ListedAccounts
from finops.budgets.adapters.spokes import AssumedSpokes
from finops.budgets.domain import RemovalPolicy, Status
from finops.budgets.drift import DriftRepairer
from finops.budgets.drift_schedule import parts_of
from finops.budgets.handlers import _PACED
from finops.budgets.ports import BudgetStatus
from finops.budgets.service import BudgetPublisher
from finops.shared.aws import AssumedRoles
from tests.audit.recorders import MemoryRecorder
from tests.benchmarks.peak_memory import peak_mib
from tests.benchmarks.spokes_endpoint import document_of
from tests.budgets.fakes import FakeDeadlines, FakeStatuses, FakeTable


class Rows(FakeTable):
    """One row an account, found by its key."""

    def rows(self, account_id: str | None = None):  # type: ignore[no-untyped-def]
        assert account_id
        return iter([self.items[account_id, "monthly-total"]])


class Statuses(FakeStatuses):
    """One status an account, found by its key."""

    def all(self, account_id: str | None = None):  # type: ignore[no-untyped-def]
        assert account_id
        return iter([self.items[document_of(account_id).key]])


def main(endpoint: str, first: int, end: int) -> dict[str, float]:
    """Compare and repair the accounts with these numbers. Returns what it took."""
    accounts = [f"{number:012d}" for number in range(first, end)]
    table = Rows(
        *(
            {"account_id": one, "budget_name": "monthly-total", "amount": Decimal(100)}
            for one in accounts
        )
    )
    statuses = Statuses()
    for one in accounts:
        document = document_of(one)
        statuses.items[document.key] = BudgetStatus(
            key=document.key,
            version=document.version,
            status=Status.APPLIED,
            document=document.encode(),
            content=document.content_digest,
        )
    roles = AssumedRoles(
        role_arn="arn:aws:iam::{}:role/finops-budgets-spoke".format,
        external_id="bench",
        session_name="bench",
        sts=boto3.client("sts", endpoint_url=endpoint),
        endpoint_url=endpoint,
        retries=_PACED,
    )
    spokes = AssumedSpokes(
        roles,
        accounts=ListedAccounts(accounts),
        prefix="/finops/budgets",
        role_name="spoke",
        payer_account_id="111111111111",
    )
    audit = MemoryRecorder()
    publisher = BudgetPublisher(
        statuses=statuses, spokes=spokes, removal=RemovalPolicy.KEEP, audit=audit
    )
    repairer = DriftRepairer(
        table=table,
        statuses=statuses,
        spokes=spokes,
        publisher=publisher,
        deadlines=FakeDeadlines(),
        removal=RemovalPolicy.KEEP,
        audit=audit,
        clock=lambda: datetime.now(UTC),
        concurrency=16,
    )
    began, used = time.monotonic(), time.process_time()
    drift = [
        one
        for part in parts_of(accounts)
        for one in repairer.run(repair=True, request_id="bench", account_ids=part)
    ]
    return {
        "seconds": time.monotonic() - began,
        "processor_seconds": time.process_time() - used,
        "peak_mb": peak_mib(),
        "repaired": sum(one.repaired for one in drift),
        "not_repaired": sum(not one.repaired for one in drift),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
