"""A state machine keeps its tracing configuration.

AWS: "DescribeStateMachine"
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
MiniStack forgets it, so Terraform would set it at every plan.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from localcloud.extensions._patch import Response, wrap


def _create(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    response = original(request)
    if response[0] == 200:
        arn = json.loads(response[2])["stateMachineArn"]
        given = request.get("tracingConfiguration") or {"enabled": False}
        stepfunctions._state_machines[arn].setdefault("tracingConfiguration", given)
    return response


def _update(original: Callable[[Any], Response], request: dict[str, Any]) -> Response:
    response = original(request)
    if response[0] == 200 and "tracingConfiguration" in request:
        machine = stepfunctions._state_machines[request["stateMachineArn"]]
        machine["tracingConfiguration"] = request["tracingConfiguration"]
    return response


def install() -> None:
    """Keep what MiniStack forgets."""
    wrap(stepfunctions, "_create_state_machine", _create)
    wrap(stepfunctions, "_update_state_machine", _update)
