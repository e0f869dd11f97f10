"""Entry point of the `finops` command: what it imports, every start waits for."""

from __future__ import annotations

import sys

#: As a shell ends what Ctrl-C stopped: 128 + SIGINT.
INTERRUPTED = 130

try:
    import errno
    import io
    import json
    import os
    from importlib import import_module
    from typing import Final, NoReturn

    import click
except KeyboardInterrupt:  # pressed while a slow machine still imports
    sys.exit(INTERRUPTED)

#: Each command with the first line of its help; it stands in a module of its own name.
COMMANDS: Final = {
    "audit": "Read the audit trail, and prove that it is complete.",
    "billing": "Load billing files, and see their results.",
    "budgets": "Set, list, import and repair the budgets of spoke accounts.",
    "completion": "Print, or install, what completes commands and options in your SHELL.",
    "doctor": "Look for faults in a deployment: rights, triggers, tables, keys, rates, limits.",
    "fx": "Load exchange rates, and look them up.",
    "invoices": "Submit invoices, see their results, review and export them.",
    "packages": "Publish the packages of a release, from which Terraform deploys the functions.",
    "reconcile": "Compare a month's costs with budgets and invoices, in one report.",
    "status": "Show what is there, the state of each flow, and what waits for a person.",
    "vendors": "See and change what is known of vendors.",
}
#: Options of every command, each with an example.
_OF_COMMANDS: Final = {"--env": "--env NAME", "--json": "--json"}
_AWS_PACKAGES: Final = frozenset({"boto3", "botocore", "s3transfer"})


class _LateCommands(click.Group):
    """Commands whose modules are imported when they are called, and not for `finops --help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"finops.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LateCommands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="terraform-aws-finops")
def finops() -> None:
    """Cloud finance: budgets, billing files, invoices and reconciliation of many AWS accounts.

    Each command talks to one deployment, which --env or FINOPS_ENV names:

    \b
      local  the local cloud on this machine (the default); AWS_ENDPOINT_URL
             names another address
      aws    the account of your AWS credentials, in the region AWS_REGION
      NAME   a table of ./finops.toml (or of a folder above), else of
             ~/.config/finops/environments.toml; FINOPS_ENVIRONMENTS names
             another file. It may set region, profile and name_prefix:

    \b
      [prod]
      region = "eu-central-1"
      profile = "finance-prod"

    Exit codes: 0 done, 1 rejected input, 2 wrong usage, 3 AWS or infrastructure failure,
    130 interrupted.
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines


def main() -> NoReturn:
    """Run the command, and end it with a reason rather than a stack trace."""
    try:
        sys.exit(finops.main(prog_name="finops", standalone_mode=False))
    except click.ClickException as error:
        explained = _explained(error)
        if _wants_json():
            click.echo(json.dumps({"error": explained.format_message(), "code": "wrong_usage"}))
        _show(explained)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        if _wants_json():
            click.echo(json.dumps({"error": "interrupted", "code": "interrupted"}))
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - raised again unless it is ours or AWS's
        _fail(error)


def _wants_json() -> bool:
    given = " ".join(sys.argv[1:]).replace("=", " ").casefold()
    return "--json" in sys.argv or "--format json" in given


def _show(error: click.ClickException) -> None:
    """Print the error as click does; a terminal's lines end between words."""
    from finops.cli.output import for_terminal

    with io.StringIO() as text:
        error.show(text)
        click.echo(for_terminal(text.getvalue().rstrip("\n")), err=True)


def _explained(error: click.ClickException) -> click.ClickException:
    """The error; of an option that commands take, that it belongs after them."""
    if isinstance(error, click.NoSuchOption) and error.ctx and error.ctx.parent is None:
        option = error.option_name
        if example := _OF_COMMANDS.get(option):
            where = f"{option} belongs after the command, as in `finops budgets list {example}`."
            return click.UsageError(where, error.ctx)
    return error


def _fail(error: Exception) -> NoReturn:
    from finops.cli.output import Exit, output
    from finops.shared.errors import FinOpsError, RejectedInput

    out = output(as_json=_wants_json())
    if isinstance(error, FinOpsError):
        rejected = isinstance(error, RejectedInput)
        step = {"step": error.step} if error.step else {}
        out.fail(
            error.explanation,
            Exit.REJECTED if rejected else Exit.INFRASTRUCTURE,
            code=error.code,
            **step,
        )
    if type(error).__module__.partition(".")[0] in _AWS_PACKAGES:
        out.fail(f"AWS: {error}", Exit.INFRASTRUCTURE, code=type(error).__name__)
    if isinstance(error, OSError) and error.filename:
        out.fail(f"{error.filename}: {error.strerror}", Exit.REJECTED, code=type(error).__name__)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        # What is left to write has nowhere to go, at the end of the process either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        out.fail(f"stdout: {error.strerror}", Exit.INFRASTRUCTURE, code=type(error).__name__)
    raise error
