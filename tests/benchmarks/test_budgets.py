"""How fast an edit of the table becomes an AWS Budget, and how fast functions start.

Figures of one run on one machine: those that compare are ratios, taken side by side.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

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


def test_rows_of_two_accounts_imported_and_removed(
    deployment: Deployment, tmp_path: Path, goals: Goals
) -> None:
    """`finops budgets import --wait`, half of the budgets an account, and the removal of all."""
    rows = int(os.environ.get("FINOPS_BENCH_ROWS", "300"))
    accounts = FURTHER_SPOKES[8:10]
    deployment.deploy_spokes(accounts)
    keys = [(account_id, f"row-{number}") for account_id in accounts for number in range(rows // 2)]
    file = tmp_path / "budgets.csv"
    lines = (f"{account_id},{name},{at + 1}" for at, (account_id, name) in enumerate(keys))
    file.write_text("account_id,budget_name,amount\n" + "\n".join(lines) + "\n")
    command = [sys.executable, "-c", "from finops.cli.main import main; main()"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = timed(
        lambda: subprocess.run(
            [*command, "budgets", "import", str(file), "--wait", "--timeout", "1500"],
            env={**os.environ, "AWS_ENDPOINT_URL": deployment.url, "FINOPS_ENV": "local"},
            check=True,
        )
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    longest = 60 + rows / 2  # seconds, as `import --wait` waits by itself
    goals.at_most(f"budgets: {rows} rows in two accounts, all APPLIED", longest, seconds, "s")
    goals.at_most(f"budgets: processor time of that import --wait, {rows} rows", 5, processor, "s")
    found = {key: deployment.amount(*key) for key in keys[:: max(1, rows // 50)]}
    assert found == {key: Decimal(keys.index(key) + 1) for key in found}

    def all_removed() -> bool:
        statuses = {
            (one["account_id"], one["budget_name"]): one["status"] for one in deployment.statuses()
        }
        return all(statuses[key] == "REMOVED" for key in keys)

    def remove() -> None:
        deployment.remove_all(keys)
        eventually(all_removed, within=1500, every=2, what=f"the removal of {rows} budgets")

    goals.at_most(f"budgets: {rows} rows removed, all gone", longest, timed(remove), "s")
    for account_id in accounts:
        names = {one["BudgetName"] for one in deployment.budgets(account_id)}
        assert not names & {name for _, name in keys}


def test_two_hundred_edits_at_once_and_behind_poison(deployment: Deployment, goals: Goals) -> None:
    """200 edits of one account's budgets: alone, and behind 50 rows that are refused."""
    (account_id,) = FURTHER_SPOKES[7:8]
    deployment.deploy_spokes([account_id])
    figures = []
    for poison in (0, 50):
        # Some are refused at once, others hold what nothing can read as a budget.
        bad: list[dict[str, Any]] = [
            {
                "account_id": account_id,
                "budget_name": f"poison-{number}",
                "amount": b"\xff" if number % 2 else "many",
            }
            for number in range(poison)
        ]
        rows = [
            {"account_id": account_id, "budget_name": f"burst-{number}", "amount": poison + 1}
            for number in range(200)
        ]
        began = datetime.now(UTC)
        edit_and_wait(deployment, bad + rows, {"APPLIED", "REJECTED"}, within=600)
        ends = [
            (datetime.fromisoformat(one["reported_at"]) - began).total_seconds()
            for one in deployment.statuses()
            if one["account_id"] == account_id and one["budget_name"].startswith("burst-")
        ]
        assert len(ends) == 200
        half, slow = percentile(ends, 50), percentile(ends, 95)
        figures.append((f"behind {poison} poison rows", f"{half:.1f}", f"{slow:.1f}"))
        goals.at_most(f"budgets: 200 edits behind {poison} poison rows, p95", 60, slow, "s")
    show("200 edits at once, from the first to APPLIED: s", ("", "p50", "p95"), figures)


def edit_and_wait(
    deployment: Deployment, rows: Sequence[Mapping[str, Any]], ends: set[str], *, within: float
) -> None:
    """Put rows, and wait until each has such a status that is newer than this edit."""
    began = datetime.now(UTC) - timedelta(seconds=1)  # DynamoDB gives its times to the second
    wanted = {(row["account_id"], row["budget_name"]) for row in rows}

    def all_ended() -> bool:
        return wanted <= {
            (one["account_id"], one["budget_name"])
            for one in deployment.statuses()
            if one["status"] in ends and datetime.fromisoformat(one["edited_at"]) >= began
        }

    deployment.edit_all(rows)
    eventually(all_ended, within=within, every=1, what=f"the end of {len(rows)} edits")


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
