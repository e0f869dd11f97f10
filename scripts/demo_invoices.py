"""The invoice part of `make demo`: documents dropped into S3 become processed invoices."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

import sample_invoices
from demo_billing import finops
from localcloud.settings import REPOSITORY

STYLES = {
    "PROCESSED": "green",
    "NEEDS_REVIEW": "yellow",
    "DUPLICATE": "dim",
    "REJECTED": "red",
    "VALIDATION_FAILED": "red",
    "PROCESSING_FAILED": "bold red",
}
EXPORT = REPOSITORY / ".local" / "invoices.xlsx"


def drop_all(console: Console, folder: Path) -> None:
    """Drop every sample, originals before their duplicates, and show the outcome of each."""
    samples = sample_invoices.make(folder)
    for batch in (samples[:7], samples[7:]):
        paths = [str(folder / one.name) for one in batch]
        answer = finops("invoices", "submit", *paths, "--wait")
        shown = {one.name: one.what for one in batch}
        for one in answer["invoices"]:
            name = Path(one["file"]).name
            style = STYLES.get(one["status"], "yellow")
            found = " ".join(filter(None, (one["serial_number"], _money(one))))
            console.print(
                f"  {name:18} {shown.pop(name, 'its second invoice')}: "
                f"[{style}]{one['status']}[/{style}] {found}"
            )
            if one["reason"]:
                console.print(f"      {one['reason']}", style="dim", markup=False)


def review(console: Console) -> None:
    """Review the invoice with the wrong sum: correct the total and approve."""
    for one in _waiting():
        if one["file"] != "wrong-sum.pdf":
            continue
        correct = Decimal(one["subtotal"]) + Decimal(one["tax"])
        answer = finops(
            *("invoices", "review", one["id"], "--set", f"total={correct}", "--approve"),
            *("--reason", "the vendor confirmed it", "--wait"),
        )
        (done,) = answer["invoices"]
        console.print(
            f"  [green]✓[/green] wrong-sum.pdf, total corrected from {one['total']} to {correct}"
            f" and approved: {done['status']} {done['serial_number'] or ''}"
        )


def export(console: Console) -> None:
    """Export all invoices as a workbook."""
    finops("invoices", "export", "--format", "xlsx", "--output", str(EXPORT))
    console.print(
        f"  [green]✓[/green] exported to {EXPORT.relative_to(REPOSITORY)}: summary, line items, "
        "totals\n"
        f"  {sum(1 for _ in _waiting())} wait for you: finops invoices list --status NEEDS_REVIEW"
    )


def _waiting() -> Iterator[dict[str, Any]]:
    yield from finops("invoices", "list", "--status", "NEEDS_REVIEW")["invoices"]


def _money(one: dict[str, Any]) -> str:
    return f"{Decimal(one['total']):,f} {one['currency']}" if one["total"] else ""
