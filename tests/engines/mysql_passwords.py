"""Of a newer MySQL: it has no mysql_native_password, which MySQL 8.0, and so Aurora MySQL 3, has.

A plugin of pytest, for `make engines` only: users get the password by MySQL's own default instead.
https://dev.mysql.com/doc/refman/9.0/en/native-pluggable-authentication.html
"""

from __future__ import annotations

from finops.billing.database import users


def _identified(login: users.Login) -> str:
    return f"IDENTIFIED BY '{login.password}'"


users._identified = _identified
