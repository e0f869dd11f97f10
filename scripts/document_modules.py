"""Write each module's inputs and outputs into its README, between two markers.

`make fmt` writes them; with `--check`, as `make lint` runs it, the exit status is 1 where a README is
out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import hcl2

MODULES = Path(__file__).resolve().parent.parent / "modules"
BEGIN, END = "<!-- generated: make fmt -->", "<!-- end generated -->"


def blocks(module: Path, kind: str) -> dict[str, dict[str, Any]]:
    """The module's blocks of one kind, by name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(module.glob("*.tf")):
        with path.open(encoding="utf-8") as text:
            for block in hcl2.load(text).get(kind, []):
                found |= {name.strip('"'): body for name, body in block.items()}
    return found


def plain(value: Any) -> str:
    """A description in one line, as a table's cell takes it."""
    text = str(value).strip().strip('"')
    text = re.sub(r"^<<-?\w+\n|\n\s*\w+$", "", text)
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|").replace('\\"', '"')


def default(variable: dict[str, Any]) -> str:
    """What holds when the caller leaves the input out."""
    if "default" not in variable:
        return "required"
    value = variable["default"]
    if value is None or value == "null":
        return "`null`"
    return f"`{plain(value) or chr(34) * 2}`"


def documented(module: Path) -> str:
    """The generated part of the README."""
    lines = [BEGIN, "", "## Inputs", "", "| name | what | default |", "| --- | --- | --- |"]
    for name, variable in blocks(module, "variable").items():
        lines.append(f"| `{name}` | {plain(variable['description'])} | {default(variable)} |")
    lines += ["", "## Outputs", "", "| name | what |", "| --- | --- |"]
    for name, output in blocks(module, "output").items():
        lines.append(f"| `{name}` | {plain(output['description'])} |")
    return "\n".join([*lines, "", END])


def main() -> int:
    """Write or check every module's README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    stale = []
    for module in sorted(path for path in MODULES.iterdir() if path.is_dir()):
        readme = module / "README.md"
        text = readme.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        written = f"{head}{documented(module)}{rest.partition(END)[2]}"
        if written == text:
            continue
        stale.append(readme.relative_to(MODULES.parent))
        if not check:
            readme.write_text(written, encoding="utf-8")
    if check and stale:
        print("run scripts/document_modules.py for:", *stale, sep="\n  ")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
