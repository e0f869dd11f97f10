"""Cost Explorer asked: which questions, how often, and what becomes of refusals."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.reconciliation.adapters.folder import Folder, FolderCache
from finops.reconciliation.cost_explorer import CostExplorerCosts
from finops.reconciliation.domain import ChargeCategory, Metric
from finops.reconciliation.mapping import Ownership, TagKey, TagRule
from finops.reconciliation.ports import ChargeQuery, Detail, TagQuery
from finops.reconciliation.rate_limit import RateLimit
from finops.reconciliation.spending import DailyAllowance, SpendingCapReached
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.money import total
from tests.reconciliation.fakes import OCTOBER, PAYER, PAYMENTS

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
#: (account, service, record type, tag) → cost of a day.
LINES = {
    (PAYMENTS, "Amazon EC2", "Usage", "fraud"): Decimal("1.5"),
    (PAYMENTS, "Amazon EC2", "Usage", ""): Decimal("2.5"),
    (PAYMENTS, "Amazon EC2", "SavingsPlanCoveredUsage", ""): Decimal("4"),
    (PAYER, "AWS Lambda", "Credit", ""): Decimal("-0.25"),
    (PAYER, "Tax", "Tax", ""): Decimal("0.5"),
}

#: Each metric of a line, by its unblended cost.
FACTORS = {
    "UnblendedCost": Decimal(1),
    "AmortizedCost": Decimal(2),
    "NetUnblendedCost": Decimal("0.5"),
    "NetAmortizedCost": Decimal("1.5"),
}


class FakeCostExplorer:
    """Answers as Cost Explorer does, two groups a page."""

    def __init__(self, *, refusals: int = 0, page_size: int = 2) -> None:
        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        self.refusals = refusals
        self.page_size = page_size
        self.lock = threading.Lock()

    def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            self.requests.append((payer, request))
            if self.refusals:
                self.refusals -= 1
                raise TransientFailure("slow down", code="LimitExceededException")
        assert len(request["GroupBy"]) <= 2
        start = date.fromisoformat(request["TimePeriod"]["Start"])
        end = date.fromisoformat(request["TimePeriod"]["End"])
        assert start < end
        days = [start + timedelta(days=number) for number in range((end - start).days)]
        groups: dict[tuple[Any, ...], Decimal] = {}
        for day in days:
            for line, cost in LINES.items():
                if matches(request.get("Filter"), line):
                    period = day.replace(day=1) if request["Granularity"] == "MONTHLY" else day
                    keys = tuple(group(line, one) for one in request["GroupBy"])
                    at = (max(period, start), *keys)
                    groups[at] = groups.get(at, Decimal(0)) + cost
        offset = int(request.get("NextPageToken", 0))
        shown = sorted(groups.items())[offset : offset + self.page_size]
        answer: dict[str, Any] = {
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": str(at[0]), "End": ""},
                    "Groups": [
                        {
                            "Keys": list(at[1:]),
                            "Metrics": {
                                name: {"Amount": str(cost * FACTORS[name]), "Unit": "USD"}
                                for name in request["Metrics"]
                            },
                        }
                    ],
                    "Estimated": at[0] >= date(2026, 11, 1),
                }
                for at, cost in shown
            ],
            "DimensionValueAttributes": [
                {"Value": PAYMENTS, "Attributes": {"description": "payments"}}
            ],
        }
        if offset + self.page_size < len(groups):
            answer["NextPageToken"] = str(offset + self.page_size)
        return answer


def value(line: tuple[str, str, str, str], key: str) -> str:
    return {"LINKED_ACCOUNT": line[0], "SERVICE": line[1], "RECORD_TYPE": line[2]}[key]


def group(line: tuple[str, str, str, str], by: Mapping[str, str]) -> str:
    if by["Type"] == "TAG":
        return f"{by['Key']}${line[3]}"
    return value(line, by["Key"])


def matches(wanted: Mapping[str, Any] | None, line: tuple[str, str, str, str]) -> bool:
    if not wanted:
        return True
    [(kind, inner)] = wanted.items()
    if kind == "And":
        assert len(inner) >= 2
        return all(matches(one, line) for one in inner)
    if kind == "Not":
        return not matches(inner, line)
    if kind == "Tags":
        return line[3] in inner["Values"]
    return value(line, inner["Key"]) in inner["Values"]


class Clock:
    """Seconds that go on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def source(
    api: Any,
    folder: Path,
    *,
    now: datetime = NOW,
    payers: tuple[str, ...] = (PAYER,),
    is_net: bool = False,
    usd: str = "",
) -> CostExplorerCosts:
    clock = Clock()
    return CostExplorerCosts(
        api,
        payers=payers,
        cache=FolderCache(folder),
        limit=RateLimit(1000, clock=clock, sleep=clock.sleep),
        allowance=DailyAllowance(Folder(folder / "day"), now.date(), Decimal(usd)) if usd else None,
        now=now,
        is_net=is_net,
        sleep=clock.sleep,
    )


