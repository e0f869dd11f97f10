"""Texts in files that people open in a spreadsheet."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

#: A cell that begins so is taken for a formula, or hides one:
#: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def guard(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it; numbers stay.

    `unguard` gives the text back, since texts that begin with an apostrophe get one more.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def unguard(text: str) -> str:
    """What `guard` was given."""
    return text[1:] if text.startswith("'") else text


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and Decimal(text).is_finite()
    except InvalidOperation:
        return False
