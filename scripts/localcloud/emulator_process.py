"""The emulator's process: start it on a port, ask whether it serves, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.processes import ProcessRecord, spawn, wait_until
from localcloud.settings import REPOSITORY, SCRIPTS, LocalCloudError, Settings
from localcloud.snapshot import Snapshot

HOST = "127.0.0.1"
_START_SECONDS = 60.0
# It saves 150 MB meanwhile, which takes two seconds on a machine that does nothing else.
_STOP_SECONDS = 120.0
_FREE_PORT_ATTEMPTS = 5

# Lambda code, unpacked once for all clouds of this clone, and how long it is kept unused.
_LAMBDA_CODE = REPOSITORY / ".local" / "lambda-code"
_LAMBDA_CODE_SECONDS = 14 * 86400

# All that the emulator, and so a function on it, sees of this machine's environment.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


class PortTakenError(LocalCloudError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} of {HOST} is in use by another program. Stop that program, or choose"
            f" another port: FINOPS_PORT={port + 1} (FINOPS_PORT=0 takes any free one)."
        )


class EmulatorProcess:
    """The emulator of one local cloud."""

    def __init__(self, settings: Settings, database_socket: Path) -> None:
        self._settings = settings
        self._database_socket = database_socket
        self._folder = settings.local_dir / "emulator"
        self._cloud_id = uuid.uuid4().hex
        self.log = settings.logs / "emulator.log"
        self.port = settings.port

    @property
    def endpoint_url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    def start(self, record: Callable[[ProcessRecord], None]) -> None:
        """Start it and wait until it serves.

        ``record`` learns of the process at once, so that it can be ended at any time.

        Raises:
            PortTakenError: Another program has the port.
            LocalCloudError: It did not come up; the message names the log.
        """
        for attempts_left in reversed(range(_FREE_PORT_ATTEMPTS)):
            self.port = self._settings.port or _free_port()
            try:
                return self._start_once(record)
            except PortTakenError:
                if self._settings.port or not attempts_left:
                    raise

    def stop(self, record: ProcessRecord) -> None:
        """End it, its functions and whatever else it started."""
        if not self._settings.persist:
            record.end(0)
            shutil.rmtree(self._folder, ignore_errors=True)
        elif not record.end(_STOP_SECONDS):
            self._mark.touch()

    @property
    def has_saved_all(self) -> bool:
        """Whether it was not killed while it saved its state, when it last ended."""
        return not self._mark.exists()

    @property
    def _mark(self) -> Path:
        return self._folder / "killed"

    def _start_once(self, record: Callable[[ProcessRecord], None]) -> None:
        if _listens(self.port):
            raise PortTakenError(self.port)
        server = spawn(
            [self._settings.emulator_python, "-m", "localcloud.emulator"],
            environment=self._environment(),
            folder=self._folder,
            log=self.log,
            # A graceful end saves the state.
            on_parent_death=signal.SIGTERM if self._settings.persist else signal.SIGKILL,
        )
        started = ProcessRecord.of(server.pid)
        record(started)
        if self._serves_before_deadline(server):
            return
        ended = server.poll()
        started.end(0)
        if _listens(self.port):
            raise PortTakenError(self.port)
        what = "did not answer in time" if ended is None else f"ended with status {ended}"
        raise LocalCloudError(f"The emulator {what}; its log is {self.log}{_tail(self.log)}")

    def _serves_before_deadline(self, server: subprocess.Popen[bytes]) -> bool:
        wait_until(lambda: server.poll() is not None or self._is_ours(), _START_SECONDS)
        return server.poll() is None and self._is_ours()

    def _is_ours(self) -> bool:
        """Whether it answers, and is not another cloud that won a race for the port."""
        with contextlib.suppress(OSError, ValueError):
            return bool(health(self.endpoint_url).get("finops", {}).get("cloud") == self._cloud_id)
        return False

    def _environment(self) -> dict[str, str]:
        folders = {
            "STATE_DIR": self._folder / "state",
            "S3_DATA_DIR": self._folder / "s3",
            "TMPDIR": self._folder / "tmp",
            "HOME": self._folder / "home",
        }
        stale = folders["TMPDIR"] if self._settings.persist else self._folder
        shutil.rmtree(stale, ignore_errors=True)
        snapshot = self._settings.snapshot
        if snapshot and not folders["STATE_DIR"].exists():
            Snapshot(snapshot).restore_emulator(self._settings.local_dir, self.port)
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        self._mark.unlink(missing_ok=True)
        keeps_state = str(int(self._settings.persist or snapshot is not None))
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            **{name: str(folder) for name, folder in folders.items()},
            "TZ": "UTC",
            "PYTHONPATH": str(SCRIPTS),
            # Nobody's real account is reachable from here.
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # MiniStack would use a Docker daemon for databases if it found one.
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": str(self._settings.auth).lower(),
            # Waits between the tries of a state machine's tasks; tests have them short.
            "SFN_WAIT_SCALE": self._settings.emulator_environment.get(
                "FINOPS_STATE_RETRY_SCALE", "1"
            ),
            "PERSIST_STATE": keeps_state,
            "S3_PERSIST": keeps_state,
            "FINOPS_LOCAL_CLOUD_ID": self._cloud_id,
            "FINOPS_DATABASE_SOCKET": str(self._database_socket),
            "FINOPS_LAMBDA_CODE": str(_lambda_code()),
            # What reads documents needs packages that functions must not find by chance.
            "FINOPS_READER_PYTHON": sys.executable,
            "FINOPS_READER_PATH": os.pathsep.join(
                str(one) for one in (SCRIPTS, REPOSITORY / "lambda_src")
            ),
            **self._settings.emulator_environment,
        }


def _lambda_code() -> Path:
    _LAMBDA_CODE.mkdir(parents=True, exist_ok=True)
    for folder in _LAMBDA_CODE.iterdir():
        if time.time() - folder.stat().st_mtime > _LAMBDA_CODE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    return _LAMBDA_CODE


def health(endpoint_url: str, timeout: float = 5) -> dict[str, Any]:
    """The health document of a LocalStack-compatible endpoint.

    Raises:
        OSError: Nobody answers.
        ValueError: What answers is something else.
    """
    with urllib.request.urlopen(f"{endpoint_url}/_localstack/health", timeout=timeout) as response:
        document = json.load(response)
    if not isinstance(document, dict):
        raise TypeError(f"{endpoint_url} answers, but is not a LocalStack-compatible endpoint")
    return document


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "".join(f"\n    {line}" for line in text)
