"""A document's pages as images."""

from __future__ import annotations

import base64
import io
from typing import Any, BinaryIO, Final

from finops.shared.errors import RejectedInput

#: Pixels of a page's longer side: sharp on a large screen, some 200 KB to send.
_LONGER_SIDE: Final = 1600


def page_image(file: BinaryIO, media_type: str, page: int) -> str:
    """A page as a data URL.

    Args:
        file: The document, seekable.
        media_type: Found by the intake from the document's content.
        page: From 1.

    Raises:
        RejectedInput: the document has no such page, or is not a PDF or an image.
    """
    if media_type == "application/pdf":
        image = _pdf_page(file, page)
    elif media_type.startswith("image/"):
        image = _frame(file, page)
    else:
        raise RejectedInput(f"{media_type or 'this document'} cannot be shown", code="not_shown")
    image.thumbnail((_LONGER_SIDE, _LONGER_SIDE))
    written = io.BytesIO()
    image.convert("RGB").save(written, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()


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
