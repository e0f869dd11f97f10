"""boto3 behind the ports of the budgets flow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetKey,
    Notification,
    NotificationChanges,
    NotificationType,
    Status,
    Threshold,
    as_number,
    plain,
    wanted_subscribers,
)
from finops.budgets.ports import BudgetResult, BudgetStatus
from finops.shared.aws import AssumedRoles, aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

RESULT_SOURCE: Final = "finops.budgets"
RESULT_DETAIL_TYPE: Final = "Budget Result"
# Every edit has an end within a minute; one takes a second where all is well.
DEADLINE_SECONDS: Final = 40


class _ExactDeserializer(TypeDeserializer):  # type: ignore[misc]  # boto3 has no types
    """boto3's own refuses numbers of over 38 digits, and would make them poison."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


_deserialize: Final = _ExactDeserializer().deserialize
_serialize: Final = TypeSerializer().serialize


def from_dynamodb(item: Mapping[str, Any]) -> dict[str, Any]:
    """A DynamoDB item, or a stream image, as plain Python values; numbers are `Decimal`."""
    return {name: _deserialize(value) for name, value in item.items()}


class DynamoBudgetTable:
    """The `budgets` table."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def rows(self, account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Every row, or those of one account, read consistently."""
        return _items(self._client, self._table, account_id)


class DynamoStatusTable:
    """The `budget_status` table: conditional writes keep an older version from winning."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, key: BudgetKey) -> BudgetStatus | None:
        """The current status, read consistently."""
        with aws_errors("read_status"):
            item = self._client.get_item(
                TableName=self._table, Key=_key(key), ConsistentRead=True
            ).get("Item")
        return _status(from_dynamodb(item)) if item else None

    def all(self, account_id: str | None = None) -> Iterator[BudgetStatus]:
        """Every status, or those of one account."""
        return (_status(row) for row in _items(self._client, self._table, account_id))

    def open(self, status: BudgetStatus) -> bool:
        """Take up a version unless a newer one, or this one's end, stands there."""
        values = {
            "version": status.version,
            "status": status.status.value,
            "request_id": status.request_id,
            "amount": status.amount,
            "error": status.error,
            "error_code": status.error_code,
            "error_step": status.error_step,
            "updated_by": status.updated_by,
            "action": status.action,
            "edited_at": _text(status.edited_at),
        }
        if status.document:
            values["document"] = status.document
        return self._update(
            status.key,
            values,
            "attribute_not_exists(#version) OR #version < :version"
            " OR (#version = :version AND #status IN (:pending, :failed))",
            {":pending": Status.PENDING.value, ":failed": Status.FAILED.value},
            remove=("reported_at",),
        )

    def fail(self, key: BudgetKey, version: str, error: FinOpsError) -> bool:
        """Mark a version that has no end yet as FAILED; once more for the same reason is fine."""
        return self._update(
            key,
            {
                "status": Status.FAILED.value,
                "error": str(error),
                "error_code": error.code,
                "error_step": error.step,
            },
            "#version = :at AND (#status = :pending OR"
            " (#status = :status AND #error_code = :error_code))",
            {":at": version, ":pending": Status.PENDING.value},
            names={"#version": "version"},
        )

    def close(self, result: BudgetResult) -> bool:
        """Write what the spoke reported, unless the report is stale."""
        reported_at = _text(result.reported_at)
        error = result.error
        values: dict[str, Any] = {
            "status": result.status.value,
            "action": result.action,
            "reported_at": reported_at,
            "error": str(error or ""),
            "error_code": error.code if error else "",
            "error_step": error.step if error else "",
        }
        if result.effective:
            values |= {"applied_amount": result.amount, "applied_at": reported_at}
            if result.latency_ms is not None and result.action != "unchanged":
                values["latency_ms"] = result.latency_ms
        return self._update(
            result.key,
            values,
            "#version = :at AND (attribute_not_exists(#reported_at) OR"
            " #reported_at <= :reported_at)",
            {":at": result.version},
            names={"#version": "version"},
        )

    def _update(
        self,
        key: BudgetKey,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
    ) -> bool:
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        try:
            with aws_errors("write_status"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={
                        **{f"#{name}": name for name in (*values, *remove)},
                        **(names or {}),
                    },
                    ExpressionAttributeValues={
                        **{f":{name}": _serialize(value) for name, value in values.items()},
                        **{name: _serialize(value) for name, value in condition_values.items()},
                    },
                )
        except ConfigurationError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True


