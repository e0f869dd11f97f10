"""The last part of `make demo`: reconcile a month of three payers, and verify the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from demo_billing import finops
from finops.shared.periods import Month
from localcloud.settings import REPOSITORY

REPORTS = REPOSITORY / ".local" / "reconciliation"
_STYLES = {"OVERRUN": "red", "UNDERRUN": "yellow", "ON_TRACK": "green"}


def reconcile(console: Console) -> None:
    """Reconcile last month; show its totals, its business units, and where the reports are."""
    month = Month.of(datetime.now(UTC).date()).plus(-1)
    found = finops("reconcile", "--month", str(month), "--output", str(REPORTS))
    totals, currency = found["totals"], found["currency"]
    console.print(
        f"  {month}: {currency} {_amount(totals['actual'])} spent,"
        f" from {found['source_name']},"
        f" budgets of {_amount(totals['budget'])},"
        f" unmapped {_amount(totals['unmapped'])}"
    )
    for unit in found["units"]:
        style = _STYLES.get(unit["status"], "dim")
        budget = f"of {_amount(unit['budget'])}" if unit["budget"] else ""
        console.print(
            f"  {unit['name']:14} {_amount(unit['actual']):>12} {budget:16}"
            f" [{style}]{unit['status']}[/{style}]"
        )
    for one in found["anomalies"]:
        days = one["first"] if one["first"] == one["last"] else f"{one['first']} to {one['last']}"
        what = ", ".join(one["services"]) or one["subject"]
        console.print(f"  anomaly: {days}, {what}, {_amount(one['impact'])} more than expected")
    for one in found["invoices"]:
        if one["charged"] and one["invoiced"]:
            console.print(
                f"  payer {one['payer']}: {_amount(one['charged'])} charged,"
                f" {_amount(one['invoiced'])} invoiced: {one['agreement']}",
                style="dim",
            )
            if one["reason"]:
                console.print(f"      {one['explanation']}", style="dim", markup=False)
    holds = sum(check["holds"] is True for check in found["checks"])
    console.print(
        f"  {holds} of {len(found['checks'])} checks hold; Cost Explorer would have cost"
        f" USD {found['cost_explorer']['cost_usd']}"
    )
    console.print(f"  [bold]{Path(found['reports']['html']).as_uri()}[/bold]")


def verify(console: Console) -> None:
    """Verify the audit trail of everything that was done."""
    found = finops("audit", "verify")
    verdict = "whole" if found["ok"] else f"broken at {found['first_bad']}"
    console.print(f"  {found['entries']} entries of all flows, verified: {verdict}")


def _amount(text: str) -> str:
    return f"{Decimal(text):,.2f}"
