"""What AWS Budgets itself says of each budget, as a part of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

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


def budgets_in(document: Mapping[str, Any]) -> tuple[AwsBudget, ...]:
    """Those of a stored report, as `as_document` gives it; none where it is of an older version."""
    return tuple(
        AwsBudget(**{name: read(one[name]) for name, read in _READ.items()})
        for one in document.get("aws_budgets") or ()
    )


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    **{one.name: str for one in fields(AwsBudget)},
    "first": date.fromisoformat,
    "last": date.fromisoformat,
    "read_at": datetime.fromisoformat,
    **dict.fromkeys(("limit", "actual", "variance", "forecast", "forecast_variance"), _amount),
}


def with_kept(
    now: Sequence[AwsBudget] | None, kept: Sequence[AwsBudget]
) -> tuple[AwsBudget, ...] | None:
    """What was known of a month before, with what is known now of the same budgets instead."""
    if now is None and not kept:
        return None
    newest = {(one.account, one.name): one for one in (*kept, *(now or ()))}
    return tuple(sorted(newest.values(), key=by_variance))


def by_variance(budget: AwsBudget) -> tuple[Decimal, str, str]:
    """Sorts the furthest above its limit first, by forecast where there is one."""
    worst = max(budget.variance, budget.forecast_variance or budget.variance)
    return -worst, budget.account, budget.name
