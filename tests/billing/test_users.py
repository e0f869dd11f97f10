"""The users of the database, one for each purpose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from finops.billing.adapters.secrets_manager import SecretsManagerLogins
from finops.billing.database.users import (
    LOADER_PRIVILEGES,
    DatabaseUsers,
    Login,
    Purpose,
    new_password,
    password_hash,
)
from finops.billing.schema_migrations import numbered_files, statements
from finops.shared.data_api import DataApi
from finops.shared.errors import TransientFailure

PASSWORD = "A" * 40
TABLES = sorted(
    found[1]
    for _, text in numbered_files()
    for one in statements(text)
    if (found := re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", one))
)


@dataclass
class Server:
    """A database that knows users, hashes of their passwords and their privileges."""

    users: dict[str, str] = field(default_factory=dict)
    privileges: dict[str, dict[str, str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def execute_statement(self, *, sql: str, **_: Any) -> dict[str, Any]:
        self.said.append(sql)
        if "GET_LOCK" in sql:
            return {"columnMetadata": [{"label": "locked"}], "records": [[{"longValue": 1}]]}
        if "information_schema" in sql:
            names = [[{"stringValue": name}] for name in [*TABLES, "billing"]]
            return {"columnMetadata": [{"label": "name"}], "records": names}
        if made := re.fullmatch(
            r"(CREATE USER IF NOT EXISTS|ALTER USER) '(\w+)'@'%' "
            r"IDENTIFIED WITH mysql_native_password AS '(\*[0-9A-F]{40})'",
            sql,
        ):
            if made[1] == "ALTER USER" or made[2] not in self.users:
                self.users[made[2]] = made[3]
        elif taken := re.fullmatch(r"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '(\w+)'@'%'", sql):
            self.privileges[taken[1]] = {}
        elif given := re.fullmatch(r"GRANT ([A-Z, ]+) ON `(\w+)` TO '(\w+)'@'%'", sql):
            self.privileges.setdefault(given[3], {})[given[2]] = given[1]
        else:
            assert sql.startswith("DO RELEASE_LOCK")
        return {}

    def begin_transaction(self, **_: Any) -> Any:
        return {"transactionId": "t"}

    def commit_transaction(self, **_: Any) -> None:
        return None

    def rollback_transaction(self, **_: Any) -> None:
        return None

    def accepts(self, login: Login) -> bool:
        return self.users.get(login.user) == password_hash(login.password)


@dataclass
class Secrets:
    """Secrets that break where a test says so."""

    held: dict[Purpose, Login] = field(default_factory=dict)
    breaks: bool = False

    def read(self, purpose: Purpose) -> Login | None:
        return self.held.get(purpose)

    def write(self, purpose: Purpose, login: Login) -> None:
        if self.breaks:
            raise TransientFailure("killed", code="killed", step="test")
        self.held[purpose] = login


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def kept() -> Secrets:
    return Secrets()


def users(server: Server, kept: Secrets) -> DatabaseUsers:
    return DatabaseUsers(DataApi(server, cluster_arn="c", secret_arn="s", database="d"), kept)


def test_each_purpose_gets_a_user_of_its_own(server: Server, kept: Secrets) -> None:
    made = users(server, kept).bring_up_to_date()
    assert made == {"loader": "finops_loader_a", "reader": "finops_reader_a"}
    assert all(server.accepts(login) for login in kept.held.values())
    assert server.privileges["finops_loader_a"] == LOADER_PRIVILEGES
    assert set(server.privileges["finops_reader_a"].values()) == {"SELECT"}


def test_the_loader_may_write_every_table_and_change_no_migration_or_reconversion() -> None:
    assert sorted(LOADER_PRIVILEGES) == TABLES
    assert LOADER_PRIVILEGES["billing_reconversions"] == "SELECT, INSERT"
    assert not any("DROP" in one or "ALL" in one for one in LOADER_PRIVILEGES.values())


def test_another_run_changes_neither_passwords_nor_users(server: Server, kept: Secrets) -> None:
    one = users(server, kept)
    one.bring_up_to_date()
    before = dict(kept.held), dict(server.users)
    one.bring_up_to_date()
    assert (kept.held, server.users) == before


def test_a_database_that_has_lost_its_users_gets_what_the_secrets_say(
    server: Server, kept: Secrets
) -> None:
    users(server, kept).bring_up_to_date()
    restored = Server()
    users(restored, kept).bring_up_to_date()
    assert all(restored.accepts(login) for login in kept.held.values())


def test_whoever_has_read_a_secret_can_go_on_after_its_rotation(
    server: Server, kept: Secrets
) -> None:
    one = users(server, kept)
    one.bring_up_to_date()
    old = dict(kept.held)
    one.bring_up_to_date(rotate=True)
    assert {login.user for login in kept.held.values()} == {"finops_loader_b", "finops_reader_b"}
    assert all(server.accepts(login) for login in [*old.values(), *kept.held.values()])
    one.bring_up_to_date(rotate=True)
    assert not any(server.accepts(login) for login in old.values())


def test_a_rotation_that_is_killed_leaves_a_login_that_works(server: Server, kept: Secrets) -> None:
    one = users(server, kept)
    one.bring_up_to_date()
    kept.breaks = True
    with pytest.raises(TransientFailure):
        one.bring_up_to_date(rotate=True)
    assert all(server.accepts(login) for login in kept.held.values())
    kept.breaks = False
    one.bring_up_to_date(rotate=True)
    assert all(server.accepts(login) for login in kept.held.values())


@pytest.mark.parametrize(
    "planted",
    [
        Login(user="finops", password=PASSWORD),
        Login(user="root'@'%' --", password=PASSWORD),
        Login(user="finops_reader_a", password="short"),
        Login(user="finops_reader_a", password="'; DROP TABLE billing_rows; --".ljust(40)),
    ],
)
def test_whoever_writes_another_login_into_a_secret_gets_no_other_user(
    server: Server, kept: Secrets, planted: Login
) -> None:
    kept.held[Purpose.READER] = planted
    users(server, kept).bring_up_to_date()
    assert kept.held[Purpose.READER].user in {"finops_reader_a", "finops_reader_b"}
    assert kept.held[Purpose.READER].password != planted.password
    assert set(server.users) <= {"finops_loader_a", "finops_reader_a", "finops_reader_b"}


def test_no_password_is_in_a_statement_or_in_a_text(server: Server, kept: Secrets) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Auditing.html."""
    users(server, kept).bring_up_to_date()
    for login in kept.held.values():
        assert not any(login.password in one for one in server.said)
        assert login.password not in repr(login)