class AssumedSpokes:
    """Spoke accounts through the role that `modules/budgets_spoke` makes in each."""

    def __init__(self, roles: AssumedRoles, *, prefix: str, role_name: str) -> None:
        self._roles = roles
        self._prefix = prefix
        self._role_name = role_name

    def put_document(self, document: BudgetDocument) -> None:
        """Write the document to the spoke's parameter, which starts the applier there."""
        account_id = document.key.account_id
        with aws_errors("put_parameter", remedy=self._remedy(account_id)):
            self._roles.client("ssm", account_id).put_parameter(
                Name=f"{self._prefix}/{document.key.budget_name}",
                Value=document.encode(),
                Type="String",
                Overwrite=True,
            )

    def documents(self, account_id: str) -> dict[str, str]:
        """Parameter values of the account by budget name."""
        with aws_errors("read_parameters", remedy=self._remedy(account_id)):
            return {
                parameter["Name"].rpartition("/")[2]: parameter["Value"]
                for page in self._roles.client("ssm", account_id)
                .get_paginator("get_parameters_by_path")
                .paginate(Path=self._prefix)
                for parameter in page["Parameters"]
            }

    def budgets(self, account_id: str) -> dict[str, ActualBudget]:
        """The account's AWS Budgets by name, without their notifications."""
        with aws_errors("read_budgets", remedy=self._remedy(account_id)):
            return {
                budget["BudgetName"]: _actual(budget, ())
                for page in self._roles.client("budgets", account_id)
                .get_paginator("describe_budgets")
                .paginate(AccountId=account_id)
                for budget in page.get("Budgets", [])
            }

    def _remedy(self, account_id: str) -> str:
        return (
            f"Deploy modules/budgets_spoke to account {account_id} with this hub's role ARNs and"
            f" external id, so that role {self._role_name} exists there and trusts it; the drift"
            " schedule then publishes the budget"
        )


class SqsDeadlines:
    """The deadline queue: a delayed message a version."""

    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def schedule(self, documents: Iterable[BudgetDocument]) -> None:
        """Have `expire_pending_budget` look at each of these versions after the deadline."""
        waiting = list(documents)
        for start in range(0, len(waiting), 10):
            entries = [
                {
                    "Id": str(index),
                    "DelaySeconds": DEADLINE_SECONDS,
                    "MessageBody": json.dumps(
                        {
                            "account_id": document.key.account_id,
                            "budget_name": document.key.budget_name,
                            "version": document.version,
                        }
                    ),
                }
                for index, document in enumerate(waiting[start : start + 10])
            ]
            with aws_errors("schedule_deadline"):
                failed = self._client.send_message_batch(
                    QueueUrl=self._queue_url, Entries=entries
                ).get("Failed")
            if failed:
                raise TransientFailure(
                    f"{len(failed)} deadlines were not taken: {failed[0].get('Message')}",
                    code=failed[0]["Code"],
                    step="schedule_deadline",
                )