def months(**facts: Any) -> ChargeQuery:
    return ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.MONTHS, **facts)


def test_a_day_has_a_cap_and_the_next_run_goes_on_with_the_answers_that_are_there(
    tmp_path: Path,
) -> None:
    def asked(usd: str, minutes: int, folder: Path = tmp_path) -> CostExplorerCosts:
        now = NOW + timedelta(minutes=minutes)
        return source(FakeCostExplorer(page_size=100), folder, usd=usd, now=now)

    uncapped = asked("", 0, tmp_path / "uncapped")
    whole = list(uncapped.charges(months()))
    assert uncapped.usage.calls > 2
    capped, again = asked("0.02", 0), asked("0.02", 1)
    for one in (capped, again):
        with pytest.raises(SpendingCapReached):
            list(one.charges(months()))
        assert one.has_reached_cap
    assert (capped.usage.calls, again.usage.calls) == (2, 0)
    higher = asked("5", 2)
    assert list(higher.charges(months())) == whole
    assert (higher.has_reached_cap, higher.usage.calls) == (False, uncapped.usage.calls - 2)


def test_net_costs_are_asked_for_where_they_are_compared(tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html."""
    asked = source(FakeCostExplorer(), tmp_path / "net", is_net=True)
    for one in asked.charges(months()):
        assert (one.net, one.net_amortized) == (
            one.billed * FACTORS["NetUnblendedCost"],
            one.billed * FACTORS["NetAmortizedCost"],
        )
    others = source(FakeCostExplorer(), tmp_path / "billed").charges(months())
    assert {one.net for one in others} == {None}


def test_fees_of_savings_plans_are_asked_for_by_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = replace(months(), detail=Detail.DAILY_FEES)
    assert not list(source(FakeCostExplorer(), tmp_path / "none").charges(query))
    fee = (PAYER, "Savings Plans", "SavingsPlanRecurringFee", "")
    monkeypatch.setitem(LINES, fee, Decimal(3))
    monkeypatch.setitem(LINES, (PAYER, "Amazon RDS", "Recurring", ""), Decimal(9))
    found = list(source(FakeCostExplorer(), tmp_path / "some").charges(query))
    assert len(found) == 31
    assert {(one.linked_account, one.service) for one in found} == {(PAYER, "Savings Plans")}
    assert {one.billed for one in found} == {3}


def test_every_category_of_every_account_is_there_once(tmp_path: Path) -> None:
    asked = source(FakeCostExplorer(), tmp_path)
    found = {
        (one.linked_account, one.service, one.category): (one.billed, one.amortized)
        for one in asked.charges(months())
    }
    assert found == {
        (PAYMENTS, "Amazon EC2", ChargeCategory.USAGE): (248, 496),
        (PAYER, "AWS Lambda", ChargeCategory.CREDIT): (Decimal("-7.75"), Decimal("-15.5")),
        (PAYER, "Tax", ChargeCategory.TAX): (Decimal("15.5"), 31),
    }
    [control] = asked.control_totals(OCTOBER)
    assert control.amount == total(one[0] for one in found.values())


def test_account_names_are_kept_and_days_hold_usage_only(tmp_path: Path) -> None:
    asked = source(FakeCostExplorer(), tmp_path)
    daily = list(
        asked.charges(ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.ACCOUNT_DAYS))
    )
    assert len(daily) == 31
    assert {(one.linked_account, one.linked_account_name, one.service) for one in daily} == {
        (PAYMENTS, "payments", "")
    }
    assert {one.billed for one in daily} == {8}


def test_tag_rules_divide_charges_and_lose_none(tmp_path: Path) -> None:
    rules = tuple(
        TagRule(key="team", values=values, ownership=Ownership(business_unit="R"))
        for values in (("fraud",), ("fraud", "web"))
    )
    asked = source(FakeCostExplorer(), tmp_path)
    charges = list(asked.charges(months(tag_rules=rules)))
    by_rule: Counter[int] = Counter()
    for one in charges:
        by_rule[one.tag_rule] += int(one.billed * 100)
    assert by_rule == {1: 4650, 0: 20925}


def test_a_second_run_costs_nothing(tmp_path: Path) -> None:
    api = FakeCostExplorer()
    first = source(api, tmp_path)
    before = list(first.charges(months()))
    assert first.usage.calls == len(api.requests) > 0
    assert first.usage.cost_usd == Decimal("0.01") * len(api.requests)
    again = source(api, tmp_path, now=NOW + timedelta(hours=1))
    assert list(again.charges(months())) == before
    assert [again.usage.calls, again.usage.cost_usd] == [0, 0]
    assert len(api.requests) == first.usage.calls


def test_answers_about_days_that_still_change_are_asked_again(tmp_path: Path) -> None:
    api = FakeCostExplorer()
    early = datetime(2026, 11, 3, tzinfo=UTC)
    list(source(api, tmp_path, now=early).charges(months()))
    later = source(api, tmp_path, now=early + timedelta(hours=13))
    list(later.charges(months()))
    assert later.usage.calls > 0
    final = datetime(2026, 11, 16, tzinfo=UTC)
    list(source(api, tmp_path, now=final).charges(months()))
    much_later = source(api, tmp_path, now=final + timedelta(days=9))
    list(much_later.charges(months()))
    assert much_later.usage.calls == 0


def test_a_broken_cache_entry_is_asked_again(tmp_path: Path) -> None:
    api = FakeCostExplorer()
    list(source(api, tmp_path).charges(months()))
    for path in tmp_path.rglob("*.json"):
        path.write_text("{")
    again = source(api, tmp_path)
    list(again.charges(months()))
    assert again.usage.calls > 0


def test_throttling_is_waited_for_counted_and_free(tmp_path: Path) -> None:
    asked = source(FakeCostExplorer(refusals=3), tmp_path)
    assert total(one.billed for one in asked.charges(months())) == Decimal("255.75")
    assert asked.usage.throttled == 3
    assert asked.usage.cost_usd == Decimal("0.01") * (asked.usage.calls - 3)


def test_throttling_without_end_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(TransientFailure):
        list(source(FakeCostExplorer(refusals=10**6), tmp_path).charges(months()))


def test_a_refused_role_is_not_tried_again(tmp_path: Path) -> None:
    class Refusing:
        calls = 0

        def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
            self.calls += 1
            raise ConfigurationError("no", code="AccessDenied")

    api = Refusing()
    with pytest.raises(ConfigurationError):
        list(source(api, tmp_path).charges(months()))
    assert api.calls == 1


@pytest.mark.parametrize("today", ["2026-11-01", "2026-11-20", "2026-11-30"])
def test_a_running_month_is_asked_for_up_to_tomorrow(tmp_path: Path, today: str) -> None:
    """On the first of a month a range up to today would be empty."""
    api = FakeCostExplorer()
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    november = OCTOBER.plus(1)
    asked = source(api, tmp_path, now=now)
    query = ChargeQuery(first=november.first, end=november.end, detail=Detail.MONTHS)
    list(asked.charges(query))
    ends = {request["TimePeriod"]["End"] for _, request in api.requests}
    assert ends == {str(now.date() + timedelta(days=1))}
    assert asked.known_until(november, now.date()) == max(
        november.first, now.date() - timedelta(days=1)
    )
    assert "estimated" in asked.notes[0]


def test_history_begins_where_cost_explorer_does(tmp_path: Path) -> None:
    api = FakeCostExplorer()
    asked = source(api, tmp_path)
    query = ChargeQuery(first=date(2024, 1, 1), end=OCTOBER.end, detail=Detail.MONTHS)
    list(asked.charges(query))
    assert min(request["TimePeriod"]["Start"] for _, request in api.requests) == "2025-10-01"
    with pytest.raises(RejectedInput) as refused:
        list(
            asked.charges(
                ChargeQuery(first=date(2025, 8, 1), end=date(2025, 9, 1), detail=Detail.MONTHS)
            )
        )
    assert refused.value.code == "too_long_ago"
    assert "--source focus" in str(refused.value)


def test_a_month_that_has_not_begun_is_not_asked_for(tmp_path: Path) -> None:
    api = FakeCostExplorer()
    future = ChargeQuery(first=date(2027, 1, 1), end=date(2027, 2, 1), detail=Detail.MONTHS)
    assert list(source(api, tmp_path).charges(future)) == []
    assert api.requests == []


def test_payers_are_asked_in_parallel_under_one_limit(tmp_path: Path) -> None:
    """The limit's turns are one apart, whoever takes them."""
    clock = Clock()
    limit = RateLimit(10, clock=lambda: 0.0, sleep=clock.sleep)
    threads = [threading.Thread(target=limit.wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(one, 6) for one in clock.slept) == [
        round(number / 10, 6) for number in range(1, 20)
    ]
    api = FakeCostExplorer(page_size=100)
    payers = tuple(f"{number:012}" for number in range(30))
    asked = source(api, tmp_path, payers=payers)
    charges = list(asked.charges(months()))
    assert {one.payer_account for one in charges} == set(payers)
    assert asked.usage.calls == len(api.requests)
    assert asked.name == "Cost Explorer of 30 payer accounts"


def test_costs_by_tag_are_one_request_a_payer_and_need_no_more_than_two_keys(
    tmp_path: Path,
) -> None:
    api = FakeCostExplorer(page_size=100)
    asked = source(api, tmp_path, payers=(PAYER, "999999999999"))
    list(asked.charges(ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.MONTHS)))
    before = len(api.requests)
    query = TagQuery(
        month=OCTOBER,
        key=TagKey(key="team"),
        metric=Metric.AMORTIZED,
        excluded=frozenset({ChargeCategory.TAX}),
    )
    found = asked.tagged_costs(query)
    assert len(api.requests) == before + 2
    assert [one["Key"] for one in api.requests[-1][1]["GroupBy"]] == ["team", "SERVICE"]
    sums: dict[tuple[str, date], Decimal] = {}
    for one in found:
        key = (one.value, one.first)
        sums[key] = sums.get(key, Decimal(0)) + one.amount
    # Of both payers, amortized twice the unblended cost, and without tax.
    assert sums == {
        ("fraud", date(2026, 9, 1)): 2 * 2 * 30 * Decimal("1.5"),
        ("", date(2026, 9, 1)): 2 * 2 * 30 * Decimal("6.25"),
        ("fraud", date(2026, 10, 1)): 2 * 2 * 31 * Decimal("1.5"),
        ("", date(2026, 10, 1)): 2 * 2 * 31 * Decimal("6.25"),
    }
    # Another run asks nothing, and a month to come has no costs.
    asked.tagged_costs(query)
    assert len(api.requests) == before + 2
    assert asked.tagged_costs(replace(query, month=OCTOBER.plus(3))) == []
    nothing = replace(query, excluded=frozenset(ChargeCategory))
    assert asked.tagged_costs(nothing) == []


def test_values_of_a_tag_that_differ_in_case_are_one_where_that_is_set(tmp_path: Path) -> None:
    asked = source(FakeCostExplorer(page_size=100), tmp_path)
    key = TagKey(key="TEAM", ignore_case=True)
    found = asked.tagged_costs(TagQuery(month=OCTOBER, key=key, metric=Metric.BILLED))
    assert {one.value for one in found} == {"fraud", ""}
