"""The bytes of a billing file: decompressed, and in a known encoding.

Files are read in one pass and in bounded memory.
"""

from __future__ import annotations

import codecs
import re
import zlib
from typing import Any, Final, Protocol

from finops.shared.errors import RejectedInput

PIECE: Final = 64 * 1024
_LINE_END = re.compile(rb"[\r\n]")
#: What follows the mark of a Parquet file: nothing, or soon a byte that no text has.
_NO_TEXT: Final = rb"(?:\Z|(?:(?s:.{0,11}?)|[^\r\n]{0,500}?)[\x00-\x08\x0e-\x19\x1c-\x1f])"
_PARQUET = re.compile(rb"PAR1" + _NO_TEXT)
_NO_TABLE: Final = "Export it as CSV (UTF-8)"
#: How files begin that are not text: https://en.wikipedia.org/wiki/List_of_file_signatures
#: The first cell of a table may begin with the same letters, so each tells more than these.
_SIGNATURES: Final = tuple(
    (re.compile(start, re.IGNORECASE if code == "not_a_table" else 0), code, what, remedy)
    for start, code, what, remedy in (
        (
            rb"\xd0\xcf\x11\xe0",
            "spreadsheet",
            "is an old spreadsheet (XLS), or a workbook with a password",
            "Open it in the spreadsheet program and save it as CSV (UTF-8), or as .xlsx without a "
            "password",
        ),
        (rb"%PDF-", "binary_file", "is a PDF document", "Drop invoices into the invoices bucket"),
        (rb"\x89PNG", "binary_file", "is an image", "Drop invoices into the invoices bucket"),
        (rb"\xff\xd8\xff", "binary_file", "is an image", "Drop invoices into the invoices bucket"),
        (
            rb"PARE" + _NO_TEXT,
            "binary_file",
            "is an encrypted Parquet file",
            "Export it without encryption",
        ),
        (rb"\x1f\x8b", "binary_file", "is compressed twice", "Compress it once, or not at all"),
        # The number of pi begins a block, that of its root the end.
        (
            rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
            "binary_file",
            "is compressed by bzip2",
            "Compress it with gzip, or not at all",
        ),
        (
            rb"\xfd7zXZ",
            "binary_file",
            "is compressed by xz",
            "Compress it with gzip, or not at all",
        ),
        (rb"\x28\xb5\x2f\xfd", "binary_file", "is compressed by zstd", "Compress it with gzip"),
        (
            rb"<(?:!doctype|!--|\?xml|(?:html|head|body|table|script|meta|svg)\b"
            rb"|[a-z][\w:.-]*(?:\s+[\w:.-]+\s*=\s*[\"']|>\s*<))",
            "not_a_table",
            "is HTML or XML, such as a page that asks to sign in",
            _NO_TABLE,
        ),
        (rb"\{\s*[\"}]|\[\s*[{\[]", "not_a_table", "is JSON", _NO_TABLE),
    )
)


#: Bytes of content for each byte of a compressed file, beyond those always allowed. Bills compress
#: to a tenth or a fiftieth; what is made to expand, to a thousandth.
MOST_EXPANSION: Final = 250
ALWAYS_ALLOWED: Final = 64 << 20


class Readable(Protocol):
    """A stream: `read` returns at most so many bytes, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """Read."""


class Peekable:
    """A stream whose beginning can be peeked at before it is read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._head = b""

    def peek(self, size: int) -> bytes:
        """Up to so many bytes, which the next `read` returns again."""
        pieces, held = [self._head], len(self._head)
        while held < size and (piece := self._stream.read(size - held)):
            pieces.append(piece)
            held += len(piece)
        self._head = b"".join(pieces)
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """So many bytes, or the rest."""
        piece = self.peek(size)
        self._head = self._head[size:]
        return piece


def decompressed(stream: Readable) -> tuple[Peekable, bool]:
    """The bytes of a file without its compression, and whether it is gzip or one zipped text."""
    raw = Peekable(stream)
    if raw.peek(2) == b"\x1f\x8b":
        return Peekable(_Inflating(raw)), True
    if (zipped := _zipped_text(raw)) is not None:
        return Peekable(zipped), True
    return raw, False


