"""A zip archive of one CSV file is read like the file, in one pass and in bounded memory."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing.domain import FileEntry
from tests.billing.use_cases import SETTINGS, Flow, bills

#: What Finder adds for each file.
FINDERS = ("__MACOSX/._march.csv", b"x" * 200)
BODY = bills(*((f"b{number}", number) for number in range(50)))


class Unseekable(io.RawIOBase):
    """What is written to a pipe: sizes and checksum follow the file."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self.written += bytes(piece)
        return len(piece)


def zipped(
    *files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, pipe: bool = False
) -> bytes:
    target = Unseekable() if pipe else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return target.written if isinstance(target, Unseekable) else target.getvalue()


def load(content: bytes, flow: Flow | None = None) -> FileEntry:
    flow = flow or Flow()
    return flow.load(flow.objects.put("billing/d/a.zip", content))


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("further", [(), (FINDERS,), (("__MACOSX/", b""), FINDERS)])
def test_one_zipped_file_is_loaded(pipe: bool, further: tuple[tuple[str, bytes], ...]) -> None:
    entry = load(zipped(("March 2026/march.CSV", BODY), *further, pipe=pipe))
    assert (entry.status, entry.tally.inserted) == ("LOADED", 50)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize(
    "before",
    [
        (("March/", b""),),
        ((".DS_Store", b"\0" * 6148),),
        (("March/", b""), ("March/.DS_Store", b"\0" * 6148), ("March/Thumbs.db", b"PK\3\4")),
        (("__MACOSX/", b""), FINDERS),
        (("__MACOSX/._march.csv", bytes(range(256)) * 999),),
    ],
)
@pytest.mark.parametrize("pipe", [False, True])
def test_what_systems_add_before_the_file_is_skipped(
    before: tuple[tuple[str, bytes], ...], method: int, pipe: bool
) -> None:
    if pipe and method == zipfile.ZIP_STORED:
        before = tuple(one for one in before if one[0].endswith("/"))
        method = zipfile.ZIP_DEFLATED
    after = ("__MACOSX/March/._march.csv", b"x" * 200)
    content = zipped(*before, ("March/march.csv", BODY), after, method=method, pipe=pipe)
    entry = load(content)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 50)


def test_a_stored_file_is_checked_by_its_checksum() -> None:
    content = zipped(("a.csv", BODY), method=zipfile.ZIP_STORED)
    assert load(content).status == "LOADED"
    assert load(content.replace(b"b7,", b"b8,", 1)).error_code == "corrupt_zip"


def test_a_large_archive_s_sizes_are_read() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((".DS_Store", b"x" * 50), ("a.csv", BODY)):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    assert load(target.getvalue()).tally.inserted == 50


def test_a_zipped_file_with_a_password_is_told_so() -> None:
    content = bytearray(zipped(("a.csv", BODY)))
    content[6] |= 1
    entry = load(bytes(content))
    assert (entry.error_code, "has a password" in entry.error) == ("unusable_zip", True)


def test_a_workbook_among_files_of_systems_is_read_as_one() -> None:
    target = io.BytesIO()
    sheet = openpyxl.Workbook()
    sheet.active.append(["id", "date", "currency", "amount"])
    saved = io.BytesIO()
    sheet.save(saved)
    book = zipfile.ZipFile(saved)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/", b"")
        for name in book.namelist():
            archive.writestr(name, book.read(name))
    assert load(target.getvalue()).status == "LOADED"


@given(
    names=st.lists(
        st.sampled_from(["a.csv", ".DS_Store", "x/", "__MACOSX/._a.csv", "b.csv"]),
        max_size=4,
        unique=True,
    ),
    method=st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]),
    cut=st.integers(0, 400),
    flip=st.integers(0, 2000),
)
@settings(deadline=None, max_examples=150)
def test_no_archive_is_half_read(names: list[str], method: int, cut: int, flip: int) -> None:
    """Whatever is done to it: the file's bills, or a refusal, and never another outcome."""
    content = zipped(*((name, b"" if name == "x/" else BODY) for name in names), method=method)
    changed = bytearray(content[: len(content) - cut])
    if flip < len(changed):
        changed[flip] ^= 1
    entry = load(bytes(changed))
    assert entry.status in {"LOADED", "REJECTED"}
    if entry.status == "LOADED":
        assert entry.tally.inserted == 50


