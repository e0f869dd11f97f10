"""The Data API's client: values, transactions, a paused database, conflicts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.shared.data_api import DataApi
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure


class FakeClient:
    """Answers, or raises the errors that it was given, and keeps its calls."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        self.errors = list(errors)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer: dict[str, Any] = {"numberOfRecordsUpdated": 0}

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((operation, request))
        if self.errors:
            code, message = self.errors.pop(0)
            raise ClientError(
                {
                    "Error": {"Code": code, "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 400},
                },
                operation,
            )
        return self.answer | {"transactionId": "t"}

    def execute_statement(self, **request: Any) -> dict[str, Any]:
        return self._call("ExecuteStatement", request)

    def begin_transaction(self, **request: Any) -> dict[str, Any]:
        return self._call("BeginTransaction", request)

    def commit_transaction(self, **request: Any) -> dict[str, Any]:
        return self._call("CommitTransaction", request)

    def rollback_transaction(self, **request: Any) -> dict[str, Any]:
        return self._call("RollbackTransaction", request)

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


def database(client: FakeClient) -> tuple[DataApi, list[float]]:
    slept: list[float] = []
    return (
        DataApi(client, cluster_arn="c", secret_arn="s", database="d", sleep=slept.append),
        slept,
    )


def test_values_are_sent_and_returned_by_their_type() -> None:
    client = FakeClient()
    api, _ = database(client)
    api.execute("SELECT :a", {"a": None, "b": 1, "c": "x", "d": Decimal("1E+2"), "e": True})
    sent = {one["name"]: one for one in client.calls[0][1]["parameters"]}
    assert [sent[name]["value"] for name in "abce"] == [
        {"isNull": True},
        {"longValue": 1},
        {"stringValue": "x"},
        {"booleanValue": True},
    ]
    assert sent["d"] == {"name": "d", "value": {"stringValue": "100"}, "typeHint": "DECIMAL"}


def test_rows_are_returned_by_column() -> None:
    client = FakeClient()
    client.answer = {
        "columnMetadata": [{"label": "a"}, {"label": "b"}],
        "records": [[{"stringValue": "1.10"}, {"isNull": True}]],
        "generatedFields": [{"longValue": 9}],
        "numberOfRecordsUpdated": 3,
    }
    api, _ = database(client)
    found = api.execute("SELECT 1")
    assert found.rows == [{"a": "1.10", "b": None}]
    assert (found.changed, found.generated) == (3, 9)


def test_a_paused_database_is_waited_for_a_minute() -> None:
    client = FakeClient(*[("DatabaseResumingException", "resuming")] * 5)
    api, slept = database(client)
    api.execute("SELECT 1")
    assert slept == [1, 2, 4, 8, 8]
    client = FakeClient(*[("DatabaseResumingException", "resuming")] * 99)
    api, slept = database(client)
    with pytest.raises(TransientFailure):
        api.execute("SELECT 1")
    assert 60 <= sum(slept) < 75


def test_every_call_is_counted_also_those_that_fail() -> None:
    counted: list[str] = []
    client = FakeClient(*[("DatabaseResumingException", "resuming")] * 2)
    api = DataApi(
        client,
        cluster_arn="c",
        secret_arn="s",
        database="d",
        sleep=lambda _seconds: None,
        measure=lambda metric, value: counted.extend([metric] * value),
    )
    with api.transaction() as transaction:
        api.execute("SELECT 1", transaction=transaction)
    assert counted == ["DataApiCalls"] * len(client.calls)
    assert len(client.calls) == 5


CONFLICTS = [
    (1213, "40001", "Deadlock found when trying to get lock; try restarting transaction"),
    (1205, "HY000", "Lock wait timeout exceeded; try restarting transaction"),
    (
        3572,
        "HY000",
        "Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.",
    ),
    (1062, "23000", "Duplicate entry '1' for key 'PRIMARY'"),
    # A failover made the server a reader.
    (
        1290,
        "HY000",
        "The MySQL server is running with the --read-only option so it cannot execute this"
        " statement",
    ),
]
CODES = {
    1213: "deadlock",
    1205: "lock_timeout",
    3572: "busy",
    1062: "duplicate_key",
    1290: "read_only",
}


@pytest.mark.parametrize(("number", "state", "words"), CONFLICTS)
@pytest.mark.parametrize(
    "form",
    [
        "{words}; Error code: {number}; SQLState: {state}",
        "Error code: {number}; SQLState: {state}",
        "Database error code: {number}. Message: {words}",
        "{words}",
    ],
)
def test_a_conflict_with_another_transaction_can_be_retried(
    number: int, state: str, words: str, form: str
) -> None:
    message = form.format(number=number, state=state, words=words)
    assert refusal(message).code == CODES[number]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Database error code: 1836. Message: another wording", "read_only"),
        ("Running in read-only mode; Error code: 1836; SQLState: HY000", "read_only"),
        ("Cannot execute it in READ ONLY; Error code: 1792; SQLState: 25006", "read_only"),
        ("Too many connections; Error code: 1040; SQLState: 08004", "connection"),
        ("Server shutdown in progress; Error code: 1053; SQLState: 08S01", "connection"),
        ("Communications link failure; SQLState: 08S01", "connection"),
        ("Communications link failure", "connection"),
        ("User has more; Error code: 1203; SQLState: 42000", "too_many_connections"),
        ("Query execution was interrupted; Error code: 1317; SQLState: 70100", "interrupted"),
    ],
)
def test_a_failover_or_restart_of_the_server_can_be_waited_for(message: str, code: str) -> None:
    failure = refusal(message)
    assert isinstance(failure, TransientFailure)
    assert failure.code == code


@pytest.mark.parametrize(("state", "code"), [("40001", "deadlock"), ("23000", "duplicate_key")])
def test_a_conflict_is_known_by_its_state_alone(state: str, code: str) -> None:
    assert refusal(f"another wording; SQLState: {state}").code == code


@pytest.mark.parametrize(
    "message",
    [
        "Table 't' doesn't exist; Error code: 1146; SQLState: 42S02",
        "Database error code: 1146. Message: Table 't' doesn't exist",
        "Incorrect value: 'Error code: 1213; SQLState: 40001'; Error code: 1366; SQLState: HY000",
        "Table 't' doesn't exist",
        "Database error code: 1366. Message: Incorrect string value: 'Duplicate entry '",
    ],
)
def test_an_invalid_statement_is_a_configuration_error(message: str) -> None:
    assert isinstance(refusal(message), ConfigurationError)


def refusal(message: str) -> FinOpsError:
    api, _ = database(FakeClient(("DatabaseErrorException", message)))
    with pytest.raises(FinOpsError) as failure:
        api.execute("UPDATE t SET a = 1")
    return failure.value


def test_a_transaction_commits_at_its_end() -> None:
    client = FakeClient()
    api, _ = database(client)
    with api.transaction() as identifier:
        api.execute("SELECT 1", transaction=identifier)
    assert client.operations() == ["BeginTransaction", "ExecuteStatement", "CommitTransaction"]
    assert client.calls[1][1]["transactionId"] == "t"


def test_an_error_rolls_its_transaction_back() -> None:
    client = FakeClient()
    api, _ = database(client)

    def fail() -> None:
        with api.transaction():
            client.errors.append(("ServiceUnavailableError", "rollback fails, too"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert client.operations() == ["BeginTransaction", "RollbackTransaction"]
