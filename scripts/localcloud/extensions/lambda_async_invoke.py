"""Asynchronous invocation: an internal queue, two retries, destinations.

AWS: "How Lambda handles errors and retries with asynchronous invocation"
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html and
"Capturing records of Lambda asynchronous invocations"
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html

MiniStack runs each event at once in a thread and process of its own, counts throttles as failed
attempts, never delivers to an OnSuccess destination, and gives a dead-letter queue the
destination's record instead of the event.

Differences from AWS, on purpose, and settable:

* a retry waits ``FINOPS_ASYNC_RETRY_SECONDS`` (1) and then twice that; AWS waits one minute, then
  two;
* at most ``FINOPS_ASYNC_CONCURRENCY`` (4) events run at a time for a function, and
  ``FINOPS_ASYNC_TOTAL_CONCURRENCY`` (4 a processor, at least 8) for all together, in turn; AWS
  has 1,000 an account. The rest wait in the queue, which does not outlive the emulator. (More
  processes than that made 600 events of six calls each on two processors slower, not faster.)
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import logging
import os
import threading
import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

from localcloud.extensions._delivery import send
from localcloud.extensions._patch import replace
from localcloud.extensions._permissions import role_allows

logger = logging.getLogger("localcloud.lambda")

RETRY_SECONDS = float(os.environ.get("FINOPS_ASYNC_RETRY_SECONDS", "1"))
CONCURRENCY = int(os.environ.get("FINOPS_ASYNC_CONCURRENCY", "4"))
TOTAL_CONCURRENCY = int(
    os.environ.get("FINOPS_ASYNC_TOTAL_CONCURRENCY", str(max(8, 4 * (os.cpu_count() or 1))))
)

_DESTINATION_ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
}


@dataclass(kw_only=True)
class Invocation:
    """An accepted event, until it succeeds or is given up."""

    function_arn: str
    event: Any
    context: contextvars.Context
    request_id: str = field(default_factory=new_uuid)
    accepted: float = field(default_factory=time.time)
    attempts: int = 0
    waits: int = 0


class Queue:
    """Runs invocations on a limited number of threads; functions take turns."""

    def __init__(self) -> None:
        """Start empty and without threads."""
        self._changed = threading.Condition()
        self._ready: OrderedDict[str, deque[Invocation]] = OrderedDict()
        self._later: list[tuple[float, int, Invocation]] = []
        self._order = itertools.count()
        self._running: Counter[str] = Counter()
        self._threads = 0
        self._idle = 0

    def put(self, invocation: Invocation, delay: float = 0.0) -> None:
        """Run ``invocation`` after ``delay`` seconds, when its turn comes."""
        with self._changed:
            due = time.monotonic() + delay
            heapq.heappush(self._later, (due, next(self._order), invocation))
            if not self._idle and self._threads < TOTAL_CONCURRENCY:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="async-invoke").start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            invocation = self._take()
            try:
                invocation.context.run(_attempt, invocation)
            except Exception:
                logger.exception("asynchronous invocation of %s", invocation.function_arn)
            with self._changed:
                self._running[invocation.function_arn] -= 1
                self._changed.notify()

    def _take(self) -> Invocation:
        with self._changed:
            while True:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    invocation = heapq.heappop(self._later)[2]
                    self._ready.setdefault(invocation.function_arn, deque()).append(invocation)
                for arn, waiting in self._ready.items():
                    if self._running[arn] < _concurrency(arn):
                        invocation = waiting.popleft()
                        self._ready.move_to_end(arn)
                        if not waiting:
                            del self._ready[arn]
                        self._running[arn] += 1
                        return invocation
                self._idle += 1
                self._changed.wait(self._later[0][0] - now if self._later else None)
                self._idle -= 1


def _concurrency(function_arn: str) -> int:
    """How many events the function handles at a time."""
    account, region = lambda_svc._lambda_function_account_region_from_arn(function_arn)
    name, _ = lambda_svc._resolve_name_and_qualifier(function_arn)
    record = lambda_svc._functions.get_scoped(account, region, name) or {}
    reserved = lambda_svc._reserved_concurrency(record, record.get("config") or {})
    return CONCURRENCY if not reserved else min(CONCURRENCY, int(reserved))


queue = Queue()


def _invoke_async(function: dict[str, Any], event: Any) -> None:
    config = function.get("config") or function
    queue.put(
        Invocation(
            function_arn=config["FunctionArn"],
            event=event,
            context=contextvars.copy_context(),
        )
    )


def _attempt(invocation: Invocation) -> None:
    account, region = lambda_svc._account_region_from_function_config(
        {"FunctionArn": invocation.function_arn}
    )
    lambda_svc._request_account_id.set(account)
    lambda_svc._request_region.set(region)
    record, config, name = lambda_svc._get_func_record_for_ref(invocation.function_arn)
    if not record or not config:
        logger.warning("dropped an event: %s was deleted", invocation.function_arn)
        return
    settings = _settings(invocation.function_arn)
    if lambda_svc._reserved_concurrency(record, config) == 0:
        _give_up(invocation, config, settings, "ZeroReservedConcurrency", None)
        return
    started = time.time()
    outcome = lambda_svc._execute_function(
        lambda_svc._execution_record_for_config(record, config), invocation.event
    )
    throttled, failed = bool(outcome.get("throttle")), bool(outcome.get("error"))
    lambda_svc._emit_lambda_metrics(
        name, (time.time() - started) * 1000, failed and not throttled, throttled
    )
    if not failed:
        invocation.attempts += 1
        _record(invocation, config, settings, "OnSuccess", "Success", outcome)
        return
    if not throttled:
        invocation.attempts += 1
        if invocation.attempts > settings.get("MaximumRetryAttempts", 2):
            _give_up(invocation, config, settings, "RetriesExhausted", outcome)
            return
    delay = RETRY_SECONDS * 2 ** min(invocation.waits, 5)
    if time.time() + delay - invocation.accepted > settings.get("MaximumEventAgeInSeconds", 21600):
        _give_up(invocation, config, settings, "EventAgeExceeded", outcome)
        return
    invocation.waits += 1
    queue.put(invocation, delay)


def _settings(function_arn: str) -> dict[str, Any]:
    """The function's event invoke configuration, or an empty one."""
    base, _, _ = lambda_svc._get_base_func_record_for_ref(function_arn)
    _, qualifier = lambda_svc._resolve_name_and_qualifier(function_arn)
    if qualifier == "$LATEST":
        qualifier = None
    return lambda_svc._event_invoke_config(base or {}, qualifier) or {}


