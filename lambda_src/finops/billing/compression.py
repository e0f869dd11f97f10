"""The bytes of a compressed billing file: gzip, or a zip archive of one text.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

from finops.billing.file_bytes import (
    ALWAYS_ALLOWED,
    MOST_EXPANSION,
    PIECE,
    Peekable,
    Readable,
    unreadable_file,
)
from finops.shared.errors import RejectedInput
from finops.shared.left_alone import why_left_alone

#: Bytes after a zipped file that may be its checksum and sizes.
_AFTER_FILE: Final = 24
#: Bytes at the end of an archive that hold its directory, with a comment of the longest kind.
_END_OF_ARCHIVE: Final = 1 << 17
#: Bytes of an archive before the file that counts.
_MOST_BEFORE: Final = 8 << 20
_TEXT_NAMES: Final = (".csv", ".tsv", ".txt")
_LOCAL, _DIRECTORY, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_STORED: Final = 0
_DEFLATED: Final = 8
_METHODS: Final = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd"}


def decompressed(stream: Readable) -> tuple[Peekable, bool]:
    """The bytes of a file without its compression, and whether it is gzip or one zipped text.

    Raises:
        RejectedInput: it is a zip archive without a file, or of one that can't be read.
    """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """The header of a file in an archive.

    Attributes:
        size: Bytes that it takes; None where they are only told after it.
        start: Where they begin.
    """

    name: str
    flags: int
    method: int
    crc: int
    size: int | None
    start: int

    @property
    def is_left_alone(self) -> bool:
        """Whether by its name it is none that people mean."""
        return bool(why_left_alone(self.name))


def _zipped_text(raw: Peekable) -> Readable | None:
    """The one text in a zip archive, which files of programs may precede; None of anything else."""
    if raw.peek(4) == _END:
        raise _unusable("holds no file")
    if raw.peek(4) != _LOCAL:
        return None
    at = 0
    while True:
        member = _member(raw, at)
        if member is None:
            if raw.peek(at + 4)[at:] in {_DIRECTORY, _END}:
                raise _unusable("holds only folders, and files of programs")
            return None
        if not member.is_left_alone:
            break
        after = _after(raw, member)
        if after is None or after > _MOST_BEFORE:
            raise _unusable(f"begins with {member.name!r}, which can't be skipped")
        at = after
    if not member.name.lower().endswith(_TEXT_NAMES):
        return None
    if member.flags & 1:
        raise _unusable("has a password", "Drop the file itself, or an archive without a password")
    if member.method not in {_STORED, _DEFLATED}:
        how = _METHODS.get(member.method, f"method {member.method}")
        raise _unusable(f"is compressed by {how}", "Compress it by Deflate or gzip")
    if member.method == _STORED and member.size is None:
        raise _unusable("holds a file whose size is not told before it")
    raw.read(member.start)
    crc = None if member.flags & 8 else member.crc
    return _Unzipping(raw, crc) if member.method == _DEFLATED else _Stored(raw, crc, member.size)


def _member(raw: Peekable, at: int) -> _Member | None:
    head = raw.peek(at + 30)[at:]
    if len(head) < 30 or head[:4] != _LOCAL:
        return None
    flags, method = (int.from_bytes(head[one : one + 2], "little") for one in (6, 8))
    length, extra = (int.from_bytes(head[one : one + 2], "little") for one in (26, 28))
    start = at + 30 + length + extra
    names = raw.peek(start)[at + 30 :]
    size: int | None = int.from_bytes(head[18:22], "little")
    if size == 0xFFFFFFFF:
        # Of a large archive: id 1, its length, the size before compression and after it.
        fields = names[length:]
        size = int.from_bytes(fields[12:20], "little") if fields[:2] == b"\1\0" else None
    if flags & 8 and not size:
        size = None
    name = names[:length].decode("utf-8" if flags & 0x800 else "cp437", "replace")
    return _Member(
        name=name,
        flags=flags,
        method=method,
        crc=int.from_bytes(head[14:18], "little"),
        size=size,
        start=start,
    )


def _after(raw: Peekable, member: _Member) -> int | None:
    """Where the next file of an archive begins; None where that does not show."""
    end = member.start + (member.size or 0)
    if member.size is None:
        if member.method == _DEFLATED:
            inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            held = raw.peek(_MOST_BEFORE)[member.start :]
            try:
                # What it holds is thrown away, so that nothing expands.
                rest = held
                while rest and not inflater.eof:
                    inflater.decompress(rest, PIECE)
                    rest = inflater.unconsumed_tail
            except zlib.error:
                return None
            if not inflater.eof:
                return None
            end = member.start + len(held) - len(inflater.unused_data)
        elif not member.name.endswith("/"):
            return None
    if end > _MOST_BEFORE:
        return None
    if not member.flags & 8:
        return end
    # Its checksum and sizes follow, with a mark or without, of 4 bytes each or of 4, 8 and 8.
    for length in (16, 12, 24, 20, 0):
        if raw.peek(end + length + 4)[end + length :] in {_LOCAL, _DIRECTORY}:
            return end + length
    return None


class _Checked:
    """What checks the rest of an archive after its text: the checksum, and that no file follows."""

    def __init__(self, stream: Readable, expected: int | None) -> None:
        self._rest_of = stream
        self._expected = expected
        self._crc = 0

    def _see(self, piece: bytes) -> bytes:
        self._crc = zlib.crc32(piece, self._crc)
        return piece

    def _check(self, rest: bytes) -> None:
        """Check what follows the text, of which `rest` is the beginning."""
        while len(rest) < _AFTER_FILE and (piece := self._rest_of.read(PIECE)):
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
        while piece := self._rest_of.read(PIECE):
            rest = (rest + piece)[-_END_OF_ARCHIVE:]
        names = _names(rest)
        if names is None:
            raise unreadable_file(
                "corrupt_zip", "the zip archive is incomplete", "Upload the whole file again"
            )
        meant = [one for one in names if not why_left_alone(one)]
        if len(meant) > 1:
            shown = ", ".join(map(repr, filter(None, meant[:3])))
            raise unreadable_file(
                "several_files",
                f"the zip archive holds more than one file{shown and f': {shown}'}"
                f"{' and others' if len(meant) > 3 else ''}",
                "Drop them one by one",
            )


class _Unzipping(_Inflating, _Checked):
    """The content of the only file in a zip archive, read from its beginning to its end."""

    def __init__(self, stream: Readable, crc: int | None) -> None:
        _Inflating.__init__(self, stream, wbits=-zlib.MAX_WBITS)
        _Checked.__init__(self, stream, crc)
        self._is_checked = False

    def read(self, size: int, /) -> bytes:
        return self._see(super().read(size))

    def _begin_next(self) -> bool:
        if not self._is_checked:
            self._is_checked = True
            self._check(self._inflater.unused_data)
        return False


class _Stored(_Checked):
    """The same of a file that is not compressed."""

    def __init__(self, stream: Readable, crc: int | None, size: int | None) -> None:
        super().__init__(stream, crc)
        self._left: int | None = size

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes of the content.

        Raises:
            RejectedInput: the archive is damaged, incomplete, or holds another file.
        """
        if self._left is None:
            return b""
        piece = self._rest_of.read(min(size, self._left)) if self._left else b""
        if not piece and self._left:
            raise unreadable_file(
                "corrupt_zip", "the zip archive is incomplete", "Upload the whole file again"
            )
        self._left -= len(piece)
        if not piece:
            self._left = None
            self._check(b"")
        return self._see(piece)


def _unusable(why: str, remedy: str = "Drop the file itself") -> RejectedInput:
    return unreadable_file("unusable_zip", f"the zip archive {why}", remedy)


def _names(end: bytes) -> list[str] | None:
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
        return ["?"] * count
    names = []
    for _ in range(count):
        if end[at : at + 4] != b"PK\x01\x02":
            return None
        name, extra, comment = (
            int.from_bytes(end[at + one : at + one + 2], "little") for one in (28, 30, 32)
        )
        names.append(end[at + 46 : at + 46 + name].decode("utf-8", "replace"))
        at += 46 + name + extra + comment
    return names
