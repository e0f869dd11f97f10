"""JSON that people write: a key that is there twice is refused, where Python keeps the last one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The `object_pairs_hook` of `json.loads`.

    Raises:
        ValueError: it names the key.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = value
    return found
