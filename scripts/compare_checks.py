"""Compare the checks of an older commit with those of now: none may be gone without a reason.

    python scripts/compare_checks.py REF [--table]

A check is a test function, or a line of `make lint`. One with its name in another file has moved;
one whose body has three quarters of its words in common with another was renamed. Any other is
gone, and needs an entry in `tests/replaced_checks.toml` that says what took over and why.
`--table` prints the moved and the renamed ones, too.

Exits with 1 and one line for each check that is gone without an entry.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parent.parent
REPLACED = Path("tests/replaced_checks.toml")
ALIKE = 0.75

_LINT = re.compile(r'^\s*check "([^"]+)"', re.MULTILINE)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Comparison:
    """What became of the checks of before: new names by old ones, and what is gone."""

    same: int
    moved: Mapping[str, str]
    renamed: Mapping[str, tuple[str, float]]
    gone: tuple[str, ...]


def checks(files: Mapping[str, str]) -> dict[str, Counter[str]]:
    """The words of each check's body by its name, `file::Class::function` or `make lint: check`.

    Takes the texts of a tree by path; `tests/**/test_*.py` and `scripts/lint` are looked at.
    """
    lint = _LINT.findall(files["scripts/lint"])
    found: dict[str, Counter[str]] = {f"make lint: {name}": Counter() for name in lint}
    for path, text in files.items():
        if path.startswith("tests/") and PurePosixPath(path).match("test_*.py"):
            found |= _test_functions(path.removeprefix("tests/"), ast.parse(text))
    return found


def _test_functions(prefix: str, node: ast.AST) -> Iterator[tuple[str, Counter[str]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _test_functions(f"{prefix}::{child.name}", child)
        elif isinstance(child, ast.FunctionDef) and child.name.startswith("test_"):
            body = "\n".join(ast.unparse(statement) for statement in child.body)
            yield f"{prefix}::{child.name}", Counter(_WORD.findall(body))


def compare(before: Mapping[str, Counter[str]], now: Mapping[str, Counter[str]]) -> Comparison:
    """Match the checks of before with those of now by file and name, then name, then body."""
    moved: dict[str, str] = {}
    renamed: dict[str, tuple[str, float]] = {}
    gone = []
    new = now.keys() - before.keys()
    by_function = {name.rpartition("::")[2]: name for name in new}
    for name in sorted(before.keys() - now.keys()):
        if place := by_function.get(name.rpartition("::")[2]):
            moved[name] = place
            continue
        likeness, likest = max((_likeness(before[name], now[other]), other) for other in new)
        if likeness >= ALIKE:
            renamed[name] = likest, likeness
        else:
            gone.append(name)
    return Comparison(len(before.keys() & now.keys()), moved, renamed, tuple(gone))


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient of two bags of words: 1 for the same words, 0 for none in common."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def files_now() -> dict[str, str]:
    """The texts of this tree's tests and of `scripts/lint` by path."""
    paths = [*(REPOSITORY / "tests").rglob("test_*.py"), REPOSITORY / "scripts/lint"]
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text() for path in paths}


def _files_at(ref: str) -> dict[str, str]:
    command = ["git", "archive", "--format=tar", ref, "tests", "scripts/lint"]
    archive = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: content.read().decode()
            for member in tar
            if member.name.endswith(".py") or member.name == "scripts/lint"
            if (content := tar.extractfile(member))
        }


def main(arguments: list[str]) -> int:
    """Print the comparison; return 1 where a check is gone without an entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ref", help="the older commit")
    parser.add_argument("--table", action="store_true", help="print moved and renamed checks, too")
    options = parser.parse_args(arguments)
    before, now = checks(_files_at(options.ref)), checks(files_now())
    found = compare(before, now)
    replaced = tomllib.loads((REPOSITORY / REPLACED).read_text())["replaced"]
    missing = set(found.gone) - {entry["check"] for entry in replaced}
    print(
        f"{len(before)} checks at {options.ref}, {len(now)} now: {found.same} of the same name, "
        f"{len(found.moved)} moved, {len(found.renamed)} renamed, "
        f"{len(found.gone) - len(missing)} replaced for a reason, {len(missing)} gone"
    )
    if options.table:
        for name, place in found.moved.items():
            print(f"moved    {name} -> {place}")
        for name, (other, likeness) in found.renamed.items():
            print(f"renamed  {name} -> {other} ({likeness:.0%} of the words)")
    for name in sorted(missing):
        print(f"{name}: gone. Say in {REPLACED} what took over and why.", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
