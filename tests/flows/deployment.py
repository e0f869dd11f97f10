"""The budgets flow as Terraform deployed it, used as people use it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

from finops.shared.retention import Original
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, AccountSession, account_session

Answer = TypeVar("Answer")

SPOKE, OTHER_SPOKE = "222222222222", "333333333333"
PARAMETERS = "/finops/budgets"
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


# A call of a function lasts as long as the function may, and is not made again meanwhile.
_LONG_CALLS = Config(read_timeout=900)

#: Seconds after which a test gives up: far more than a busy machine needs.
PATIENCE = 240.0


def pauses(first: float = 0.02, longest: float = 0.3) -> Iterator[float]:
    """Seconds between looks: short at first, then long enough to leave the cores to the work."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 1.4, max(first, longest))


def eventually(
    probe: Callable[[], Answer | None],
    *,
    within: float = PATIENCE,
    every: float = 0.02,
    what: str = "",
) -> Answer:
    """The first true answer of the probe; the test fails when none comes in time.

    How long to wait says nothing of how long it takes: it only ends a test that would fail. A look
    that takes long is followed by a longer pause, so that waiting leaves the cores to the work.
    """
    deadline = time.monotonic() + within
    for pause in pauses(every):
        began = time.monotonic()
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            break
        took = time.monotonic() - began
        time.sleep(max(pause, min(3 * took, 1)))
    pytest.fail(f"not within {within} s: {what or probe}")


