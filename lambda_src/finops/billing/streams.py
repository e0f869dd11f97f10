"""Helpers for streams of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from finops.billing.file_bytes import Readable


class HashingStream:
    """A stream that computes the SHA-256 of what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Read from the stream."""
        piece = self._stream.read(size)
        self._hash.update(piece)
        return piece

    def exhaust(self) -> None:
        """Read what is left, such as bytes after the end of a compressed file."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str:
        """The digest of what has been read so far."""
        return self._hash.hexdigest()


def skip(stream: Readable, count: int) -> None:
    """Discard so many bytes."""
    for _ in pieces(stream, count):
        pass


def pieces(stream: Readable, count: int | None) -> Iterator[bytes]:
    """So many bytes of the stream, or the rest where `count` is None, in small pieces."""
    left = count
    while left is None or left > 0:
        piece = stream.read(1 << 20 if left is None else min(left, 1 << 20))
        if not piece:
            return
        if left is not None:
            left -= len(piece)
        yield piece
