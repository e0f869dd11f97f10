"""Stores reports and their pages, in a bucket or a folder.

A month that is not closed has its files under `provisional/`, and each run replaces them. A closed
one has a folder for each revision, and a document of that revision's number beside it. The
document is written last, and only where there is none: writing it creates the revision, and
a run that is killed earlier leaves files that nothing refers to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from finops.reconciliation.ports import ReportFiles, RevisionTaken, Stored
from finops.reconciliation.report import Report, as_document, file_stem
from finops.reconciliation.showback import FOLDER
from finops.shared.audit import digest

#: Files that are written at once.
_AT_ONCE: Final = 8
_REVISION = re.compile(r"revision-(\d+)\.json")


class Reports:
    """`ReportStore` over files."""

    def __init__(self, files: ReportFiles) -> None:
        self._files = files

    def newest(self, month: str) -> Stored | None:
        """The newest revision of a closed month, None while it is open."""
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

    def provisional(self, month: str) -> Mapping[str, Any] | None:
        """The report of a month before it was closed, None where none was written as JSON."""
        folder = f"provisional/{month}/"
        name = f"{folder}reconciliation-{month}.json"
        if name not in self._files.names(folder):
            return None
        found: Mapping[str, Any] = json.loads(self._files.read(name))
        return found

    def months(self) -> dict[str, int]:
        """Every month that has a report, with its newest revision; 0 of one that is open."""
        found = {name.split("/")[1]: 0 for name in self._files.names("provisional/")}
        for name in self._files.names("reports/"):
            _, month, rest = name.split("/", 2)
            if revision := _REVISION.fullmatch(rest):
                found[month] = max(found.get(month, 0), int(revision[1]))
        return dict(sorted(found.items()))

    def write(
        self, report: Report, files: Mapping[str, bytes], pages: Mapping[str, bytes] | None = None
    ) -> Stored:
        """Store a report: revision 0 replaces the one before, others are written once.

        Args:
            report: The model.
            files: By format.
            pages: By name beside these files, which link to them. Those of a report that is
                replaced say that they are not of the new one.

        Raises:
            RevisionTaken: another run has written this revision meanwhile.
        """
        document = as_document(report)
        if not report.revision:
            folder = f"provisional/{report.month}"
        else:
            # Another run may be writing the same revision with other contents.
            content = digest(document)[:12]
            folder = f"reports/{report.month}/revision-{report.revision}-{content}"
        names = {kind: f"{folder}/{file_stem(report)}.{kind}" for kind in files}
        beside = {f"{folder}/{name}": page for name, page in (pages or {}).items()}
        if not report.revision and "html" in files:
            former = set(self._files.names(f"{folder}/{FOLDER}/")) - beside.keys()
            beside |= dict.fromkeys(former, _gone(report))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._files.write, beside.keys(), beside.values()))
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
                f"another run has already written revision {report.revision} of {report.month}",
                code="revision_taken",
                step="write_report",
            )
        return stored


def _gone(report: Report) -> bytes:
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Not in the report</title>'
        f"<p>This page is not in the newest report of {report.month}: nothing has this name any"
        f' more, or it is too small for a page. <a href="../{file_stem(report)}.html">Report</a>'
    ).encode()


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