@dataclass
class Deployment:
    """Accounts, names and clients of one deployment on the local cloud."""

    url: str
    outputs: Mapping[str, Any]
    _sessions: dict[str, AccountSession] = field(default_factory=dict)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, account_id: str = MANAGEMENT_ACCOUNT) -> Any:
        """A client as root of the account."""
        if account_id not in self._sessions:
            self._sessions[account_id] = account_session(account_id, self.url)
        key = (service, account_id)
        if key not in self._clients:
            self._clients[key] = self._sessions[account_id].client(service, config=_LONG_CALLS)
        return self._clients[key]

    def keeps(self, original: Original) -> bool:
        """Whether Object Lock keeps the account's administrator from deleting an original."""
        where = {
            "Bucket": original.bucket,
            "Key": original.key,
            "VersionId": original.version_id,
        }
        try:
            self.client("s3").delete_object(**where)
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "AccessDenied")
        return False

    def edit(self, account_id: str, amount: Any, name: str = "monthly-total", **row: Any) -> None:
        """Put a row into the table, as a person does in the DynamoDB console."""
        item = {"account_id": account_id, "budget_name": name, **row}
        if amount is not None:
            item["amount"] = amount
        self.client("dynamodb").put_item(
            TableName=self.outputs["budgets_table"],
            Item={key: _serialize(value) for key, value in item.items()},
        )

    def edit_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put many rows, as an import does."""
        requests = [
            {"PutRequest": {"Item": {key: _serialize(value) for key, value in row.items()}}}
            for row in rows
        ]
        for start in range(0, len(requests), 25):
            batch = requests[start : start + 25]
            answer = self.client("dynamodb").batch_write_item(
                RequestItems={self.outputs["budgets_table"]: batch}
            )
            assert not answer["UnprocessedItems"]

    def remove(self, account_id: str, name: str = "monthly-total") -> None:
        """Remove a row."""
        self.client("dynamodb").delete_item(
            TableName=self.outputs["budgets_table"],
            Key={"account_id": {"S": account_id}, "budget_name": {"S": name}},
        )

    def remove_all(self, keys: Sequence[tuple[str, str]]) -> None:
        """Remove many rows at once, by account and name."""
        for start in range(0, len(keys), 25):
            batch = [
                {
                    "DeleteRequest": {
                        "Key": {"account_id": {"S": account_id}, "budget_name": {"S": name}}
                    }
                }
                for account_id, name in keys[start : start + 25]
            ]
            answer = self.client("dynamodb").batch_write_item(
                RequestItems={self.outputs["budgets_table"]: batch}
            )
            assert not answer["UnprocessedItems"]

    def budgets(self, account_id: str) -> list[dict[str, Any]]:
        """All AWS Budgets in the account."""
        pages = self.client("budgets", account_id).get_paginator("describe_budgets")
        answers = pages.paginate(AccountId=account_id)
        return [dict(one) for page in answers for one in page.get("Budgets", [])]

    def status(self, account_id: str, name: str = "monthly-total") -> dict[str, Any]:
        """The row of the status table; empty where there is none."""
        found = self.client("dynamodb").get_item(
            TableName=self.outputs["status_table"],
            Key={"account_id": {"S": account_id}, "budget_name": {"S": name}},
            ConsistentRead=True,
        )
        return {key: _deserialize(value) for key, value in found.get("Item", {}).items()}

    def statuses(self) -> list[dict[str, Any]]:
        """Every row of the status table."""
        pages = (
            self.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.outputs["status_table"], ConsistentRead=True)
        )
        return [
            {key: _deserialize(value) for key, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def budget(self, account_id: str, name: str = "monthly-total") -> dict[str, Any] | None:
        """The AWS Budget in the account."""
        budgets = self.client("budgets", account_id)
        with suppress(budgets.exceptions.NotFoundException):
            found = budgets.describe_budget(AccountId=account_id, BudgetName=name)
            return dict(found["Budget"])
        return None

    def amount(self, account_id: str, name: str = "monthly-total") -> Decimal | None:
        """The amount of the AWS Budget in the account, USD."""
        found = self.budget(account_id, name)
        return Decimal(found["BudgetLimit"]["Amount"]) if found else None

    def alerts(self, account_id: str, name: str) -> dict[tuple[str, float], set[str]]:
        """Subscribers' addresses of each notification, by (type, percent)."""
        budgets, where = (
            self.client("budgets", account_id),
            {"AccountId": account_id, "BudgetName": name},
        )
        found = budgets.describe_notifications_for_budget(**where)["Notifications"]
        alerts = {}
        for one in found:
            one.pop("NotificationState", None)
            with suppress(budgets.exceptions.NotFoundException):
                subscribers = budgets.describe_subscribers_for_notification(
                    Notification=one, **where
                )
                alerts[(one["NotificationType"], one["Threshold"])] = {
                    each["Address"] for each in subscribers["Subscribers"]
                }
        return alerts

    def await_status(
        self, account_id: str, status: str, name: str = "monthly-total", within: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until the newest edit has this status."""

        def look() -> dict[str, Any] | None:
            found = self.status(account_id, name)
            return found if found.get("status") == status else None

        return eventually(look, within=within, what=f"{status} of {account_id}/{name}")

    def await_amount(
        self, account_id: str, amount: Any, name: str = "monthly-total", within: float = PATIENCE
    ) -> None:
        """Wait until the AWS Budget has this amount; None waits until there is none."""
        wanted = None if amount is None else Decimal(str(amount))
        eventually(
            lambda: self.amount(account_id, name) == wanted,
            within=within,
            what=f"{amount} in {account_id}/{name}",
        )

    def invoke(self, function: str, payload: Any, account_id: str = MANAGEMENT_ACCOUNT) -> Any:
        """Call a function and return its answer; a failure of its own fails the test."""
        answer = self.client("lambda", account_id).invoke(
            FunctionName=function, Payload=json.dumps(payload).encode()
        )
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def drift(self, *, repair: bool, account_id: str = SPOKE) -> list[dict[str, Any]]:
        """What the drift function finds in one account."""
        found = self.invoke(
            "finops-repair-budget-drift", {"repair": repair, "account_id": account_id}
        )
        return list(found["drift"])

    def messages(self, queue_url: str, account_id: str = MANAGEMENT_ACCOUNT) -> list[str]:
        """Receive and delete the messages of a queue."""
        sqs = self.client("sqs", account_id)
        taken = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for one in taken:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in taken]

    def deploy_spoke(self, account_id: str) -> None:
        """Copy the deployed spoke to another account: what Terraform made there, without Terraform.

        Roles, policies, function, rule and permission are read from `SPOKE` and written again with
        the account's id in place of that one.
        """
        iam, lambdas, events = (
            self.client(service, SPOKE) for service in ("iam", "lambda", "events")
        )
        moved = _Moved(account_id)
        for role in ("finops-apply-budget", "finops-budgets-spoke"):
            trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            to_iam = self.client("iam", account_id)
            to_iam.create_role(RoleName=role, AssumeRolePolicyDocument=moved(trust))
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                to_iam.put_role_policy(
                    RoleName=role, PolicyName=name, PolicyDocument=moved(document)
                )
        name = "finops-apply-budget"
        function = lambdas.get_function(FunctionName=name)
        settings = function["Configuration"]
        layers = [self._copied_layer(one["Arn"], account_id) for one in settings["Layers"]]
        made = self.client("lambda", account_id).create_function(
            FunctionName=name,
            Role=moved.text(settings["Role"]),
            Handler=settings["Handler"],
            Runtime=settings["Runtime"],
            Timeout=settings["Timeout"],
            MemorySize=settings["MemorySize"],
            Layers=layers,
            Environment={"Variables": json.loads(moved(settings["Environment"]["Variables"]))},
            Code={"ZipFile": _download(function["Code"]["Location"])},
        )
        rule = events.describe_rule(Name=name)
        to_events = self.client("events", account_id)
        rule_arn = to_events.put_rule(Name=name, EventPattern=rule["EventPattern"])["RuleArn"]
        self.client("lambda", account_id).add_permission(
            FunctionName=name,
            StatementId=uuid.uuid4().hex,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )
        to_events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": made["FunctionArn"]}])

    def deploy_spokes(self, account_ids: Iterable[str]) -> None:
        """Copy the deployed spoke to many accounts."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.deploy_spoke, account_ids))

    def _copied_layer(self, arn: str, account_id: str) -> str:
        found = self.client("lambda", SPOKE).get_layer_version_by_arn(Arn=arn)
        return str(
            self.client("lambda", account_id).publish_layer_version(
                LayerName=arn.split(":")[6],
                Content={"ZipFile": _download(found["Content"]["Location"])},
            )["LayerVersionArn"]
        )


class _Moved:
    """Documents of `SPOKE`, as they read in another account."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def text(self, text: str) -> str:
        return text.replace(SPOKE, self._account_id)

    def __call__(self, document: Any) -> str:
        return self.text(document if isinstance(document, str) else json.dumps(document))


def _download(url: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(url, timeout=120) as answer:
        return bytes(answer.read())


def refused(call: Callable[[], Any]) -> str:
    """The error code with which AWS refuses a call; fails when it does not."""
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


__all__ = ["OTHER_SPOKE", "PARAMETERS", "REGION", "SPOKE", "Deployment", "eventually", "refused"]


def assumed_roles(deployment: Deployment, account_ids: set[str]) -> int:
    """How often the publisher assumed a role in these accounts, by its own log."""
    pages = (
        deployment.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName="/aws/lambda/finops-publish-budget", filterPattern='"role assumed"')
    )
    lines = [event["message"] for page in pages for event in page["events"]]
    return sum(any(one in line for one in account_ids) for line in lines)
