"""The queue of deadlines in SQS."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from finops.budgets.documents import BudgetDocument
from finops.shared.aws import aws_errors
from finops.shared.errors import TransientFailure

# Every edit ends within a minute; usually one takes a second.
DEADLINE_SECONDS: Final = 40


class SqsDeadlines:
    """The deadline queue: a delayed message a version."""

    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def schedule(self, documents: Iterable[BudgetDocument]) -> None:
        waiting = list(documents)
        for start in range(0, len(waiting), 10):
            entries = [
                {
                    "Id": str(index),
                    "DelaySeconds": DEADLINE_SECONDS,
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
