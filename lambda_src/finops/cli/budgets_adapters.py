"""The budgets flow's tables, for whoever edits them."""

from __future__ import annotations

from finops.budgets.adapters import DynamoBudgetTable, DynamoStatusTable
from finops.cli.adapters import Aws, BudgetRows
from finops.cli.environment import Environment


class Tables:
    """The two tables of the budgets flow."""

    def __init__(self, environment: Environment) -> None:
        self.aws = Aws(environment)
        dynamodb = self.aws.client("dynamodb")
        self.edits = BudgetRows(dynamodb, environment.budgets_table)
        self.rows = DynamoBudgetTable(dynamodb, environment.budgets_table)
        self.statuses = DynamoStatusTable(dynamodb, environment.budget_status_table)
