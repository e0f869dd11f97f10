"""Rules and schedules invoke functions asynchronously, by permission, with a dead-letter queue.

AWS: "Using dead-letter queues to process undelivered events"
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html,
"How EventBridge retries delivering events"
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html,
"Resource-based policies" https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
and "Configuring a dead-letter queue for EventBridge Scheduler"
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html

EventBridge has delivered once Lambda accepts the event; an error of the function is then Lambda's
to retry. A missing function or permission is not retried: the event goes to the target's queue at
once. What a retry policy covers (throttled or failing endpoints) does not happen here.
MiniStack invokes the function once in its own thread, without permission checks, ignores the
retry policy and the dead-letter queue, and looks at schedules every 10 s; here, every second.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.services import eventbridge, lambda_svc, scheduler, sqs

from localcloud.extensions._delivery import send
from localcloud.extensions._patch import replace, wrap
from localcloud.extensions._permissions import resource_allows, role_allows

logger = logging.getLogger("localcloud.eventbridge")


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What a rule or schedule asked for."""

    target: dict[str, Any]
    source: dict[str, Any]
    event: dict[str, Any]

    @property
    def scheduled(self) -> bool:
        return str(self.source["Arn"].split(":")[2]) == "scheduler"


_current: contextvars.ContextVar[_Delivery] = contextvars.ContextVar("delivery")


class _Undeliverable(Exception):
    """The target cannot take the event, now or later."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _invoke_target(
    original: Callable[..., None],
    target: dict[str, Any],
    event: dict[str, Any],
    rule: dict[str, Any],
    view: Any = None,
) -> None:
    # The emulator builds the payload and picks the service; keep who asked for the dispatch.
    token = _current.set(_Delivery(target, rule, event))
    try:
        original(target, event, rule, view)
    finally:
        _current.reset(token)


def _dispatch_to_lambda(function_arn: str, payload: str) -> None:
    delivery = _current.get()
    try:
        document = json.loads(payload)
    except ValueError:
        document = payload
    try:
        _deliver(function_arn, document, delivery)
    except _Undeliverable as error:
        logger.warning("%s could not deliver: %s", delivery.source["Arn"], error)
        _dead_letter(document, delivery, error)


def _deliver(function_arn: str, document: Any, delivery: _Delivery) -> None:
    record, config, name = lambda_svc._get_func_record_for_ref(function_arn)
    if not record or not config:
        raise _Undeliverable("NO_RESOURCE", f"Function not found: {name}")
    if not _may_invoke(function_arn, delivery):
        raise _Undeliverable(
            "NO_PERMISSIONS", f"not authorized to perform lambda:InvokeFunction on {function_arn}"
        )
    lambda_svc.invoke_async_with_retry(
        lambda_svc._execution_record_for_config(record, config), document
    )


def _may_invoke(function_arn: str, delivery: _Delivery) -> bool:
    """A schedule acts as its role; a rule by the function's own policy."""
    action = "lambda:InvokeFunction"
    if delivery.scheduled:
        return role_allows(delivery.target.get("RoleArn", ""), action, function_arn)
    base, _, _ = lambda_svc._get_base_func_record_for_ref(function_arn)
    return resource_allows(
        (base or {}).get("policy"),
        service="events.amazonaws.com",
        action=action,
        resource=function_arn,
        source_arn=delivery.source["Arn"],
    )


def _dead_letter(document: Any, delivery: _Delivery, error: _Undeliverable) -> None:
    target, source_arn = delivery.target, delivery.source["Arn"]
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    if delivery.scheduled:
        allowed = role_allows(target.get("RoleArn", ""), "sqs:SendMessage", queue_arn)
        source_attribute = "SCHEDULE_ARN"
    else:
        policy, _ = sqs.queue_policy_for_arn(queue_arn) or (None, None)
        allowed = resource_allows(
            policy,
            service="events.amazonaws.com",
            action="sqs:SendMessage",
            resource=queue_arn,
            source_arn=source_arn,
        )
        source_attribute = "RULE_ARN"
        # The queue gets the event itself, not what an input transformer made of it.
        document = eventbridge._pattern_event_view(delivery.event).event_with_detail()
    if not allowed:
        logger.error("%s may not send to its dead-letter queue %s", source_arn, queue_arn)
        return
    attributes = {
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error),
        source_attribute: source_arn,
        "TARGET_ARN": target["Arn"],
    }
    send(queue_arn, document, attributes)


def install() -> None:
    """Deliver to functions as EventBridge does."""
    wrap(eventbridge, "_invoke_target", _invoke_target)
    replace(eventbridge, "_dispatch_to_lambda", _dispatch_to_lambda)
    for module, interval in (
        (scheduler, "_SCHEDULE_TICK_INTERVAL"),
        (eventbridge, "_SCHEDULER_TICK_INTERVAL"),
    ):
        getattr(module, interval)
        setattr(module, interval, 1)
