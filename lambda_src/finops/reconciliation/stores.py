"""Where reports lie: a bucket, or a folder.

A month that is not closed has its files under `provisional/`, and each run replaces them. A closed
one has a folder for each revision, and a document of that revision's number beside it. The
document is written last, and only where there is none: whoever writes it has made the revision,
and a run that was killed before leaves files that nothing names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from finops.reconciliation.ports import RevisionTaken, Stored
from finops.reconciliation.report import Report, as_document
from finops.shared.audit import digest

_REVISION = re.compile(r"revision-(\d+)\.json")


class _Files(Protocol):
    """Files by name, in a folder or under a prefix."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""

    def read(self, name: str) -> bytes:
        """A file."""

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file, in one step."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; whether it was written."""

    def location(self, name: str) -> str:
        """By which people and programs find it."""


class Reports:
    """`ReportStore` over files."""

    def __init__(self, files: _Files) -> None:
        self._files = files

    def newest(self, month: str) -> Stored | None:
        """See the port."""
        numbers = [
            int(found[1])
            for name in self._files.names(f"reports/{month}/")
            if (found := _REVISION.fullmatch(name.rpartition("/")[2]))
        ]
        if not numbers:
            return None
        kept = json.loads(self._files.read(_pointer(month, max(numbers))))
        return Stored(
            revision=kept["revision"], document=kept["document"], locations=kept["locations"]
        )

    def months(self) -> dict[str, int]:
        """Every month that has a report, with its newest revision; 0 of one that is open."""
        found = {name.split("/")[1]: 0 for name in self._files.names("provisional/")}
        for name in self._files.names("reports/"):
            _, month, rest = name.split("/", 2)
            if revision := _REVISION.fullmatch(rest):
                found[month] = max(found.get(month, 0), int(revision[1]))
        return dict(sorted(found.items()))

    def write(self, report: Report, files: Mapping[str, bytes]) -> Stored:
        """See the port."""
        document = as_document(report)
        if not report.revision:
            folder, suffix = f"provisional/{report.month}", ""
        else:
            # Another run may be writing the same revision with other contents.
            content = digest(document)[:12]
            folder = f"reports/{report.month}/revision-{report.revision}-{content}"
            suffix = f"-r{report.revision}"
        names = {kind: f"{folder}/reconciliation-{report.month}{suffix}.{kind}" for kind in files}
        for kind, name in names.items():
            self._files.write(name, files[kind])
        stored = Stored(
            revision=report.revision,
            document=document,
            locations={kind: self._files.location(name) for kind, name in names.items()},
        )
        if report.revision and not self._files.create(
            _pointer(report.month, report.revision), _written(stored)
        ):
            raise RevisionTaken(
                f"another run has written revision {report.revision} of {report.month}",
                code="revision_taken",
                step="write_report",
            )
        return stored


def _pointer(month: str, revision: int) -> str:
    return f"reports/{month}/revision-{revision}.json"


def _written(stored: Stored) -> bytes:
    return json.dumps(
        {
            "revision": stored.revision,
            "locations": dict(stored.locations),
            "document": dict(stored.document),
        },
        separators=(",", ":"),
    ).encode()


class Folder:
    """Files in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, prefix: str) -> Iterator[str]:
        """See the protocol."""
        for path in sorted((self._folder / prefix).rglob("*")):
            if path.is_file():
                yield path.relative_to(self._folder).as_posix()

    def read(self, name: str) -> bytes:
        """See the protocol."""
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """See the protocol."""
        self._whole(name, content, lambda temporary, path: temporary.replace(path))

    def create(self, name: str, content: bytes) -> bool:
        """See the protocol."""
        try:
            # A link is made whole, and never over another file.
            self._whole(name, content, lambda temporary, path: path.hardlink_to(temporary))
        except FileExistsError:
            return False
        return True

    def location(self, name: str) -> str:
        """See the protocol."""
        return str(self._folder / name)

    def _whole(self, name: str, content: bytes, put: Callable[[Path, Path], Any]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            put(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class FolderCache:
    """`AnswerCache` in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._files = Folder(folder)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """See the port. An answer that cannot be read is asked again."""
        try:
            answer: Mapping[str, Any] = json.loads(self._files.read(f"{key}.json"))
        except (FileNotFoundError, ValueError):
            return None
        return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """See the port."""
        self._files.write(f"{key}.json", json.dumps(answer, separators=(",", ":")).encode())
