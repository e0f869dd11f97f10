"""Reads CSV files as people and programs write them, in one pass and in bounded memory.

The form follows RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) with any of three delimiters and
line ends, and encodings as spreadsheets write them. A line that cannot be read harms no other.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from finops.shared.errors import RejectedInput

#: Characters of a record, over all its lines; no longer one is one.
LONGEST_RECORD: Final = 256 * 1024
_PIECE: Final = 64 * 1024
_DELIMITERS: Final = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_SPREADSHEET = "Open it in the spreadsheet program and save it as CSV (UTF-8)"
#: How files begin that are no text: https://en.wikipedia.org/wiki/List_of_file_signatures
_SIGNATURES: Final = (
    (b"PK\x03\x04", "spreadsheet", "is a spreadsheet (XLSX) or another zip archive", _SPREADSHEET),
    (b"\xd0\xcf\x11\xe0", "spreadsheet", "is an old spreadsheet (XLS)", _SPREADSHEET),
    (b"%PDF", "binary_file", "is a PDF document", "Drop invoices into the invoices bucket"),
    (b"\x89PNG", "binary_file", "is an image", "Drop invoices into the invoices bucket"),
    (b"\xff\xd8\xff", "binary_file", "is an image", "Drop invoices into the invoices bucket"),
    (b"PAR1", "binary_file", "is a Parquet file", "Export it as CSV"),
    (b"BZh", "binary_file", "is compressed by bzip2", "Compress it with gzip, or not at all"),
    (b"\xfd7zXZ", "binary_file", "is compressed by xz", "Compress it with gzip, or not at all"),
    (b"\x28\xb5\x2f\xfd", "binary_file", "is compressed by zstd", "Compress it with gzip"),
)
csv.field_size_limit(LONGEST_RECORD)


class Readable(Protocol):
    """What a stream must do: give at most so many bytes, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """Read."""


class HeaderMatch(Protocol):
    """What is known of a header; see `finops.billing.schemas.Recognition`."""

    @property
    def score(self) -> int:
        """How many of its columns are known."""

    @property
    def problem(self) -> str:
        """Why it cannot be used, or empty."""

    @property
    def code(self) -> str:
        """A stable name of the problem."""

    @property
    def remedy(self) -> str:
        """What to do about it."""


