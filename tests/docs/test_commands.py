"""Commands in guides and READMEs exist, with the options that are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from finops.cli.main import finops

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "modules").glob("*/README.md")),
    *sorted((ROOT / "examples").glob("**/README.md")),
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "scripts/localcloud/README.md")),
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `finops` command, in a code block or in backticks."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in lines:
        shown = re.search(r"(?:^|[|/ ])finops ([^#|]+)", line)
        if shown:
            yield shown[1].split()
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    for shown in re.findall(r"`finops\s([^`]+)`", prose):
        yield shown.split()


def problem(words: list[str]) -> str:
    """What is wrong with a command, or empty."""
    command: click.Command = finops
    context = click.Context(finops)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name == "command":  # "the finops command" is prose
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name!r}"
        command, context = found, click.Context(found)
    known = {one for parameter in command.params for one in parameter.opts} | {
        "--help",
        "--version",
    }
    unknown = [one for one in rest if one.startswith("--") and one.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_target_in_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = {" ".join(one): problem(one) for one in commands(text) if problem(one)}
    targets = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert (wrong, targets - TARGETS) == ({}, set())


def test_commands_that_do_not_exist_are_found() -> None:
    assert problem(["budgets", "lst"]) == "no command 'lst'"
    assert problem(["budgets", "list", "--stat", "FAILED"]) == "no option --stat"
    assert problem(["reconcile", "--month", "2026-10", "--close"]) == ""


def test_commands_are_found_in_blocks_and_in_prose() -> None:
    text = "Use `finops status --env dev`.\n\n```sh\ncat log | finops audit recover -\n```\n"
    assert list(commands(text)) == [["audit", "recover", "-"], ["status", "--env", "dev"]]
