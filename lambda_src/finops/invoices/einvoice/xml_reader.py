"""A reader of XML that does what invoices need, and refuses the rest.

Document types, entities and other encodings than those of invoices are refused; size, depth, number
of elements and length of values are bounded, while the file is read piece by piece. Billion laughs,
external entities and their relatives need a document type:
https://cheatsheetseries.owasp.org/cheatsheets/XML_External_Entity_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from finops.shared.errors import RejectedInput

LARGEST_XML: Final = 50 << 20
DEEPEST: Final = 40
MOST_ELEMENTS: Final = 400_000
MOST_ATTRIBUTES: Final = 32
#: Characters of a value that is kept. Attached files (BT-125) are not kept, of whatever length.
LONGEST_TEXT: Final = 20_000
LONGEST_ATTRIBUTE: Final = 2_000
#: Characters that expat may hold without reporting anything, such as a tag that never ends: older
#: versions read all of them again with each piece (CVE-2023-52425).
_LONGEST_TAG: Final = 200_000
_PIECE: Final = 1 << 16
_DECLARED: Final = re.compile(
    rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']"""
)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What invoices are written in. UTF-7, UTF-32 and EBCDIC are ways around filters.
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}


@dataclass(slots=True)
class Element:
    """An element of the document.

    Attributes:
        name: The prefix of its namespace as the reader was told, and its name: `cbc:ID`.
        line: Where it starts, counted from 1.
        text: Its text without that of its children, stripped.
    """

    name: str
    line: int
    attributes: Mapping[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, path: str) -> Iterator[Element]:
        """The elements at a path of names from here, such as `cac:Party/cbc:EndpointID`."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child


def read_xml(file: BinaryIO, prefixes: Mapping[str, str], unkept: frozenset[str]) -> Element:
    """The root of a document; elements of other namespaces are left out.

    Args:
        file: Read from its current position, in pieces.
        prefixes: For each namespace that is read the prefix in `Element.name`. The root may have
            any: without a prefix its name is `{namespace}name`.
        unkept: The names of elements whose text is not kept.

    Raises:
        RejectedInput: `invalid_xml` with the line, `unsafe_xml` for what no invoice needs, or
            `too_demanding` beyond one of the limits.
    """
    reader = _Reader(prefixes, unkept)
    start = file.read(_PIECE)
    encoding, skipped = _encoding(start)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read, piece = 0, start[skipped:]
    while True:
        read += len(piece)
        if read > LARGEST_XML:
            raise _too_demanding(f"the XML is larger than {LARGEST_XML >> 20} MiB")
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise _refused(
                "invalid_xml",
                f"line {reader.line}: the file is not in {encoding.upper()}, as it says: "
                f"{error.reason}",
                "Save it as UTF-8",
            ) from error
        reader.feed(text, last=not piece)
        if not piece:
            return reader.root()
        piece = file.read(_PIECE)


def _encoding(start: bytes) -> tuple[str, int]:
    """The encoding by the byte order mark or the declaration, and the length of the mark."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"\0\0\0<", b"<\0\0\0")):
        raise _encoding_refused("UTF-32")
    mark, by_mark = next(((m, name) for m, name in _MARKS if start.startswith(m)), (b"", ""))
    if not mark and start[:2] in {b"<\0", b"\0<"}:
        by_mark = "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    head = start[len(mark) :]
    if by_mark.startswith("utf-16"):
        head = head[:600].decode(by_mark, "replace").encode("ascii", "replace")
    match = _DECLARED.match(head)
    declared = match[1].decode().lower() if match else ""
    if by_mark.startswith("utf-16"):
        if declared not in {"", "utf-16", by_mark}:
            raise _encoding_refused(f"UTF-16 and says {declared.upper()}")
        return by_mark, len(mark)
    if declared and (declared not in _ENCODINGS or (mark and _ENCODINGS[declared] != "utf-8")):
        raise _encoding_refused(declared.upper())
    return _ENCODINGS.get(declared, "utf-8"), len(mark)


class _Reader:
    """Builds the tree from expat's events."""

    def __init__(self, prefixes: Mapping[str, str], unkept: frozenset[str]) -> None:
        self._prefixes, self._unkept = prefixes, unkept
        # The text is decoded before expat reads it, whatever encoding it declares.
        self._parser = parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._stack: list[Element] = []
        self._texts: list[list[str]] = []
        self._lengths: list[int] = []
        self._root: Element | None = None
        self._left_out = 0
        self._count = 0
        self._fed = 0

    @property
    def line(self) -> int:
        return int(self._parser.CurrentLineNumber)

    def feed(self, text: str, *, last: bool) -> None:
        content = text.encode()
        self._fed += len(content)
        try:
            self._parser.Parse(content, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code) or "it cannot be read"
            raise _refused(
                "invalid_xml",
                f"line {error.lineno}, column {error.offset + 1}: {what}",
                "Send it as the invoicing software wrote it",
            ) from error
        if not last and self._fed - max(self._parser.CurrentByteIndex, 0) > _LONGEST_TAG:
            raise _too_demanding(f"line {self.line}: a tag or comment is too long")

    def root(self) -> Element:
        if self._root is None:
            raise _refused("invalid_xml", "the XML has no element", "Send it again")
        return self._root

    def _doctype(self, *_: Any) -> None:
        raise _refused(
            "unsafe_xml",
            f"line {self.line}: the XML has a document type or entities, which no invoice needs",
            "Send it without <!DOCTYPE>",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise _too_demanding(f"line {self.line}: more than {MOST_ELEMENTS:,} elements")
        if len(self._stack) + self._left_out >= DEEPEST:
            raise _too_demanding(f"line {self.line}: elements are nested too deeply")
        if len(attributes) > MOST_ATTRIBUTES or any(
            len(key) + len(value) > LONGEST_ATTRIBUTE for key, value in attributes.items()
        ):
            raise _too_demanding(f"line {self.line}: attributes are too many or too long")
        namespace, _, local = name.rpartition(" ")
        prefix = self._prefixes.get(namespace)
        if self._left_out or (prefix is None and self._stack):
            self._left_out += 1
            return
        known = f"{{{namespace}}}{local}" if prefix is None else f"{prefix}:{local}"
        element = Element(known, self.line, attributes)
        if self._stack:
            self._stack[-1].children.append(element)
        else:
            self._root = element
        self._stack.append(element)
        self._texts.append([])
        self._lengths.append(0)

    def _end(self, _name: str) -> None:
        if self._left_out:
            self._left_out -= 1
            return
        element = self._stack.pop()
        self._lengths.pop()
        element.text = "".join(self._texts.pop()).strip()

    def _characters(self, text: str) -> None:
        if self._left_out or not self._stack or self._stack[-1].name in self._unkept:
            return
        self._lengths[-1] += len(text)
        if self._lengths[-1] > LONGEST_TEXT:
            name = self._stack[-1].name
            raise _too_demanding(f"line {self.line}: the text of {name} is too long")
        self._texts[-1].append(text)


def _encoding_refused(what: str) -> RejectedInput:
    return _refused("unsafe_xml", f"the XML is in {what}", "Save it as UTF-8")


def _too_demanding(message: str) -> RejectedInput:
    return _refused("too_demanding", message, "Send a smaller file, or split the invoice")


def _refused(code: str, message: str, remedy: str) -> RejectedInput:
    return RejectedInput(message, code=code, field="document", step="read", remedy=remedy)
