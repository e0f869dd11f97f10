"""Each threat that `docs/security.md` lists names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_threat_names_a_test() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = text[text.index("## Threats") : text.index("## Left to you")]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    written = set(re.findall(r"def (test_\w+)\(", sources))
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 10
    assert [row for row, tests in zip(rows, named, strict=True) if not {*tests} & written] == []
