"""What an export sums up itself is what its charges add up to, one by one."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.anomaly_services import AccountDays, ServiceCosts
from finops.reconciliation.daily_usage import services_of_charges, usage_of_charges
from finops.reconciliation.domain import LineUsage, Metric, UsageSource
from finops.reconciliation.mapping import Ownership, TagRule
from finops.reconciliation.ports import AnomalyQuery, UsageQuery
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER

FRAUD = TagRule(key="team", values=("fraud",), ownership=Ownership(business_unit="Fraud"))


def rows_by_chance(seed: int) -> list[Row]:
    """Usage and other charges of two months, some of them corrections of earlier days."""
    chance = random.Random(seed)
    rows = []
    for _ in range(600):
        billed_in = chance.choice(("2026-09", "2026-10", "2026-10", "2026-10"))
        arose = date.fromisoformat(f"{billed_in}-01") + timedelta(days=chance.randint(-9, 32))
        rows.append(
            focus(
                str(Decimal(chance.randint(-(10**12), 10**13)).scaleb(-chance.randint(0, 12))),
                BillingAccountId=chance.choice(("111111111111", "999999999999")),
                SubAccountId=chance.choice(("222222222222", "333333333333", "")),
                ServiceName=chance.choice(("Amazon EC2", "Amazon S3", "", " ")),
                BillingPeriodStart=f"{billed_in}-01 00:00:00",
                ChargePeriodStart=f"{arose} 13:00:00",
                ChargeCategory=chance.choice(("Usage", "Usage", "Usage", "Tax", "Credit")),
                ChargeClass=chance.choice(("", "", "Correction")),
                EffectiveCost=str(chance.randint(0, 99)),
                BillingCurrency=chance.choice(("USD", "USD", "EUR")),
                Tags=json.dumps({"team": chance.choice(("fraud", "risk"))}),
            )
        )
    return rows


def sums(usage: list[LineUsage]) -> dict[tuple[int, date], Decimal]:
    found: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for line, day, amount in usage:
        found[line, day] += amount
    return found


@pytest.mark.parametrize("rules", [(), (FRAUD,)], ids=["by account", "by tag"])
@pytest.mark.parametrize("metric", [Metric.BILLED, Metric.AMORTIZED, Metric.NET])
def test_an_export_sums_lines_as_its_charges_do(
    tmp_path: Path, metric: Metric, rules: tuple[TagRule, ...]
) -> None:
    source = ExportedCosts([write(tmp_path / "focus.csv", rows_by_chance(18))])
    tags = (0, 1) if rules else (0,)
    asked = [
        UsageSource(payer, account, service, tag, currency)
        for payer in ("111111111111", "999999999999")
        for account in ("222222222222", "333333333333", payer)
        for service in ("Amazon EC2", "Usage")  # not Amazon S3
        for tag in tags
        for currency in ("USD", "EUR")
    ]
    query = UsageQuery(
        month=OCTOBER,
        metric=metric,
        lines={one: at % 2 + 2 * (at % 3) for at, one in enumerate(asked)},
        tag_rules=rules,
    )
    found = sums(list(source.usage_by_day(query)))
    assert found == sums(list(usage_of_charges(source.charges, query)))
    assert len(found) > 100
    assert any(found.values()) is (metric is not Metric.NET)


def test_no_lines_have_no_usage(tmp_path: Path) -> None:
    source = ExportedCosts([write(tmp_path / "focus.csv", [focus("1")])])
    assert not list(source.usage_by_day(UsageQuery(month=OCTOBER, metric=Metric.NET, lines={})))


@pytest.mark.parametrize("seed", range(5))
def test_an_export_sums_services_of_anomalies_as_its_charges_do(tmp_path: Path, seed: int) -> None:
    """Those of a payer's own account, of one with all services, and one without any."""
    source = ExportedCosts([write(tmp_path / "focus.csv", rows_by_chance(seed))])
    days = [(date(2026, 10, 1), date(2026, 10, 31)), (date(2026, 10, 9), date(2026, 10, 9))]
    anomalies = [
        AccountDays(account, first, last)
        for account in ("222222222222", "333333333333", "111111111111", "444444444444")
        for first, last in (*days, (date(2026, 9, 30), date(2026, 10, 4)))
    ]
    query = AnomalyQuery(since=date(2026, 9, 5), anomalies=anomalies)
    found = source.costs_by_service(query)
    nothing = ServiceCosts(Decimal(0), Decimal(0))
    wanted = [
        {service: costs for service, costs in services.items() if costs != nothing}
        for services in services_of_charges(source.charges, query)
    ]
    assert [
        {service: costs for service, costs in services.items() if costs != nothing}
        for services in found
    ] == wanted
    assert any(costs.usual for services in wanted for costs in services.values())
    assert [len(services) for services in wanted[-3:]] == [0, 0, 0]
