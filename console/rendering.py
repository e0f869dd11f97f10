"""A document's pages as images."""

from __future__ import annotations

import base64
import io
from typing import Any, BinaryIO, Final

from finops.invoices.adapters.child_process import in_child
from finops.shared.errors import RejectedInput

#: Pixels of a page's longer side: sharp on a large screen, some 200 KB to send.
_LONGER_SIDE: Final = 1600
#: Of a process that draws a page: a scan of 10,000 by 10,000 pixels takes 400 MB.
_MEMORY_MIB: Final = 1024


def page_image(file: BinaryIO, media_type: str, page: int) -> str:
    """A page as a data URL.

    Args:
        file: The document, seekable.
        media_type: Found by the intake from the document's content.
        page: From 1.

    Raises:
        RejectedInput: the document has no such page, or is not a PDF or an image.
    """
    if media_type != "application/pdf" and not media_type.startswith("image/"):
        problem = f"{media_type} has no pages" if media_type else "it has not been read"
        raise RejectedInput(problem, code="not_shown")
    drawn = in_child(
        lambda theirs: _jpeg(theirs, media_type, page), file, bytes, memory_mib=_MEMORY_MIB
    )
    return "data:image/jpeg;base64," + base64.b64encode(drawn).decode()


def _jpeg(file: BinaryIO, media_type: str, page: int) -> bytes:
    draw = _pdf_page if media_type == "application/pdf" else _frame
    image = draw(file, page)
    image.thumbnail((_LONGER_SIDE, _LONGER_SIDE))
    written = io.BytesIO()
    image.convert("RGB").save(written, "JPEG", quality=82)
    return written.getvalue()


def _pdf_page(file: BinaryIO, page: int) -> Any:
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        if not 1 <= page <= len(document):
            raise RejectedInput(f"there is no page {page}", code="no_page")
        found = document[page - 1]
        scale = min(3.0, _LONGER_SIDE / max(found.get_size()))
        return found.render(scale=scale).to_pil()


def _frame(file: BinaryIO, page: int) -> Any:
    from PIL import Image

    with Image.open(file) as image:
        try:
            image.seek(page - 1)
        except EOFError:
            raise RejectedInput(f"there is no page {page}", code="no_page") from None
        return image.copy()
