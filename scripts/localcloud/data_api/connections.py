"""Connections to the server: pooled by login, and limited as Aurora's are."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

import pymysql
import pymysql.converters

from localcloud.data_api.errors import DataApiError, bad_request
from localcloud.data_api.values import DECODERS

_POOLED_SECONDS = 60.0
_ACCESS_DENIED, _NO_DATABASE_ACCESS, _UNKNOWN_DATABASE = 1045, 1044, 1049
_NATIVE_HASH = re.compile(r"IDENTIFIED WITH mysql_native_password AS (?='\*[0-9A-F]{40}')")
_CONVERSIONS: dict[Any, Any] = {**pymysql.converters.encoders, **DECODERS}

Connection = Any  # the driver has no types

_raise_server_error = pymysql.err.raise_mysql_exception


def _raise_with_state(packet: bytes) -> None:
    """Raise the server's error with its SQLSTATE, which the driver drops.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
    """
    try:
        _raise_server_error(packet)
    except pymysql.err.MySQLError as error:
        if packet[3:4] == b"#":
            error.sql_state = packet[4:9].decode()
        raise


pymysql.err.raise_mysql_exception = _raise_with_state


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, and to what."""

    user: str
    password: str
    database: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What AWS allows; shorter in tests.

    Attributes:
        statement_seconds: A statement ends after this long, unless it may go on.
        idle_seconds: A transaction ends when no call used it for this long.
        transaction_seconds: A transaction ends after this long in any case.
    """

    statement_seconds: float = 45
    idle_seconds: float = 180
    transaction_seconds: float = 24 * 3600


# The server's folder lets nobody else near its socket.
_ADMINISTRATOR = Login("root", "", None)


class Connections:
    """The pool of one server."""

    def __init__(self, socket_path: str, limits: Limits) -> None:
        self._socket_path = socket_path
        self._limits = limits
        self._lock = threading.Lock()
        self._idle: dict[Login, list[tuple[float, Connection]]] = {}
        self._provision_lock = threading.Lock()
        self._provisioned: set[tuple[str, Login]] = set()

    def take(self, login: Login) -> Connection:
        """A connection in autocommit mode, to be given back or closed.

        Raises:
            DataApiError: The server refuses the login, or is not there.
        """
        newest = time.monotonic() - _POOLED_SECONDS
        with self._lock:
            pooled = self._idle.setdefault(login, [])
            connection = pooled.pop()[1] if pooled and pooled[-1][0] > newest else None
            stale, pooled[:] = (
                [c for at, c in pooled if at <= newest],
                [entry for entry in pooled if entry[0] > newest],
            )
        for old in stale:
            old.close()
        return connection or self._connect(login)

    def give_back(self, login: Login, connection: Connection) -> None:
        """Keep a connection that holds no transaction and no session state for the next call."""
        with self._lock:
            self._idle.setdefault(login, []).append((time.monotonic(), connection))

    def provision(self, cluster: str, login: Login, database: str | None) -> None:
        """Make the server accept the master user of a cluster, and have its first database."""
        key = (cluster, Login(login.user, login.password, database))
        with self._provision_lock:
            if key in self._provisioned:
                return
            administrator = self._connect(_ADMINISTRATOR)
            try:
                with administrator.cursor() as cursor:
                    account = (login.user, login.password)
                    cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", account)
                    cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", account)
                    cursor.execute("GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", (login.user,))
                    if database:
                        name = database.replace("`", "``").replace("%", "%%")
                        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")
            finally:
                administrator.close()
            # Another cluster's master user of this name has another password from now on.
            self._provisioned = {
                (other, known) for other, known in self._provisioned if known.user != login.user
            } | {key}

    def forget_everything(self) -> None:
        """Drop all databases and users that a caller made; the last cluster is gone."""
        with self._lock:
            connections = [connection for pool in self._idle.values() for _, connection in pool]
            self._idle.clear()
        for connection in connections:
            connection.close()
        with self._provision_lock:
            self._provisioned.clear()
            administrator = self._connect(_ADMINISTRATOR)
            try:
                with administrator.cursor() as cursor:
                    cursor.execute("SET lock_wait_timeout = 5")
                    cursor.execute(
                        "SELECT CONCAT('DROP DATABASE `', REPLACE(schema_name, '`', '``'), '`')"
                        " FROM information_schema.schemata WHERE schema_name NOT IN"
                        " ('mysql', 'information_schema', 'performance_schema', 'sys')"
                        " UNION ALL SELECT CONCAT('DROP USER ', QUOTE(user), '@', QUOTE(host))"
                        " FROM mysql.user WHERE user NOT IN ('root', 'mariadb.sys', 'mysql.sys',"
                        " 'mysql.session', 'mysql.infoschema')"
                    )
                    for (statement,) in cursor.fetchall():
                        cursor.execute(statement)
            finally:
                administrator.close()

    def _connect(self, login: Login) -> Connection:
        try:
            return self._open(login)
        except pymysql.err.OperationalError as error:
            if error.args[0] in {_ACCESS_DENIED, _NO_DATABASE_ACCESS, _UNKNOWN_DATABASE}:
                raise bad_request(str(error.args[1])) from None
            raise DataApiError(
                "DatabaseUnavailableException", f"The database does not answer: {error.args[1]}"
            ) from None

    def _open(self, login: Login) -> Connection:
        try:
            connection = self._log_in(login, login.password)
        except pymysql.err.OperationalError as error:
            if error.args[0] != _ACCESS_DENIED:
                raise
            connection = self._log_in(login, _native_hash(login.password))
        # The server keeps these limits itself, also over a connection nobody looks at.
        collation = "utf8mb4_0900_ai_ci"
        limits = limit_statements(connection, self._limits.statement_seconds)
        if is_mariadb(connection):
            collation = "utf8mb4_unicode_520_ci"
            limits += f", idle_transaction_timeout = {int(self._limits.idle_seconds)}"
        with connection.cursor() as cursor:
            cursor.execute(f"{limits}, collation_connection = {collation}")
        return connection

    def _log_in(self, login: Login, password: str) -> Connection:
        return pymysql.connect(
            unix_socket=self._socket_path,
            user=login.user,
            password=password,
            database=login.database,
            charset="utf8mb4",
            autocommit=True,
            conv=_CONVERSIONS,
        )


def as_read_by(connection: Connection, statement: str) -> str:
    """The statement as this server reads it.

    From 8.4 on, MySQL has no mysql_native_password, which Aurora MySQL 3 has. There the hash itself
    becomes the password, and a login sends the hash of its own.
    https://dev.mysql.com/doc/refman/8.4/en/native-pluggable-authentication.html
    """
    if is_mariadb(connection) or _version(connection) < (8, 4):
        return statement
    return _NATIVE_HASH.sub("IDENTIFIED BY ", statement)


def _native_hash(password: str) -> str:
    first = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"*{hashlib.sha1(first, usedforsecurity=False).hexdigest().upper()}"


def _version(connection: Connection) -> tuple[int, int]:
    major, minor = connection.server_version.split(".")[:2]
    return int(major), int(minor)


def is_mariadb(connection: Connection) -> bool:
    """Whether the server is MariaDB; MySQL itself is a second engine (tests/engines)."""
    return "MariaDB" in connection.server_version


def limit_statements(connection: Connection, seconds: float) -> str:
    """The statement that ends others which take longer; 0 lets them take as long as they need."""
    if is_mariadb(connection):
        return f"SET max_statement_time = {seconds}"
    return f"SET max_execution_time = {int(seconds * 1000)}"  # reads only
