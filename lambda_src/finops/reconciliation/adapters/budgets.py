"""The budgets flow's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.approvals import standing_budget
from finops.budgets.comparison import spend_is_known
from finops.budgets.domain import MONTHS_OF, Budget, BudgetKey, Status, TimeUnit, period_start
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from finops.budgets.statuses import still_stands
from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.domain import UnitBudget
from finops.shared.errors import RejectedInput
from finops.shared.money import minor_units, rounded
from finops.shared.periods import Month


class TableBudgets:
    """`BudgetRows` in the budgets flow's table. Rows that the flow refuses are left out.

    What an account inherits from a default is in the table of statuses, and so is what stands while
    a raise of a row waits for approval.
    """

    def __init__(self, table: DynamoBudgetTable, statuses: DynamoStatusTable | None = None) -> None:
        self._table = table
        self._statuses = statuses

    def monthly(self, month: Month) -> dict[str, list[UnitBudget]]:
        found: dict[str, list[UnitBudget]] = {}
        for budget in self._budgets:
            if budget.time_unit is not TimeUnit.MONTHLY:
                continue
            # Others count something else than the account's unblended cost.
            if budget.counts_whole_account:
                found.setdefault(budget.key.account_id, []).append(
                    UnitBudget(
                        monthly_target=budget.plan.of(month),
                        currency=budget.currency,
                        origin="budgets table",
                    )
                )
        return found

    def calculated(self) -> list[AwsBudget] | None:
        """What the drift run has read of AWS Budgets, of each account's budgets."""
        if self._statuses is None:
            return None
        return [one for status in self._known.values() if (one := _calculated(status))]

    @cached_property
    def _known(self) -> dict[BudgetKey, BudgetStatus]:
        return {one.key: one for one in self._statuses.all()} if self._statuses else {}

    @cached_property
    def _budgets(self) -> list[Budget]:
        """Of all months: a year's are asked for one by one."""
        return list(self._read())

    def _read(self) -> Iterator[Budget]:
        statuses = self._known
        own = set()
        for row in self._table.rows():
            key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
            own.add(key)
            status = statuses.get(key)
            waits = status is not None and status.status is Status.WAITING
            budget = standing_budget(status) if status and waits else _of(row, status)
            if budget:
                yield budget
        for key, status in statuses.items():
            inherited = status.default_of and status.status is not Status.REMOVED
            if inherited and key not in own and (budget := standing_budget(status)):
                yield budget


def _calculated(status: BudgetStatus) -> AwsBudget | None:
    """None where AWS has not calculated since the budget was last changed, or it was removed."""
    budget, read_at = standing_budget(status), status.spend_at
    if budget is None or read_at is None or not status.actual_spend or not spend_is_known(status):
        return None
    if status.status is Status.REMOVED:
        return None
    digits = minor_units()[budget.currency] or 0
    limit, actual = budget.amount_at(read_at), rounded(Decimal(status.actual_spend), digits)
    forecast = None
    if status.forecasted_spend:
        forecast = rounded(Decimal(status.forecasted_spend), digits)
    first = period_start(budget.time_unit, read_at).date()
    months = MONTHS_OF.get(budget.time_unit)
    return AwsBudget(
        account=budget.key.account_id,
        name=budget.key.budget_name,
        counts=_counts(budget),
        delivery=budget.delivery.value,
        default_of=status.default_of,
        currency=budget.currency,
        period=budget.time_unit.value,
        first=first,
        last=Month.of(first).plus(months - 1).last if months else first,
        limit=limit,
        actual=actual,
        variance=actual - limit,
        forecast=forecast,
        forecast_variance=None if forecast is None else forecast - limit,
        read_at=read_at,
    )


def _counts(budget: Budget) -> str:
    if budget.counts_whole_account:
        return ""
    filters = (f"{name} {', '.join(values)}" for name, values in budget.cost_filters.items())
    return "; ".join((*filters, *budget.cost_types))


def _of(row: Mapping[str, object], status: BudgetStatus | None) -> Budget | None:
    try:
        return parse_budget(row)
    except RejectedInput:
        return still_stands(row, status)
