"""Usage by day, and the days on which it is unusual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from finops.reconciliation.anomalies import MOST_DEVIATIONS, Unusual, unusual_days
from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.report import Anomaly, DailyCost


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


def anomaly_lines(costs: Costs) -> tuple[Anomaly, ...]:
    """The anomalies of accounts, and of services that explain none of them; the largest first."""
    given = costs.evidence
    units: dict[str, set[str]] = defaultdict(set)
    for (_, account), bearing in costs.units_of_account.items():
        units[account] |= bearing
    unusual = [
        (account, days)
        for (_, account), series in sorted(costs.account_usage.items())
        for days in unusual_days(series, given.month, given.known_until)
    ]
    driven_by = given.anomaly_services(unusual)
    found = [
        _line(costs, "account", account, days, sorted(units[account]), services)
        for (account, days), services in zip(unusual, driven_by, strict=True)
    ]
    explained = {
        (service, day) for one in found for service in one.services for day in (one.first, one.last)
    }
    for service, series in sorted(costs.service_series.items()):
        found += [
            _line(costs, "service", service, days, [], ())
            for days in unusual_days(series, given.month, given.known_until)
            if not {(service, days.first), (service, days.last)} & explained
        ]
    return tuple(sorted(found, key=lambda one: (-abs(one.impact), one.scope, one.subject)))


def _line(
    costs: Costs,
    scope: str,
    subject: str,
    days: Unusual,
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
        evidence=(
            f"Expected {expected:,f} {costs.evidence.currency}, by weekday over the"
            f" {days.days_before} days before; the most unusual day is"
            f" {'more than ' if abs(days.score) == MOST_DEVIATIONS else ''}{abs(days.score)} robust"
            f" deviations {'above' if days.score > 0 else 'below'} it."
        ),
    )
