"""The process that starts a cloud, watches it, and ends all of it when any part ends."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from localcloud.database import Database
from localcloud.emulator_process import EmulatorProcess
from localcloud.lock import CloudLock
from localcloud.processes import ProcessRecord
from localcloud.settings import LocalCloudError, Settings

Report = Callable[[dict[str, Any]], None]

_LOCK_SECONDS = 1.0  # longer than anybody only looks at the lock
_WATCH_SECONDS = 0.2


class _Interrupted(BaseException):
    """A signal asked the keeper to end; passes through whatever is under way."""


class Keeper:
    """Keeps one cloud up from ``run`` until it returns, and leaves no process behind."""

    def __init__(self, settings: Settings, report: Report, *, lifeline: bool = False) -> None:
        """Prepare a keeper that reports its progress to ``report``.

        With ``lifeline`` it ends when standard input closes, that is with its parent.
        """
        self._settings = settings
        self._report = report
        self._lifeline = lifeline
        self._lock = CloudLock(settings.lock_file)
        self._processes: dict[str, ProcessRecord] = {}
        self._is_to_end = False
        self._database = Database(settings)
        self._emulator = EmulatorProcess(settings, self._database.socket)

    def run(self) -> int:
        """Keep the cloud up; the exit status."""
        self._settings.logs.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire(_LOCK_SECONDS):
            self._report({"state": "busy"})
            return 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        try:
            self._end_what_a_crash_left()
            self._start()
            return self._watch()
        except _Interrupted:
            return 0
        except LocalCloudError as error:
            self._report({"state": "failed", "error": str(error)})
            return 1
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # ending is bounded in time already
            self._stop()

    def _start(self) -> None:
        for log in ("database.log", "emulator.log"):
            path = self._settings.logs / log
            if path.exists():
                path.replace(path.with_suffix(".log.1"))
        if self._settings.database:
            self._report({"state": "starting", "service": "database"})
            self._database.start(partial(self._record, "database"))
        self._report({"state": "starting", "service": "emulator"})
        self._emulator.start(partial(self._record, "emulator"))
        description = {
            "endpoint_url": self._emulator.endpoint_url,
            "port": self._emulator.port,
            "pid": os.getpid(),
            "emulator_pid": self._processes["emulator"].pid,
            "database_pid": self._processes["database"].pid if self._settings.database else None,
            "database_socket": str(self._database.socket) if self._settings.database else None,
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        written = self._settings.ready_file.with_suffix(".new")
        written.write_text(json.dumps(description, indent=2) + "\n")
        written.replace(self._settings.ready_file)
        self._report({"state": "ready", **description})

    def _watch(self) -> int:
        while not self._is_to_end:
            for name, record in self._processes.items():
                if not record.is_running():
                    self._report({"state": "failed", "error": f"The {name} ended by itself."})
                    return 1
            if not self._lifeline:
                time.sleep(_WATCH_SECONDS)
            elif select.select([sys.stdin], [], [], _WATCH_SECONDS)[0] and not os.read(0, 1):
                return 0
        return 0

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        # Whatever is under way may swallow what is raised, such as a callback of an import.
        self._is_to_end = True
        raise _Interrupted

    def _stop(self) -> None:
        self._settings.ready_file.unlink(missing_ok=True)
        if record := self._processes.get("emulator"):
            self._emulator.stop(record)
        if self._settings.database:  # also where no process of it is known yet
            self._database.stop(self._processes.get("database"))
        self._lock.release()

    def _end_what_a_crash_left(self) -> None:
        end_leftovers(self._settings, self._lock)
        self._lock.write({"keeper": ProcessRecord.of(os.getpid())})

    def _record(self, name: str, record: ProcessRecord) -> None:
        self._processes[name] = record
        self._lock.write({"keeper": ProcessRecord.of(os.getpid()), **self._processes})


def end_leftovers(settings: Settings, lock: CloudLock) -> None:
    """Clear away a cloud whose keeper was killed; for the holder of the lock."""
    settings.ready_file.unlink(missing_ok=True)
    processes = lock.read()
    database = Database(settings)
    if record := processes.get("emulator"):
        EmulatorProcess(settings, database.socket).stop(record)
    if record := processes.get("database"):
        database.stop(record)
