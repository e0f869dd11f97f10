"""`finops completion`: commands and options completed by the Tab key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

#: Where each shell looks for completions of a person's own, below the home folder.
_PLACES: Final = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/finops"),
    "zsh": ("ZDOTDIR", "", ".zfunc/_finops"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/finops.fish"),
}
_THEN: Final = {
    "bash": "Open a new shell. It needs the package bash-completion",
    "zsh": "Put `fpath+=({folder}); autoload -Uz compinit; compinit` into .zshrc, and open a new"
    " shell",
    "fish": "Open a new shell",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_PLACES)))
@click.option(
    "--install", is_flag=True, help="Write the script where the shell looks for completions."
)
@click.pass_context
def completion(context: click.Context, shell: str, *, install: bool) -> None:
    """Print, or install, what completes commands and options in your SHELL.

    For this session only: eval "$(finops completion bash)", or zsh; in fish: finops completion
    fish | source
    """
    root = context.find_root().command
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} is not known to this version of click")
    script = found(root, {}, "finops", "_FINOPS_COMPLETE").source()
    if not install:
        click.echo(script)
        return
    path = _place(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{script}\n", encoding="utf-8")
    click.echo(f"Written to {path}. {_THEN[shell].format(folder=path.parent)}.", err=True)


def _place(shell: str) -> Path:
    variable, usual, name = _PLACES[shell]
    base = os.environ.get(variable) or str(Path.home() / usual)
    return Path(base) / name
