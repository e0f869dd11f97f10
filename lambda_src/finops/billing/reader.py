"""Reads CSV files as people and programs write them, in one pass and in bounded memory.

The form follows RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) with any of three delimiters and
line ends, and the encodings that spreadsheets write. A line that can't be read never affects
others.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate, chain
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from finops.billing.file_bytes import (
    Peekable,
    Readable,
    Utf16AsUtf8,
    decompressed,
    encoding_of,
    unreadable_file,
)

#: Characters of a record, over all its lines; a longer one is malformed.
LONGEST_RECORD: Final = 256 * 1024
_PIECE: Final = 64 * 1024
#: So many bytes of UTF-8 always hold more characters than a record may have.
_SURELY_TOO_LONG: Final = 4 * LONGEST_RECORD + 1
_DELIMITERS: Final = (",", ";", "\t")
#: As spreadsheets write it; a letter, a digit or a quotation mark can't be a delimiter.
_SEPARATOR_LINE = re.compile(r"sep=(\t|[^\w\s\"])\s*", re.IGNORECASE)
csv.field_size_limit(LONGEST_RECORD)


class HeaderMatch(Protocol):
    """How a header was recognised; see `finops.billing.schemas.Recognition`."""

    @property
    def score(self) -> int:
        """How many of its columns are known."""

    @property
    def problem(self) -> str:
        """Why it can't be used, or empty."""

    @property
    def code(self) -> str:
        """A stable name for the problem."""

    @property
    def remedy(self) -> str:
        """What to do about it."""