class SsmParameters:
    """This account's parameters under the prefix."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def get(self, budget_name: str) -> tuple[int, str] | None:
        """(parameter version, value), or None where there is none."""
        try:
            with aws_errors("read_parameter"):
                found = self._client.get_parameter(Name=f"{self._prefix}/{budget_name}")
        except ConfigurationError as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        return found["Parameter"]["Version"], found["Parameter"]["Value"]

    def names(self) -> list[str]:
        """The names of all budgets that have a parameter."""
        with aws_errors("read_parameters"):
            return sorted(
                parameter["Name"].rpartition("/")[2]
                for page in self._client.get_paginator("get_parameters_by_path").paginate(
                    Path=self._prefix
                )
                for parameter in page["Parameters"]
            )

    def delete(self, budget_name: str) -> None:
        """Remove the parameter; none there is fine."""
        try:
            with aws_errors("delete_parameter"):
                self._client.delete_parameter(Name=f"{self._prefix}/{budget_name}")
        except ConfigurationError as error:
            if error.code != "ParameterNotFound":
                raise


class AwsBudgets:
    """This account's AWS Budgets."""

    def __init__(self, client: Any, account_id: str) -> None:
        self._client = client
        self._account_id = account_id

    def get(self, budget_name: str) -> ActualBudget | None:
        """The budget with its notifications, or None where there is none."""
        where = {"AccountId": self._account_id, "BudgetName": budget_name}
        try:
            with aws_errors("read_budget"):
                budget = self._client.describe_budget(**where)["Budget"]
                notifications = [
                    self._notification(where, raw)
                    for page in self._client.get_paginator(
                        "describe_notifications_for_budget"
                    ).paginate(**where)
                    for raw in page.get("Notifications", [])
                ]
        except ConfigurationError as error:
            if error.code == "NotFoundException":
                return None
            raise
        return _actual(budget, notifications)

    def create(self, budget: Budget, topic_arn: str) -> None:
        """Make the budget and its notifications in one call."""
        subscribers = _subscribers(wanted_subscribers(budget, topic_arn))
        with _looking_again_if_overtaken("create_budget"):
            self._client.create_budget(
                AccountId=self._account_id,
                Budget={
                    "BudgetName": budget.key.budget_name,
                    "BudgetType": "COST",
                    **_limit(budget),
                },
                NotificationsWithSubscribers=[
                    {"Notification": _notification(one), "Subscribers": subscribers}
                    for one in budget.thresholds or ()
                ],
            )

    def update_limit(self, budget: Budget, actual: ActualBudget) -> None:
        """Set amount, period and filters, and keep all else of the budget.

        UpdateBudget replaces the whole budget, so it is sent back as it was described.
        """
        kept = {
            name: value
            for name, value in actual.raw.items()
            if name in ("BudgetName", "BudgetType", "CostTypes", "TimePeriod", "BillingViewArn")
        }
        if actual.time_unit != budget.time_unit:
            # A period that starts in the middle of the new unit is refused.
            kept.pop("TimePeriod", None)
        with _looking_again_if_overtaken("update_budget"):
            self._client.update_budget(
                AccountId=self._account_id, NewBudget={**kept, **_limit(budget)}
            )

    def change_notifications(self, budget: Budget, changes: NotificationChanges) -> None:
        """Carry out the changes: additions first, since AWS keeps the last subscriber."""
        where = {"AccountId": self._account_id, "BudgetName": budget.key.budget_name}
        with _looking_again_if_overtaken("change_notifications"):
            for one in changes.delete:
                self._client.delete_notification(Notification=_raw(one), **where)
            for one in changes.create:
                self._client.create_notification(
                    Notification=_raw(one), Subscribers=_subscribers(one.subscribers), **where
                )
            for one, subscriber in changes.subscribe:
                self._client.create_subscriber(
                    Notification=_raw(one), Subscriber=_subscribers([subscriber])[0], **where
                )
            for one, subscriber in changes.unsubscribe:
                self._client.delete_subscriber(
                    Notification=_raw(one), Subscriber=_subscribers([subscriber])[0], **where
                )

    def delete(self, budget_name: str) -> None:
        """Remove the budget; none there is fine."""
        try:
            with aws_errors("delete_budget"):
                self._client.delete_budget(AccountId=self._account_id, BudgetName=budget_name)
        except ConfigurationError as error:
            if error.code != "NotFoundException":
                raise

    def _notification(self, where: Mapping[str, str], raw: Mapping[str, Any]) -> Notification:
        # NotificationState is an answer only; a request that holds it may be refused.
        identity = {name: value for name, value in raw.items() if name != "NotificationState"}
        subscribers = frozenset(
            (subscriber["SubscriptionType"], subscriber["Address"])
            for page in self._client.get_paginator(
                "describe_subscribers_for_notification"
            ).paginate(Notification=identity, **where)
            for subscriber in page.get("Subscribers", [])
        )
        expressible = (
            raw.get("ComparisonOperator") == "GREATER_THAN"
            and raw.get("ThresholdType", "PERCENTAGE") == "PERCENTAGE"
        )
        return Notification(
            threshold=Threshold(
                type=NotificationType(raw["NotificationType"]),
                percent=as_number(raw["Threshold"]),
            )
            if expressible
            else None,
            subscribers=subscribers,
            raw=identity,
        )


class EventBridgeResults:
    """The management account's event bus."""

    def __init__(self, client: Any, bus_arn: str) -> None:
        self._client = client
        self._bus_arn = bus_arn

    def report(self, results: Sequence[BudgetResult]) -> None:
        """Send the results home."""
        entries = [
            {
                "EventBusName": self._bus_arn,
                "Source": RESULT_SOURCE,
                "DetailType": RESULT_DETAIL_TYPE,
                "Detail": json.dumps(_result_detail(result)),
            }
            for result in results
        ]
        with aws_errors("report_result"):
            answer = self._client.put_events(Entries=entries)
        for entry in answer["Entries"]:
            if "ErrorCode" in entry:
                raise TransientFailure(
                    f"the result was not taken: {entry['ErrorCode']}: {entry.get('ErrorMessage')}",
                    code=entry["ErrorCode"],
                    step="report_result",
                )


