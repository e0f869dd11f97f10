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
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from finops.shared.errors import RejectedInput
from finops.shared.export_manifests import export_identity, manifest_document, named_files
from finops.shared.left_alone import why_left_alone

#: Names of files with charges.
DATA_SUFFIXES: Final = (".parquet", ".csv.gz", ".csv")
#: A folder that holds all deliveries of a period: AWS's partition, or Azure's and CUR's range.
_PERIOD_FOLDER: Final = re.compile(r"BILLING_PERIOD=.*|\d{8}-\d{8}", re.IGNORECASE)
#: A folder of one delivery: AWS's moment and execution, CUR's assembly, Azure's run.
_DELIVERY: Final = re.compile(
    r"\d{4}-?\d\d-?\d\dT\d\d.*|.*[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}.*", re.IGNORECASE
)
_MOMENT: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d)[:_-]?(\d\d)")
#: How the names of an export's files end: e-00001, part_0_0001.
_PART: Final = re.compile(r"(?:[-_]\d+)+$", re.ASCII)
_NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of an export, or a manifest.

    Attributes:
        name: Its path or key, with slashes.
        modified: When it was written, in seconds since 1970, UTC.
    """

    name: str
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFiles:
    """What counts.

    Attributes:
        files: Names, sorted.
        deliveries: Of each file, a number that the files of one delivery share.
        notes: What was left out, for the report's reader.
    """

    files: tuple[str, ...]
    deliveries: Mapping[str, int]
    notes: tuple[str, ...]


def counted_files(found: Sequence[FoundFile], manifests: Mapping[str, bytes]) -> CountedFiles:
    """The files with charges that count.

    Args:
        found: All files and manifests.
        manifests: The contents of the manifests by name.

    Raises:
        RejectedInput: `incomplete_export` where no delivery is whole, `several_deliveries` where
            no manifest says which of several counts.
    """
    data = sorted(
        one.name
        for one in found
        if one.name.lower().endswith(DATA_SUFFIXES) and not why_left_alone(one.name)
    )
    written = {one.name: one.modified for one in found}
    found_deliveries = [
        delivery
        for name, content in sorted(manifests.items())
        if (delivery := _delivery(name, content, data, written.get(name, 0.0)))
    ]
    by_period: dict[str, list[_Delivery]] = defaultdict(list)
    for delivery in _without_files_of_others(found_deliveries):
        by_period[delivery.period].append(delivery)
    superseded, beside, notes = set[str](), set[str](), list[str]()
    deliveries: dict[str, int] = {}
    for number, (_, several) in enumerate(sorted(by_period.items()), 1):
        newest = _newest_whole(several, notes)
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
    _refuse_several(sorted(kept - deliveries.keys()))
    rest = {name: -at for at, name in enumerate(sorted(kept - deliveries.keys()), 1)}
    return CountedFiles(files=tuple(sorted(kept)), deliveries=deliveries | rest, notes=tuple(notes))


def without_part(file: str) -> str:
    """A path without its suffixes and the number of a part: those of one export share it."""
    path = PurePosixPath(file)
    return path.with_name(_PART.sub("", path.name.partition(".")[0]) or path.name).as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """A manifest, with the files that were found of those that it names.

    Attributes:
        period: What it shares with the other deliveries of the same charges.
        order: Of two deliveries, the newer has the greater one.
        named: Each file as the manifest names it, with the one that was found, or None.
    """

    manifest: str
    period: str
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


def _delivery(name: str, content: bytes, data: Sequence[str], written: float) -> _Delivery | None:
    """None where the file is no manifest of an export, or none of its files is there."""
    document = manifest_document(content)
    named = named_files(document)
    if not named:
        return None
    found = {one: _same_file(one, name, data) for one in named}
    files = tuple(sorted(one for one in found.values() if one))
    if not files:
        return None
    return _Delivery(
        manifest=name,
        period=" ".join(
            (
                _period(document, named[0], files[0]),
                export_identity(document),
                # AWS and the legacy CUR name it after the export: EXPORT-Manifest.json.
                PurePosixPath(name).name.casefold(),
            )
        ),
        # Deliveries that name no moment have their newest manifest in the period's own folder.
        order=(_moment(document, named), -name.count("/"), written),
        named=found,
    )


def _without_files_of_others(deliveries: Sequence[_Delivery]) -> list[_Delivery]:
    """A file is of the export whose manifest is nearest; others that name it lack theirs."""
    nearest: dict[str, tuple[int, str]] = {}
    for one in deliveries:
        for file in one.files:
            nearest[file] = max(nearest.get(file, (-1, "")), (one.nearness(file), one.period))

    def is_own(one: _Delivery, file: str) -> bool:
        near, period = nearest[file]
        return period == one.period or one.nearness(file) == near

    own = [
        replace(
            one,
            named={
                name: file if file and is_own(one, file) else None
                for name, file in one.named.items()
            },
        )
        for one in deliveries
    ]
    return [one for one in own if one.files]


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
    period = _period_of(order[0].files[0])
    whole = next((one for one in order if not one.missing), None)
    if whole is None:
        missing = order[0].missing
        raise RejectedInput(
            f"no delivery in {period} is whole: {_some(missing)} of {order[0].manifest} is missing",
            code="incomplete_export",
            remedy="Give all files that the manifest names; a delivery may still be going on",
        )
    if whole is not order[0]:
        notes.append(
            f"The newest delivery in {period} is not whole ({_some(order[0].missing)} is missing),"
            " so the one before counts."
        )
    return whole


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
