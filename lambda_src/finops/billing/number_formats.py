"""How a number format of a workbook shows a whole number, such as INV-0123 for 123.

Account ids, postcodes and numbers of invoices are kept so, and are texts in a CSV of the sheet.
https://support.microsoft.com/office/number-format-codes-5026bbd6-04bc-48cd-bf33-80f18b4eae68
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_SECTION: Final = re.compile(r'(?:"[^"]*"|\\.|[^;"\\])*')
#: The language of a format, and its colour.
_PREFIX: Final = re.compile(r"\[(?:\$-[0-9A-Fa-f,]+|[A-Z][a-z]+\d*)\]")
#: A text, a place for a digit, or a mark that needs no quotation marks.
_TOKEN: Final = re.compile(r"""("[^"]*"|\\.)|([0#])|([-+/():!^&'~{}<>= ])""")
#: What adds nothing, or only what arithmetic means: 1,234 and 123.00.
_PLAIN: Final = re.compile(r"General|@|#*|(?:#,##)?[0#](?:\.[0#]+)?")
#: Longer ones than any id have no use.
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Formatted:
    """A whole number whose format shows it in another way.

    Attributes:
        number: As it is stored.
        text: As it is shown; empty where that is not known.
    """

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """What a format adds to the digits of a whole number.

    Attributes:
        parts: A place for a digit (`0` or `#`), or a text, each; none where it is not known.
    """

    parts: tuple[tuple[str, bool], ...]

    def shown(self, number: int) -> str | Formatted:
        """A whole number that is not negative; as its text alone where it has zeros before it."""
        if not self.parts:
            return Formatted(number, "")
        places = "".join(text for text, is_place in self.parts if is_place)
        least = len(places) - places.index("0") if "0" in places else 0
        digits = f"{number:0{least}}" if number or least else ""
        if len(places) == len(self.parts):
            return digits
        shown: list[str] = []
        left = len(places)
        for text, is_place in reversed(self.parts):
            if not is_place:
                shown.append(text)
                continue
            left -= 1
            taken = digits[-1:] if left else digits
            digits = digits[:-1] if left else ""
            shown.append(taken)
        return Formatted(number, "".join(reversed(shown)))


def number_format(code: str) -> NumberFormat | None:
    """A format by its code, for numbers that are not negative; None where it adds nothing."""
    found = _SECTION.match(code)
    rest = _PREFIX.sub("", found[0] if found else "").strip()
    if _PLAIN.fullmatch(rest) or len(rest) > _LONGEST:
        return None
    parts = []
    at = 0
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            return NumberFormat(())
        text, place, mark = token.groups()
        parts.append((place or mark or text.removeprefix("\\").strip('"'), bool(place)))
        at = token.end()
    return NumberFormat(tuple(parts) if any(is_place for _, is_place in parts) else ())


def number_formats(book: Any) -> dict[int, NumberFormat]:
    """The formats of a workbook that add to a number, by the style that has them."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE

    shown: dict[int, NumberFormat] = {}
    for style, one in enumerate(book._cell_styles):  # noqa: SLF001
        number = one.numFmtId
        own = number - BUILTIN_FORMATS_MAX_SIZE
        known = book._number_formats  # noqa: SLF001
        code = known[own] if 0 <= own < len(known) else BUILTIN_FORMATS.get(number, "")
        if found := number_format(code):
            shown[style] = found
    return shown
