"""The billing part of `make demo`: files dropped into the bucket become rows in Aurora."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from finops.deployment.billing import BillingDeployment
from finops.deployment.environment import environment

SAMPLES = Path(__file__).parent / "samples"
REJECTED = 1


def finops(*arguments: str) -> dict[str, Any]:
    """The command line, as a user calls it.

    Raises:
        RuntimeError: the command failed; rejected rows are not a failure here.
    """
    command = [str(Path(sys.executable).with_name("finops")), *arguments, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, REJECTED):
        raise RuntimeError(f"finops {' '.join(arguments)} failed: {run.stderr or run.stdout}")
    return dict(json.loads(run.stdout))


def load_files(console: Console) -> None:
    """Load rates, then two files with five currencies, two encodings and two number formats."""
    rates = finops("fx", "load", str(SAMPLES / "rates-q1.csv"), "--wait")["files"][0]
    console.print(f"  [green]✓[/green] rates-q1.csv: {rates['rows_read']} daily rates")
    found = []
    for name, arguments in {
        "bakeries-q1.csv": (),
        "werke-march.csv": ("--dataset", "werke"),
    }.items():
        found += finops("billing", "load", str(SAMPLES / name), *arguments, "--wait")["files"]
    table = _table("The ledger", "file", "status", "read", "new", "unchanged", "bad", "USD")
    for one in found:
        table.add_row(
            Path(one["file"]).name,
            one["status"],
            str(one["rows_read"]),
            str(one["rows_inserted"]),
            str(one["rows_unchanged"]),
            str(one["rows_quarantined"]),
            f"{Decimal(one['amount_usd']):,.2f}",
        )
    console.print(table)


def show_quarantine(console: Console) -> None:
    """Show the rows that were not loaded, and why."""
    rows = finops("billing", "quarantine", "bakeries-q1.csv")["rows"]
    table = _table("Its quarantine", "line", "reason", "what is wrong")
    for row in rows:
        table.add_row(str(row["line"]), row["reason"], row["message"][:90])
    console.print(table)


def refuse_a_spreadsheet(console: Console, folder: Path) -> None:
    """A spreadsheet named .csv is rejected as a whole."""
    wrong = folder / "march.csv"
    wrong.write_bytes(b"PK\x03\x04" + bytes(60))
    refused = finops("billing", "load", str(wrong), "--wait")["files"][0]
    console.print(
        f"  [green]✓[/green] a spreadsheet named march.csv: {refused['status']}\n"
        f"      {refused['error']}"
    )


def show_totals(console: Console) -> None:
    """A query as an analyst would write it, through the Data API."""
    deployment = BillingDeployment(environment("local"))
    found = deployment.database.execute(
        "SELECT month, product_line, currency, SUM(bills) AS bills, SUM(bill_amount) AS amount,"
        " SUM(amount_usd) AS usd FROM billing_by_product_line"
        " GROUP BY month, product_line, currency ORDER BY month, usd DESC LIMIT 8"
    ).rows
    table = _table(
        "Largest by month, product line and currency (view billing_by_product_line)",
        "month",
        "product line",
        "currency",
        "bills",
        "amount",
        "USD",
    )
    for row in found:
        table.add_row(
            row["month"],
            row["product_line"],
            row["currency"],
            str(row["bills"]),
            f"{Decimal(row['amount']):,.2f}",
            f"{Decimal(row['usd']):,.2f}",
        )
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n  {title}", title_justify="left", box=None)
    texts = {"file", "status", "reason", "what is wrong", "month", "product line", "currency"}
    for column in columns:
        table.add_column(column, justify="left" if column in texts else "right")
    return table
