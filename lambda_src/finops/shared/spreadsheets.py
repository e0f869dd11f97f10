"""Safe texts for files that people open in a spreadsheet."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

#: Spreadsheets take a cell that begins with one of these for a formula, or it hides one:
#: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def guard(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would run it as a formula; not numbers.

    `unguard` restores the text, since a text that begins with an apostrophe gets one more.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def unguard(text: str) -> str:
    """The text that `guard` was given."""
    return text[1:] if text.startswith("'") else text


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and Decimal(text).is_finite()
    except InvalidOperation:
        return False
