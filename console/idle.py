"""Sign-ins that nobody uses end before their token does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

SETTING: Final = "CONSOLE_IDLE_MINUTES"
#: Seconds that a sign-in is remembered: Cognito's tokens last a day at most.
_KEPT: Final = 86_400.0


class IdleTime:
    """How long ago each sign-in was used, in this process.

    A reload of the page begins a session of Streamlit, and no sign-in. So the time is kept by
    token, and what is over stays over until the person signs in again.

    Args:
        variables: `CONSOLE_IDLE_MINUTES`, after which an unused sign-in is over; 0 for never.
        clock: Seconds since 1970.
    """

    def __init__(
        self, variables: Mapping[str, str], clock: Callable[[], float] = time.time
    ) -> None:
        self._seconds = float(variables.get(SETTING) or 0) * 60
        self._clock = clock
        self._used: dict[tuple[str, float], float] = {}

    def is_over(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token's sign-in was unused for too long.

        Of a token that this process has not seen, the time of issue counts.
        """
        now, key = self._clock(), _key(claims)
        return 0 < self._seconds <= now - self._used.get(key, key[1] or now)

    def use(self, claims: Mapping[str, Any]) -> None:
        """Note that the person has done something, unless it is too late."""
        if not self._seconds or self.is_over(claims):
            return
        now = self._clock()
        self._used = {one: at for one, at in self._used.items() if now - at < _KEPT}
        self._used[_key(claims)] = now


def _key(claims: Mapping[str, Any]) -> tuple[str, float]:
    return str(claims.get("sub", "")), float(claims.get("iat") or 0)
