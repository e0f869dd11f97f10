"""The private MariaDB that stands in for Aurora MySQL: its own folder, and a socket only."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from localcloud.processes import ProcessRecord, spawn, wait_until
from localcloud.settings import LocalCloudError, Settings
from localcloud.snapshot import Snapshot, copy_tree

# Not always on the path of a user or of a Make target.
_PROGRAM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_LONGEST_SOCKET_PATH = 103  # bytes that every platform's sockaddr_un takes
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

_OPTIONS = (
    "--skip-networking",
    "--skip-log-bin",
    "--skip-ssl",
    "--local-infile=OFF",
    "--performance-schema=OFF",
    # As Aurora MySQL 3 (MySQL 8.0) answers.
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_520_ci",
    "--default-time-zone=+00:00",
    "--transaction-isolation=REPEATABLE-READ",
    "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "--max-allowed-packet=64M",
    "--max-connections=500",
    # Small, and safe against a crash of the server, if not of the machine.
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
)


def program(name: str) -> str | None:
    """Where a program of MariaDB is, if it is installed."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PROGRAM_FOLDERS])
    return shutil.which(name, path=folders)


class Database:
    """The server of one local cloud."""

    def __init__(self, settings: Settings) -> None:
        self._log = settings.logs / "database.log"
        self._persist = settings.persist
        self._snapshot = Snapshot(settings.snapshot) if settings.snapshot else None
        # MariaDB does not run as root. Root hands the folder to the user of the package.
        self._user = "mysql" if os.geteuid() == 0 else None
        self.folder = _folder_for(settings.local_dir, self._user)
        self.data = self.folder / "data"
        # What becomes `data` when it is complete.
        self._fresh = self.folder / "data.new"

    @property
    def socket(self) -> Path:
        """Path of the server's socket; a long one is replaced by a short one elsewhere."""
        path = self.folder / "mariadb.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        return Path(tempfile.gettempdir()) / f"finops-{_digest(self.folder)}" / "mariadb.sock"

    def start(self, record: Callable[[ProcessRecord], None]) -> None:
        """Create the data folder where missing, and start the server.

        ``record`` learns of each process at once, so that it can be ended at any time.

        Raises:
            LocalCloudError: It did not start; the message names the log.
        """
        self._own(self.folder)
        if self.socket.parent != self.folder:
            self._own(self.socket.parent)
        self.socket.unlink(missing_ok=True)
        if not self._persist:
            shutil.rmtree(self.data, ignore_errors=True)
        if not self.data.exists():
            if self._snapshot:
                copy_tree(self._snapshot.database, self._fresh)
            else:
                self._install(record)
            self._fresh.rename(self.data)
        server = spawn(
            [
                program("mariadbd") or "mariadbd",
                "--no-defaults",
                f"--datadir={self.data}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'mariadb.pid'}",
                *_OPTIONS,
            ],
            environment=self._environment(),
            folder=self.folder,
            log=self._log,
            user=self._user,
            on_parent_death=signal.SIGTERM,  # lets it write its pages
        )
        record(ProcessRecord.of(server.pid))
        wait_until(lambda: server.poll() is not None or self.answers(), _START_SECONDS)
        if server.poll() is not None or not self.answers():
            raise LocalCloudError(f"MariaDB did not start; its log is {self._log}")

    def stop(self, record: ProcessRecord | None) -> None:
        """End what was started, if anything was; only data that are to be kept stay."""
        if record:
            record.end(_STOP_SECONDS if self._persist else 0)
        self.socket.unlink(missing_ok=True)
        if self.folder.exists() and self._is_ours(self.folder):
            _remove(self._fresh if self._persist else self.folder)
        if self.socket.parent != self.folder and self.socket.parent.is_dir():
            self.socket.parent.rmdir()

    def answers(self) -> bool:
        """Whether the server greets who connects."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                return len(connection.recv(5)) == 5
            except OSError:
                return False

    def _install(self, record: Callable[[ProcessRecord], None]) -> None:
        shutil.rmtree(self._fresh, ignore_errors=True)
        installer = spawn(
            [
                program("mariadb-install-db") or "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self._fresh}",
                # The folder keeps others out: root of the database needs no password.
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-log-bin",
                "--skip-name-resolve",
            ],
            environment=self._environment(),
            folder=self.folder,
            log=self._log,
            user=self._user,
        )
        record(ProcessRecord.of(installer.pid))
        if installer.wait():
            raise LocalCloudError(f"mariadb-install-db failed; its log is {self._log}")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), *_PROGRAM_FOLDERS]),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LC_ALL": "C",
        }

    def _own(self, folder: Path) -> None:
        """Make a folder that only the server's user and we may enter."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._is_ours(folder):
            raise LocalCloudError(f"{folder} belongs to another user; remove it.")
        if folder.lstat().st_uid != self._owner:
            os.chown(folder, self._owner, -1)

    def _is_ours(self, folder: Path) -> bool:
        found = folder.lstat()
        return not stat.S_ISLNK(found.st_mode) and found.st_uid in {self._owner, os.geteuid()}

    @property
    def _owner(self) -> int:
        return pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()


def _remove(folder: Path) -> None:
    """Remove a folder into which processes may still write that were killed just now."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, 5)


def _folder_for(local_dir: Path, user: str | None) -> Path:
    """``database`` in the local folder, or a system folder where ``user`` cannot get at that."""
    if user is None or _can_enter(user, local_dir):
        return local_dir / "database"
    return Path("/var/lib/finops-localcloud") / _digest(local_dir)


def _can_enter(user: str, folder: Path) -> bool:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return True  # not installed: the check of what is missing says so
    for parent in (folder, *folder.parents):
        try:
            found = parent.stat()
        except FileNotFoundError:
            continue  # made later, open to all
        if found.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def _digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:12]