def decode_result(detail: Mapping[str, Any]) -> BudgetResult:
    """The result in an event's detail, as `EventBridgeResults` sends it."""
    error = detail.get("error")
    return BudgetResult(
        key=BudgetKey(account_id=detail["account_id"], budget_name=detail["budget_name"]),
        version=detail["version"],
        request_id=detail["request_id"],
        status=Status(detail["status"]),
        action=detail["action"],
        amount=detail["amount"],
        reported_at=datetime.fromisoformat(detail["reported_at"]),
        latency_ms=detail.get("latency_ms"),
        error=FinOpsError(**error) if error else None,
    )


def _result_detail(result: BudgetResult) -> dict[str, Any]:
    error = result.error
    return {
        "account_id": result.key.account_id,
        "budget_name": result.key.budget_name,
        "version": result.version,
        "request_id": result.request_id,
        "status": result.status.value,
        "action": result.action,
        "amount": result.amount,
        "reported_at": _text(result.reported_at),
        "latency_ms": result.latency_ms,
        "error": {
            "message": error.message,
            "code": error.code,
            "step": error.step,
            "remedy": error.remedy,
        }
        if error
        else None,
    }


@contextmanager
def _looking_again_if_overtaken(step: str) -> Iterator[None]:
    """What is there already, or gone already, was changed since it was read.

    By another run, by hand, or by this very call, whose answer was lost before botocore repeated
    it. The next try reads again and finds what is left to do.
    """
    try:
        with aws_errors(step):
            yield
    except ConfigurationError as error:
        if error.code in ("DuplicateRecordException", "NotFoundException"):
            raise TransientFailure(error.message, code="overtaken", step=step) from error
        raise


def _items(client: Any, table: str, account_id: str | None) -> Iterator[dict[str, Any]]:
    reading: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    if account_id:
        reading |= {
            "KeyConditionExpression": "account_id = :account_id",
            "ExpressionAttributeValues": {":account_id": {"S": account_id}},
        }
    with aws_errors("read_table"):
        for page in client.get_paginator("query" if account_id else "scan").paginate(**reading):
            for item in page["Items"]:
                yield from_dynamodb(item)


def _key(key: BudgetKey) -> dict[str, dict[str, str]]:
    return {"account_id": {"S": key.account_id}, "budget_name": {"S": key.budget_name}}


def _status(row: Mapping[str, Any]) -> BudgetStatus:
    def instant(name: str) -> datetime | None:
        return datetime.fromisoformat(row[name]) if row.get(name) else None

    texts = (
        "request_id",
        "document",
        "amount",
        "applied_amount",
        "error",
        "error_code",
        "error_step",
        "updated_by",
        "action",
    )
    return BudgetStatus(
        key=BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"]),
        version=row["version"],
        status=Status(row["status"]),
        edited_at=instant("edited_at"),
        applied_at=instant("applied_at"),
        reported_at=instant("reported_at"),
        latency_ms=int(row["latency_ms"]) if row.get("latency_ms") is not None else None,
        **{name: row.get(name, "") for name in texts},
    )


def _text(instant: datetime | None) -> str:
    """An instant as text whose order is that of time: UTC with microseconds, always."""
    return instant.isoformat(timespec="microseconds") if instant else ""


def _actual(budget: Mapping[str, Any], notifications: Iterable[Notification]) -> ActualBudget:
    limit = budget.get("BudgetLimit") or {}
    return ActualBudget(
        amount=Decimal(limit["Amount"]) if "Amount" in limit else None,
        currency=limit.get("Unit", ""),
        time_unit=budget.get("TimeUnit", ""),
        cost_filters={
            name: tuple(values) for name, values in (budget.get("CostFilters") or {}).items()
        },
        notifications=tuple(notifications),
        has_planned_limits=bool(budget.get("PlannedBudgetLimits")),
        raw=budget,
    )


def _limit(budget: Budget) -> dict[str, Any]:
    return {
        "BudgetLimit": {"Amount": plain(budget.amount), "Unit": budget.currency},
        "TimeUnit": budget.time_unit.value,
        "CostFilters": {name: list(values) for name, values in budget.cost_filters.items()},
    }


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
