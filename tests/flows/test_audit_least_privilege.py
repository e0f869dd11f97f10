"""The audit trail needs each statement of its policies, as budgets do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from finops.audit.heads import newest_head
from finops.shared.audit import AuditEvent
from tests.flows.audit import APPENDER, HEAD_WRITER, AuditTrail
from tests.flows.privileges import (
    HUB,
    Once,
    answers,
    deployed,
    failure_is_kept,
    failures_queue,
    flow_of,
    forget_sessions,
    happens,
    is_needed,
    log_is_written,
    one_a_role,
    schedule,
    undelivered_is_kept,
    without,
)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions"),
]

Probe = Callable[[AuditTrail, str], bool]
SCHEDULE = f"{HEAD_WRITER}-schedule"
STREAM = "privileges"


def event(name: str) -> AuditEvent:
    return AuditEvent(
        stream=STREAM,
        action="test.done",
        actor="test",
        subject=name,
        version="1",
        occurred_at=datetime.now(UTC),
    )


def is_appended(trail: AuditTrail, name: str) -> bool:
    return trail.append(event(name)) and bool(trail.entries(STREAM, name))


def is_appended_after_a_cold_start(trail: AuditTrail, name: str) -> bool:
    """A new worker has to look up where the chain ends."""
    trail.settle()  # a worker that is replaced while it writes leaves its messages invisible
    forget_sessions(trail.deployment, APPENDER)
    return is_appended(trail, name)


def is_taken_from_the_queue(trail: AuditTrail, name: str) -> bool:
    trail.send(event(name))
    return happens(lambda: trail.entries(STREAM, name))


def heads(trail: AuditTrail) -> int:
    head = newest_head(trail.store)
    return int(head["sequence"]) if head else 0


def head_is_written(trail: AuditTrail, name: str) -> bool:
    assert is_appended(trail, name)
    before = heads(trail)
    return answers(trail.deployment, HEAD_WRITER, {}) and heads(trail) == before + 1


def schedule_fires(trail: AuditTrail, _: str) -> bool:
    before = heads(trail)
    with schedule(trail.deployment, HEAD_WRITER, HUB):
        return happens(lambda: heads(trail) > before)


def failed_head_is_kept(trail: AuditTrail, _: str) -> bool:
    """No event makes the function fail, but a bucket that does not exist does."""
    d = trail.deployment
    queue = failures_queue(d, HEAD_WRITER, HUB)
    d.client("sqs").purge_queue(QueueUrl=queue)
    forget_sessions(d, HEAD_WRITER, BUCKET="nowhere")
    try:
        d.client("lambda").invoke(
            FunctionName=HEAD_WRITER, InvocationType="Event", Payload=json.dumps({})
        )
        return happens(lambda: d.messages(queue))
    finally:
        forget_sessions(d, HEAD_WRITER, BUCKET=trail.outputs["bucket"])


def of_deployment(probe: Callable[..., bool]) -> Probe:
    return lambda trail, name: probe(trail.deployment, name)


#: (role, statement) → what cannot work without it.
NEEDED: dict[tuple[str, str], Probe] = {
    (APPENDER, "AppendEntries"): is_appended,
    (APPENDER, "ReadEntries"): is_appended_after_a_cold_start,
    (APPENDER, "ListTrail"): is_appended_after_a_cold_start,
    (APPENDER, "ConsumeEntries"): is_taken_from_the_queue,
    (APPENDER, "SendFailures"): of_deployment(failure_is_kept(APPENDER, HUB)),
    (APPENDER, "WriteLogs"): of_deployment(log_is_written(APPENDER, HUB)),
    (HEAD_WRITER, "WriteHeads"): head_is_written,
    (HEAD_WRITER, "ReadTrail"): head_is_written,
    (HEAD_WRITER, "ListTrail"): head_is_written,
    (HEAD_WRITER, "SignHeads"): head_is_written,
    (HEAD_WRITER, "SendFailures"): failed_head_is_kept,
    (HEAD_WRITER, "WriteLogs"): of_deployment(log_is_written(HEAD_WRITER, HUB)),
    (SCHEDULE, "InvokeFunction"): schedule_fires,
    (SCHEDULE, "SendUndelivered"): of_deployment(undelivered_is_kept(HEAD_WRITER, HUB)),
}


@pytest.fixture
def name(trail: AuditTrail) -> str:
    """A subject that no other probe has seen, in a stream that has entries to be read."""
    trail.settle()
    assert trail.append(event("first"))
    return f"privilege-{uuid.uuid4().hex[:8]}"


def test_every_statement_that_is_deployed_is_needed_by_something(trail: AuditTrail) -> None:
    found = {(role, sid) for _, role, sid in deployed(trail.deployment) if flow_of(role) == "audit"}
    assert found == set(NEEDED)


@pytest.mark.needs("needed_statements")
@pytest.mark.parametrize(
    ("role", "sid"), sorted(NEEDED), ids=[f"{role}-{sid}" for role, sid in sorted(NEEDED)]
)
def test_no_statement_grants_what_nothing_asks_for(
    trail: AuditTrail, once: Once, name: str, role: str, sid: str
) -> None:
    assert once.works(NEEDED[(role, sid)], trail, name)
    assert is_needed(trail.deployment, HUB, role, sid)


@pytest.mark.parametrize(("role", "sid"), one_a_role(NEEDED))
def test_without_one_statement_something_fails(
    trail: AuditTrail, name: str, role: str, sid: str
) -> None:
    works = NEEDED[(role, sid)]
    with without(trail.deployment, HUB, role, sid):
        assert not works(trail, name)
    assert works(trail, f"{name}-again")
    trail.settle()
