"""Which of an export's files count: those of its newest whole delivery.

An export that keeps its deliveries has the same charges in many files. Each delivery names its
files in a manifest, which is written last:

- AWS Data Exports:
  https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html and
  https://docs.aws.amazon.com/cur/latest/userguide/dataexports-manifest.html
- the legacy CUR: https://docs.aws.amazon.com/cur/latest/userguide/understanding-report-versions.html
- Azure Cost Management:
  https://learn.microsoft.com/en-us/azure/cost-management-billing/costs/tutorial-improved-exports
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from finops.shared.errors import RejectedInput
from finops.shared.export_manifests import (
    export_identity,
    manifest_document,
    named_files,
    named_sizes,
)
from finops.shared.left_alone import why_left_alone
from finops.shared.periods import Month

#: Names of files with charges.
DATA_SUFFIXES: Final = (".parquet", ".csv.gz", ".csv")
#: The month of a report, and the one before, whose costs are told on every page.
COMPARED_MONTHS: Final = 2
#: A folder that holds all deliveries of a period: AWS's partition, or Azure's and CUR's range.
_PERIOD_FOLDER: Final = re.compile(r"BILLING_PERIOD=.*|\d{8}-\d{8}", re.IGNORECASE)
#: A folder of one delivery: AWS's moment and execution, CUR's assembly, Azure's run.
_DELIVERY: Final = re.compile(
    r"\d{4}-?\d\d-?\d\dT\d\d.*|.*[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}.*", re.IGNORECASE
)
_MOMENT: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d)[:_-]?(\d\d)")
_MONTH: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII)
#: Forms in which exports are written or copied, and which are not read.
_OTHER_FORM: Final = re.compile(r"\.(?:zip|gz|bz2|zst|xz|tsv|txt|xlsx?|orc|avro)$", re.IGNORECASE)
#: How the names of an export's files end, read from the end: e-00001, part_0_0001.
_PART: Final = re.compile(r"\A(?:\d+[-_])+", re.ASCII)
_NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of an export, or a manifest.

    Attributes:
        name: Its path or key, with slashes.
        modified: When it was written, in seconds since 1970, UTC.
        size: In bytes.
    """

    name: str
    modified: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFiles:
    """What counts.

    Attributes:
        files: Names, sorted.
        deliveries: Of each file, a number that the files of one delivery share.
        notes: What was left out, for the report's reader.
        delivered: When each file was made, in seconds since 1970: a copy is written later.
    """

    files: tuple[str, ...]
    deliveries: Mapping[str, int]
    notes: tuple[str, ...]
    delivered: Mapping[str, float]


def counted_files(
    found: Sequence[FoundFile],
    manifests: Mapping[str, bytes],
    needed: Collection[Month] | None = None,
) -> CountedFiles:
    """The files with charges that count.

    Args:
        found: All files and manifests.
        manifests: The contents of the manifests by name.
        needed: Months whose files may not all be missing; None for every month that a manifest
            names.

    Raises:
        RejectedInput: `incomplete_export` where no delivery is whole, or a file or a manifest is
            cut, `several_deliveries` where no manifest says which of several counts.
    """
    files = {one.name: one for one in found}
    data = sorted(
        name for name in files if name.lower().endswith(DATA_SUFFIXES) and not why_left_alone(name)
    )
    found_deliveries = [
        delivery
        for name, content in sorted(manifests.items())
        if (delivery := _delivery(name, content, data, files))
    ]
    by_period: dict[str, list[_Delivery]] = defaultdict(list)
    for delivery in _without_files_of_others(found_deliveries):
        by_period[delivery.period].append(delivery)
    superseded, beside, notes = set[str](), set[str](), list[str]()
    deliveries: dict[str, int] = {}
    delivered = {name: one.modified for name, one in files.items()}
    for number, (_, several) in enumerate(sorted(by_period.items()), 1):
        if _is_gone(several, needed):
            notes.append(f"No file is there of those that {several[0].manifest} names.")
            continue
        newest = _newest_whole(several, notes)
        delivered |= dict.fromkeys(newest.files, newest.order[0]) if newest.order[0] else {}
        named = {file for one in several for file in one.files}
        folders, names = set(map(_period_of, named)), {_name_of(one) for one in named}
        inside = {name for name in data if _period_of(name) in folders}
        superseded |= named | {name for name in inside if _name_of(name) in names}
        beside |= inside
        deliveries |= dict.fromkeys(newest.files, number)
    left_out = superseded - deliveries.keys()
    kept = set(data) - left_out
    if left_out:
        notes.append(
            f"{len(left_out)} of {len(data)} files belong to older or unfinished deliveries of the"
            f" export, and are left out: {_some(left_out)}."
        )
    beside -= superseded
    if beside:
        notes.append(
            f"{len(beside)} of {len(data)} files lie in an export's folder, and its manifest does"
            f" not name them. They count: {_some(beside)}."
        )
    others = [
        name
        for name in sorted(files.keys() - set(data))
        if _OTHER_FORM.search(name) and not why_left_alone(name)
    ]
    if others:
        notes.append(f"Of no form that is read, and left out: {_some(others)}.")
    _refuse_several(sorted(kept - deliveries.keys()))
    _refuse_empty(files[name] for name in sorted(kept))
    rest = {name: -at for at, name in enumerate(sorted(kept - deliveries.keys()), 1)}
    return CountedFiles(
        files=tuple(sorted(kept)),
        deliveries=deliveries | rest,
        notes=tuple(notes),
        delivered={name: delivered[name] for name in kept},
    )


