"""How the extensions replace a function of the emulator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Request = dict[str, Any]
Response = Any  # (status, headers, body), of which the emulator declares nothing
Operation = Callable[[Request], Response]


def wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace ``owner.name`` by ``wrapper``, which gets the original as its first argument."""
    setattr(owner, name, functools.partial(wrapper, getattr(owner, name)))


def replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Replace ``owner.name``, which must exist."""
    getattr(owner, name)
    setattr(owner, name, replacement)
