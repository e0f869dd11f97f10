from __future__ import annotations

import io

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import sample_einvoices
from finops.invoices import document_files
from finops.invoices.document_files import inspect
from finops.invoices.text_layer.pdf import analyze_text_layer, pages_of
from finops.shared.errors import RejectedInput


def pdf(
    pages: int = 1, password: str = "", text: str = "Invoice number 77 of Acme Limited, dated today"
) -> bytes:
    made = FPDF()
    for _ in range(pages):
        made.add_page()
        made.set_font("Helvetica", size=12)
        made.text(20, 20, text)
    if password:
        made.set_encryption(owner_password="owner", user_password=password)
    return bytes(made.output())


def image(form: str, pages: int = 1, size: tuple[int, int] = (40, 30)) -> bytes:
    first, *rest = (Image.new("RGB", size, (n * 40, 0, 0)) for n in range(pages))
    file = io.BytesIO()
    if rest:
        first.save(file, form, save_all=True, append_images=rest)
    else:
        first.save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "media_type", "pages"),
    [
        (pdf(), "PDF", "application/pdf", 1),
        (pdf(12), "PDF", "application/pdf", 12),
        (b"junk before it\n" + pdf(), "PDF", "application/pdf", 1),
        (image("PNG"), "PNG", "image/png", 1),
        (image("JPEG"), "JPEG", "image/jpeg", 1),
        (image("TIFF"), "TIFF", "image/tiff", 1),
        (image("TIFF", 3), "TIFF", "image/tiff", 3),
    ],
)
def test_the_type_of_a_file_is_that_of_its_content(
    content: bytes, kind: str, media_type: str, pages: int
) -> None:
    found = inspect(io.BytesIO(content), len(content))
    assert (found.kind, found.media_type, found.pages, found.size) == (
        kind,
        media_type,
        pages,
        len(content),
    )


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "empty_file", "empty"),
        (pdf(password="secret"), "encrypted_pdf", "password"),
        (pdf()[:200], "corrupt_file", "damaged"),
        (image("PNG")[:60], "corrupt_file", "damaged"),
        (image("TIFF")[:20], "corrupt_file", "damaged"),
        (b"\xff\xd8\xff\xe0 and no more", "corrupt_file", "damaged"),
        (b"PK\x03\x04" + bytes(50), "unsupported_type", "Office"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "unsupported_type", "Office"),
        (b"GIF89a" + bytes(50), "unsupported_type", "GIF"),
        (bytes(4) + b"ftypheic", "unsupported_type", "HEIC"),
        (b"RIFF\x00\x00\x00\x00WEBP", "unsupported_type", "WebP"),
        (b"<html>", "unsupported_type", "web page"),
        (b"\n<!DOCTYPE HTML>", "unsupported_type", "web page"),
        (b"Dear Sir", "unsupported_type", "plain text"),
        (bytes([200] * 20), "unsupported_type", "unknown"),
        (image("PNG", size=(10_001, 2)), "image_too_large", "10,001"),
    ],
)
def test_an_unreadable_file_is_refused_with_a_remedy(content: bytes, code: str, said: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        inspect(io.BytesIO(content), len(content))
    assert refused.value.code == code
    assert said in refused.value.message
    assert refused.value.remedy


def test_limits_are_those_of_textract(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, size in ((image("PNG"), (10 << 20) + 1), (pdf(), (500 << 20) + 1)):
        with pytest.raises(RejectedInput) as refused:
            inspect(io.BytesIO(content), size)
        assert refused.value.code == "too_large"
    monkeypatch.setattr(document_files, "MOST_PAGES", 2)
    with pytest.raises(RejectedInput) as refused:
        inspect(io.BytesIO(pdf(3)), 1000)
    assert refused.value.code == "too_many_pages"


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"II*\0"])
)
def test_any_content_is_read_or_refused(content: bytes, start: bytes) -> None:
    try:
        found = inspect(io.BytesIO(start + content), len(start + content))
    except RejectedInput:
        return
    # Whether it is XML, and an invoice, is for its reader to say.
    assert found.kind == "XML"
    assert b"<" in content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_xml_is_known_by_its_content(encoding: str) -> None:
    content = "\n <Invoice/>".encode(encoding)
    found = inspect(io.BytesIO(content), len(content))
    assert (found.kind, found.media_type, found.pages) == ("XML", "application/xml", 1)


def test_files_in_a_pdf_are_counted() -> None:
    content = sample_einvoices.hybrid(sample_einvoices.Sale())
    assert inspect(io.BytesIO(content), len(content)).attachments == 1
    assert inspect(io.BytesIO(pdf()), 1000).attachments == 0


def test_words_have_positions() -> None:
    (page,) = pages_of(io.BytesIO(pdf()))
    assert page
    assert [word.text for word in page.words] == [
        *("Invoice", "number", "77", "of", "Acme", "Limited,", "dated", "today"),
    ]
    first = page.words[0]
    assert first.left == pytest.approx(20 / 210, abs=0.01)
    assert first.bottom == pytest.approx(20 / 297, abs=0.01)
    assert all(0 <= word.left < word.right <= 1 for word in page.words)


@pytest.mark.parametrize("text", ["", "Scan"])
def test_a_page_without_text_has_no_text_layer(text: str) -> None:
    assert analyze_text_layer(io.BytesIO(pdf(text=text))) is None
