"""Merged cells of a sheet: what each of them shows, though only the first one holds a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

#: Ranges of a sheet that are kept in memory.
MOST_RANGES: Final = 100_000
#: Columns in which ranges are looked at, as many as rows are filled up to.
_WIDEST: Final = 512
#: Bytes that an element of a range has at most.
_LONGEST: Final = 1 << 10
_ELEMENT: Final = re.compile(
    rb"<(?:[\w.-]+:)?mergeCell\s[^<>]{0,200}?\bref\s*=\s*[\"']\s*"
    rb"\$?([A-Z]{1,3})\$?([0-9]{1,7}):\$?([A-Z]{1,3})\$?([0-9]{1,7})\s*[\"']"
)
_COLUMN: Final = re.compile("[A-Z]+")


class BadRangesError(ValueError):
    """Ranges that no spreadsheet program writes."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A cell of a range, other than the first one.

    Attributes:
        range: Such as B2:B4.
        value: What it shows: the value of the range's first cell, where that is in the same column;
            otherwise None.
    """

    range: str
    value: Any


@dataclass(frozen=True, slots=True, order=True)
class _Range:
    top: int
    left: int
    bottom: int
    right: int
    name: str


class MergedCells:
    """The ranges of a sheet, whose rows are given one by one and in order.

    A sheet names its ranges after its rows, so its text is searched for them before.
    """

    def __init__(self, sheet: IO[bytes]) -> None:
        """Find the ranges.

        Args:
            sheet: Its XML (ECMA-376 part 1, 18.3.1.54), which is read to its end.

        Raises:
            BadRangesError: there are too many.
        """
        found: set[_Range] = set()
        for one in _ranges(sheet):
            found.add(one)
            if len(found) > MOST_RANGES:
                raise BadRangesError(f"more than {MOST_RANGES:,} ranges of cells are merged")
        self._waiting = sorted(found, reverse=True)
        self._values: dict[_Range, Any] = {}
        self._covering: dict[int, _Range] = {}

    def shown(self, row: int, cells: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]]:
        """The cells of a row, with those that are merged; none where it shows no value of its own.

        Args:
            row: Its number, from 1.
            cells: (column from 1, value) of its cells that hold values.

        Raises:
            BadRangesError: ranges overlap.
        """
        if not self._waiting and not self._covering:
            return [*cells]
        own = {column: value for column, value in cells if value != ""}
        self._begin(row, own)
        self._end(row)
        if not own:
            return []
        for column, one in self._covering.items():
            if column != one.left:
                own[column] = Merged(one.name, None)
            elif row != one.top and self._values[one] is None:
                own.pop(column, None)
            elif row != one.top:
                own[column] = Merged(one.name, self._values[one])
        return sorted(own.items(), key=lambda cell: cell[0])

    def _begin(self, row: int, own: dict[int, Any]) -> None:
        while self._waiting and self._waiting[-1].top <= row:
            one = self._waiting.pop()
            self._values[one] = own.get(one.left) if one.top == row else None
            for column in range(one.left, min(one.right, _WIDEST) + 1):
                other = self._covering.get(column)
                if other is not None and other.bottom >= one.top:
                    raise BadRangesError(f"merged cells overlap: {other.name} and {one.name}")
                self._covering[column] = one

    def _end(self, row: int) -> None:
        over = [column for column, one in self._covering.items() if one.bottom < row]
        for column in over:
            self._values.pop(self._covering.pop(column), None)


def first_column(name: str) -> int:
    """The number of a range's first column, from 0: 1 of B2:B4."""
    found = _COLUMN.match(name)
    return _number(found[0]) - 1 if found else 0


def _ranges(sheet: IO[bytes]) -> Iterator[_Range]:
    kept = b""
    while piece := sheet.read(1 << 20):
        # Of UTF-16 too: what is searched for is ASCII.
        text = kept + (piece.replace(b"\0", b"") if b"\0" in piece else piece)
        # Elements at the end may not be whole, and are found once more with the next piece.
        kept = text[-_LONGEST:]
        if b"mergeCell" in text:
            for left, top, right, bottom in _ELEMENT.findall(text):
                one = _Range(
                    int(top), _number(left.decode()), int(bottom), _number(right.decode()),
                    f"{left.decode()}{int(top)}:{right.decode()}{int(bottom)}",
                )  # fmt: skip
                if one.top <= one.bottom and one.left <= min(one.right, _WIDEST):
                    yield one


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
