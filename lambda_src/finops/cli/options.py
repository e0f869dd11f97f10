"""Options that every command takes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from finops.cli.output import Format, Output, for_terminal, output
from finops.deployment.environment import LOCAL, Environment, environment
from finops.shared.errors import FinOpsError, RejectedInput


class Duration(click.FloatRange):
    """A number of seconds or hours in a range; NaN, with which no comparison holds, is none."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, as click calls for it; a usage error if it is none in the range."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command `--env`, `--json` and `--format`, and call it with (Environment, Output, …).

    A command that answers with several tables answers with the first of them as CSV.
    """

    @click.option(
        "--format",
        "form",
        type=click.Choice(list(Format), case_sensitive=False),
        default=Format.TABLE,
        help="A table for people, CSV, or JSON as with --json.",
    )
    @writing
    @wraps(command)
    def run(environment: Environment, out: Output, *, form: str, **options: Any) -> Any:
        if not out.as_json:
            out.form = Format(form)
        return command(environment, out, **options)

    return run


def writing(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `common`, for a command that writes files, with a `--format` of its own."""

    @click.option(
        "--env",
        "deployment",
        default=LOCAL,
        envvar="FINOPS_ENV",
        metavar="NAME",
        callback=_known,
        help="The deployment to use: local, aws or a name of yours (see `finops --help`).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @wraps(command)
    def run(deployment: Environment, as_json: bool, **options: Any) -> Any:
        out = output(as_json=as_json)
        source = click.get_current_context().get_parameter_source("deployment")
        if source is ParameterSource.COMMANDLINE:
            out.environment = deployment.name
        with _quiet_log():
            try:
                return command(deployment, out, **options)
            except FinOpsError as error:
                error.message = out.addressed(error.message)
                error.remedy = out.addressed(error.remedy)
                raise

    return run


def limit_option(noun: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--limit`, for a list of what the noun names."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 1_000_000),
        default=50,
        help=f"The maximum number of {noun}.",
    )


def timeout_option(
    default: float | None, text: str = "The longest time that --wait waits."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--timeout`, in seconds from 0; the text is its help."""
    return click.option(
        "--timeout",
        type=Duration(min=0),
        default=default,
        metavar="SECONDS",
        help=text,
    )


def month_given(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A callback for an option that is a month, or empty: `2026-10`."""
    from finops.shared.periods import Month

    try:
        return value and str(Month.parse(value.strip()))
    except RejectedInput as error:
        raise click.BadParameter(error.explanation) from error


def confirm(question: str) -> None:
    """Ask a person at a terminal; the command ends if they do not agree.

    Raises:
        UsageError: Nobody can be asked, and the command has no `--yes`.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("nobody can be asked here whether to go on: add --yes")
    click.confirm(for_terminal(question), abort=True, err=True)


def _known(context: click.Context, parameter: click.Parameter, name: str) -> Environment:
    try:
        return environment(name)
    except RejectedInput as error:
        raise click.BadParameter(error.explanation, context, parameter) from error


@contextmanager
def _quiet_log() -> Iterator[None]:
    """What functions log is not for a terminal, whose stdout is for answers."""
    from finops.shared.observability import logger

    before = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        logger.setLevel(before)