def test_a_large_zipped_file_is_loaded_in_parts() -> None:
    flow = Flow(settings=replace(SETTINGS, large_file_bytes=1))
    entry = load(zipped(("march.csv", BODY)), flow)
    done = flow.run_workflow(entry.load_id, part_bytes=200)
    assert (done.status, done.tally.inserted) == ("LOADED", 50)
    assert len(flow.store.chunks) > 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (zipped(("a.csv", BODY), ("b.csv", BODY)), "several_files"),
        (zipped(("a.csv", BODY), ("b.csv", BODY), pipe=True), "several_files"),
        (zipped(("a.csv", BODY), FINDERS, ("b.csv", BODY)), "several_files"),
        (zipped(("a.csv", BODY), FINDERS, ("b.csv", BODY), pipe=True), "several_files"),
        (
            zipped(("a.csv", BODY), *((f"{one:0999}.csv", b"") for one in range(200))),
            "several_files",
        ),
        (zipped(("a.csv", BODY))[:-22], "corrupt_zip"),
        (zipped(("[Content_Types].xml", b"<x/>"), ("xl/a.xml", b"<x/>")), "spreadsheet"),
        (zipped(("a.csv", BODY), method=zipfile.ZIP_BZIP2), "unusable_zip"),
        (zipped(("a.csv", BODY), method=zipfile.ZIP_LZMA), "unusable_zip"),
        (zipped(("a.csv", BODY), method=zipfile.ZIP_STORED, pipe=True), "unusable_zip"),
        (zipped(("a.csv", BODY), ("b.csv", BODY), method=zipfile.ZIP_STORED), "several_files"),
        (zipped(("a.csv", BODY), method=zipfile.ZIP_STORED)[:900], "corrupt_zip"),
        (zipped(("a.csv", BODY), method=zipfile.ZIP_STORED)[:-22], "corrupt_zip"),
        (zipped((".DS_Store", b"x"), ("__MACOSX/", b"")), "unusable_zip"),
        (zipped(), "unusable_zip"),
        (zipped(("march.parquet", b"PAR1")), "unusable_zip"),
        (zipped(("a.csv", BODY), ("readme.md", b"x")), "several_files"),
        (zipped(("Thumbs.db", bytes(9 << 20)), ("a.csv", BODY), method=0), "unusable_zip"),
        (zipped(("a.csv", BODY))[:-200][:150], "corrupt_gzip"),
    ],
    ids=[
        *("two", "two of a pipe", "two of Finder", "two of Finder through a pipe", "thousands"),
        *("without its end", "spreadsheet", "bzip2", "LZMA", "stored through a pipe", "two stored"),
        *("stored, cut off", "stored, without its end", "only files of systems", "empty"),
        *("a Parquet file", "beside another", "behind a long one", "cut off"),
    ],
)
def test_what_is_not_one_whole_file_is_refused(content: bytes, code: str) -> None:
    flow = Flow(settings=replace(SETTINGS, large_file_bytes=10**8))
    entry = load(content, flow)
    assert (entry.status, entry.error_code) == ("REJECTED", code)
    assert flow.store.rows == {}


def test_a_changed_byte_is_found_by_the_checksum() -> None:
    content = zipped(("a.csv", BODY))
    wrong = content[:14] + b"\0\0\0\0" + content[18:]
    assert load(wrong).error_code == "corrupt_zip"


def test_what_expands_without_end_is_refused() -> None:
    assert load(zipped(("a.csv", b"a" * (65 << 20)))).error_code == "expands_too_much"
