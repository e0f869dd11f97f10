"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Budgets.html."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, error_code, unique

pytestmark = pytest.mark.needs("budgets_validation")

EMAIL = {"SubscriptionType": "EMAIL", "Address": "finance@example.com"}


def topic(name: str) -> dict[str, str]:
    return {"SubscriptionType": "SNS", "Address": f"arn:aws:sns:us-east-1:222222222222:{name}"}


def notification(threshold: float, kind: str = "ACTUAL") -> dict[str, Any]:
    return {
        "NotificationType": kind,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": threshold,
        "ThresholdType": "PERCENTAGE",
    }


class Budgets:
    """The API for one account, one budget at a time."""

    def __init__(self, account: Account) -> None:
        self.account, self.api, self.name = account, account.client("budgets"), unique("contract")

    def budget(self, amount: str | None = "100", **fields: Any) -> dict[str, Any]:
        limit = {} if amount is None else {"BudgetLimit": {"Amount": amount, "Unit": "USD"}}
        return {
            "BudgetName": self.name,
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            **limit,
            **fields,
        }

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return dict(getattr(self.api, operation)(AccountId=self.account.id, **request))

    def create(self, amount: str | None = "100", **fields: Any) -> None:
        self.call("create_budget", Budget=self.budget(amount, **fields))

    def describe(self, **options: Any) -> dict[str, Any]:
        return dict(self.call("describe_budget", BudgetName=self.name, **options)["Budget"])

    def thresholds(self) -> list[float]:
        answer = self.call("describe_notifications_for_budget", BudgetName=self.name)
        return sorted(item["Threshold"] for item in answer["Notifications"])

    def subscribers(self, of: dict[str, Any]) -> set[str]:
        answer = self.call(
            "describe_subscribers_for_notification", BudgetName=self.name, Notification=of
        )
        return {item["Address"] for item in answer["Subscribers"]}


@pytest.fixture
def budgets(spoke: Account) -> Budgets:
    return Budgets(spoke)


@pytest.mark.parametrize("amount", ["abc", "-5", "1e3", "1,000", " 1", "5.", "0", "0.00", "٣"])
def test_an_amount_that_is_not_a_positive_number_is_refused(budgets: Budgets, amount: str) -> None:
    assert error_code(lambda: budgets.create(amount)) == "InvalidParameterException"
    budgets.create("1")
    update = {"NewBudget": budgets.budget(amount)}
    refused = error_code(lambda: budgets.call("update_budget", **update))
    assert refused == "InvalidParameterException"
    assert Decimal(budgets.describe()["BudgetLimit"]["Amount"]) == 1


@pytest.mark.parametrize("amount", ["100", "100.5", ".5", "0100.00", "123456789012.123456"])
def test_an_amount_keeps_its_value_and_not_its_form(budgets: Budgets, amount: str) -> None:
    budgets.create(amount)
    assert Decimal(budgets.describe()["BudgetLimit"]["Amount"]) == Decimal(amount)


def test_a_cost_budget_needs_a_limit(budgets: Budgets) -> None:
    assert error_code(lambda: budgets.create(None)) == "InvalidParameterException"


def starts(count: int, months: int = 1, first: int = 0) -> list[str]:
    """The starts of so many periods, from the current one or so many later, in epoch seconds."""
    now = datetime.now(UTC)
    month = now.year * 12 + (now.month - 1) // months * months + first * months
    found = [month + number * months for number in range(count)]
    return [str(int(datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC).timestamp())) for at in found]


def limits(keys: list[str]) -> dict[str, dict[str, str]]:
    return {key: {"Amount": str(at), "Unit": "USD"} for at, key in enumerate(keys, start=1)}


@pytest.mark.parametrize(
    ("unit", "keys"),
    [
        ("MONTHLY", starts(11)),
        ("MONTHLY", starts(13)),
        ("MONTHLY", starts(12, first=1)),
        ("MONTHLY", [*starts(11), *starts(1, first=12)]),
        ("MONTHLY", [*starts(11), "1"]),
        ("QUARTERLY", starts(12)),
        ("QUARTERLY", starts(3, 3)),
        ("ANNUALLY", starts(1)),
        ("DAILY", starts(12)),
    ],
)
def test_planned_limits_are_of_twelve_months_or_four_quarters_from_now_on(
    budgets: Budgets, unit: str, keys: list[str]
) -> None:
    """API_budgets_Budget.html: "must start from the current month and include the next 11"."""
    create = partial(budgets.create, None, TimeUnit=unit, PlannedBudgetLimits=limits(keys))
    assert error_code(create) == "InvalidParameterException"


