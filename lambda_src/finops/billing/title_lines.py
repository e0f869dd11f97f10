"""Lines above a header: titles, which are left out, or rows, which never may be."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Final

from finops.billing.file_bytes import unreadable_file
from finops.billing.proposals import is_day, is_day_in
from finops.billing.quoting import cells_of
from finops.billing.sheet_cells import shown_texts
from finops.shared.errors import RejectedInput

#: What separates cells, where nothing is declared.
DELIMITERS: Final = (",", ";", "\t", "|")
#: How DATEV's files begin; the line holds days and numbers, and is no row:
#: https://developer.datev.de/de/file-format/details/datev-format/format-description/header
DATEV: Final = frozenset({"EXTF", "DTVF"})
#: A longer cell is a text.
_LONGEST: Final = 40
#: Fewer columns are those of a list of names and values, as titles are written.
_FEWEST: Final = 3
_DAY = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"
    r"|\d{1,2}[-/. ]{1,2}(?:\d{1,2}|[^\W\d]{3,9})[-/. ]{1,2}(?:\d{4}|\d{2})(?!\d)"
    r"|[^\W\d]{3,9}[-/. ]{1,2}\d{1,2}[-/., ]{1,2}\d{4}(?!\d)"
)
#: As people write amounts, with a currency or without: (1.234,50) and USD 5.
_AMOUNT = re.compile(
    r"[^\w.,]{0,4}(?:[A-Z]{3})?[^\w.,]{0,4}[.,]?\d[\d.,'\u2019 \u00a0\u202f]*(?:[eE][+-]?\d{1,3})?"
    r"[^\w.,]{0,4}(?:[A-Z]{3})?"
)


def refuse_rows(
    lines: Sequence[tuple[int, str]],
    header: Sequence[str],
    number: int,
    delimiter: str,
    date_formats: Sequence[str] = (),
) -> None:
    """Refuse a file in which lines above the header may be rows.

    Such are a line that reaches about as far as the header, or is as long as another one, and holds
    a day and an amount; one with as many filled cells as the header that holds an amount; and
    several lines of that length.

    Args:
        lines: The lines above the header, with their numbers.
        header: Its cells.
        number: Its line.
        delimiter: What separates its cells.
        date_formats: How the dataset writes days, besides the forms that are known.

    Raises:
        RejectedInput: the error names the line and the remedy.
    """
    width = len([*filter(None, _trimmed(header))])
    for mark in dict.fromkeys((delimiter, *DELIMITERS)):
        all_cut = [(at, _trimmed(_cells(text, mark))) for at, text in lines]
        cut = [(at, cells) for at, cells in all_cut if not DATEV.intersection(cells[:1])]
        lengths = [len([*filter(None, cells)]) for _, cells in cut]
        for (at, cells), length in zip(cut, lengths, strict=True):
            is_like_others = length >= _FEWEST and lengths.count(length) > 1
            is_near = 2 * len(cells) >= width or is_like_others
            if is_near and _has_day_and_amount(cells, date_formats):
                raise _refusal(at, number, f"holds a day and an amount: {', '.join(cells)[:80]!r}")
            is_wide = mark == delimiter and length >= max(width, _FEWEST)
            if is_wide and any(map(_AMOUNT.fullmatch, cells)):
                said = f"is as long as the header and holds an amount: {', '.join(cells)[:80]!r}"
                raise _refusal(at, number, said)
        wide = [at for (at, _), length in zip(cut, lengths, strict=True) if length >= width]
        if mark == delimiter and width >= _FEWEST and len(wide) > 1:
            raise _refusal(wide[0], number, "is as long as the header, and so are others above it")


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return shown_texts(cells_of([text], delimiter))
    except csv.Error:
        return text.split(delimiter)


def _trimmed(cells: Sequence[str]) -> list[str]:
    """Cells without white space, up to the last one that is not empty."""
    found = [one.strip() for one in cells]
    while found and not found[-1]:
        found.pop()
    return found


def _has_day_and_amount(cells: Sequence[str], date_formats: Sequence[str]) -> bool:
    short = [one for one in cells if one and len(one) <= _LONGEST]
    days = [
        bool(_DAY.match(one)) or is_day(one) or any(is_day_in(one, form) for form in date_formats)
        for one in short
    ]
    return any(days) and any(
        _AMOUNT.fullmatch(one) for one, day in zip(short, days, strict=True) if not day
    )


#: The code of the refusal; it concerns a whole workbook too, since no row may be left out.
ROWS_ABOVE_HEADER: Final = "rows_above_header"


def _refusal(line: int, header: int, why: str) -> RejectedInput:
    return unreadable_file(
        ROWS_ABOVE_HEADER,
        f"line {line} is above the header, which is line {header}, and may be a row: it {why}",
        "If it is a row, put the header first. If it is none, remove it, or declare how many lines "
        f"are above the header: `finops billing format DATASET --skip-lines {header - 1}`",
    )
