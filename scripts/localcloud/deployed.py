"""Apply `environments/local` once, and copy often.

An apply takes a minute or two, a copy of what it left a second. A snapshot is named by the hash of
everything that decides what an apply makes, so one that is out of date is never found.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from localcloud.database import Database, program
from localcloud.emulator_process import EmulatorProcess
from localcloud.settings import REPOSITORY, SCRIPTS, LocalCloudError, Settings
from localcloud.snapshot import EMULATOR_PARTS, TERRAFORM_STATE, Snapshot
from localcloud.supervisor import LocalCloud
from localcloud.terraform import MODULES, local_environment
from localcloud.terraform_state import over_http

SNAPSHOTS = REPOSITORY / ".local" / "snapshots"

#: Older ones are of code that has changed since.
_KEPT = 2


def deployed(
    settings: Settings,
    *,
    again: bool = False,
    snapshots: Path = SNAPSHOTS,
    packages_file: Path = REPOSITORY / "build" / "local" / "packages.json",
    **variables: object,
) -> Snapshot:
    """Return a snapshot of `environments/local`, applied now if there is none of this code yet.

    Whoever asks for the same one meanwhile, here or in another process, waits for it.

    Args:
        settings: Of a cloud that is not started yet, with a folder of its own: it is deployed to.
        again: Apply in any case; where there is a snapshot already, the new one lies in the
            cloud's own folder.
        snapshots: Where snapshots are kept.
        packages_file: What `build_lambdas.py --target local` wrote.
        variables: Input variables of the root.

    Raises:
        TerraformError: The apply failed.
        LocalCloudError: The cloud did not start, or was killed before it had saved its state.
    """
    key = _digest(settings, packages_file, variables)
    with _locked(snapshots / f"{key}.lock"):
        kept = Snapshot(snapshots / key)
        if kept.is_whole and not again:
            return kept
        # Others may be copying the kept one.
        snapshot = Snapshot(settings.local_dir / "snapshot") if kept.is_whole else kept
        _make(snapshot, replace(settings, persist=True), packages_file, variables)
        _prune(snapshots, keep=key)
    return snapshot


def _make(
    snapshot: Snapshot, settings: Settings, packages_file: Path, variables: Mapping[str, object]
) -> None:
    shutil.rmtree(snapshot.folder, ignore_errors=True)
    with LocalCloud(settings) as cloud:
        local = local_environment(settings, packages_file=packages_file, **variables)
        with over_http(local) as terraform:
            terraform.apply()
        port = int(cloud.endpoint_url.rpartition(":")[2])
    if not EmulatorProcess(settings, Database(settings).socket).has_saved_all:
        raise LocalCloudError(
            "The emulator was killed before it had saved what was deployed to it. Try again when"
            " the machine has less to do"
        )
    for part in (*EMULATOR_PARTS, TERRAFORM_STATE):
        (snapshot.folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(settings.local_dir / part, snapshot.folder / part)
    if settings.database:
        shutil.move(Database(settings).data, snapshot.database)
    snapshot.describe(port)


def _prune(snapshots: Path, *, keep: str) -> None:
    others = [one for one in snapshots.iterdir() if one.is_dir() and one.name != keep]
    others.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    for folder in others[_KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with its holder, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(settings: Settings, packages_file: Path, variables: Mapping[str, object]) -> str:
    """SHA-256 of what an apply reads, and of the cloud that answers it."""
    packages = json.loads(packages_file.read_text())
    hashes = [packages["code"], *packages["layers"].values()]
    facts = {
        "variables": variables,
        "packages": [one["sha256_base64"] for one in hashes],
        "database": settings.database and program("mariadbd"),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for path in sorted(_sources()):
        digest.update(f"\0{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:20]


def _sources() -> Iterable[Path]:
    root = REPOSITORY / "environments" / "local"
    yield from (path for path in root.iterdir() if path.suffix in {".tf", ".yaml"})
    yield from (path for path in MODULES.rglob("*") if path.is_file() and path.suffix != ".md")
    yield from (SCRIPTS / "localcloud").rglob("*.py")
    yield REPOSITORY / "requirements" / "emulator.txt"
