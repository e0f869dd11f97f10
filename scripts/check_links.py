"""Check the links of Markdown files: each relative path exists, and each anchor is a heading there.

    python scripts/check_links.py [FILE…]

Without files every tracked Markdown file is read. Links to other sites are not followed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tracked import REPOSITORY, tracked_files

_FENCE = re.compile(r"^(\s*)(```|~~~).*?^\s*\2[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives the headings of a file: repeated ones are numbered."""
    found: set[str] = set()
    for title in _HEADING.findall(_FENCE.sub("", markdown)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        base = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        anchor, count = base, 0
        while anchor in found:
            count += 1
            anchor = f"{base}-{count}"
        found.add(anchor)
    return found


def problems(path: Path, root: Path = REPOSITORY) -> Iterator[str]:
    """Yield each link of a file that leads nowhere, with its line."""
    text = path.read_text(encoding="utf-8")

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    for match in _LINK.finditer(_CODE.sub(blank, _FENCE.sub(blank, text))):
        target = match[1]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        base = root if name.startswith("/") else path.parent
        found = (base / name.lstrip("/")).resolve() if name else path.resolve()
        line = text.count("\n", 0, match.start()) + 1
        if not found.exists():
            yield f"{path}:{line}: {target} does not exist"
        elif not found.is_relative_to(root.resolve()):
            yield f"{path}:{line}: {target} is outside the repository"
        elif anchor and found.suffix == ".md" and anchor not in anchors(found.read_text("utf-8")):
            yield f"{path}:{line}: {target}: {found.name} has no heading for #{anchor}"


def main(arguments: list[str]) -> int:
    """Check the given files, or all of them; 1 where a link leads nowhere."""
    found = [
        problem
        for path in map(Path, arguments or tracked_files(suffixes=(".md",)))
        for problem in problems(path.resolve())
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