Match = TypeVar("Match", bound=HeaderMatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a file is written.

    Attributes:
        encoding: `utf-8` (single lines may be cp1252), `utf-8-sig` (they may not), `utf-16-le` or
            `utf-16-be`.
        compressed: Whether it is gzip.
    """

    encoding: str
    delimiter: str
    compressed: bool

    def to_document(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Format:
        """The format from what `to_document` returned."""
        return cls(**document)


def open_csv(
    stream: Readable, recognise: Callable[[Sequence[str]], Match], *, sizes: bool = False
) -> CsvTable[Match]:
    """Read a file as far as its header.

    Args:
        stream: The file's bytes.
        recognise: Recognises a header by its cells; called once for each delimiter.
        sizes: Whether to count bytes; see `CsvTable.next_offset`.

    Raises:
        RejectedInput: the file can't be understood; the error names the line and the remedy.
    """
    content, compressed = decompressed(stream)
    head = content.peek(_PIECE)
    if not head:
        raise unreadable_file("empty_file", "the file is empty", "Export it again")
    encoding, mark = encoding_of(head)
    content.read(mark)
    lines = _Lines(content, encoding, first_line=1, offset=mark if sizes else None)
    text = _next_text(lines)
    asked = _SEPARATOR_LINE.fullmatch(text)
    if asked:
        text = _next_text(lines)
    line = lines.done - 1
    matches = []
    delimiters = (asked[1],) if asked else _DELIMITERS
    for delimiter in delimiters:
        # A quoted header can only be read with its own delimiter.
        with suppress(csv.Error):
            header = _cells([text], delimiter)
            matches.append((recognise(header), header, delimiter))
    matches.sort(key=lambda one: (not one[0].problem, one[0].score, len(one[1])))
    is_cut = any(len(header) > 1 or not match.problem for match, header, _ in matches)
    if not is_cut and len(matches) < len(delimiters):
        raise unreadable_file(
            "stray_quote",
            f"line {line}: a quotation mark in the header is not closed: {text[:80]!r}",
            "Remove the stray mark; the header must be on one line",
        )
    match, header, delimiter = matches[-1]
    if match.problem:
        raise unreadable_file(match.code, f"line {line}: {match.problem}", match.remedy)
    form = Format(encoding=encoding, delimiter=delimiter, compressed=compressed)
    return CsvTable(lines, form, header, match)


def open_part(
    stream: Readable,
    form: Format,
    header: Sequence[str],
    recognise: Callable[[Sequence[str]], Match],
    first_line: int,
) -> CsvTable[Match]:
    """Read a part of a file that begins at a record: decompressed, in the file's encoding."""
    lines = _Lines(Peekable(stream), form.encoding, first_line=first_line)
    return CsvTable(lines, form, list(header), recognise(header))


class CsvTable(Generic[Match]):
    """The records of a file.

    Attributes:
        header: The cells of the header.
        recognition: What `recognise` returned for it.
        first_line: Physical line on which records begin, from 1.
        problem: (reason, message) of the last record that could not be read.
    """

    def __init__(self, lines: _Lines, form: Format, header: list[str], recognition: Match) -> None:
        self.format = form
        self.header = header
        self.recognition = recognition
        self.first_line = lines.done
        self.problem = ("", "")
        self._lines = lines
        self._start = lines.done

    @property
    def raw(self) -> str:
        """The text of the last record, with the line ends within it."""
        texts = self._lines.between(self._start, self._lines.done)
        if len(texts) != 1:
            return "".join(texts).rstrip("\r\n")
        text = texts[0]
        return text.raw if isinstance(text, _Unreadable) else text.rstrip("\r\n")

    @property
    def next_line(self) -> int:
        """Physical line after the last record."""
        return self._lines.done

    @property
    def next_offset(self) -> int:
        """Byte after the last record, in the file as it is before compression."""
        return self._lines.offset()

    def records(self) -> Iterator[tuple[int, list[str] | None]]:
        """(physical line, cells) of each record; None in place of cells that can't be read.

        Blank lines are skipped. Where a record of several lines is malformed, only its first line
        is lost: a stray quotation mark does not affect the lines after it.
        """
        lines, width = self._lines, len(self.header)
        while True:
            first = lines.done
            reader = csv.reader(lines.rest(), delimiter=self.format.delimiter, strict=True)
            try:
                for fields in reader:
                    self._start = start = lines.done
                    lines.done = end = first + reader.line_num
                    if end - start == 1:
                        if len(fields) == width:
                            yield start, fields
                        elif self._is_malformed(fields):
                            yield start, None
                    elif len(fields) == width and lines.length(start, end) <= LONGEST_RECORD:
                        yield start, fields
                    else:
                        lines.done = start
                        break
                else:
                    return
            except csv.Error:
                end = first + reader.line_num
            except _TooLongError:
                end = lines.read
            yield from self._recovered(end)

    def _recovered(self, end: int) -> Iterator[tuple[int, list[str] | None]]:
        """Records up to line `end`, where the first one is malformed.

        `records` would find the same if it started again after each malformed line, but would read
        lines again and again. This reads a line twice at most: once as the first line of a record,
        and once within quotation marks.
        """
        lines, delimiter = self._lines, self.format.delimiter
        quoted = _Quoted(lines, delimiter, len(self.header))
        while lines.done < end:
            self._start = start = lines.done
            fields = None
            text = lines.text(start)
            assert text is not None  # noqa: S101 - it was read before
            after = 0
            if effect := _effect(text, delimiter):
                cells, is_open = effect
                after = quoted.end(start, len(text), cells) if is_open else start + 1
            if after:
                fields = _cells(lines.between(start, after), delimiter)
            lines.done = after or start + 1
            if fields is not None and len(fields) == len(self.header):
                yield start, fields
            elif self._is_malformed(fields):
                yield start, None

    def _is_malformed(self, fields: list[str] | None) -> bool:
        """Note what is wrong with a line that is not a record, unless it is blank."""
        text = self._lines.text(self._start) or ""
        if isinstance(text, _Unreadable):
            reason, message = text.reason, _MESSAGES[text.reason]
        elif fields is None:
            reason, message = "bad_quoting", _MESSAGES["bad_quoting"]
        elif not text.strip():
            return False
        else:
            reason = "wrong_column_count"
            message = f"{len(fields)} columns, but the header has {len(self.header)}"
        self.problem = (reason, message)
        return True


_MESSAGES: Final = {
    "bad_quoting": "a quotation mark is misplaced, or is not closed within "
    f'{LONGEST_RECORD:,} characters; write a mark within quoted text twice ("")',
    "invalid_encoding": "the line is not valid text in the file's encoding; save the file as UTF-8",
    "too_long": f"longer than {LONGEST_RECORD:,} characters",
}


def _cells(texts: Iterable[str], delimiter: str) -> list[str]:
    """The cells of one record."""
    return next(csv.reader(texts, delimiter=delimiter, strict=True))


def _effect(text: str, delimiter: str) -> tuple[int, bool] | None:
    """(cells that end on a line, whether the line ends within quotation marks).

    None where the line is malformed whatever follows it: at the end of a valid line, a strict
    reader is either outside quotation marks or within them.
    """
    for closing in ("", '"'):
        with suppress(csv.Error):
            return len(_cells([text + closing], delimiter)) - len(closing), bool(closing)
    return None


class _Quoted:
    """Lines that begin within quotation marks, up to the one where the record ends.

    Records that begin on different lines, and are still open at the same line, share all lines
    from there on.
    """

    def __init__(self, lines: _Lines, delimiter: str, width: int) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._width = width
        self._first = 0
        # Characters and cells of each line that ends within quotation marks too, and their sums.
        self._open: deque[tuple[int, int]] = deque()
        self._length = 0
        self._cells = 0
        # The same for the line after these, once it is known.
        self._last: tuple[int, int] | None = None

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
        if length > LONGEST_RECORD or cells != self._width:
            return 0
        return self._first + len(self._open) + 1

    def _look_at(self, number: int) -> None:
        text = self._lines.text(number)
        effect = None if text is None else _effect(f'"{text}', self._delimiter)
        if text is None or effect is None:
            self._last = (LONGEST_RECORD + 1, 0)  # no record may contain this line
        elif effect[1]:
            self._open.append((len(text), effect[0]))
            self._length += len(text)
            self._cells += effect[0]
        else:
            self._last = (len(text), effect[0])

    def _forget_before(self, number: int) -> None:
        while self._first < number and self._open:
            length, cells = self._open.popleft()
            self._length -= length
            self._cells -= cells
            self._first += 1
        if self._first < number:
            self._first, self._last = number, None


class _TooLongError(Exception):
    """The lines of a record are longer than a record may be."""


class _Unreadable(str):
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


class _Lines:
    """Physical lines, each with its line end, by their numbers.

    Lines from `done` on are kept, and some before it.

    Attributes:
        done: Number of the first line that belongs to no record yet.
    """

    def __init__(
        self, stream: Peekable, encoding: str, *, first_line: int, offset: int | None = None
    ) -> None:
        self.done = first_line
        self._first = first_line
        self._held: list[str] = []
        is_wide = encoding.startswith("utf-16")
        self._size: Callable[[bytes], int] = _size_in_utf16 if is_wide else len
        self._blocks = _blocks(Utf16AsUtf8(stream, encoding) if is_wide else stream, self._size)
        self._may_be_cp1252 = encoding == "utf-8"
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
            _TooLongError: the lines that belong to no record yet are longer than a record may be.
        """
        return chain.from_iterable(self._groups())

    def _groups(self) -> Iterator[Iterator[str]]:
        number = self.done
        while True:
            held = self._held
            yield map(held.__getitem__, range(number - self._first, len(held)))
            number = self.read
            if self.length(self.done, number) > LONGEST_RECORD:
                raise _TooLongError
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
                _Unreadable("too_long", one) if len(one) > LONGEST_RECORD else one for one in texts
            ]
        return texts

    def _text(self, line: bytes) -> str:
        if len(line) > _SURELY_TOO_LONG:
            return line[:_SURELY_TOO_LONG].decode("utf-8", "backslashreplace")
        try:
            return line.decode()
        except UnicodeDecodeError:
            if self._may_be_cp1252:
                with suppress(UnicodeDecodeError):
                    return line.decode("cp1252")
        return _Unreadable("invalid_encoding", line.decode("utf-8", "backslashreplace"))


def _blocks(stream: Readable, size: Callable[[bytes], int]) -> Iterator[tuple[bytes, int]]:
    """Pieces that end where lines do.

    Of a line that is too long only the beginning is included; with each piece comes the size of
    what was left out of its first line.
    """
    rest, left_out = b"", 0
    while piece := stream.read(_PIECE):
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


def _next_text(lines: _Lines) -> str:
    """The next line that is not blank."""
    while (text := lines.text(lines.done)) is not None:
        if isinstance(text, _Unreadable):
            raise unreadable_file(
                "no_header" if text.reason == "too_long" else text.reason,
                f"line {lines.done} is not a header: {_MESSAGES[text.reason]}",
                "Save the file as CSV (UTF-8)",
            )
        lines.done += 1
        if text.strip():
            return text
    raise unreadable_file("empty_file", "the file has only blank lines", "Export it again")
