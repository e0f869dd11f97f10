"""Reads the text of a PDF that has some, without Textract.

The local cloud's Textract uses the same rules, so both engines agree there on documents with text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from finops.invoices.text_layer.layout import analyze_expense
from finops.invoices.text_layer.words import PageWords, Word

#: A page with fewer characters is an image, perhaps with a stamp.
_FEWEST: Final = 30
#: The largest share of characters that fonts without a map to Unicode give.
_UNREADABLE: Final = 0.1


def analyze_text_layer(file: BinaryIO) -> dict[str, Any] | None:
    """AnalyzeExpense's response from the text of a PDF; None if a page has no usable text."""
    pages = []
    for page in pages_of(file):
        if page is None:
            return None
        pages.append(page)
    return analyze_expense(pages) if pages else None


def pages_of(file: BinaryIO, *, both_ends: int = 0) -> Iterator[PageWords | None]:
    """The words of each page of a PDF; None for a page without usable text.

    Args:
        file: The PDF.
        both_ends: How many pages of each end; 0 for all pages.
    """
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        for index in range(len(document)):
            if both_ends and both_ends <= index < len(document) - both_ends:
                continue
            page = document[index]
            try:
                yield _words(page)
            finally:
                page.close()


def _words(page: Any) -> PageWords | None:
    width, height = page.get_size()
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        readable = [c for c in text if not c.isspace()]
        if len(readable) < _FEWEST or width <= 0 or height <= 0:
            return None
        strange = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or c < " " for c in readable)
        if strange > _UNREADABLE * len(readable):
            return None
        words = list(_joined(_letters(text_page, _sight(page)), width, height))
    finally:
        text_page.close()
    return PageWords(words=tuple(words), aspect=width / height)


@dataclass(frozen=True, slots=True)
class _Letter:
    """Characters and their box on the page as people see it, in points from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


#: Turns a box of the page, with its origin at the bottom left, as the page is turned.
_Sight = Callable[[float, float, float, float], tuple[float, float, float, float]]


def _sight(page: Any) -> _Sight:
    width, height = page.get_size()
    turned = page.get_rotation()
    across, down = (height, width) if turned in {90, 270} else (width, height)
    # pypdfium2 does not find a box that a page inherits; its size is right all the same.
    found = page.get_cropbox(fallback_ok=False) or page.get_mediabox(fallback_ok=False)
    left, bottom = found[:2] if found else (0.0, 0.0)

    def seen(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        x0, x1, y0, y1 = x0 - left, x1 - left, y0 - bottom, y1 - bottom
        if turned == 90:
            return y0, x0, y1, x1
        if turned == 180:
            return across - x1, y0, across - x0, y1
        if turned == 270:
            return down - y1, across - x1, down - y0, across - x0
        return x0, down - y1, x1, down - y0

    return seen


def _letters(text_page: Any, sight: _Sight) -> Iterator[_Letter | None]:
    """The characters of a page; None ends a word."""
    from pypdfium2 import raw

    half = ""
    for index in range(text_page.count_chars()):
        character = chr(raw.FPDFText_GetUnicode(text_page, index))
        # PDFium gives characters beyond U+FFFF in two halves.
        if "\ud800" <= character <= "\udbff":
            half = character
            continue
        if "\udc00" <= character <= "\udfff":
            whole = (half + character).encode("utf-16", "surrogatepass")
            character = whole.decode("utf-16", "replace") if half else "\ufffd"
        elif half:
            yield None
        half = ""
        if character.isspace() or character in "\x00\x02\ufffe\uffff":
            yield None
            continue
        x0, y0, x1, y1 = text_page.get_charbox(index, loose=True)
        if x1 > x0:
            yield _Letter(character, *sight(x0, y0, x1, y1))


def _joined(letters: Iterable[_Letter | None], width: float, height: float) -> Iterator[Word]:
    """The words that letters form: those near each other on a line."""
    word: _Letter | None = None
    for one in letters:
        if one and (one.right < 0 or one.left > width or one.bottom < 0 or one.top > height):
            continue
        if word and one and _follows(word, one):
            word = _Letter(
                word.text + one.text,
                min(word.left, one.left),
                min(word.top, one.top),
                max(word.right, one.right),
                max(word.bottom, one.bottom),
            )
            continue
        if word:
            yield _made(word, width, height)
        word = one
    if word:
        yield _made(word, width, height)


def _made(word: _Letter, width: float, height: float) -> Word:
    return Word(
        text=word.text,
        left=word.left / width,
        top=word.top / height,
        right=word.right / width,
        bottom=word.bottom / height,
    )


def _follows(word: _Letter, one: _Letter) -> bool:
    """Whether a letter belongs to a word: neither far from it nor on another line."""
    size = one.bottom - one.top
    return not (
        one.left > word.right + 0.3 * size
        or one.right < word.left
        or abs(one.bottom - word.bottom) > size / 2
    )
