"""Options that every command takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from finops.cli.output import Output, output
from finops.deployment.environment import LOCAL, Environment, environment


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command `--env` and `--json`, and call it with (Environment, Output, …)."""

    @click.option("--env", default=LOCAL, envvar="FINOPS_ENV", help="Which deployment to talk to.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @wraps(command)
    def run(env: str, as_json: bool, **options: Any) -> Any:
        deployment: Environment = environment(env)
        printed: Output = output(as_json=as_json)
        return command(deployment, printed, **options)

    return run