def without_part(file: str) -> str:
    """A path without its suffixes and the number of a part: those of one export share it."""
    path = PurePosixPath(file)
    name = path.name.partition(".")[0]
    part = _PART.match(name[::-1])
    return path.with_name((name[: -part.end()] if part else name) or path.name).as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """A manifest, with the files that were found of those that it names.

    Attributes:
        period: What it shares with the other deliveries of the same charges.
        month: Of the period; None where nothing says it.
        order: Of two deliveries, the newer has the greater one.
        named: Each file as the manifest names it, with the one that was found whole, or None.
    """

    manifest: str
    period: str
    month: Month | None
    order: tuple[float, int, float]
    named: Mapping[str, str | None]

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted(one for one in self.named.values() if one))

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(one for one, file in self.named.items() if not file)

    def nearness(self, file: str) -> int:
        """How many folders a file has in common with the manifest."""
        return _near(file, self.manifest)


def _delivery(
    name: str, content: bytes, data: Sequence[str], files: Mapping[str, FoundFile]
) -> _Delivery | None:
    """None where the file is no manifest of an export."""
    _refuse_cut(name, content)
    document = manifest_document(content)
    named, sizes = named_files(document), named_sizes(document)
    if not named:
        return None
    found = {one: _same_file(one, name, data) for one in named}
    place = next(filter(None, found.values()), name)
    return _Delivery(
        manifest=name,
        period=" ".join(
            (
                _period(document, named[0], place),
                export_identity(document),
                # AWS and the legacy CUR name it after the export: EXPORT-Manifest.json.
                PurePosixPath(name).name.casefold(),
            )
        ),
        month=_month(document, named[0]),
        # Deliveries that name no moment have their newest manifest in the period's own folder.
        order=(_moment(document, named), -name.count("/"), files[name].modified),
        named={
            one: file if file and _is_whole(files[file], sizes.get(one, 0)) else None
            for one, file in found.items()
        },
    )


def _is_whole(file: FoundFile, size: int) -> bool:
    """Whether it is as long as its manifest says: a CSV file may be cut at the end of a line.

    Of a file that is compressed, or Parquet, a part cannot be read.
    """
    return file.size > 0 and (not file.name.lower().endswith(".csv") or file.size >= size)


def _without_files_of_others(deliveries: Sequence[_Delivery]) -> list[_Delivery]:
    """A file is of the export whose manifest is nearest; others that name it lack theirs."""
    nearest: dict[str, tuple[int, str]] = {}
    for one in deliveries:
        for file in one.files:
            nearest[file] = max(nearest.get(file, (-1, "")), (one.nearness(file), one.period))

    def is_own(one: _Delivery, file: str) -> bool:
        near, period = nearest[file]
        return period == one.period or one.nearness(file) == near

    return [
        replace(
            one,
            named={
                name: file if file and is_own(one, file) else None
                for name, file in one.named.items()
            },
        )
        for one in deliveries
    ]


def _same_file(named: str, manifest: str, data: Sequence[str]) -> str | None:
    """The file that a manifest means: a copy lies elsewhere, but in folders of the same names.

    Of several, as where two payers' buckets were copied, it is the one nearest to the manifest.
    """
    wanted = PurePosixPath(named.partition("://")[2] or named).parts
    best, most = None, (0, 0)
    for one in data:
        path = PurePosixPath(one)
        if path.name != wanted[-1]:
            continue
        alike = _in_common(reversed(path.parts), reversed(wanted))
        near = _near(one, manifest)
        beside = path.parent == PurePosixPath(manifest).parent
        if (near, alike) > most and (alike > 1 or beside):
            best, most = one, (near, alike)
    return best


def _near(file: str, manifest: str) -> int:
    return _in_common(PurePosixPath(file).parent.parts, PurePosixPath(manifest).parent.parts)


