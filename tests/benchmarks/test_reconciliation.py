"""Months of many charges from Parquet to all reports, and of 50 payers from Cost Explorer.

make bench ARGS="-k reconciliation"
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finops.reconciliation.adapters.folder import FolderCache
from finops.reconciliation.cost_explorer import CostExplorerCosts
from finops.reconciliation.ports import ChargeQuery, Detail
from finops.reconciliation.rate_limit import RateLimit
from finops.shared.periods import Month
from localcloud.settings import REPOSITORY
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show

pytestmark = pytest.mark.benchmark

MONTH = Month.parse("2026-10")
ACCOUNTS, SERVICES, UNITS = 1_000, 20, 60
#: Of three months, with one day of five times the usual costs in some accounts.
MANY_ACCOUNTS, MANY_SERVICES, MANY_DAYS, ODD_ACCOUNTS = 300, 72, 92, 101
PAYERS, CALL_SECONDS, CALLS_PER_SECOND = 50, 0.1, 200

#: In a process of its own, so that its memory is its own.
RUN = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
started = time.perf_counter()
from finops.reconciliation.adapters.folder import Folder, FolderCache
from finops.reconciliation.composition import Deployment
from finops.reconciliation.configuration import parse
from finops.reconciliation.report import FORMATS
from finops.reconciliation.stores import Reports
from finops.shared.periods import Month
from tests.benchmarks.peak_memory import peak_mib
folder = Path(sys.argv[1])
deployment = Deployment(
    variables={}, client=lambda _: None, roles=None,
    configuration=parse((folder / "settings.yaml").read_text()),
    cache=FolderCache(folder / "cache"), now=datetime(2026, 11, 20, tzinfo=UTC), scratch=folder,
)
month = Month.parse("2026-10")
reconciler = deployment.reconciler(
    "focus", month=month, inputs=[str(folder / "focus")],
    store=Reports(Folder(folder / "out")), formats=FORMATS,
)
outcome = reconciler.run(month, now=deployment.now)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "megabytes": peak_mib(),
    "processor": time.process_time(),
    "actual": str(outcome.report.totals.actual),
    "anomalies": len(outcome.report.anomalies),
    "holds": all(check.holds is not False for check in outcome.report.checks),
    "bytes": {kind: Path(path).stat().st_size for kind, path in outcome.stored.locations.items()},
}))
"""
#: What a script without a library would do with the same rows as CSV.
NAIVE = """
import csv, json, sys, time
from collections import defaultdict
from decimal import Decimal
started = time.perf_counter()
sums = defaultdict(Decimal)
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        sums[row["SubAccountId"], row["ServiceName"]] += Decimal(row["BilledCost"])
print(json.dumps({"seconds": time.perf_counter() - started, "actual": str(sum(sums.values()))}))
"""


def export(folder: Path) -> None:
    """620,000 charges: a day, an account and a service each."""
    (folder / "focus").mkdir()
    duckdb.execute(
        "CREATE OR REPLACE TABLE charges AS SELECT '111111111111' AS BillingAccountId,"
        " CAST(200000000000 + a AS VARCHAR) AS SubAccountId, 'account ' || a AS SubAccountName,"
        " 'Service ' || s AS ServiceName, TIMESTAMP '2026-10-01' AS BillingPeriodStart,"
        " TIMESTAMP '2026-11-01' AS BillingPeriodEnd,"
        " TIMESTAMP '2026-10-01' + INTERVAL (d) DAY AS ChargePeriodStart,"
        " 'Usage' AS ChargeCategory,"
        " CAST((a * 31 + s * 7 + d) % 1000 + 0.0001 * s AS DOUBLE) AS BilledCost,"
        " CAST((a * 31 + s * 7 + d) % 1000 AS DOUBLE) AS EffectiveCost, 'USD' AS BillingCurrency,"
        " 'INV-' || (a % 3) AS InvoiceId, 'Amazon Web Services, Inc.' AS InvoiceIssuerName"
        f" FROM range({ACCOUNTS}) t(a), range({SERVICES}) u(s), range(31) v(d)"
    )
    duckdb.execute(f"COPY charges TO '{folder / 'focus' / 'charges.parquet'}' (FORMAT parquet)")
    duckdb.execute(f"COPY charges TO '{folder / 'charges.csv'}' (HEADER)")
    settings(folder, ACCOUNTS)


