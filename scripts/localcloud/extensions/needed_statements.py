"""Which statements of roles' policies a request could not do without, at ``/_finops/needed``.

A statement is needed for a request where no other statement, and no policy of the resource, allows
it: "Policy evaluation logic"
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
AWS tells something like it by service in "Last accessed information"; MiniStack does not. Tests
ask here whether a deployed policy grants more than is used.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable, Sequence
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, EvalResult, ParsedStatement

from localcloud.extensions._patch import wrap

PATH = "/_finops/needed"

#: (account, role, statement) → the first request that needed it.
_needed: dict[tuple[str, str, str], dict[str, str]] = {}
_of_a_resource = contextvars.ContextVar("of_a_resource", default=False)


def _evaluate(
    original: Callable[..., EvalResult],
    context: EvalContext,
    policies: Sequence[Sequence[ParsedStatement]],
    *limits: Any,
) -> EvalResult:
    result = original(context, policies, *limits)
    is_of_a_role = not _of_a_resource.get() and "/" in context.principal_arn
    if result.decision == "Allow" and result.matched_sid and is_of_a_role:
        role = context.principal_arn.split("/")[1]
        statement = (context.principal_account, role, result.matched_sid)
        if statement not in _needed and _is_needed(context, policies, result.matched_sid):
            _needed[statement] = {"action": context.action, "resource": context.resource_arn}
    return result


def _evaluate_of_a_resource(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    token = _of_a_resource.set(True)
    try:
        return original(*args, **kwargs)
    finally:
        _of_a_resource.reset(token)


def _is_needed(
    context: EvalContext, policies: Sequence[Sequence[ParsedStatement]], sid: str
) -> bool:
    others = [one for policy in policies for one in policy if one.sid != sid]
    if iam_evaluator._first_match(context, others, "Allow"):
        return False
    service = context.action.partition(":")[0]
    policy = iam_evaluator._resource_policy(service, context.resource_arn)
    if not context.principal_keys or policy is None:  # what a service does asks no resource here
        return True
    without = iam_evaluator.combine_resource_policy(
        EvalResult("ImplicitDeny"), context, *policy, required=service == "kms"
    )
    return bool(without.decision != "Allow")


def _answer(original: Any, path: str, request_id: str) -> Any:
    if path != PATH:
        return original(path, request_id)
    headers = {"Content-Type": "application/json", "x-amzn-requestid": request_id}
    told = [
        {"account": account, "role": role, "statement": sid, **request}
        for (account, role, sid), request in _needed.items()
    ]
    return 200, headers, json.dumps(told).encode()


def install() -> None:
    """Note what each allowed request needed."""
    wrap(iam_evaluator, "evaluate", _evaluate)
    wrap(iam_evaluator, "evaluate_resource_policy", _evaluate_of_a_resource)
    wrap(app, "_handle_health_request", _answer)
