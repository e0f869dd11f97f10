"""The database's users: one for each purpose, whose password is in its secret alone.

Each purpose has two users, of which its secret names one. A new password goes to the other user,
and then into the secret: whoever has read it before can go on, as with AWS's alternating users:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets_strategies.html
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from finops.billing.schema_migrations import exclusively
from finops.shared.data_api import DataApi

_CHARACTERS: Final = string.ascii_letters + string.digits
_LENGTH: Final = 40
_PASSWORD: Final = re.compile(rf"[A-Za-z0-9]{{{_LENGTH}}}")


class Purpose(StrEnum):
    """What a user of the database is for."""

    LOADER = "loader"
    READER = "reader"


#: What the loader may do to each table. MySQL asks for UPDATE or DELETE before it locks a row:
#: https://dev.mysql.com/doc/refman/8.0/en/innodb-locking-reads.html
LOADER_PRIVILEGES: Final[Mapping[str, str]] = {
    "billing_files": "SELECT, INSERT, UPDATE",
    "billing_chunks": "SELECT, INSERT, UPDATE, DELETE",
    "billing_rows": "SELECT, INSERT, UPDATE, DELETE",
    "billing_pending_rows": "SELECT, INSERT, UPDATE, DELETE",
    "focus_charges": "SELECT, INSERT, UPDATE, DELETE",
    "focus_periods": "SELECT, INSERT, UPDATE",
    "billing_months": "SELECT, INSERT, UPDATE",
    "billing_datasets": "SELECT, INSERT, UPDATE",
    "billing_manifests": "SELECT, INSERT, UPDATE",
    "billing_replacements": "SELECT, INSERT, DELETE",
    "fx_rates": "SELECT, INSERT, UPDATE",
    "billing_reconversions": "SELECT, INSERT",
}
_READABLE: Final = (
    "SELECT table_name AS name FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name <> 'schema_migrations' ORDER BY table_name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and its password, as a secret holds them."""

    user: str
    password: str = field(repr=False)


class LoginSecrets(Protocol):
    """The secrets with the logins."""

    def read(self, purpose: Purpose) -> Login | None:
        """The login; None where the secret holds none yet.

        Raises:
            FinOpsError: The secret cannot be read.
        """

    def write(self, purpose: Purpose, login: Login) -> None:
        """Put a login into the secret.

        Raises:
            FinOpsError: The secret cannot be written.
        """


def new_password() -> str:
    """A password of 238 random bits, in characters that nothing has to escape."""
    return "".join(secrets.choice(_CHARACTERS) for _ in range(_LENGTH))


@dataclass(slots=True)
class DatabaseUsers:
    """Makes the users that the secrets name, with the privileges of their purpose.

    Args:
        database: As a user who may create users and grant privileges.
        logins: The secrets.
        password: Makes a password of 40 letters and digits.
    """

    database: DataApi
    logins: LoginSecrets
    password: Callable[[], str] = new_password

    def bring_up_to_date(self, *, rotate: bool = False) -> dict[str, str]:
        """Make the database accept what the secrets say. May run any number of times.

        Args:
            rotate: Give each purpose's other user a new password, and name it in the secret.

        Returns:
            The user of each purpose.

        Raises:
            ConfigurationError: The tables are not migrated, or another migration runs.
        """
        with exclusively(self.database):
            return {purpose.value: self._keep(purpose, rotate) for purpose in Purpose}

    def _keep(self, purpose: Purpose, rotate: bool) -> str:
        names = (f"finops_{purpose}_a", f"finops_{purpose}_b")
        held = self.logins.read(purpose)
        known = held and held.user in names and _PASSWORD.fullmatch(held.password)
        if held and known and not rotate:
            self._accept(held)
            self._grant(purpose, held.user)
            return held.user
        user = names[1] if held and held.user == names[0] else names[0]
        login = Login(user=user, password=self.password())
        self._accept(login)
        self.database.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {_account(user)}")
        self._grant(purpose, user)
        # The last step: a run that is killed before it leaves the user that the secret names.
        self.logins.write(purpose, login)
        return user

    def _accept(self, login: Login) -> None:
        """Make the user where it is missing, with this password."""
        by = _identified(login)
        account = _account(login.user)
        self.database.execute(f"CREATE USER IF NOT EXISTS {account} {by}")
        self.database.execute(f"ALTER USER {account} {by}")

    def _grant(self, purpose: Purpose, user: str) -> None:
        privileges = LOADER_PRIVILEGES
        if purpose is Purpose.READER:
            found = self.database.execute(_READABLE).rows
            privileges = {row["name"]: "SELECT" for row in found}
        for table, allowed in privileges.items():
            self.database.execute(f"GRANT {allowed} ON `{table}` TO {_account(user)}")


def _identified(login: Login) -> str:
    """The server gets the hash, because the audit log has such statements in plain text.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Auditing.html
    """
    return f"IDENTIFIED WITH mysql_native_password AS '{password_hash(login.password)}'"


def password_hash(password: str) -> str:
    """What mysql_native_password stores: '*' and SHA-1 of the SHA-1, in capital hexadecimal.

    https://dev.mysql.com/doc/refman/8.0/en/native-pluggable-authentication.html
    """
    first = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"*{hashlib.sha1(first, usedforsecurity=False).hexdigest().upper()}"


def _account(user: str) -> str:
    return f"'{user}'@'%'"
