"""The bytes of a billing file: what they are, and in which encoding.

Files are read in one pass and in bounded memory.
"""

from __future__ import annotations

import codecs
import re
from typing import Final, Protocol

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
