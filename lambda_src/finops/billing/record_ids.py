"""What stands where a bill's id should, and is none: words for nothing, and spreadsheets' errors.

As an id it would let one bill take the place of another.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

#: What programs and people write for a value that is not there, in lower case.
_NOTHING: Final = frozenset(
    {"null", "(null)", "<null>", r"\n", "none", "nil", "nan", "na", "undefined", "n/a", "(blank)"}
    | {"n.a.", "n. a.", "n.v.", "n.d.", "n/d", "n/v", "k.a.", "k. a.", "s/n", "w/o", "tbd", "tba"}
    | {"tbc", "(none)", "(empty)", "empty", "unknown", "unbekannt", "keine", "ohne", "offen"}
    | {"pending", "missing", "not available", "not set", "inconnu", "desconocido", "sconosciuto"}
    | {"onbekend", "нет", "неизвестно", "なし", "不明", "未定", "未知"}
)
_HEADS: Final = frozenset(name[:3] for name in _NOTHING)
#: What spreadsheets show for a formula without a value, in whichever language: #REF!, #WERT!, #N/A,
#: #DIV/0!, and ### where a column is too narrow.
_ERROR: Final = re.compile(
    r"#(?:[^\W\d_]+[!?]|[^\W\d_]{1,3}/[^\W\d_]{1,3}[!?]?|[^\W\d_]+/0[!?]|#+"
    r"|nv|yok|hiányzik|není_k_dispozici|saknas|puuttuu|spill|calc)[!?]?",
    re.IGNORECASE,
)
#: Characters that are not seen, such as a byte order mark within a file: two ids would look alike.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def is_error(text: str) -> bool:
    """Whether a text is what a spreadsheet shows where a formula has no value."""
    return text.startswith("#") and _ERROR.fullmatch(text) is not None


def is_nothing(text: str) -> bool:
    """Whether a text only says that there is no value: a word, an error, or nothing but marks."""
    return text.lower() in _NOTHING or is_error(text) or not any(map(str.isalnum, text))


def has_invisible(text: str) -> bool:
    """Whether a text holds characters that are not seen."""
    return _INVISIBLE.search(text) is not None


def are_plain(texts: Collection[str]) -> bool:
    """Whether all of some texts are surely ids; a quick look, which may say no where they are."""
    heads = {text[:3] for text in texts}
    return (
        _HEADS.isdisjoint(map(str.lower, heads))
        and all(head[:1].isalnum() for head in heads)
        and not has_invisible("".join(texts))
    )
