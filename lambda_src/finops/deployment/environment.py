"""Which deployment the command line talks to, and what its resources are called there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

LOCAL: Final = "local"
LOCAL_MANAGEMENT_ACCOUNT: Final = "111111111111"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Names of one deployment. Terraform makes them from the same prefix.

    `endpoint_url` is None on AWS, where credentials and region come from the usual AWS settings
    (AWS_PROFILE, AWS_REGION, …).
    """

    name: str
    prefix: str
    endpoint_url: str | None = None

    @property
    def budgets_table(self) -> str:
        """The table that people edit."""
        return f"{self.prefix}-budgets"

    @property
    def budget_status_table(self) -> str:
        """The table that says what became of each edit."""
        return f"{self.prefix}-budget-status"

    @property
    def drift_function(self) -> str:
        """The function that finds and repairs drift."""
        return f"{self.prefix}-repair-budget-drift"

    @property
    def billing_loader(self) -> str:
        """The function that loads billing files; its settings name the flow's resources."""
        return f"{self.prefix}-load-billing-file"

    @property
    def billing_queue(self) -> str:
        """The queue of S3 events."""
        return f"{self.prefix}-billing-files"

    @property
    def invoices_table(self) -> str:
        """The table of invoices."""
        return f"{self.prefix}-invoices"

    @property
    def invoice_intake(self) -> str:
        """The function that takes invoices in; its settings name the flow's resources."""
        return f"{self.prefix}-receive-invoices"

    @property
    def audit_queue(self) -> str:
        """The queue of entries that are on their way into the audit trail."""
        return f"{self.prefix}-audit-entries.fifo"

    @property
    def reconcile_function(self) -> str:
        """The function that reconciles a month; its settings name the flow's resources."""
        return f"{self.prefix}-reconcile-month"

    @property
    def management_functions(self) -> tuple[str, ...]:
        """Every function of the management account."""
        return tuple(
            f"{self.prefix}-{name}"
            for name in (
                "publish-budget",
                "record-budget-result",
                "expire-pending-budget",
                "repair-budget-drift",
                "load-billing-file",
                "plan-billing-chunks",
                "load-billing-chunk",
                "finish-billing-file",
                "fail-billing-file",
                "migrate-billing-database",
                "receive-invoices",
                "extract-invoice",
                "finish-extraction",
                "validate-invoice",
                "review-invoice",
                "process-invoice",
                "notify-invoice",
                "fail-invoice",
                "reconcile-month",
                "append-audit-entries",
                "write-audit-head",
            )
        )

    @property
    def failure_queues(self) -> tuple[str, ...]:
        """Queues that hold something only after a failure that needs a person."""
        return (
            *(f"{name}-failures" for name in self.management_functions),
            f"{self.prefix}-audit-entries-failures.fifo",
        )


def environment(name: str) -> Environment:
    """The deployment called `name`; "local" is the local cloud of this checkout."""
    prefix = os.environ.get("FINOPS_NAME_PREFIX", "finops")
    if name != LOCAL:
        return Environment(name=name, prefix=prefix)
    from localcloud.endpoints import endpoint_url

    return Environment(name=name, prefix=prefix, endpoint_url=endpoint_url())
