"""Splits a large file into parts at record boundaries, with the reader that loads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from finops.billing.file_format import Match
from finops.billing.reader import CsvTable
from finops.billing.rows import TotalsScan

_SEEN_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Consecutive records of a file.

    Attributes:
        number: From 1.
        start: First byte, counted in the decompressed file.
        end: Byte after the last one; None at the end of the file.
        first_line: Physical line of the first record.
        last_line: Line after the last one; None at the end of the file.
        totals: What is known of the file's totals where it begins; see `TotalsScan`.
    """

    number: int
    start: int
    end: int | None
    first_line: int
    last_line: int | None
    totals: dict[str, Any] | None = None


def plan_parts(
    table: CsvTable[Match], part_bytes: int, scan: TotalsScan | None = None
) -> Iterator[Part]:
    """Parts of at least so many bytes, in order; the last may be smaller.

    The reader itself determines where records begin, so quoted line breaks and malformed lines are
    read in parts exactly as in a whole file.

    Args:
        table: Opened with `sizes=True`; all its records are read.
        part_bytes: The least size of a part.
        scan: Follows the totals of the file.
    """
    number, start, first_line = 1, table.next_offset, table.next_line
    totals = scan.state() if scan else None
    waiting: list[list[str]] = []
    for _, fields in table.records():
        if scan and fields is not None:
            waiting.append(fields)
        is_full = table.next_offset - start >= part_bytes
        if scan and (is_full or len(waiting) == _SEEN_AT_ONCE):
            scan.see(waiting)
            waiting = []
        if is_full:
            yield Part(
                number=number,
                start=start,
                end=table.next_offset,
                first_line=first_line,
                last_line=table.next_line,
                totals=totals,
            )
            number, start, first_line = number + 1, table.next_offset, table.next_line
            totals = scan.state() if scan else None
    if number == 1 or table.next_offset > start:
        yield Part(
            number=number,
            start=start,
            end=None,
            first_line=first_line,
            last_line=None,
            totals=totals,
        )
