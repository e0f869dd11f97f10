"""Usage by day, and the days on which it is unusual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from finops.reconciliation.anomalies import (
    MOST_DEVIATIONS,
    AnomalyKind,
    Series,
    Unusual,
    unusual_days,
)
from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.report import Anomaly, DailyCost
from finops.shared.money import total


def daily_costs(costs: Costs) -> tuple[DailyCost, ...]:
    """Usage of each known day of the month; empty if the source has no daily usage."""
    month = costs.evidence.month
    by_day: dict[date, Decimal] = defaultdict(Decimal)
    for series in costs.account_series.values():
        for day, amount in series.items():
            if month.first <= day < month.end:
                by_day[day] += amount
    days = [day for day in month.days if day < costs.evidence.known_until]
    amounts = costs.rounded_lines([by_day.get(day, Decimal(0)) for day in days]) if by_day else []
    return tuple(
        DailyCost(day=day, amount=amount) for day, amount in zip(days, amounts, strict=False)
    )


def usage_to_date(costs: Costs) -> tuple[Decimal | None, Decimal | None]:
    """Usage of a running month's known days, and of the same days of the month before.

    None where no day is known.
    """
    month, known_until = costs.evidence.month, costs.evidence.known_until
    days = (known_until - month.first).days
    if not costs.evidence.is_running or not days or not costs.account_series:
        return None, None
    before = month.plus(-1)
    ends = min(before.first + timedelta(days=days), before.end)

    def usage(first: date, end: date) -> Decimal:
        return costs.rounded(
            total(
                amount
                for series in costs.account_series.values()
                for day, amount in series.items()
                if first <= day < end
            )
        )

    return usage(month.first, known_until), usage(before.first, ends)


def anomaly_lines(costs: Costs) -> tuple[Anomaly, ...]:
    """The anomalies of accounts, and of services that explain none of them.

    The largest come first, what was acknowledged last.
    """
    given = costs.evidence
    known_from = min(
        (min(series) for series in costs.account_usage.values() if series), default=None
    )
    units: dict[str, set[str]] = defaultdict(set)
    for (_, account), bearing in costs.units_of_account.items():
        units[account] |= bearing
    off = [
        (account, days, series)
        for (_, account), series in sorted(costs.account_usage.items())
        for days in unusual_days(series, given.month, given.known_until, known_from=known_from)
    ]
    driven_by = given.anomaly_services([(account, days) for account, days, _ in off])
    found = [
        _line(costs, "account", account, days, series, sorted(units[account]), services)
        for (account, days, series), services in zip(off, driven_by, strict=True)
    ]
    for service, series in sorted(costs.service_series.items()):
        explains = [(one.first, one.last) for one in found if service in one.services]
        found += [
            _line(costs, "service", service, days, series, [], ())
            for days in unusual_days(series, given.month, given.known_until, known_from=known_from)
            if not any(first <= days.last and days.first <= last for first, last in explains)
        ]
    return tuple(
        sorted(
            found,
            key=lambda one: (
                *(bool(one.acknowledged), -abs(one.impact), one.scope, one.subject, one.first),
            ),
        )
    )


def _line(
    costs: Costs,
    scope: str,
    subject: str,
    days: Unusual,
    series: Series,
    units: Sequence[str],
    services: Sequence[str],
) -> Anomaly:
    actual, expected = costs.rounded(days.actual), costs.rounded(days.expected)
    return Anomaly(
        scope=scope,
        subject=subject,
        name=costs.account_name(subject) if scope == "account" else "",
        units=tuple(units),
        first=days.first,
        last=days.last,
        actual=actual,
        expected=expected,
        impact=actual - expected,
        score=days.score,
        services=tuple(services),
        evidence=_evidence(days),
        kind=days.kind.value,
        acknowledged=next(
            (
                one.reason
                for one in costs.evidence.acknowledgements
                if one.covers(subject, days, costs.evidence.month, series)
            ),
            "",
        ),
    )


def _evidence(days: Unusual) -> str:
    if days.kind is AnomalyKind.NEW:
        return f"It had no costs in the {days.days_before} days before."
    usual = f"Expected by weekday, from the {days.days_before} days before;"
    if days.kind is AnomalyKind.VANISHED:
        return f"{usual} since {days.first} there are no costs."
    most = "more than " if abs(days.score) == MOST_DEVIATIONS else ""
    side = "above" if days.score > 0 else "below"
    off = f"{most}{abs(days.score)} times the usual deviation {side} that."
    if days.kind is AnomalyKind.CHANGE:
        return f"{usual} the level has changed, a usual week's day is {off}"
    return f"{usual} the furthest day is {off}"
