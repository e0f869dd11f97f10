"""The files of the repository that git knows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
#: In a job's container another user owns the checkout, and git refuses to read it unless told:
#: https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory
_GIT: Final = ("git", "-c", "safe.directory=*")


def tracked_files(*options: str, suffixes: tuple[str, ...] = ("",)) -> list[Path]:
    """The files that `git ls-files` lists and that are there, in its order.

    Args:
        options: Of `git ls-files`, such as `--others`.
        suffixes: How their names end.

    Raises:
        SystemExit: there is no git, or this is no checkout.
    """
    try:
        listed = subprocess.run(
            [*_GIT, "ls-files", "-z", *options],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        raise SystemExit(f"git cannot list the files of {REPOSITORY}: {said}") from error
    return [
        path
        for name in listed.split("\0")
        if name.endswith(suffixes) and (path := REPOSITORY / name).is_file()
    ]
