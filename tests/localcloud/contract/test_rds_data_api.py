"""The RDS Data API on an Aurora MySQL cluster.

https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.html
https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, allow, error_code, unique
from tests.localcloud.contract.clusters import Cluster, make_cluster, parameter

pytestmark = pytest.mark.needs("rds_data_api")

MEBIBYTE = 1 << 20


def text(value: str) -> dict[str, str]:
    return {"stringValue": value}


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


@pytest.fixture(scope="session")
def cluster(management: Account) -> Cluster:
    return make_cluster(management)


@pytest.fixture
def people(cluster: Cluster) -> Iterator[str]:
    name = cluster.table()
    yield name
    cluster.execute(f"DROP TABLE {name}")


# Parameters


def test_named_parameters_are_values_not_text(cluster: Cluster) -> None:
    hostile = "'; DROP TABLE x; -- \\' \" ` % %s :name \0 \n é 😀"
    assert cluster.rows("SELECT :v", parameters=[("v", text(hostile))]) == [[hostile]]


def test_one_parameter_may_be_used_often(cluster: Cluster) -> None:
    sql = "SELECT :a, :ab, :a"
    given = [("a", text("1")), ("ab", text("2"))]
    assert cluster.rows(sql, parameters=given) == [["1", "2", "1"]]


def test_colons_in_strings_names_and_comments_are_not_parameters(cluster: Cluster) -> None:
    sql = "SELECT ':a', \":a\", 1 AS `:a`, 'it''s :a', '\\':a' /* :a */ # :a\n, :a -- :a"
    assert cluster.rows(sql, parameters=[("a", text("found"))]) == [
        [":a", ":a", 1, "it's :a", "':a", "found"]
    ]


def test_percent_signs_are_left_alone(cluster: Cluster) -> None:
    assert cluster.rows("SELECT '100%', 'a%sb' LIKE 'a%', 7 % 4") == [["100%", 1, 3]]
    assert cluster.rows("SELECT '%', :a", parameters=[("a", text("%d"))]) == [["%", "%d"]]


def test_a_missing_parameter_is_named(cluster: Cluster) -> None:
    code, message = refused(lambda: cluster.execute("SELECT :missing"))
    assert code == "BadRequestException"
    assert "missing" in message


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"stringValue": "x"}, {"stringValue": "x"}),
        ({"stringValue": ""}, {"stringValue": ""}),
        ({"longValue": -(2**63)}, {"longValue": -(2**63)}),
        ({"isNull": True}, {"isNull": True}),
        ({"blobValue": b"\x00\xff'\\"}, {"blobValue": b"\x00\xff'\\"}),
    ],
)
def test_values_come_back_as_they_went(cluster: Cluster, field: Any, expected: Any) -> None:
    assert cluster.execute("SELECT :v", parameters=[("v", field)])["records"] == [[expected]]


@pytest.mark.parametrize(
    ("hint", "value", "column"),
    [
        ("DECIMAL", "12345678901234.567890", "DECIMAL(20,6)"),
        ("DATE", "2024-02-29", "DATE"),
        ("TIME", "23:59:59", "TIME"),
        ("TIMESTAMP", "2024-02-29 23:59:59", "DATETIME"),
        ("UUID", "0b4a3f6e-6d3c-4f5e-9a55-0d5a5f7b8c9d", "CHAR(36)"),
    ],
)
def test_type_hints_reach_columns_of_their_type(
    cluster: Cluster, hint: str, value: str, column: str
) -> None:
    table = cluster.table(f"v {column}")
    sql = f"INSERT INTO {table} VALUES (:v)"
    cluster.execute(sql, parameters=[("v", text(value), hint)])
    assert cluster.rows(f"SELECT v FROM {table}") == [[value]]


def test_a_json_hint_carries_many_rows_in_one_parameter(cluster: Cluster) -> None:
    rows = [[number, f"name {number} é"] for number in range(1000)]
    sql = """SELECT COUNT(*), MAX(j.name), CAST(SUM(j.id) AS SIGNED) FROM JSON_TABLE(:rows, '$[*]'
        COLUMNS (id INT PATH '$[0]', name VARCHAR(80) PATH '$[1]')) AS j"""
    given = [("rows", text(json.dumps(rows)), "JSON")]
    assert cluster.rows(sql, parameters=given) == [[1000, "name 999 é", sum(range(1000))]]


@pytest.mark.parametrize(
    ("value", "hint"),
    [("abc", "DECIMAL"), ("2023-02-29", "DATE"), ("25:00:00", "TIME"), ("{", "JSON")],
)
def test_a_value_that_does_not_fit_its_hint_is_refused(
    cluster: Cluster, value: str, hint: str
) -> None:
    code, _ = refused(lambda: cluster.execute("SELECT :v", parameters=[("v", text(value), hint)]))
    assert code == "BadRequestException"


# Results


def test_types_of_a_result(cluster: Cluster) -> None:
    table = cluster.table(
        "a TINYINT, b BIGINT UNSIGNED, c DOUBLE, d DECIMAL(20,6), e DATE, f DATETIME(3), g TIME,"
        " h VARBINARY(9), i TEXT, j BOOLEAN, k JSON, l ENUM('x','y'), m BIT(1), n YEAR"
    )
    cluster.execute(
        f"INSERT INTO {table} VALUES (-5, 18446744073709551615, 0.1, 10.10, '2024-01-31',"
        " '2024-01-31 01:02:03.4', '-01:02:03', X'00FF', 'ü', TRUE, '[1, 2]', 'y', b'1', 2024)"
    )
    assert cluster.execute(f"SELECT * FROM {table}")["records"] == [
        [
            {"longValue": -5},
            {"longValue": 18446744073709551615},
            {"doubleValue": 0.1},
            {"stringValue": "10.100000"},
            {"stringValue": "2024-01-31"},
            {"stringValue": "2024-01-31 01:02:03.400"},
            {"stringValue": "-01:02:03"},
            {"blobValue": b"\x00\xff"},
            {"stringValue": "ü"},
            {"booleanValue": True},
            {"stringValue": "[1, 2]"},
            {"stringValue": "y"},
            {"booleanValue": True},
            {"longValue": 2024},
        ]
    ]


def test_result_set_options_choose_number_types(cluster: Cluster) -> None:
    sql = "SELECT CAST(1.50 AS DECIMAL(9,2)), CAST(2 AS DECIMAL(9,0)), CAST(3 AS SIGNED)"
    options = {"decimalReturnType": "DOUBLE_OR_LONG", "longReturnType": "STRING"}
    assert cluster.execute(sql, resultSetOptions=options)["records"] == [
        [{"doubleValue": 1.5}, {"longValue": 2}, {"stringValue": "3"}]
    ]


def test_metadata_describes_the_columns(cluster: Cluster) -> None:
    table = cluster.table("id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, amount DECIMAL(20,6)")
    sql = f"SELECT id AS number, amount FROM {table}"
    answer = cluster.execute(sql, includeResultMetadata=True)
    assert answer["records"] == []
    number, amount = answer["columnMetadata"]
    assert (number["name"], number["label"], number["tableName"]) == ("id", "number", table)
    assert number["typeName"] == "INT UNSIGNED"
    assert number["isAutoIncrement"]
    assert not number["isSigned"]
    assert number["nullable"] == 0
    assert (amount["typeName"], amount["precision"], amount["scale"]) == ("DECIMAL", 20, 6)
    assert amount["nullable"] == 1
    assert "columnMetadata" not in cluster.execute(sql)


def test_records_as_json(cluster: Cluster) -> None:
    sql = "SELECT 1 AS a, 'é' AS b, NULL AS c, CAST(1.10 AS DECIMAL(5,2)) AS d, TRUE AS e"
    answer = cluster.execute(sql, formatRecordsAs="JSON", includeResultMetadata=True)
    assert json.loads(answer["formattedRecords"]) == [
        {"a": 1, "b": "é", "c": None, "d": "1.10", "e": 1}
    ]
    assert "records" not in answer
    assert "columnMetadata" not in answer


def test_json_records_need_distinct_names(cluster: Cluster) -> None:
    code, _ = refused(lambda: cluster.execute("SELECT 1 a, 2 a", formatRecordsAs="JSON"))
    assert code == "UnsupportedResultException"


def test_updates_are_counted_and_generated_fields_returned(cluster: Cluster, people: str) -> None:
    answer = cluster.execute(f"INSERT INTO {people} (name) VALUES ('a')")
    assert answer["numberOfRecordsUpdated"] == 1
    assert answer["generatedFields"] == [{"longValue": 1}]
    answer = cluster.execute(f"INSERT INTO {people} (name) VALUES ('b'), ('c')")
    assert answer["numberOfRecordsUpdated"] == 2
    assert cluster.execute(f"DELETE FROM {people}")["numberOfRecordsUpdated"] == 3
    assert cluster.execute("SELECT 1")["numberOfRecordsUpdated"] == 0


# Batches


def test_a_batch_runs_for_each_parameter_set(cluster: Cluster, people: str) -> None:
    names = [f"person {number}" for number in range(50)]
    answer = cluster.client.batch_execute_statement(
        sql=f"INSERT INTO {people} (name) VALUES (:name)",
        parameterSets=[[parameter("name", text(name))] for name in names],
        **cluster.target,
    )
    generated = [result["generatedFields"][0]["longValue"] for result in answer["updateResults"]]
    assert generated == list(range(1, 51))
    assert [row[0] for row in cluster.rows(f"SELECT name FROM {people} ORDER BY id")] == names


def test_a_batch_in_a_transaction_is_part_of_it(cluster: Cluster, people: str) -> None:
    transaction = cluster.begin()
    cluster.client.batch_execute_statement(
        sql=f"INSERT INTO {people} (name) VALUES (:name)",
        parameterSets=[[parameter("name", text("x"))]] * 3,
        transactionId=transaction,
        **cluster.target,
    )
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[0]]
    cluster.end("commit", transaction)
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[3]]


def test_a_batch_names_the_parameter_that_a_set_lacks(cluster: Cluster, people: str) -> None:
    code, message = refused(
        lambda: cluster.client.batch_execute_statement(
            sql=f"INSERT INTO {people} (name) VALUES (:name)",
            parameterSets=[[parameter("name", text("x"))], []],
            **cluster.target,
        )
    )
    assert (code, "name" in message) == ("BadRequestException", True)
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[0]]


# Transactions


def test_a_committed_transaction_is_seen_by_all(cluster: Cluster, people: str) -> None:
    transaction = cluster.begin()
    cluster.execute(f"INSERT INTO {people} (name) VALUES ('a')", transaction)
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[0]]
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}", transaction=transaction) == [[1]]
    assert cluster.end("commit", transaction) == "Transaction Committed"
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[1]]


def test_a_rolled_back_transaction_leaves_nothing(cluster: Cluster, people: str) -> None:
    transaction = cluster.begin()
    cluster.execute(f"INSERT INTO {people} (name) VALUES ('a')", transaction)
    assert cluster.end("rollback", transaction) == "Rollback Complete"
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}") == [[0]]


def test_an_ended_or_unknown_transaction_is_not_found(cluster: Cluster) -> None:
    transaction = cluster.begin()
    cluster.end("commit", transaction)
    for unknown in (transaction, "bm9uZQ=="):
        assert error_code(partial(cluster.execute, "SELECT 1", unknown)) == (
            "TransactionNotFoundException"
        )
        for operation in ("commit", "rollback"):
            assert error_code(partial(cluster.end, operation, unknown)) == ("NotFoundException")


def test_an_error_leaves_a_transaction_open(cluster: Cluster, people: str) -> None:
    transaction = cluster.begin()
    cluster.execute(f"INSERT INTO {people} (id, name) VALUES (1, 'a')", transaction)
    duplicate = f"INSERT INTO {people} (id, name) VALUES (1, 'b')"
    code, message = refused(lambda: cluster.execute(duplicate, transaction))
    assert code == "DatabaseErrorException"
    assert "Duplicate entry" in message
    assert message.endswith("; Error code: 1062; SQLState: 23000")
    cluster.end("commit", transaction)
    assert cluster.rows(f"SELECT name FROM {people}") == [["a"]]


def test_a_transaction_keeps_to_its_database(cluster: Cluster) -> None:
    transaction = cluster.begin()
    code, _ = refused(lambda: cluster.execute("SELECT 1", transaction, database="mysql"))
    assert code == "BadRequestException"
    cluster.end("rollback", transaction)


def test_a_session_is_not_carried_to_the_next_call(cluster: Cluster) -> None:
    for _ in range(5):
        cluster.execute("SET @left = 'behind', SESSION sql_mode = ''")
    strict = "SELECT @left, LOCATE('STRICT_TRANS_TABLES', @@sql_mode) > 0"
    assert all(cluster.rows(strict) == [[None, 1]] for _ in range(5))


def test_a_statement_that_waits_for_a_lock_blocks_no_other(cluster: Cluster, people: str) -> None:
    cluster.execute(f"INSERT INTO {people} (id, name) VALUES (1, 'a')")
    update = f"UPDATE {people} SET name = CONCAT(name, :by) WHERE id = 1"
    transaction = cluster.begin()
    cluster.execute(update, transaction, parameters=[("by", text("1"))])
    waiter = threading.Thread(
        target=lambda: cluster.execute(update, parameters=[("by", text("2"))])
    )
    waiter.start()
    sts = cluster.account.client("sts")
    for _ in range(10):
        sts.get_caller_identity()
        cluster.execute("SELECT 1")
        time.sleep(0.1)
    assert waiter.is_alive()
    cluster.end("commit", transaction)
    waiter.join(10)
    assert cluster.rows(f"SELECT name FROM {people}") == [["a12"]]


def test_concurrent_callers_get_their_own_answers(cluster: Cluster) -> None:
    def ask(number: int) -> bool:
        given = [("n", {"longValue": number})]
        return cluster.rows("SELECT :n", parameters=given) == [[number]]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


# Limits


def test_a_request_over_4_mebibytes_is_refused(cluster: Cluster) -> None:
    def length(characters: int) -> Any:
        given = [("v", text("x" * characters))]
        return cluster.rows("SELECT LENGTH(:v)", parameters=given)

    assert length(4 * MEBIBYTE - 2000) == [[4 * MEBIBYTE - 2000]]
    code, message = refused(lambda: length(4 * MEBIBYTE))
    assert code == "BadRequestException"
    assert "maximum allowed size" in message


def test_a_response_over_1_mebibyte_is_refused(cluster: Cluster) -> None:
    rows = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    many = f"{rows} SELECT REPEAT('x', 2000) FROM n"
    assert len(cluster.rows(many.format(count=500))) == 500
    for count in (520, 900):
        code, message = refused(partial(cluster.execute, many.format(count=count)))
        assert code == "BadRequestException"
        assert "response size limit" in message
    assert cluster.rows("SELECT 1") == [[1]]


def test_a_response_that_is_too_large_ends_its_transaction(cluster: Cluster) -> None:
    transaction = cluster.begin()
    large = f"SELECT REPEAT('x', {2 * MEBIBYTE})"
    assert error_code(lambda: cluster.execute(large, transaction)) == "BadRequestException"
    assert error_code(lambda: cluster.execute("SELECT 1", transaction)) == (
        "TransactionNotFoundException"
    )


def test_json_records_may_be_larger_than_records(cluster: Cluster) -> None:
    sql = (
        "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
        " SELECT i, REPEAT('x', 4000) AS text FROM n"
    )
    answer = cluster.execute(sql, formatRecordsAs="JSON")
    assert len(json.loads(answer["formattedRecords"])) == 900


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM no_such_table", "SELECT 1; SELECT 2"])
def test_a_database_error_has_its_code_and_message(cluster: Cluster, sql: str) -> None:
    code, message = refused(lambda: cluster.execute(sql))
    assert code == "DatabaseErrorException"
    assert "SQL syntax" in message or "no_such_table" in message


def test_a_deadlock_has_its_code_and_state(cluster: Cluster, people: str) -> None:
    """The form that clients match since 2022, of which AWS has no page.

    https://github.com/cloud-utils/aurora-data-api/blob/main/aurora_data_api/base.py
    """
    cluster.execute(f"INSERT INTO {people} (id, name) VALUES (1, 'a'), (2, 'b')")
    first, second = cluster.begin(), cluster.begin()
    update = f"UPDATE {people} SET name = 'c' WHERE id = "
    cluster.execute(f"{update}1", first)
    cluster.execute(f"{update}2", second)
    with ThreadPoolExecutor() as pool:
        calls = [
            pool.submit(cluster.execute, f"{update}{row}", transaction)
            for row, transaction in ((2, first), (1, second))
        ]
        failures = [error for call in calls if (error := call.exception())]
    (failure,) = failures
    assert isinstance(failure, ClientError)
    assert failure.response["Error"]["Code"] == "DatabaseErrorException"
    assert failure.response["Error"]["Message"].endswith("; Error code: 1213; SQLState: 40001")
    for transaction in (first, second):
        cluster.end("rollback", transaction)


def test_strict_mode_refuses_values_that_would_be_truncated(cluster: Cluster) -> None:
    table = cluster.table("v VARCHAR(3), n DECIMAL(5,2)")
    for values in ("('abcd', 1)", "('a', 12345.6)", "('a', 'x')"):
        sql = f"INSERT INTO {table} VALUES {values}"
        assert error_code(partial(cluster.execute, sql)) == "DatabaseErrorException"


def test_decimals_are_exact(cluster: Cluster) -> None:
    table = cluster.table("amount DECIMAL(20,6)")
    amounts = ["0.000001", "-0.000001", "99999999999999.999999", "1e-6", "7"]
    for amount in amounts:
        sql = f"INSERT INTO {table} VALUES (:v)"
        cluster.execute(sql, parameters=[("v", text(amount), "DECIMAL")])
    total = cluster.rows(f"SELECT SUM(amount) FROM {table}")[0][0]
    assert Decimal(total) == sum(map(Decimal, amounts))


# Clusters, secrets and permissions


def test_an_unknown_cluster_or_secret_is_refused(cluster: Cluster) -> None:
    def code(**changed: str) -> str:
        return error_code(lambda: cluster.execute("SELECT 1", **changed))

    assert code(resourceArn=f"{cluster.arn}-none") == "BadRequestException"
    assert code(secretArn=f"{cluster.secret[:-7]}none-abcdef") == "SecretsErrorException"
    assert code(database="none") in {"BadRequestException", "DatabaseErrorException"}


def test_a_wrong_password_is_refused(cluster: Cluster) -> None:
    secrets = cluster.account.client("secretsmanager")

    def secret(**document: str) -> str:
        made = secrets.create_secret(Name=unique("contract"), SecretString=json.dumps(document))
        return str(made["ARN"])

    wrong = secret(username="admin", password="wrong")
    code, message = refused(lambda: cluster.execute("SELECT 1", secretArn=wrong))
    assert code == "BadRequestException"
    assert "Access denied" in message
    stranger = secret(username="stranger", password="x")
    assert error_code(lambda: cluster.execute("SELECT 1", secretArn=stranger)) == (
        "BadRequestException"
    )
    empty = secret(note="no credentials")
    assert error_code(lambda: cluster.execute("SELECT 1", secretArn=empty)) == (
        "InvalidSecretException"
    )


def test_a_user_made_in_sql_logs_in_with_its_own_rights(cluster: Cluster, people: str) -> None:
    user = unique("u").replace("-", "_")
    cluster.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'its password'")
    cluster.execute(f"GRANT SELECT ON {cluster.database}.{people} TO {user}@'%'")
    secret = cluster.account.client("secretsmanager").create_secret(
        Name=unique("contract"),
        SecretString=json.dumps({"username": user, "password": "its password"}),
    )["ARN"]
    assert cluster.rows(f"SELECT COUNT(*) FROM {people}", secretArn=secret) == [[0]]
    code, message = refused(lambda: cluster.execute(f"DELETE FROM {people}", secretArn=secret))
    assert code == "DatabaseErrorException"
    assert "denied" in message


def test_a_rotated_password_takes_over(management: Account) -> None:
    rotated = make_cluster(management)
    assert rotated.rows("SELECT 1") == [[1]]
    old = management.client("secretsmanager").get_secret_value(SecretId=rotated.secret)
    kept = management.client("secretsmanager").create_secret(
        Name=unique("contract"), SecretString=old["SecretString"]
    )["ARN"]
    management.client("rds").modify_db_cluster(
        DBClusterIdentifier=rotated.arn.rpartition(":")[2],
        RotateMasterUserPassword=True,
        ApplyImmediately=True,
    )
    assert rotated.rows("SELECT 1") == [[1]]
    assert error_code(lambda: rotated.execute("SELECT 1", secretArn=kept)) == "BadRequestException"


def test_the_http_endpoint_must_be_enabled(management: Account, cluster: Cluster) -> None:
    closed = make_cluster(management, EnableHttpEndpoint=False)
    assert error_code(lambda: closed.execute("SELECT 1")) in {
        "HttpEndpointNotEnabledException",
        "BadRequestException",
    }


def test_a_caller_needs_the_data_api_and_the_secret(cluster: Cluster) -> None:
    use = allow("rds-data:ExecuteStatement", cluster.arn)
    read = allow("secretsmanager:GetSecretValue", cluster.secret)

    def call(*statements: dict[str, Any]) -> Callable[[], Any]:
        role = cluster.account.role(*statements)
        client = cluster.account.client("rds-data", cluster.account.assume(role))
        return lambda: client.execute_statement(sql="SELECT 1", **cluster.target)

    assert call(use, read)()["records"] == [[{"longValue": 1}]]
    assert error_code(call(read)) == "AccessDeniedException"
    assert error_code(call(use)) == "AccessDeniedException"
    elsewhere = allow("rds-data:ExecuteStatement", f"{cluster.arn}-other")
    assert error_code(call(elsewhere, read)) == "AccessDeniedException"
    batch_only = allow("rds-data:BatchExecuteStatement", cluster.arn)
    assert error_code(call(batch_only, read)) == "AccessDeniedException"


def test_another_account_cannot_reach_the_cluster(cluster: Cluster, foreign: Account) -> None:
    stranger = Cluster(foreign, cluster.arn, cluster.secret, cluster.database)
    assert error_code(lambda: stranger.execute("SELECT 1")) in {
        "AccessDeniedException",
        "BadRequestException",
        "ForbiddenException",
    }


def test_another_callers_transaction_is_not_found(cluster: Cluster, management: Account) -> None:
    other = make_cluster(management)
    transaction = cluster.begin()
    assert error_code(lambda: other.execute("SELECT 1", transaction)) == (
        "TransactionNotFoundException"
    )
    cluster.end("rollback", transaction)
