"""Batches of rows: as many as fit one Data API request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from itertools import chain
from typing import Final

import msgspec

from finops.billing.domain import Sums, add_amounts
from finops.billing.rows import Row
from finops.shared.money import EXACT

#: The Data API limits requests to 4 MiB; 64 KiB are left for the statement and its other values:
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
LARGEST_DOCUMENT: Final = (4 << 20) - (64 << 10)
#: The line numbers of so many rows fit a response, which may have 1 MiB.
MOST_ROWS: Final = 30_000
#: So many rows are encoded at once.
PART: Final = 250

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Batch:
    """The rows of one request, as the database takes them and as they were read.

    Attributes:
        document: A JSON list of rows.
        sums: Amounts by original currency.
    """

    document: str
    rows: list[Row]
    sums: Sums


@dataclass(slots=True)
class _Part:
    text: str
    sent: int
    rows: list[Row]
    sums: Sums


@dataclass(slots=True)
class Batches:
    """Collects rows into batches, by the number of bytes that boto3 will send.

    A row is a JSON list: its line, then the values of `finops.billing.rows.Row`.
    """

    #: The keys of the batch that is being collected; who adds a row adds its key.
    keys: set[str] = field(default_factory=set)
    _waiting: list[Row] = field(default_factory=list)
    _parts: list[_Part] = field(default_factory=list)
    _size: int = 2
    _count: int = 0

    @property
    def wanted(self) -> int:
        """How many rows `add` takes at most."""
        return PART - len(self._waiting)

    def add(self, rows: Sequence[Row]) -> Iterator[Batch]:
        """Add some rows. Yields a batch once one is full."""
        self._waiting += rows
        if not self.wanted:
            yield from self._close_part()

    def rest(self) -> Iterator[Batch]:
        """Yield what has been collected since the last full batch."""
        if self._waiting:
            yield from self._close_part()
        if self._parts:
            yield self._take()

    def _close_part(self) -> Iterator[Batch]:
        rows, self._waiting = self._waiting, []
        part = _part(rows)
        if part.sent > LARGEST_DOCUMENT:
            # Wide rows, such as charges with long tags: each still fits alone.
            for one in rows:
                yield from self._append(_part([one]))
        else:
            yield from self._append(part)

    def _append(self, part: _Part) -> Iterator[Batch]:
        if self._parts and (
            self._size + part.sent > LARGEST_DOCUMENT or self._count + len(part.rows) > MOST_ROWS
        ):
            yield self._take()
        self._parts.append(part)
        self._size += part.sent
        self._count += len(part.rows)
        # A batch was taken with its keys; from now on the database finds their duplicates.
        if len(self._parts) == 1:
            self.keys = set()
        self.keys.update(row.key for row in part.rows)

    def _take(self) -> Batch:
        parts, self._parts, self._size, self._count = self._parts, [], 2, 0
        sums: Sums = {}
        for part in parts:
            add_amounts(sums, part.sums)
        rows = [*chain.from_iterable(part.rows for part in parts)]
        return Batch(f"[{','.join(part.text for part in parts)}]", rows, sums)


def document_of(rows: Iterable[Row]) -> str:
    """A JSON list of rows, of which each is a list: its line, then its values."""
    return _encode([(row.line, *row.values) for row in rows]).decode()


def _part(rows: list[Row]) -> _Part:
    encoded = _encode([(row.line, *row.values) for row in rows])[1:-1]
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        amounts[row.currency].append(row.amount)
    with localcontext(EXACT):
        sums = {currency: sum(some, Decimal(0)) for currency, some in amounts.items()}
    return _Part(encoded.decode(), escaped_size(encoded) + 1, rows, sums)


#: Continuation bytes of UTF-8; first bytes of characters, and of those that take two escapes.
_FURTHER: Final = bytes(range(0x80, 0xC0))
_FIRST: Final = bytes(range(0xC0, 0x100))
_ASTRAL: Final = bytes(range(0xF0, 0x100))


def escaped_size(text: bytes) -> int:
    """How many bytes JSON in UTF-8 has within a JSON document as boto3 writes it, all in ASCII."""
    wide = len(text) - len(text.translate(None, _FIRST))
    astral = len(text) - len(text.translate(None, _ASTRAL))
    return (
        len(text.translate(None, _FURTHER))
        + 5 * (wide + text.count(b"\x7f"))
        + 6 * astral
        + text.count(b'"')
        + text.count(b"\\")
    )
