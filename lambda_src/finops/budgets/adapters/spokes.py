"""Parameter Store and AWS Budgets of the spoke accounts, through each account's role."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from finops.budgets.adapters.budgets import actual_budget
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import LINKED_ACCOUNT, ActualBudget, BudgetKey, Delivery
from finops.budgets.ports import UNKNOWN_ACCOUNT
from finops.shared.aws import AssumedRoles, aws_errors
from finops.shared.errors import ConfigurationError

_CORRECT: Final = (
    "Correct the row's account_id, or add the account. The drift schedule then publishes the budget"
)
#: Names of the budgets that the payer has for other accounts.
_FOR_AN_ACCOUNT: Final = re.compile(r"[0-9]{12}/[^/]+")


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
    """Spoke accounts through the role that `modules/budgets_spoke` creates in each.

    The payer is the management account, whose own spoke has a parameter and a budget for each that
    it delivers, by the account and the budget's name.
    """

    def __init__(
        self,
        roles: AssumedRoles,
        *,
        accounts: Accounts,
        prefix: str,
        role_name: str,
        payer_account_id: str,
    ) -> None:
        self._roles = roles
        self._payer = payer_account_id
        self._accounts = accounts
        self._prefix = prefix
        self._role_name = role_name

    def put_document(self, document: BudgetDocument) -> None:
        account_id = self._delivering(document.key.account_id, document.delivery)
        self._refuse_unknown(document)
        with self._spoke(account_id, "put_parameter"):
            self._roles.client("ssm", account_id).put_parameter(
                Name=f"{self._prefix}/{document.aws_name}",
                Value=document.encode(),
                Type="String",
                Overwrite=True,
            )

    def documents(self, account_id: str, delivery: Delivery = Delivery.SPOKE) -> dict[str, str]:
        delivering = self._delivering(account_id, delivery)
        path = BudgetKey(account_id=account_id, budget_name="").name_in(delivery)
        with (
            self._spoke(delivering, "read_parameters"),
            self._roles.shared("ssm", delivering) as ssm,
        ):
            pages = ssm.get_paginator("get_parameters_by_path").paginate(
                Path=f"{self._prefix}/{path}".removesuffix("/")
            )
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
                if account_id != self._payer or not _FOR_AN_ACCOUNT.fullmatch(budget["BudgetName"])
            }

    def payer_budgets(self, account_id: str, names: Collection[str]) -> dict[str, ActualBudget]:
        with (
            self._spoke(self._payer, "read_budgets"),
            self._roles.shared("budgets", self._payer) as budgets,
        ):
            asked = {
                name: self._payer_budget(
                    budgets, BudgetKey(account_id=account_id, budget_name=name)
                )
                for name in sorted(names)
            }
        return {name: budget for name, budget in asked.items() if budget}

    def _payer_budget(self, budgets: Any, key: BudgetKey) -> ActualBudget | None:
        try:
            with aws_errors("read_budget"):
                answer = budgets.describe_budget(
                    AccountId=self._payer,
                    BudgetName=key.name_in(Delivery.PAYER),
                    ShowFilterExpression=True,
                )
        except ConfigurationError as error:
            if error.code == "NotFoundException":
                return None
            raise
        return actual_budget(answer["Budget"], ())

    def _delivering(self, account_id: str, delivery: Delivery) -> str:
        return self._payer if delivery is Delivery.PAYER else account_id

    def _refuse_unknown(self, document: BudgetDocument) -> None:
        """Refuse to filter on an account that cannot be: the budget would count nothing."""
        if not document.budget or document.delivery is not Delivery.PAYER:
            return
        for account_id in document.budget.cost_filters[LINKED_ACCOUNT]:
            known = account_id == self._payer
            if reason := "" if known else self._accounts.reason_against(account_id):
                raise ConfigurationError(
                    reason, code=UNKNOWN_ACCOUNT, step="put_parameter", remedy=_CORRECT
                )

    @contextmanager
    def _spoke(self, account_id: str, step: str) -> Iterator[None]:
        """Tell an account that cannot have budgets apart from one whose spoke is not deployed."""
        try:
            with aws_errors(step, remedy=self._remedy(account_id)):
                yield
        except ConfigurationError as error:
            reason = ""
            if error.step == "assume_role" and account_id != self._payer:
                reason = self._accounts.reason_against(account_id)
            if not reason:
                raise
            raise ConfigurationError(
                reason, code=UNKNOWN_ACCOUNT, step=error.step, remedy=_CORRECT
            ) from error

    def _remedy(self, account_id: str) -> str:
        return (
            f"Deploy modules/budgets_spoke to account {account_id} with this hub's role ARNs and"
            f" external id, so that role {self._role_name} exists there and trusts it. The drift"
            " schedule then publishes the budget"
        )
