"""The audit trail as Terraform deployed it, and what its readers see."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finops.audit.adapters.kms import KmsSigner
from finops.audit.adapters.s3 import S3TrailStore
from finops.audit.adapters.sqlite import SeenIds
from finops.audit.domain import chain_prefix, key_sequence, lines_of, read_entry
from finops.audit.ports import StoredObject
from finops.audit.recorder import SqsAuditRecorder
from finops.audit.trail_reader import Selection
from finops.audit.trail_verifier import TrailVerifier, Verdict
from finops.cli.audit import logged_entries
from finops.shared.audit import AuditEvent, canonical
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, account_session
from tests.flows.deployment import PATIENCE, Deployment, eventually

APPENDER, HEAD_WRITER = "finops-append-audit-entries", "finops-write-audit-head"


class EntriesReadOnce:
    """The trail's entries, each fetched and read once: whoever waits for one looks many times."""

    def __init__(self, store: S3TrailStore) -> None:
        self._store = store
        self._read: dict[str, dict[str, list[Mapping[str, Any]]]] = {}

    def of(self, selection: Selection) -> list[Mapping[str, Any]]:
        """The wanted entries of the selection's stream, oldest first."""
        stream = str(selection.stream)
        known = self._read.get(stream, {})
        new: dict[str, list[Mapping[str, Any]]] = {}
        for found in self._store.objects(chain_prefix(stream), page_size=20):
            if found.key in known:
                break
            if key_sequence(stream, found.key):
                lines = lines_of(self._store.read(found))
                new[found.key] = [read_entry(line) for line in reversed(lines)]
        self._read[stream] = new | known
        entries = [one for each in self._read[stream].values() for one in each]
        return [one for one in reversed(entries) if selection.takes(one)]


@functools.cache
def _entries_at(url: str) -> EntriesReadOnce:
    bucket = f"finops-audit-{MANAGEMENT_ACCOUNT}-{REGION}"
    return EntriesReadOnce(
        S3TrailStore(account_session(MANAGEMENT_ACCOUNT, url).client("s3"), bucket)
    )


def is_recorded(d: Deployment, stream: str, subject: str, action: str) -> bool:
    """Whether the trail of this deployment holds such an entry by now."""
    selection = Selection(stream=stream, subject=subject, action=action)
    return bool(_entries_at(d.url).of(selection))


@dataclass
class AuditTrail:
    """Bucket, queue and functions of the deployed trail."""

    deployment: Deployment
    outputs: dict[str, Any]

    @cached_property
    def store(self) -> S3TrailStore:
        return S3TrailStore(self.deployment.client("s3"), self.outputs["bucket"])

    @cached_property
    def _entries(self) -> EntriesReadOnce:
        return EntriesReadOnce(self.store)

    def entries(self, stream: str, subject: str, action: str = "*") -> list[Mapping[str, Any]]:
        """The trail's entries of a subject, oldest first; * matches any text."""
        return self._entries.of(Selection(stream=stream, subject=subject, action=action))

    def alarm_state(self, name: str) -> str:
        """The state of an alarm of the module."""
        (alarm,) = self.deployment.client("cloudwatch").describe_alarms(
            AlarmNames=[f"finops-audit-{name}"]
        )["MetricAlarms"]
        return str(alarm["StateValue"])

    def impact_state(self, name: str) -> str:
        """The state of a composite alarm on the trail."""
        (alarm,) = self.deployment.client("cloudwatch").describe_alarms(
            AlarmNames=[f"finops-audit-{name}"], AlarmTypes=["CompositeAlarm"]
        )["CompositeAlarms"]
        return str(alarm["StateValue"])

    def recorded(
        self, stream: str, subject: str, *actions: str, within: float = PATIENCE
    ) -> list[Mapping[str, Any]]:
        """The entries of a subject once all these actions are among them.

        A flow waits seconds for the queue, and a machine may be busier than that: then the entry is
        in the log only, and recovered from there.
        """
        late = time.monotonic() + within / 2

        def look() -> list[Mapping[str, Any]] | None:
            nonlocal late
            found = self.entries(stream, subject)
            if {*actions} <= {one["action"] for one in found}:
                return found
            if time.monotonic() > late:
                late += within
                self.recover()
            return None

        return eventually(
            look, within=within, every=0.2, what=f"{actions} of {subject} in the trail"
        )

    def verified(self) -> Verdict:
        kms = KmsSigner(self.deployment.client("kms"), self.outputs["signing_key_arn"])
        return TrailVerifier(self.store, kms, SeenIds().repeats).verify()

    def send(self, *events: AuditEvent) -> None:
        """Put entries into the queue, as a flow's recorder does."""
        for event in events:
            document = event.document("")
            self.deployment.client("sqs").send_message(
                QueueUrl=self.outputs["queue_url"],
                MessageBody=canonical(document).decode(),
                MessageGroupId=event.stream,
                MessageDeduplicationId=event.entry_id,
            )

    def recover(self) -> None:
        """Send what flows could only log, as `finops audit recover` does."""
        logs = self.deployment.client("logs")
        groups = logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix="/aws/lambda/finops-"
        )
        names = [one["logGroupName"] for page in groups for one in page["logGroups"]]
        lines = [
            event["message"]
            for name in names
            for page in logs.get_paginator("filter_log_events").paginate(
                logGroupName=name, filterPattern='"audit_entry"'
            )
            for event in page["events"]
        ]
        recorder = SqsAuditRecorder(
            self.deployment.client("sqs"), self.outputs["queue_url"], code_version=""
        )
        for document in logged_entries(lines):
            assert recorder.send([document]) == []

    def append(self, *events: AuditEvent, sender: str = MANAGEMENT_ACCOUNT) -> bool:
        """Hand entries to the function as its queue does. Returns whether none must be retried."""
        records = [
            {
                "messageId": event.entry_id,
                "receiptHandle": "none",
                "body": canonical(event.document("")).decode(),
                "attributes": {
                    "MessageGroupId": event.stream,
                    "SenderId": sender,
                    "ApproximateReceiveCount": "1",
                },
            }
            for event in events
        ]
        answer = self.deployment.client("lambda").invoke(
            FunctionName=APPENDER, Payload=json.dumps({"Records": records}).encode()
        )
        body = json.loads(answer["Payload"].read())
        return "FunctionError" not in answer and not body["batchItemFailures"]

    def waiting(self) -> int:
        """Entries that are in the queue, or are just being written."""
        found = self.deployment.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["queue_url"], AttributeNames=["All"]
        )["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(found[name]) for name in names)

    def settle(self) -> None:
        """Wait until no entry is waiting to be written."""
        eventually(lambda: self.waiting() == 0, every=0.2, what="an empty queue")

    def newest_object(self, stream: str) -> StoredObject:
        return next(iter(self.store.objects(chain_prefix(stream))))

    @contextmanager
    def rewritten(self, found: StoredObject, body: bytes) -> Iterator[None]:
        """Delete an object permanently and write it again, as an attacker past the lock would."""
        s3, where = self.deployment.client("s3"), {"Bucket": self.outputs["bucket"]}
        before = self.store.read(found)

        def write(content: bytes) -> None:
            for one in s3.list_object_versions(**where, Prefix=found.key)["Versions"]:
                s3.delete_object(
                    **where,
                    Key=found.key,
                    VersionId=one["VersionId"],
                    BypassGovernanceRetention=True,
                )
            s3.put_object(**where, Key=found.key, Body=content)

        write(body)
        try:
            yield
        finally:
            write(before)
