"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, unique

pytestmark = pytest.mark.needs("budgets_iam")


def budget(name: str) -> dict[str, Any]:
    return {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "10", "Unit": "USD"},
    }


NOTIFICATION = {
    "NotificationType": "ACTUAL",
    "ComparisonOperator": "GREATER_THAN",
    "Threshold": 80.0,
    "ThresholdType": "PERCENTAGE",
}
SUBSCRIBERS = [{"SubscriptionType": "EMAIL", "Address": "finance@example.com"}]


@pytest.fixture
def name(spoke: Account) -> str:
    name = unique("contract")
    spoke.client("budgets").create_budget(AccountId=spoke.id, Budget=budget(name))
    return name


def arn(account: Account, name: str) -> str:
    return f"arn:aws:budgets::{account.id}:budget/{name}"


def as_role(account: Account, action: str, resource: str) -> Any:
    return account.client("budgets", account.assume(account.role(allow(action, resource))))


def test_view_budget_reads_and_does_not_change(spoke: Account, name: str) -> None:
    budgets = as_role(spoke, "budgets:ViewBudget", arn(spoke, name))
    budgets.describe_budget(AccountId=spoke.id, BudgetName=name)
    budgets.describe_notifications_for_budget(AccountId=spoke.id, BudgetName=name)
    for change in (
        lambda: budgets.update_budget(AccountId=spoke.id, NewBudget=budget(name)),
        lambda: budgets.delete_budget(AccountId=spoke.id, BudgetName=name),
        lambda: budgets.create_notification(
            AccountId=spoke.id,
            BudgetName=name,
            Notification=NOTIFICATION,
            Subscribers=SUBSCRIBERS,
        ),
    ):
        assert error_code(change) == "AccessDeniedException"


def test_modify_budget_changes_and_does_not_read(spoke: Account, name: str) -> None:
    budgets = as_role(spoke, "budgets:ModifyBudget", arn(spoke, name))
    budgets.update_budget(AccountId=spoke.id, NewBudget=budget(name))
    budgets.create_notification(
        AccountId=spoke.id, BudgetName=name, Notification=NOTIFICATION, Subscribers=SUBSCRIBERS
    )
    budgets.delete_budget(AccountId=spoke.id, BudgetName=name)
    budgets.create_budget(AccountId=spoke.id, Budget=budget(name))
    code = error_code(lambda: budgets.describe_budget(AccountId=spoke.id, BudgetName=name))
    assert code == "AccessDeniedException"


def test_a_statement_for_one_budget_does_not_cover_another(spoke: Account, name: str) -> None:
    budgets = as_role(spoke, "budgets:*", arn(spoke, name))
    other = f"{name}-other"
    for call in (
        lambda: budgets.create_budget(AccountId=spoke.id, Budget=budget(other)),
        lambda: budgets.describe_budget(AccountId=spoke.id, BudgetName=other),
        lambda: budgets.describe_budgets(AccountId=spoke.id),
    ):
        assert error_code(call) == "AccessDeniedException"


def test_listing_needs_view_budget_on_every_budget(spoke: Account, name: str) -> None:
    budgets = as_role(spoke, "budgets:ViewBudget", arn(spoke, "*"))
    listed = budgets.describe_budgets(AccountId=spoke.id)["Budgets"]
    assert name in {item["BudgetName"] for item in listed}


def test_operation_names_are_not_actions(spoke: Account, name: str) -> None:
    budgets = as_role(spoke, "budgets:DescribeBudget", "*")
    code = error_code(lambda: budgets.describe_budget(AccountId=spoke.id, BudgetName=name))
    assert code == "AccessDeniedException"


def test_a_budget_has_the_tags_that_it_is_made_with_until_it_is_deleted(spoke: Account) -> None:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html

    That updates keep them: "By design our update API for budgets [...] do not support updating
    tags", https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2037.
    """
    budgets, name = spoke.client("budgets"), unique("contract")
    tag = {"Key": "finops:parameter", "Value": f"/finops/budgets/{name}"}

    def tags() -> list[dict[str, str]]:
        answer = budgets.list_tags_for_resource(ResourceARN=arn(spoke, name))
        return list(answer.get("ResourceTags") or ())

    budgets.create_budget(AccountId=spoke.id, Budget=budget(name), ResourceTags=[tag])
    assert tags() == [tag]
    budgets.update_budget(AccountId=spoke.id, NewBudget=budget(name))
    assert tags() == [tag]
    budgets.delete_budget(AccountId=spoke.id, BudgetName=name)
    budgets.create_budget(AccountId=spoke.id, Budget=budget(name))
    assert tags() == []


def test_tags_have_actions_of_their_own(spoke: Account, name: str) -> None:
    tag = {"ResourceARN": arn(spoke, name), "ResourceTags": [{"Key": "a", "Value": "b"}]}
    denied = as_role(spoke, "budgets:ModifyBudget", arn(spoke, name))
    assert error_code(lambda: denied.tag_resource(**tag)) == "AccessDeniedException"
    as_role(spoke, "budgets:TagResource", arn(spoke, name)).tag_resource(**tag)
