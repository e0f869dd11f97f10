"""How long a spoke account has for its answer.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

from typing import Final

# A single edit ends within a minute; usually one takes a second.
DEADLINE_SECONDS: Final = 40
# SQS delays a message by at most 15 minutes:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
LONGEST_DEADLINE_SECONDS: Final = 900
# PutParameter takes three calls a second by default:
# https://docs.aws.amazon.com/general/latest/gr/ssm.html
_SECONDS_A_BUDGET: Final = 0.5


class SpokeQueues:
    """What each account has to apply before it can answer the next edit.

    Kept in memory: another process, or a restarted one, takes an account for idle, and an answer
    that comes after its deadline still counts.
    """

    def __init__(self) -> None:
        self._idle_at: dict[str, float] = {}

    def answer_seconds(self, account_id: str, now: float) -> int:
        """Seconds in which the account answers one more edit, 40 where it is idle, at most 900.

        Args:
            account_id: The spoke account.
            now: Seconds of a clock that never goes back.
        """
        starts_at = max(now, self._idle_at.get(account_id, now))
        self._idle_at[account_id] = starts_at + _SECONDS_A_BUDGET
        return min(DEADLINE_SECONDS + int(starts_at - now), LONGEST_DEADLINE_SECONDS)
