"""What every command prints: one JSON document on stdout, or tables and messages for people."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console


class Exit(enum.IntEnum):
    """Exit codes; 2 is click's own, for wrong usage."""

    DONE = 0
    REJECTED = 1
    INFRASTRUCTURE = 3


#: Columns of a pipe: wide enough for one line each row.
UNWRAPPED = 1000
#: Columns of numbers.
NUMBERS = frozenset(
    {"amount", "wanted", "actual", "budget", "variance", "variance_pct", "previous", "forecast"}
)
#: Columns whose text may wrap.
PROSE = ("error", "detail", "reason")

STYLES = {
    "APPLIED": "green",
    "PENDING": "yellow",
    "REJECTED": "red",
    "FAILED": "bold red",
    "REMOVED": "dim",
}


#: What a terminal would obey; line ends are text.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command's answer goes: stdout. Progress and messages go to stderr."""

    as_json: bool
    stdout: Console
    stderr: Console

    def answer(self, document: Mapping[str, Any], *, rows: str, columns: Sequence[str]) -> None:
        """Print the document: as JSON, or its list under `rows` as a table."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(
                column.replace("_", " "),
                justify="right" if column in NUMBERS else "left",
                overflow="fold",
                no_wrap=column not in PROSE,
            )
        for row in document[rows]:
            table.add_row(
                # Not markup, which square brackets of a person's text would be.
                *(Text(_cell(row.get(column))) for column in columns),
                style=STYLES.get(str(row.get("status")), ""),
            )
        self.stdout.print(table if table.row_count else "[dim]none[/dim]")

    def say(self, message: str) -> None:
        """Print a message for people."""
        self.stderr.print(message, markup=False, highlight=False)

    def fail(self, message: str, exit_code: Exit, /, **facts: object) -> NoReturn:
        """End the command with a reason, which is part of the JSON document too."""
        if self.as_json:
            click.echo(json.dumps({"error": message, **facts}, indent=2, ensure_ascii=False))
        self.stderr.print(f"error: {message}", style="bold red", markup=False, highlight=False)
        raise SystemExit(exit_code)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Any]:
        """Show a progress bar on a terminal. Yields a function that takes how much is done."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        with Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.stderr,
            disable=not self.stderr.is_terminal,
        ) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)


def output(*, as_json: bool) -> Output:
    """The terminal's output."""
    from rich.console import Console

    stdout, stderr = Console(), Console(stderr=True)
    for console in (stdout, stderr):
        if not console.is_terminal:
            console.width = UNWRAPPED
    return Output(as_json=as_json, stdout=stdout, stderr=stderr)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return f"{value[:10]} {value[11:19]} UTC"
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(value))
