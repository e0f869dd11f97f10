"""How fast an edit of the table becomes an AWS Budget, and how fast functions start.

Figures of one run on one machine: those that compare are ratios, taken side by side.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import zipfile
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from localcloud.settings import REPOSITORY, Settings
from tests.benchmarks.measuring import percentile, timed
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment, assumed_roles, eventually

pytestmark = pytest.mark.benchmark

console = Console(width=100, highlight=False)


def show(title: str, *rows: tuple[str, str, str]) -> None:
    """Print figures as (what, measured, goal)."""
    table = Table(
        title=f"\n{title}  (load {os.getloadavg()[0]:.1f})", title_justify="left", box=None
    )
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def test_latency_of_an_edit(deployment: Deployment) -> None:
    """100 edits one after the other, beside what two calls of boto3 take for the same."""
    budgets, ssm = deployment.client("budgets", SPOKE), deployment.client("ssm", SPOKE)

    def by_table(amount: int) -> None:
        deployment.edit(SPOKE, amount, "latency")
        deployment.await_amount(SPOKE, amount, "latency")

    def by_hand(amount: int) -> None:
        ssm.put_parameter(Name="/by-hand", Value=str(amount), Type="String", Overwrite=True)
        budgets.update_budget(
            AccountId=SPOKE,
            NewBudget={
                "BudgetName": "by-hand",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": str(amount), "Unit": "USD"},
            },
        )
        deployment.await_amount(SPOKE, amount, "by-hand")

    budgets.create_budget(
        AccountId=SPOKE,
        Budget={
            "BudgetName": "by-hand",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "1", "Unit": "USD"},
        },
    )
    by_table(1)
    flow, hand = [], []
    for amount in range(2, 102):
        flow.append(timed(partial(by_table, amount)))
        hand.append(timed(partial(by_hand, amount)))
    show(
        "PutItem to the changed AWS Budget, warm, 100 edits",
        ("p50", f"{percentile(flow, 50) * 1000:.0f} ms", "< 500 ms"),
        ("p95", f"{percentile(flow, 95) * 1000:.0f} ms", "< 1500 ms"),
        (
            "p50 beside PutParameter and UpdateBudget by hand",
            f"{percentile(flow, 50) / percentile(hand, 50):.1f} times",
            "",
        ),
    )


def test_a_thousand_edits_over_fifty_accounts(deployment: Deployment) -> None:
    accounts = FURTHER_SPOKES[10:60]
    deployment.deploy_spokes(accounts)
    wanted = {
        (account_id, f"bulk-{number}"): Decimal(number + 1)
        for account_id in accounts
        for number in range(20)
    }

    def all_applied() -> bool:
        found = {
            (one["account_id"], one["budget_name"])
            for one in deployment.statuses()
            if one["status"] == "APPLIED"
        }
        return found >= set(wanted)

    def edit() -> None:
        deployment.edit_all(
            {"account_id": account_id, "budget_name": name, "amount": amount}
            for (account_id, name), amount in wanted.items()
        )
        # Looking takes the same processor: every 20 ms cost the flow 15 s of its own time.
        eventually(all_applied, within=300, every=1, what="1,000 edits APPLIED")

    seconds = timed(edit)
    assert {key: deployment.amount(*key) for key in wanted} == wanted
    show(
        "1,000 edits at once over 50 accounts, functions cold",
        ("until every one is APPLIED", f"{seconds:.1f} s", "< 60 s"),
        ("AssumeRole calls", str(assumed_roles(deployment, set(accounts))), "<= 50"),
    )


#: What each handler's module loads, and the clients that its function makes.
HANDLERS = {
    "publish_budget, repair_budget_drift": ("dynamodb", "sqs", "sts", "ssm"),
    "record_budget_result, expire_pending_budget": ("dynamodb",),
    "apply_budget": ("ssm", "budgets", "events"),
}


def test_import_time_of_the_handlers(tmp_path: Path) -> None:
    """A fresh interpreter that makes the clients, with and without the handlers' module."""
    packages = json.loads((REPOSITORY / "build" / "local" / "packages.json").read_text())
    paths = []
    for name, package in {"code": packages["code"], **packages["layers"]}.items():
        with zipfile.ZipFile(REPOSITORY / package["path"]) as archive:
            archive.extractall(tmp_path / name)
        inner = tmp_path / name / "python"
        paths.append(str(inner if inner.is_dir() else tmp_path / name))
    python = Settings.from_environment().emulator_python
    environment = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "FinOps",
    }

    def start(code: str) -> float:
        return timed(
            lambda: subprocess.run([python, "-c", code], env=environment, check=True, cwd=tmp_path)
        )

    rows = []
    for name, services in HANDLERS.items():
        clients = f"import boto3\nfor one in {services!r}: boto3.client(one)"
        bare, loaded = [], []
        start(f"{clients}\nimport finops.budgets.handlers")  # compiles
        for _ in range(15):
            bare.append(start(clients))
            loaded.append(start(f"{clients}\nimport finops.budgets.handlers"))
        ratio = statistics.median(loaded) / statistics.median(bare)
        rows.append((f"{name} ({statistics.median(loaded) * 1000:.0f} ms)", f"{ratio:.2f}", "1.25"))
    show("Start of each function beside bare boto3 with the same clients", *rows)
