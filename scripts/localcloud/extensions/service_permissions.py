"""What Lambda does in a function's name needs the permissions of its execution role.

AWS: "Defining Lambda function permissions with an execution role"
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html,
"Configuring a queue to use with Lambda" https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"Giving Lambda functions access to resources in an Amazon VPC"
https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
and "Sending Lambda function logs to CloudWatch Logs"
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html

MiniStack reads queues and streams, writes logs and joins networks whatever the role says. Here a
mapping is refused, and one that exists pauses, when the role may not read its source; a function
in a VPC is refused when the role may make no network interface; logs that the role may not write
are lost, as on AWS. (``aws:SecureTransport`` is true for every call: the emulator has no TLS, and
policies that rightly deny plain HTTP would deny everything.)
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterator
from typing import Any

import ministack.app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import cloudwatch_logs, lambda_svc

from localcloud.extensions import stream_mappings
from localcloud.extensions._patch import wrap
from localcloud.extensions._permissions import role_allows

logger = logging.getLogger("localcloud.permissions")

_SQS_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def _missing_action(function_name: str, qualifier: str | None, source_arn: str) -> str | None:
    """The first action on the source that the function's role lacks."""
    actions = {"sqs": _SQS_ACTIONS, "dynamodb": stream_mappings.READ_ACTIONS}
    _, config = lambda_svc._get_func_record_for_qualifier(function_name, qualifier)
    role = (config or {}).get("Role", "")
    for action in actions.get(source_arn.split(":")[2], ()):
        if not role_allows(role, action, source_arn):
            return action
    return None


def _create_mapping(original: Callable[..., Any], request: dict[str, Any]) -> Any:
    source_arn = request.get("EventSourceArn", "")
    name, qualifier, error = lambda_svc._resolve_existing_esm_function(
        request.get("FunctionName", "")
    )
    action = None if error or not source_arn else _missing_action(name, qualifier, source_arn)
    if action is None:
        return original(request)
    if ":dynamodb:" in source_arn:
        message = (
            f"Cannot access stream {source_arn}. Please ensure the role can perform the "
            "GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream "
            "in IAM."
        )
    else:
        message = (
            "The provided execution role does not have permissions to call "
            f"{action.partition(':')[2]} on SQS"
        )
    return error_response_json("InvalidParameterValueException", message, 400)


def _readable_mappings(original: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """The mappings to poll; streams are not polled, and check for themselves."""
    for account, region, mapping in original():
        if ":sqs:" in mapping.get("EventSourceArn", ""):
            with request_scope(account, region):
                action = _missing_action(
                    mapping["FunctionName"], mapping.get("Qualifier"), mapping["EventSourceArn"]
                )
            if action:
                mapping["LastProcessingResult"] = f"PROBLEM: Lambda is not authorized to {action}"
                continue
        yield account, region, mapping


def _create_function(original: Callable[..., Any], request: dict[str, Any]) -> Any:
    """Lambda makes a network interface as the role before the function exists."""
    if (request.get("VpcConfig") or {}).get("SubnetIds"):
        anywhere = f"arn:aws:ec2:{get_region()}:{get_account_id()}:*/*"
        if not role_allows(request.get("Role", ""), "ec2:CreateNetworkInterface", anywhere):
            return error_response_json(
                "InvalidParameterValueException",
                "The provided execution role does not have permissions to call "
                "CreateNetworkInterface on EC2",
                400,
            )
    return original(request)


def _emit_logs(
    original: Callable[..., None], function: dict[str, Any], *args: Any, **kwargs: Any
) -> None:
    config = function.get("config") or function
    name = (config.get("LoggingConfig") or {}).get("LogGroup")
    name = name or f"/aws/lambda/{config['FunctionName']}"
    role = config.get("Role", "")
    group = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{name}"
    stream = f"{group}:log-stream:lambda"
    needed = [("logs:CreateLogStream", stream), ("logs:PutLogEvents", stream)]
    if name not in cloudwatch_logs._log_groups:
        needed.append(("logs:CreateLogGroup", group))
    for action, resource in needed:
        if not role_allows(role, action, resource):
            logger.debug("lost logs: %s may not %s on %s", role, action, resource)
            return
    original(function, *args, **kwargs)


def _pin_origin(original: Callable[[str, bool], None], address: str, _secure: bool) -> None:
    original(address, True)


def install() -> None:
    """Check the execution role before acting for a function."""
    wrap(lambda_svc, "_create_function", _create_function)
    wrap(lambda_svc, "_create_esm", _create_mapping)
    wrap(lambda_svc, "_iter_all_esms", _readable_mappings)
    wrap(lambda_svc, "_emit_lambda_logs", _emit_logs)
    wrap(ministack.app, "pin_request_origin", _pin_origin)
    iam_evaluator._request_origin = contextvars.ContextVar(
        "request_origin", default=("127.0.0.1", True)
    )