def export_with_anomalies(folder: Path) -> None:
    """2 million charges from August to October."""
    (folder / "focus").mkdir()
    day = "TIMESTAMP '2026-08-01' + INTERVAL (d) DAY"
    cost = (
        "CAST(((a * 31 + s * 7 + d) % 20 + 100 + 0.0001 * s)"
        f" * (CASE WHEN a < {ODD_ACCOUNTS} AND d = 75 THEN 5 ELSE 1 END) AS DOUBLE)"
    )
    duckdb.execute(
        "COPY (SELECT '111111111111' AS BillingAccountId,"
        " CAST(200000000000 + a AS VARCHAR) AS SubAccountId, 'account ' || a AS SubAccountName,"
        f" 'Service ' || s AS ServiceName, date_trunc('month', {day}) AS BillingPeriodStart,"
        f" date_trunc('month', {day}) + INTERVAL 1 MONTH AS BillingPeriodEnd,"
        f" {day} AS ChargePeriodStart, {day} + INTERVAL 1 DAY AS ChargePeriodEnd,"
        " 'Usage' AS ChargeCategory, 'Usage-Based' AS ChargeFrequency,"
        f" {cost} AS BilledCost, {cost} AS EffectiveCost, 'USD' AS BillingCurrency,"
        " 'INV-' || (a % 3) AS InvoiceId, 'Amazon Web Services, Inc.' AS InvoiceIssuerName,"
        " 'arn:aws:ec2:' || a || ':' || s AS ResourceId, MAP {'team': 'x' || (a % 9)} AS Tags"
        f" FROM range({MANY_ACCOUNTS}) t(a), range({MANY_SERVICES}) u(s), range({MANY_DAYS}) v(d))"
        f" TO '{folder / 'focus' / 'charges.parquet'}' (FORMAT parquet)"
    )
    settings(folder, MANY_ACCOUNTS)


def settings(folder: Path, count: int) -> None:
    """The accounts, by units with budgets."""
    accounts = "\n".join(
        f'  - {{id: "{200000000000 + number}", business_unit: Unit {number % UNITS}}}'
        for number in range(count)
    )
    budgets = "\n".join(f"  Unit {number}: {{monthly_target: 5000000}}" for number in range(UNITS))
    (folder / "settings.yaml").write_text(f"linked_accounts:\n{accounts}\nbudgets:\n{budgets}\n")


