"""What commitments did in a month, as a part of a report."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """Savings Plans, reservations and other commitments, in the terms of the FinOps Foundation.

    https://www.finops.org/framework/capabilities/rate-optimization/

    Attributes:
        list_cost: What usage with a list price would have cost by it.
        effective_cost: What it cost, amortized, with the unused part of commitments.
        savings: `list_cost` less `effective_cost`.
        effective_savings_pct: `savings` in percent of `list_cost`; None where that is zero.
        covered: The part of `list_cost` that commitments covered, and `coverage_pct` its share.
        used: Costs of commitments that usage needed.
        unused: Costs of those that it did not: waste.
        utilization_pct: `used` in percent of both; None where there are no commitments.
    """

    list_cost: Decimal
    effective_cost: Decimal
    savings: Decimal
    effective_savings_pct: Decimal | None
    covered: Decimal
    coverage_pct: Decimal | None
    used: Decimal
    unused: Decimal
    utilization_pct: Decimal | None
