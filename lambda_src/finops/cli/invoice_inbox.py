"""Which invoice is meant or comes next, and the commands that decide about it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

import click

from finops.cli.options import common
from finops.cli.output import Format, Output
from finops.deployment.environment import LOCAL, Environment
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.inbox import FieldToCheck, fields_to_check, next_for, own_part
from finops.invoices.validation import missing
from finops.shared.errors import RejectedInput
from finops.shared.people import chose_own_name, name_of

if TYPE_CHECKING:
    from finops.deployment.invoices import InvoiceDeployment

#: The first digits of an id, at least four, and the number of a further invoice of its document.
_SHORT: Final = re.compile(r"([0-9a-f]{4,20})(-\d+)?")
_SERIAL: Final = re.compile(r"[A-Z]+-\d{4}-\d+")
_FIELDS: Final = ("field", "value", "evidence", "confidence", "doubts")
_NAMED: Final = 5


@click.command("next")
@common
def next_(environment: Environment, out: Output) -> None:
    """Show the oldest invoice that waits for your review: doubtful fields first, with evidence.

    Your own ones, which somebody else must approve, are left out and named.
    """
    from finops.deployment.descriptions import invoice_document, invoice_reviews
    from finops.deployment.invoices import InvoiceDeployment

    deployment = InvoiceDeployment(environment)
    person = deployment.caller
    waits = list(deployment.waiting())
    found, skipped = next_for(waits, own_part(deployment.separation_of_duties, person))
    answer: dict[str, Any] = {
        "waiting": len(waits),
        "invoices": [],
        "skipped": [
            {"id": one.record.id, "file": one.record.file, "reason": one.reason} for one in skipped
        ],
    }
    if found:
        answer["invoices"] = [
            invoice_document(found)
            | {
                "fields": [_described(one) for one in fields_to_check(found)],
                "reviews": invoice_reviews(found),
                "commands": commands(found, environment),
            }
        ]
    if deployment.separation_of_duties and chose_own_name(
        person, deployment.personal_session_roles
    ):
        answer["warning"] = (
            f"{name_of(person)} may be a name that its user chose, so you can neither correct nor "
            "approve: decide in the console or with another identity"
        )
    if out.as_json:
        out.document(answer)
        return
    _tell(out, answer)


def _tell(out: Output, answer: dict[str, Any]) -> None:
    for one in answer["skipped"]:
        out.say(f"left out: {one['id']} ({one['file']}): {one['reason']}")
    columns = ("id", "file", "vendor", "invoice_number", "currency", "total", "received_at")
    if not answer["invoices"]:
        if out.form is Format.CSV:
            out.answer(answer, rows="invoices", columns=columns)
        others = ", but not for you" if answer["skipped"] else ""
        out.say(f"{_counted(answer['waiting'])} for review{others}")
        return
    (found,) = answer["invoices"]
    out.answer(answer, rows="invoices", columns=columns)
    general = [one for one in found["issues"] if one["field"] not in _named(found)]
    if general:
        out.heading("issues")
        out.answer({"issues": general}, rows="issues", columns=("severity", "code", "message"))
    out.heading("fields")
    shown = [
        one | {"doubts": "; ".join(one["doubts"])}
        for one in found["fields"]
        if one["doubtful"] or one["required"]
    ]
    out.answer({"fields": shown}, rows="fields", columns=_FIELDS)
    out.heading("commands")
    for command in found["commands"].values():
        out.text(command, whole=True)
    out.say(f"{_counted(answer['waiting'])} for review")
    if "warning" in answer:
        out.say(f"warning: {answer['warning']}")


def _named(found: dict[str, Any]) -> set[str]:
    return {one["field"] for one in found["fields"] if one["doubtful"]}


def _counted(number: int) -> str:
    return "1 invoice waits" if number == 1 else f"{number or 'no'} invoices wait"


def _described(one: FieldToCheck) -> dict[str, Any]:
    found = one.reading
    return {
        "field": one.name,
        "value": found.value if found else None,
        "evidence": one.evidence,
        "confidence": f"{found.confidence:.1f}" if found else None,
        "page": found.place.page if found and found.place else None,
        "doubtful": one.is_doubtful,
        "required": one.is_required,
        "doubts": list(one.doubts),
    }


def commands(record: InvoiceRecord, environment: Environment) -> dict[str, str]:
    """The commands that decide about an invoice, as they can be typed here.

    There is none to approve what cannot be approved as it is.
    """
    usual = os.environ.get("FINOPS_ENV", LOCAL)
    where = "" if environment.name == usual else f" --env {shlex.quote(environment.name)}"
    begin = f"finops invoices review {record.id}{where} --seen {len(record.reviews)}"
    doubtful = [one.name for one in fields_to_check(record) if one.is_doubtful]
    ready = bool(
        record.invoice and record.invoice.kind.is_processed and not missing(record.invoice)
    )
    return {
        "look": f"finops invoices show {record.id}{where}",
        "correct": f"{begin} --set {doubtful[0] if doubtful else 'FIELD'}=VALUE",
        **({"approve": f"{begin} --approve"} if ready else {}),
        "reject": f'{begin} --reject --reason "WHY"',
    }


def find(deployment: InvoiceDeployment, name: str) -> InvoiceRecord:
    """The invoice with this id, its first digits (at least four), or this serial number.

    Raises:
        RejectedInput: There is no such invoice, or there are several.
    """
    try:
        return deployment.store.find(name)
    except RejectedInput:
        short = _SHORT.fullmatch(name.casefold())
        if not short and not _SERIAL.fullmatch(name):
            raise
        begin, further = (short[1], short[2] or "") if short else (name, "")
        ids = {
            one
            for status in InvoiceStatus
            for one in deployment.store.ids(begin, status=status.value)
            if not short or _begins(one, begin, further)
        }
        found = sorted(ids)
        if not short:
            records = map(deployment.store.find, found)
            found = [one.id for one in records if one.serial_number == name]
        if len(found) == 1:
            return deployment.store.find(found[0])
        if not found:
            raise
    named = ", ".join(found[:_NAMED])
    raise RejectedInput(
        f"{len(found)} invoices begin with {name!r}: {named}",
        code="ambiguous_id",
        value=name,
        step="find_invoice",
        remedy="Give more digits of the id",
    )


def _begins(identifier: str, begin: str, further: str) -> bool:
    document, dash, number = identifier.partition("-")
    return document.startswith(begin) and dash + number == further
