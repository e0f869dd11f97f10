"""The operations of the RDS Data API.

AWS: "Using the Amazon RDS Data API"
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.html and its reference
https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.cursors import SSCursor

from localcloud.data_api.connections import (
    Connection,
    Connections,
    Limits,
    Login,
    as_read_by,
    limit_statements,
)
from localcloud.data_api.errors import DataApiError, bad_request
from localcloud.data_api.sql import compile_statement
from localcloud.data_api.values import NULL_FIELD, Column, parameters

Document = dict[str, Any]

LARGEST_RESPONSE = 1 << 20
LARGEST_ROW = 64 << 10
LARGEST_JSON = 10 << 20
LONGEST_SQL = 65536

_STATEMENT_TIMEOUTS = {1969, 3024}  # of MariaDB, and of MySQL
_TOO_LARGE = "Database returned more than the allowed response size limit"
# Anything else may leave something in the session (variables, a temporary table, a lock) that
# the next caller must not see.
_LEAVES_NO_STATE = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SHOW)\b", re.I)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, on which cluster, once that is allowed."""

    cluster: str
    user: str
    password: str

    def login(self, request: Document) -> Login:
        """The login for the database that the request names."""
        return Login(self.user, self.password, request.get("database") or None)


@dataclass(slots=True)
class Transaction:
    """A transaction between calls."""

    caller: Caller
    login: Login
    connection: Connection
    started: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    busy: threading.Lock = field(default_factory=threading.Lock)
    reusable: bool = True


class DataApi:
    """Runs statements for callers whose rights were checked."""

    def __init__(self, connections: Connections, limits: Limits) -> None:
        self._connections = connections
        self._limits = limits
        self._transactions: dict[str, Transaction] = {}
        self._lock = threading.Lock()
        self._continued = ThreadPoolExecutor(thread_name_prefix="data-api-continued")

    def begin_transaction(self, request: Document, caller: Caller) -> Document:
        """Start a transaction."""
        self._end_expired()
        login = caller.login(request)
        connection = self._connections.take(login)
        # Not BEGIN: after a deadlock or DDL ended it, the next statement starts another.
        connection.autocommit(False)
        identifier = base64.b64encode(secrets.token_bytes(96)).decode()
        with self._lock:
            self._transactions[identifier] = Transaction(caller, login, connection)
        return {"transactionId": identifier}

    def commit_transaction(self, request: Document, caller: Caller) -> Document:
        """End a transaction and keep its changes."""
        self._end(request, caller, "commit")
        return {"transactionStatus": "Transaction Committed"}

    def rollback_transaction(self, request: Document, caller: Caller) -> Document:
        """End a transaction and drop its changes."""
        self._end(request, caller, "rollback")
        return {"transactionStatus": "Rollback Complete"}

    def execute_statement(self, request: Document, caller: Caller) -> Document:
        """Run one statement."""
        sql = _sql(request)
        statement = compile_statement(sql)
        values = parameters(request.get("parameters"))
        statement.require(values)
        if not request.get("continueAfterTimeout"):
            with self._connection(request, caller, sql) as connection:
                return _execute(connection, statement.fill(values, connection.escape), request)

        def run() -> Document:
            with self._connection(request, caller, "") as connection:
                with connection.cursor() as cursor:
                    cursor.execute(limit_statements(connection, 0))
                text = statement.fill(values, connection.escape)
                result = _execute(connection, text, request)
                with connection.cursor() as cursor:
                    cursor.execute(limit_statements(connection, self._limits.statement_seconds))
                return result

        try:
            return self._continued.submit(run).result(self._limits.statement_seconds)
        except TimeoutError:
            raise DataApiError(
                "StatementTimeoutException", "Request timed out; the statement goes on"
            ) from None

    def batch_execute_statement(self, request: Document, caller: Caller) -> Document:
        """Run one statement for each set of values, all of them or none."""
        sql = _sql(request)
        statement = compile_statement(sql)
        sets = [parameters(given) for given in request.get("parameterSets") or [[]]]
        for values in sets:
            statement.require(values)
        deadline = time.monotonic() + self._limits.statement_seconds
        results = []
        with self._connection(request, caller, sql) as connection:
            own = not request.get("transactionId")
            if own:
                connection.begin()
            try:
                for values in sets:
                    connection.query(statement.fill(values, connection.escape))
                    results.append({"generatedFields": _generated(connection.insert_id())})
                    if time.monotonic() > deadline:
                        raise DataApiError("StatementTimeoutException", "Request timed out")
                if own:
                    connection.commit()
            except BaseException:
                if own and connection.open:
                    connection.rollback()
                raise
        return {"updateResults": results}

    def forget_everything(self) -> None:
        """End all transactions and empty the server."""
        with self._lock:
            transactions = list(self._transactions.values())
            self._transactions.clear()
        for transaction in transactions:
            transaction.connection.close()
        self._connections.forget_everything()

    @contextmanager
    def _connection(self, request: Document, caller: Caller, sql: str) -> Iterator[Connection]:
        """The connection for a statement: its transaction's, or one of the pool."""
        identifier = request.get("transactionId")
        if identifier:
            with self._in_transaction(identifier, request, caller) as transaction:
                transaction.reusable &= bool(_LEAVES_NO_STATE.match(sql))
                yield transaction.connection
            return
        login = caller.login(request)
        connection = self._connections.take(login)
        try:
            yield connection
        except pymysql.err.MySQLError as error:
            if connection.open:
                connection.close()
            raise _database_error(error) from None
        except BaseException:
            if connection.open:
                connection.close()
            raise
        if _LEAVES_NO_STATE.match(sql):
            self._connections.give_back(login, connection)
        else:
            connection.close()

    @contextmanager
    def _in_transaction(
        self, identifier: str, request: Document, caller: Caller
    ) -> Iterator[Transaction]:
        transaction = self._find(identifier, caller)
        database = request.get("database")
        if database and database != transaction.login.database:
            raise bad_request("Database name is not the same as transaction's")
        with transaction.busy:
            try:
                yield transaction
            except pymysql.err.MySQLError as error:
                if not transaction.connection.open or error.args[0] in {2006, 2013}:
                    self._drop(identifier)
                    raise _not_found("TransactionNotFoundException", identifier) from None
                raise _database_error(error) from None
            finally:
                transaction.used = time.monotonic()
                if not transaction.connection.open:
                    self._drop(identifier)

    def _end(self, request: Document, caller: Caller, how: str) -> None:
        identifier = request.get("transactionId")
        if not identifier:
            raise bad_request("transactionId is required")
        try:
            with self._in_transaction(identifier, {}, caller) as transaction:
                getattr(transaction.connection, how)()
                if self._drop(identifier) is None:
                    raise _not_found("NotFoundException", identifier)
        except DataApiError as error:
            if error.code == "TransactionNotFoundException":
                raise _not_found("NotFoundException", identifier) from None
            raise
        if transaction.reusable:
            transaction.connection.autocommit(True)
            self._connections.give_back(transaction.login, transaction.connection)
        else:
            transaction.connection.close()

    def _find(self, identifier: str, caller: Caller) -> Transaction:
        self._end_expired()
        with self._lock:
            transaction = self._transactions.get(identifier)
        if transaction is None or transaction.caller != caller:
            raise _not_found("TransactionNotFoundException", identifier)
        return transaction

    def _drop(self, identifier: str) -> Transaction | None:
        with self._lock:
            return self._transactions.pop(identifier, None)

    def _end_expired(self) -> None:
        now = time.monotonic()
        with self._lock:
            expired = [
                identifier
                for identifier, transaction in self._transactions.items()
                if not transaction.busy.locked()
                and (
                    now - transaction.used > self._limits.idle_seconds
                    or now - transaction.started > self._limits.transaction_seconds
                )
            ]
            ended = [self._transactions.pop(identifier) for identifier in expired]
        for transaction in ended:
            if transaction.connection.open:
                transaction.connection.close()


