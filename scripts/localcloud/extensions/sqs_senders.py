"""A message names the principal that sent it, and a queue's policy can tell senders by it.

AWS: "ReceiveMessage" https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
gives ``SenderId`` as a user's unique id, or as a role's unique id and its session's name, and
"Using Lambda with Amazon SQS" https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html gives it
to functions. It is what policies call ``aws:userid``: "IAM policy elements: Variables"
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
A function's session has the function's name.

MiniStack gives the account in place of the sender, tells a queue's policy nothing about the caller
but its ARN, and takes a function's role's name for its id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import iam, lambda_svc, sqs, sts

from localcloud.extensions._patch import wrap

_caller_keys: ContextVar[Mapping[str, Any]] = ContextVar("caller_keys", default={})  # noqa: B039


def _pin(
    original: Callable[..., None],
    headers: dict[str, str],
    query_params: dict[str, Any] | None = None,
) -> None:
    original(headers, query_params)
    access_key = extract_access_key_id(headers, query_params or {})
    found = iam_evaluator.resolve_principal(access_key, get_account_id()) if access_key else None
    _caller_keys.set(getattr(found, "keys", None) or {})


def _allows(
    original: Callable[..., bool], policy: Any, context: iam_evaluator.EvalContext, same: bool
) -> bool:
    keys = context.principal_keys or dict(_caller_keys.get())
    return original(policy, dataclasses.replace(context, principal_keys=keys), same)


def _sent(original: Callable[..., dict[str, Any]], now: float, given: Any) -> dict[str, Any]:
    sender = _caller_keys.get().get("aws:userid")
    return {**original(now, given), **({"SenderId": sender} if sender else {})}


def _run_batch(
    original: Callable[..., None],
    mapping: Any,
    function: Any,
    event: dict[str, Any],
    batch: list[dict[str, Any]],
    *queue: Any,
) -> None:
    senders = {one["id"]: one.get("sys", {}).get("SenderId") for one in batch}
    for record in event["Records"]:
        sender = senders.get(record["messageId"])
        if sender:
            record["attributes"]["SenderId"] = sender
    original(mapping, function, event, batch, *queue)


def _register(original: Callable[..., None], access_key: str, session: dict[str, Any]) -> None:
    account, _, resource = str(session.get("Arn", ""))[len("arn:aws:sts::") :].partition(":")
    kind, _, name = resource.partition("/")
    role_name, _, session_name = name.partition("/")
    if kind == "assumed-role" and session.get("UserId") == f"{role_name}:{session_name}":
        role = iam._roles.get_scoped(account, None, role_name)
        if role:
            session["UserId"] = f"{role['RoleId']}:{session_name}"
    original(access_key, session)


def install() -> None:
    """Name senders, and let policies know them."""
    wrap(iam_evaluator, "pin_request_caller", _pin)
    wrap(iam_evaluator, "resource_policy_allows", _allows)
    wrap(sqs, "_build_send_sys_attrs", _sent)
    wrap(lambda_svc, "_run_sqs_batch", _run_batch)
    wrap(sts, "register_session", _register)
