"""Cost Explorer: GetCostAndUsage, GetDimensionValues and GetCostForecast on generated usage.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from localcloud.costs import usage
from localcloud.costs.contract import Document, Operation, page
from localcloud.costs.errors import CostsError, invalid
from localcloud.costs.filters import category_value, compiled, dimension, tag_value
from localcloud.costs.usage import USD, Line, Organisation

#: This month and the thirteen before it.
_HISTORY_MONTHS = 13
_FORECAST_MONTHS = 12
_LEARNT_DAYS = 28
_NORMALIZATION_OF_LARGE = 4

Measure = Callable[[Line], int]


def _normalized(line: Line) -> int:
    return line.quantity * _NORMALIZATION_OF_LARGE if line.usage_type.endswith("large") else 0


_METRICS: Mapping[str, Measure] = {
    "AmortizedCost": lambda line: line.amortized,
    "BlendedCost": lambda line: line.unblended,
    "NetAmortizedCost": lambda line: line.amortized - line.discount,
    "NetUnblendedCost": lambda line: line.unblended - line.discount,
    "NormalizedUsageAmount": _normalized,
    "UnblendedCost": lambda line: line.unblended,
    "UsageQuantity": lambda line: line.quantity,
}
_FORECAST_METRICS = {
    "AMORTIZED_COST": "AmortizedCost",
    "BLENDED_COST": "BlendedCost",
    "NET_AMORTIZED_COST": "NetAmortizedCost",
    "NET_UNBLENDED_COST": "NetUnblendedCost",
    "UNBLENDED_COST": "UnblendedCost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the local Cost Explorer behaves.

    Attributes:
        page_size: Groups (or periods, where nothing is grouped) in an answer.
        calls_a_second: Of one account, before it is throttled; 0 for any number.
        accounts: Of an organisation that is not named, its payer included.
    """

    page_size: int = 5000
    calls_a_second: float = 0
    accounts: int = 4


