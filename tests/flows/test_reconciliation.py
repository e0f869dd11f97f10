"""Months of the local Cost Explorer, exports and ledger, reconciled as users do it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.shared.money import rounded
from finops.shared.periods import Month
from tests.flows.audit import AuditTrail
from tests.flows.billing import BillingFlow
from tests.flows.deployment import eventually
from tests.flows.fault_proxy import Answer, Call, FaultProxy, kill_after
from tests.flows.reconciliation import (
    FUNCTION,
    ReconciliationFlow,
    as_parquet,
    focus_export,
    months_ago,
)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "costs"),
]

Finops = Callable[..., tuple[int, Any]]


def reconcile(finops: Finops, folder: Path, *arguments: str) -> tuple[int, Any]:
    return finops("reconcile", "--output", str(folder), *arguments)


class TestCommand:
    def test_a_month_of_all_payers_agrees_with_cost_explorers_total(
        self, reconciliation: ReconciliationFlow, finops: Finops, tmp_path: Path
    ) -> None:
        month = months_ago(1)
        code, found = reconcile(finops, tmp_path, "--month", str(month))
        assert code == 0
        whole = rounded(reconciliation.costs(month), 2)
        assert abs(Decimal(found["totals"]["actual"]) - whole) <= Decimal("0.01")
        assert {"month", "totals", "units", "unmapped", "anomalies", "invoices"} <= found.keys()
        assert [one["account"] for one in found["unmapped"]] == ["444444444444"]
        assert all(one["holds"] is not False for one in found["checks"])
        assert {one["agreement"] for one in found["invoices"]} <= {"AGREES", "EXPLAINED", "MISSING"}
        assert found["anomalies"]
        for kind in ("html", "csv", "json", "xlsx"):
            assert Path(found["reports"][kind]).stat().st_size > 1000
        before = {kind: Path(path).read_bytes() for kind, path in found["reports"].items()}
        code, again = reconcile(finops, tmp_path, "--month", str(month))
        assert again["cost_explorer"]["calls"] == 0
        after = {kind: Path(path).read_bytes() for kind, path in again["reports"].items()}
        assert after == before

    def test_the_running_month_has_a_forecast(self, finops: Finops, tmp_path: Path) -> None:
        code, found = reconcile(finops, tmp_path, "--month", str(months_ago(0)))
        assert code == 0
        assert found["is_open"]
        assert found["aws_budgets"] is not None  # the deployment has a budgets flow
        if found["known_until"]:
            assert Decimal(found["totals"]["forecast"]) >= Decimal(found["totals"]["actual"]) / 2

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--month", "2026-13"), "not a month"),
            (("--month", "2999-01"), "has not started"),
            (("--month", "2020-01"), "--source focus"),
            (("--month", "2026-01", "--source", "focus", "--input", "nowhere"), "does not exist"),
        ],
    )
    def test_invalid_input_is_rejected_with_the_reason(
        self, finops: Finops, tmp_path: Path, arguments: tuple[str, ...], said: str
    ) -> None:
        code, found = reconcile(finops, tmp_path, *arguments)
        assert code == 1
        assert said in found["error"]

    def test_settings_are_validated(self, finops: Finops, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
        good.write_text('payer_accounts: [{id: "1", business_unit: A}]')
        bad.write_text("payer_accounts: [{name: A}]")
        code, found = finops("reconcile", "check", str(good))
        assert (code, found["accounts"][0]["business_unit"]) == (0, "A")
        code, found = finops("reconcile", "check", str(bad))
        assert code == 1
        assert "`id`" in found["error"]


SETTINGS = """
linked_accounts: [{id: "121212121212", business_unit: Tested}]
tag_rules: [{tag: team, values: [fraud], business_unit: Risk}]
"""


class TestSources:
    def test_an_export_and_the_billing_ledger_agree(
        self,
        reconciliation: ReconciliationFlow,
        billing: BillingFlow,
        finops: Finops,
        tmp_path: Path,
    ) -> None:
        month = Month.parse("2024-03")
        content = focus_export(month, "121212121212")
        path = tmp_path / "focus.csv"
        path.write_bytes(content)
        settings = tmp_path / "settings.yaml"
        settings.write_text(SETTINGS)
        assert billing.drop("billing/focus-of-tests/focus.csv", content).tally.inserted == 93
        s3 = reconciliation.deployment.client("s3")
        s3.create_bucket(Bucket="exports-of-tests")
        s3.put_object(
            Bucket="exports-of-tests",
            Key=f"focus/data/BILLING_PERIOD={month}/focus.csv",
            Body=content,
        )
        found = {}
        for name, arguments in {
            "file": ("--source", "focus", "--input", str(path)),
            "bucket": ("--source", "focus", "--input", "s3://exports-of-tests/focus"),
            "ledger": ("--source", "ledger"),
        }.items():
            code, found[name] = reconcile(
                finops,
                tmp_path / name,
                *("--month", str(month), "--config", str(settings), *arguments),
            )
            assert code == 0, found[name]
        costs = sum(range(1, 32)) + Decimal("0.0000031") + 31 * Decimal("0.05")
        for name, one in found.items():
            assert Decimal(one["totals"]["actual"]) == rounded(costs, 2), name
            assert {unit["name"]: unit["actual"] for unit in one["units"]} == {
                "Risk": "9.30",
                "Tested": "488.25",
            }
            assert all(check["holds"] is not False for check in one["checks"])
            assert one["invoices"][0]["charged"] == "497.55"
        assert found["file"]["accounts"] == found["ledger"]["accounts"]
        assert found["file"]["daily"] == found["ledger"]["daily"]

    def test_athena_and_the_function_agree_on_an_export(
        self, reconciliation: ReconciliationFlow, finops: Finops, tmp_path: Path
    ) -> None:
        """The second run pays nothing; the function itself has the permissions."""
        month = Month.parse("2024-07")
        reconciliation.deliver(month, as_parquet(focus_export(month, "121212121212"), tmp_path))
        settings = tmp_path / "settings.yaml"
        settings.write_text(SETTINGS)
        of_month = ("--month", str(month), "--config", str(settings))
        found: dict[str, Any] = {}
        for source in ("focus", "athena", "athena"):
            folder = tmp_path / f"{source}{len(found)}"
            code, found[folder.name] = reconcile(finops, folder, *of_month, "--source", source)
            assert code == 0, found[folder.name]
        by_function, by_athena, again = found.values()
        asked, asked_again = by_athena.pop("athena"), again.pop("athena")
        # The export has no quantities, whose prices would be a third query.
        assert (asked["queries"], asked_again["queries"]) == (2, 0)
        assert asked["bytes_scanned"] > 0
        assert Decimal(asked["cost_usd"]) > 0 == Decimal(asked_again["cost_usd"])
        for one in (by_function, by_athena, again):
            del one["reports"]
        assert by_function["totals"]["actual"] == "497.55"
        assert by_function == by_athena == again
        answer = reconciliation.answer(month=str(month), source="athena")
        assert answer["months"][0]["actual"] == "497.55", answer
        assert answer["athena"]["queries"]

    def test_bills_of_the_ledger_are_charges_of_their_companies(
        self, billing: BillingFlow, finops: Finops, tmp_path: Path
    ) -> None:
        bills = (
            b"record_id,company_name,country,city,product_line,item,bill_date,currency,bill_amount\n"
            b"R1,Maple Ltd,CA,Toronto,Pastry,x,2024-05-03,USD,100.10\n"
            b"R2,Maple Ltd,CA,Toronto,Pastry,x,2024-05-04,USD,-30\n"
            b"R3,Oak Ltd,CA,Toronto,Bread,x,2024-05-31,USD,5\n"
        )
        billing.drop("billing/reconciled/bills.csv", bills)
        settings = tmp_path / "settings.yaml"
        settings.write_text('linked_accounts: [{id: "Maple Ltd", business_unit: Maple}]')
        code, found = reconcile(
            finops,
            tmp_path,
            *("--month", "2024-05", "--source", "ledger", "--config", str(settings)),
        )
        assert code == 0
        assert {one["name"]: one["actual"] for one in found["units"]} == {
            "Maple": "70.10",
            "Unmapped": "5.00",
        }
        assert {one["category"]: one["amount"] for one in found["categories"]} == {
            "Usage": "105.10",
            "Credit": "-30.00",
        }


class TestFunction:
    def test_a_month_is_closed_announced_and_audited_once(
        self, reconciliation: ReconciliationFlow, trail: AuditTrail
    ) -> None:
        month = months_ago(2)
        with reconciliation.reopened(month):
            done = reconciliation.run(month, close=True)
            assert (done["revision"], done["is_new"]) == (1, True)
            page = reconciliation.read(done["reports"]["html"]).decode()
            assert done["actual"].partition(".")[2] in page
            document = json.loads(reconciliation.read(done["reports"]["json"]))
            [owners] = document["showback"]
            folder = done["reports"]["html"].rpartition("/")[0]
            for one in owners["statements"]:
                assert f"showback/{one['page']}" in page
                owned = reconciliation.read(f"{folder}/showback/{one['page']}").decode()
                assert f"{Decimal(one['actual']):,}" in owned
            assert "payments@example.com" in {one["name"] for one in owners["statements"]}
            shown = sum(Decimal(one["actual"]) for one in owners["statements"])
            assert shown == Decimal(done["actual"])
            assert reconciliation.run(month, close=True)["is_new"] is False
            told = [key for key in reconciliation.keys(f"reports/{month}/") if "-told-" in key]
            assert sorted(key.rpartition("-")[2] for key in told) == ["mail", "topic"]
            entries = trail.recorded("reconciliation", str(month), "month.closed")
            assert entries[-1]["details"]["actual"] == done["actual"]

            def mailed() -> bool:
                url = f"{reconciliation.deployment.url}/_ministack/ses/messages"
                with urllib.request.urlopen(url, timeout=120) as answer:
                    return f"Cloud costs {month} closed" in answer.read().decode()

            eventually(mailed, what="a mail of the closed month")

    def test_a_link_in_the_email_opens_without_an_account(
        self, reconciliation: ReconciliationFlow
    ) -> None:
        url = f"{reconciliation.deployment.url}/_ministack/ses/messages"
        month = months_ago(3)
        with reconciliation.reopened(month):
            reconciliation.run(month, close=True)
            with urllib.request.urlopen(url, timeout=120) as answer:
                text = json.dumps(json.loads(answer.read()))
            start = text.rindex(f"reconciliation-{month}-r1.html")
            link = text[text.rindex("http", 0, start) :].split("\\n")[0].split('"')[0]
            with urllib.request.urlopen(link, timeout=120) as answer:
                assert b"<html" in answer.read()

    def test_runs_at_once_make_one_revision(self, reconciliation: ReconciliationFlow) -> None:
        month = months_ago(4)
        with reconciliation.reopened(month):
            with ThreadPoolExecutor(4) as pool:
                done = list(pool.map(lambda _: reconciliation.run(month, close=True), range(4)))
            assert {one["revision"] for one in done} == {1}
            assert sum(one["is_new"] for one in done) == 1

    def test_an_unknown_event_is_rejected(self, reconciliation: ReconciliationFlow) -> None:
        answer = reconciliation.deployment.client("lambda").invoke(
            FunctionName=FUNCTION, Payload=b'{"months": "2026-10"}'
        )
        assert (
            "the event has unknown keys: months"
            in json.loads(answer["Payload"].read())["errorMessage"]
        )


@pytest.fixture
def proxy(reconciliation: ReconciliationFlow) -> Iterator[FaultProxy]:
    """Between the function and AWS."""
    functions = reconciliation.deployment.client("lambda")
    made = FaultProxy(reconciliation.deployment.url)
    before = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=FUNCTION, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=FUNCTION, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )

    configure(before | made.environment)
    yield made
    configure(before)
    made.close()


def test_a_run_killed_after_any_effect_is_completed_by_the_next(
    reconciliation: ReconciliationFlow, proxy: FaultProxy
) -> None:
    """Whatever it has written, sent or marked: one complete revision, every recipient notified."""
    month = months_ago(5)
    reconciliation.run(month)  # answers are cached from here on

    def is_effect(call: Call) -> bool:
        # Pages are written side by side, and are alike: one stands for all.
        is_other_page = "/showback/" in call.path and "owner-none" not in call.path
        return call.operation in ("PUT", "Publish", "SendEmail") and not is_other_page

    with reconciliation.reopened(month):
        proxy.calls.clear()
        reconciliation.run(month, close=True)
        count = sum(map(is_effect, proxy.calls))
        assert count >= 9
    for position in range(count):
        seen = iter(range(10**6))

        def at_position(
            call: Call, forward: Callable[[], Answer], kill: Callable[[], None]
        ) -> Answer:
            if is_effect(call) and next(seen) == position:  # noqa: B023 - used at once
                return kill_after(call, forward, kill)
            return forward()

        with reconciliation.reopened(month):
            with proxy.faulty(at_position):
                assert "errorMessage" in reconciliation.run(month, close=True)
            done = reconciliation.run(month, close=True)
            assert done["revision"] == 1, f"after effect {position}"
            for location in done["reports"].values():
                assert reconciliation.read(location)
            told = [key for key in reconciliation.keys(f"reports/{month}/") if "-told-" in key]
            assert len(told) == 2
