"""`finops reconcile`: compare a month's costs by business unit with budgets and invoices."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.options import common, writing
from finops.cli.output import Output
from finops.deployment.environment import Environment
from finops.reconciliation.domain import SOURCES, percent
from finops.reconciliation.messages import headline
from finops.reconciliation.report import FORMATS, Unit, as_document
from finops.reconciliation.showback import FOLDER
from finops.shared.periods import Month

if TYPE_CHECKING:
    from finops.deployment.reconciliation import ReconciliationDeployment
    from finops.reconciliation.adapters.export_engines import ExportEngines
    from finops.reconciliation.configuration import Configuration
    from finops.reconciliation.service import Outcome

_COLUMNS = (
    *("name", "actual", "budget", "variance", "variance_pct", "status", "previous", "forecast"),
)
#: Of an open month, whose status is that of the forecast.
_OPEN_COLUMNS = (
    *("name", "actual", "forecast", "budget", "forecast_variance", "forecast_variance_pct"),
    *("status", "previous"),
)


@click.group(invoke_without_command=True)
@click.option("--month", help="The month (UTC).", metavar="YYYY-MM")
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default="ce",
    help="Where the costs come from: Cost Explorer, FOCUS or CUR exports (also by Athena, whatever"
    " their size is), or the billing ledger.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH",
    help="An export: a file, a folder or an s3:// URI.",
)
@click.option(
    "--config",
    "configuration",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Accounts, rules, budgets and rates (YAML). Default: the deployment's.",
)
@click.option(
    "--format",
    "formats",
    default=",".join(FORMATS),
    help="Formats of the report, with commas between them.",
    metavar="FORMATS",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reconciliation"),
    help="The folder for the reports.",
)
@click.option("--close", is_flag=True, help="Close the month; later changes become revisions.")
@click.option("--allow-empty", is_flag=True, help="Accept a past month without any charge.")
@writing
def reconcile(
    environment: Environment,
    out: Output,
    *,
    month: str | None,
    source: str,
    inputs: tuple[str, ...],
    configuration: Path | None,
    formats: str,
    folder: Path,
    close: bool,
    allow_empty: bool,
) -> None:
    """Compare a month's costs with budgets and invoices, in one report.

    Costs are those of all payer accounts, by business unit.
    """
    if click.get_current_context().invoked_subcommand:
        return
    if not month:
        raise click.UsageError("Missing option '--month'.")
    period = Month.parse(month)
    wanted = [one.strip() for one in formats.split(",") if one.strip()]
    for one in wanted:
        if one not in FORMATS:
            raise click.UsageError(f"--format {one!r} is not one of {', '.join(FORMATS)}.")
    from finops.deployment.reconciliation import ReconciliationDeployment
    from finops.reconciliation.adapters.folder import Folder
    from finops.reconciliation.stores import Reports

    deployed = ReconciliationDeployment(environment, alone=source == "focus" and bool(inputs))
    if not deployed.variables:
        out.say(
            "Nothing is deployed: budgets come from the configuration, and no invoices are compared"
        )
    with tempfile.TemporaryDirectory() as scratch:
        deployment = deployed.deployment(
            _configuration(deployed, out, configuration),
            now=datetime.now(UTC),
            scratch=Path(scratch),
        )
        reconciler = deployment.reconciler(
            source,
            month=period,
            inputs=inputs,
            store=Reports(Folder(folder)),
            formats=wanted,
        )
        outcome = reconciler.run(period, now=deployment.now, close=close, allow_empty=allow_empty)
        answer(out, outcome, reconciler.evidence.source, deployment.engines)


@reconcile.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common
def check(_environment: Environment, out: Output, *, file: Path) -> None:
    """Check FILE, a reconciliation's configuration, and show who owns each account."""
    from finops.reconciliation.configuration import parse

    found = parse(file.read_text(encoding="utf-8"), name=str(file))
    rows = [
        {
            "account": account.id,
            "kind": kind,
            "name": account.name,
            "business_unit": account.ownership.business_unit if account.ownership else None,
            "cost_centre": account.ownership.cost_centre if account.ownership else None,
            "owner": account.ownership.owner if account.ownership else None,
            "environment": account.ownership.environment if account.ownership else None,
        }
        for kind, accounts in (
            ("payer", found.mapping.payers),
            ("linked", found.mapping.linked),
        )
        for account in accounts.values()
    ]
    document = {
        "file": str(file),
        "ok": True,
        "accounts": rows,
        "units": list(found.mapping.units),
        "warnings": list(found.warnings),
    }
    columns = ("account", "kind", "name", "business_unit", "cost_centre", "owner", "environment")
    out.answer(document, rows="accounts", columns=columns)
    for warning in found.warnings:
        out.say(f"warning: {warning}")


def _configuration(
    deployed: ReconciliationDeployment, out: Output, file: Path | None
) -> Configuration:
    from finops.reconciliation.configuration import Configuration, parse

    if file:
        return parse(file.read_text(encoding="utf-8"), name=str(file))
    if not deployed.variables:
        out.say("No --config: every account is Unmapped, and there are no budgets")
        return Configuration()
    return deployed.configuration


def _by_forecast(unit: Unit) -> dict[str, str | None]:
    """How far the forecast is from the budget, as amount and in percent; None without a budget."""
    if unit.budget is None or unit.forecast is None:
        return {"forecast_variance": None, "forecast_variance_pct": None}
    off = unit.forecast - unit.budget
    share = percent(off, unit.budget)
    return {
        "forecast_variance": f"{off:f}",
        "forecast_variance_pct": None if share is None else f"{share:f}",
    }


def answer(out: Output, outcome: Outcome, source: object, engines: ExportEngines) -> None:
    """Print the month's headline, its units, and where the report is."""
    from finops.reconciliation.cost_explorer import CostExplorerCosts

    report = outcome.report
    document: dict[str, Any] = {**as_document(report), "reports": dict(outcome.stored.locations)}
    document["is_new"] = outcome.is_new
    if isinstance(source, CostExplorerCosts):
        usage = source.usage
        document["cost_explorer"] = {
            "calls": usage.calls,
            "throttled": usage.throttled,
            "from_cache": usage.cached,
            "cost_usd": f"{usage.cost_usd:f}",
        }
        out.say(
            f"Cost Explorer: {usage.calls} calls, {usage.cached} answers from the cache,"
            f" USD {usage.cost_usd:f}"
        )
    if engines.asked_athena:
        document["athena"] = asked = engines.athena.usage.document()
        out.say(
            f"Athena: {asked['queries']} queries and {asked['reused']} results of earlier ones,"
            f" {asked['bytes_scanned']:,} bytes scanned, USD {asked['cost_usd']}"
        )
    for line in headline(report, with_units=False):
        out.text(line)
    out.text()
    if report.known_until:
        document["units"] = [
            {**row, **_by_forecast(unit)}
            for row, unit in zip(document["units"], report.units, strict=True)
        ]
    columns = _OPEN_COLUMNS if report.known_until else _COLUMNS
    out.answer(document, rows="units", columns=columns)
    out.text()
    for kind, place in outcome.stored.locations.items():
        out.text(f"{kind}: {place}")
    written = outcome.stored.document.get("showback", ())
    pages = sum(len(found["statements"]) for found in written)
    if pages and "html" in outcome.stored.locations:
        folder = Path(outcome.stored.locations["html"]).with_name(FOLDER)
        out.text(f"showback: {folder} ({pages} pages)")
    if not outcome.is_new:
        out.say(f"{report.month} is closed and unchanged: revision {report.revision}")