class CostExplorer:
    """The operations."""

    def __init__(self, today: Callable[[], date], settings: Settings) -> None:
        self._today = today
        self._settings = settings
        self._lock = threading.Lock()
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self.operations: Mapping[str, Operation] = {
            "GetCostAndUsage": self._throttled(self._cost_and_usage),
            "GetDimensionValues": self._throttled(self._dimension_values),
            "GetCostForecast": self._throttled(self._cost_forecast),
        }

    def _throttled(self, operation: Operation) -> Operation:
        def call(request: Document, caller: str) -> Document:
            if self._settings.calls_a_second:
                self._count(caller)
            return operation(request, caller)

        return call

    def _count(self, caller: str) -> None:
        now = time.monotonic()
        with self._lock:
            recent = self._recent[caller]
            while recent and now - recent[0] >= 1:
                recent.popleft()
            if len(recent) >= self._settings.calls_a_second:
                raise CostsError("LimitExceededException", "Rate exceeded")
            recent.append(now)

    def _cost_and_usage(self, request: Document, caller: str) -> Document:
        payer = usage.organisation(caller, self._settings.accounts)
        start, end = self._history(request)
        metrics = _metrics(request["Metrics"])
        grouped_by = request.get("GroupBy", [])
        readers = _readers(grouped_by, payer)
        totals = _sums(
            self._lines(request, payer, caller, start, end),
            lambda line: (
                _period(line.day, request["Granularity"]),
                *(read(line) for read in readers),
            ),
            list(metrics.values()),
        )
        groups: dict[date, list[tuple[str, ...]]] = {}
        for first, *keys in sorted(totals):
            groups.setdefault(first, []).append(tuple(keys))
        cells = [
            (period, keys)
            for period in _periods(start, end, request["Granularity"])
            for keys in groups.get(period[0], [None if readers else ()])
        ]
        shown, following = _page(cells, request, self._settings.page_size)
        results: dict[date, Document] = {}
        for (first, (begin, until)), keys in shown:
            result = results.setdefault(
                first,
                {
                    "TimePeriod": {"Start": begin.isoformat(), "End": until.isoformat()},
                    "Total": {},
                    "Groups": [],
                    "Estimated": self._today() < usage.invoiced_on(first),
                },
            )
            if keys is None:
                continue
            amounts = _amounts(metrics, totals.get((first, *keys), [0] * len(metrics)))
            if readers:
                result["Groups"].append({"Keys": list(keys), "Metrics": amounts})
            else:
                result["Total"] = amounts
        answer = {
            "ResultsByTime": list(results.values()),
            "DimensionValueAttributes": _attributes(grouped_by, shown, payer),
        }
        if grouped_by:
            answer["GroupDefinitions"] = grouped_by
        return answer | ({"NextPageToken": following} if following else {})

    def _dimension_values(self, request: Document, caller: str) -> Document:
        payer = usage.organisation(caller, self._settings.accounts)
        start, end = self._history(request)
        if request.get("Context", "COST_AND_USAGE") != "COST_AND_USAGE" or "SortBy" in request:
            raise invalid("The local Cost Explorer has the context COST_AND_USAGE, without SortBy")
        read = dimension(request["Dimension"])
        found = {read(line) for line in self._lines(request, payer, caller, start, end)}
        wanted = request.get("SearchString", "").lower()
        values = [
            _described(value, payer if request["Dimension"] == "LINKED_ACCOUNT" else None)
            for value in sorted(found)
            if wanted in value.lower()
        ]
        shown, following = _page(values, request, self._settings.page_size)
        answer = {
            "DimensionValues": shown,
            "ReturnSize": len(shown),
            "TotalSize": len(values),
        }
        return answer | ({"NextPageToken": following} if following else {})

    def _cost_forecast(self, request: Document, caller: str) -> Document:
        """The mean of the same weekday in the last four weeks, with tax and fees spread."""
        payer = usage.organisation(caller, self._settings.accounts)
        today, (start, end) = self._today(), _interval(request)
        if start >= end:
            raise invalid(f"Requested Start: {start} must be before requested End: {end}")
        if start < today:
            raise invalid("Start date must be equal to or later than the current date")
        if end > usage.months_before(today, -_FORECAST_MONTHS - 1):
            raise invalid(f"End date must be within {_FORECAST_MONTHS} months")
        if request["Metric"] not in _FORECAST_METRICS:
            raise invalid(f"Forecasts of {request['Metric']} are not supported")
        measure = _METRICS[_FORECAST_METRICS[request["Metric"]]]
        learnt = self._lines(request, payer, caller, today - timedelta(days=_LEARNT_DAYS), today)
        weekdays = _sums(learnt, lambda line: (line.day.weekday(),), [measure])
        level = request.get("PredictionIntervalLevel", 80)
        results, total = [], 0
        for _, (begin, until) in _periods(start, end, request["Granularity"]):
            days = (begin + timedelta(days=day) for day in range((until - begin).days))
            mean = sum(weekdays.get((day.weekday(),), [0])[0] * 7 for day in days) // _LEARNT_DAYS
            margin = abs(mean) * level // 400
            total += mean
            results.append(
                {
                    "TimePeriod": {"Start": begin.isoformat(), "End": until.isoformat()},
                    "MeanValue": _written(mean),
                    "PredictionIntervalLowerBound": _written(mean - margin),
                    "PredictionIntervalUpperBound": _written(mean + margin),
                }
            )
        return {
            "Total": {"Amount": _written(total), "Unit": "USD"},
            "ForecastResultsByTime": results,
        }

    def _lines(
        self, request: Document, payer: Organisation, caller: str, start: date, end: date
    ) -> Iterator[Line]:
        """The accounts whose costs the caller sees: a member account sees its own only."""
        wanted = compiled(request.get("Filter"), payer)
        for line in usage.lines(payer, start, end, self._today()):
            if caller in {payer.payer, line.linked_account} and wanted(line):
                yield line

    def _history(self, request: Document) -> tuple[date, date]:
        """The interval of a request for what was."""
        today, (start, end) = self._today(), _interval(request)
        if start >= end:
            raise invalid("Start date (and hour) should be before end date (and hour)")
        if end > usage.next_month(today):
            raise invalid("end date past the beginning of next month")
        if start > today:
            raise invalid("Start date should be no later than the current date")
        if start < usage.months_before(today, _HISTORY_MONTHS):
            raise invalid("You haven't enabled historical data beyond 14 months")
        return start, end


