"""Coverage, utilization and waste of commitments, and the effective savings rate."""

from __future__ import annotations

from decimal import Decimal

from finops.reconciliation.commitments import Commitments
from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.domain import percent
from finops.shared.money import total


def commitments(costs: Costs) -> Commitments | None:
    """All currencies together; None where the source does not know list prices."""
    given = costs.evidence
    if not given.committed:
        return None

    def whole(name: str) -> Decimal:
        parts = []
        for one in given.committed:
            rate = costs.rate(one.currency, given.month)
            parts.append(getattr(one, name) * (rate.rate if rate else 0))
        return costs.rounded(total(parts))

    listed, effective = whole("list_cost"), whole("effective_cost")
    covered, used, unused = whole("covered_list_cost"), whole("used"), whole("unused")
    return Commitments(
        list_cost=listed,
        effective_cost=effective,
        savings=listed - effective,
        effective_savings_pct=percent(listed - effective, listed),
        covered=covered,
        coverage_pct=percent(covered, listed),
        used=used,
        unused=unused,
        utilization_pct=percent(used, used + unused),
    )
