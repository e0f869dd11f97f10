"""Moving a file that was dropped into the wrong dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Protocol

from finops.billing.dataset_format import is_format
from finops.billing.domain import (
    BILLING_PREFIX,
    LOADED,
    FileEntry,
    FileStatus,
    SourceObject,
    dataset_of,
)
from finops.billing.withdrawal import Withdrawal, Withdrawer
from finops.shared.errors import RejectedInput
from finops.shared.left_alone import why_left_alone

#: Of which nothing counts, nor will.
WITHOUT_ROWS: Final = frozenset(
    {FileStatus.WITHDRAWN, FileStatus.SUPERSEDED, FileStatus.REJECTED, FileStatus.IGNORED}
)
#: Versions of an object that are looked at.
_VERSIONS: Final = 1_000


class Files(Protocol):
    """How files of the ledger are found."""

    def __call__(self, *, ending: str, limit: int) -> Sequence[FileEntry]:
        """The newest files whose keys end so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What moving a file did.

    Attributes:
        withdrawal: What was taken back; None where an attempt that was cut off had done so.
        key: Where the file is now.
        copies: The ids in the ledger of its versions there, the newest last; each by its name.
    """

    withdrawal: Withdrawal | None
    key: str
    copies: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Mover:
    """Takes the rows of a file back, and has it loaded into another dataset.

    Attributes:
        withdrawer: Takes the rows back.
        files: Finds files by how their keys end.
        newest: The newest version of an object; None where there is none.
        copy: Copies a file to a key, where the given version is still the newest one (none where it
            is None). Returns the copy's id in the ledger.
    """

    withdrawer: Withdrawer
    files: Files
    newest: Callable[[str], SourceObject | None]
    copy: Callable[[FileEntry, str, SourceObject | None], str]

    def move(self, entry: FileEntry, dataset: str, *, requested_by: str, reason: str) -> Move:
        """Move a file. Where a move was cut off, do it again.

        Args:
            entry: A load of the file.
            dataset: Where it belongs.
            requested_by: Who asked for it.
            reason: Why; kept with who and when.

        Raises:
            RejectedInput: The dataset is none or the file's own, another file is there, or the
                file's rows are not taken back.
        """
        key = f"{BILLING_PREFIX}{dataset}/{PurePosixPath(entry.source.key).name}"
        _refuse_dataset(entry, dataset, key)
        versions = loaded_versions(self.files, entry) or [entry]
        before, copied = self._replaceable(entry, key, versions)
        versions = versions[copied:]
        done: Withdrawal | None = None
        try:
            done = self.withdrawer.withdraw(entry, requested_by=requested_by, reason=reason)
        except RejectedInput as error:
            if error.code != "nothing_to_withdraw" or entry.status is not FileStatus.WITHDRAWN:
                raise
        copies = {}
        for number, version in enumerate(versions, 1):
            name = key if version is versions[-1] else f"{key} (version {number})"
            copies[name] = self.copy(version, key, before)
            before = self.newest(key)
        return Move(withdrawal=done, key=key, copies=copies)

    def _replaceable(
        self, entry: FileEntry, key: str, versions: Sequence[FileEntry]
    ) -> tuple[SourceObject | None, int]:
        """Refuse a key under which another file counts, or may: a new version would replace it.

        A file that was withdrawn counts no more, so a file can be moved back.

        Args:
            entry: The file that is moved.
            key: Where to.
            versions: Of the file, oldest first. A move that was cut off may have copied the first
                ones.

        Returns:
            The file that is there, which alone may be replaced: a withdrawn one, or a copy; None
            where the key is free. And how many versions were copied, of which one at least is not
            yet.

        Raises:
            RejectedInput: The key is taken.
        """
        held = [one for one in self.files(ending=key, limit=100) if one.source.key == key]
        newest = self.newest(key)
        is_known = newest is None or newest.file_id in {one.source.file_id for one in held}
        there = [one.content_sha256 for one in reversed(held) if one.status in LOADED]
        moved = [one.content_sha256 for one in versions]
        is_cut_off = entry.status is FileStatus.WITHDRAWN and 0 < len(there) < len(moved)
        if is_known and is_cut_off and there == moved[: len(there)]:
            return newest, len(there)
        is_given_up = not held or (
            held[0].status is FileStatus.WITHDRAWN
            and WITHOUT_ROWS.issuperset(one.status for one in held)
        )
        if not (is_known and is_given_up):
            refused = bool(held) and held[0].status is FileStatus.REJECTED
            raise RejectedInput(
                f"{key} is there already, and would be replaced",
                code="key_is_taken",
                step="move_file",
                remedy="Nothing was changed. Take the rows of this file back first, `finops "
                f"billing withdraw {entry.load_id} --reason …`, then load it under another name, "
                "`finops billing load NEW-NAME --dataset …`"
                + (
                    "; or, if the file there is the same and was refused as its copy, `finops "
                    f"billing retry {held[0].load_id}`"
                    if refused
                    else ""
                ),
            )
        return newest, 0


def loaded_versions(files: Files, entry: FileEntry) -> list[FileEntry]:
    """The loaded versions of a file's object, oldest first: each may hold bills that no other has.

    A bill that a newer version no longer holds stays. Where the file was taken back, they are those
    that were taken back with it.
    """
    key = entry.source.key
    every = reversed(files(ending=key, limit=_VERSIONS))
    found = [one for one in every if one.source.key == key]
    loaded = [one for one in found if one.status in LOADED]
    return loaded or [
        one
        for one in found
        if one.status is FileStatus.WITHDRAWN is entry.status
        and one.finished_at == entry.finished_at
    ]


def _refuse_dataset(entry: FileEntry, dataset: str, key: str) -> None:
    if key == entry.source.key:
        raise RejectedInput(
            f"{key} is in dataset {dataset!r} already", code="invalid_dataset", step="move_file"
        )
    is_name = dataset and dataset.isprintable() and ".." not in dataset.split("/")
    if not is_name or is_format(key) or why_left_alone(key) or dataset_of(key) != dataset:
        raise RejectedInput(
            f"{dataset!r} is no dataset",
            code="invalid_dataset",
            field="dataset",
            value=dataset,
            step="move_file",
            remedy="Nothing was changed. Give a name such as acme",
        )
