"""Lambda entry points of the audit trail, and the only place where it is put together."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.adapters.kms import KmsSigner
from finops.audit.adapters.s3 import S3TrailStore
from finops.audit.domain import ACTOR_PROVEN, UNAUTHORIZED, may_write, proves_its_actor
from finops.audit.entry_appender import EntryAppender
from finops.audit.heads import HeadWriter
from finops.audit.messages import decode_message
from finops.shared.aws import client
from finops.shared.errors import RejectedInput
from finops.shared.events import batch_response, shorten_visibility
from finops.shared.observability import MetricUnit, logger, metrics

#: Seconds until entries that could not be written are retried.
_FIRST_RETRY_DELAY: Final = 5
#: S3 answers soon or is away; then the queue keeps the entries.
_S3_SETTINGS: Final[Mapping[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 5,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


@logger.inject_lambda_context
@metrics.log_metrics
def append_audit_entries(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Queue of entries → the trail.

    Returns the queue's partial batch response: the messages to deliver again. They are all of a
    stream or none, so that its order stays.
    """
    streams: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for message in event["Records"]:
        streams[message["attributes"]["MessageGroupId"]].append(message)
    failed: list[Mapping[str, Any]] = []
    for stream, messages in streams.items():
        try:
            documents = [one for message in messages if (one := _document(stream, message))]
            appended = _appender().append(stream, documents)
            metrics.add_metric("AuditEntriesAppended", MetricUnit.Count, appended)
            metrics.add_metric("AuditEntriesRepeated", MetricUnit.Count, len(documents) - appended)
        except Exception:  # noqa: BLE001 - the messages come back
            logger.exception("audit entries could not be written", extra={"stream": stream})
            failed.extend(messages)
    if failed:
        metrics.add_metric("AuditEntriesFailed", MetricUnit.Count, len(failed))
    for message in failed:
        shorten_visibility(
            client("sqs"), os.environ["QUEUE_URL"], message, first_delay=_FIRST_RETRY_DELAY
        )
    return batch_response(one["messageId"] for one in failed)


@logger.inject_lambda_context
@metrics.log_metrics
def write_audit_head(_event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Schedule → new entries verified, and a head written: {"head", "streams", "problems"}."""
    key_arn = os.environ.get("SIGNING_KEY_ARN", "")
    signer = KmsSigner(client("kms"), key_arn) if key_arn else None
    head = HeadWriter(_store(), signer, _now).write()
    for problem in head.problems:
        logger.error(
            f"audit trail: {problem.message}",
            extra={
                "stream": problem.stream,
                "sequence": problem.sequence,
                "kind": problem.kind.value,
                "object_key": problem.key,
            },
        )
    metrics.add_metric("AuditHeadsWritten", MetricUnit.Count, 1)
    metrics.add_metric("AuditProblems", MetricUnit.Count, len(head.problems))
    return {"head": head.sequence, "streams": head.streams, "problems": len(head.problems)}


def _document(stream: str, message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry in a message, with who sent it by SQS's own account; None if it is not an entry.

    A message that is not an entry goes to a queue of its own, with the reason, and never blocks
    others.
    """
    try:
        document = decode_message(message["body"])
        if document["stream"] != stream:
            raise RejectedInput(
                f"an entry of stream {document['stream']} came in the message group {stream}",
                code="invalid_audit_entry",
                field="stream",
                value=document["stream"],
            )
    except RejectedInput as error:
        logger.error("message is not an audit entry", extra={"reason": str(error)})
        metrics.add_metric("AuditEntriesRejected", MetricUnit.Count, 1)
        client("sqs").send_message(
            QueueUrl=os.environ["REJECTED_QUEUE_URL"],
            MessageBody=message["body"],
            MessageAttributes={
                "reason": {"DataType": "String", "StringValue": str(error)[:1000]},
                "sender": {"DataType": "String", "StringValue": _sender(message)},
            },
        )
        return None
    entry = {**document, "sender": _sender(message)}
    if may_write(_senders(), entry):
        if proves_its_actor(_senders(), entry):
            return entry
        logger.warning(
            "audit trail: a person sent an entry that names another actor",
            extra={"stream": stream, "entry_id": entry["entry_id"], "sender": entry["sender"]},
        )
        return {**entry, ACTOR_PROVEN: False}
    logger.error(
        "audit trail: an entry came from a sender that may not write its stream",
        extra={"stream": stream, "entry_id": entry["entry_id"], "sender": entry["sender"]},
    )
    metrics.add_metric("AuditEntriesUnauthorized", MetricUnit.Count, 1)
    return {**entry, UNAUTHORIZED: True}


def _contradicted(entry: Mapping[str, Any], held: Mapping[str, Any]) -> None:
    """Two principals state different things about one action: one of them forged its entry."""
    logger.error(
        "audit trail: two senders contradict each other about one action",
        extra={
            "stream": entry["stream"],
            "entry_id": entry["entry_id"],
            "sender": entry.get("sender"),
            "other_sender": held.get("sender"),
            "other_sequence": held.get("sequence"),
        },
    )
    metrics.add_metric("AuditEntriesContradicted", MetricUnit.Count, 1)


def _sender(message: Mapping[str, Any]) -> str:
    return str(message["attributes"].get("SenderId") or "unknown")


def _senders() -> Mapping[str, Sequence[str]]:
    """Who may write which stream, as Terraform knows it."""
    found: dict[str, Sequence[str]] = json.loads(os.environ.get("SENDERS") or "{}")
    return found


@cache
def _appender() -> EntryAppender:
    return EntryAppender(_store(), _now, _contradicted)


@cache
def _store() -> S3TrailStore:
    return S3TrailStore(client("s3", **_S3_SETTINGS), os.environ["BUCKET"])


def _now() -> datetime:
    return datetime.now(UTC)