@pytest.mark.parametrize(("unit", "count", "months"), [("MONTHLY", 12, 1), ("QUARTERLY", 4, 3)])
def test_a_planned_budget_is_described_with_the_limit_of_the_current_period(
    budgets: Budgets, unit: str, count: int, months: int
) -> None:
    planned = limits(starts(count, months))
    budgets.create(None, TimeUnit=unit, PlannedBudgetLimits=planned)
    described = budgets.describe()
    assert described["BudgetLimit"] == {"Amount": "1.0", "Unit": "USD"}
    assert set(described["PlannedBudgetLimits"]) == set(planned)
    update = {"NewBudget": budgets.budget("7", TimeUnit=unit)}
    budgets.call("update_budget", **update)
    described = budgets.describe()
    assert described["BudgetLimit"]["Amount"] == "7.0"
    assert not described.get("PlannedBudgetLimits")


def test_limit_and_planned_limits_exclude_each_other(budgets: Budgets) -> None:
    planned = {"1767225600": {"Amount": "1", "Unit": "USD"}}
    code = error_code(lambda: budgets.create("1", PlannedBudgetLimits=planned))
    assert code == "InvalidParameterException"


def test_a_budget_exists_once(budgets: Budgets) -> None:
    budgets.create()
    assert error_code(budgets.create) == "DuplicateRecordException"


def test_a_missing_budget_is_not_found(budgets: Budgets) -> None:
    name = budgets.name
    for call in (
        budgets.describe,
        lambda: budgets.call("update_budget", NewBudget=budgets.budget()),
        lambda: budgets.call("delete_budget", BudgetName=name),
        lambda: budgets.call("describe_notifications_for_budget", BudgetName=name),
        lambda: budgets.call(
            "create_notification",
            BudgetName=name,
            Notification=notification(80),
            Subscribers=[EMAIL],
        ),
        lambda: budgets.call(
            "describe_subscribers_for_notification",
            BudgetName=name,
            Notification=notification(80),
        ),
    ):
        assert error_code(call) == "NotFoundException"


def test_another_accounts_budgets_are_denied(budgets: Budgets, foreign: Account) -> None:
    budgets.create()
    code = error_code(
        lambda: foreign.client("budgets").describe_budget(
            AccountId=budgets.account.id, BudgetName=budgets.name
        )
    )
    assert code == "AccessDeniedException"


def test_update_replaces_the_budget_and_keeps_its_notifications(budgets: Budgets) -> None:
    budgets.call(
        "create_budget",
        Budget=budgets.budget("100", CostFilters={"Service": ["Amazon EC2"]}),
        NotificationsWithSubscribers=[
            {"Notification": notification(80), "Subscribers": [EMAIL, topic("alerts")]}
        ],
    )
    budgets.call("update_budget", NewBudget=budgets.budget("250.5", TimeUnit="QUARTERLY"))
    described = budgets.describe()
    assert Decimal(described["BudgetLimit"]["Amount"]) == Decimal("250.5")
    assert described["TimeUnit"] == "QUARTERLY"
    assert not described.get("CostFilters"), "what the update left out is gone"
    assert budgets.thresholds() == [80.0]
    assert budgets.subscribers(notification(80)) == {EMAIL["Address"], topic("alerts")["Address"]}


def test_more_than_ten_notifications_are_refused(budgets: Budgets) -> None:
    entries = [
        {"Notification": notification(threshold), "Subscribers": [EMAIL]}
        for threshold in range(10, 21)
    ]
    create = {"Budget": budgets.budget(), "NotificationsWithSubscribers": entries}
    refused = error_code(lambda: budgets.call("create_budget", **create))
    assert refused in ("CreationLimitExceededException", "InvalidParameterException")
    create["NotificationsWithSubscribers"] = entries[:10]
    budgets.call("create_budget", **create)
    code = error_code(
        lambda: budgets.call(
            "create_notification",
            BudgetName=budgets.name,
            Notification=notification(99),
            Subscribers=[EMAIL],
        )
    )
    assert code == "CreationLimitExceededException"