def _in_common(one: Iterable[str], other: Iterable[str]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _period(document: Mapping[str, Any], named: str, file: str) -> str:
    """The folder of the period as the manifest names it, else export and month, else a folder."""
    folder = _period_folder(named)
    if folder:
        return folder
    run, export = document.get("runInfo"), document.get("exportConfig")
    if isinstance(run, dict) and isinstance(export, dict):
        return f"{export.get('exportName')} {str(run.get('startDate'))[:7]}"
    return _period_of(file)


def _period_folder(file: str) -> str | None:
    parts = PurePosixPath(file).parts
    for at in range(len(parts) - 1, 0, -1):
        if _PERIOD_FOLDER.fullmatch(parts[at - 1]):
            return PurePosixPath(*parts[:at]).as_posix()
    return None


def _period_of(file: str) -> str:
    """The folder of the file's period, else its own."""
    return _period_folder(file) or PurePosixPath(file).parent.as_posix()


def _name_of(file: str) -> str:
    return PurePosixPath(without_part(file)).name.casefold()


def _month(document: Mapping[str, Any], named: str) -> Month | None:
    run = document.get("runInfo")
    start = str(run.get("startDate"))[:7] if isinstance(run, dict) else ""
    folder = PurePosixPath(_period_folder(named) or "").name.partition("=")
    texts = (folder[2], f"{folder[0][:4]}-{folder[0][4:6]}", start)
    return next((Month.parse(one) for one in texts if _MONTH.fullmatch(one)), None)


def _moment(document: Mapping[str, Any], named: Iterable[str]) -> float:
    run = document.get("runInfo")
    texts = [str(run.get("submittedTime") or "")] if isinstance(run, dict) else []
    for text in (*texts, *named):
        found = _MOMENT.search(text)
        if found:
            year, month, day, hour, minute = map(int, found.groups())
            return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()
    return 0.0


def _newest_whole(several: Sequence[_Delivery], notes: list[str]) -> _Delivery:
    order = sorted(several, key=lambda one: (one.order, one.manifest), reverse=True)
    period = _period_of((*order[0].files, order[0].manifest)[0])
    whole = next((one for one in order if not one.missing), None)
    if whole is None:
        missing = order[0].missing
        raise RejectedInput(
            f"no delivery in {period} is whole: {_some(missing)} of {order[0].manifest} is missing"
            + _why_unread(missing),
            code="incomplete_export",
            remedy="Give all files that the manifest names; a delivery may still be going on",
        )
    if whole is not order[0]:
        notes.append(
            f"The newest delivery in {period} is not whole ({_some(order[0].missing)} is missing),"
            " so the one before counts."
        )
    return whole


def _why_unread(missing: Iterable[str]) -> str:
    others = [one for one in missing if not one.lower().endswith(DATA_SUFFIXES)]
    return f", or of no form that is read ({', '.join(DATA_SUFFIXES)})" if others else ", or cut"


def _is_gone(several: Sequence[_Delivery], needed: Collection[Month] | None) -> bool:
    """Whether nothing is left of a period that no report needs, as rules of S3 remove old files."""
    is_needed = needed is None or several[0].month is None or several[0].month in needed
    return not is_needed and not any(one.files for one in several)


def _refuse_cut(name: str, content: bytes) -> None:
    """A manifest is written last, so one that is no JSON is just being written, or was cut."""
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        raise RejectedInput(
            f"the manifest {name} is cut: it is no JSON",
            code="incomplete_export",
            remedy="Give it as the provider wrote it; a delivery may still be going on",
        ) from None


def _refuse_empty(files: Iterable[FoundFile]) -> None:
    for one in files:
        if not one.size:
            raise RejectedInput(
                f"{one.name} has no bytes: a file of an export has a header at least",
                code="incomplete_export",
                remedy="Give the file as the provider wrote it, or leave it out",
            )


def _refuse_several(files: Iterable[str]) -> None:
    """Deliveries without a manifest: none is known to be whole."""
    seen: dict[str, set[str]] = defaultdict(set)
    for name in files:
        period = _period_of(name)
        inside = PurePosixPath(name).relative_to(period).parts
        if len(inside) > 1 and _DELIVERY.fullmatch(inside[0]):
            seen[period].add(inside[0])
    for period, folders in sorted(seen.items()):
        if len(folders) > 1:
            raise RejectedInput(
                f"{period} has {len(folders)} deliveries of the same charges ({_some(folders)}),"
                " and no manifest says which counts",
                code="several_deliveries",
                remedy="Give the export's folder with its metadata, or the folder of one delivery",
            )


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _NAMED_AT_MOST
    return ", ".join(ordered[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")
