"""The budgets flow's table."""

from __future__ import annotations

from finops.budgets.adapters.dynamodb import DynamoBudgetTable
from finops.budgets.domain import TimeUnit
from finops.budgets.rows import parse_budget
from finops.reconciliation.domain import UnitBudget
from finops.shared.errors import RejectedInput


class TableBudgets:
    """`BudgetRows` in the budgets flow's table. Rows that the flow refuses are left out."""

    def __init__(self, table: DynamoBudgetTable) -> None:
        self._table = table

    def monthly(self) -> dict[str, list[UnitBudget]]:
        found: dict[str, list[UnitBudget]] = {}
        for row in self._table.rows():
            try:
                budget = parse_budget(row)
            except RejectedInput:
                continue
            if budget.time_unit is not TimeUnit.MONTHLY:
                continue
            # Others count something else than the account's unblended cost.
            if not budget.cost_filters and not budget.cost_types:
                found.setdefault(budget.key.account_id, []).append(
                    UnitBudget(
                        monthly_target=budget.amount,
                        currency=budget.currency,
                        origin="budgets table",
                    )
                )
        return found
