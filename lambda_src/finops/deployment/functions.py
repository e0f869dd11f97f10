"""Calls of a deployment's functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError


def invoke(client: Any, function: str, payload: Mapping[str, Any]) -> Any:
    """Call a function and wait for its answer.

    Raises:
        ConfigurationError: With the function's error, if it failed.
    """
    with aws_errors(f"invoke {function}"):
        answer = client.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        body = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise ConfigurationError(
            f"{body.get('errorType')}: {body.get('errorMessage')}",
            code="function_failed",
            step=function,
            remedy=f"See the log group /aws/lambda/{function}",
        )
    return body
