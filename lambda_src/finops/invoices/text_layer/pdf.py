"""Reads the text of a PDF that has some, without Textract.

The local cloud's Textract uses the same rules, so both engines agree there on documents with text.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def pages_of(file: BinaryIO) -> Iterator[PageWords | None]:
    """The words of each page of a PDF; None for a page without usable text."""
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        for index in range(len(document)):
            page = document[index]
            try:
                yield _words(page)
            finally:
                page.close()


def _words(page: Any) -> PageWords | None:
    from pypdfium2 import raw

    if page.get_rotation():
        return None
    width, height = page.get_size()
    # pypdfium2 does not find a box that a page inherits; its size is right all the same.
    found = page.get_cropbox(fallback_ok=False) or page.get_mediabox(fallback_ok=False)
    left, bottom = found[:2] if found else (0.0, 0.0)
    right, top = left + width, bottom + height
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        count = text_page.count_chars()
        readable = [c for c in text if not c.isspace()]
        if len(readable) < _FEWEST or width <= 0 or height <= 0:
            return None
        strange = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or c < " " for c in readable)
        if strange > _UNREADABLE * len(readable):
            return None
        words: list[Word] = []
        letters: list[str] = []
        box = (0.0, 0.0, 0.0, 0.0)

        def end_word() -> None:
            if not letters:
                return
            x0, y0, x1, y1 = box
            words.append(
                Word(
                    text="".join(letters),
                    left=(x0 - left) / width,
                    top=(top - y1) / height,
                    right=(x1 - left) / width,
                    bottom=(top - y0) / height,
                )
            )
            letters.clear()

        for index in range(count):
            character = chr(raw.FPDFText_GetUnicode(text_page, index))
            if character.isspace() or character in "\x00\x02\ufffe":
                end_word()
                continue
            x0, y0, x1, y1 = text_page.get_charbox(index, loose=True)
            if x1 <= x0 or x1 < left or x0 > right or y1 < bottom or y0 > top:
                continue
            size = y1 - y0
            # Letters far apart, or on another line, belong to different words.
            if letters and (x0 > box[2] + 0.3 * size or x1 < box[0] or abs(y0 - box[1]) > size / 2):
                end_word()
            if letters:
                box = (min(box[0], x0), min(box[1], y0), max(box[2], x1), max(box[3], y1))
            else:
                box = (x0, y0, x1, y1)
            letters.append(character)
        end_word()
    finally:
        text_page.close()
    return PageWords(words=tuple(words), aspect=width / height)
