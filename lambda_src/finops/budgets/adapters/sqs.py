"""The queues of deadlines and of accounts to compare, in SQS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from finops.budgets.deadlines import SpokeQueues
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import Delivery
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
        _send_all(
            self._client,
            self._queue_url,
            [
                {
                    "DelaySeconds": self._queues.answer_seconds(_applying(document), self._clock()),
                    "MessageBody": json.dumps(
                        {
                            "account_id": document.key.account_id,
                            "budget_name": document.key.budget_name,
                            "version": document.version,
                        }
                    ),
                }
                for document in documents
            ],
            step="schedule_deadline",
        )


def _applying(document: BudgetDocument) -> str:
    """The account that applies the document: the payer's has a queue of its own."""
    return document.key.account_id if document.delivery is Delivery.SPOKE else document.delivery


class SqsAccounts:
    """`AccountQueue`: a message for each part, which `repair-budget-drift` receives."""

    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def is_empty(self) -> bool:
        # Not those in flight: one whose run failed comes back later, and all need not wait for it.
        count = "ApproximateNumberOfMessages"
        with aws_errors("begin_drift_run"):
            found = self._client.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=[count]
            )
        return not int(found["Attributes"][count])

    def send(self, parts: Iterable[Sequence[str]], *, defaults: Sequence[str] | None) -> None:
        known = None if defaults is None else list(defaults)
        self._send({"account_ids": list(part), "defaults": known} for part in parts)

    def send_all_accounts(self) -> None:
        self._send([{"all_accounts": True}])

    def _send(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        messages = [{"MessageBody": json.dumps(body)} for body in bodies]
        _send_all(self._client, self._queue_url, messages, step="begin_drift_run")


def _send_all(
    client: Any, queue_url: str, messages: Sequence[Mapping[str, Any]], *, step: str
) -> None:
    """Send messages, ten in a call.

    Raises:
        TransientFailure: some were not sent.
    """
    for start in range(0, len(messages), 10):
        entries = [
            {"Id": str(index), **message}
            for index, message in enumerate(messages[start : start + 10])
        ]
        with aws_errors(step):
            failed = client.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Failed")
        if failed:
            raise TransientFailure(
                f"{len(failed)} messages could not be sent: {failed[0].get('Message')}",
                code=failed[0]["Code"],
                step=step,
            )
