"""The budgets flow's table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.documents import decode_document
from finops.budgets.domain import Budget, Status, TimeUnit
from finops.budgets.rows import parse_budget
from finops.reconciliation.domain import UnitBudget
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month


class TableBudgets:
    """`BudgetRows` in the budgets flow's table. Rows that the flow refuses are left out.

    What an account inherits from a default is in the table of statuses.
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
        own = set()
        for row in self._table.rows():
            own.add((row["account_id"], row["budget_name"]))
            try:
                yield parse_budget(row)
            except RejectedInput:
                continue
        for status in self._statuses.all() if self._statuses else ():
            if not status.default_of or status.status is Status.REMOVED or not status.document:
                continue
            try:
                inherited = decode_document(status.document).budget
            except RejectedInput:
                continue
            if inherited and (status.key.account_id, status.key.budget_name) not in own:
                yield inherited
