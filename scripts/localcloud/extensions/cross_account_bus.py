"""Events cross accounts when the receiving bus's policy allows it.

AWS: "Permissions for event buses" https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus-perms.html,
"Sending and receiving events between accounts"
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html and, for the
entry's errors, https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html

The sender names the bus by its ARN. Its identity policy must allow ``events:PutEvents`` on that
ARN (the emulator asks that), and the bus's policy must allow the sender. The event keeps the
sender's account. A region's endpoint reaches only that region's buses; events cross regions by
rules: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html

MiniStack says that such a bus does not exist, cannot store a policy document
(``PutPermission`` with ``Policy``), and knows no member accounts for ``aws:PrincipalOrgID``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    new_uuid,
    request_scope,
)
from ministack.services import eventbridge, organizations

from localcloud.extensions._patch import Response, wrap


def _put_events(
    original: Callable[..., Response], request: dict[str, Any], allow_aws_source: bool = False
) -> Response:
    entries = request.get("Entries", [])
    foreign = [index for index, entry in enumerate(entries) if _is_foreign(entry)]
    if not foreign or len(entries) > 10:
        return original(request, allow_aws_source)
    results: list[Any] = [None] * len(entries)
    for index in foreign:
        results[index] = _forward(entries[index])
    own = [index for index in range(len(entries)) if index not in foreign]
    if own:
        response = original({"Entries": [entries[index] for index in own]}, allow_aws_source)
        for index, result in zip(own, json.loads(response[2])["Entries"], strict=True):
            results[index] = result
    failed = sum("ErrorCode" in result for result in results)
    return json_response({"FailedEntryCount": failed, "Entries": results})


def _is_foreign(entry: dict[str, Any]) -> bool:
    parts = str(entry.get("EventBusName") or "").split(":")
    return len(parts) == 6 and parts[2] == "events" and parts[4] != get_account_id()


def _forward(entry: dict[str, Any]) -> dict[str, Any]:
    arn = entry["EventBusName"]
    _, _, _, region, account, resource = arn.split(":")
    name = resource.partition("/")[2]
    if region != get_region():
        return _refused("ResourceNotFoundException", f"Event bus {arn} does not exist here.")
    if str(entry.get("Source", "")).startswith("aws."):
        return _refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    sender = get_account_id()
    caller = iam_evaluator.caller_arn()
    context = iam_evaluator.EvalContext(
        principal_arn=caller,
        principal_type="AssumedRole" if ":assumed-role/" in caller else "Root",
        principal_account=sender,
        action="events:PutEvents",
        resource_arn=arn,
        region=region,
        service_context={
            "events:source": entry.get("Source", ""),
            "events:detail-type": entry.get("DetailType", ""),
            "events:eventbusinvocation": "false",
        },
    )
    policy = eventbridge._event_bus_policies.get_scoped(account, region, name)
    if iam_evaluator.evaluate_resource_policy(policy, context).decision != "Allow":
        return _refused(
            "AccessDeniedException",
            f"User: {caller} is not authorized to perform: events:PutEvents on resource: {arn} "
            "because no resource-based policy allows the events:PutEvents action",
        )
    if name != "default" and not eventbridge._event_buses.get_scoped(account, region, name):
        return _refused("ResourceNotFoundException", f"Event bus {name} does not exist.")
    event = {
        "EventId": new_uuid(),
        "Source": entry.get("Source", ""),
        "DetailType": entry.get("DetailType", ""),
        "Detail": entry.get("Detail", "{}"),
        "EventBusName": name,
        "Time": int(time.time()),
        "Resources": entry.get("Resources", []),
        "Account": sender,
        "Region": get_region(),
    }
    with request_scope(account, region):
        eventbridge._events_log_list().append(event)
        eventbridge._dispatch_event(event)
        eventbridge._archive_event(event)
    return {"EventId": event["EventId"]}


def _refused(code: str, message: str) -> dict[str, str]:
    return {"ErrorCode": code, "ErrorMessage": message}


def _put_permission(original: Callable[..., Response], request: dict[str, Any]) -> Response:
    name = request.get("EventBusName") or "default"
    if name not in eventbridge._event_buses:
        return error_response_json(
            "ResourceNotFoundException", f"Event bus {name} does not exist.", 400
        )
    if "Policy" not in request:
        if str(request.get("Principal", "")).isdigit():  # stored as AWS shows it
            account = f"arn:aws:iam::{request['Principal']}:root"
            request = {**request, "Principal": {"AWS": account}}
        if condition := request.get("Condition"):
            request = {
                **request,
                "Condition": {condition["Type"]: {condition["Key"]: condition["Value"]}},
            }
        return original(request)
    try:
        policy = json.loads(request["Policy"])
        statements = policy["Statement"]
    except (ValueError, KeyError, TypeError):
        return error_response_json("ValidationException", "Policy is not valid JSON.", 400)
    if isinstance(statements, dict):
        policy["Statement"] = [statements]
    eventbridge._event_bus_policies[name] = policy
    return json_response({})


def _organization_of(original: Callable[[str], str | None], account: str) -> str | None:
    """The organization that the account manages or is a member of."""
    for (manager, member), record in organizations._accounts._data.items():
        if member == account and record.get("Status", "ACTIVE") == "ACTIVE":
            organization = organizations._orgs.get_scoped(manager, None, "self")
            if organization:
                return str(organization["Id"])
    return original(account)


def install() -> None:
    """Let buses receive from other accounts."""
    wrap(eventbridge, "_put_events", _put_events)
    wrap(eventbridge, "_put_permission", _put_permission)
    wrap(iam_evaluator, "_principal_org_id", _organization_of)
