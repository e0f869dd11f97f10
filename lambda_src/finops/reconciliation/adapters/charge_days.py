"""Usage of days in the table `charges`, summed by DuckDB: Python sees sums, not charges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from finops.reconciliation.anomaly_services import DAYS_BEFORE, ServiceCosts
from finops.reconciliation.domain import ChargeCategory, LineUsage, UsageSource
from finops.reconciliation.ports import AnomalyQuery, UsageQuery
from finops.shared.money import WIDE
from finops.shared.periods import Month, month_end

#: Rows of a query with these values.
Ask = Callable[[str, Mapping[str, object]], Iterator[tuple[Any, ...]]]

#: A charge is of its billing period, whenever it arose: a correction of an earlier day is entered
#: on the period's first.
BILLED_DAY: Final = (
    "greatest(least(charge_day, CAST(billing_month + INTERVAL 1 MONTH - INTERVAL 1 DAY AS DATE)),"
    " billing_month)"
)
#: As `Charge.service` is named in reports.
_SERVICE: Final = f"coalesce(nullif(service, ''), '{ChargeCategory.USAGE.value}') AS service"
_HALF: Final = DAYS_BEFORE // 2
_SOURCES_AT_ONCE: Final = 10_000


def usage_by_day(ask: Ask, query: UsageQuery) -> Iterator[LineUsage]:
    """As `CostSource.usage_by_day`."""
    fields = UsageSource._fields
    kinds = {**dict.fromkeys(fields, "VARCHAR"), "tag_rule": "INTEGER"}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    list(ask(f"CREATE OR REPLACE TEMP TABLE sources ({columns}, line INTEGER)", {}))
    named = ", ".join(f"unnest(${name}::{kind}[])" for name, kind in kinds.items())
    sources = iter(query.lines.items())
    # A few at a time: as values of a query, each takes some hundred bytes.
    while batch := [*islice(sources, _SOURCES_AT_ONCE)]:
        cells = {name: [getattr(one, name) for one, _ in batch] for name in fields}
        numbers = [line for _, line in batch]
        insert = f"INSERT INTO sources SELECT {named}, unnest($lines::INTEGER[])"
        list(ask(insert, {**cells, "lines": numbers}))
    rule = "tag_rule" if query.tag_rules else "0"
    rows = ask(
        f"WITH usage AS (SELECT payer_account, linked_account, {_SERVICE}, {rule} AS tag_rule,"
        f" currency, {BILLED_DAY} AS day, {query.metric} AS amount"
        " FROM charges WHERE is_usage AND billing_month = $first)"
        " SELECT line, day, CAST(sum(amount) AS VARCHAR)"
        f" FROM usage JOIN sources USING ({', '.join(fields)}) GROUP BY line, day",
        {"first": query.month.first},
    )
    for line, day, amount in rows:
        yield LineUsage(line, day, Decimal(amount or 0))


def costs_by_service(ask: Ask, query: AnomalyQuery) -> list[dict[str, ServiceCosts]]:
    """As `CostSource.costs_by_service`: by the days on which charges arose."""
    rows = ask(
        "WITH anomalies AS (SELECT unnest($numbers::INTEGER[]) AS number,"
        " unnest($accounts::VARCHAR[]) AS linked_account,"
        " unnest($known_from::DATE[]) AS known_from,"
        " unnest($first_days::DATE[]) AS first_day, unnest($last_days::DATE[]) AS last_day),"
        f" usage AS (SELECT linked_account, {_SERVICE}, coalesce(charge_day, {BILLED_DAY}) AS day,"
        " billed FROM charges WHERE is_usage"
        " AND billing_month >= $first_month AND billing_month < $end_month"
        f" AND {BILLED_DAY} >= $first AND {BILLED_DAY} < $end),"
        " days AS (SELECT number, service, day >= first_day AS is_in, sum(billed) AS billed"
        " FROM usage JOIN anomalies USING (linked_account)"
        " WHERE day BETWEEN known_from AND last_day GROUP BY number, service, day, first_day),"
        " services AS (SELECT number, service, sum(billed) FILTER (is_in) AS spent,"
        # A day without costs is one of zero.
        " list_sort(list_resize(coalesce(list(billed) FILTER (NOT is_in), []),"
        f" {DAYS_BEFORE}, CAST(0 AS DECIMAL(38,18)))) AS before FROM days GROUP BY number, service)"
        " SELECT number, service, CAST(coalesce(spent, 0) AS VARCHAR),"
        f" CAST(before[{_HALF}] + before[{_HALF + 1}] AS VARCHAR) FROM services",
        {
            "numbers": [*range(len(query.anomalies))],
            "accounts": [one.account for one in query.anomalies],
            "known_from": [one.known_from for one in query.anomalies],
            "first_days": [one.first for one in query.anomalies],
            "last_days": [one.last for one in query.anomalies],
            "first_month": Month.of(query.first).first,
            "end_month": month_end(query.end),
            "first": query.first,
            "end": query.end,
        },
    )
    found: list[dict[str, ServiceCosts]] = [{} for _ in query.anomalies]
    for number, service, spent, of_two_days in rows:
        usual = WIDE.divide(Decimal(of_two_days), Decimal(2))
        found[number][service] = ServiceCosts(spent=Decimal(spent), usual=usual)
    return found
