"""Small limits for reading CSV files, so that small inputs come to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from finops.billing import file_bytes, physical_lines, quoting, reader


@contextmanager
def limits(*, record: int, piece: int) -> Iterator[None]:
    """Let a record have so many characters, and read so many bytes at once."""
    with (
        patch.multiple(
            physical_lines, LONGEST_RECORD=record, _SURELY_TOO_LONG=4 * record + 1, PIECE=piece
        ),
        patch.object(quoting, "LONGEST_RECORD", record),
        patch.multiple(reader, LONGEST_RECORD=record, PIECE=piece),
        patch.object(file_bytes, "PIECE", piece),
    ):
        yield
