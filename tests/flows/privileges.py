"""Removing one statement of a role's policy, and whether what needs it still works."""

from __future__ import annotations

import fnmatch
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flows.deployment import SPOKE, Deployment, pauses

HUB = "111111111111"
#: Seconds to wait for what should work, which is slow on a busy machine, and for what should fail.
PATIENT, IMPATIENT = 60.0, 4.0
#: Seconds to wait on, once IAM has refused a request for want of the statement.
REFUSED = 1.5


@dataclass
class Waiting:
    """How long to wait for what cannot happen without the statement that was removed."""

    url: str
    role: str
    actions: Sequence[str]
    after: int

    def is_refused(self) -> bool:
        """Whether IAM has refused a request of the role that the statement would allow."""
        return any(
            one["number"] > self.after
            and one["role"] == self.role
            and any(fnmatch.fnmatchcase(one["action"], action) for action in self.actions)
            for one in denials(self.url)
        )


waiting: list[Waiting] = []


def denials(url: str) -> list[dict[str, Any]]:
    """What IAM refused lately; nothing on an endpoint that does not tell."""
    with suppress(OSError, ValueError):
        return _told(url, "denials")
    return []


def _told(url: str, what: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_finops/{what}") as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def is_needed(d: Deployment, account_id: str, role: str, sid: str) -> bool:
    """Whether a request was made that only this statement allows."""
    wanted = {"account": account_id, "role": role, "statement": sid}
    return happens(lambda: any(wanted.items() <= one.items() for one in _told(d.url, "needed")))


@dataclass
class Once:
    """Probes, each of which is run once, and works, with the policies as they are deployed."""

    done: set[Callable[..., bool]] = field(default_factory=set)

    def works(self, probe: Callable[..., bool], *arguments: Any) -> bool:
        if probe not in self.done and probe(*arguments):
            self.done.add(probe)
        return probe in self.done


def one_a_role(statements: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """A statement of each role, from (..., role, statement)."""
    return list({one[:-1]: one for one in sorted(statements, reverse=True)}.values())[::-1]


@contextmanager
def patiently() -> Iterator[None]:
    """Wait for what works without the removed statement, too."""
    impatient, waiting[:] = [*waiting], []
    try:
        yield
    finally:
        waiting[:] = impatient


def happens(probe: Callable[[], Any]) -> bool:
    """Whether the probe gets true in time."""
    deadline = time.monotonic() + (IMPATIENT if waiting else PATIENT)
    unrefused = [*waiting]
    for pause in pauses():
        if probe():
            return True
        if unrefused and unrefused[-1].is_refused():
            unrefused = []
            deadline = min(deadline, time.monotonic() + REFUSED)
        if time.monotonic() > deadline:
            break
        time.sleep(pause)
    return False


def answers(d: Deployment, function: str, payload: Any, account_id: str = HUB) -> bool:
    answer = d.client("lambda", account_id).invoke(
        FunctionName=function, Payload=json.dumps(payload).encode()
    )
    return "FunctionError" not in answer


def failures_queue(d: Deployment, function: str, account_id: str) -> str:
    found = d.client("sqs", account_id).get_queue_url(QueueName=f"{function}-failures")
    return str(found["QueueUrl"])


#: An event that no function accepts.
SENSELESS = {"Records": [{}], "account_id": 5}


def failure_is_kept(function: str, account_id: str) -> Callable[[Deployment, str], bool]:
    def probe(d: Deployment, _: str) -> bool:
        queue = failures_queue(d, function, account_id)
        d.client("sqs", account_id).purge_queue(QueueUrl=queue)
        d.client("lambda", account_id).invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=json.dumps(SENSELESS).encode(),
        )
        return happens(lambda: d.messages(queue, account_id))

    return probe


def log_is_written(function: str, account_id: str) -> Callable[[Deployment, str], bool]:
    def probe(d: Deployment, _: str) -> bool:
        logs = d.client("logs", account_id)

        def lines() -> int:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/{function}"
            )
            return sum(len(page["events"]) for page in pages)

        before = lines()
        answers(d, function, SENSELESS, account_id)
        return happens(lambda: lines() > before)

    return probe


