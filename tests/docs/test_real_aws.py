"""Every row of what AWS does names tests that exist: none is held by its sentence alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcloud.settings import REPOSITORY

ROWS = [
    line.strip().strip("|").split(" | ")
    for line in (REPOSITORY / "docs" / "real-aws.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]
NAMED = re.compile(r"`((?:contract|tests)/[^`]+)`(?: \(([^)]*)\))?")


def text_of(path: str) -> str:
    found = list(REPOSITORY.glob(path if path.startswith("tests") else f"tests/localcloud/{path}"))
    files = [one for place in found for one in ([place] if place.is_file() else place.rglob("*"))]
    return "".join(Path(one).read_text() for one in files if one.suffix in {".py", ".hcl"})


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_behaviour_is_held_by_tests_that_exist(row: list[str]) -> None:
    named = NAMED.findall(" | ".join(row[2:]))
    assert named
    for path, tests in named:
        text = text_of(path)
        assert text, path
        for test in re.findall(r"`([^`]+)`", tests):
            assert test in text, (path, test)
