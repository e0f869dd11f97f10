"""Print what CHANGELOG.md says of a version: the notes of its release.

    python scripts/release_notes.py VERSION

fails where the version has no dated heading, so that no release says *Unreleased* of itself.
"""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def notes(changelog: str, version: str) -> str:
    """The lines below `## [VERSION] - YYYY-MM-DD`, up to the next version.

    Raises:
        ValueError: there is no such heading, its date is none, or nothing is below it.
    """
    heading = re.search(rf"^## \[{re.escape(version)}\] - (\S+)$", changelog, re.MULTILINE)
    if not heading:
        raise ValueError(f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`")
    date.fromisoformat(heading[1])
    below, *_ = re.split(r"^## ", changelog[heading.end() :], maxsplit=1, flags=re.MULTILINE)
    if not below.strip():
        raise ValueError(f"CHANGELOG.md says nothing of {version}")
    return below.strip() + "\n"


if __name__ == "__main__":
    try:
        print(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]), end="")
    except ValueError as error:
        sys.exit(f"{error}: name the version and its date over what was Unreleased")
