"""Conflicts with other loads of the same rows: the transaction is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from finops.shared.errors import TransientFailure

_ATTEMPTS: Final = 6
#: What another transaction caused: https://dev.mysql.com/doc/refman/8.0/en/innodb-deadlocks-handling.html
_CONFLICTS: Final = frozenset({"busy", "deadlock", "duplicate_key", "lock_timeout"})
#: Seconds before the second attempt, at most; each further one may wait twice as long.
_PAUSE: Final = 0.1

Answer = TypeVar("Answer")


def with_retries(
    transaction: Callable[[], Answer], pause: Callable[[float], None] = time.sleep
) -> Answer:
    """The answer of a whole transaction, which is run again when another one was in its way.

    Args:
        transaction: Begins, and commits or rolls back.
        pause: Waits so many seconds. A random time, so that two loads do not meet again.

    Raises:
        TransientFailure: the last attempt failed, too, or it failed for another reason.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return transaction()
        except TransientFailure as error:
            if error.code not in _CONFLICTS:
                raise
        pause(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311 - no secret
    return transaction()
