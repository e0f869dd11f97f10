"""What must be installed, checked before anything starts, each with its remedy."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

from localcloud.database import program
from localcloud.settings import LocalCloudError, Settings

_TERRAFORM = (1, 11)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not there, and how to get it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def missing_for_cloud(settings: Settings) -> list[Missing]:
    """What the local cloud of these settings lacks on this machine."""
    missing = []
    if sys.platform == "win32":
        missing.append(Missing("a Unix system", "on Windows, use WSL 2"))
    if not settings.emulator_python.exists():
        missing.append(
            Missing(
                f"the emulator's interpreter {settings.emulator_python}",
                "run `scripts/bootstrap emulator`, or set FINOPS_EMULATOR_PYTHON to an"
                " interpreter with the packages of requirements/emulator.txt",
            )
        )
    if settings.database and not (program("mariadbd") and program("mariadb-install-db")):
        missing.append(
            Missing(
                "MariaDB (mariadbd, mariadb-install-db)",
                "run `scripts/bootstrap database` as root on Debian or Ubuntu, or install the"
                " package mariadb-server (Homebrew: mariadb); or set FINOPS_DATABASE=false to go"
                " without, and without the RDS Data API",
            )
        )
    return missing


def missing_for_terraform() -> list[Missing]:
    """What `terraform apply` on the local cloud lacks on this machine."""
    wanted = ".".join(map(str, _TERRAFORM))
    remedy = f"install version {wanted} or later: https://developer.hashicorp.com/terraform/install"
    try:
        shown = subprocess.run(
            ["terraform", "version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return [Missing("Terraform", remedy)]
    found = re.match(r"Terraform v(\d+)\.(\d+)", shown)
    if found is None or (int(found[1]), int(found[2])) < _TERRAFORM:
        return [Missing(f"Terraform {wanted}", f"{shown.splitlines()[0]} is too old; {remedy}")]
    return []


def refuse(missing: list[Missing]) -> None:
    """Raise one error that names all that is missing, if anything is.

    Raises:
        LocalCloudError: Something is missing.
    """
    if missing:
        raise LocalCloudError("\n  ".join(["This machine lacks:", *map(str, missing)]))
