"""Where a CSV record ends that goes over several lines, in quotation marks."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile

from finops.billing.physical_lines import LONGEST_RECORD, Lines

csv.field_size_limit(LONGEST_RECORD)


def cells_of(texts: Iterable[str], delimiter: str) -> list[str]:
    """The cells of one record."""
    return next(csv.reader(texts, delimiter=delimiter, strict=True))


def is_empty(cell: str) -> bool:
    """Whether a cell has no content; a line end within quotation marks is some."""
    return not cell.strip(" \t")


def quoting_effect(text: str, delimiter: str) -> tuple[int, bool] | None:
    """(cells that end on a line, whether the line ends within quotation marks).

    None where the line is malformed whatever follows it: at the end of a valid line, a strict
    reader is either outside quotation marks or within them.
    """
    for closing in ("", '"'):
        with suppress(csv.Error):
            return len(cells_of([text + closing], delimiter)) - len(closing), bool(closing)
    return None


class QuotedLines:
    """Lines that begin within quotation marks, up to the one where the record ends.

    Records that begin on different lines, and are still open at the same line, share all lines
    from there on.
    """

    def __init__(self, lines: Lines, delimiter: str, widths: range) -> None:
        """Look for ends.

        Args:
            lines: The lines.
            delimiter: Between cells.
            widths: How many cells a record may have, without empty ones at its end.
        """
        self._lines = lines
        self._delimiter = delimiter
        self._widths = widths
        self._first = 0
        # Characters and cells of each line that ends within quotation marks too, and their sums.
        self._open: deque[tuple[int, int]] = deque()
        self._length = 0
        self._cells = 0
        # The same for the line after these, once it is known, and the empty cells at its end.
        self._last: tuple[int, int, int] | None = None

    def end(self, start: int, length: int, cells: int) -> int:
        """Line after a record whose first line ends within quotation marks; 0 if it is malformed.

        Args:
            start: Its first line; never before that of an earlier call.
            length: Characters of that line.
            cells: Cells that end on it.
        """
        self._forget_before(start + 1)
        while self._last is None and length + self._length <= LONGEST_RECORD:
            self._look_at(self._first + len(self._open))
        if self._last is None:
            return 0
        length += self._length + self._last[0]
        cells += self._cells + self._last[1]
        if length > LONGEST_RECORD:
            return 0
        if cells < self._widths.start or cells - self._last[2] > self._widths[-1]:
            return 0
        return self._first + len(self._open) + 1

    def _look_at(self, number: int) -> None:
        text = self._lines.text(number)
        effect = None if text is None else quoting_effect(f'"{text}', self._delimiter)
        if text is None or effect is None:
            self._last = (LONGEST_RECORD + 1, 0, 0)  # no record may contain this line
        elif effect[1]:
            self._open.append((len(text), effect[0]))
            self._length += len(text)
            self._cells += effect[0]
        else:
            self._last = (len(text), effect[0], self._empty_at_the_end(text))

    def _empty_at_the_end(self, text: str) -> int:
        cells = cells_of([f'"{text}'], self._delimiter)[1:]
        return sum(1 for _ in takewhile(is_empty, reversed(cells)))

    def _forget_before(self, number: int) -> None:
        while self._first < number and self._open:
            length, cells = self._open.popleft()
            self._length -= length
            self._cells -= cells
            self._first += 1
        if self._first < number:
            self._first, self._last = number, None
