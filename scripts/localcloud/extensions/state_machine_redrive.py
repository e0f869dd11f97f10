"""A failed execution can be redriven from the state that failed.

AWS: "Restarting state machine executions with redrive"
https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html and RedriveExecution
https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html
A task that failed is scheduled again, and not entered again: it has no second TaskStateEntered
event, and the context object keeps the time when it was entered first. MiniStack has no such
operation. Variables are known only while the emulator runs: after its restart an execution is
redriven from its first state, unlike on AWS.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions

from localcloud.extensions._patch import Response, wrap

_REDRIVABLE: Final = frozenset({"FAILED", "ABORTED", "TIMED_OUT"})
#: The variables of each execution, as its states last saw them.
_variables: dict[str, dict[str, Any]] = {}
#: When an execution last entered a task, by the execution's ARN and the state's name.
_entered_times: dict[tuple[str, str], str] = {}
#: The task that a redriven execution schedules again, until it does.
_rescheduled: dict[str, str] = {}


def _task(
    original: Callable[..., Any], state: dict[str, Any], raw: Any, execution: Any, context: Any
) -> Any:
    arn, entered = execution["executionArn"], context["State"]
    _variables[arn] = context["variables"]
    if _rescheduled.get(arn) == entered["Name"]:
        del _rescheduled[arn]
        entered["EnteredTime"] = _entered_times[arn, entered["Name"]]
    elif execution.get("redriveCount"):
        # What goes on from a failed state is run as a branch is, which leaves no events.
        details = {"name": entered["Name"], "input": json.dumps(raw)}
        stepfunctions._add_event(
            execution, "TaskStateEntered", {"stateEnteredEventDetails": details}
        )
    _entered_times[arn, entered["Name"]] = entered["EnteredTime"]
    return original(state, raw, execution, context)


def _redrive(request: dict[str, Any]) -> Response:
    arn = request.get("executionArn", "")
    execution = stepfunctions._executions.get(arn)
    if execution is None:
        return error_response_json(
            "ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400
        )
    if execution["status"] not in _REDRIVABLE:
        message = f"Execution is {execution['status']} and cannot be redriven"
        return error_response_json("ExecutionNotRedrivable", message, 400)
    execution["status"] = "RUNNING"
    execution["stopDate"] = execution["output"] = None
    execution.pop("error", None)
    execution.pop("cause", None)
    execution["redriveCount"] = execution.get("redriveCount", 0) + 1
    execution["redriveDate"] = now_iso()
    stepfunctions._add_event(
        execution,
        "ExecutionRedriven",
        {"executionRedrivenEventDetails": {"redriveCount": execution["redriveCount"]}},
    )
    stepfunctions._emit_execution_status_event(execution)
    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(_go_on, execution), daemon=True).start()
    return json_response({"redriveDate": execution["redriveDate"]})


def _go_on(execution: dict[str, Any]) -> None:
    machine = stepfunctions._state_machines[execution["stateMachineArn"]]
    definition = json.loads(machine["definition"])
    name, state_input = _failed_state(execution, definition)
    if (execution["executionArn"], name) in _entered_times:
        _rescheduled[execution["executionArn"]] = name
    context = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution["executionArn"],
            "Input": json.loads(execution["input"]),
            "Name": execution["name"],
            "StartTime": execution["startDate"],
            "RedriveCount": execution["redriveCount"],
            "RedriveTime": execution["redriveDate"],
        },
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": _variables.get(execution["executionArn"], {}),
    }
    try:
        output = stepfunctions._run_sub_machine(
            definition["States"], name, state_input, execution, context
        )
    except stepfunctions._ExecutionError as error:
        stepfunctions._fail_execution(execution, error.error, error.cause)
    except Exception as error:
        stepfunctions._fail_execution(execution, "States.Runtime", str(error))
    else:
        execution["status"] = "SUCCEEDED"
        execution["output"] = json.dumps(output)
        execution["stopDate"] = now_iso()
        details = {"executionSucceededEventDetails": {"output": execution["output"]}}
        stepfunctions._add_event(execution, "ExecutionSucceeded", details)
        stepfunctions._emit_execution_status_event(execution)


def _failed_state(execution: dict[str, Any], definition: dict[str, Any]) -> tuple[str, Any]:
    """The last state that was entered, with its input; the first state if variables are lost."""
    if execution["executionArn"] in _variables:
        for event in reversed(execution["events"]):
            if entered := event.get("stateEnteredEventDetails"):
                return entered["name"], json.loads(entered["input"])
    return definition["StartAt"], json.loads(execution["input"])


def _describe(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    status, headers, body = original(request)
    execution = stepfunctions._executions.get(request.get("executionArn"))
    if status != 200 or execution is None:
        return status, headers, body
    found = json.loads(body)
    redrivable = execution["status"] in _REDRIVABLE
    found["redriveCount"] = execution.get("redriveCount", 0)
    found["redriveStatus"] = "REDRIVABLE" if redrivable else "NOT_REDRIVABLE"
    if not redrivable:
        found["redriveStatusReason"] = f"Execution is {execution['status']} and cannot be redriven"
    if date := execution.get("redriveDate"):
        found["redriveDate"] = date
    return json_response(found)


async def _handle(
    original: Callable[..., Awaitable[Response]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: Any,
) -> Response:
    if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
        return stepfunctions._finalize_response(_redrive(json.loads(body)))
    return await original(method, path, headers, body, query)


def install() -> None:
    """Add the operation, and what descriptions say of it."""
    wrap(stepfunctions, "_execute_task", _task)
    wrap(stepfunctions, "_describe_execution", _describe)
    wrap(stepfunctions, "handle_request", _handle)
