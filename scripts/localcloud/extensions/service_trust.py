"""A role that only a service may assume is not for an account.

AWS: "AWS JSON policy elements: Principal"
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
A role's trust policy must name whoever assumes it; a service principal names that service alone.

MiniStack lets each account's root user assume such a role. A cloud's users are root users of its
accounts, so nobody would see that a role of a function cannot be borrowed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator

from localcloud.extensions._patch import wrap


def _matches(
    original: Callable[..., bool], principal: Any, caller_arn: str, federated: bool
) -> bool:
    if isinstance(principal, dict):
        principal = {kind: one for kind, one in principal.items() if kind != "Service"}
    return original(principal, caller_arn, federated)


def install() -> None:
    """Take services out of what names a caller of the API."""
    wrap(iam_evaluator, "_trust_principal_matches", _matches)
