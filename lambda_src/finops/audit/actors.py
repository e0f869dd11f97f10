"""Whom an entry names as its actor, and whether anybody has proven it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finops.audit.domain import ACTOR_PROVEN, is_unauthorized


def is_actor_proven(entry: Mapping[str, Any]) -> bool:
    """Whether nothing in the entry says that its actor is not proven.

    The trail marks what a person sends about another actor, and what comes from a sender that may
    not write the stream. The details of a decision about an invoice say `no` where a client wrote
    the reviewer's name.
    """
    details = entry.get("details")
    decided = details.get(ACTOR_PROVEN) if isinstance(details, Mapping) else None
    return entry.get(ACTOR_PROVEN) is not False and decided != "no" and not is_unauthorized(entry)


def shown_actor(entry: Mapping[str, Any]) -> str:
    """The actor as people read it: "said to be X" where nobody has proven it."""
    actor = str(entry.get("actor", ""))
    return actor if is_actor_proven(entry) else f"said to be {actor}"
