"""Parameter Store publishes its changes to EventBridge.

AWS: "Monitoring parameters with EventBridge: Parameter Store Change"
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
Events arrive on the default bus of the parameter's account, carry no value, and are best
effort. MiniStack changes parameters silently, and refuses events with an ``aws.`` source.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, ssm

from localcloud.extensions._patch import Operation, Request, Response, wrap


def _publish(operation: str, name: str, parameter: dict[str, Any]) -> None:
    detail = {"name": name, "type": parameter["Type"], "operation": operation}
    if parameter.get("Description"):
        detail["description"] = parameter["Description"]
    eventbridge._ensure_default_bus()
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.ssm",
                    "DetailType": "Parameter Store Change",
                    "Resources": [
                        f"arn:aws:ssm:{get_region()}:{get_account_id()}"
                        f":parameter/{name.lstrip('/')}"
                    ],
                    "Detail": json.dumps(detail),
                }
            ]
        },
        allow_aws_source=True,
    )


def _put_parameter(original: Operation, request: Request) -> Response:
    response = original(request)
    if response[0] == 200:
        name = request["Name"]
        version = json.loads(response[2])["Version"]
        _publish("Create" if version == 1 else "Update", name, ssm._parameters[name])
    return response


def _label_parameter_version(original: Operation, request: Request) -> Response:
    response = original(request)
    name = request.get("Name", "")
    if response[0] == 200 and name in ssm._parameters:
        _publish("LabelParameterVersion", name, ssm._parameters[name])
    return response


def _delete_parameter(original: Operation, request: Request) -> Response:
    name = request.get("Name", "")
    parameter = ssm._parameters.get(name)
    response = original(request)
    if response[0] == 200 and parameter:
        _publish("Delete", name, parameter)
    return response


def _delete_parameters(original: Operation, request: Request) -> Response:
    before = {name: ssm._parameters.get(name) for name in request.get("Names", [])}
    response = original(request)
    if response[0] == 200:
        for name in json.loads(response[2])["DeletedParameters"]:
            if parameter := before.get(name):
                _publish("Delete", name, parameter)
    return response


def install() -> None:
    """Publish an event for each change of a parameter."""
    wrap(ssm, "_put_parameter", _put_parameter)
    wrap(ssm, "_label_parameter_version", _label_parameter_version)
    wrap(ssm, "_delete_parameter", _delete_parameter)
    wrap(ssm, "_delete_parameters", _delete_parameters)
