"""Limits the calls per second of many threads together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateLimit:
    """Lets the calls of many threads through, up to a number per second.

    Args:
        per_second: Calls.
        clock: Seconds that only go up.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)
