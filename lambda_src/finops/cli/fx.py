"""`finops fx`: exchange rates."""

from __future__ import annotations

from pathlib import Path

import click

from finops.billing.domain import RATES_PREFIX
from finops.cli.billing_loads import as_day, deployed, finish, upload, wait_option, wait_timeout
from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.shared.money import was_currency


@click.group()
def fx() -> None:
    """Load exchange rates, and look them up."""


@fx.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@wait_option
@wait_timeout
@common
def load(environment: Environment, out: Output, *, file: Path, wait: bool, timeout: float) -> None:
    """Load the ECB's rates (CSV, zip or XML), or a CSV of currency, rate_date and usd_per_unit.

    Bills that are loaded already keep their rates.
    """
    deployment = deployed(environment)
    uploaded = upload(deployment, out, (file,), RATES_PREFIX)
    finish(deployment, out, uploaded, timeout=timeout if wait else 0)


@fx.command("rate")
@click.argument("currency")
@click.argument("day", metavar="DATE")
@common
def rate(environment: Environment, out: Output, *, currency: str, day: str) -> None:
    """Show the rate for a bill in CURRENCY of this DATE: US dollars for one unit."""
    code = currency.upper()
    if not was_currency(code):
        out.fail(f"{currency!r} is not an ISO 4217 currency code", Exit.REJECTED)
    on = as_day(day)
    rates = deployed(environment).rates
    found = rates.rate_on(code, on)
    if found is None:
        out.fail(
            f"{rates.policy.refusal(code, on)}: load one with `finops fx load`",
            Exit.REJECTED,
            currency=code,
        )
    answer = {
        "currency": code,
        "rate": f"{found.usd_per_unit.normalize():f}",
        "rate_date": found.rate_date.isoformat(),
        "source": found.source,
    }
    if out.as_json:
        out.document(answer)
    else:
        out.answer({"rates": [answer]}, rows="rates", columns=tuple(answer))
