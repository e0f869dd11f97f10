"""The tables of budgets and of their statuses in DynamoDB."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from finops.budgets.documents import LONGEST_REQUEST_ID
from finops.budgets.domain import (
    BudgetChange,
    BudgetKey,
    Delivery,
    Owner,
    Spend,
    Status,
    decimal_text,
    edit_version,
)
from finops.budgets.ownership import published_by_document, untagged_by_document
from finops.budgets.ports import BudgetResult, BudgetStatus, ResultEffect, StatusOutline
from finops.budgets.values import text_of
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError


class _Deserializer(TypeDeserializer):  # type: ignore[misc]  # boto3 has no types
    """Reads what boto3's own raises for or hides, so that it is refused like any other value.

    Those are numbers of more than 38 digits, and binary values, which a stream's event holds as
    base64 text: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)

    def _deserialize_b(self, value: str | bytes) -> bytes:
        return base64.b64decode(value) if isinstance(value, str) else bytes(value)


_deserialize: Final = _Deserializer().deserialize
_serialize: Final = TypeSerializer().serialize
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_KEYS_A_CALL: Final = 100
_REFUSED: Final = "ConditionalCheckFailedException"
#: Stands where an account's id does in the items that count what accounts report. Those have no
#: version. A row of that name is refused, and its status is told apart by its version.
_REPORTS: Final = "reports"


#: Results of earlier versions that say whether the budget was there before its row.
_SAYS_WHOSE: Final = frozenset({"adopted", "created", "removed"})


def from_dynamodb(item: Mapping[str, Any]) -> dict[str, Any]:
    """A DynamoDB item, or a stream image, as plain Python values; numbers are `Decimal`.

    Binary values are `bytes`.
    """
    return {name: _deserialize(value) for name, value in item.items()}


def decode_change(record: Mapping[str, Any]) -> BudgetChange:
    """The edit in a stream record (view type NEW_AND_OLD_IMAGES).

    The request id is the one that the editor wrote with this edit, else the record's own.
    """
    change = record["dynamodb"]
    row = from_dynamodb(change["NewImage"]) if "NewImage" in change else None
    old = from_dynamodb(change["OldImage"]) if "OldImage" in change else None
    named = row.get("request_id") if row else None
    edited_at = change.get("ApproximateCreationDateTime")
    return BudgetChange(
        key=decode_key(record),
        version=edit_version(change["SequenceNumber"]),
        request_id=text_of(named, limit=LONGEST_REQUEST_ID)
        if named and named != (old or {}).get("request_id")
        else record.get("eventID", ""),
        edited_at=datetime.fromtimestamp(float(edited_at), UTC) if edited_at else datetime.now(UTC),
        row=row,
        previous=old,
    )


def decode_key(record: Mapping[str, Any]) -> BudgetKey:
    """The budget whose row a stream record is about."""
    keys = from_dynamodb(record["dynamodb"]["Keys"])
    return BudgetKey(account_id=keys["account_id"], budget_name=keys["budget_name"])


class DynamoBudgetTable:
    """The `budgets` table."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def rows(self, account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Every row, or those of one account, read consistently."""
        return _items(self._client, self._table, account_id)

    def accounts(self) -> Iterator[str]:
        """The account of every row."""
        return (
            row["account_id"] for row in _items(self._client, self._table, only=("account_id",))
        )


