"""The files of an export on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finops.reconciliation.deliveries import (
    DATA_SUFFIXES,
    CountedFiles,
    FoundFile,
    counted_files,
)
from finops.shared.errors import RejectedInput
from finops.shared.export_manifests import is_manifest


@dataclass(frozen=True, kw_only=True)
class ExportFiles:
    """Files that count, of one form.

    Attributes:
        paths: Sorted.
        deliveries: Of each path, what the files of one delivery share: they hold no charge twice.
        notes: What was left out.

    Raises:
        RejectedInput: `mixed_export`.
    """

    paths: Sequence[Path]
    deliveries: Mapping[Path, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len({one.name.endswith(".parquet") for one in self.paths}) > 1:
            raise RejectedInput(
                f"{self.paths[0].parent} has both Parquet and CSV files, so charges would count"
                " twice",
                code="mixed_export",
                remedy="Give only one of the two",
            )

    def __add__(self, other: ExportFiles) -> ExportFiles:
        return ExportFiles(
            paths=sorted({*self.paths, *other.paths}),
            deliveries={**self.deliveries, **other.deliveries},
            notes=(*self.notes, *other.notes),
        )


def of_paths(paths: Sequence[Path]) -> ExportFiles:
    """The files of an export that count: files as they are given, folders by their manifests.

    Raises:
        RejectedInput: `no_export`, `mixed_export`, or as `counted_files` says.
    """
    made = [_of_folder(path) if path.is_dir() else _of_file(path) for path in paths]
    whole = sum(made[1:], made[0]) if made else ExportFiles(paths=())
    if not whole.paths:
        where = ", ".join(map(str, paths))
        missing = [str(path) for path in paths if not path.exists()]
        raise RejectedInput(
            f"{missing[0]} does not exist" if missing else f"{where} contains no export",
            code="no_export",
            remedy=f"Give files or folders of {', '.join(DATA_SUFFIXES)}",
        )
    return whole


def of_counted(counted: CountedFiles, folder: Path, *, origin: str) -> ExportFiles:
    """The files below a folder; `origin` tells their deliveries apart from those of others."""
    return ExportFiles(
        paths=[folder / name for name in counted.files],
        deliveries={
            folder / name: f"{origin}#{number}" for name, number in counted.deliveries.items()
        },
        notes=counted.notes,
    )


def _of_file(path: Path) -> ExportFiles:
    is_data = path.is_file() and path.name.endswith(DATA_SUFFIXES)
    return ExportFiles(paths=[path] if is_data else [], deliveries={path: str(path)})


def _of_folder(folder: Path) -> ExportFiles:
    found = sorted(one for one in folder.rglob("*") if one.is_file())
    # A folder below the export's root may be given: its own name tells the period.
    root = folder.resolve().parent
    names = {one: one.resolve().relative_to(root).as_posix() for one in found}
    counted = counted_files(
        [FoundFile(name, one.stat().st_mtime) for one, name in names.items()],
        {name: one.read_bytes() for one, name in names.items() if is_manifest(name)},
    )
    by_name = {name: one for one, name in names.items()}
    return ExportFiles(
        paths=[by_name[name] for name in counted.files],
        deliveries={
            by_name[name]: f"{folder}#{number}" for name, number in counted.deliveries.items()
        },
        notes=counted.notes,
    )
