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

from localcloud.settings import REPOSITORY, Settings
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import percentile, show, timed
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment, assumed_roles, eventually

pytestmark = pytest.mark.benchmark


def test_latency_of_an_edit(deployment: Deployment, goals: Goals) -> None:
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
    median, slow = (1000 * percentile(flow, percent) for percent in (50, 95))
    by_hand_ms = 1000 * percentile(hand, 50)
    show(
        "PutItem to the changed AWS Budget, warm, 100 edits: ms",
        ("", "p50", "p95"),
        [
            ("by the table", f"{median:.0f}", f"{slow:.0f}"),
            ("PutParameter and UpdateBudget by hand", f"{by_hand_ms:.0f}", ""),
            ("ratio", f"{median / by_hand_ms:.1f}", ""),
        ],
    )
    goals.at_most("budgets: PutItem to the changed AWS Budget, p50", 500, median, "ms")
    goals.at_most("budgets: PutItem to the changed AWS Budget, p95", 1500, slow, "ms")


def test_a_thousand_edits_over_fifty_accounts(deployment: Deployment, goals: Goals) -> None:
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
        # Polling takes the same processor: every 20 ms, it cost the flow 15 s.
        eventually(all_applied, within=300, every=1, what="1,000 edits APPLIED")

    seconds = timed(edit)
    assert {key: deployment.amount(*key) for key in wanted} == wanted
    calls = assumed_roles(deployment, set(accounts))
    goals.at_most("budgets: 1,000 edits over 50 accounts, all APPLIED", 60, seconds, "s")
    goals.at_most("budgets: AssumeRole calls for these", 50, calls, "calls")


#: What each handler's module loads, and the clients that its function makes.
HANDLERS = {
    "publish_budget, repair_budget_drift": ("dynamodb", "sqs", "sts", "ssm"),
    "record_budget_result, expire_pending_budget": ("dynamodb",),
    "apply_budget": ("ssm", "budgets", "events"),
}


def test_import_time_of_the_handlers(tmp_path: Path, goals: Goals) -> None:
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

    # As modules/lambda_function sets it.
    ours = {**environment, "AWS_DATA_PATH": str(tmp_path / "core" / "python" / "aws_models")}

    def start(code: str, variables: dict[str, str] = ours) -> float:
        return timed(
            lambda: subprocess.run([python, "-c", code], env=variables, check=True, cwd=tmp_path)
        )

    rows = []
    for name, services in HANDLERS.items():
        clients = f"import boto3\nfor one in {services!r}: boto3.client(one)"
        bare, loaded = [], []
        start(f"{clients}\nimport finops.budgets.handlers")  # compiles
        for _ in range(15):
            bare.append(start(clients, environment))
            loaded.append(start(f"{clients}\nimport finops.budgets.handlers"))
        ratio = statistics.median(loaded) / statistics.median(bare)
        rows.append((name, f"{statistics.median(loaded) * 1000:.0f}", f"{ratio:.2f}"))
        goals.at_most(f"budgets: start beside bare boto3, {name}", 1.25, ratio, "times")
    show("Start of each function", ("functions", "ms", "beside bare boto3"), rows)