class DynamoStatusTable:
    """The `budget_status` table: conditional writes keep an older version from winning."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, key: BudgetKey) -> BudgetStatus | None:
        with aws_errors("read_status"):
            item = self._client.get_item(
                TableName=self._table, Key=_key(key), ConsistentRead=True
            ).get("Item")
        return _status_in(from_dynamodb(item)) if item else None

    def get_many(self, keys: Sequence[BudgetKey]) -> dict[BudgetKey, BudgetStatus]:
        found: dict[BudgetKey, BudgetStatus] = {}
        waiting = [_key(key) for key in keys]
        while waiting:
            asked = {self._table: {"Keys": waiting[:_KEYS_A_CALL], "ConsistentRead": True}}
            with aws_errors("read_statuses"):
                answer = self._client.batch_get_item(RequestItems=asked)
            for item in answer["Responses"].get(self._table, []):
                if status := _status_in(from_dynamodb(item)):
                    found[status.key] = status
            unread = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            waiting = unread + waiting[_KEYS_A_CALL:]
        return found

    def all(self, account_id: str | None = None) -> Iterator[BudgetStatus]:
        rows = _items(self._client, self._table, account_id)
        return (status for row in rows if (status := _status_in(row)))

    def outlines(self) -> Iterator[StatusOutline]:
        wanted = ("account_id", "version", "status", "edited_at", "unreached_at")
        for row in _items(self._client, self._table, only=wanted):
            if "version" in row:
                yield StatusOutline(
                    row["account_id"],
                    Status(row["status"]),
                    _instant(row.get("edited_at")),
                    _instant(row.get("unreached_at")),
                )

    def begin(self, status: BudgetStatus, *, after: str | None = None) -> bool:
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
            "content": status.content,
            "wanted_since": _text(status.wanted_since),
            "repairs": status.repairs,
            "default_of": status.default_of,
            "amounts": status.amounts,
        }
        if status.baseline:
            values["baseline"] = status.baseline
        if status.document:
            values |= {"document": status.document, "delivery": status.delivery.value}
        if status.published:
            values["published"] = True
        condition = (
            "attribute_not_exists(#version) OR #version < :version"
            " OR (#version = :version AND #status IN (:pending, :failed))"
        )
        facts = {":pending": Status.PENDING.value, ":failed": Status.FAILED.value}
        if after == "":
            condition, facts = "attribute_not_exists(#version)", {}
        elif after:
            condition = f"#version = :after AND ({condition})"
            facts[":after"] = after
        written, _ = self._update(
            status.key, values, condition, facts, remove=("reported_at", "repaired_at", "approvals")
        )
        return written

    def approve(self, key: BudgetKey, content: str, approver: str) -> BudgetStatus | None:
        try:
            with aws_errors("approve_budget"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    ReturnValues="ALL_NEW",
                    UpdateExpression="SET approvals ="
                    " list_append(if_not_exists(approvals, :none), :one)",
                    ConditionExpression="#status = :waiting AND content = :content",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues={
                        ":none": {"L": []},
                        ":one": {"L": [{"S": approver}]},
                        ":waiting": {"S": Status.WAITING.value},
                        ":content": {"S": content},
                    },
                )
        except ConfigurationError as error:
            if error.code == _REFUSED:
                return None
            raise
        return _status(from_dynamodb(answer["Attributes"]))

    def mark_failed(
        self,
        key: BudgetKey,
        version: str,
        error: FinOpsError,
        *,
        standing: Status = Status.PENDING,
        published: bool = True,
    ) -> bool:
        of = "(#status = :standing OR (#status = :status AND #error_code = :error_code))"
        untold = {} if published else {"published": False}
        return self._mark(key, version, error, of, {":standing": standing.value}, **untold)

    def mark_unreached(
        self, key: BudgetKey, version: str, error: FinOpsError, since: datetime
    ) -> bool:
        published = {":pending": Status.PENDING.value, ":applied": Status.APPLIED.value}
        of = "#status IN (:pending, :applied, :status)"
        return self._mark(key, version, error, of, published, unreached_at=_text(since))

    def note_unreached(self, key: BudgetKey, since: datetime | None) -> None:
        values = {"unreached_at": _text(since)}
        self._update(key, values, "attribute_exists(#version)", {}, names={"#version": "version"})

    def _mark(
        self,
        key: BudgetKey,
        version: str,
        error: FinOpsError,
        condition: str,
        facts: Mapping[str, str],
        **beside: str | bool,
    ) -> bool:
        """Mark a version as FAILED whose status is as the condition says."""
        written, _ = self._update(
            key,
            {
                "status": Status.FAILED.value,
                "error": error.explanation,
                "error_code": error.code,
                "error_step": error.step,
                **beside,
            },
            f"#version = :at AND {condition}",
            {":at": version, **facts},
            names={"#version": "version"},
        )
        return written

    def note_repairs(self, key: BudgetKey, version: str, repairs: int, now: datetime) -> None:
        values = {"repairs": repairs, "repaired_at": _text(now)}
        facts, names = {":at": version}, {"#version": "version"}
        self._update(key, values, "#version = :at", facts, names=names)

    def note_standing(self, key: BudgetKey, version: str, amount: str) -> None:
        values = {"repairs": 0, "applied_amount": amount}
        facts, names = {":at": version}, {"#version": "version"}
        self._update(key, values, "#version = :at", facts, names=names)

    def write_spend(self, key: BudgetKey, spend: Spend, now: datetime) -> None:
        values = {
            "actual_spend": decimal_text(spend.actual),
            "forecasted_spend": "" if spend.forecast is None else decimal_text(spend.forecast),
            "spend_at": _text(now),
        }
        self._update(key, values, "attribute_exists(#version)", {}, names={"#version": "version"})

    def write_result(self, result: BudgetResult) -> ResultEffect:
        reported_at = _text(result.reported_at)
        error = result.error
        values: dict[str, Any] = {
            "status": result.status.value,
            "action": result.action,
            "reported_at": reported_at,
            "error": error.explanation if error else "",
            "error_code": error.code if error else "",
            "error_step": error.step if error else "",
        }
        if result.effective:
            values |= {"applied_amount": result.amount, "applied_at": reported_at}
            if result.latency_ms is not None and result.action != "unchanged":
                values["latency_ms"] = result.latency_ms
            if result.owner:
                values["adopted"] = result.owner is Owner.HAND
                values["untagged"] = False
            elif result.action in _SAYS_WHOSE:
                values |= {
                    "adopted": result.action == "adopted",
                    "untagged": result.action == "created",
                }
            values["published"] = result.status is Status.APPLIED
        of_this = "#version = :at"
        facts = {":at": result.version}
        names = {"#version": "version", "#delivery": "delivery"}
        if result.effective and result.content:
            of_this += (
                " OR (#content = :content AND #wanted_since <= :reported_at"
                " AND #status IN (:pending, :failed))"
            )
            facts |= {
                ":content": result.content,
                ":pending": Status.PENDING.value,
                ":failed": Status.FAILED.value,
            }
            names |= {"#content": "content", "#wanted_since": "wanted_since"}
        if result.may_repeat:
            # Said again: when it was applied stays.
            of_this = f"({of_this}) AND #status <> :status"
        if result.action == "unchanged":
            unread = "attribute_exists(#unreached_at) AND #unreached_at <> :never"
            of_this = f"({of_this}) AND NOT (#status = :failed AND {unread})"
            facts |= {":failed": Status.FAILED.value, ":never": ""}
            names |= {"#unreached_at": "unreached_at"}
        # The spoke of an account says nothing of a budget that the payer has. Older statuses have
        # no delivery.
        delivered = "#delivery = :delivery"
        if result.delivery is Delivery.SPOKE:
            delivered = f"(attribute_not_exists(#delivery) OR {delivered})"
        facts |= {":delivery": result.delivery.value}
        written, before = self._update(
            result.key,
            values,
            f"({of_this}) AND {delivered}"
            " AND (attribute_not_exists(#reported_at) OR #reported_at <= :reported_at)",
            facts,
            names=names,
        )
        return ResultEffect(written=written, before=_status_in(before))

    def _update(
        self,
        key: BudgetKey,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
    ) -> tuple[bool, dict[str, Any]]:
        """Write under a condition. Returns whether it held, and the row as it was before."""
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        try:
            with aws_errors("write_status"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
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
            said = error.__cause__
            if error.code == _REFUSED and isinstance(said, ClientError):
                return False, from_dynamodb(said.response.get("Item", {}))
            raise
        return True, from_dynamodb(answer.get("Attributes", {}))


class DynamoReportCounts:
    """`ReportCounts` in the status table: an item for each account and budget reported unasked."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def count(self, counted: str, day: date, *, at_most: int) -> bool:
        return self._update(
            counted, "ADD #count :one", "#day = :day AND #count < :most", day, most=at_most
        ) or self._update(
            counted,
            "SET #day = :day, #count = :one",
            "attribute_not_exists(#day) OR #day < :day",
            day,
        )

    def _update(self, counted: str, change: str, condition: str, day: date, **values: int) -> bool:
        key = {"account_id": {"S": _REPORTS}, "budget_name": {"S": counted}}
        facts = {"one": 1, "day": day.isoformat(), **values}
        expressions = f"{change} {condition}"
        try:
            with aws_errors("count_report"):
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#day": "day", "#count": "reports"},
                    ExpressionAttributeValues={
                        f":{name}": _serialize(value)
                        for name, value in facts.items()
                        if f":{name}" in expressions
                    },
                )
        except ConfigurationError as error:
            if error.code == _REFUSED:
                return False
            raise
        return True


