"""Settings of a local cloud: folders, port, and what it runs with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

SCRIPTS = Path(__file__).resolve().parents[1]
REPOSITORY = SCRIPTS.parent

DEFAULT_PORT = 4566
_OWN = {
    "FINOPS_LOCAL_DIR",
    "FINOPS_PORT",
    "FINOPS_AUTH",
    "FINOPS_DATABASE",
    "FINOPS_PERSIST",
    "FINOPS_EMULATOR_PYTHON",
    "FINOPS_SNAPSHOT",
}

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where a local cloud lives and what it runs.

    Attributes:
        local_dir: Folder of its state, logs and sockets; one cloud a folder.
        port: Port of the emulator on 127.0.0.1; 0 takes a free one.
        auth: Enforce IAM policies.
        database: Run a private MariaDB behind the RDS Data API.
        persist: Keep all state when it stops; otherwise each start is a fresh one.
        emulator_python: Interpreter that has MiniStack installed.
        snapshot: Folder of a deployment (see ``localcloud.snapshot``) that a cloud without a state
            of its own starts as a copy of.
        external: ``host`` or ``host:port`` of an endpoint already running, used instead.
        emulator_environment: Other ``FINOPS_*`` variables, which extensions may read.
    """

    local_dir: Path = REPOSITORY / ".local"
    port: int = DEFAULT_PORT
    auth: bool = True
    database: bool = True
    persist: bool = True
    emulator_python: Path = REPOSITORY / ".local" / "emulator-venv" / "bin" / "python"
    snapshot: Path | None = None
    external: str | None = None
    emulator_environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read ``FINOPS_*`` and ``LOCALSTACK_HOST``.

        Raises:
            LocalCloudError: A variable has an invalid value.
        """
        default = cls()
        given = {key: value for key, value in environment.items() if value}

        def folder(name: str, otherwise: Path) -> Path:
            # Not resolved: a virtual environment's interpreter is a link that matters.
            return Path(given[name]).absolute() if name in given else otherwise

        return cls(
            local_dir=folder("FINOPS_LOCAL_DIR", default.local_dir),
            port=_port(given.get("FINOPS_PORT", str(default.port))),
            auth=_switch(given, "FINOPS_AUTH", otherwise=default.auth),
            database=_switch(given, "FINOPS_DATABASE", otherwise=default.database),
            persist=_switch(given, "FINOPS_PERSIST", otherwise=default.persist),
            emulator_python=folder("FINOPS_EMULATOR_PYTHON", default.emulator_python),
            snapshot=Path(given["FINOPS_SNAPSHOT"]) if "FINOPS_SNAPSHOT" in given else None,
            external=given.get("LOCALSTACK_HOST"),
            emulator_environment={
                key: value
                for key, value in given.items()
                if key.startswith("FINOPS_") and key not in _OWN
            },
        )

    def to_environment(self) -> dict[str, str]:
        """The variables from which ``from_environment`` reads these settings."""
        return {
            "FINOPS_LOCAL_DIR": str(self.local_dir.absolute()),
            "FINOPS_PORT": str(self.port),
            "FINOPS_AUTH": str(self.auth).lower(),
            "FINOPS_DATABASE": str(self.database).lower(),
            "FINOPS_PERSIST": str(self.persist).lower(),
            "FINOPS_EMULATOR_PYTHON": str(self.emulator_python),
            "FINOPS_SNAPSHOT": str(self.snapshot or ""),
            "LOCALSTACK_HOST": self.external or "",
            **self.emulator_environment,
        }

    @property
    def lock_file(self) -> Path:
        """Locked while a cloud runs in this folder; records its processes."""
        return self.local_dir / "localcloud.lock"

    @property
    def ready_file(self) -> Path:
        """Describes the cloud while it is up."""
        return self.local_dir / "localcloud.json"

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.local_dir / "logs"


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise LocalCloudError(f"FINOPS_PORT is {text!r}; give a port from 1 to 65535, or 0 for any.")


def _switch(given: Mapping[str, str], name: str, *, otherwise: bool) -> bool:
    if name not in given:
        return otherwise
    try:
        return _WORDS[given[name].lower()]
    except KeyError:
        raise LocalCloudError(f"{name} is {given[name]!r}; give true or false.") from None
