"""The files of an export, on this machine or in S3."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from finops.reconciliation.deliveries import (
    DATA_SUFFIXES,
    CountedFiles,
    FoundFile,
    counted_files,
)
from finops.shared.errors import RejectedInput
from finops.shared.export_manifests import is_manifest
from finops.shared.periods import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of S3, as it was listed.

    Attributes:
        etag: Of its content, with its quotation marks.
        written: When.
    """

    bucket: str
    key: str
    size: int
    etag: str
    written: datetime

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class ExportFiles:
    """Files that count, of one form.

    Attributes:
        names: Paths, and URIs of `objects`, sorted.
        deliveries: Of each name, what the files of one delivery share: they hold no charge twice.
        delivered: When the newest of them was made, in seconds since 1970.
        objects: Those in S3, by their URIs.
        notes: What was left out.

    Raises:
        RejectedInput: `mixed_export`.
    """

    names: Sequence[str]
    deliveries: Mapping[str, str] = field(default_factory=dict)
    delivered: float = 0.0
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len({one.lower().endswith(".parquet") for one in self.names}) > 1:
            raise RejectedInput(
                f"{self.place} has both Parquet and CSV files, so charges would count twice",
                code="mixed_export",
                remedy="Give only one of the two",
            )

    def __add__(self, other: ExportFiles) -> ExportFiles:
        return ExportFiles(
            names=sorted({*self.names, *other.names}),
            deliveries={**self.deliveries, **other.deliveries},
            delivered=max(self.delivered, other.delivered),
            objects={**self.objects, **other.objects},
            notes=(*self.notes, *other.notes),
        )

    @property
    def place(self) -> str:
        """The folder of one of them, for messages."""
        return self.names[0].rpartition("/")[0] or "."

    @property
    def day(self) -> date:
        """The day on which the newest of them was made, UTC."""
        return datetime.fromtimestamp(self.delivered, UTC).date()


def files_told(count: int) -> str:
    """Such as `1 file`, or `2 files`."""
    return f"{count} {'file' if count == 1 else 'files'}"


def of_paths(paths: Sequence[Path], needed: Collection[Month] | None = None) -> ExportFiles:
    """The files of an export that count: files as they are given, folders by their manifests.

    Args:
        paths: Files and folders.
        needed: As `counted_files` says.

    Raises:
        RejectedInput: `no_export`, `mixed_export`, or as `counted_files` says.
    """
    made = [_of_folder(path, needed) if path.is_dir() else _of_file(path) for path in paths]
    whole = sum(made[1:], made[0]) if made else ExportFiles(names=())
    if not whole.names:
        where = ", ".join(map(str, paths))
        missing = [str(path) for path in paths if not path.exists()]
        raise RejectedInput(
            f"{missing[0]} does not exist" if missing else f"{where} contains no export",
            code="no_export",
            remedy=f"Give files or folders of {', '.join(DATA_SUFFIXES)}",
        )
    return whole


def of_objects(
    counted: CountedFiles, objects: Mapping[str, StoredObject], *, origin: str
) -> ExportFiles:
    """The objects of an export that count; `origin` tells their deliveries apart from others'.

    Args:
        counted: Keys.
        objects: By key.
        origin: The export's URI.
    """
    found = {key: objects[key] for key in counted.files}
    return ExportFiles(
        names=sorted(one.uri for one in found.values()),
        deliveries={
            found[key].uri: f"{origin}#{number}" for key, number in counted.deliveries.items()
        },
        delivered=max(counted.delivered.values()),
        objects={one.uri: one for one in found.values()},
        notes=counted.notes,
    )


def _of_file(path: Path) -> ExportFiles:
    if not (path.is_file() and path.name.lower().endswith(DATA_SUFFIXES)):
        return ExportFiles(names=())
    name = str(path)
    return ExportFiles(names=[name], deliveries={name: name}, delivered=path.stat().st_mtime)


def _of_folder(folder: Path, needed: Collection[Month] | None) -> ExportFiles:
    found = sorted(one for one in folder.rglob("*") if one.is_file())
    # A folder below the export's root may be given: its own name tells the period.
    root = folder.resolve().parent
    names = {one: one.resolve().relative_to(root).as_posix() for one in found}
    stats = {name: one.stat() for one, name in names.items()}
    counted = counted_files(
        [FoundFile(name, stat.st_mtime, stat.st_size) for name, stat in stats.items()],
        {name: one.read_bytes() for one, name in names.items() if is_manifest(name)},
        needed,
    )
    paths = {name: str(one) for one, name in names.items()}
    return ExportFiles(
        names=[paths[name] for name in counted.files],
        deliveries={
            paths[name]: f"{folder}#{number}" for name, number in counted.deliveries.items()
        },
        delivered=max(counted.delivered.values(), default=0.0),
        notes=counted.notes,
    )