def _give_up(
    invocation: Invocation,
    config: dict[str, Any],
    settings: dict[str, Any],
    condition: str,
    outcome: dict[str, Any] | None,
) -> None:
    logger.warning("gave up an event of %s: %s", invocation.function_arn, condition)
    _record(invocation, config, settings, "OnFailure", condition, outcome)
    queue_arn = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if queue_arn and _may_send(config, queue_arn):
        error = (outcome or {}).get("body")
        message = error.get("errorMessage", "") if isinstance(error, dict) else ""
        attributes = {"RequestID": invocation.request_id, "ErrorCode": 200}
        if message:
            attributes["ErrorMessage"] = message[:1024]
        send(queue_arn, invocation.event, attributes)


def _record(
    invocation: Invocation,
    config: dict[str, Any],
    settings: dict[str, Any],
    destination: str,
    condition: str,
    outcome: dict[str, Any] | None,
) -> None:
    arn = ((settings.get("DestinationConfig") or {}).get(destination) or {}).get("Destination")
    if not arn or not _may_send(config, arn):
        return
    version = config.get("Version", "$LATEST")
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": f"{config['FunctionArn'].split(':function:')[0]}:function:"
            f"{config['FunctionName']}:{version}",
            "condition": condition,
            "approximateInvokeCount": invocation.attempts,
        },
        "requestPayload": invocation.event,
    }
    if outcome is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": version}
        if outcome.get("error"):
            record["responseContext"]["functionError"] = "Unhandled"
        record["responsePayload"] = outcome.get("body")
    send(arn, record)


def _may_send(config: dict[str, Any], target_arn: str) -> bool:
    """Whether the execution role may write to the destination, which AWS leaves to it."""
    action = _DESTINATION_ACTIONS.get(target_arn.split(":")[2], "")
    if role_allows(config.get("Role", ""), action, target_arn):
        return True
    logger.error("%s may not %s on %s", config.get("Role"), action, target_arn)
    return False


def install() -> None:
    """Send every asynchronous invocation through the queue."""
    replace(lambda_svc, "invoke_async_with_retry", _invoke_async)
