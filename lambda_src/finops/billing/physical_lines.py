"""Physical lines of a text file by their numbers, in one pass and in bounded memory."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import accumulate, chain
from typing import Final, Self

from finops.billing.encodings import certain_reading, described_readings, plausible_encodings
from finops.billing.file_bytes import PIECE, Peekable, Readable, Utf16AsUtf8

#: Characters of a record, over all its lines; a longer one is malformed.
LONGEST_RECORD: Final = 256 * 1024
#: So many bytes of UTF-8 always hold more characters than a record may have.
_SURELY_TOO_LONG: Final = 4 * LONGEST_RECORD + 1


class TooLongError(Exception):
    """The lines of a record are longer than a record may be."""


class UnreadableLine(str):
    """Stands for a line that is too long or not text: the csv module takes it for bad quoting.

    It does so within quotation marks and outside them.
    """

    def __new__(cls, reason: str, raw: str) -> Self:
        """Stand for the line."""
        line = super().__new__(cls, '"x"x\n')
        line.reason = reason
        line.raw = raw.rstrip("\r\n")[:LONGEST_RECORD]
        return line

    reason: str
    raw: str
    #: What further is known of it, for people.
    detail: str = ""


class Lines:
    """Physical lines, each with its line end, by their numbers.

    Lines from `done` on are kept, and some before it.

    Attributes:
        done: Number of the first line that belongs to no record yet.
        guessed: How many lines are not UTF-8, by the encoding that they were read in.
    """

    def __init__(
        self,
        stream: Peekable,
        encoding: str,
        *,
        first_line: int,
        offset: int | None = None,
        plausible: tuple[str, ...] = (),
    ) -> None:
        self.done = first_line
        self.guessed: Counter[str] = Counter()
        self._first = first_line
        self._held: list[str] = []
        is_wide = encoding.startswith("utf-16")
        self._size: Callable[[bytes], int] = _size_in_utf16 if is_wide else len
        self._blocks = _blocks(Utf16AsUtf8(stream, encoding) if is_wide else stream, self._size)
        self._plausible = plausible
        # Where each held line begins, and where the last one ends; unknown if no offset is.
        self._offsets = None if offset is None else [offset]

    @property
    def read(self) -> int:
        """Number of the line that is read next."""
        return self._first + len(self._held)

    def text(self, number: int) -> str | None:
        """A line that is kept or comes next; None after the end."""
        while number >= self.read:
            if not self._read_more():
                return None
        return self._held[number - self._first]

    def between(self, start: int, end: int) -> list[str]:
        """Kept lines from `start` to before `end`."""
        return self._held[start - self._first : end - self._first]

    def joined(self, start: int, end: int) -> str:
        """The text of kept lines from `start` to before `end`."""
        if end - start == 1:
            return self._held[start - self._first]
        return "".join(self.between(start, end))

    def length(self, start: int, end: int) -> int:
        """Characters of kept lines from `start` to before `end`."""
        return sum(map(len, self.between(start, end)))

    def offset(self) -> int:
        """Byte at which line `done` begins."""
        assert self._offsets is not None  # noqa: S101 - asked for when the file was opened
        return self._offsets[self.done - self._first]

    def rest(self) -> Iterator[str]:
        """Lines from `done` on. It is fast because no Python function runs for each line.

        Raises:
            TooLongError: the lines that belong to no record yet are longer than a record may be.
        """
        return chain.from_iterable(self._groups())

    def _groups(self) -> Iterator[Iterator[str]]:
        number = self.done
        while True:
            held = self._held
            yield map(held.__getitem__, range(number - self._first, len(held)))
            number = self.read
            if self.length(self.done, number) > LONGEST_RECORD:
                raise TooLongError
            if not self._read_more():
                return

    def _read_more(self) -> bool:
        block, left_out = next(self._blocks, (b"", 0))
        if not block:
            return False
        past = self.done - self._first
        self._held = [*self._held[past:], *self._texts(block)]
        self._first = self.done
        if self._offsets is not None:
            sizes = [*map(self._size, block.splitlines(keepends=True))]
            sizes[0] += left_out
            *before, end = self._offsets[past:]
            self._offsets = [*before, *accumulate(sizes, initial=end)]
        return True

    def _texts(self, block: bytes) -> list[str]:
        try:
            texts = [*io.StringIO(block.decode(), newline="")]
        except UnicodeDecodeError:
            texts = [self._text(line) for line in block.splitlines(keepends=True)]
        if len(block) > LONGEST_RECORD:
            texts = [
                UnreadableLine("too_long", one) if len(one) > LONGEST_RECORD else one
                for one in texts
            ]
        return texts

    def _text(self, line: bytes) -> str:
        if len(line) > _SURELY_TOO_LONG:
            return line[:_SURELY_TOO_LONG].decode("utf-8", "backslashreplace")
        try:
            return line.decode()
        except UnicodeDecodeError:
            return self._guessed_text(line)

    def _guessed_text(self, line: bytes) -> str:
        """A line that is not UTF-8, where all encodings that the file may have read it alike."""
        with suppress(UnicodeDecodeError):
            if len(self._plausible) == 1:
                text = line.decode(self._plausible[0])
                self.guessed[self._plausible[0]] += 1
                return text
        readings = plausible_encodings(line, self._plausible)
        if certain := certain_reading(readings):
            text, encoding = certain
            self.guessed[encoding] += 1
            return text
        unread = UnreadableLine("invalid_encoding", line.decode("utf-8", "backslashreplace"))
        unread.detail = described_readings(readings)
        return unread


def _blocks(stream: Readable, size: Callable[[bytes], int]) -> Iterator[tuple[bytes, int]]:
    """Pieces that end where lines do.

    Of a line that is too long only the beginning is included; with each piece comes the size of
    what was left out of its first line.
    """
    rest, left_out = b"", 0
    while piece := stream.read(PIECE):
        whole = rest + piece
        # Lines may end with a carriage return alone; the last one may be half of a line end.
        cut = whole.rfind(b"\n") + 1 or whole.rfind(b"\r", 0, -1) + 1
        if cut:
            yield whole[:cut], left_out
            left_out = 0
        rest = whole[cut:]
        if len(rest) > _SURELY_TOO_LONG + 2:
            left_out += size(rest[_SURELY_TOO_LONG + 1 : -1])
            rest = rest[: _SURELY_TOO_LONG + 1] + rest[-1:]
    if rest:
        yield rest, left_out


#: Continuation bytes of UTF-8, and the first bytes of characters that take two units in UTF-16.
_FURTHER: Final = bytes(range(0x80, 0xC0))
_ASTRAL: Final = bytes(range(0xF0, 0xF8))


def _size_in_utf16(text: bytes) -> int:
    """Bytes that text in UTF-8 has in UTF-16; also of text that begins or ends in a character."""
    units = len(text.translate(None, _FURTHER)) + len(text) - len(text.translate(None, _ASTRAL))
    return 2 * units
