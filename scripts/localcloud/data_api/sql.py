"""Named parameters in a statement: found once, filled in for each set of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from localcloud.data_api.errors import bad_request

# What MySQL reads as a whole, so that a colon in it means nothing: strings and quoted names, with
# their escapes, and comments. What is not closed runs to the end. Then a parameter's name; not
# after a word or a colon, as in `a:b` and `::`.
_TOKEN = re.compile(
    r"""
      '(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
    | "(?:[^"\\]|\\.|"")*(?:"|\\?\Z)
    | `[^`]*(?:`|\Z)
    | --(?=[\s\x00-\x1f]|\Z)[^\n]*
    | \#[^\n]*
    | /\*.*?(?:\*/|\Z)
    | (?<![\w:]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement cut at its parameters: one text more than there are names."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def require(self, given: Collection[str]) -> None:
        """Refuse a statement that names a parameter nobody gave.

        Raises:
            DataApiError: BadRequestException.
        """
        for name in self.names:
            if name not in given:
                raise bad_request(f"Cannot find parameter: {name}")

    def fill(self, values: Mapping[str, Any], literal: Callable[[Any], str]) -> str:
        """The statement with ``literal`` of each value in its place."""
        parts = [self.texts[0]]
        for name, text in zip(self.names, self.texts[1:], strict=True):
            parts.append(literal(values[name]))
            parts.append(text)
        return "".join(parts)


@lru_cache(maxsize=256)
def compile_statement(sql: str) -> Statement:
    """Find the parameters of a statement."""
    texts, names = [], []
    start = 0
    for match in _TOKEN.finditer(sql):
        if name := match["name"]:
            texts.append(sql[start : match.start()])
            names.append(name)
            start = match.end()
    texts.append(sql[start:])
    return Statement(tuple(texts), tuple(names))
