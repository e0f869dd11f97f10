"""Find phrases that this project does not write, and say what to write instead.

    python scripts/check_phrases.py [FILE…]

Without files every tracked text file is read. scripts/phrases.txt lists the phrases; add to it
whatever a reader stumbles over.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tracked import REPOSITORY, tracked_files

PHRASES = REPOSITORY / "scripts" / "phrases.txt"
SUFFIXES = (".md", ".py", ".tf", ".hcl", ".html", ".j2", ".sh", ".yaml", ".yml")
# A phrase may go on in the next line: of a comment, or of a string in the source code.
_GAP = r"(?:\s|#|f?[\"'](?=\s)|(?<=\s)f?[\"'])+"

_START = r"(?<!\w)"

Phrase = tuple[re.Pattern[str], str]


def phrases(text: str) -> list[Phrase]:
    """Read lines of `PATTERN -> BETTER`; a space in a pattern also matches a line break.

    Raises:
        ValueError: a line has no arrow.
    """
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, arrow, better = line.partition(" -> ")
        if not arrow:
            raise ValueError(f"not `PATTERN -> BETTER`: {line}")
        spaced = pattern.strip().replace(" ", _GAP)
        found.append((re.compile(f"{_START}(?:{spaced})", re.IGNORECASE), better.strip()))
    return found


@functools.cache
def _any(known: tuple[Phrase, ...]) -> re.Pattern[str]:
    """All phrases as one pattern: most texts hold none of them, and are read once."""
    patterns = (pattern.pattern.removeprefix(_START) for pattern, _ in known)
    return re.compile(f"{_START}(?:{'|'.join(patterns)})", re.IGNORECASE)


def problems(text: str, known: list[Phrase]) -> Iterator[str]:
    """Yield `LINE: "what is written": write "BETTER"` for each phrase found in a text."""
    if not _any(tuple(known)).search(text):
        return
    for pattern, better in known:
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            written = " ".join(match.group().split())
            yield f'{line}: "{written}": write "{better}"'


def read_files() -> list[Path]:
    """Every text file that git tracks, except the tests of this check."""
    return [path for path in tracked_files(suffixes=SUFFIXES) if path.name != "test_phrases.py"]


def main(arguments: list[str]) -> int:
    """Check the given files, or all of them; 1 where a phrase was found."""
    known = phrases(PHRASES.read_text(encoding="utf-8"))
    found = [
        f"{path}:{problem}"
        for path in map(Path, arguments or read_files())
        for problem in problems(path.read_text(encoding="utf-8"), known)
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
