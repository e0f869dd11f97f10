"""`finops vendors`: what is known of vendors, how it became known, and changes by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from finops.cli.options import common, confirm
from finops.cli.output import Output
from finops.deployment.environment import Environment

if TYPE_CHECKING:
    from finops.deployment.invoices import InvoiceDeployment
    from finops.invoices.vendors.vendor import FactKind, Vendor

COLUMNS: Final = ("id", "name", "vat_id", "country", "currency", "ibans", "aliases")
#: How many vendors that begin alike are named.
_NAMED: Final = 5


def fact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that state facts."""
    for option in (
        click.option(
            "--number-form",
            multiple=True,
            help="The form of its invoice numbers, with 9 for each digit: RE-9999-99999.",
        ),
        click.option("--date-order", help="The order of its dates: DMY or MDY."),
        click.option("--currency", help="Its usual currency, by its ISO 4217 code."),
        click.option("--country", help="Its country, by its ISO 3166 code."),
        click.option("--domain", multiple=True, help="A domain of its web or mail addresses."),
        click.option("--vat-id", multiple=True, help="Its VAT id, or another tax id."),
    ):
        command = option(command)
    return command


@click.group()
def vendors() -> None:
    """See and change what is known of vendors."""


@vendors.command("list")
@common
def list_(environment: Environment, out: Output) -> None:
    """List the vendors."""
    _print(out, [*_deployed(environment).vendors.all()])


@vendors.command("show")
@click.argument("vendor")
@common
def show(environment: Environment, out: Output, *, vendor: str) -> None:
    """Show VENDOR (its id or name): each fact, who approved or entered it, and its last changes."""
    from finops.deployment.descriptions import vendor_document

    described = vendor_document(_find(_deployed(environment), vendor))
    out.answer({"vendors": [described]}, rows="vendors", columns=COLUMNS)
    if out.as_json:
        return
    for rows, columns in (
        ("facts", ("kind", "value", "state", "approved_by", "invoices", "set_by", "revoked_by")),
        ("history", ("at", "actor", "why", "changes")),
    ):
        if described[rows]:
            out.heading(rows)
            out.answer(described, rows=rows, columns=columns)


@vendors.command("add")
@click.argument("name")
@click.option("--alias", multiple=True, help="Another name that its invoices print.")
@fact_options
@common
def add(environment: Environment, out: Output, *, name: str, **facts: Any) -> None:
    """Add the vendor NAME. Its accounts become known as invoices are approved."""
    deployment = _deployed(environment)
    _print(out, [deployment.vendor_desk.add(name, _entered(facts), by=deployment.caller)])


@vendors.command("set")
@click.argument("vendor")
@click.option("--name", default="", show_default=False, help="Another name to call it by.")
@fact_options
@common
def set_(environment: Environment, out: Output, *, vendor: str, name: str, **facts: Any) -> None:
    """Enter facts of VENDOR. A country, currency or date order takes the place of the one before.

    An account cannot be entered: the approval of an invoice that shows it makes it known.
    """
    entered = _entered(facts)
    if not (name or any(entered.values())):
        raise click.UsageError("there is nothing to set: see `finops vendors set --help`")
    deployment = _deployed(environment)
    found = _find(deployment, vendor)
    desk = deployment.vendor_desk
    _print(out, [desk.change(found, entered, by=deployment.caller, name=name)])


@vendors.command("alias")
@click.argument("vendor")
@click.argument("name")
@common
def alias(environment: Environment, out: Output, *, vendor: str, name: str) -> None:
    """Enter another NAME that invoices of VENDOR print."""
    deployment = _deployed(environment)
    found = _find(deployment, vendor)
    entered = _entered({"alias": (name,)})
    _print(out, [deployment.vendor_desk.change(found, entered, by=deployment.caller)])


@vendors.command("revoke")
@click.argument("vendor")
@click.argument("fact", metavar="KIND=VALUE")
@click.option("--undo", is_flag=True, help="Take a revocation back.")
@common
def revoke(environment: Environment, out: Output, *, vendor: str, fact: str, undo: bool) -> None:
    """Revoke a fact of VENDOR, such as iban=DE89370400440532013000 or currency=EUR.

    It is no longer used, and not learned again.
    """
    from finops.invoices.vendors.editing import parse_fact

    kind, value = parse_fact(fact)
    deployment = _deployed(environment)
    found, desk = _find(deployment, vendor), deployment.vendor_desk
    _print(out, [desk.revoke(found, kind, value, by=deployment.caller, undo=undo)])


@vendors.command("remove")
@click.argument("vendor")
@click.option("--yes", is_flag=True, help="Remove it without asking.")
@common
def remove(environment: Environment, out: Output, *, vendor: str, yes: bool) -> None:
    """Remove VENDOR and all that is known of it, its history too."""
    deployment = _deployed(environment)
    found = _find(deployment, vendor)
    if not yes:
        confirm(f"Its accounts and rules are then unknown. Remove the vendor {found.name}?")
    deployment.vendor_desk.remove(found, by=deployment.caller)
    _print(out, [found])


def _deployed(environment: Environment) -> InvoiceDeployment:
    from finops.deployment.invoices import InvoiceDeployment

    return InvoiceDeployment(environment)


def _find(deployment: InvoiceDeployment, name: str) -> Vendor:
    """The vendor with this id or name, or with the id that a narrow table ends with an ellipsis.

    Raises:
        RejectedInput: There is no such vendor, or there are several.
    """
    from finops.shared.errors import RejectedInput

    try:
        return deployment.vendor_desk.find(name)
    except RejectedInput:
        begin = name.removesuffix("…")
        if begin in ("", name):
            raise
        found = [one for one in deployment.vendors.all() if one.id.startswith(begin)]
        if not found:
            raise
        if len(found) == 1:
            return found[0]
    raise RejectedInput(
        f"{len(found)} vendors begin with {begin!r}: {', '.join(one.id for one in found[:_NAMED])}",
        code="ambiguous_id",
        value=name,
        step="find_vendor",
        remedy="Give more letters of the id",
    )


def _entered(facts: Mapping[str, Any]) -> dict[FactKind, tuple[str, ...]]:
    from finops.invoices.vendors.vendor import FactKind

    return {
        FactKind(name): (value,) if isinstance(value, str) else value
        for name, value in facts.items()
        if value
    }


def _print(out: Output, found: list[Vendor]) -> None:
    from finops.deployment.descriptions import vendor_document

    described = [vendor_document(one) for one in found]
    out.answer({"vendors": described}, rows="vendors", columns=COLUMNS)
