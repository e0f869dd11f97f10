"""Schema migrations: numbered SQL files, each applied once and in order.

Alembic, yoyo and Flyway need a driver's connection, which the Data API does not offer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from finops.shared.data_api import DataApi
from finops.shared.errors import ConfigurationError

_LOCK: Final = "finops_schema_migrations"
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
#: MySQL has no ADD COLUMN IF NOT EXISTS; a run that was killed may have made the change.
_CHANGE: Final = re.compile(
    r"ALTER TABLE (?P<table>\w+)\s+(?:DROP KEY \w+,\s*)?"
    r"ADD (?:COLUMN (?P<column>\w+)|KEY (?P<key>\w+)) "
)

_COLUMNS: Final = (
    "SELECT COUNT(*) AS found FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :name"
)
_KEYS: Final = (
    "SELECT COUNT(*) AS found FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = :table AND index_name = :name"
)


def migrate(database: DataApi) -> list[str]:
    """Apply the files that have not been applied yet. Returns their names.

    Each statement must be safe to run twice, because DDL commits implicitly: after a run that was
    killed between a statement and its record, the next run executes the statement again.

    Raises:
        ConfigurationError: a file was changed after it was applied, or another migration runs.
    """
    database.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR(255) NOT NULL PRIMARY KEY,"
        " sha256 CHAR(64) NOT NULL, applied_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )
    done = []
    with exclusively(database) as session:
        applied = {
            row["name"]: row["sha256"]
            for row in database.execute(
                "SELECT name, sha256 FROM schema_migrations", transaction=session
            ).rows
        }
        for name, text in numbered_files():
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            if name in applied:
                if applied[name] != sha256:
                    raise ConfigurationError(
                        f"{name} was changed after it was applied",
                        code="migration_changed",
                        step="migrate",
                        remedy="Restore it, and make the change in a new file with the next number",
                    )
                continue
            for statement in statements(text):
                _apply(database, statement, session)
            database.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES (:name, :sha256)",
                {"name": name, "sha256": sha256},
                transaction=session,
            )
            done.append(name)
    return done


@contextmanager
def exclusively(database: DataApi) -> Iterator[str]:
    """A transaction that no other migration runs beside.

    Raises:
        ConfigurationError: another migration runs.
    """
    # The lock belongs to the session, and a transaction is one session.
    with database.transaction() as session:
        locked = database.execute(
            "SELECT GET_LOCK(:name, 30) AS locked", {"name": _LOCK}, transaction=session
        ).rows[0]["locked"]
        if locked != 1:
            raise ConfigurationError(
                "another migration of this database is running",
                code="migration_is_busy",
                step="migrate",
            )
        yield session
        database.execute("DO RELEASE_LOCK(:name)", {"name": _LOCK}, transaction=session)


def _apply(database: DataApi, statement: str, session: str) -> None:
    change = _CHANGE.match(statement)
    if change and _is_there(database, change, session):
        return
    database.execute(statement, transaction=session, continues=True)


def _is_there(database: DataApi, change: re.Match[str], session: str) -> bool:
    found = database.execute(
        _COLUMNS if change["column"] else _KEYS,
        {"table": change["table"], "name": change["column"] or change["key"]},
        transaction=session,
    )
    return bool(found.rows[0]["found"])


def numbered_files() -> Iterator[tuple[str, str]]:
    """(name, text) of each migration, in order."""
    folder = files("finops.billing") / "migrations"
    for one in sorted(folder.iterdir(), key=lambda found: found.name):
        if _NAME.fullmatch(one.name):
            yield one.name, one.read_text(encoding="utf-8")


def statements(text: str) -> Iterator[str]:
    """The statements of a file: each ends with a semicolon at the end of a line."""
    code = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    for statement in re.split(r";[ \t]*$", code, flags=re.MULTILINE):
        if statement.strip():
            yield statement.strip()
