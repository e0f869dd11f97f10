"""The report of a month, from its parts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

from finops.reconciliation.aws_budgets import AwsBudget, by_variance
from finops.reconciliation.comparison.breakdowns import (
    account_lines,
    category_lines,
    service_lines,
    trend_lines,
    trend_months,
    unmapped_accounts,
)
from finops.reconciliation.comparison.checks import checks_of
from finops.reconciliation.comparison.committed import commitments
from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.comparison.days import anomaly_lines, daily_costs, usage_to_date
from finops.reconciliation.comparison.evidence import Evidence
from finops.reconciliation.comparison.forecast import rest_of_month
from finops.reconciliation.comparison.groups import group_lines
from finops.reconciliation.comparison.prices import price_lines
from finops.reconciliation.comparison.rules import idle_rules
from finops.reconciliation.comparison.showback import by_owner, by_tags
from finops.reconciliation.comparison.unit_costs import with_services
from finops.reconciliation.comparison.units import totals_of, unit_lines, whole_drivers
from finops.reconciliation.comparison.years import year_to_date
from finops.reconciliation.domain import Metric
from finops.reconciliation.report import Report
from finops.shared.money import WIDE, total
from finops.shared.periods import Month


def compare(evidence: Evidence) -> Report:
    """The report. The same evidence in any order gives the same report."""
    with localcontext(WIDE):
        return _report(Costs(evidence))


def _report(costs: Costs) -> Report:
    given = costs.evidence
    rest = rest_of_month(costs)
    daily = daily_costs(costs)
    units = with_services(costs, unit_lines(costs, rest), [one.day for one in daily])
    known, known_before = usage_to_date(costs)
    trends = trend_lines(costs, [unit.name for unit in units])
    totals = replace(
        totals_of(units, costs.rounded(rest.whole) if given.is_running else None),
        usage_to_date=known,
        usage_to_date_previous=known_before,
        billed=_whole(costs, Metric.BILLED),
        amortized=_whole(costs, Metric.AMORTIZED) if given.knows_amortized else None,
    )
    return Report(
        month=str(given.month),
        currency=given.currency,
        source=given.source,
        source_name=given.source_name,
        metric=given.metric.value,
        is_open=given.is_open,
        known_until=given.known_until if given.is_running else None,
        revision=0,
        totals=totals,
        units=units,
        unmapped=unmapped_accounts(costs, totals),
        categories=category_lines(costs, totals),
        accounts=account_lines(costs, totals),
        services=service_lines(costs, totals),
        daily=daily,
        trend_months=tuple(str(month) for month in trend_months(given.month)),
        trends=trends,
        anomalies=anomaly_lines(costs),
        invoices=tuple(given.invoices),
        checks=tuple(checks_of(costs, totals)),
        # By now every charge and budget has been converted.
        rates=tuple(costs.rates_used),
        changes=(),
        notes=tuple(dict.fromkeys((*given.notes, *costs.notes, *idle_rules(costs)))),
        groups=group_lines(given.groups, units, is_running=given.is_running),
        year=year_to_date(costs, trends),
        commitments=commitments(costs),
        drivers=whole_drivers(costs, totals),
        prices=price_lines(costs, totals),
        aws_budgets=_aws_budgets(given),
        showback=(*by_owner(costs, units, totals), *by_tags(costs, totals)),
    )


def _aws_budgets(given: Evidence) -> tuple[AwsBudget, ...] | None:
    """Those that were read in the month, with the names of their accounts."""
    if given.aws_budgets is None:
        return None
    linked = given.mapping.linked
    named = (
        replace(one, account_name=linked[one.account].name if one.account in linked else "")
        for one in given.aws_budgets
        if one.is_of(given.month)
    )
    return tuple(sorted(named, key=by_variance))


def _whole(costs: Costs, metric: Metric) -> Decimal:
    """What the compared charges of the month cost by another metric, rounded."""
    month, excluded = costs.evidence.month, costs.evidence.excluded
    return costs.rounded(
        total(
            costs.converted(charge, metric)
            for charge in costs.evidence.charges
            if Month.of(charge.period_start) == month and charge.category not in excluded
        )
    )