@pytest.mark.parametrize(
    ("subscribers", "code"),
    [
        ([topic("a"), topic("b")], "CreationLimitExceededException"),
        (
            [{**EMAIL, "Address": f"a{n}@example.com"} for n in range(11)],
            "CreationLimitExceededException",
        ),
        ([EMAIL, EMAIL], "DuplicateRecordException"),
        ([{**EMAIL, "Address": "not an address"}], "InvalidParameterException"),
        ([{**topic("a"), "Address": "finance@example.com"}], "InvalidParameterException"),
    ],
)
def test_subscribers_beyond_the_rules_are_refused(
    budgets: Budgets, subscribers: list[dict[str, str]], code: str
) -> None:
    entries = [{"Notification": notification(80), "Subscribers": subscribers}]
    refused = error_code(
        lambda: budgets.call(
            "create_budget", Budget=budgets.budget(), NotificationsWithSubscribers=entries
        )
    )
    assert refused == code
    assert error_code(budgets.describe) == "NotFoundException", "nothing is left half made"


def test_one_topic_and_ten_addresses_are_accepted(budgets: Budgets) -> None:
    ten = [{**EMAIL, "Address": f"a{n}@example.com"} for n in range(10)]
    entries = [{"Notification": notification(80), "Subscribers": [topic("a"), *ten]}]
    budgets.call("create_budget", Budget=budgets.budget(), NotificationsWithSubscribers=entries)
    assert len(budgets.subscribers(notification(80))) == 11


def test_notifications_are_created_updated_and_deleted_by_their_identity(
    budgets: Budgets,
) -> None:
    budgets.create()
    one = {"BudgetName": budgets.name, "Notification": notification(80)}
    budgets.call("create_notification", **one, Subscribers=[EMAIL])
    assert (
        error_code(lambda: budgets.call("create_notification", **one, Subscribers=[EMAIL]))
        == "DuplicateRecordException"
    )
    budgets.call(
        "update_notification",
        BudgetName=budgets.name,
        OldNotification=notification(80),
        NewNotification=notification(90, "FORECASTED"),
    )
    assert budgets.thresholds() == [90.0]
    assert budgets.subscribers(notification(90, "FORECASTED")) == {EMAIL["Address"]}
    assert error_code(lambda: budgets.call("delete_notification", **one)) == "NotFoundException"
    one["Notification"] = notification(90, "FORECASTED")
    budgets.call("delete_notification", **one)
    assert budgets.thresholds() == []


def test_subscribers_are_created_updated_and_deleted(budgets: Budgets) -> None:
    budgets.create()
    one = {"BudgetName": budgets.name, "Notification": notification(80)}
    other = {**EMAIL, "Address": "cfo@example.com"}
    budgets.call("create_notification", **one, Subscribers=[topic("a")])
    budgets.call("create_subscriber", **one, Subscriber=EMAIL)
    for subscriber, code in (
        (EMAIL, "DuplicateRecordException"),
        (topic("b"), "CreationLimitExceededException"),
    ):
        create = partial(budgets.call, "create_subscriber", **one, Subscriber=subscriber)
        assert error_code(create) == code
    budgets.call("update_subscriber", **one, OldSubscriber=EMAIL, NewSubscriber=other)
    budgets.call("update_subscriber", **one, OldSubscriber=topic("a"), NewSubscriber=topic("b"))
    assert budgets.subscribers(notification(80)) == {other["Address"], topic("b")["Address"]}
    budgets.call("delete_subscriber", **one, Subscriber=other)
    budgets.call("delete_subscriber", **one, Subscriber=topic("b"))
    assert budgets.thresholds() == [], "a notification goes with its last subscriber"


def test_lists_come_in_pages(budgets: Budgets, spoke: Account) -> None:
    names = {budgets.name}
    budgets.create()
    for _ in range(2):
        another = Budgets(spoke)
        another.create()
        names.add(another.name)
    pages = budgets.api.get_paginator("describe_budgets").paginate(
        AccountId=spoke.id, PaginationConfig={"PageSize": 1}
    )
    listed = [item["BudgetName"] for page in pages for item in page["Budgets"]]
    assert names <= set(listed)
    assert len(listed) == len(set(listed))
    code = error_code(lambda: budgets.call("describe_budgets", NextToken="never given out"))
    assert code == "InvalidNextTokenException"


