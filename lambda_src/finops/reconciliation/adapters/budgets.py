"""The budgets flow's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.approvals import standing_budget
from finops.budgets.domain import Budget, BudgetKey, Status, TimeUnit
from finops.budgets.rows import parse_budget
from finops.reconciliation.domain import UnitBudget
from finops.shared.errors import RejectedInput
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

    @cached_property
    def _budgets(self) -> list[Budget]:
        """Of all months: a year's are asked for one by one."""
        return list(self._read())

    def _read(self) -> Iterator[Budget]:
        statuses = {one.key: one for one in self._statuses.all()} if self._statuses else {}
        own = set()
        for row in self._table.rows():
            key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
            own.add(key)
            status = statuses.get(key)
            waits = status is not None and status.status is Status.WAITING
            if budget := standing_budget(status) if status and waits else _of(row):
                yield budget
        for key, status in statuses.items():
            inherited = status.default_of and status.status is not Status.REMOVED
            if inherited and key not in own and (budget := standing_budget(status)):
                yield budget


def _of(row: Mapping[str, object]) -> Budget | None:
    try:
        return parse_budget(row)
    except RejectedInput:
        return None
