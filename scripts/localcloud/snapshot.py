"""A deployed cloud at rest, for every cloud that starts as a copy of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the copy holds, as it lies in the folder of a cloud.
EMULATOR_PARTS = (Path("emulator", "state"), Path("emulator", "s3"))
TERRAFORM_STATE = Path("terraform", "local", "terraform.tfstate")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A deployed cloud at rest.

    Attributes:
        folder: Where it lies: `emulator/`, `database/`, `terraform/` and `snapshot.json`.
    """

    folder: Path

    @property
    def database(self) -> Path:
        """The data folder of the database."""
        return self.folder / "database"

    def outputs(self, port: int) -> dict[str, Any]:
        """Terraform's outputs, for a copy that answers on `port`."""
        text = (self.folder / TERRAFORM_STATE).read_bytes()
        outputs = json.loads(self._moved(text, port))["outputs"]
        return {name: output["value"] for name, output in outputs.items()}

    def restore_emulator(self, local_dir: Path, port: int) -> None:
        """Give the emulator of `local_dir`, which is about to start on `port`, this state."""
        for part in EMULATOR_PARTS:
            copy_tree(self.folder / part, local_dir / part)
        for path in (local_dir / EMULATOR_PARTS[0]).glob("*.json"):
            path.write_bytes(self._moved(path.read_bytes(), port))

    def restore_terraform(self, local_dir: Path, port: int) -> None:
        """Give `environments/local` of a cloud the state of the deployment."""
        state = local_dir / TERRAFORM_STATE
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_bytes(self._moved((self.folder / TERRAFORM_STATE).read_bytes(), port))

    def _moved(self, text: bytes, port: int) -> bytes:
        """Queue URLs and the like name the address at which a cloud answers."""
        taken_at = json.loads(self._description.read_text())["port"]
        at = rb"(127\.0\.0\.1|localhost):%d(?!\d)" % taken_at
        return re.sub(at, rb"\g<1>:%d" % port, text)

    @property
    def _description(self) -> Path:
        return self.folder / "snapshot.json"

    @property
    def is_whole(self) -> bool:
        """Whether it was taken to its end: the description is written last."""
        return self._description.exists()

    def describe(self, port: int) -> None:
        """Mark the snapshot as whole: its parts are there, taken of a cloud on `port`."""
        self._description.write_text(json.dumps({"port": port}))


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with its owners and modes, sharing blocks where the file system can."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