def test_a_described_budget_has_what_aws_fills_in(budgets: Budgets) -> None:
    budgets.create()
    described = budgets.describe()
    assert described["CostTypes"]["IncludeTax"] is True
    assert described["CostTypes"]["UseBlended"] is False
    assert described["TimePeriod"]["End"].year == 2087
    assert described["TimePeriod"]["Start"].day == 1
    assert Decimal(described["CalculatedSpend"]["ActualSpend"]["Amount"]) == 0
    assert described["LastUpdatedTime"]


def test_a_filter_expression_is_described_on_request_only(budgets: Budgets) -> None:
    """API_budgets_DescribeBudget.html; what AWS leaves out of the rest: provider issue 42589."""
    expression = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}
    budgets.create(FilterExpression=expression, Metrics=["UnblendedCost"])
    plain, whole = budgets.describe(), budgets.describe(ShowFilterExpression=True)
    assert {"FilterExpression", "Metrics", "CostTypes"}.isdisjoint(plain)
    assert not plain.get("CostFilters")
    assert (whole["FilterExpression"], whole["Metrics"]) == (expression, ["UnblendedCost"])
    assert not whole.get("CostTypes")
    pages = budgets.api.get_paginator("describe_budgets").paginate(
        AccountId=budgets.account.id, ShowFilterExpression=True
    )
    listed = {one["BudgetName"]: one for page in pages for one in page["Budgets"]}
    assert listed[budgets.name]["FilterExpression"] == expression
    budgets.call("update_budget", NewBudget=budgets.budget())
    again = budgets.describe(ShowFilterExpression=True)
    assert {"FilterExpression", "Metrics"}.isdisjoint(again), "an update replaces the whole budget"
    assert again["CostTypes"]["IncludeCredit"] is True


def test_a_missing_notification_is_not_found_though_its_budget_is_there(budgets: Budgets) -> None:
    """NotFoundException does not say which: API_budgets_DescribeSubscribersForNotification.html."""
    budgets.create()
    assert error_code(lambda: budgets.subscribers(notification(80))) == "NotFoundException"
    assert budgets.describe()["BudgetName"] == budgets.name


def test_a_new_member_account_may_not_create_budgets_yet(spoke: Account) -> None:
    """ "is a linked account": https://github.com/org-formation/org-formation-cli/pull/198."""
    young = Budgets(replace(spoke, id="888888888888"))
    assert error_code(young.create) == "AccessDeniedException"
    assert error_code(young.describe) == "NotFoundException"


def test_a_daily_budget_starts_today_and_takes_no_alert_on_the_forecast(budgets: Budgets) -> None:
    """API_budgets_Budget.html; the refusal: https://github.com/JiRaska/open-bank-oss/pull/226."""
    before = datetime.now(UTC).date()
    alert = {"Notification": notification(80), "Subscribers": [EMAIL]}
    forecast = {"Notification": notification(80, "FORECASTED"), "Subscribers": [EMAIL]}
    daily = budgets.budget("10.5", TimeUnit="DAILY")
    create = partial(budgets.call, "create_budget", Budget=daily)
    code = error_code(lambda: create(NotificationsWithSubscribers=[alert, forecast]))
    assert code == "InvalidParameterException"
    create(NotificationsWithSubscribers=[alert])
    described = budgets.describe()
    assert (described["TimeUnit"], described["BudgetLimit"]["Amount"]) == ("DAILY", "10.5")
    assert (
        before
        <= described["TimePeriod"]["Start"].astimezone(UTC).date()
        <= datetime.now(UTC).date()
    )
    add = partial(budgets.call, "create_notification", BudgetName=budgets.name, **forecast)
    assert error_code(add) == "InvalidParameterException"
    budgets.call("update_budget", NewBudget=budgets.budget("10.5"))
    add()
    back = error_code(lambda: budgets.call("update_budget", NewBudget=daily))
    assert back == "InvalidParameterException"
    assert budgets.describe()["TimeUnit"] == "MONTHLY"


def test_cost_types_that_are_left_out_have_their_defaults(budgets: Budgets) -> None:
    """API_budgets_CostTypes.html: all costs are included, unblended."""
    budgets.create(CostTypes={"UseAmortized": True, "IncludeCredit": False})
    named = budgets.describe()["CostTypes"]
    assert (named.pop("UseAmortized"), named.pop("IncludeCredit")) == (True, False)
    assert named.pop("UseBlended") is False
    assert len(named) == 8
    assert all(named.values())
    budgets.call("update_budget", NewBudget=budgets.budget())
    again = budgets.describe()["CostTypes"]
    assert (again["UseAmortized"], again["IncludeCredit"]) == (False, True)
