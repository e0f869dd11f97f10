"""A task that waits for its token fails if its function fails; callbacks need permission.

AWS: "Wait for a callback with task token"
https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token and
SendTaskSuccess
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
MiniStack keeps waiting if the function failed, reports an expired token as one that never existed,
and authorizes callbacks on no resource rather than on the token's state machine.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import error_response_json
from ministack.services import stepfunctions

from localcloud.extensions._patch import Response, wrap

#: The state machine of each token that was ever given out.
_machines: dict[str, str] = {}
_machine: contextvars.ContextVar[str] = contextvars.ContextVar("token_machine", default="")
#: Whether this thread calls the function that is handed a token.
_calling: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("calling", default=None)


def _task(
    original: Callable[..., Any], state: dict[str, Any], raw: Any, execution: Any, context: Any
) -> Any:
    token = _machine.set(str(((context or {}).get("StateMachine") or {}).get("Id", "")))
    try:
        return original(state, raw, execution, context)
    finally:
        _machine.reset(token)


def _with_callback(
    original: Callable[..., Any], resource: str, data: Any, token: str, state: Any
) -> Any:
    _machines[token] = _machine.get()
    failures: list[Any] = []
    calling = _calling.set(failures)
    try:
        result = original(resource, data, token, state)
    finally:
        _calling.reset(calling)
    if failures:
        raise failures[0]
    return result


def _call_function(original: Callable[[str, Any], Any], reference: str, event: Any) -> Any:
    """A failed call ends the wait, which the emulator has begun by then."""
    failures = _calling.get()
    if failures is None:
        return original(reference, event)
    try:
        return original(reference, event)
    except stepfunctions._ExecutionError as error:
        failures.append(error)
        for token in _tokens(event):
            if info := stepfunctions._task_tokens.get(token):
                info["event"].set()
        raise


def _tokens(event: Any) -> list[str]:
    if isinstance(event, dict):
        return [token for value in event.values() for token in _tokens(value)]
    return [event] if isinstance(event, str) and event in stepfunctions._task_tokens else []


def _callback(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    token = request.get("taskToken", "")
    if token in _machines and token not in stepfunctions._task_tokens:
        return error_response_json(
            "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400
        )
    return original(request)


def _resource(original: Callable[..., str], service: str, *args: Any) -> str:
    resource = original(service, *args)
    if service != "states" or resource != "*":
        return resource
    for argument in args:
        if isinstance(argument, bytes) and b"taskToken" in argument:
            return _machines.get(str(json.loads(argument).get("taskToken")), resource)
    return resource


def install() -> None:
    """Fail with the function, and authorize callbacks on the token's state machine."""
    wrap(stepfunctions, "_execute_task", _task)
    wrap(stepfunctions, "_invoke_with_callback", _with_callback)
    wrap(stepfunctions, "_call_lambda", _call_function)
    for name in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        wrap(stepfunctions, name, _callback)
    wrap(iam_actions, "extract_resource_arn", _resource)
