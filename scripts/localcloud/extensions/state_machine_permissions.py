"""What a state machine does needs the permissions of its role.

AWS: "How Step Functions generates IAM policies for integrated services"
https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html,
"IAM policies for using Distributed Map states"
https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html and "Using
CloudWatch Logs" https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html

MiniStack invokes functions, starts map runs and reads their items whatever the role says. Here the
role's permissions are checked first, also for the delivery of logs where it is configured.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc, stepfunctions

from localcloud.extensions._patch import Response, wrap
from localcloud.extensions._permissions import role_allows

LOG_DELIVERY_ACTIONS = tuple(
    f"logs:{operation}"
    for operation in (
        "CreateLogDelivery",
        "DeleteLogDelivery",
        "DescribeLogGroups",
        "DescribeResourcePolicies",
        "GetLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "UpdateLogDelivery",
    )
)

#: The role as which the state of this thread runs; none outside of executions.
_role: contextvars.ContextVar[str | None] = contextvars.ContextVar("state_role", default=None)


def _require(action: str, resource: str, error: str, suffix: str = "") -> None:
    role = _role.get()
    if role and not role_allows(role, action, resource):
        cause = (
            f"User: {role} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action{suffix}"
        )
        raise stepfunctions._ExecutionError(error, cause)


def _as_role(context: dict[str, Any] | None, run: Callable[[], Any]) -> Any:
    """Run as the role of the state machine that the context object names."""
    arn = ((context or {}).get("StateMachine") or {}).get("Id", "")
    machine = stepfunctions._state_machines.get(arn) or {}
    token = _role.set(machine.get("roleArn"))
    try:
        return run()
    finally:
        _role.reset(token)


def _task(
    original: Callable[..., Any],
    state: dict[str, Any],
    raw_input: Any,
    execution: Any,
    context: Any,
) -> Any:
    return _as_role(context, lambda: original(state, raw_input, execution, context))


def _map_run(
    original: Callable[..., Any],
    state: dict[str, Any],
    raw_input: Any,
    effective: Any,
    iterator: Any,
    execution: Any,
    context: Any,
) -> Any:
    def run() -> Any:
        machine = execution["stateMachineArn"]
        _require("states:StartExecution", machine, "States.Permissions")
        return original(state, raw_input, effective, iterator, execution, context)

    return _as_role(context, run)


def _read_object(original: Callable[[str, str], str], bucket: str, key: str) -> str:
    _require("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", "States.ItemReaderFailed")
    return original(bucket, key)


def _invoke(original: Callable[[str, Any], Any], reference: str, event: Any) -> Any:
    _, config, _ = lambda_svc._get_func_record_for_ref(reference)
    if config:
        suffix = " (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException)"
        error = "Lambda.AWSLambdaException"
        _require("lambda:InvokeFunction", config["FunctionArn"], error, suffix)
    return original(reference, event)


def _may_deliver_logs(role: str, logging: dict[str, Any] | None) -> bool:
    if (logging or {}).get("level", "OFF") == "OFF":
        return True
    return all(role_allows(role, action, "*") for action in LOG_DELIVERY_ACTIONS)


def _create(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    if _may_deliver_logs(request.get("roleArn", ""), request.get("loggingConfiguration")):
        return original(request)
    return _refused()


def _update(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    machine = stepfunctions._state_machines.get(request.get("stateMachineArn", "")) or {}
    asked = {**machine, **request}
    if _may_deliver_logs(asked.get("roleArn", ""), asked.get("loggingConfiguration")):
        return original(request)
    return _refused()


def _refused() -> Response:
    message = "The state machine IAM Role is not authorized to access the Log Destination"
    return error_response_json("AccessDeniedException", message, 400)


def install() -> None:
    """Check the role before acting for a state machine."""
    wrap(stepfunctions, "_execute_task", _task)
    wrap(stepfunctions, "_run_distributed_map", _map_run)
    wrap(stepfunctions, "_s3_object_text", _read_object)
    wrap(stepfunctions, "_call_lambda", _invoke)
    wrap(stepfunctions, "_create_state_machine", _create)
    wrap(stepfunctions, "_update_state_machine", _update)