def timed(script: str, argument: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", script, str(argument)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_reconciliation_of_620_000_charges(tmp_path: Path, goals: Goals) -> None:
    """From Parquet to HTML, CSV, JSON and Excel, imports included."""
    export(tmp_path)
    runs = [timed(RUN, tmp_path) for _ in range(3)]
    naive = timed(NAIVE, tmp_path / "charges.csv")
    best = min(runs, key=lambda run: run["seconds"])
    assert best["holds"]
    assert abs(float(best["actual"]) - float(naive["actual"])) < 0.01
    measured = [(f"all reports, run {number}", run) for number, run in enumerate(runs, 1)]
    rows = [
        (
            name,
            f"{run['seconds']:.2f}",
            f"{run['megabytes']:.0f}" if "megabytes" in run else "",
            f"{run['seconds'] / naive['seconds']:.2f}",
        )
        for name, run in (*measured, ("one sum by csv.DictReader", naive))
    ]
    columns = ("", "seconds", "peak MB", "ratio to DictReader")
    show(f"620,000 charges of a month, bytes: {best['bytes']}", columns, rows)
    goals.at_most("reconciliation: 620,000 charges to all reports", 4, best["seconds"], "s")
    peak = max(run["megabytes"] for run in runs)
    goals.at_most("reconciliation: peak memory of that", 400, peak, "MB")


def test_reconciliation_of_two_million_charges_with_anomalies(tmp_path: Path, goals: Goals) -> None:
    """Every account with an odd day is told, with the services that drove it."""
    export_with_anomalies(tmp_path)
    runs = [timed(RUN, tmp_path) for _ in range(3)]
    best = min(runs, key=lambda run: run["seconds"])
    assert best["holds"]
    assert best["anomalies"] >= ODD_ACCOUNTS
    group_by = _seconds_of_a_group_by(tmp_path / "focus" / "charges.parquet")
    rows = [
        (
            f"run {number}",
            f"{run['seconds']:.2f}",
            f"{run['processor']:.2f}",
            f"{run['megabytes']:.0f}",
            f"{run['seconds'] / group_by:.1f}",
        )
        for number, run in enumerate(runs, 1)
    ]
    columns = ("", "seconds", "of a processor", "peak MB", "ratio to one GROUP BY")
    show(f"2 million charges, {best['anomalies']} anomalies", columns, rows)
    name = "reconciliation: 2 million charges with anomalies"
    goals.at_most(f"{name} to all reports", 10, best["seconds"], "s")
    goals.at_most(f"{name}, peak memory", 400, max(run["megabytes"] for run in runs), "MB")


def _seconds_of_a_group_by(file: Path) -> float:
    """What DuckDB takes for exact sums by account, service and day of the same file."""
    started = time.perf_counter()
    duckdb.execute(
        "SELECT SubAccountId, ServiceName, ChargePeriodStart,"
        " sum(CAST(CAST(BilledCost AS VARCHAR) AS DECIMAL(38,18)))"
        f" FROM '{file}' GROUP BY ALL"
    ).fetchone()
    return time.perf_counter() - started


class SlowCostExplorer:
    """Answers after a while, as AWS does; 20 services of 4 accounts a payer."""

    def __init__(self) -> None:
        self.calls = 0
        self.lock = threading.Lock()

    def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            self.calls += 1
        time.sleep(CALL_SECONDS)
        keys = [one["Key"] for one in request["GroupBy"]]
        values = {
            "RECORD_TYPE": ["Usage", "Tax", "Credit"],
            "LINKED_ACCOUNT": [f"{payer[:-1]}{number}" for number in range(4)],
            "SERVICE": [f"Service {number}" for number in range(SERVICES)],
        }
        start = date.fromisoformat(request["TimePeriod"]["Start"])
        end = date.fromisoformat(request["TimePeriod"]["End"])
        periods = (
            [start + timedelta(days=number) for number in range((end - start).days)]
            if request["Granularity"] == "DAILY"
            else [MONTH.first]
        )
        combined: list[list[str]] = [[]]
        for key in keys:
            combined = [[*one, value] for one in combined for value in values[key]]
        amount = {"Amount": "1.5", "Unit": "USD"}
        return {
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": str(period), "End": ""},
                    "Groups": [
                        {
                            "Keys": one,
                            "Metrics": {"UnblendedCost": amount, "AmortizedCost": amount},
                        }
                        for one in combined
                    ],
                    "Estimated": False,
                }
                for period in periods
            ]
        }


def test_reconciliation_of_50_payers(tmp_path: Path, goals: Goals) -> None:
    """Every question that a month needs, beside what the rate limit alone takes."""
    api = SlowCostExplorer()
    source = CostExplorerCosts(
        api,
        payers=[f"{number:011}0" for number in range(PAYERS)],
        cache=FolderCache(tmp_path),
        limit=RateLimit(CALLS_PER_SECOND),
        now=datetime(2026, 11, 20, tzinfo=UTC),
        workers=PAYERS,
    )
    started = time.perf_counter()
    count = 0
    for detail in (Detail.MONTHS, Detail.ACCOUNT_DAYS, Detail.SERVICE_DAYS):
        query = ChargeQuery(first=MONTH.first, end=MONTH.end, detail=detail)
        count += sum(1 for _ in source.charges(query))
    source.control_totals(MONTH)
    seconds = time.perf_counter() - started
    bound = api.calls / CALLS_PER_SECOND
    show(
        f"{PAYERS} payers, {CALL_SECONDS * 1000:.0f} ms a call, {CALLS_PER_SECOND} calls a second",
        ("", "calls", "charges", "s", "beside the rate alone"),
        [("one month", f"{api.calls}", f"{count}", f"{seconds:.2f}", f"{seconds / bound:.2f}")],
    )
    goals.at_most(f"reconciliation: a month of {PAYERS} payers", 3, seconds, "s")
