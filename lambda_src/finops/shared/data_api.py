"""The RDS Data API: statements with named parameters, transactions, and paused databases."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from finops.shared.aws import aws_errors, client
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

Value = None | bool | int | str | Decimal

#: A statement may take 45 s (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html).
_READ_TIMEOUT: Final = 60
#: How long a paused database may take to resume: by AWS about 15 s, longer after a day:
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
_RESUME_SECONDS: Final = 60.0
_ERROR_CODE = re.compile(r"Database error code: (\d+)")
#: Errors that another transaction caused, so that a retry may succeed:
#: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
_CONFLICTS: Final = {1062: "duplicate_key", 1205: "lock_timeout", 1213: "deadlock", 3572: "busy"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a statement.

    Attributes:
        changed: Rows inserted, updated or deleted.
        rows: The rows of a query, by column; decimal numbers are texts, digit for digit.
        generated: The id from AUTO_INCREMENT, or 0.
    """

    changed: int
    rows: list[dict[str, Any]]
    generated: int


def data_api_client() -> Any:
    """A client with a read timeout longer than any statement takes."""
    return client("rds-data", read_timeout=_READ_TIMEOUT)


class DataApi:
    """One database behind the Data API.

    Args:
        rds_data: The boto3 client.
        cluster_arn: The Aurora cluster.
        secret_arn: The secret with its user and password.
        database: The schema that statements run in.
        sleep: Waits so many seconds; replaced in tests.
    """

    def __init__(
        self,
        rds_data: Any,
        *,
        cluster_arn: str,
        secret_arn: str,
        database: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = rds_data
        self._where = {"resourceArn": cluster_arn, "secretArn": secret_arn}
        self._database = database
        self._sleep = sleep

    def execute(
        self, sql: str, values: Mapping[str, Value] | None = None, *, transaction: str = ""
    ) -> Result:
        """Run one statement.

        Raises:
            TransientFailure: also for errors that another transaction caused: `deadlock`,
                `lock_timeout`, `busy` (NOWAIT found a lock) and `duplicate_key`.
        """
        request: dict[str, Any] = {
            "sql": sql,
            "database": self._database,
            "parameters": [_parameter(name, value) for name, value in (values or {}).items()],
            "includeResultMetadata": True,
        }
        if transaction:
            request["transactionId"] = transaction
        answer = self._call(self._client.execute_statement, request)
        names = [column["label"] for column in answer.get("columnMetadata", ())]
        generated = answer.get("generatedFields") or [{}]
        return Result(
            answer.get("numberOfRecordsUpdated", 0),
            [
                dict(zip(names, map(_value, record), strict=True))
                for record in answer.get("records", ())
            ],
            int(generated[0].get("longValue", 0)),
        )

    @contextmanager
    def transaction(self) -> Iterator[str]:
        """A transaction's id; commits when the block ends, rolls back when it raises."""
        begun = self._call(self._client.begin_transaction, {"database": self._database})
        identifier = {"transactionId": begun["transactionId"]}
        try:
            yield begun["transactionId"]
        except BaseException:
            # The Data API ends it after three idle minutes anyway; the first error matters.
            with suppress(FinOpsError):
                self._call(self._client.rollback_transaction, identifier)
            raise
        self._call(self._client.commit_transaction, identifier)

    def _call(self, operation: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        """Call, and wait while a paused database resumes."""
        waited, pause = 0.0, 1.0
        while True:
            try:
                with aws_errors("database"):
                    return operation(**self._where, **request)
            except TransientFailure as error:
                # botocore does not retry this error, because its status is 400.
                if error.code != "DatabaseResumingException" or waited >= _RESUME_SECONDS:
                    raise
                self._sleep(pause)
                waited += pause
                pause = min(pause * 2, 8.0)
            except ConfigurationError as error:
                raise _conflict(error) or error from error.__cause__


def _conflict(error: ConfigurationError) -> TransientFailure | None:
    found = _ERROR_CODE.search(error.message)
    code = _CONFLICTS.get(int(found[1])) if found else None
    return TransientFailure(error.message, code=code, step=error.step) if code else None


def _parameter(name: str, value: Value) -> dict[str, Any]:
    match value:
        case None:
            return {"name": name, "value": {"isNull": True}}
        case bool():
            return {"name": name, "value": {"booleanValue": value}}
        case int():
            return {"name": name, "value": {"longValue": value}}
        case Decimal():
            return {"name": name, "value": {"stringValue": f"{value:f}"}, "typeHint": "DECIMAL"}
    return {"name": name, "value": {"stringValue": value}}


def _value(field: Mapping[str, Any]) -> Any:
    return None if field.get("isNull") else next(iter(field.values()))
