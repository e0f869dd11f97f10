"""The audit module's README lists what the flows and the console record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "modules" / "audit" / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([a-z]+)` \| (`.*`.*) \|$", README, re.MULTILINE))


def listed(row: str) -> set[str]:
    """The actions of a row, in which `.removed` stands for another action of the same object."""
    found, kind = set(), ""
    for text in re.findall(r"`([a-z_]*\.[a-z_]*)`", row):
        kind = text.partition(".")[0] or kind
        found.add(f"{kind}.{text.partition('.')[2]}")
    return found


def test_every_stream_is_listed() -> None:
    sources = [
        *(ROOT / "lambda_src" / "finops").glob("*/audit_events.py"),
        ROOT / "console" / "audit_events.py",
    ]
    pattern = r"(?:STREAM: Final = |stream=)\"([a-z]+)\""
    streams = {re.findall(pattern, one.read_text(encoding="utf-8"))[0] for one in sources}
    assert len(streams) == len(sources) == 5
    assert streams - set(ROWS) == set()


def test_every_action_of_the_console_is_listed() -> None:
    recorded = re.compile(r"record\(\s*user,\s*\"([a-z_]+\.[a-z_]+)\"")
    written = {
        action
        for page in (ROOT / "console").rglob("*.py")
        for action in recorded.findall(page.read_text(encoding="utf-8"))
    }
    assert len(written) > 5
    assert written - listed(ROWS["console"]) == set()