def _items(
    client: Any, table: str, account_id: str | None = None, *, only: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    reading: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    if only:
        reading |= {
            "ProjectionExpression": ", ".join(f"#{name}" for name in only),
            "ExpressionAttributeNames": {f"#{name}": name for name in only},
        }
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


def _status_in(item: Mapping[str, Any]) -> BudgetStatus | None:
    """The status in an item; None where that is none, or only counts reports."""
    return _status(item) if "version" in item else None


def _status(row: Mapping[str, Any]) -> BudgetStatus:
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
        "content",
        "default_of",
        "baseline",
        "amounts",
        "actual_spend",
        "forecasted_spend",
    )
    return BudgetStatus(
        key=BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"]),
        version=row["version"],
        status=Status(row["status"]),
        edited_at=_instant(row.get("edited_at")),
        wanted_since=_instant(row.get("wanted_since")),
        applied_at=_instant(row.get("applied_at")),
        reported_at=_instant(row.get("reported_at")),
        spend_at=_instant(row.get("spend_at")),
        repaired_at=_instant(row.get("repaired_at")),
        unreached_at=_instant(row.get("unreached_at")),
        latency_ms=int(row["latency_ms"]) if row.get("latency_ms") is not None else None,
        repairs=int(row.get("repairs", 0)),
        delivery=Delivery(row.get("delivery") or Delivery.SPOKE),
        approvals=tuple(row.get("approvals", ())),
        adopted=bool(row.get("adopted")),
        untagged=bool(
            row["untagged"]
            if "untagged" in row
            else untagged_by_document(
                row.get("document", ""),
                row.get("applied_amount", ""),
                adopted=bool(row.get("adopted")),
            )
        ),
        published=bool(
            row["published"]
            if "published" in row
            else published_by_document(Status(row["status"]), row.get("document", ""))
        ),
        **{name: row.get(name, "") for name in texts},
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(instant: datetime | None) -> str:
    """An instant as text that sorts by time: UTC, always with microseconds."""
    return instant.isoformat(timespec="microseconds") if instant else ""
