"""A zip archive of one CSV file is read like the file, in one pass and in bounded memory."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

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
        (zipped(("a.csv", BODY), method=zipfile.ZIP_STORED), "spreadsheet"),
        (zipped(("a.csv", BODY))[:-200][:150], "corrupt_gzip"),
    ],
    ids=[
        *("two", "two of a pipe", "two of Finder", "two of Finder through a pipe", "thousands"),
        *("without its end", "spreadsheet", "stored", "cut off"),
    ],
)
def test_what_is_not_one_whole_file_is_refused(content: bytes, code: str) -> None:
    flow = Flow()
    entry = load(content, flow)
    assert (entry.status, entry.error_code) == ("REJECTED", code)
    assert flow.store.rows == {}


def test_a_changed_byte_is_found_by_the_checksum() -> None:
    content = zipped(("a.csv", BODY))
    wrong = content[:14] + b"\0\0\0\0" + content[18:]
    assert load(wrong).error_code == "corrupt_zip"


def test_what_expands_without_end_is_refused() -> None:
    assert load(zipped(("a.csv", b"a" * (65 << 20)))).error_code == "expands_too_much"
