"""The queue of deadlines in SQS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from finops.budgets.deadlines import SpokeQueues
from finops.budgets.documents import BudgetDocument
from finops.shared.aws import aws_errors
from finops.shared.errors import TransientFailure


class SqsDeadlines:
    """The deadline queue: a delayed message a version."""

    def __init__(
        self, client: Any, queue_url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._clock = clock
        self._queues = SpokeQueues()

    def schedule(self, documents: Iterable[BudgetDocument]) -> None:
        waiting = list(documents)
        for start in range(0, len(waiting), 10):
            entries = [
                {
                    "Id": str(index),
                    "DelaySeconds": self._queues.answer_seconds(
                        document.key.account_id, self._clock()
                    ),
                    "MessageBody": json.dumps(
                        {
                            "account_id": document.key.account_id,
                            "budget_name": document.key.budget_name,
                            "version": document.version,
                        }
                    ),
                }
                for index, document in enumerate(waiting[start : start + 10])
            ]
            with aws_errors("schedule_deadline"):
                failed = self._client.send_message_batch(
                    QueueUrl=self._queue_url, Entries=entries
                ).get("Failed")
            if failed:
                raise TransientFailure(
                    f"{len(failed)} deadlines could not be scheduled: {failed[0].get('Message')}",
                    code=failed[0]["Code"],
                    step="schedule_deadline",
                )
