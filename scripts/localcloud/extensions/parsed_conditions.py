"""A DynamoDB expression is parsed once, not again for each item that it judges.

MiniStack checks and splits the text of a filter for every item: more than half of the processor
time of a query with a filter.
"""

from __future__ import annotations

import functools
from typing import Any

from ministack.services import dynamodb

from localcloud.extensions._patch import replace

_KEPT = 4096


def install() -> None:
    """Keep what was found, by the expression's text."""
    tokens = functools.lru_cache(_KEPT)(dynamodb._tokenize)

    def tokenize(expression: str) -> list[Any]:
        return list(tokens(expression))

    replace(dynamodb, "_tokenize", tokenize)
    replace(
        dynamodb,
        "_condition_syntax_error",
        functools.lru_cache(_KEPT)(dynamodb._condition_syntax_error),
    )
