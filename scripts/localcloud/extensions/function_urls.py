"""A function's URL with IAM authentication names who signed, and asks for two permissions.

AWS: "Invoking Lambda function URLs" https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
(``requestContext.authorizer.iam``) and "Control access to Lambda function URLs"
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html: since October 2025 a caller needs
``lambda:InvokeFunction`` besides ``lambda:InvokeFunctionUrl``. The condition key
``lambda:InvokedViaFunctionUrl`` limits the former to the URL.

MiniStack verifies signatures, but tells the function nothing of the caller, and asks for
``lambda:InvokeFunctionUrl`` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import lambda_svc

from localcloud.extensions._patch import wrap


def _enforce(
    original: Callable[..., Any],
    service: str,
    action: str,
    headers: dict[str, str],
    query_params: dict[str, Any],
    request_id: str,
    **context: Any,
) -> Any:
    denied = original(service, action, headers, query_params, request_id, **context)
    keys = context.get("service_context") or {}
    if (
        denied
        or action != "lambda:InvokeFunctionUrl"
        or keys.get("lambda:FunctionUrlAuthType") != "AWS_IAM"
        or not lambda_svc._function_url_is_signed(headers, query_params)
    ):
        return denied
    context["service_context"] = {**keys, "lambda:InvokedViaFunctionUrl": "true"}
    return original(service, "lambda:InvokeFunction", headers, query_params, request_id, **context)


def _event(
    original: Callable[..., dict[str, Any]],
    url_id: str,
    account_id: str,
    region: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    **facts: Any,
) -> dict[str, Any]:
    event = original(url_id, account_id, region, method, path, headers, body, query_params, **facts)
    if not facts.get("anonymous"):
        event["requestContext"]["authorizer"] = {"iam": _caller(headers, query_params)}
    return event


def _caller(headers: dict[str, str], query_params: dict[str, Any]) -> dict[str, Any]:
    """The owner of the key by which the request was signed."""
    found = iam_evaluator.resolve_credential(
        extract_access_key_id(headers, query_params), get_account_id()
    )
    if isinstance(found, iam_evaluator.CredentialResolutionError):
        raise PermissionError(found.message)
    return {
        "accessKey": found.access_key_id,
        "accountId": found.account_id,
        "callerId": found.principal_id,
        "cognitoIdentity": None,
        "principalOrgId": iam_evaluator._principal_org_id(found.account_id),
        "userArn": found.principal_arn,
        "userId": found.principal_id,
    }


def install() -> None:
    """Ask for both permissions, and name the caller."""
    wrap(app, "_enforce_data_plane", _enforce)
    wrap(lambda_svc, "_build_function_url_event", _event)
