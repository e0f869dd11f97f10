"""A Fail state may not raise an error of a name that the States Language keeps for itself.

AWS follows the Amazon States Language, "Errors" https://states-language.net/spec.html#errors:
names of errors that states report must not begin with "States.". MiniStack passes them on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from localcloud.extensions._patch import wrap


def _fail(
    original: Callable[..., tuple[str, str]], state: dict[str, Any], *rest: Any
) -> tuple[str, str]:
    error, cause = original(state, *rest)
    if error.startswith("States.") and ("Error" in state or "ErrorPath" in state):
        return "States.Runtime", f"{error} is a reserved name, which a Fail state may not raise"
    return error, cause


def install() -> None:
    """Refuse reserved names."""
    wrap(stepfunctions, "_fail_state_error", _fail)
