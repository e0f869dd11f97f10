"""Parameter Store and AWS Budgets of the spoke accounts, through each account's role."""

from __future__ import annotations

from finops.budgets.adapters.budgets import actual_budget, in_full
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import ActualBudget
from finops.shared.aws import AssumedRoles, aws_errors


class AssumedSpokes:
    """Spoke accounts through the role that `modules/budgets_spoke` creates in each."""

    def __init__(self, roles: AssumedRoles, *, prefix: str, role_name: str) -> None:
        self._roles = roles
        self._prefix = prefix
        self._role_name = role_name

    def put_document(self, document: BudgetDocument) -> None:
        account_id = document.key.account_id
        with aws_errors("put_parameter", remedy=self._remedy(account_id)):
            self._roles.client("ssm", account_id).put_parameter(
                Name=f"{self._prefix}/{document.key.budget_name}",
                Value=document.encode(),
                Type="String",
                Overwrite=True,
            )

    def documents(self, account_id: str) -> dict[str, str]:
        with aws_errors("read_parameters", remedy=self._remedy(account_id)):
            return {
                parameter["Name"].rpartition("/")[2]: parameter["Value"]
                for page in self._roles.client("ssm", account_id)
                .get_paginator("get_parameters_by_path")
                .paginate(Path=self._prefix)
                for parameter in page["Parameters"]
            }

    def budgets(self, account_id: str) -> dict[str, ActualBudget]:
        with aws_errors("read_budgets", remedy=self._remedy(account_id)):
            budgets = self._roles.client("budgets", account_id)
            return {
                budget["BudgetName"]: actual_budget(budget, ())
                for page in budgets.get_paginator("describe_budgets").paginate(
                    AccountId=account_id, **in_full(budgets, "DescribeBudgets")
                )
                for budget in page.get("Budgets", [])
            }

    def _remedy(self, account_id: str) -> str:
        return (
            f"Deploy modules/budgets_spoke to account {account_id} with this hub's role ARNs and"
            f" external id, so that role {self._role_name} exists there and trusts it. The drift"
            " schedule then publishes the budget"
        )
