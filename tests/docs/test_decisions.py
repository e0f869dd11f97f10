"""Decisions: each has a number of its own and a row in the architecture's table."""

from __future__ import annotations

import re

from localcloud.settings import REPOSITORY

_ROW = re.compile(r"^\| (\d+) \| \[[^]]+\]\(decisions/([^)]+)\) \|", re.MULTILINE)


def test_each_decision_has_its_own_number_and_a_row() -> None:
    files = sorted(path.name for path in (REPOSITORY / "docs/decisions").iterdir())
    rows = _ROW.findall((REPOSITORY / "docs/architecture.md").read_text())
    assert [file for _, file in rows] == files
    assert [f"{int(number):04}" for number, _ in rows] == [file[:4] for file in files]
    assert len({file[:4] for file in files}) == len(files)
