"""The local cloud as its users see it: start, stop, status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError

from localcloud.address import endpoint_url
from localcloud.emulator_process import health
from localcloud.keeper import end_leftovers
from localcloud.lock import CloudLock
from localcloud.prerequisites import missing_for_cloud, refuse
from localcloud.processes import wait_until
from localcloud.settings import SCRIPTS, LocalCloudError, Settings

Progress = Callable[[str], None]

_START_SECONDS = 150.0
# Longer than the emulator and the database are given together.
_STOP_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One row of the status."""

    service: str
    state: str  # "up", "down", "off" by setting
    detail: str


@dataclass(frozen=True, slots=True)
class Status:
    """What runs."""

    running: bool
    endpoint_url: str | None
    services: list[ServiceStatus]

    def as_dict(self) -> dict[str, Any]:
        """The status as one JSON document."""
        return asdict(self)


class LocalCloud:
    """A local cloud, started unless it is already up, and stopped as a whole.

    As a context manager it stops with the block, and with this process however that ends. A
    cloud that was up before stays up.
    """

    def __init__(self, settings: Settings | None = None, *, detached: bool = False) -> None:
        """A cloud of these settings; ``detached`` lets it outlive this process."""
        self.settings = settings or Settings.from_environment()
        self._detached = detached
        self._lock = CloudLock(self.settings.lock_file)
        self._keeper: subprocess.Popen[str] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where the cloud answers."""
        return endpoint_url(self.settings)

    def start(self, progress: Progress = lambda _: None) -> Self:
        """Start the cloud; does nothing when it is up, here or by ``LOCALSTACK_HOST``.

        Raises:
            LocalCloudError: It cannot be started; the message says what to do.
        """
        if self.settings.external:
            self._require_external()
            return self
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise LocalCloudError(
                    f"Another start or stop of the cloud in {self.settings.local_dir} does not"
                    f" finish; its log is {self.settings.logs / 'supervisor.log'}"
                )
            if self._lock.is_held():
                time.sleep(0.1)  # somebody starts or stops it
                continue
            refuse(missing_for_cloud(self.settings))
            self._start_keeper(progress)
        return self

    def stop(self) -> None:
        """Stop the cloud, whoever started it; does nothing when it is down."""
        if self.settings.external:
            return
        keeper = self._lock.read().get("keeper")
        if keeper and self._lock.is_held():
            keeper.signal(signal.SIGTERM)
        if not wait_until(lambda: not self._lock.is_held(), _STOP_SECONDS) and keeper:
            keeper.signal(signal.SIGKILL)
            wait_until(lambda: not self._lock.is_held(), 5)
        self._forget_keeper()
        self._end_leftovers()

    def status(self) -> Status:
        """What runs, asked of the processes themselves."""
        url = self.endpoint_url
        try:
            document = health(url, timeout=2)
        except (OSError, ValueError, TypeError):
            document = {}
        if self.settings.external:
            version = f"version {document.get('version', 'unknown')}, not started from here"
            services = [ServiceStatus("emulator", "up" if document else "down", version)]
            return Status(bool(document), url, services)
        processes = self._lock.read() if self._is_ready() else {}
        emulator = processes.get("emulator")
        database = processes.get("database")
        services = [
            ServiceStatus("emulator", "up", f"{url}, pid {emulator.pid}")
            if emulator and document
            else ServiceStatus("emulator", "down", f"logs in {self.settings.logs}"),
            ServiceStatus("database", "up", f"MariaDB, pid {database.pid}")
            if database and database.is_running()
            else ServiceStatus(
                "database",
                "down" if self.settings.database else "off",
                "" if self.settings.database else "FINOPS_DATABASE=false",
            ),
        ]
        extensions = document.get("finops", {}).get("extensions", []) if emulator else []
        services += [ServiceStatus(name, "up", "extension") for name in extensions]
        running = bool(emulator and document)
        return Status(running, url if running else None, services)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._keeper:
            self.stop()

    def _is_ready(self) -> bool:
        return self._lock.is_held() and self.settings.ready_file.exists()

    def _forget_keeper(self) -> None:
        """Wait for our keeper's end, which something else has brought about."""
        if self._keeper:
            self._keeper.communicate()
            self._keeper = None

    def _start_keeper(self, progress: Progress) -> None:
        self._forget_keeper()
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        log = self.settings.logs / "supervisor.log"
        command = [sys.executable, "-m", "localcloud", "keep"]
        path = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
        with log.open("a") as errors:
            keeper = subprocess.Popen(
                command if self._detached else [*command, "--lifeline"],
                env={**os.environ, **self.settings.to_environment(), "PYTHONPATH": path},
                # The lifeline: however this process ends, the keeper reads the end of it.
                stdin=subprocess.DEVNULL if self._detached else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        self._keeper = keeper
        try:
            state = self._follow(keeper, progress)
        except BaseException:
            keeper.terminate()
            self._forget_keeper()
            raise
        if state != "ready":
            self._forget_keeper()
        if state is None:
            raise LocalCloudError(f"The local cloud did not start; its log is {log}")

    def _follow(self, keeper: subprocess.Popen[str], progress: Progress) -> str | None:
        """Read what the keeper reports until it is ready, or leaves the cloud to another."""
        assert keeper.stdout is not None
        for line in keeper.stdout:
            report = json.loads(line)
            if report["state"] == "failed":
                raise LocalCloudError(report["error"])
            if report["state"] != "starting":
                return str(report["state"])
            progress(f"Starting the {report['service']} ...")
        return None

    def _end_leftovers(self) -> None:
        """After a keeper that could not clean up itself."""
        if self._lock.read() and self._lock.acquire(1):
            end_leftovers(self.settings, self._lock)
            self._lock.release()

    def _require_external(self) -> None:
        try:
            health(self.endpoint_url)
        except HTTPError:
            return  # it answers, without a health document: moto's server
        except (OSError, ValueError, TypeError) as error:
            raise LocalCloudError(
                f"LOCALSTACK_HOST names {self.endpoint_url}, which does not answer ({error})."
                " Start it, or unset LOCALSTACK_HOST to use the embedded cloud."
            ) from None
