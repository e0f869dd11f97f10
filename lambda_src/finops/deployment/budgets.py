"""The budgets flow's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from boto3.dynamodb.types import TypeSerializer

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable, from_dynamodb
from finops.budgets.adapters.sqs import SqsAccounts
from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.approval_requests import ApprovalAnswer, ApprovalRequest
from finops.budgets.defaults import is_default
from finops.budgets.domain import BudgetKey
from finops.budgets.drift_schedule import parts_of
from finops.budgets.editing import edited_meanwhile, in_turn, with_notes
from finops.budgets.ports import BudgetStatus
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.functions import invoke
from finops.shared.audit import AuditRecorder
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError
from finops.shared.signed_requests import raise_for

_serialize: Final = TypeSerializer().serialize
_ATTACH: Final = (
    "Attach the policy of the output `approver_policy_json` of the module budgets_management to"
    " whoever approves raises; without its setting `publisher.raises` nothing waits"
)
#: Rows in one request: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
_BATCH: Final = 25
#: What every edit writes.
_OF_AN_EDIT: Final = frozenset({"updated_by", "request_id"})
#: So many accounts are asked for their rows, and not the whole table.
_ACCOUNTS_ASKED: Final = 20
#: Accounts that one call of the drift function compares while somebody waits.
_ACCOUNTS_A_CALL: Final = 100
_CALLS_AT_ONCE: Final = 4


class BudgetDeployment:
    """The tables of the budgets flow: edits, rows and statuses."""

    def __init__(self, environment: Environment, aws: Aws | None = None) -> None:
        self.aws = aws or Aws(environment)
        self._drift_function = environment.drift_function
        self._accounts_queue = environment.budget_accounts_queue
        dynamodb = self.aws.client("dynamodb")
        self.edits = BudgetRows(dynamodb, environment.budgets_table)
        self.rows = DynamoBudgetTable(dynamodb, environment.budgets_table)
        self.statuses = DynamoStatusTable(dynamodb, environment.budget_status_table)

    def drift(
        self, *, repair: bool, requested_by: str, account: str | None = None
    ) -> list[dict[str, Any]]:
        """The drift of all accounts or of one, as `repair-budget-drift` answers it.

        Many accounts take several calls, since a function has its time, and an answer its size.
        """
        asked: dict[str, Any] = {"repair": repair, "requested_by": requested_by}
        if account:
            calls = [asked | {"account_id": account}]
        else:
            known = {*self.rows.accounts(), *(one.account_id for one in self.statuses.outlines())}
            known = {one for one in known if not is_default(one)}
            parts = parts_of(sorted(known), _ACCOUNTS_A_CALL)
            calls = [asked | {"account_ids": part} for part in parts] if len(parts) > 1 else [asked]
        return [one for answer in self._ask(calls) for one in answer["drift"]]

    def coverage(self) -> list[dict[str, Any]]:
        """The budgets of every account that may have some, or that it has none.

        Accounts with rows are among them, also where they have left the organization.
        """
        names: dict[str, str] = self._ask([{"coverage": True}])[0]["members"]
        accounts = sorted({*names, *(one for one in self.rows.accounts() if not is_default(one))})
        parts = parts_of(accounts, _ACCOUNTS_A_CALL)
        answers = self._ask([{"coverage": True, "account_ids": part} for part in parts])
        return [
            {"account_id": one["account_id"], "name": names.get(one["account_id"], ""), **one}
            for answer in answers
            for one in answer["accounts"]
        ]

    def approve(self, status: BudgetStatus) -> int:
        """Approve the raise of a status that waits, as whoever is signed in.

        Returns how many people have approved it.

        Raises:
            RejectedInput: it does not wait any more, or this person cannot approve it.
        """
        asked = ApprovalRequest(
            account_id=status.key.account_id,
            budget_name=status.key.budget_name,
            content=status.content,
        )
        code, content = self.aws.post(
            self._drift_function, msgspec.json.encode(asked), remedy=_ATTACH
        )
        try:
            answer = msgspec.json.decode(content, type=ApprovalAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            answer = ApprovalAnswer()  # a proxy's page, or what Lambda says of a failed function
        raise_for(code, answer.error)
        if not answer.approvals:
            raise ConfigurationError(
                f"the approval was not taken: {code} {content.decode(errors='replace')[:200]}",
                code="approval_refused",
                step="approve",
                remedy=f"See the log group /aws/lambda/{self._drift_function}",
            )
        return answer.approvals

    def approval_desk(self, audit: AuditRecorder) -> ApprovalDesk:
        """The desk of a program that has proven itself who its people are, as the console has.

        Raises:
            FinOpsError: the queue of accounts cannot be found.
        """
        sqs = self.aws.client("sqs")
        with aws_errors("find_queue"):
            url = sqs.get_queue_url(QueueName=self._accounts_queue)["QueueUrl"]
        return ApprovalDesk(
            table=self.rows,
            statuses=self.statuses,
            accounts=SqsAccounts(sqs, url),
            audit=audit,
            clock=lambda: datetime.now(UTC),
        )

    def _ask(self, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers of the drift function, several calls at once."""
        lambdas = self.aws.client("lambda")
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
            return list(pool.map(lambda one: invoke(lambdas, self._drift_function, one), calls))


