"""The endpoint that the contract is checked against: AWS_ENDPOINT_URL, or our own emulator."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.contract.aws import FOREIGN, MANAGEMENT, SPOKE, Account, eventually

REPOSITORY = Path(__file__).resolve().parents[3]
FAST = {"FINOPS_ASYNC_RETRY_SECONDS": "0.1", "FINOPS_STREAM_RETRY_SECONDS": "0.05"}


class Emulator:
    """An emulator of the test run's own, with its state in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for name in ("tmp", "state", "s3"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        python = os.environ.get(
            "FINOPS_EMULATOR_PYTHON", str(REPOSITORY / ".local/emulator-venv/bin/python")
        )
        with (self.folder / "emulator.log").open("ab") as log:
            self.process = subprocess.Popen(
                [python, str(REPOSITORY / "scripts/localcloud/emulator.py")],
                env={
                    "PATH": os.environ["PATH"],
                    "GATEWAY_PORT": str(self.port),
                    "BIND_HOST": "127.0.0.1",
                    "AUTH": "true",
                    "PERSIST_STATE": "1",
                    "STATE_DIR": str(self.folder / "state"),
                    "S3_DATA_DIR": str(self.folder / "s3"),
                    "TMPDIR": str(self.folder / "tmp"),
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "SFTP_ENABLED": "0",
                    "IOT_MTLS_ENABLED": "0",
                    "LOG_LEVEL": "WARNING",
                    **FAST,
                },
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, within=30)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "emulator.log").read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        """End it as the supervisor does: ask, wait, then kill what is left of its group."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def own_emulator() -> Iterator[Emulator]:
    """An emulator for one test, which may stop and start it."""
    folder = Path(tempfile.mkdtemp(prefix="contract-"))
    emulator = Emulator(folder)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where AWS answers."""
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="contract-"))
    emulator = Emulator(folder)
    emulator.start()
    try:
        yield emulator.url
    finally:
        emulator.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def management(endpoint: str) -> Account:
    return Account(MANAGEMENT, endpoint)


@pytest.fixture(scope="session")
def spoke(endpoint: str) -> Account:
    return Account(SPOKE, endpoint)


@pytest.fixture(scope="session")
def foreign(endpoint: str) -> Account:
    return Account(FOREIGN, endpoint)