Match = TypeVar("Match", bound=HeaderMatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a file is written.

    Attributes:
        encoding: `utf-8` (single lines may be cp1252), `utf-8-sig` (none may), `utf-16-le` or
            `utf-16-be`.
        compressed: Whether it is gzip.
    """

    encoding: str
    delimiter: str
    compressed: bool

    def to_document(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Format:
        """What `to_document` gave."""
        return cls(**document)


def open_csv(
    stream: Readable, recognise: Callable[[Sequence[str]], Match], *, sizes: bool = False
) -> CsvTable[Match]:
    """Read a file as far as its header.

    Args:
        stream: The file's bytes.
        recognise: What is known of a header's cells; asked once for each delimiter.
        sizes: Whether to count bytes; see `CsvTable.next_offset`.

    Raises:
        RejectedInput: the file cannot be understood, with the line and the remedy.
    """
    plain, compressed = _inflated(stream)
    head = plain.peek(_PIECE)
    if not head.strip():
        raise _rejected("empty_file", "the file is empty", "Export it again")
    encoding, mark = _encoding(head)
    plain.read(mark)
    lines = _Lines(plain, encoding, sizes=sizes)
    number, text = _first_line(lines, 0)
    asked = _SEPARATOR_LINE.fullmatch(text)
    if asked:
        number, text = _first_line(lines, number)
    matches = []
    for delimiter in (asked[1],) if asked else _DELIMITERS:
        # A quoted header can be read with its own delimiter only.
        with suppress(csv.Error):
            header = next(csv.reader([text], delimiter=delimiter, strict=True))
            matches.append((delimiter, header, recognise(header)))
    if not matches:
        raise _rejected(
            "stray_quote",
            f"line {number}: a quotation mark in the header does not close: {text[:80]!r}",
            "Remove the stray mark; the header must stand on one line",
        )
    delimiter, header, match = max(matches, key=lambda one: (not one[2].problem, one[2].score))
    if match.problem:
        raise _rejected(match.code, f"line {number}: {match.problem}", match.remedy)
    form = Format(encoding=encoding, delimiter=delimiter, compressed=compressed)
    before = mark + lines.offset
    return CsvTable(lines, form, header, match, first_line=number + 1, offset=before)


def open_part(
    stream: Readable,
    form: Format,
    header: Sequence[str],
    recognise: Callable[[Sequence[str]], Match],
    first_line: int,
) -> CsvTable[Match]:
    """Read a part of a file that begins at a record: plain bytes in the file's encoding."""
    lines = _Lines(_Peekable(stream), form.encoding, sizes=False)
    return CsvTable(lines, form, list(header), recognise(header), first_line=first_line, offset=0)


class CsvTable(Generic[Match]):
    """The records of a file.

    Attributes:
        header: The cells of the header.
        recognition: What `recognise` said of them.
        first_line: Physical line on which records begin, from 1.
        problem: (reason, message) of the last record that could not be read.
    """

    def __init__(
        self,
        lines: _Lines,
        form: Format,
        header: list[str],
        recognition: Match,
        *,
        first_line: int,
        offset: int,
    ) -> None:
        self.format = form
        self.header = header
        self.recognition = recognition
        self.first_line = first_line
        self.problem = ("", "")
        self._lines = lines
        self._line = first_line
        self._offset = offset
        self._taken = lines.taken
        self._bad_raw = ""

    @property
    def raw(self) -> str:
        """The text of the last record, with the line ends within it."""
        return self._bad_raw or "".join(self._taken).rstrip("\r\n")

    @property
    def next_line(self) -> int:
        """Physical line after the last record."""
        return self._line

    @property
    def next_offset(self) -> int:
        """Byte after the last record, in the file as it is before compression."""
        return self._offset

    def records(self) -> Iterator[tuple[int, list[str] | None]]:
        """(physical line, cells) of each record; None for one that cannot be read.

        Blank lines are none. Where a record runs over several lines and is malformed, only its
        first line is: a stray quotation mark takes none of the lines after it along.
        """
        lines, taken, width = self._lines, self._taken, len(self.header)
        while True:
            reader = csv.reader(lines, delimiter=self.format.delimiter, strict=True)
            reason = ""
            taken.clear()
            try:
                for fields in reader:
                    if len(fields) != width or lines.suspect:
                        reason = self._fault(fields)
                        if reason:
                            break
                        self._advance(len(taken))
                    else:
                        line = self._line
                        self._advance(len(taken))
                        yield line, fields
                    taken.clear()
                else:
                    return
            except csv.Error:
                reason = "bad_quoting"
            except _TooLongError:
                reason = "too_long" if len(taken) == 1 else "bad_quoting"
            if not taken:
                return
            line = self._line
            self._refuse_first(reason)
            yield line, None
            self._bad_raw = ""

    def _fault(self, fields: list[str]) -> str:
        """Why these are not the cells of a record; empty where the line is blank."""
        if len(self._taken) > 1:
            return "bad_quoting" if len(fields) != len(self.header) else "invalid_encoding"
        if self._lines.suspect:
            return "invalid_encoding"
        return "wrong_column_count" if any(map(str.strip, fields)) else ""

    def _refuse_first(self, reason: str) -> None:
        """Give all lines but the first back, and say what is wrong with that."""
        taken = self._taken
        self._bad_raw = taken[0].rstrip("\r\n") or " "
        if reason == "wrong_column_count":
            found = next(csv.reader([taken[0]], delimiter=self.format.delimiter))
            message = f"{len(found)} columns, but the header has {len(self.header)}"
        else:
            message = _MESSAGES[reason]
        self.problem = (reason, message)
        self._lines.give_back(taken[1:])
        self._advance(1)

    def _advance(self, count: int) -> None:
        self._line += count
        if self._lines.sizes is not None:
            for _ in range(count):
                self._offset += self._lines.sizes.popleft()


_MESSAGES: Final = {
    "bad_quoting": "a quotation mark opens or closes where none may, or never closes; a mark "
    'within a quoted text is written twice ("")',
    "invalid_encoding": "bytes that are no text in the file's encoding; save the file as UTF-8",
    "too_long": f"longer than {LONGEST_RECORD:,} characters",
}


class _TooLongError(Exception):
    """The lines of a record are more than one may have."""


class _Lines:
    """Physical lines, each with its line end, of which some can be given back.

    Attributes:
        taken: Lines given out since the caller last cleared the list.
        suspect: Whether one of them is no text in the encoding.
        sizes: Bytes of each line that was read and not yet counted, if sizes are wanted.
        offset: Bytes of lines given out before the caller began to count.
    """

    def __init__(self, stream: _Peekable, encoding: str, *, sizes: bool) -> None:
        self.taken: list[str] = []
        self.suspect = False
        self.sizes: deque[int] | None = deque() if sizes else None
        self.offset = 0
        self._given_back: deque[str] = deque()
        self._source = (
            self._wide(stream, encoding) if encoding.startswith("utf-16") else self._narrow(stream)
        )
        self._fallback = encoding == "utf-8"

    def __iter__(self) -> Iterator[str]:
        taken, given_back, source = self.taken, self._given_back, self._source
        length = 0
        while True:
            line = given_back.popleft() if given_back else next(source, None)
            if line is None:
                return
            if taken:
                length += len(line)
            else:
                length = len(line)
                self.suspect = False
            taken.append(line)
            if not line.isascii() and not _is_text(line):
                self.suspect = True
            if length > LONGEST_RECORD:
                raise _TooLongError
            yield line

    def give_back(self, lines: Sequence[str]) -> None:
        """Give these out again, first of all."""
        self._given_back.extendleft(reversed(lines))

    def _narrow(self, stream: _Peekable) -> Iterator[str]:
        """Lines of UTF-8 or, line by line, cp1252."""
        for block in _blocks(stream):
            if self.sizes is not None:
                self.sizes.extend(map(len, block.splitlines(keepends=True)))
            try:
                text = block.decode()
            except UnicodeDecodeError:
                yield from map(self._line_by_line, block.splitlines(keepends=True))
            else:
                yield from io.StringIO(text, newline="")

    def _line_by_line(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            if self._fallback:
                try:
                    return line.decode("cp1252")
                except UnicodeDecodeError:
                    pass
        return line.decode("utf-8", "surrogateescape")

    def _wide(self, stream: _Peekable, encoding: str) -> Iterator[str]:
        """Lines of UTF-16; halves of characters stay in the text, where they are noticed."""
        decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        rest = ""
        while piece := stream.read(_PIECE):
            rest += decoder.decode(piece)
            # A carriage return at the end may be half of a line end.
            *complete, rest = [*io.StringIO(rest, newline="")] or [""]
            if rest.endswith("\n"):
                complete.append(rest)
                rest = ""
            for line in complete:
                yield self._sized(line, encoding)
            if len(rest) > 2 * LONGEST_RECORD:
                yield self._sized(rest, encoding)
                rest = ""
        try:
            rest += decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            rest += "\udcff"
        for line in io.StringIO(rest, newline=""):
            yield self._sized(line, encoding)

    def _sized(self, line: str, encoding: str) -> str:
        if self.sizes is not None:
            self.sizes.append(len(line.encode(encoding, "surrogatepass")))
        return line


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _blocks(stream: _Peekable) -> Iterator[bytes]:
    """Pieces that end where lines do, unless a line is longer than a record may be."""
    rest = b""
    while piece := stream.read(_PIECE):
        whole = rest + piece
        cut = whole.rfind(b"\n") + 1
        if not cut:
            # Lines may end in carriage returns alone; the last may be half of a line end.
            cut = whole.rfind(b"\r", 0, -1) + 1
        if not cut and len(whole) > 4 * LONGEST_RECORD:
            cut = len(whole)
        if cut:
            yield whole[:cut]
        rest = whole[cut:]
    if rest:
        yield rest


class _Peekable:
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._head = b""

    def peek(self, size: int) -> bytes:
        """Up to so many bytes, which stay to be read."""
        while len(self._head) < size:
            piece = self._stream.read(size - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._stream.read(size)


class _Inflating:
    """The content of a gzip file, of one member or several."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._inflater: Any = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes of the content.

        Raises:
            RejectedInput: the file is damaged, or ends before its end.
        """
        try:
            while True:
                if self._inflater.eof:
                    rest = self._inflater.unused_data.lstrip(b"\0") or self._stream.read(_PIECE)
                    rest = rest.lstrip(b"\0")  # tape padding, as gzip allows it
                    if not rest:
                        return b""
                    self._inflater = zlib.decompressobj(wbits=31)
                    self._waiting = rest
                if not self._waiting:
                    self._waiting = self._stream.read(_PIECE)
                    if not self._waiting:
                        raise _rejected(
                            "corrupt_gzip",
                            "the compressed file ends early",
                            "Upload it again, whole",
                        )
                piece = bytes(self._inflater.decompress(self._waiting, size))
                self._waiting = self._inflater.unconsumed_tail
                if piece:
                    return piece
        except zlib.error as error:
            raise _rejected(
                "corrupt_gzip", f"the compressed file is damaged: {error}", "Upload it again"
            ) from None


def plain_bytes(stream: Readable) -> Readable:
    """The bytes of a file without its compression."""
    return _inflated(stream)[0]


def _inflated(stream: Readable) -> tuple[_Peekable, bool]:
    plain = _Peekable(stream)
    if plain.peek(2) == b"\x1f\x8b":
        return _Peekable(_Inflating(plain)), True
    return plain, False


def _encoding(head: bytes) -> tuple[str, int]:
    """The encoding of a file that begins so, and how many bytes its mark has."""
    for signature, code, what, remedy in _SIGNATURES:
        if head.startswith(signature):
            raise _rejected(code, f"the file {what}", remedy)
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return encoding, len(mark)
    sample = head[:512]
    nulls = sample.count(0)
    if nulls:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if odd > len(sample) // 4 and not even:
            return "utf-16-le", 0
        if even > len(sample) // 4 and not odd:
            return "utf-16-be", 0
    if 0 in head:
        raise _rejected(
            "binary_file", "the file is no text: it holds NUL bytes", "Export it as CSV (UTF-8)"
        )
    return "utf-8", 0


def _first_line(lines: _Lines, number: int) -> tuple[int, str]:
    """The first line that is not blank, after the one of this number."""
    try:
        for text in lines:
            number += 1
            if lines.sizes is not None:
                lines.offset += lines.sizes.popleft()
            bad = lines.suspect
            lines.taken.clear()
            if bad:
                raise _rejected(
                    "invalid_encoding",
                    f"line {number} is no text in the file's encoding",
                    "Save the file as CSV (UTF-8)",
                )
            if text.strip():
                return number, text
    except _TooLongError:
        raise _rejected(
            "no_header", f"line {number + 1} is longer than a header can be", "Export it as CSV"
        ) from None
    raise _rejected("empty_file", "the file holds blank lines only", "Export it again")


def _rejected(code: str, message: str, remedy: str) -> RejectedInput:
    return RejectedInput(message, code=code, step="read_file", remedy=remedy)