def test_a_password_cannot_be_guessed() -> None:
    found = {new_password() for _ in range(100)}
    assert len(found) == 100
    assert all(re.fullmatch("[A-Za-z0-9]{40}", one) for one in found)


def test_the_hash_is_the_one_of_mysql() -> None:
    """The example of https://dev.mysql.com/doc/refman/5.7/en/password-hashing.html."""
    assert password_hash("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"


class SecretsManager:
    """Secrets Manager's answers."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.put: dict[str, str] = {}

    def get_secret_value(self, **_: Any) -> dict[str, Any]:
        return {} if self.text is None else {"SecretString": self.text}

    def put_secret_value(self, **request: str) -> None:
        self.put[request["SecretId"]] = request["SecretString"]


@pytest.mark.parametrize("text", [None, "no document", "[]", '{"username": "a"}'])
def test_a_secret_without_a_login_holds_none(text: str | None) -> None:
    assert (
        SecretsManagerLogins(SecretsManager(text), {Purpose.READER: "r"}).read(Purpose.READER)
        is None
    )


def test_a_login_is_written_as_the_data_api_reads_it() -> None:
    client = SecretsManager('{"username": "finops_reader_a", "password": "p"}')
    logins = SecretsManagerLogins(client, {Purpose.READER: "r"})
    found = logins.read(Purpose.READER)
    assert found == Login(user="finops_reader_a", password="p")
    logins.write(Purpose.READER, found)
    assert client.put == {
        "r": '{"engine": "mysql", "username": "finops_reader_a", "password": "p"}'
    }
