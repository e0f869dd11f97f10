"""AWS Budgets of this account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from finops.budgets.attributes import (
    BUDGET_TYPE,
    NO_END,
    aws_settings,
    members_beyond_rows,
    planned_in_aws,
    settings_in_aws,
    starts_later,
)
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    Notification,
    NotificationChanges,
    NotificationType,
    Spend,
    Threshold,
    as_percent,
    period_start,
    wanted_subscribers,
)
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure

# AWS says so by "is a linked account. To enable budgets for your account, ask the payer account".
_NO_BUDGETS_YET: Final = (
    "In the payer account enable Cost Explorer, which enables budgets. A new member account waits"
    " up to 24 hours for them; the drift schedule tries again until then"
)


class AwsBudgets:
    """This account's AWS Budgets."""

    def __init__(
        self,
        client: Any,
        account_id: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._client = client
        self._account_id = account_id

    def get(self, budget_name: str) -> ActualBudget | None:
        where = {"AccountId": self._account_id, "BudgetName": budget_name}
        try:
            with aws_errors("read_budget"):
                budget = self._client.describe_budget(**where, ShowFilterExpression=True)["Budget"]
        except ConfigurationError as error:
            if error.code == "NotFoundException":
                return None
            raise
        notifications = self._listed("describe_notifications_for_budget", "Notifications", **where)
        return actual_budget(budget, [self._notification(where, raw) for raw in notifications])

    def create(self, budget: Budget, topic_arn: str, tags: Mapping[str, str]) -> None:
        subscribers = _subscribers(wanted_subscribers(budget, topic_arn))
        with _conflicts_are_transient("create_budget", remedy=_NO_BUDGETS_YET):
            self._client.create_budget(
                AccountId=self._account_id,
                Budget={
                    "BudgetName": budget.aws_name,
                    "BudgetType": BUDGET_TYPE,
                    **aws_settings(budget, self._clock()),
                },
                NotificationsWithSubscribers=[
                    {"Notification": _notification(one), "Subscribers": subscribers}
                    for one in budget.thresholds or ()
                ],
                ResourceTags=_resource_tags(tags),
            )

    def update_settings(self, budget: Budget, actual: ActualBudget) -> None:
        # UpdateBudget replaces the whole budget, so the rest is sent back as it was described.
        kept = {
            name: value
            for name, value in actual.raw.items()
            if name in ("BudgetName", "BillingViewArn")
        }
        if "BillingViewArn" in actual.beyond_rows:
            partition = kept["BillingViewArn"].split(":")[1]
            kept["BillingViewArn"] = (
                f"arn:{partition}:billing::{self._account_id}:billingview/primary"
            )
        # AWS rejects a period that starts in the middle of a new unit.
        if actual.settings["time_unit"] == budget.time_unit and "TimePeriod" in actual.raw:
            kept["TimePeriod"] = {**actual.raw["TimePeriod"], "End": NO_END}
        if starts_later(actual.raw):
            start = period_start(budget.time_unit, actual.raw["LastUpdatedTime"])
            kept["TimePeriod"] = {"Start": start, "End": NO_END}
        with _conflicts_are_transient("update_budget"):
            self._client.update_budget(
                AccountId=self._account_id,
                NewBudget={
                    **kept,
                    "BudgetType": BUDGET_TYPE,
                    **aws_settings(budget, self._clock()),
                },
            )

    def change_notifications(self, budget: Budget, changes: NotificationChanges) -> None:
        where = {"AccountId": self._account_id, "BudgetName": budget.aws_name}
        with _conflicts_are_transient("change_notifications"):
            for one in changes.delete:
                self._client.delete_notification(Notification=_raw(one), **where)
            for one in changes.create:
                self._client.create_notification(
                    Notification=_raw(one), Subscribers=_subscribers(one.subscribers), **where
                )
            for one, old, new in changes.replace:
                self._client.update_subscriber(
                    Notification=_raw(one),
                    OldSubscriber=_subscribers([old])[0],
                    NewSubscriber=_subscribers([new])[0],
                    **where,
                )
            for one, subscriber in changes.subscribe:
                self._client.create_subscriber(
                    Notification=_raw(one), Subscriber=_subscribers([subscriber])[0], **where
                )
            for one, subscriber in changes.unsubscribe:
                self._client.delete_subscriber(
                    Notification=_raw(one), Subscriber=_subscribers([subscriber])[0], **where
                )

    def tag(self, budget_name: str, tags: Mapping[str, str]) -> None:
        with _conflicts_are_transient("tag_budget"):
            self._client.tag_resource(
                ResourceARN=self._arn(budget_name), ResourceTags=_resource_tags(tags)
            )

    def tags(self, budget_name: str) -> dict[str, str]:
        try:
            with aws_errors("read_budget"):
                answer = self._client.list_tags_for_resource(ResourceARN=self._arn(budget_name))
        except ConfigurationError as error:
            if error.code == "NotFoundException":
                return {}
            raise
        return {one["Key"]: one["Value"] for one in answer.get("ResourceTags") or ()}

    def _arn(self, budget_name: str) -> str:
        partition = self._client.meta.partition
        return f"arn:{partition}:budgets::{self._account_id}:budget/{budget_name}"

    def delete(self, budget_name: str) -> None:
        try:
            with aws_errors("delete_budget"):
                self._client.delete_budget(AccountId=self._account_id, BudgetName=budget_name)
        except ConfigurationError as error:
            if error.code != "NotFoundException":
                raise

    def _notification(self, where: Mapping[str, str], raw: Mapping[str, Any]) -> Notification:
        # AWS may reject a request with NotificationState, which only answers have.
        identity = {name: value for name, value in raw.items() if name != "NotificationState"}
        subscribers = frozenset(
            (subscriber["SubscriptionType"], subscriber["Address"])
            for subscriber in self._listed(
                "describe_subscribers_for_notification",
                "Subscribers",
                Notification=identity,
                **where,
            )
        )
        expressible = (
            raw.get("ComparisonOperator") == "GREATER_THAN"
            and raw.get("ThresholdType", "PERCENTAGE") == "PERCENTAGE"
        )
        return Notification(
            threshold=Threshold(
                type=NotificationType(raw["NotificationType"]),
                percent=as_percent(raw["Threshold"]),
            )
            if expressible
            else None,
            subscribers=subscribers,
            raw=identity,
        )

    def _listed(self, operation: str, member: str, **where: Any) -> list[Any]:
        """What an operation lists, which is nothing where AWS does not find it.

        AWS does not say whether that is the budget or what is listed. Changes that build on it fail
        as overtaken, and the retry reads the budget again.
        """
        try:
            with aws_errors("read_budget"):
                pages = self._client.get_paginator(operation).paginate(**where)
                return [one for page in pages for one in page.get(member, [])]
        except ConfigurationError as error:
            if error.code == "NotFoundException":
                return []
            raise


@contextmanager
def _conflicts_are_transient(step: str, *, remedy: str = "") -> Iterator[None]:
    """Treat "already exists" and "not found" as transient: the budget changed since it was read.

    Another run changed it, or a person, or this call itself, whose answer was lost before botocore
    repeated it. The retry reads the budget again and does what is left.
    """
    try:
        with aws_errors(step, remedy=remedy):
            yield
    except ConfigurationError as error:
        if error.code in ("DuplicateRecordException", "NotFoundException"):
            raise TransientFailure(error.message, code="overtaken", step=step) from error
        raise


def actual_budget(budget: Mapping[str, Any], notifications: Iterable[Notification]) -> ActualBudget:
    """The budget in an answer of DescribeBudget or DescribeBudgets."""
    settings = settings_in_aws(budget)
    return ActualBudget(
        settings=settings,
        planned=planned_in_aws(budget, str(settings["currency"])),
        notifications=tuple(notifications),
        beyond_rows=members_beyond_rows(budget),
        updated_at=budget.get("LastUpdatedTime"),
        spend=_spend(budget.get("CalculatedSpend") or {}),
        raw=budget,
    )


def _spend(calculated: Mapping[str, Any]) -> Spend | None:
    """What AWS has calculated.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CalculatedSpend.html
    """
    amounts = {
        name: Decimal(calculated[member]["Amount"])
        for name, member in (("actual", "ActualSpend"), ("forecast", "ForecastedSpend"))
        if member in calculated
    }
    return Spend(**amounts) if "actual" in amounts else None


def _resource_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _notification(threshold: Threshold) -> dict[str, Any]:
    return {
        "NotificationType": threshold.type.value,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": float(threshold.percent),
        "ThresholdType": "PERCENTAGE",
    }


def _raw(notification: Notification) -> Mapping[str, Any]:
    if notification.raw or notification.threshold is None:
        return notification.raw
    return _notification(notification.threshold)


def _subscribers(subscribers: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"SubscriptionType": kind, "Address": address} for kind, address in sorted(subscribers)]
