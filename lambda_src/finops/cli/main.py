"""Entry point of the `finops` command."""

from __future__ import annotations

import sys

import click

from finops.cli.audit import audit
from finops.cli.billing import billing
from finops.cli.budgets import budgets
from finops.cli.fx import fx
from finops.cli.invoices import invoices
from finops.cli.output import Exit, output
from finops.cli.reconcile import reconcile
from finops.cli.status import status
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.observability import logger


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="terraform-aws-finops")
def finops() -> None:
    """Cloud finance: budgets, billing files, invoices and reconciliation of many AWS accounts.

    Exit codes: 0 done, 1 rejected input, 2 wrong usage, 3 AWS or infrastructure failure.
    """


finops.add_command(budgets)
finops.add_command(billing)
finops.add_command(fx)
finops.add_command(invoices)
finops.add_command(audit)
finops.add_command(reconcile)
finops.add_command(status)


def main() -> None:
    """Run the command, and end it with a reason rather than a stack trace."""
    # What functions log is not for a terminal, whose stdout is for answers.
    before = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        finops()
    except FinOpsError as error:
        rejected = isinstance(error, RejectedInput)
        output(as_json="--json" in sys.argv).fail(
            str(error), Exit.REJECTED if rejected else Exit.INFRASTRUCTURE, code=error.code
        )
    finally:
        logger.setLevel(before)
