"""The product as people install it: its wheel, in an environment without this clone."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def install(wheel: Path, folder: Path) -> Path:
    """The interpreter of a new environment with the wheel, and with its dependencies from this one.

    They are the same versions that pip would install, without the time and a network. Linked one by
    one, so that no editable install and no path of this clone comes along.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    ended = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    packages = Path(ended.stdout.strip())
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and "editable" not in path.name and "finops" not in path.name:
            (packages / path.name).symlink_to(path)
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run(
        [*command, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
    )
    return python
