"""The main jobs on sample data, as a user would do them: `make demo` runs this.

Everything goes through AWS's own APIs: rows are put into the DynamoDB table, and the amounts shown
are read from the spoke accounts' AWS Budgets. A second run finds everything in place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

import demo_billing
import demo_invoices
import demo_reconciliation
from finops.deployment.clients import Aws
from finops.deployment.doctor import Doctor, today
from finops.deployment.environment import environment
from finops.deployment.examination import Severity
from finops.shared.errors import FinOpsError
from localcloud.endpoints import account_session
from localcloud.settings import LocalCloudError, Settings
from localcloud.supervisor import LocalCloud
from localcloud.terraform import Progress, TerraformError, local_environment

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
SPOKES = {"222222222222": "Shop", "333333333333": "Data platform"}

console = Console(highlight=False, soft_wrap=True)


class DemoError(Exception):
    """A step failed; the message says where to look."""


@dataclass(slots=True)
class Demo:
    """The deployment on the local cloud, as a user reaches it."""

    outputs: dict[str, Any]
    url: str

    def client(self, service: str, account_id: str = "111111111111") -> Any:
        """A client of one account on the local cloud."""
        return _client(self.url, service, account_id)

    def edit(self, account_id: str, amount: str | Decimal, **attributes: Any) -> None:
        """Put a row, as somebody does in the DynamoDB console."""
        table = (
            account_session("111111111111", self.url)
            .resource("dynamodb")
            .Table(self.outputs["budgets_table"])
        )
        table.put_item(
            Item={
                "account_id": account_id,
                "budget_name": "monthly-total",
                "amount": amount,
                "updated_by": "demo",
                **attributes,
            }
        )

    def budget(self, account_id: str) -> Decimal | None:
        """The amount of the spoke's AWS Budget, in USD."""
        budgets = self.client("budgets", account_id)
        try:
            found = budgets.describe_budget(AccountId=account_id, BudgetName="monthly-total")
        except budgets.exceptions.NotFoundException:
            return None
        return Decimal(found["Budget"]["BudgetLimit"]["Amount"])

    def status(self, account_id: str) -> dict[str, str]:
        """The row of the status table."""
        item = self.client("dynamodb").get_item(
            TableName=self.outputs["status_table"],
            Key={"account_id": {"S": account_id}, "budget_name": {"S": "monthly-total"}},
            ConsistentRead=True,
        )
        return {name: next(iter(value.values())) for name, value in item.get("Item", {}).items()}

    def wait_for_budget(self, account_id: str, amount: Decimal | None) -> float:
        """Wait until the AWS Budget has this amount; returns the seconds that took."""
        what = f"budget {amount} in account {account_id}"
        return wait(what, lambda: self.budget(account_id) == amount or None)[1]

    def wait_for_status(self, account_id: str, status: str) -> tuple[dict[str, str], float]:
        """Wait until the newest edit has this status; returns the status row and the seconds."""

        def look() -> dict[str, str] | None:
            found = self.status(account_id)
            return found if found.get("status") == status else None

        return wait(f"status {status} of account {account_id}", look)

    def note(self, step: str, result: str, took: str = "") -> None:
        """Show a step's result."""
        console.print(f"  [green]✓[/green] {step}: {result} [dim]{took}[/dim]")


@cache
def _client(url: str, service: str, account_id: str) -> Any:
    return account_session(account_id, url).client(service)