class _Inflating:
    """The content of a gzip file, of one member or several."""

    def __init__(self, stream: Readable, wbits: int = 31) -> None:
        self._stream = stream
        self._inflater: Any = zlib.decompressobj(wbits=wbits)
        self._waiting = b""
        self._taken = self._given = 0

    def _take(self) -> bytes:
        piece = self._stream.read(PIECE)
        self._taken += len(piece)
        return piece

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes of the content.

        Raises:
            RejectedInput: the file is damaged, incomplete, or made to expand without end.
        """
        try:
            while True:
                if self._inflater.eof and not self._begin_next():
                    return b""
                if not self._waiting:
                    self._waiting = self._take()
                    if not self._waiting:
                        raise unreadable_file(
                            "corrupt_gzip",
                            "the compressed file is incomplete",
                            "Upload the whole file again",
                        )
                piece = bytes(self._inflater.decompress(self._waiting, size))
                self._waiting = self._inflater.unconsumed_tail
                if piece:
                    self._given += len(piece)
                    if self._given > max(ALWAYS_ALLOWED, self._taken * MOST_EXPANSION):
                        raise unreadable_file(
                            "expands_too_much",
                            f"the compressed file expands more than {MOST_EXPANSION} times",
                            "Upload it without compression",
                        )
                    return piece
        except zlib.error as error:
            raise unreadable_file(
                "corrupt_gzip", f"the compressed file is damaged: {error}", "Upload it again"
            ) from None

    def _begin_next(self) -> bool:
        """Begin the next member of a gzip file; False at the end."""
        rest = self._inflater.unused_data.lstrip(b"\0")
        while not rest:  # gzip allows zeros after the end, as padding
            piece = self._take()
            if not piece:
                return False
            rest = piece.lstrip(b"\0")
        self._inflater = zlib.decompressobj(wbits=31)
        self._waiting = rest
        return True


class _Unzipping(_Inflating):
    """The content of the only file in a zip archive, read from its beginning to its end.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
    """

    def __init__(self, stream: Readable, crc: int | None) -> None:
        super().__init__(stream, wbits=-zlib.MAX_WBITS)
        self._expected = crc
        self._crc = 0
        self._is_checked = False

    def read(self, size: int, /) -> bytes:
        piece = super().read(size)
        self._crc = zlib.crc32(piece, self._crc)
        return piece

    def _begin_next(self) -> bool:
        """Check what follows the file: its checksum, and that no other file does."""
        if self._is_checked:
            return False
        self._is_checked = True
        rest = self._inflater.unused_data
        while len(rest) < _AFTER_FILE and (piece := self._take()):
            rest += piece
        if self._expected is None:
            rest = rest.removeprefix(b"PK\x07\x08")
            self._expected = int.from_bytes(rest[:4], "little")
            # The sizes take 8 bytes, or 16 in a large archive.
            rest = rest[12:] if rest[12:14] == b"PK" else rest[20:]
        if self._crc != self._expected:
            raise unreadable_file(
                "corrupt_zip", "the zip archive is damaged: its checksum differs", "Upload it again"
            )
        while piece := self._take():
            rest = (rest + piece)[-_END_OF_ARCHIVE:]
        names = _names(rest)
        if names is None:
            raise unreadable_file(
                "corrupt_zip", "the zip archive is incomplete", "Upload the whole file again"
            )
        # Finder adds a file of its own for each.
        if sum(not one.startswith(b"__MACOSX/") for one in names) > 1:
            raise unreadable_file(
                "several_files", "the zip archive holds more than one file", "Drop them one by one"
            )
        return False


def _names(end: bytes) -> list[bytes] | None:
    """The files that the directory at the end of a zip archive lists; None where it has none.

    Of a directory that is longer than `end`, only their number is told.
    """
    last = end.rfind(b"PK\x05\x06")
    if last < 0:
        return None
    at = last - int.from_bytes(end[last + 12 : last + 16], "little")
    if end[last - 20 : last - 16] == b"PK\x06\x07":  # of a large archive, with a record before it
        at -= last - end.rfind(b"PK\x06\x06", 0, last)
    count = int.from_bytes(end[last + 10 : last + 12], "little")
    if at < 0:
        return [b""] * count
    names = []
    for _ in range(count):
        if end[at : at + 4] != b"PK\x01\x02":
            return None
        name, extra, comment = (
            int.from_bytes(end[at + one : at + one + 2], "little") for one in (28, 30, 32)
        )
        names.append(end[at + 46 : at + 46 + name])
        at += 46 + name + extra + comment
    return names


#: Bytes after a zipped file that may be its checksum and sizes.
_AFTER_FILE: Final = 24
#: Bytes at the end of an archive that hold its directory, with a comment of the longest kind.
_END_OF_ARCHIVE: Final = 1 << 17
_TEXT_NAMES: Final = (b".csv", b".tsv", b".txt")


def _zipped_text(raw: Peekable) -> _Unzipping | None:
    """The file in a zip archive that begins with a text; None where it is anything else."""
    head = raw.peek(30)
    if len(head) < 30 or not head.startswith(b"PK\x03\x04"):
        return None
    flags, method = (int.from_bytes(head[at : at + 2], "little") for at in (6, 8))
    crc = int.from_bytes(head[14:18], "little")
    length, extra = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
    name = raw.peek(30 + length)[30:]
    if not name.lower().endswith(_TEXT_NAMES) or method != zlib.DEFLATED or flags & 1:
        return None
    raw.read(30 + length + extra)
    return _Unzipping(raw, None if flags & 8 else crc)


def is_parquet(content: Peekable) -> bool:
    """Whether a file is a Parquet file."""
    return _PARQUET.match(content.peek(512)) is not None


def encoding_of(head: bytes, declared: str = "") -> tuple[str, int]:
    """The encoding of a file that begins with `head`, and the length of its byte order mark.

    Args:
        head: Its first bytes.
        declared: The encoding that its dataset declares. A byte order mark goes before it.
    """
    for signature, code, what, remedy in _SIGNATURES:
        if signature.match(head):
            raise unreadable_file(code, f"the file {what}", remedy)
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return encoding, len(mark)
    if declared:
        return {"utf-8": "utf-8-sig"}.get(declared, declared), 0
    # Without a mark, a header in UTF-16 shows by its letters: every other byte is NUL.
    sample = head[:512]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > len(sample) // 8 and odd > 2 * even:
        return "utf-16-le", 0
    if even > len(sample) // 8 and even > 2 * odd:
        return "utf-16-be", 0
    # A NUL in a row is that row's problem.
    if 0 in _LINE_END.split(head, 1)[0]:
        raise unreadable_file(
            "binary_file",
            "the file is not text: its first line contains NUL bytes",
            "Export it as CSV (UTF-8)",
        )
    return "utf-8", 0


class DecodedAsUtf8:
    """Text in a declared encoding as UTF-8; a byte that is invalid stays invalid."""

    def __init__(self, stream: Readable, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def read(self, size: int, /) -> bytes:
        """At most three bytes for each of so many; none at the end."""
        text, is_end = "", False
        while not text and not is_end:
            piece = self._stream.read(size)
            is_end = not piece
            text = self._decoder.decode(piece, is_end)
        return text.encode("utf-8", "surrogatepass")


class Utf16AsUtf8:
    """UTF-16 as UTF-8; what is invalid in the one stays invalid in the other."""

    def __init__(self, stream: Readable, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    def read(self, size: int, /) -> bytes:
        """At most as many characters as so many bytes hold."""
        text, is_end = "", False
        while not text and not is_end:
            piece = self._stream.read(size)
            is_end = not piece
            try:
                text = self._decoder.decode(piece, is_end)
            except UnicodeDecodeError:
                # Half a unit is left where a file was cut off.
                self._decoder.reset()
                return b"\xff"
        return text.encode("utf-8", "surrogatepass")


def unreadable_file(code: str, message: str, remedy: str) -> RejectedInput:
    """The refusal of a file that can't be read."""
    return RejectedInput(message, code=code, step="read_file", remedy=remedy)
