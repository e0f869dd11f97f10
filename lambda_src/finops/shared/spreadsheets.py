"""Safe texts for files that people open in a spreadsheet."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

#: Spreadsheets take a cell that begins with one of these for a formula, or it hides one:
#: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")

_LONGEST_CELL: Final = 32_767


def guard(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would run it as a formula; not numbers.

    `unguard` restores the text, since a text that begins with an apostrophe gets one more.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def cell_text(text: str) -> str:
    """A text as a cell of a workbook can hold it.

    At most 32,767 characters
    (https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3),
    and none that XML cannot hold.
    """
    held = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    held = held.translate({0xFFFE: "\ufffd", 0xFFFF: "\ufffd"})
    return held if len(held) <= _LONGEST_CELL else f"{held[: _LONGEST_CELL - 3]}..."


def unguard(text: str) -> str:
    """The text that `guard` was given."""
    return text[1:] if text.startswith("'") else text


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and Decimal(text).is_finite()
    except InvalidOperation:
        return False
