"""A deployment's functions: their calls and their environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError


def variables_of(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    """A function's environment variables, of what Lambda says about the function.

    Lambda decrypts them for whoever asks. Where that fails, an error takes their place:
    https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html

    Raises:
        ConfigurationError: With Lambda's code, if it could not decrypt them.
    """
    environment = configuration.get("Environment", {})
    if error := environment.get("Error"):
        key = configuration.get("KMSKeyArn") or "alias/aws/lambda"
        raise ConfigurationError(
            f"Lambda could not decrypt the environment of {configuration['FunctionName']}:"
            f" {error.get('ErrorCode')}: {str(error.get('Message')).rstrip('.')}",
            code=str(error.get("ErrorCode")),
            step="read_environment",
            remedy=f"Allow kms:Decrypt on {key}; if you may, see whether the key is enabled",
        )
    return dict(environment.get("Variables", {}))


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
