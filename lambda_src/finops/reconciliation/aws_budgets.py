"""What AWS Budgets itself says of each budget, as a part of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from finops.shared.periods import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsBudget:
    """A budget of the budgets flow, with what AWS Budgets had calculated for it.

    Budgets may count the same costs, so that nobody adds them up.

    Attributes:
        account: Whose costs it counts; of several, the account of its row.
        name: In the budgets table.
        counts: Which costs, where those are not all unblended ones of the account.
        delivery: Which account has the AWS Budget: `spoke` for its own, or `payer`.
        default_of: `*` or the organizational unit whose row the account inherits; may be empty.
        first, last: The days of the period that the figures are of, UTC.
        limit: Of the AWS Budget in that period, in `currency`.
        actual: Costs so far, as AWS had calculated them when they were read.
        variance: `actual` less `limit`.
        forecast: Of the whole period, None where AWS has none; so is its variance then.
        read_at: When the figures were read, UTC.
    """

    account: str
    account_name: str = ""
    name: str
    counts: str
    delivery: str
    default_of: str
    currency: str
    period: str
    first: date
    last: date
    limit: Decimal
    actual: Decimal
    variance: Decimal
    forecast: Decimal | None
    forecast_variance: Decimal | None
    read_at: datetime

    def is_of(self, month: Month) -> bool:
        """Whether AWS said it in the month: what it said later of a year is of later costs."""
        return Month.of(self.read_at.date()) == month


def by_variance(budget: AwsBudget) -> tuple[Decimal, str, str]:
    """Sorts the furthest above its limit first, by forecast where there is one."""
    worst = max(budget.variance, budget.forecast_variance or budget.variance)
    return -worst, budget.account, budget.name
