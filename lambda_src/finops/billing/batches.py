"""Batches of rows: as many as fit one Data API request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from finops.billing.domain import Sums
from finops.billing.rows import Row
from finops.billing.schemas import Schema
from finops.shared.money import EXACT

#: The Data API limits requests to 4 MiB; 64 KiB are left for the statement and its other values:
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
LARGEST_DOCUMENT: Final = (4 << 20) - (64 << 10)
#: The line numbers of so many rows fit a response, which may have 1 MiB.
MOST_ROWS: Final = 30_000
_PART: Final = 250

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Sent:
    """A row in a batch, kept for the quarantine in case its id is a duplicate."""

    line: int
    raw: str
    row: Row


@dataclass(slots=True)
class Batch:
    """The rows of one request, as the database takes them and as they were read.

    Attributes:
        document: A JSON list of rows.
        sums: Amounts by original currency.
    """

    document: str
    rows: list[Sent]
    sums: Sums


@dataclass(slots=True)
class _Part:
    text: str
    sent: int
    rows: list[Sent]


@dataclass(slots=True)
class Batches:
    """Collects rows into batches, by the number of bytes that boto3 will send.

    A row is a JSON list: its line, then the values of `finops.billing.rows.Row`.
    """

    schema: Schema
    _waiting: list[Sent] = field(default_factory=list)
    _parts: list[_Part] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)
    _size: int = 2
    _count: int = 0

    def holds(self, key: str) -> bool:
        """Whether the batch that is being collected has a row with this key."""
        return key in self._keys

    def add(self, line: int, raw: str, row: Row) -> Iterator[Batch]:
        """Add a row. Yields a batch once one is full."""
        if row.key:
            self._keys.add(row.key)
        self._waiting.append(Sent(line, raw, row))
        if len(self._waiting) == _PART:
            yield from self._close_part()

    def rest(self) -> Iterator[Batch]:
        """Yield what has been collected since the last full batch."""
        if self._waiting:
            yield from self._close_part()
        if self._parts:
            yield self._take()

    def _close_part(self) -> Iterator[Batch]:
        rows, self._waiting = self._waiting, []
        part = self._part(rows)
        if part.sent > LARGEST_DOCUMENT:
            # Wide rows, such as charges with long tags: each still fits alone.
            for one in rows:
                yield from self._append(self._part([one]))
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
            self._keys = {sent.row.key for sent in part.rows if sent.row.key}

    def _part(self, rows: list[Sent]) -> _Part:
        encoded = _encode([[sent.line, *sent.row.values] for sent in rows])
        text = encoded[1:-1].decode()
        return _Part(text, len(json.dumps(text)) - 1, rows)

    def _take(self) -> Batch:
        parts, self._parts, self._size, self._count = self._parts, [], 2, 0
        rows = [sent for part in parts for sent in part.rows]
        sums: Sums = {}
        for sent in rows:
            row = sent.row
            sums[row.currency] = EXACT.add(sums.get(row.currency, Decimal(0)), row.amount)
        return Batch(f"[{','.join(part.text for part in parts)}]", rows, sums)
