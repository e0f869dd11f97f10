"""Parameter Store and AWS Budgets of the spoke accounts, through each account's role."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from finops.budgets.adapters.budgets import actual_budget
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import ActualBudget
from finops.shared.aws import AssumedRoles, aws_errors
from finops.shared.errors import ConfigurationError


class Accounts(Protocol):
    """Who knows which accounts there are."""

    def reason_against(self, account_id: str) -> str:
        """Why no budget can be made in an account; empty where nothing is known."""

    def members(self) -> dict[str, str]:
        """Their ids, with their names where somebody knows them."""

    def is_below(self, account_id: str, unit: str) -> bool:
        """Whether an account is in a unit or below it, asked of the account itself."""

    def inherits(self, account_id: str) -> bool:
        """Whether an account may have budgets by default."""

    def parents(self, units: Collection[str]) -> Mapping[str, str]:
        """The unit above each unit and account that is below one of these units."""


class AssumedSpokes:
    """Spoke accounts through the role that `modules/budgets_spoke` creates in each."""

    def __init__(
        self, roles: AssumedRoles, *, accounts: Accounts, prefix: str, role_name: str
    ) -> None:
        self._roles = roles
        self._accounts = accounts
        self._prefix = prefix
        self._role_name = role_name

    def put_document(self, document: BudgetDocument) -> None:
        account_id = document.key.account_id
        with self._spoke(account_id, "put_parameter"):
            self._roles.client("ssm", account_id).put_parameter(
                Name=f"{self._prefix}/{document.key.budget_name}",
                Value=document.encode(),
                Type="String",
                Overwrite=True,
            )

    def documents(self, account_id: str) -> dict[str, str]:
        with (
            self._spoke(account_id, "read_parameters"),
            self._roles.shared("ssm", account_id) as ssm,
        ):
            pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=self._prefix)
            return {
                parameter["Name"].rpartition("/")[2]: parameter["Value"]
                for page in pages
                for parameter in page["Parameters"]
            }

    def budgets(self, account_id: str) -> dict[str, ActualBudget]:
        with (
            self._spoke(account_id, "read_budgets"),
            self._roles.shared("budgets", account_id) as budgets,
        ):
            pages = budgets.get_paginator("describe_budgets").paginate(
                AccountId=account_id, ShowFilterExpression=True
            )
            return {
                budget["BudgetName"]: actual_budget(budget, ())
                for page in pages
                for budget in page.get("Budgets", [])
            }

    @contextmanager
    def _spoke(self, account_id: str, step: str) -> Iterator[None]:
        """Tell an account that cannot have budgets apart from one whose spoke is not deployed."""
        try:
            with aws_errors(step, remedy=self._remedy(account_id)):
                yield
        except ConfigurationError as error:
            if error.step != "assume_role" or not (
                reason := self._accounts.reason_against(account_id)
            ):
                raise
            raise ConfigurationError(
                reason,
                code="unknown_account",
                step=error.step,
                remedy="Correct the row's account_id, or add the account. The drift schedule then"
                " publishes the budget",
            ) from error

    def _remedy(self, account_id: str) -> str:
        return (
            f"Deploy modules/budgets_spoke to account {account_id} with this hub's role ARNs and"
            f" external id, so that role {self._role_name} exists there and trusts it. The drift"
            " schedule then publishes the budget"
        )
