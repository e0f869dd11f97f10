"""The type of a file, judged by its content and never by its name, and whether it can be read.

Limits are Textract's: https://docs.aws.amazon.com/textract/latest/dg/limits-document.html
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from finops.invoices.einvoice.xml_reader import LARGEST_XML
from finops.shared.errors import RejectedInput

_MIB: Final = 1 << 20
LARGEST_IMAGE: Final = 10 * _MIB
LARGEST_DOCUMENT: Final = 500 * _MIB
XML_TYPE: Final = "application/xml"
MOST_PAGES: Final = 3000
MOST_PIXELS_A_SIDE: Final = 10_000
#: Of a page's height and width, 1/72 inch each.
MOST_POINTS_A_SIDE: Final = 9_000

_REMEDY: Final = "Save it as PDF, PNG, JPEG or TIFF, or as XML in UBL or CII"
#: First bytes of other files that people send.
_OTHERS: Final = (
    (b"PK\x03\x04", "an Office document or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"{\\rtf", "an RTF document"),
)
#: Starts of XML, without a byte order mark, in UTF-8 and UTF-16.
_XML: Final = (b"<", b"<\0", b"\0<")
_WEB_PAGE: Final = (b"<!doctype html", b"<html")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFile:
    """A document that can be read.

    Attributes:
        kind: PDF, PNG, JPEG, TIFF or XML.
        pages: Number of pages; 1 for XML.
        size: Bytes.
        attachments: Number of files that a PDF contains.
    """

    kind: str
    media_type: str
    pages: int
    size: int
    attachments: int = 0


def inspect(file: BinaryIO, size: int) -> DocumentFile:
    """Check a document; reads only what is needed to count its pages and to open the first.

    A hostile file can take any memory and time: call it where both are bounded.

    Args:
        file: The seekable document.
        size: Bytes.

    Raises:
        RejectedInput: the document cannot be read; with code `empty_file`, `unsupported_type`,
            `encrypted_pdf`, `corrupt_file`, `too_large`, `too_many_pages`, `page_too_large` or
        `image_too_large`.
    """
    if size == 0:
        raise _refused("empty_file", "the file is empty", "Send it again")
    file.seek(0)
    start = file.read(1024)
    file.seek(0)
    if b"%PDF-" in start:
        return _pdf(file, size)
    for kind, marks in (
        ("PNG", (b"\x89PNG\r\n\x1a\n",)),
        ("JPEG", (b"\xff\xd8\xff",)),
        ("TIFF", (b"II*\x00", b"MM\x00*")),
    ):
        if start.startswith(marks):
            return _image(file, size, kind)
    text = start.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    if text.startswith(_XML) and not text.lower().startswith(_WEB_PAGE):
        if size > LARGEST_XML:
            raise _too_large(size, LARGEST_XML)
        return DocumentFile(kind="XML", media_type=XML_TYPE, pages=1, size=size)
    raise _refused("unsupported_type", f"the file is {_looks_like(start)}", _REMEDY)


def _pdf(file: BinaryIO, size: int) -> DocumentFile:
    import pypdfium2

    if size > LARGEST_DOCUMENT:
        raise _too_large(size, LARGEST_DOCUMENT)
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise _refused(
                "encrypted_pdf",
                "the PDF is protected with a password",
                "Save it without a password",
            ) from error
        raise _refused(
            "corrupt_file", f"the PDF is damaged: {error}", "Save or scan it again"
        ) from error
    with document:
        pages = len(document)
        if pages == 0:
            raise _refused("corrupt_file", "the PDF has no pages", "Save or scan it again")
        found = _counted("PDF", "application/pdf", pages, size)
        found = replace(found, attachments=document.count_attachments())
        try:
            sides = [max(document.get_page_size(number)) for number in range(pages)]
            document[0].close()
        except pypdfium2.PdfiumError as error:
            raise _refused(
                "corrupt_file", f"a page of the PDF is damaged: {error}", "Save or scan it again"
            ) from error
    if max(sides) > MOST_POINTS_A_SIDE:
        raise _refused(
            "page_too_large",
            f"a page has a side of {max(sides):,.0f} points; the limit is {MOST_POINTS_A_SIDE:,}",
            "Print it to a smaller page",
        )
    return found


def _image(file: BinaryIO, size: int, kind: str) -> DocumentFile:
    from PIL import Image, UnidentifiedImageError

    largest = LARGEST_DOCUMENT if kind == "TIFF" else LARGEST_IMAGE
    if size > largest:
        raise _too_large(size, largest)
    try:
        # Pillow also warns about damage that does not prevent reading.
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=[kind]) as image:
            width, height = image.size
            pages = getattr(image, "n_frames", 1)
            image.verify()
    except Image.DecompressionBombError as error:
        raise _refused("image_too_large", str(error), "Scan it at a lower resolution") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise _refused(
            "corrupt_file", f"the {kind} image is damaged: {error}", "Save or scan it again"
        ) from error
    if max(width, height) > MOST_PIXELS_A_SIDE:
        raise _refused(
            "image_too_large",
            f"the image has {width:,} by {height:,} pixels; the limit is "
            f"{MOST_PIXELS_A_SIDE:,} per side",
            "Scan it at a lower resolution",
        )
    return _counted(kind, f"image/{kind.lower()}", pages, size)


def _counted(kind: str, media_type: str, pages: int, size: int) -> DocumentFile:
    if pages > MOST_PAGES:
        raise _refused(
            "too_many_pages",
            f"the document has {pages:,} pages; the limit is {MOST_PAGES:,}",
            "Split it",
        )
    return DocumentFile(kind=kind, media_type=media_type, pages=pages, size=size)


def _looks_like(start: bytes) -> str:
    for mark, what in _OTHERS:
        if start.startswith(mark):
            return what
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGE):
        return "a web page"
    if start[4:8] == b"ftyp":
        return "a HEIC image or a video"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "a WebP image"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        return "of an unknown type"
    return "plain text"


def _too_large(size: int, largest: int) -> RejectedInput:
    return _refused(
        "too_large",
        f"the file is {size / _MIB:,.1f} MiB; the limit is {largest // _MIB} MiB",
        "Split it, or scan it at a lower resolution",
    )


def _refused(code: str, message: str, remedy: str) -> RejectedInput:
    return RejectedInput(message, code=code, field="document", step="inspect", remedy=remedy)
