"""Hostile files end in a child process, and nothing else does."""

from __future__ import annotations

import io
import os
import time
import zlib
from typing import BinaryIO

import pypdfium2
import pytest
from fpdf import FPDF

from finops.invoices.adapters.child_process import in_child
from finops.invoices.document_files import DocumentFile, inspect
from finops.invoices.text_layer.pdf import pages_of
from finops.shared.errors import RejectedInput


def pdf(page: bytes, *streams: bytes, kids: bytes = b"[3 0 R]") -> bytes:
    """A PDF of one page with these entries, and further objects from number 4."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids" + kids + b"/Count 1>>",
        b"<</Type/Page/Parent 2 0 R" + page + b">>",
        *streams,
    ]
    body = b"%PDF-1.4\n"
    for number, one in enumerate(objects, 1):
        body += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    return body + b"trailer<</Size %d/Root 1 0 R>>\n" % (len(objects) + 1)


def bomb(mebibytes: int) -> bytes:
    """A page whose content unpacks, in two steps, to so much."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b"q Q " * (1 << 18)) for _ in range(mebibytes))
    content = zlib.compress(packed + packer.flush())
    stream = b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%b\nendstream"
    return pdf(b"/MediaBox[0 0 612 792]/Contents 4 0 R", stream % (len(content), content))


def inspected(content: bytes, **limits: float) -> DocumentFile:
    return in_child(
        lambda file: inspect(file, len(content)),
        io.BytesIO(content),
        DocumentFile,
        **limits,  # type: ignore[arg-type]
    )


def test_a_child_reads_its_parents_file_and_answers() -> None:
    content = bytes(range(256)) * 10_000

    def ends(file: BinaryIO) -> list[str]:
        first = file.read(2)
        file.seek(-2, io.SEEK_END)
        return [first.hex(), file.read().hex(), f"{os.getpid()}"]

    first, last, pid = in_child(ends, io.BytesIO(content), list[str])
    assert (first, last) == ("0001", "feff")
    assert pid != f"{os.getpid()}"


def test_a_refusal_keeps_its_reason() -> None:
    with pytest.raises(RejectedInput) as refused:
        inspected(b"Dear Sir")
    assert (refused.value.code, refused.value.field) == ("unsupported_type", "document")
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (bomb(200), "too_demanding"),
        (pdf(b"/MediaBox[0 0 9999999 9999999]"), "page_too_large"),
        (pdf(b"", kids=b"[" * 20_000 + b"]" * 20_000), "corrupt_file"),
    ],
    ids=["bomb", "huge box", "nested"],
)
def test_a_hostile_pdf_is_rejected(content: bytes, code: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        inspected(content, memory_mib=96)
    assert refused.value.code == code


def test_a_child_that_is_too_slow_is_killed() -> None:
    start = time.monotonic()
    with pytest.raises(RejectedInput) as refused:
        in_child(lambda _: time.sleep(60), io.BytesIO(b""), type(None), seconds=0.2)
    assert refused.value.code == "too_demanding"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("crash", [os.abort, lambda: os._exit(3)])
def test_a_child_that_crashes_is_a_refusal(crash: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        in_child(lambda _: crash(), io.BytesIO(b""), type(None))  # type: ignore[operator]
    assert refused.value.code == "too_demanding"


def test_an_error_of_the_reader_is_damage() -> None:
    with pytest.raises(RejectedInput, match="ZeroDivisionError") as refused:
        in_child(lambda _: 1 // 0, io.BytesIO(b""), int)
    assert refused.value.code == "corrupt_file"


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_turned_pages_are_read_upright(turned: int) -> None:
    made = FPDF(unit="pt", format=(400, 400))
    made.add_page()
    made.set_font("Helvetica", size=12)
    with made.rotation(turned, 200, 200):
        made.text(40, 60, "Invoice number 77 of Acme Limited,")
        made.text(40, 90, "dated today")
    with pypdfium2.PdfDocument(bytes(made.output())) as document:
        document[0].set_rotation(turned)
        saved = io.BytesIO()
        document.save(saved)
    (page,) = pages_of(saved)
    assert page
    assert [word.text for word in page.words] == [
        *("Invoice", "number", "77", "of", "Acme", "Limited,", "dated", "today"),
    ]
    first = page.words[0]
    assert first.left == pytest.approx(40 / 400, abs=0.02)
    assert first.bottom == pytest.approx(63 / 400, abs=0.02)
