"""The RDS Data API: statements with named parameters, transactions, and paused databases."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

Value = None | bool | int | str | Decimal

#: How long a paused database may take to resume: by AWS about 15 s, longer after a day:
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
_RESUME_SECONDS: Final = 60.0
#: The end of an error's text, as clients match it:
#: https://github.com/cloud-utils/aurora-data-api/blob/main/aurora_data_api/base.py
_ERROR = re.compile(r"Error code: (\d+); SQLState: (\w{5})\W*$")
_STATE = re.compile(r"SQLState: (\w{5})\W*$")
#: The text of Aurora Serverless v1, until 2022.
_OLD_ERROR = re.compile(r"Database error code: (\d+)")
#: Errors that a retry may cure, because another transaction caused them, or a failover or restart
#: of the server, by number, by SQLState (its class where the number says nothing) and by words:
#: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
#: A server that a failover made a reader refuses to write, as in
#: https://github.com/sidorares/node-mysql2/pull/4082
_PASSING: Final = {
    1062: "duplicate_key",
    1205: "lock_timeout",
    1213: "deadlock",
    3572: "busy",
    1290: "read_only",
    1792: "read_only",
    1836: "read_only",
    1203: "too_many_connections",
    1317: "interrupted",
}
_STATES: Final = {"23000": "duplicate_key", "40001": "deadlock"}
_CONNECTION_STATES: Final = "08"  # too many connections, a server that ends, a lost connection
_WORDS: Final = {
    "Deadlock found when trying to get lock": "deadlock",
    "Lock wait timeout exceeded": "lock_timeout",
    "could not be acquired immediately and NOWAIT is set": "busy",
    "Duplicate entry ": "duplicate_key",
    "--read-only option": "read_only",
    "Communications link failure": "connection",
}


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


class DataApi:
    """One database behind the Data API.

    Args:
        rds_data: The boto3 client, which waits longer than a statement may take.
        cluster_arn: The Aurora cluster.
        secret_arn: The secret with its user and password.
        database: The schema that statements run in.
        sleep: Waits so many seconds; replaced in tests.
        measure: Told of each call of the Data API, as 1 of the metric DataApiCalls.
    """

    def __init__(
        self,
        rds_data: Any,
        *,
        cluster_arn: str,
        secret_arn: str,
        database: str,
        sleep: Callable[[float], None] = time.sleep,
        measure: Callable[[str, int], None] = lambda _metric, _value: None,
    ) -> None:
        self._client = rds_data
        self._where = {"resourceArn": cluster_arn, "secretArn": secret_arn}
        self._database = database
        self._sleep = sleep
        self._measure = measure

    def execute(
        self,
        sql: str,
        values: Mapping[str, Value] | None = None,
        *,
        transaction: str = "",
        continues: bool = False,
    ) -> Result:
        """Run one statement.

        Args:
            sql: The statement, with parameters as `:name`.
            values: The parameters by name.
            transaction: The transaction that it is part of.
            continues: It goes on after 45 s, when its call ends; for DDL, as AWS advises:
                https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html

        Raises:
            TransientFailure: also for errors that another transaction caused (`deadlock`,
                `lock_timeout`, `busy`: NOWAIT found a lock, `duplicate_key`), and for those of a
                failover or restart (`read_only`, `connection`, `too_many_connections`,
                `interrupted`).
        """
        request: dict[str, Any] = {
            "sql": sql,
            "database": self._database,
            "parameters": [_parameter(name, value) for name, value in (values or {}).items()],
            "includeResultMetadata": True,
        }
        if transaction:
            request["transactionId"] = transaction
        if continues:
            request["continueAfterTimeout"] = True
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
            self._measure("DataApiCalls", 1)
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
                raise _passing(error) or error from error.__cause__


def _passing(error: ConfigurationError) -> TransientFailure | None:
    code = _passing_code(error.message)
    return TransientFailure(error.message, code=code, step=error.step) if code else None


def _passing_code(message: str) -> str | None:
    state = found[1] if (found := _STATE.search(message)) else ""
    if state.startswith(_CONNECTION_STATES):
        return "connection"
    if number := _ERROR.search(message) or _OLD_ERROR.search(message):
        return _PASSING.get(int(number[1]))
    if state in _STATES:
        return _STATES[state]
    return next((code for words, code in _WORDS.items() if words in message), None)


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
