"""One cloud a folder: a lock that ends with its holder, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from localcloud.processes import ProcessRecord, wait_until


class CloudLock:
    """Held by the keeper of a cloud; the file says which processes are that cloud."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def acquire(self, seconds: float) -> bool:
        """Take the lock, waiting for at most ``seconds``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if wait_until(lambda: _locked(opened, fcntl.LOCK_EX), seconds):
            self._held = opened
            return True
        os.close(opened)
        return False

    def release(self) -> None:
        """Give the lock back; no process of the cloud is left."""
        if self._held is not None:
            os.ftruncate(self._held, 0)
            os.close(self._held)
            self._held = None

    def is_held(self) -> bool:
        """Whether a keeper, this or another, has the lock."""
        try:
            opened = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _locked(opened, fcntl.LOCK_SH)
        finally:
            os.close(opened)

    def write(self, processes: Mapping[str, ProcessRecord]) -> None:
        """Record the processes, for whoever cleans up after a crash."""
        if self._held is None:
            raise RuntimeError("only the holder of the lock writes it")
        text = json.dumps({name: asdict(record) for name, record in processes.items()})
        os.ftruncate(self._held, 0)
        os.pwrite(self._held, text.encode(), 0)

    def read(self) -> dict[str, ProcessRecord]:
        """The processes of this cloud, or those that the last one left in a crash."""
        try:
            processes = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {name: ProcessRecord(**record) for name, record in processes.items()}


def _locked(opened: int, kind: int) -> bool:
    try:
        fcntl.flock(opened, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
