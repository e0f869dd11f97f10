"""Documents to answers of AnalyzeExpense; runs apart from the emulator, in a process of its own.

    python -m localcloud.textract.reader

reads a JSON document a line ({"path", "synchronous"}) and answers one a line: {"answer"}, or the
{"error", "message"} that Textract gives. It ends with its input, and so with the emulator.

Text comes from the PDF where a page has it; other pages and images are recognized by the program
tesseract. The rules by which fields are found are those of the project's own text-layer engine.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pypdfium2
from PIL import Image, ImageOps

from finops.invoices.adapters.child_process import in_child
from finops.invoices.document_files import DocumentFile, inspect
from finops.invoices.text_layer.layout import analyze_expense
from finops.invoices.text_layer.pdf import pages_of
from finops.invoices.text_layer.words import PageWords, Word
from finops.shared.errors import RejectedInput

#: Dots per inch at which a page without text is looked at, as a scanner would.
_RESOLUTION = 200
#: A side of a rendered page.
_MOST_PIXELS = 6_000
_SYNCHRONOUS_BYTES = 10 << 20
#: Below this percent a word is noise between lines.
_LEAST = 20.0

#: Textract's errors by our reasons:
#: https://docs.aws.amazon.com/textract/latest/APIReference/API_AnalyzeExpense.html
_ERRORS = {
    "empty_file": "InvalidParameterException",
    "unsupported_type": "UnsupportedDocumentException",
    "too_large": "DocumentTooLargeException",
    "encrypted_pdf": "UnsupportedDocumentException",
}


class ReadError(Exception):
    """A document that Textract refuses, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def analyze(path: Path, *, synchronous: bool) -> dict[str, Any]:
    """The answer to a document.

    Raises:
        ReadError: Textract would refuse it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            found = in_child(lambda theirs: inspect(theirs, size), file, DocumentFile)
        except RejectedInput as error:
            raise ReadError(_ERRORS.get(error.code, "BadDocumentException"), str(error)) from error
        if found.kind == "XML":
            raise ReadError(
                "UnsupportedDocumentException", "Request has unsupported document format"
            )
        if synchronous and size > _SYNCHRONOUS_BYTES:
            raise ReadError("DocumentTooLargeException", f"Document of {size} bytes is too large")
        if synchronous and found.pages > 1:
            raise ReadError(
                "UnsupportedDocumentException", "Request has unsupported document format"
            )
        try:
            return analyze_expense(list(_pages(file, found)))
        except RejectedInput as error:
            raise ReadError("BadDocumentException", str(error)) from error


def _pages(file: BinaryIO, found: DocumentFile) -> Iterator[PageWords]:
    file.seek(0)
    if found.kind == "PDF":
        texts = in_child(_texts, file, list[PageWords | None], seconds=60)
        for number, page in enumerate(texts):
            yield page if page is not None else _recognized(_rendered(file, number))
        return
    with Image.open(file) as image:
        for number in range(found.pages):
            image.seek(number)
            yield _recognized(ImageOps.exif_transpose(image.convert("RGB")))


def _rendered(file: BinaryIO, number: int) -> Image.Image:
    def render(theirs: BinaryIO) -> bytes:
        with pypdfium2.PdfDocument(theirs) as document:
            page = document[number]
            scale = min(_RESOLUTION / 72, _MOST_PIXELS / max(page.get_size()))
            picture = io.BytesIO()
            page.render(scale=scale).to_pil().convert("RGB").save(picture, "PNG")
        return picture.getvalue()

    with Image.open(io.BytesIO(in_child(render, file, bytes, memory_mib=1024))) as image:
        return image.convert("RGB")


def _texts(file: BinaryIO) -> list[PageWords | None]:
    return list(pages_of(file))


def _recognized(image: Image.Image) -> PageWords:
    """The words of an image."""
    program = shutil.which("tesseract")
    if program is None:
        raise ReadError(
            "InternalServerError",
            "pages without text need the program tesseract: apt-get install tesseract-ocr, "
            "brew install tesseract",
        )
    picture = io.BytesIO()
    image.save(picture, "PNG")
    ran = subprocess.run(
        [program, "stdin", "stdout", "--psm", "4", "--dpi", str(_RESOLUTION), "tsv"],
        input=picture.getvalue(),
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    if ran.returncode:
        raise ReadError("InternalServerError", ran.stderr.decode(errors="replace")[-500:])
    width, height = image.size
    words = []
    table = io.StringIO(ran.stdout.decode("utf-8", "replace"))
    for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
        text, sure = (row["text"] or "").strip(), float(row["conf"])
        if not text or sure < _LEAST or not any(one.isalnum() or one in "€$£¥%" for one in text):
            continue
        left, top, wide, high = (int(row[name]) for name in ("left", "top", "width", "height"))
        words.append(
            Word(
                text=text,
                left=left / width,
                top=top / height,
                right=(left + wide) / width,
                bottom=(top + high) / height,
                confidence=sure,
            )
        )
    return PageWords(words=tuple(words), aspect=width / height)


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = analyze(Path(request["path"]), synchronous=request["synchronous"])
            said: dict[str, Any] = {"answer": answer}
        except ReadError as error:
            said = {"error": error.code, "message": str(error)}
        except Exception as error:
            said = {"error": "InternalServerError", "message": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
