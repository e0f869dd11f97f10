"""Requests of CloudFormation to a custom resource, and the answers that it waits for.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from finops.shared.observability import logger

_SECONDS: Final = 30
#: Characters of a reason: an answer may have 4 KB.
_LONGEST_REASON: Final = 1_000


def is_stack_request(event: Mapping[str, Any]) -> bool:
    """Whether an event is CloudFormation's request to a custom resource."""
    return "ResponseURL" in event


def answer_stack(request: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do what CloudFormation asks for, tell it how that ended, and return what was done.

    A failure is an answer: CloudFormation undoes the change, and would wait for long where it
    hears nothing.

    Raises:
        OSError: CloudFormation could not be told; the same request can be worked off again.
    """
    done: dict[str, Any] = {}
    status, reason = "SUCCESS", ""
    try:
        done = work()
    except Exception as error:  # noqa: BLE001 - whatever it is, the stack must not wait
        logger.exception("the request of the stack failed")
        status, reason = "FAILED", str(error)[:_LONGEST_REASON]
    answer = {
        "Status": status,
        "Reason": reason,
        # The same for every request: another one would ask for the removal of the former.
        "PhysicalResourceId": request.get("PhysicalResourceId", request["LogicalResourceId"]),
        **{name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    told = urllib.request.Request(  # noqa: S310 - the address is CloudFormation's
        request["ResponseURL"],
        data=json.dumps(answer).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # as the address is signed
    )
    with urllib.request.urlopen(told, timeout=_SECONDS):  # noqa: S310
        return done
