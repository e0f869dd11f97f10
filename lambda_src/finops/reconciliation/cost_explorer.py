"""Charges of many payer accounts from Cost Explorer, in parallel under one rate limit.

Cost Explorer groups by at most two dimensions, and a report needs three: account, service and
category. So the first query asks for the record types, and one query for each category for its
accounts and services. The first
answer is the control total of the others.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, Protocol

from finops.reconciliation.anomaly_services import ServiceCosts
from finops.reconciliation.daily_usage import services_of_charges, usage_of_charges
from finops.reconciliation.domain import (
    FINAL_AFTER,
    Charge,
    ChargeCategory,
    CommittedCosts,
    LineUsage,
    Metric,
    PriceEffect,
    TaggedCosts,
    category_of_record_type,
    is_daily_fee,
)
from finops.reconciliation.mapping import TagRule
from finops.reconciliation.ports import (
    AnomalyQuery,
    AnswerCache,
    ChargeQuery,
    ControlTotal,
    Detail,
    TagQuery,
    UsageQuery,
)
from finops.reconciliation.rate_limit import RateLimit
from finops.reconciliation.spending import PRICE, DailyAllowance
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.money import total
from finops.shared.periods import Month

#: Whole months before the running one that Cost Explorer keeps unless an account asks for more.
KEPT_MONTHS: Final = 13
#: Days after which AWS has metered a day: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html
_METERED_AFTER: Final = timedelta(days=1)
_METRICS: Final = ("UnblendedCost", "AmortizedCost")
_NET_METRICS: Final = ("NetUnblendedCost", "NetAmortizedCost")
_ATTEMPTS: Final = 8
_LONGEST_PAUSE: Final = 20.0


#: Of botocore's Config: what the rate limit refuses is asked again here, where the limit is kept.
CLIENT_SETTINGS: Final[Mapping[str, Any]] = {
    "retries": {"mode": "standard", "total_max_attempts": 1},
    "max_pool_connections": 64,
}


class CostExplorer(Protocol):
    """Cost Explorer of the payer accounts."""

    def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """One page of an answer to GetCostAndUsage.

        Raises:
            TransientFailure: also with code `LimitExceededException`.
        """


@dataclass(slots=True)
class Usage:
    """The requests of a run and their price.

    Attributes:
        calls: Pages that Cost Explorer was asked for, each at `PRICE`.
        throttled: Of them, refused by its rate limit.
        cached: Answers that cost nothing.
    """

    calls: int = 0
    throttled: int = 0
    cached: int = 0

    @property
    def cost_usd(self) -> Decimal:
        """What AWS charges for it; refused calls are free."""
        return PRICE * (self.calls - self.throttled)


class CostExplorerCosts:
    """`CostSource` over Cost Explorer.

    Args:
        api: Cost Explorer of each payer.
        payers: The payer accounts.
        cache: Of answers.
        limit: One for all payers.
        allowance: What the day may cost; None for any number of pages.
        now: The moment of the reconciliation, UTC.
        is_net: Whether net costs are asked for too.
        open_answers_for: How long an answer is used whose days may still change.
        workers: Payers that are asked at once.
    """

    def __init__(
        self,
        api: CostExplorer,
        *,
        payers: Sequence[str],
        cache: AnswerCache,
        limit: RateLimit,
        allowance: DailyAllowance | None = None,
        now: datetime,
        is_net: bool = False,
        open_answers_for: timedelta = timedelta(hours=12),
        workers: int = 32,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._payers = sorted(set(payers))
        self._cache = cache
        self._limit = limit
        self._allowance = allowance
        self._now = now
        self._metrics = (*_METRICS, *_NET_METRICS) if is_net else _METRICS
        self._open_answers_for = open_answers_for
        self._workers = workers
        self._sleep = sleep
        self._lock = threading.Lock()
        self._notes: set[str] = set()
        self.usage = Usage()

    @property
    def name(self) -> str:
        """Such as `Cost Explorer of 3 payer accounts`."""
        count = len(self._payers)
        return f"Cost Explorer of {count} payer {'account' if count == 1 else 'accounts'}"

    @property
    def has_reached_cap(self) -> bool:
        """Whether a page was not asked for, because of the day's limit."""
        return self._allowance is not None and self._allowance.is_reached

    @property
    def notes(self) -> Sequence[str]:
        """Whether Cost Explorer said that costs are estimated."""
        return sorted(self._notes)

    def lacks(self, _metric: Metric, _month: Month) -> str:
        """Nothing: what is compared is asked for."""
        return ""

    def known_until(self, month: Month, today: date) -> date:
        """The first day that AWS has not metered yet."""
        return max(month.first, min(month.end, today - _METERED_AFTER))

    def charges(self, query: ChargeQuery) -> Iterator[Charge]:
        """The charges of every payer, asked for in parallel.

        Raises:
            RejectedInput: `too_long_ago`.
        """
        period = self._period(query)
        if period is None:
            return
        if any(rule.ignore_case for rule in query.tag_rules):
            # MatchOptions of tags: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_TagValues.html
            self._notes.add("Cost Explorer compares tags with regard to case; rules do so here.")
        ask = partial(self._charges_of, query=query, period=period)
        with ThreadPoolExecutor(max(1, min(self._workers, len(self._payers)))) as pool:
            for charges in pool.map(ask, self._payers):
                yield from charges

    def usage_by_day(self, query: UsageQuery) -> Iterator[LineUsage]:
        """Summed here: Cost Explorer knows no lines."""
        return usage_of_charges(self.charges, query)

    def costs_by_service(self, query: AnomalyQuery) -> Sequence[Mapping[str, ServiceCosts]]:
        """Summed here, as usage by day is."""
        return services_of_charges(self.charges, query)

    def committed_costs(self, _month: Month) -> Sequence[CommittedCosts]:
        """Nothing: it knows no list prices."""
        return ()

    def price_effects(self, _month: Month, _metric: Metric) -> Sequence[PriceEffect]:
        """Nothing: it is not asked for quantities."""
        return ()

    def tagged_costs(self, query: TagQuery) -> list[TaggedCosts]:
        """By service: Cost Explorer groups by two keys. One request a payer.

        A group's key is that of the tag and its value, `team$fraud`, and `team$` without the tag:
        https://docs.aws.amazon.com/cli/latest/reference/ce/get-cost-and-usage.html
        """
        period = self._period(
            ChargeQuery(first=query.month.plus(-1).first, end=query.month.end, detail=Detail.MONTHS)
        )
        if period is None:
            return []
        ask = partial(self._tagged_of, query=query, period=period)
        with ThreadPoolExecutor(max(1, min(self._workers, len(self._payers)))) as pool:
            return [one for found in pool.map(ask, self._payers) for one in found]

    def _tagged_of(
        self, payer: str, *, query: TagQuery, period: tuple[date, date]
    ) -> list[TaggedCosts]:
        by_category = self._record_types(payer, period[1])
        types = [
            name
            for category, names in by_category.items()
            if category not in query.excluded
            for name in names
        ]
        if not types:
            return []
        wanted = _dimension("RECORD_TYPE", types)
        request = _request(*period, "MONTHLY", ["SERVICE"], self._metrics, wanted)
        request["GroupBy"].insert(0, {"Type": "TAG", "Key": query.key.key})
        answer = self._ask(payer, request)
        found = []
        for group in _groups(answer, ["TAG", "SERVICE"]):
            value = group.keys["TAG"].partition("$")[2]
            found.append(
                TaggedCosts(
                    value=value.lower() if query.key.ignore_case else value,
                    linked_account="",
                    service=group.keys["SERVICE"],
                    first=group.start.replace(day=1),
                    currency=group.currency,
                    amount=group.cost(query.metric),
                )
            )
        return found

    def control_totals(self, month: Month) -> list[ControlTotal]:
        """All charges of the month, as Cost Explorer adds them up itself.

        It is the query that names the record types: it costs nothing more.
        """
        end = min(month.end, self._today + timedelta(days=1))
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for payer in self._payers:
            for group in self._by_record_type(payer, end):
                if group.start == month.first:
                    sums[group.currency] = total((sums[group.currency], group.unblended))
        return [
            ControlTotal(f"Cost Explorer total, {currency}", amount, currency)
            for currency, amount in sorted(sums.items())
        ]

    @property
    def _today(self) -> date:
        return self._now.date()

    @property
    def _earliest(self) -> date:
        return Month.of(self._today).plus(-KEPT_MONTHS).first

    def _period(self, query: ChargeQuery) -> tuple[date, date] | None:
        """The part of the period that Cost Explorer has; None where nothing of it has begun.

        `End` is exclusive, so that today is asked for up to tomorrow: on the first of a month a
        range up to today would be empty, which Cost Explorer refuses.
        """
        end = min(query.end, self._today + timedelta(days=1))
        if query.first >= end:
            return None
        if end <= self._earliest:
            raise RejectedInput(
                f"Cost Explorer has costs from {self._earliest} on, none of {query.first}",
                code="too_long_ago",
                remedy="Reconcile this month from a FOCUS or CUR export: --source focus",
            )
        return max(query.first, self._earliest), end

    def _charges_of(
        self, payer: str, *, query: ChargeQuery, period: tuple[date, date]
    ) -> list[Charge]:
        by_category = self._record_types(payer, period[1])
        if query.detail is Detail.DAILY_FEES:
            fees = list(filter(is_daily_fee, by_category.get(ChargeCategory.PURCHASE, ())))
            by_category = {ChargeCategory.PURCHASE: fees} if fees else {}
        elif query.detail is not Detail.MONTHS:
            by_category = {
                category: types
                for category, types in by_category.items()
                if category is ChargeCategory.USAGE
            }
        granularity = "MONTHLY" if query.detail is Detail.MONTHS else "DAILY"
        keys = {
            Detail.MONTHS: ["LINKED_ACCOUNT", "SERVICE"],
            Detail.ACCOUNT_DAYS: ["LINKED_ACCOUNT"],
            Detail.DAILY_FEES: ["LINKED_ACCOUNT", "SERVICE"],
            Detail.SERVICE_DAYS: ["SERVICE"],
            Detail.ACCOUNT_SERVICE_DAYS: ["LINKED_ACCOUNT", "SERVICE"],
        }[query.detail]
        charges: list[Charge] = []
        for category, types in by_category.items():
            for rule, tagged in _tag_filters(query.tag_rules):
                wanted = [_dimension("RECORD_TYPE", types), *tagged]
                if query.accounts:
                    wanted.append(_dimension("LINKED_ACCOUNT", query.accounts))
                request = _request(*period, granularity, keys, self._metrics, _all(wanted))
                answer = self._ask(payer, request)
                charges += (
                    Charge(
                        payer_account=payer,
                        linked_account=group.keys.get("LINKED_ACCOUNT", ""),
                        linked_account_name=group.account_name,
                        service=group.keys.get("SERVICE", ""),
                        period_start=group.start.replace(day=1)
                        if query.detail is Detail.MONTHS
                        else group.start,
                        category=category,
                        unblended=group.unblended,
                        billed=group.unblended,
                        amortized=group.amortized,
                        net=group.net,
                        net_amortized=group.net_amortized,
                        currency=group.currency,
                        tag_rule=rule,
                    )
                    for group in _groups(answer, keys)
                )
        return charges

    def _record_types(self, payer: str, end: date) -> dict[ChargeCategory, list[str]]:
        """The payer's record types by category, in a fixed order."""
        found: dict[ChargeCategory, list[str]] = defaultdict(list)
        for name in sorted(
            {group.keys["RECORD_TYPE"] for group in self._by_record_type(payer, end)}
        ):
            found[category_of_record_type(name)].append(name)
        return {category: found[category] for category in ChargeCategory if category in found}

    def _by_record_type(self, payer: str, end: date) -> list[_Group]:
        """Of all months that are kept, so that every query of a reconciliation shares it."""
        keys = ["RECORD_TYPE"]
        return list(
            _groups(
                self._ask(payer, _request(self._earliest, end, "MONTHLY", keys, _METRICS)), keys
            )
        )

    def _ask(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The whole answer, from the cache where it is still good."""
        text = json.dumps({"payer": payer, **request}, sort_keys=True)
        key = f"{payer}/{hashlib.sha256(text.encode()).hexdigest()}"
        end = date.fromisoformat(request["TimePeriod"]["End"])
        kept = self._cache.get(key)
        if kept and self._is_good(datetime.fromisoformat(kept["asked_at"]), end):
            with self._lock:
                self.usage.cached += 1
            answer: Mapping[str, Any] = kept["answer"]
        else:
            answer = self._pages(payer, request)
            self._cache.put(
                key,
                {"asked_at": self._now.isoformat(), "request": {**request}, "answer": answer},
            )
        if any(one.get("Estimated") for one in answer["ResultsByTime"]):
            self._notes.add(
                "Cost Explorer marks some of these costs as estimated: they may change."
            )
        return answer

    def _is_good(self, asked_at: datetime, end: date) -> bool:
        if asked_at.date() >= end + FINAL_AFTER:
            return True
        return timedelta(0) <= self._now - asked_at < self._open_answers_for

    def _pages(self, payer: str, request: Mapping[str, Any]) -> dict[str, Any]:
        results: list[Any] = []
        names: dict[str, str] = {}
        token = None
        while True:
            page = self._page(payer, {**request, "NextPageToken": token} if token else request)
            results += page.get("ResultsByTime", ())
            for value in page.get("DimensionValueAttributes", ()):
                names[value["Value"]] = value.get("Attributes", {}).get("description", "")
            token = page.get("NextPageToken")
            if not token:
                return {"ResultsByTime": results, "names": names}

    def _page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        for attempt in range(1, _ATTEMPTS + 1):
            if self._allowance:
                self._allowance.spend()
            self._limit.wait()
            with self._lock:
                self.usage.calls += 1
            try:
                return self._api.page(payer, request)
            except TransientFailure as error:
                if error.code == "LimitExceededException":
                    with self._lock:
                        self.usage.throttled += 1
                    if self._allowance:
                        self._allowance.refund()
                if attempt == _ATTEMPTS:
                    raise
                pause = min(0.25 * 2**attempt, _LONGEST_PAUSE)
                self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads callers only
        raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _Group:
    start: date
    keys: Mapping[str, str]
    unblended: Decimal
    amortized: Decimal
    net: Decimal | None
    net_amortized: Decimal | None
    currency: str
    account_name: str

    def cost(self, metric: Metric) -> Decimal:
        """One of its costs; zero where it was not asked for."""
        found = {
            Metric.BILLED: self.unblended,
            Metric.AMORTIZED: self.amortized,
            Metric.NET: self.net,
            Metric.NET_AMORTIZED: self.net_amortized,
        }[metric]
        return Decimal(0) if found is None else found


def _request(
    first: date,
    end: date,
    granularity: str,
    keys: Sequence[str],
    metrics: Sequence[str],
    wanted: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
        "Granularity": granularity,
        "Metrics": list(metrics),
        "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in keys],
    }
    return {**request, "Filter": wanted} if wanted else request


def _groups(answer: Mapping[str, Any], names: Sequence[str]) -> Iterator[_Group]:
    """The groups of an answer to a query that was grouped by these names."""
    for result in answer["ResultsByTime"]:
        for group in result.get("Groups", ()):
            keys = dict(zip(names, group["Keys"], strict=True))
            amounts = {name: Decimal(amount["Amount"]) for name, amount in group["Metrics"].items()}
            yield _Group(
                start=date.fromisoformat(result["TimePeriod"]["Start"]),
                keys=keys,
                unblended=amounts["UnblendedCost"],
                amortized=amounts["AmortizedCost"],
                net=amounts.get("NetUnblendedCost"),
                net_amortized=amounts.get("NetAmortizedCost"),
                currency=group["Metrics"]["UnblendedCost"]["Unit"],
                account_name=answer["names"].get(keys.get("LINKED_ACCOUNT", ""), ""),
            )


def _tag_filters(rules: Sequence[TagRule]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(rule's place, filter) of charges that fulfil each rule and none before, and of the rest."""
    before: list[dict[str, Any]] = []
    for place, rule in enumerate(rules, 1):
        mine = {"Tags": {"Key": rule.key, "Values": list(rule.values), "MatchOptions": ["EQUALS"]}}
        yield place, [mine, *before]
        before.append({"Not": mine})
    yield 0, before


def _dimension(key: str, values: Iterable[str]) -> dict[str, Any]:
    return {"Dimensions": {"Key": key, "Values": list(values), "MatchOptions": ["EQUALS"]}}


def _all(wanted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return wanted[0] if len(wanted) == 1 else {"And": list(wanted)}