@contextmanager
def schedule(d: Deployment, name: str, account_id: str, **target: Any) -> Iterator[None]:
    """A copy of the deployed schedule that fires once, in a second."""
    scheduler = d.client("scheduler", account_id)
    deployed = scheduler.get_schedule(Name=name)["Target"]
    copy = f"{name}-{uuid.uuid4().hex[:8]}"
    due = datetime.now(UTC) + timedelta(seconds=1)
    scheduler.create_schedule(
        Name=copy,
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=deployed | target,
    )
    try:
        yield
    finally:
        scheduler.delete_schedule(Name=copy)


def undelivered_is_kept(function: str, account_id: str) -> Callable[[Deployment, str], bool]:
    def probe(d: Deployment, _: str) -> bool:
        queue = failures_queue(d, function, account_id)
        d.client("sqs", account_id).purge_queue(QueueUrl=queue)
        nowhere = f"arn:aws:lambda:us-east-1:{account_id}:function:not-there"
        with schedule(d, function, account_id, Arn=nowhere):
            return happens(lambda: d.messages(queue, account_id))

    return probe


def policies(d: Deployment, account_id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(role, policy name, document) of every inline policy of the deployment."""
    iam = d.client("iam", account_id)
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            name = role["RoleName"]
            if not name.startswith("finops-"):
                continue
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                found = iam.get_role_policy(RoleName=name, PolicyName=policy)
                yield name, policy, found["PolicyDocument"]


#: Statements whose effect workers cache: role sessions, and a trail that has just failed.
_REMEMBERED = ("AssumeSpokeRoles", "RecordAuditEntries")


@contextmanager
def without(d: Deployment, account_id: str, role: str, sid: str) -> Iterator[None]:
    """Remove one statement from the role's policy for a while."""
    iam = d.client("iam", account_id)
    ((name, policy, document),) = [one for one in policies(d, account_id) if one[0] == role]
    kept = [one for one in document["Statement"] if one["Sid"] != sid]
    assert len(kept) == len(document["Statement"]) - 1
    # A policy must have a statement; this one denies an action that nobody uses.
    nothing = {"Sid": "None", "Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    kept = kept or [nothing]

    def put(statements: list[dict[str, Any]]) -> None:
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policy,
            PolicyDocument=json.dumps(document | {"Statement": statements}),
        )

    put(kept)
    try:
        if sid in _REMEMBERED:
            forget_sessions(d, role)
        numbers = [one["number"] for one in denials(d.url)]
        waiting.append(Waiting(d.url, role, _actions(document, sid), max(numbers, default=0)))
        yield
    finally:
        waiting.clear()
        put(document["Statement"])
        if sid == "RecordAuditEntries":
            forget_sessions(d, role)


def _actions(document: Mapping[str, Any], sid: str) -> list[str]:
    (actions,) = [one["Action"] for one in document["Statement"] if one["Sid"] == sid]
    return [actions] if isinstance(actions, str) else list(actions)


def forget_sessions(d: Deployment, function: str, **environment: str) -> dict[str, str]:
    """Replace the function's workers, which hold role sessions; returns the settings before."""
    functions = d.client("lambda")
    found = functions.get_function_configuration(FunctionName=function)
    before: dict[str, str] = found["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=function,
        Environment={"Variables": before | {"RESTARTED": uuid.uuid4().hex} | environment},
    )
    functions.get_waiter("function_updated_v2").wait(
        FunctionName=function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    return before


def deployed(d: Deployment) -> set[tuple[str, str, str]]:
    """(account, role, statement) of every statement of the deployment."""
    return {
        (account_id, role, statement["Sid"])
        for account_id in (HUB, SPOKE)
        for role, _, document in policies(d, account_id)
        for statement in document["Statement"]
    }


def flow_of(role: str) -> str:
    """The flow that a role belongs to; each flow tests its own statements."""
    for word, flow in {
        "audit": "audit",
        "billing": "billing",
        "invoice": "invoices",
        "extraction": "invoices",
        "reconcile": "reconciliation",
        "cost-reader": "reconciliation",
    }.items():
        if word in role:
            return flow
    return "budgets"
