"""What every command prints: one document on stdout, or tables and messages for people."""

from __future__ import annotations

import enum
import json
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from finops.cli.tables import as_csv, fitted, piped

if TYPE_CHECKING:
    from rich.console import Console


class Exit(enum.IntEnum):
    """Exit codes; 2 is click's own, for wrong usage."""

    DONE = 0
    REJECTED = 1
    INFRASTRUCTURE = 3


class Format(enum.StrEnum):
    """How a command answers."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


#: A command of ours within a text, as the texts of this project name it.
_COMMAND: Final = re.compile(r"(`finops (?!-)(?:(?! --env )[^`])+)`")
#: Columns of a pipe: wide enough for one line each message.
_UNWRAPPED: Final = 1000


@dataclass(slots=True, kw_only=True)
class Output:
    """Where a command's answer goes: stdout. Progress and messages go to stderr.

    Attributes:
        width: Of the terminal that stdout is, in characters; None for a pipe or a file.
        environment: The deployment that the person named after --env; empty for the usual one.
        answered: Whether the one JSON document, or the one table of CSV, has been printed.
    """

    form: Format
    stdout: Console
    stderr: Console
    width: int | None = None
    environment: str = ""
    answered: bool = False

    @property
    def as_json(self) -> bool:
        """Whether stdout is one JSON document."""
        return self.form is Format.JSON

    def addressed(self, text: str) -> str:
        """The text, whose commands in backticks name the deployment that the person named."""
        if not self.environment:
            return text
        named = f" --env {shlex.quote(self.environment)}`"
        return _COMMAND.sub(lambda found: f"{found[1]}{named}", text)

    def document(self, document: Mapping[str, Any]) -> None:
        """Print the JSON document of a command that prints something else for people."""
        self.answered = True
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))

    def answer(self, document: Mapping[str, Any], *, rows: str, columns: Sequence[str]) -> None:
        """Print the document: as JSON, or its list under `rows` as a table or CSV.

        Of several answers the first one is CSV, since two tables are no CSV file.
        """
        if self.as_json:
            self.document(document)
        elif self.form is Format.CSV:
            if not self.answered:
                click.echo(as_csv(document[rows], columns), nl=False)
            self.answered = True
        elif not document[rows]:
            self.stdout.print("[dim]none[/dim]")
        elif self.width is None:
            click.echo(piped(document[rows], columns))
        else:
            table, dropped = fitted(document[rows], columns, self.width)
            self.stdout.print(table)
            if dropped:
                names = ", ".join(one.replace("_", " ") for one in dropped)
                self.say(f"A wider terminal, or --json, also shows: {names}")

    def text(self, line: str = "", *, whole: bool = False, style: str = "") -> None:
        """Print a line of the answer beside its tables, for people: CSV and JSON have none.

        Args:
            line: The text.
            whole: Whether it stays one line at any terminal, to be copied.
            style: As rich names it.
        """
        if self.form is not Format.TABLE:
            return
        if self.width and not whole:
            line = wrapped(line, self.width)
        self.stdout.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    def heading(self, title: str) -> None:
        """Print the heading of a further table."""
        self.text()
        self.text(title, style="bold")

    def say(self, message: str) -> None:
        """Print a message for people."""
        self._message(message)

    def fail(self, message: str, exit_code: Exit, /, **facts: object) -> NoReturn:
        """End the command with a reason, which is part of the JSON document too.

        A command that has answered already has put the reason into its answer, where one matters.
        """
        if self.as_json and not self.answered:
            self.document({"error": message, **facts})
        self._message(f"error: {message}", style="bold red")
        raise SystemExit(exit_code)

    def _message(self, text: str, style: str = "") -> None:
        """Print on stderr; a terminal's lines end between words, never within an id or a path."""
        text = self.addressed(text)
        if self.stderr.is_terminal:
            text = wrapped(text, self.stderr.width)
        self.stderr.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

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


def wrapped(text: str, width: int) -> str:
    """The text in lines that end between words, never within an id or a path."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )


def for_terminal(text: str) -> str:
    """The text, wrapped where stderr is a terminal."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):  # a file or a pipe
        return text
    return wrapped(text, width or _UNWRAPPED)


def output(*, as_json: bool = False, form: Format = Format.TABLE) -> Output:
    """The terminal's output, or a pipe's."""
    from rich.console import Console

    stdout, stderr = Console(emoji=False), Console(stderr=True, emoji=False)
    width = stdout.width if sys.stdout.isatty() else None
    for console in (stdout, stderr):
        if not console.is_terminal:
            console.width = _UNWRAPPED
    return Output(form=Format.JSON if as_json else form, stdout=stdout, stderr=stderr, width=width)
