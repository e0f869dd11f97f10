"""Usage of days, summed from the charges of a source that does not sum it up itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from finops.reconciliation.anomaly_services import ServiceCosts, costs_by_service
from finops.reconciliation.domain import Charge, LineUsage, UsageSource
from finops.reconciliation.ports import AnomalyQuery, ChargeQuery, Detail, UsageQuery


def usage_of_charges(
    charges: Callable[[ChargeQuery], Iterable[Charge]], query: UsageQuery
) -> Iterator[LineUsage]:
    """What the source's charges of the month's days come to in each line."""
    daily = ChargeQuery(
        first=query.month.first,
        end=query.month.end,
        detail=Detail.ACCOUNT_SERVICE_DAYS,
        tag_rules=query.tag_rules,
    )
    for one in charges(daily):
        line = query.lines.get(
            UsageSource(
                payer_account=one.payer_account,
                linked_account=one.linked_account,
                service=one.service or one.category.value,
                tag_rule=one.tag_rule,
                currency=one.currency,
            )
        )
        if line is not None:
            yield LineUsage(line, one.period_start, one.cost(query.metric))


def services_of_charges(
    charges: Callable[[ChargeQuery], Iterable[Charge]], query: AnomalyQuery
) -> list[dict[str, ServiceCosts]]:
    """Of each anomaly, what its account's services cost; one pass for all."""
    daily = ChargeQuery(
        first=query.first,
        end=query.end,
        detail=Detail.ACCOUNT_SERVICE_DAYS,
        accounts=query.accounts,
    )
    return costs_by_service(charges(daily), query.anomalies)
