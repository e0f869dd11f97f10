"""boto3 for the command line: clients of a deployment's management account."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

from finops.budgets.domain import BudgetKey
from finops.cli.environment import LOCAL_MANAGEMENT_ACCOUNT, Environment
from finops.reconciliation.cost_explorer import CLIENT_SETTINGS
from finops.shared.aws import CLIENT_CONFIG, aws_errors
from finops.shared.errors import ConfigurationError

_serialize = TypeSerializer().serialize
# A drift run over a thousand accounts may take the function's whole 15 minutes, and must not be
# started twice.
_INVOKE_CONFIG = Config(read_timeout=910, retries={"mode": "standard", "total_max_attempts": 1})
# Forms by which browsers upload name the bucket's own region: another one's answer would redirect.
_FORM_CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
_CONFIGS = {
    "lambda": _INVOKE_CONFIG,
    "s3": _FORM_CONFIG,
    "ce": Config(**CLIENT_SETTINGS),
    "invoicing": Config(**CLIENT_SETTINGS),
}
_BATCH = 25
_FORM_SECONDS = 900


class Aws:
    """Clients of one deployment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        local = (
            {
                "aws_access_key_id": LOCAL_MANAGEMENT_ACCOUNT,
                "aws_secret_access_key": "test",
                "region_name": "us-east-1",
            }
            if environment.endpoint_url
            else {}
        )
        self._session = boto3.Session(**local)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """A client in the management account."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._environment.endpoint_url,
                    config=CLIENT_CONFIG.merge(_CONFIGS.get(service, Config())),
                )
            return self._clients[service]

    def function_variables(self, name: str, *, module: str) -> Mapping[str, str]:
        """A function's environment as Terraform set it: what the flow's resources are called.

        Raises:
            ConfigurationError: with code `not_deployed`, where there is no such function.
        """
        try:
            with aws_errors("find_deployment"):
                found = self.client("lambda").get_function_configuration(FunctionName=name)
        except ConfigurationError as error:
            said = error.__cause__
            if isinstance(said, ClientError) and (
                said.response["Error"]["Code"] == "ResourceNotFoundException"
            ):
                raise ConfigurationError(
                    f"there is no function {name}",
                    code="not_deployed",
                    step="find_deployment",
                    remedy=f"Deploy the module {module} first: `make up`, or terraform apply",
                ) from error
            raise
        return dict(found["Environment"]["Variables"])


class BudgetRows:
    """Writes to the budgets table as a person's edit would."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def merge(self, key: BudgetKey, attributes: Mapping[str, Any]) -> None:
        """Set these attributes of the row, which need not exist, and keep its others."""
        with aws_errors("write_budget"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(key),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
                ExpressionAttributeNames={f"#{name}": name for name in attributes},
                ExpressionAttributeValues={
                    f":{name}": _serialize(value) for name, value in attributes.items()
                },
            )

    def put_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace these rows."""
        waiting = [
            {"PutRequest": {"Item": {name: _serialize(value) for name, value in row.items()}}}
            for row in rows
        ]
        while waiting:
            with aws_errors("write_budgets"):
                answer = self._client.batch_write_item(RequestItems={self._table: waiting[:_BATCH]})
            waiting = answer.get("UnprocessedItems", {}).get(self._table, []) + waiting[_BATCH:]

    def delete(self, key: BudgetKey) -> bool:
        """Remove the row. Returns whether there was one."""
        with aws_errors("delete_budget"):
            answer = self._client.delete_item(
                TableName=self._table, Key=_key(key), ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer


def upload_form(
    s3: Any,
    bucket: str,
    prefix: str,
    *,
    largest: int,
    metadata: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a browser needs to send files to S3 itself: an address, and the fields of a form.

    For a quarter of an hour it takes files below the prefix and up to a size, with these metadata
    and no others.

    Args:
        s3: The client that signs.
        bucket: Where to.
        prefix: How the files' keys must begin.
        largest: Bytes of a file.
        metadata: Of the objects.
    """
    fields = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
    with aws_errors("sign_upload"):
        return dict(
            s3.generate_presigned_post(
                bucket,
                f"{prefix}${{filename}}",
                Fields=fields,
                Conditions=[
                    *({name: value} for name, value in fields.items()),
                    ["content-length-range", 1, largest],
                ],
                ExpiresIn=_FORM_SECONDS,
            )
        )


def invoke(client: Any, function: str, payload: Mapping[str, Any]) -> Any:
    """Call a function and wait for its answer.

    Raises:
        ConfigurationError: with the function's own error, where it failed.
    """
    with aws_errors(f"invoke {function}"):
        answer = client.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        body = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise ConfigurationError(
            f"{body.get('errorType')}: {body.get('errorMessage')}",
            code="function_failed",
            step=function,
            remedy=f"Look at the log group /aws/lambda/{function}",
        )
    return body


def table_state(client: Any, table: str) -> str:
    """The table's status, or why it cannot be read."""
    return _state(lambda: str(client.describe_table(TableName=table)["Table"]["TableStatus"]))


def function_state(client: Any, function: str) -> str:
    """The function's state, or why it cannot be read."""

    def read() -> str:
        found = client.get_function_configuration(FunctionName=function)
        return str(found.get("State", "Active")).upper()

    return _state(read)


def queue_depth(client: Any, queue: str) -> str:
    """How many messages wait in the queue, or why it cannot be read."""

    def read() -> str:
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        return str(
            client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]["ApproximateNumberOfMessages"]
        )

    return _state(read)


def _state(read: Any) -> str:
    try:
        with aws_errors("status"):
            return str(read())
    except ConfigurationError as error:
        if isinstance(error.__cause__, ClientError):
            return error.code
        raise


def _key(key: BudgetKey) -> dict[str, dict[str, str]]:
    return {"account_id": {"S": key.account_id}, "budget_name": {"S": key.budget_name}}
