"""The program that the supervisor starts: MiniStack with this project's extensions.

It runs with an interpreter that has MiniStack and what Lambda itself has, either as
``python -m localcloud.emulator`` or by its path.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path


def main() -> None:
    """Install the extensions and serve until a signal."""
    scripts = str(Path(__file__).resolve().parents[1])
    # By its path, this file's folder is first on the path and would shadow common names.
    sys.path = [scripts, *(folder for folder in sys.path if folder != f"{scripts}/localcloud")]
    os.environ.pop("PYTHONPATH", None)  # functions must not see the emulator's packages

    gc.disable()  # nothing of what is imported is garbage
    import ministack.app

    from localcloud import extensions

    extensions.install_all()
    gc.freeze()
    gc.enable()
    ministack.app.main()


if __name__ == "__main__":
    main()