def _sql(request: Document) -> str:
    sql = request.get("sql")
    if not isinstance(sql, str) or not sql.strip():
        raise bad_request("sql is required")
    if len(sql) > LONGEST_SQL:
        raise bad_request(f"sql is longer than {LONGEST_SQL} characters")
    return sql


def _execute(connection: Connection, text: str, request: Document) -> Document:
    """Run a statement, reading no more of its result than an answer may hold."""
    cursor: Any = SSCursor(connection)
    cursor.execute(as_read_by(connection, text))
    if cursor.description is None:
        return {
            "numberOfRecordsUpdated": max(cursor.rowcount, 0),
            "generatedFields": _generated(cursor.lastrowid),
        }
    columns = [
        Column(
            label=found.name,
            name=found.org_name,
            table=found.table_name,
            type_code=found.type_code,
            flags=found.flags,
            charset=found.charsetnr,
            length=found.length,
            scale=found.scale,
        )
        for found in cursor._result.fields  # noqa: SLF001 - the driver's description drops flags
    ]
    as_json = request.get("formatRecordsAs") == "JSON"
    try:
        records = _records(
            cursor,
            columns,
            request.get("resultSetOptions") or {},
            LARGEST_JSON if as_json else LARGEST_RESPONSE,
        )
    except DataApiError:
        # As on AWS, the call is terminated, and with it a transaction that it was part of.
        connection._force_close()  # noqa: SLF001 - close() would read the rest first
        raise
    response: Document = {"numberOfRecordsUpdated": 0, "generatedFields": []}
    if as_json:
        response["formattedRecords"] = _json_records(columns, records)
        return response
    response["records"] = records
    if request.get("includeResultMetadata"):
        response["columnMetadata"] = [column.metadata() for column in columns]
    return response


def _records(
    cursor: Any, columns: list[Column], options: Mapping[str, Any], limit: int
) -> list[list[Document]]:
    fields = [column.field(options) for column in columns]
    records = []
    total = 0
    for row in cursor:
        size = sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
        total += size
        if total > limit or size > LARGEST_ROW:
            raise bad_request(_TOO_LARGE)
        records.append(
            [
                NULL_FIELD if value is None else make(value)
                for make, value in zip(fields, row, strict=True)
            ]
        )
    return records


def _json_records(columns: list[Column], records: list[list[Document]]) -> str:
    labels = [column.label for column in columns]
    if len(set(labels)) < len(labels):
        raise DataApiError(
            "UnsupportedResultException", "The result has more than one column of the same name"
        )
    rows = [
        {
            label: None if value is NULL_FIELD else next(iter(value.values()))
            for label, value in zip(labels, record, strict=True)
        }
        for record in records
    ]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > LARGEST_JSON:
        raise bad_request(_TOO_LARGE)
    return text


def _generated(identifier: int | None) -> list[Document]:
    return [{"longValue": identifier}] if identifier else []


def _not_found(code: str, identifier: str) -> DataApiError:
    return DataApiError(code, f"Transaction {identifier} is not found")


def _database_error(error: pymysql.err.MySQLError) -> DataApiError:
    code, message = error.args if len(error.args) == 2 else (0, str(error))
    if code in _STATEMENT_TIMEOUTS:
        return DataApiError("StatementTimeoutException", "Request timed out")
    if code in {2003, 2006, 2013}:
        return DataApiError("DatabaseUnavailableException", message)
    state = getattr(error, "sql_state", "HY000")
    return DataApiError(
        "DatabaseErrorException", f"{message}; Error code: {code}; SQLState: {state}"
    )