def _interval(request: Document) -> tuple[date, date]:
    """The days of a request: end exclusive."""
    period = request["TimePeriod"]
    if request.get("Granularity") == "HOURLY":
        raise CostsError(
            "DataUnavailableException", "Hourly data is not available: it has to be enabled first"
        )
    try:
        return date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
    except ValueError:
        raise invalid("Dates must be of the form yyyy-MM-dd for this granularity") from None


def _metrics(names: list[str]) -> dict[str, Measure]:
    unknown = [name for name in names if name not in _METRICS]
    if unknown or not names:
        raise invalid(f"Metrics {unknown} are invalid. Valid values are {', '.join(_METRICS)}")
    return {name: _METRICS[name] for name in names}


def _readers(grouped_by: list[Document], payer: Organisation) -> list[Callable[[Line], str]]:
    if len(grouped_by) > 2:
        raise invalid("Group by is limited to a maximum of 2 group definitions")
    readers = []
    for group in grouped_by:
        kind, key = group.get("Type"), group.get("Key", "")
        if kind == "DIMENSION":
            readers.append(dimension(key))
        elif kind == "TAG":
            readers.append(_prefixed(key, tag_value(payer, key)))
        elif kind == "COST_CATEGORY":
            readers.append(_prefixed(key, category_value(payer, key)))
        else:
            raise invalid("Group definitions must have a type")
    return readers


def _prefixed(key: str, read: Callable[[Line], str]) -> Callable[[Line], str]:
    return lambda line: f"{key}${read(line)}"


def _sums(
    lines: Iterable[Line], key: Callable[[Line], tuple[Any, ...]], measures: list[Measure]
) -> dict[tuple[Any, ...], list[int]]:
    sums: dict[tuple[Any, ...], list[int]] = {}
    for line in lines:
        found = sums.setdefault(key(line), [0] * len(measures))
        for place, measure in enumerate(measures):
            found[place] += measure(line)
    return sums


def _period(day: date, granularity: str) -> date:
    return day.replace(day=1) if granularity == "MONTHLY" else day


def _periods(start: date, end: date, granularity: str) -> Iterator[tuple[date, tuple[date, date]]]:
    """Each period's name, and the part of it that was asked for."""
    while start < end:
        following = start + timedelta(days=1)
        if granularity == "MONTHLY":
            following = min(usage.next_month(start), end)
        yield _period(start, granularity), (start, following)
        start = following


def _amounts(metrics: Mapping[str, Measure], sums: list[int]) -> Document:
    return {
        name: {"Amount": _written(amount), "Unit": "USD" if name.endswith("Cost") else "N/A"}
        for name, amount in zip(metrics, sums, strict=True)
    }


def _written(amount: int) -> str:
    """As Cost Explorer writes numbers: at most ten decimals, without zeros at the end."""
    text = f"{Decimal(amount) / USD:.10f}"
    return text.rstrip("0").rstrip(".")


def _attributes(
    grouped_by: list[Document], shown: list[Any], payer: Organisation
) -> list[Document]:
    """The names of the accounts on this page."""
    for place, group in enumerate(grouped_by):
        if group.get("Key") == "LINKED_ACCOUNT":
            accounts = {keys[place] for _, keys in shown if keys}
            return [_described(account, payer) for account in sorted(accounts)]
    return []


def _described(value: str, payer: Organisation | None) -> Document:
    names = {"description": payer.accounts[value]} if payer else {}
    return {"Value": value, "Attributes": names}


def _page(items: list[Any], request: Document, size: int) -> tuple[list[Any], str | None]:
    return page(
        items,
        request,
        request.get("NextPageToken"),
        size,
        changed="RequestChangedException",
        bad="InvalidNextTokenException",
    )