class BudgetRows:
    """Writes to the budgets table as a person's edit would."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def merge(
        self,
        key: BudgetKey,
        attributes: Mapping[str, Any],
        *,
        seen: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Set these attributes of the row, or of a new one.

        Args:
            key: Which row.
            attributes: Their new values.
            seen: The row as the editor knows it, empty where there is none. It has to be there
                still, with these values of the attributes; whatever is there where None.

        Returns:
            The whole row before, empty where there was none, and after.

        Raises:
            RejectedInput: the row is not as it was seen.
        """
        condition, values = _as_seen(seen, attributes)
        try:
            with aws_errors("write_budget"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    UpdateExpression="SET "
                    + ", ".join(f"#{name} = :{name}" for name in attributes),
                    ExpressionAttributeNames={f"#{name}": name for name in attributes},
                    ExpressionAttributeValues={
                        f":{name}": _serialize(value) for name, value in attributes.items()
                    }
                    | values,
                    ReturnValues="ALL_OLD",
                    **condition,
                )
        except ConfigurationError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            raise edited_meanwhile() from error
        before = from_dynamodb(answer.get("Attributes", {}))
        names = {"account_id": key.account_id, "budget_name": key.budget_name}
        return before, before | names | dict(attributes)

    def put_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace these rows, the accounts in turn, so that none waits for all of another.

        Notes stay of which a row says nothing.

        Raises:
            RejectedInput: a row is too large with its notes; nothing is written.
        """
        replacing = in_turn(rows)
        standing = self._standing({row["account_id"] for row in replacing})
        waiting = [
            {"PutRequest": {"Item": {name: _serialize(value) for name, value in row.items()}}}
            for row in (with_notes(one, standing.get(_key_of(one), {})) for one in replacing)
        ]
        while waiting:
            with aws_errors("write_budgets"):
                answer = self._client.batch_write_item(RequestItems={self._table: waiting[:_BATCH]})
            waiting = answer.get("UnprocessedItems", {}).get(self._table, []) + waiting[_BATCH:]

    def _standing(self, accounts: AbstractSet[str]) -> dict[BudgetKey, Mapping[str, Any]]:
        """The rows of these accounts as they are; of many the whole table is read."""
        table = DynamoBudgetTable(self._client, self._table)
        asked = sorted(accounts) if len(accounts) <= _ACCOUNTS_ASKED else [None]
        return {_key_of(row): row for account in asked for row in table.rows(account)}

    def delete(self, key: BudgetKey) -> bool:
        """Remove the row. Returns whether there was one."""
        with aws_errors("delete_budget"):
            answer = self._client.delete_item(
                TableName=self._table, Key=_key(key), ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer


def _as_seen(
    seen: Mapping[str, Any] | None, changed: Iterable[str]
) -> tuple[dict[str, str], dict[str, Any]]:
    """The condition that a row is as somebody has seen it, and its values."""
    if seen is None:
        return {}, {}
    if not seen:
        return {"ConditionExpression": "attribute_not_exists(account_id)"}, {}
    conditions, values = ["attribute_exists(account_id)"], {}
    for number, name in enumerate(one for one in changed if one not in _OF_AN_EDIT):
        if name in seen:
            conditions.append(f"#{name} = :seen{number}")
            values[f":seen{number}"] = _serialize(seen[name])
        else:
            conditions.append(f"attribute_not_exists(#{name})")
    return {"ConditionExpression": " AND ".join(conditions)}, values


def _key_of(row: Mapping[str, Any]) -> BudgetKey:
    return BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])


def _key(key: BudgetKey) -> dict[str, dict[str, str]]:
    return {"account_id": {"S": key.account_id}, "budget_name": {"S": key.budget_name}}
