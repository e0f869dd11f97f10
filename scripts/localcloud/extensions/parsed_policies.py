"""A policy's text is parsed once, not at each call and each poll of a mapping that it allows.

MiniStack parses every policy of the caller again for each request: a quarter of the processor time
of a cloud whose functions wait for messages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator

from localcloud.extensions._patch import replace

Policy = str | dict[str, Any]


def _remembering(parse: Callable[[Policy], Any]) -> Callable[[Policy], Any]:
    of_text = functools.lru_cache(maxsize=4096)(parse)

    def parsed(policy: Policy) -> Any:
        return of_text(policy) if isinstance(policy, str) else parse(policy)

    return parsed


def install() -> None:
    """Keep what was parsed, by its text; the evaluator only reads it."""
    parse = iam_evaluator.parse_policy_document
    replace(iam_evaluator, "parse_policy_document", _remembering(parse))
