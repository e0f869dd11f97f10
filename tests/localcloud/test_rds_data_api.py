"""The local Data API with shorter limits than AWS's, and its own settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from localcloud.settings import Settings
from localcloud.supervisor import LocalCloud
from tests.conftest import fresh_settings
from tests.localcloud.contract.aws import MANAGEMENT, Account, error_code
from tests.localcloud.contract.clusters import Cluster, make_cluster

IMPATIENT = {"FINOPS_DATA_API_STATEMENT_SECONDS": "1", "FINOPS_DATA_API_IDLE_SECONDS": "5"}


@pytest.fixture(scope="module")
def impatient() -> Iterator[Cluster]:
    """A cluster whose limits are a second or two."""
    with (
        fresh_settings() as settings,
        LocalCloud(replace(settings, emulator_environment=IMPATIENT)) as cloud,
    ):
        yield make_cluster(Account(MANAGEMENT, cloud.endpoint_url))


def test_a_long_statement_is_ended(impatient: Cluster) -> None:
    table = impatient.table()
    started = time.monotonic()
    # SLEEP() is cut short without an error, so the work is real.
    slow = (
        f"INSERT INTO {table} (name) SELECT a.column_name FROM information_schema.columns a,"
        " information_schema.columns b, information_schema.columns c"
    )
    assert error_code(lambda: impatient.execute(slow)) == "StatementTimeoutException"
    assert time.monotonic() - started < 30
    assert impatient.rows(f"SELECT COUNT(*) FROM {table}") == [[0]]


def test_a_lock_is_waited_for_no_longer_than_a_statement_may_run(impatient: Cluster) -> None:
    table = impatient.table()
    impatient.execute(f"INSERT INTO {table} (name) VALUES ('a')")
    transaction = impatient.begin()
    impatient.execute(f"UPDATE {table} SET name = 'b'", transaction)
    update = f"UPDATE {table} SET name = 'c'"
    assert error_code(lambda: impatient.execute(update)) == "StatementTimeoutException"
    impatient.end("rollback", transaction)
    impatient.execute(update)


def test_a_statement_may_go_on_after_its_call(impatient: Cluster) -> None:
    table = impatient.table()
    slow = f"INSERT INTO {table} (name) SELECT SLEEP(1.7)"
    call = lambda: impatient.execute(slow, continueAfterTimeout=True)  # noqa: E731
    assert error_code(call) == "StatementTimeoutException"
    deadline = time.monotonic() + 60
    while impatient.rows(f"SELECT COUNT(*) FROM {table}") != [[1]]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_idle_transaction_ends_and_frees_its_locks(impatient: Cluster) -> None:
    table = impatient.table()
    impatient.execute(f"INSERT INTO {table} (name) VALUES ('a')")
    transaction = impatient.begin()
    impatient.execute(f"UPDATE {table} SET name = 'b'", transaction)
    time.sleep(3)
    impatient.execute("SELECT 1", transaction)  # a call keeps the transaction open
    time.sleep(3)
    impatient.execute("SELECT 1", transaction)
    time.sleep(6.2)
    impatient.execute(f"UPDATE {table} SET name = CONCAT(name, 'c')")
    assert impatient.rows(f"SELECT name FROM {table}") == [["ac"]]
    assert error_code(lambda: impatient.execute("SELECT 1", transaction)) == (
        "TransactionNotFoundException"
    )
    assert error_code(lambda: impatient.end("commit", transaction)) == "NotFoundException"


def test_latency_is_added_to_each_call(local_settings: Settings) -> None:
    latency = {"FINOPS_DATA_API_LATENCY_MS": "150"}
    with LocalCloud(replace(local_settings, emulator_environment=latency)) as cloud:
        cluster = make_cluster(Account(MANAGEMENT, cloud.endpoint_url))
        cluster.execute("SELECT 1")
        started = time.monotonic()
        cluster.execute("SELECT 1")
        assert time.monotonic() - started >= 0.15


def test_without_a_database_it_is_unavailable(local_settings: Settings) -> None:
    with LocalCloud(replace(local_settings, database=False)) as cloud:
        cluster = make_cluster(Account(MANAGEMENT, cloud.endpoint_url))
        with pytest.raises(ClientError) as error:
            cluster.execute("SELECT 1")
        assert error.value.response["Error"]["Code"] == "DatabaseUnavailableException"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 504


def test_data_outlives_a_stop_and_ends_with_the_last_cluster(local_settings: Settings) -> None:
    settings = replace(local_settings, persist=True)
    with LocalCloud(settings) as cloud:
        made = make_cluster(Account(MANAGEMENT, cloud.endpoint_url))
        table = made.table()
        made.execute(f"INSERT INTO {table} (name) VALUES ('kept')")
    with LocalCloud(settings) as cloud:
        account = Account(MANAGEMENT, cloud.endpoint_url)
        kept = Cluster(account, made.arn, made.secret, made.database)
        assert kept.rows(f"SELECT name FROM {table}") == [["kept"]]
        rds = account.client("rds")
        name = made.arn.rpartition(":")[2]
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
        time.sleep(1)
        fresh = make_cluster(account)
        assert fresh.rows("SHOW TABLES") == []
