from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.einvoice import xml_reader
from finops.invoices.einvoice.xml_reader import Element, read_xml
from finops.shared.errors import RejectedInput

PREFIXES = {"urn:a": "a"}


def read(content: bytes) -> Element:
    return read_xml(io.BytesIO(content), PREFIXES, frozenset({"a:File"}))


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(RejectedInput) as refused:
        read(content)
    assert refused.value.remedy
    return refused.value.code, refused.value.message


def nested(depth: int) -> bytes:
    return b'<Root xmlns="urn:a">' + b"<x>" * depth + b"</x>" * depth + b"</Root>"


LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<r>&b;</r>"""
EXTERNAL = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'
PARAMETER = b'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://localhost/x.dtd"> %x;]><r/>'
OUTSIDE = b'<!DOCTYPE r SYSTEM "http://localhost/x.dtd"><r/>'


@pytest.mark.parametrize("content", [LAUGHS, EXTERNAL, PARAMETER, OUTSIDE])
def test_document_types_and_entities_are_refused(content: bytes) -> None:
    code, message = refusal(content)
    assert (code, message[:5]) == ("unsafe_xml", "line ")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_an_entity_does_not_hide_in_another_encoding(encoding: str) -> None:
    assert refusal(EXTERNAL.decode().encode(encoding))[0] == "unsafe_xml"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE r+AD4-<r/>', "UTF-7"),
        (b'<?xml version="1.0" encoding="cp037"?><r/>', "CP037"),
        ("<r/>".encode("utf-32"), "UTF-32"),
        ('<?xml version="1.0" encoding="UTF-8"?><r/>'.encode("utf-16"), "UTF-16 and says UTF-8"),
        (b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><r/>', "ISO-8859-1"),
    ],
)
def test_encodings_that_no_invoice_has_or_that_lie_are_refused(content: bytes, said: str) -> None:
    code, message = refusal(content)
    assert (code, said in message) == ("unsafe_xml", True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<r>\xe4</r>', "not in UTF-8"),
        (b'<?xml version="1.0" encoding="US-ASCII"?>\n<r>\xc3\xa4</r>', "not in ASCII"),
        (b"<a>\n<b>\n</a>", "line 3, column 3: mismatched tag"),
        (b"", "no element found"),
        (b"<a>", "no element found"),
        (b"\n <?xml version='1.0'?><a/>", "line 2"),
        (b"<a/><b/>", "junk after document element"),
        (b"<a>&unknown;</a>", "undefined entity"),
        (b"<p:a/>", "unbound prefix"),
        (b"<a b='1' b='2'/>", "duplicate attribute"),
        (b"<a>\x00</a>", "not well-formed"),
    ],
)
def test_what_is_no_xml_is_refused_with_its_line(content: bytes, said: str) -> None:
    code, message = refusal(content)
    assert (code, message.startswith("line "), said in message) == ("invalid_xml", True, True)


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "utf-16"),
        ("iso-8859-15", "ISO-8859-15"),
        ("cp1252", "windows-1252"),
    ],
)
def test_usual_encodings_are_read(encoding: str, declared: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    assert read(f'{head}<Root xmlns="urn:a">Ähre 5 €</Root>'.encode(encoding)).text == "Ähre 5 €"


def test_depth_is_bounded() -> None:
    assert read(nested(xml_reader.DEEPEST - 1)).name == "a:Root"
    assert refusal(nested(xml_reader.DEEPEST + 1))[0] == "too_demanding"
    assert refusal(b"<x xmlns='urn:other'>" * 100_000)[0] == "too_demanding"


@pytest.mark.parametrize(
    "content",
    [
        b"<a b='" + b"x" * 3_000 + b"'/>",
        b"<a " + b" ".join(b"b%d='1'" % n for n in range(40)) + b"/>",
        b"<a xmlns='urn:a'>" + b"x" * 30_000 + b"</a>",
        b"<a b='" + b"x" * 900_000,
        b"<!--" + b"x" * 900_000,
    ],
)
def test_lengths_are_bounded(content: bytes) -> None:
    assert refusal(content)[0] == "too_demanding"


def test_the_number_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reader, "MOST_ELEMENTS", 100)
    assert refusal(b"<a xmlns='urn:a'>" + b"<b/>" * 100 + b"</a>")[0] == "too_demanding"
    monkeypatch.setattr(xml_reader, "LARGEST_XML", 1_000)
    assert refusal(b"<a>" + b" " * 1_000 + b"</a>")[0] == "too_demanding"


def test_an_attached_file_takes_no_memory() -> None:
    content = b"<Root xmlns='urn:a'><File>" + b"QUJD" * 1_000_000 + b"</File><x>1</x></Root>"
    tracemalloc.start()
    try:
        root = read(content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(one.name, one.text) for one in root.children] == [("a:File", ""), ("a:x", "1")]
    assert most < 2 << 20


def test_elements_of_other_namespaces_are_no_values() -> None:
    root = read(b"<Root xmlns='urn:a' xmlns:e='urn:evil'><e:x>1</e:x><x>2<e:x>3</e:x></x></Root>")
    assert [(one.name, one.text) for one in root.children] == [("a:x", "2")]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for start in (b"", b"<a>", b"<?xml version='1.0' encoding='"):
        try:
            read(start + content)
        except RejectedInput:
            continue
