"""`finops doctor`: what is wrong with a deployment, and what to do about it."""

from __future__ import annotations

import click

from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment


@click.command()
@common
def doctor(environment: Environment, out: Output) -> None:
    """Look for faults in a deployment: rights, triggers, tables, keys, rates, limits.

    It reads only. Exit code 3 if there is a fault, or a check that could not look.
    """
    from finops.deployment.clients import Aws
    from finops.deployment.doctor import Doctor, today
    from finops.deployment.examination import Severity

    found = Doctor(Aws(environment), environment, today=today()).findings()
    ok = all(one.severity is Severity.WARNING for one in found)
    rows = [
        {
            "severity": one.severity,
            "check": one.check,
            "subject": one.subject,
            "problem": one.problem,
            "remedy": out.addressed(one.remedy),
        }
        for one in found
    ]
    out.answer(
        {"ok": ok, "findings": rows},
        rows="findings",
        columns=("severity", "check", "subject", "problem", "remedy"),
    )
    if not ok:
        raise SystemExit(Exit.INFRASTRUCTURE)
