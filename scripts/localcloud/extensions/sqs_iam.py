"""Batch operations of SQS are authorized as the single operation.

AWS: "Actions, resources, and condition keys for Amazon SQS"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
names no batch actions: ``sqs:SendMessage`` covers SendMessageBatch, and likewise deletion and
visibility. MiniStack checks ``sqs:SendMessageBatch``, which no policy can name on AWS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from localcloud.extensions._patch import wrap


def _action(original: Callable[..., str | None], service: str, *args: Any) -> str | None:
    action = original(service, *args)
    return action.removesuffix("Batch") if action and service == "sqs" else action


def install() -> None:
    """Take the batch out of the action's name."""
    wrap(iam_actions, "extract_iam_action", _action)
