"""What the ledger knows of runs of exports: their manifests, and which files are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from finops.billing.database.ledger_rows import FILES_AT_ONCE, LOADED, file_entry, now
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.ports import RunFiles
from finops.shared.data_api import DataApi


def run_files(database: DataApi, folder: str) -> RunFiles:
    """See `LoadTransaction.run_files`; outside of any transaction, as others have committed."""
    found = database.execute(
        "SELECT names FROM billing_manifests WHERE folder_hash = :hash", {"hash": _hash(folder)}
    ).rows
    loaded = {
        PurePosixPath(one.source.key).name
        for one in _files(
            database, folder, f"status IN {LOADED} OR status = '{FileStatus.WAITING}'"
        )
    }
    return RunFiles(named=set(json.loads(found[0]["names"])) if found else None, loaded=loaded)


def waiting_files(database: DataApi, folder: str) -> list[FileEntry]:
    """See `BillingStore.waiting`."""
    return _files(database, folder, f"status = '{FileStatus.WAITING}'")


def loaded_files(database: DataApi, folder: str) -> list[FileEntry]:
    """See `LoadTransaction.loaded_below`."""
    return _files(database, folder, f"status IN {LOADED}")


def keep_manifest(database: DataApi, folder: str, names: AbstractSet[str]) -> None:
    """See `BillingStore.keep_manifest`."""
    database.execute(
        "INSERT INTO billing_manifests (folder_hash, folder, names, noted_at)"
        " VALUES (:hash, :folder, :names, :now)"
        " ON DUPLICATE KEY UPDATE names = :names, noted_at = :now",
        {
            "hash": _hash(folder),
            "folder": folder,
            "names": json.dumps(sorted(names), ensure_ascii=False),
            "now": now(),
        },
    )


def _files(database: DataApi, folder: str, which: str) -> list[FileEntry]:
    """The newest versions of the files in a folder that have such a status."""
    found: list[FileEntry] = []
    while True:
        page = database.execute(
            "SELECT * FROM billing_files f WHERE load_id > :after"
            " AND LEFT(object_key, CHAR_LENGTH(:prefix)) = :prefix"
            f" AND ({which}) AND NOT EXISTS (SELECT 1 FROM billing_files n"
            " WHERE n.key_hash = f.key_hash AND n.version_order > f.version_order)"
            f" ORDER BY load_id LIMIT {FILES_AT_ONCE:d}",
            {"after": found[-1].load_id if found else 0, "prefix": f"{folder}/"},
        ).rows
        found += map(file_entry, page)
        if len(page) < FILES_AT_ONCE:
            return found


def _hash(folder: str) -> str:
    return hashlib.sha256(folder.encode()).hexdigest()
