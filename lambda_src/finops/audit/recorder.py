"""How a flow sends what it did to the audit trail: `audit_recorder().record(AuditEvent(…))`.

Apart from the trail's other adapters, so that a flow's function imports little.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from finops.shared.audit import AuditEvent, AuditRecorder, NoAudit, canonical
from finops.shared.aws import aws_errors, client
from finops.shared.observability import count_of, logger

#: What SQS takes at once: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
SEND_BATCH: Final = 10
#: Seconds for which a flow does not try again after the queue failed.
_PAUSE: Final = 60.0
_REMEDY: Final = "Name the role in `senders` of the module audit, then run `finops audit recover`"
#: A flow waits for the queue at most twice three seconds.
_SEND_SETTINGS: Final[Mapping[str, Any]] = {
    "connect_timeout": 1,
    "read_timeout": 2,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}


class SqsAuditRecorder:
    """`AuditRecorder` over a FIFO queue.

    Entries that the queue does not accept are written to the log in full, from where
    `finops audit recover` sends them again, and counted as AuditEntriesUnsent of the queue, which
    raises an alarm. After a failure the queue is skipped for a
    minute, so that a flow with many entries does not wait for each of them.
    """

    def __init__(
        self,
        sqs: Any,
        queue_url: str,
        *,
        code_version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._code_version = code_version
        self._clock = clock
        self._closed_until = float("-inf")

    def record(self, *events: AuditEvent) -> None:
        """Send the entries; log those that the queue does not take."""
        documents = []
        unsent = 0
        for event in events:
            try:
                documents.append(event.document(self._code_version))
            except Exception:  # noqa: BLE001 - a flow never fails for its audit entry
                unsent += 1
                logger.exception("audit entry could not be written", extra={"event": repr(event)})
        for start in range(0, len(documents), SEND_BATCH):
            unsent += self._send_or_log(documents[start : start + SEND_BATCH])
        if unsent:
            count_of("AuditEntriesUnsent", unsent, self._queue_url.rpartition("/")[2])

    def _send_or_log(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Send entries. Returns how many were not sent."""
        unsent: Sequence[tuple[Mapping[str, Any], str]]
        if self._clock() < self._closed_until:
            unsent = [(document, "the queue failed a moment ago") for document in documents]
        else:
            try:
                unsent = self.send(documents)
            except Exception as error:  # noqa: BLE001 - a flow never fails for its audit entry
                self._closed_until = self._clock() + _PAUSE
                unsent = [(document, str(error)) for document in documents]
        for document, reason in unsent:
            logger.error(
                "audit entry could not be sent: `finops audit recover` sends it again",
                extra={"audit_entry": dict(document), "reason": reason},
            )
        return len(unsent)

    def send(self, documents: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
        """Send at most ten entries. Returns those that SQS refused one by one, with the reason.

        SQS drops a message whose deduplication id it has seen within five minutes, whoever sent
        that one. So the id is random: it covers the retries of this call, and nobody can guess it.
        The trail recognizes replays by what they state.
        """
        with aws_errors("send_audit_entries", remedy=_REMEDY):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": canonical(document).decode(),
                        "MessageGroupId": document["stream"],
                        "MessageDeduplicationId": uuid.uuid4().hex,
                    }
                    for number, document in enumerate(documents)
                ],
            )
        return [
            (documents[int(one["Id"])], f"{one['Code']}: {one.get('Message', '')}")
            for one in answer.get("Failed", ())
        ]


@cache
def audit_recorder() -> AuditRecorder:
    """The recorder of this function, by its environment: AUDIT_QUEUE_URL and CODE_SHA256."""
    queue_url = os.environ.get("AUDIT_QUEUE_URL", "")
    if not queue_url:
        return NoAudit()
    return SqsAuditRecorder(
        client("sqs", **_SEND_SETTINGS),
        queue_url,
        code_version=os.environ.get("CODE_SHA256", ""),
    )