def wait(what: str, look: Callable[[], T | None]) -> tuple[T, float]:
    """Poll until `look` returns something; returns that and the seconds it took.

    Raises:
        DemoError: nothing came within a minute.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < DEADLINE_SECONDS:
        found = look()
        if found is not None:
            return found, time.perf_counter() - start
        time.sleep(0.02)
    raise DemoError(
        f"{what} did not happen within {DEADLINE_SECONDS:.0f} s."
        " Look at `.venv/bin/finops status` and at the logs in .local/logs"
    )


def _usd(amount: Decimal | None) -> str:
    return "none" if amount is None else f"{amount:,.2f} USD"


def heading(title: str) -> None:
    """Print the title of the next part."""
    console.print(f"\n[bold]{title}[/bold]")


def deploy(settings: Settings) -> dict[str, Any]:
    """Start the cloud and apply `environments/local`; quick where both are there already."""
    heading("Local cloud")
    cloud = LocalCloud(settings, detached=True).start(lambda text: console.print(f"  {text}"))
    os.environ["AWS_ENDPOINT_URL"] = cloud.endpoint_url  # for `finops`, which knows no local cloud
    console.print(f"  up at {cloud.endpoint_url}, with IAM enforcement on")
    heading("terraform apply environments/local")
    console.print(
        "  management 111111111111, spokes 222222222222 and 333333333333, two more payers"
    )
    terraform = local_environment(settings)
    if terraform.is_applied() and _stands(cloud.endpoint_url):
        console.print("  nothing changed since the last apply (`make plan ENV=local` looks again)")
        return dict(terraform.output()["budgets"])
    terraform.init()
    with ProgressBar(
        TextColumn("  resources"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("apply", total=None)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total or 1)
            if not console.is_terminal and progress.done and progress.done % 20 == 0:
                console.print(f"  {progress.done}/{progress.total} resources")

        changed = terraform.apply(show)
        bar.update(task, total=max(changed, 1), completed=max(changed, 1))
    console.print(f"  {changed} resources changed" if changed else "  nothing to change")
    return dict(terraform.output()["budgets"])


def _stands(url: str) -> bool:
    """Whether the cloud still holds what was applied; somebody may have emptied its folder."""
    tables = account_session(url=url).client("dynamodb").list_tables()["TableNames"]
    return "finops-budgets" in tables


def set_budgets(demo: Demo) -> None:
    """Edit the table, and wait until each edit has reached its spoke account."""
    edits: list[tuple[str, Decimal, dict[str, Any]]] = [
        ("222222222222", Decimal("1200"), {}),
        (
            "333333333333",
            Decimal("80000.50"),
            {
                "thresholds": [
                    {"type": "ACTUAL", "percent": 80},
                    {"type": "FORECASTED", "percent": 100},
                ],
                "emails": ["finance@example.com"],
            },
        ),
        ("222222222222", Decimal("1350.75"), {}),
    ]
    for account_id, amount, attributes in edits:
        before = demo.budget(account_id)
        demo.edit(account_id, amount, **attributes)
        seconds = demo.wait_for_budget(account_id, amount)
        demo.wait_for_status(account_id, "APPLIED")
        demo.note(
            f"{SPOKES[account_id]} ({account_id})",
            f"AWS Budget {_usd(before)} → {_usd(amount)}, status APPLIED",
            f"{seconds:.2f} s",
        )


def refuse_a_bad_edit(demo: Demo) -> None:
    """A typing error is rejected with its reason, and changes nothing."""
    before = demo.budget("222222222222")
    demo.edit("222222222222", "twelve hundred")
    status, seconds = demo.wait_for_status("222222222222", "REJECTED")
    if demo.budget("222222222222") != before:
        raise DemoError("the rejected edit changed the AWS Budget")
    demo.note(
        "amount 'twelve hundred'",
        f"REJECTED, and the budget stays {_usd(before)}\n      {status['error']}",
        f"{seconds:.2f} s",
    )
    demo.edit("222222222222", Decimal("1350.75"))
    demo.wait_for_status("222222222222", "APPLIED")
    demo.note("the row, corrected", "APPLIED")


def repair_drift(demo: Demo) -> None:
    """Change one AWS Budget by hand and delete another; both are repaired."""
    before = {account_id: demo.budget(account_id) for account_id in SPOKES}
    budgets = demo.client("budgets", "222222222222")
    standing = budgets.describe_budget(AccountId="222222222222", BudgetName="monthly-total")
    changed = {
        name: standing["Budget"][name]
        for name in ("BudgetName", "BudgetType", "TimeUnit", "TimePeriod")
        if name in standing["Budget"]
    }
    budgets.update_budget(
        AccountId="222222222222",
        NewBudget={**changed, "BudgetLimit": {"Amount": "9", "Unit": "USD"}},
    )
    demo.client("budgets", "333333333333").delete_budget(
        AccountId="333333333333", BudgetName="monthly-total"
    )
    console.print("  somebody set 222222222222's budget to 9 USD, and deleted 333333333333's")
    start = time.perf_counter()
    run = subprocess.run(
        [str(Path(sys.executable).with_name("finops")), "budgets", "drift", "--repair", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise DemoError(f"finops budgets drift --repair failed: {run.stderr or run.stdout}")
    seconds = time.perf_counter() - start
    found = {one["account_id"]: one for one in json.loads(run.stdout)["drift"]}
    for account_id, amount in before.items():
        demo.wait_for_budget(account_id, amount)
        # The deployment's own schedule may have come first.
        reason = found[account_id]["reason"] if account_id in found else "by the schedule"
        demo.note(
            f"drift in {account_id}", f"{reason}, repaired to {_usd(amount)}", f"{seconds:.2f} s"
        )
    console.print(
        "  by `finops budgets drift --repair`; a schedule does the same, here every minute"
    )


def summarise(demo: Demo) -> None:
    """Show the budgets as they are now, and what to try next."""
    table = Table(title="\nBudgets now, read from each account", title_justify="left", box=None)
    table.add_column("account", no_wrap=True)
    table.add_column("AWS Budget, USD", justify="right")
    table.add_column("status")
    table.add_column("last edit took", justify="right")
    for account_id, name in SPOKES.items():
        status = demo.status(account_id)
        table.add_row(
            f"{account_id} {name}",
            f"{demo.budget(account_id):,.2f}",
            status["status"],
            f"{status['latency_ms']} ms" if "latency_ms" in status else "",
        )
    console.print(table)
    console.print(
        "\n[bold]Try next[/bold]\n"
        "  .venv/bin/finops budgets set 222222222222 1500 --threshold ACTUAL:90 --wait\n"
        "  .venv/bin/finops budgets list\n"
        "  .venv/bin/finops budgets set 222222222222 -5          # rejected, with its reason\n"
        "  .venv/bin/finops billing load my-bills.csv --dataset acme --wait\n"
        "  .venv/bin/finops billing files      # and: billing quarantine FILE\n"
        "  .venv/bin/finops fx rate EUR 2026-03-07\n"
        "  .venv/bin/finops invoices submit my-invoice.pdf --wait   # and: list, show, review\n"
        "  .venv/bin/finops reconcile --month 2026-01 --format html,xlsx   # any of 13 months\n"
        "  .venv/bin/finops audit show --stream invoices\n"
        "  .venv/bin/finops status\n"
        f"  aws --endpoint-url {demo.url} dynamodb scan --table-name"
        f" {demo.outputs['budgets_table']}   # with AWS_ACCESS_KEY_ID=111111111111\n"
        "  make console     # all of it in a browser: http://127.0.0.1:8501\n"
        "  make test        # beside this cloud, on ports of its own\n"
        "  make down        # stop the local cloud; make demo brings it back"
    )


def examine() -> None:
    """Show what `finops doctor` finds in the deployment; the demo fails if something is broken."""
    deployed = environment("local")
    findings = Doctor(Aws(deployed), deployed, today=today()).findings()
    for one in findings:
        console.print(f"  {one.severity} {one.subject}: {one.problem}. {one.remedy}", markup=False)
    if any(one.severity is not Severity.WARNING for one in findings):
        raise DemoError("finops doctor found faults")
    if not findings:
        console.print("  nothing is wrong")


def main() -> int:
    """Run every step; exit 3 where one failed."""
    try:
        settings = Settings.from_environment()
        outputs = deploy(settings)
        demo = Demo(outputs=outputs, url=LocalCloud(settings).endpoint_url)
        heading("Budgets: rows put into the DynamoDB table become AWS Budgets of the spokes")
        set_budgets(demo)
        heading("A bad edit is rejected")
        refuse_a_bad_edit(demo)
        heading("Drift is repaired")
        repair_drift(demo)
        heading("Billing: CSV files dropped into S3 land in Aurora, checked and converted to USD")
        demo_billing.load_files(console)
        demo_billing.show_quarantine(console)
        with tempfile.TemporaryDirectory() as folder:
            demo_billing.refuse_a_spreadsheet(console, Path(folder))
        demo_billing.show_totals(console)
        heading("Invoices: documents dropped into S3 are read, checked, numbered and announced")
        with tempfile.TemporaryDirectory() as folder:
            demo_invoices.drop_all(console, Path(folder))
            demo_invoices.review(console)
            demo_invoices.export(console)
        heading(
            "Reconciliation: costs of three payers, by business unit, against plan and invoices"
        )
        demo_reconciliation.reconcile(console)
        heading("Audit: what all of this left behind")
        demo_reconciliation.verify(console)
        heading("finops doctor: what may be wrong with the deployment")
        examine()
        summarise(demo)
    except (DemoError, FinOpsError, LocalCloudError, RuntimeError, TerraformError) as error:
        console.print(f"[bold red]{error}[/bold red]", soft_wrap=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
