"""`finops invoices`: submit documents, see their results, review and export them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from finops.cli.invoice_inbox import find, next_
from finops.cli.options import (
    common,
    confirm,
    limit_option,
    month_given,
    timeout_option,
    writing,
)
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.invoices.audit_events import retried_event
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, invoice_id
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.people import name_of
from finops.shared.periods import last_months

if TYPE_CHECKING:
    from finops.deployment.invoices import InvoiceDeployment

POLL_SECONDS: Final = 0.3
COLUMNS: Final = (
    "id",
    "file",
    "status",
    "serial_number",
    "vendor",
    "invoice_number",
    "invoice_date",
    "currency",
    "total",
    "confidence",
    "reason",
)
#: With one of these the command ends as rejected.
_BAD: Final = frozenset(
    {InvoiceStatus.REJECTED, InvoiceStatus.VALIDATION_FAILED, InvoiceStatus.DUPLICATE}
)

wait_option = click.option(
    "--wait", is_flag=True, help="Wait until each is processed, or needs a review."
)
wait_timeout = timeout_option(600.0)
status_option = click.option(
    "--status",
    type=click.Choice([one.value for one in InvoiceStatus], case_sensitive=False),
    help="Only this status.",
)
month_option = click.option(
    "--month",
    default="",
    show_default=False,
    metavar="YYYY-MM",
    callback=month_given,
    help="The month of receipt. Default: the last twelve months.",
)


@click.group()
def invoices() -> None:
    """Submit invoices, see their results, review and export them."""


@invoices.command("submit")
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@wait_option
@wait_timeout
@common
def submit(
    environment: Environment, out: Output, *, paths: tuple[Path, ...], wait: bool, timeout: float
) -> None:
    """Submit documents (PDF, PNG, JPEG, TIFF), e-invoices (XML) and JSON invoices."""
    deployment = _deployed(environment)
    done, ids = 0, {}
    with out.progress("Bytes sent", sum(path.stat().st_size for path in paths)) as show:

        def sent(count: int) -> None:
            nonlocal done
            done += count
            show(done)

        for path in paths:
            ids[str(path)] = deployment.upload(path, deployment.caller, sent)
    finish(deployment, out, ids, timeout=timeout if wait else 0)


@invoices.command("list")
@status_option
@month_option
@limit_option("invoices")
@common
def list_(
    environment: Environment, out: Output, *, status: str | None, month: str, limit: int
) -> None:
    """List invoices, newest first."""
    found = islice(select(_deployed(environment), status, month), limit)
    print_all(out, found)


@invoices.command("show")
@click.argument("invoice")
@common
def show(environment: Environment, out: Output, *, invoice: str) -> None:
    """Show INVOICE with its fields, line items, issues and reviews.

    INVOICE is its id, the first four digits of it or more, or its serial number.
    Of an e-invoice all that its XML says is shown, by the business terms of EN 16931.
    """
    from dataclasses import asdict

    from finops.deployment.descriptions import invoice_document, invoice_fields, invoice_reviews
    from finops.invoices.einvoice.rendering import rows as einvoice_rows
    from finops.invoices.extraction import einvoice_of

    deployment = _deployed(environment)
    record = find(deployment, invoice)
    read = einvoice_of(record, deployment.objects)
    described = invoice_document(record) | {
        "fields": invoice_fields(record),
        "reviews": invoice_reviews(record),
        "einvoice": [asdict(row) for row in einvoice_rows(read)] if read else [],
    }
    out.answer({"invoices": [described]}, rows="invoices", columns=COLUMNS)
    if out.as_json:
        return
    for rows, columns in (
        ("fields", ("field", "value", "text", "confidence", "page", "reason")),
        ("line_items", ("description", "quantity", "unit_price", "amount", "tax")),
        ("issues", ("severity", "code", "field", "message")),
        ("reviews", ("at", "reviewer", "decision", "reason", "before", "after")),
        ("einvoice", ("section", "term", "name", "value")),
    ):
        if described[rows]:
            out.heading(rows.replace("_", " "))
            out.answer(described, rows=rows, columns=columns)


invoices.add_command(next_)


@invoices.command("review")
@click.argument("invoice")
@click.option(
    "--set",
    "corrections",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Correct a field: dates as 2026-03-31, amounts as -1234.50; an empty value clears it.",
)
@click.option("--approve", is_flag=True, help="Approve the invoice with these values.")
@click.option("--reject", is_flag=True, help="Reject the invoice for good; needs a --reason.")
@click.option(
    "--not-duplicate",
    is_flag=True,
    help="Process a duplicate as an invoice of its own; needs a --reason.",
)
@click.option(
    "--reason", default="", help="The reason; it is recorded with your name and the time."
)
@click.option(
    "--seen",
    type=click.IntRange(min=0),
    help="How many reviews of it you have seen in `show`: what was reviewed before is not approved "
    "without it.",
)
@wait_option
@wait_timeout
@common
def review(
    environment: Environment,
    out: Output,
    *,
    invoice: str,
    corrections: tuple[str, ...],
    approve: bool,
    reject: bool,
    not_duplicate: bool,
    reason: str,
    seen: int | None,
    wait: bool,
    timeout: float,
) -> None:
    """Correct, approve or reject INVOICE; with corrections alone it is validated again.

    An INVOICE that is DUPLICATE is processed all the same with --not-duplicate.
    """
    if not_duplicate and (corrections or approve or reject):
        raise click.UsageError("--not-duplicate stands alone, with a --reason")
    deployment = _deployed(environment)
    record = find(deployment, invoice)
    count = len(record.reviews)
    if seen is None and count and (approve or not_duplicate):
        raise click.UsageError(
            f"{record.id} was reviewed, last by {name_of(record.reviews[-1].reviewer)}: "
            f"look at it with `finops invoices show {record.id}`, then add --seen {count}"
        )
    decided = deployment.decide(
        record,
        seen=count if seen is None else seen,
        corrections=dict(_correction(one) for one in corrections),
        approve=approve,
        reject=reject,
        not_duplicate=not_duplicate,
        reason=reason,
    )
    if wait:
        finish(deployment, out, {decided.file: decided.id}, timeout=timeout, since=decided)
    else:
        print_all(out, [deployment.store.find(decided.id)])


@invoices.command("retry")
@click.argument("invoice")
@wait_option
@wait_timeout
@common
def retry(
    environment: Environment, out: Output, *, invoice: str, wait: bool, timeout: float
) -> None:
    """Retry an INVOICE whose processing failed, from the step that failed."""
    deployment = _deployed(environment)
    record = find(deployment, invoice)
    deployment.workflow.redrive(record.execution_name)
    deployment.audit.record(retried_event(record, deployment.caller, datetime.now(UTC)))
    finish(deployment, out, {record.file: record.id}, timeout=timeout if wait else 0, since=record)


@invoices.command("erase")
@click.argument("invoice")
@click.option("--reason", required=True, help="The reason; it stays, so it should name nobody.")
@click.option(
    "--bypass-governance",
    is_flag=True,
    help="Also erase an original that is locked in governance mode (s3:BypassGovernanceRetention).",
)
@click.option("--yes", is_flag=True, help="Erase it without asking.")
@common
def erase(
    environment: Environment,
    out: Output,
    *,
    invoice: str,
    reason: str,
    bypass_governance: bool,
    yes: bool,
) -> None:
    """Erase the personal data of INVOICE, and its original, for good.

    All invoices of the same document are erased. Amounts, dates and numbers stay.
    """
    if not yes:
        confirm("Nobody can undo this. Erase the invoice's personal data?")
    deployment = _deployed(environment)
    record = find(deployment, invoice)
    erased = deployment.eraser.erase(
        record.id, by=deployment.caller, reason=reason, bypass_governance=bypass_governance
    )
    print_all(out, erased)
    out.say(
        "The same document, dropped again, is a new invoice. Backups of the table end in 35 days."
    )


@invoices.command("export")
@click.argument("chosen", metavar="[INVOICE...]", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["xlsx", "csv", "json"]),
    default="xlsx",
    help="The file format.",
)
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Default: invoices.xlsx; stdout for CSV and JSON.",
)
@status_option
@month_option
@writing
def export_(
    environment: Environment,
    out: Output,
    *,
    chosen: tuple[str, ...],
    form: str,
    path: Path | None,
    status: str | None,
    month: str,
) -> None:
    """Export invoices to Excel, CSV or JSON: the last twelve months, or those that you name."""
    from finops.invoices.export import write_csv, write_json
    from finops.invoices.workbook import write_xlsx

    deployment = _deployed(environment)
    found: Iterable[InvoiceRecord] = (
        [find(deployment, one) for one in chosen] if chosen else select(deployment, status, month)
    )
    write = {"xlsx": write_xlsx, "csv": write_csv, "json": write_json}[form]
    if path is None and form == "xlsx":
        path = Path("invoices.xlsx")
    if path is None:
        write(found, sys.stdout.buffer)
        return
    counted = _Counted(found)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            write(counted, file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    answer = {"file": str(path), "format": form, "invoices": counted.count}
    if out.as_json:
        out.answer(answer, rows="invoices", columns=())
    else:
        written = "1 invoice" if counted.count == 1 else f"{counted.count} invoices"
        out.say(f"{written} written to {path}")


@invoices.command("agreement")
@month_option
@common
def agreement(environment: Environment, out: Output, *, month: str) -> None:
    """Show how often the text layer agreed with Textract, in shadow mode."""
    compared: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for record in select(_deployed(environment), None, month):
        compared.update(record.agreement.keys())
        agreed.update(name for name, same in record.agreement.items() if same)
    rows = [
        {
            "field": name,
            "compared": count,
            "agreed": agreed[name],
            "percent": f"{100 * agreed[name] / count:.1f}",
        }
        for name, count in compared.items()
    ]
    out.answer({"fields": rows}, rows="fields", columns=("field", "compared", "agreed", "percent"))


@invoices.command("check-rules")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@common
def check_rules(_environment: Environment, out: Output, *, path: Path) -> None:
    """Check a file of validation rules (a JSON list) before you deploy it."""
    from finops.invoices.rules import parse_rules

    try:
        rules = parse_rules(path.read_text())
    except ConfigurationError as error:
        out.fail(error.explanation, Exit.REJECTED, code=error.code)
    described = [
        {"name": one.name, "severity": one.severity.value, "expression": one.expression}
        for one in rules
    ]
    out.answer({"rules": described}, rows="rules", columns=("name", "severity", "expression"))


def _deployed(environment: Environment) -> InvoiceDeployment:
    from finops.deployment.invoices import InvoiceDeployment

    return InvoiceDeployment(environment)


def select(
    deployment: InvoiceDeployment, status: str | None, month: str
) -> Iterator[InvoiceRecord]:
    """Invoices of a status, or received in a month or the last twelve, newest first."""
    if status:
        found = deployment.store.all(status=status.upper())
        return (one for one in found if not month or f"{one.received_at:%Y-%m}" == month)
    return deployment.store.all(months=[month] if month else last_months(datetime.now(UTC)))


def finish(
    deployment: InvoiceDeployment,
    out: Output,
    ids: dict[str, str],
    *,
    timeout: float,
    since: InvoiceRecord | None = None,
) -> None:
    """Wait for invoices, print their results, and exit with the code that these call for."""
    from finops.deployment.descriptions import invoice_document

    deadline = time.monotonic() + timeout
    known: dict[str, list[InvoiceRecord]] = {}
    with out.progress("Invoices", len(ids)) as show_done:
        while True:
            for name, one in ids.items():
                if not _through(known.get(name), since):
                    with suppress(RejectedInput):
                        first = deployment.store.find(one)
                        known[name] = [first, *_further(deployment, first)]
            open_ = [name for name in ids if not _through(known.get(name), since)]
            show_done(len(ids) - len(open_))
            if not open_ or time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
    answers: list[dict[str, Any]] = []
    for name, one in ids.items():
        if name not in known:
            answers.append({"id": one, "file": name, "status": InvoiceStatus.RECEIVED.value})
            continue
        answers += [invoice_document(part) | {"file": name} for part in known[name]]
    late = f"not processed within {timeout:.0f} s: {', '.join(open_)}" if timeout and open_ else ""
    document = {"invoices": answers} | ({"error": late} if late else {})
    out.answer(document, rows="invoices", columns=COLUMNS)
    statuses = {one["status"] for one in answers}
    if late:
        out.fail(late, Exit.INFRASTRUCTURE)
    if InvoiceStatus.PROCESSING_FAILED in statuses:
        raise SystemExit(Exit.INFRASTRUCTURE)
    if statuses & _BAD:
        raise SystemExit(Exit.REJECTED)


def _further(deployment: InvoiceDeployment, first: InvoiceRecord) -> Iterator[InvoiceRecord]:
    """Further invoices of the same document."""
    number = 2
    while first.invoice and first.id == first.document.document_id:
        try:
            yield deployment.store.find(invoice_id(first.id, number))
        except RejectedInput:
            return
        number += 1


def _through(parts: Sequence[InvoiceRecord] | None, since: InvoiceRecord | None) -> bool:
    """Whether all known invoices of a document have ended."""
    if not parts:
        return False
    first, *further = parts
    return _ended(first, since) and all(_ended(one, None) for one in further)


def _ended(record: InvoiceRecord, since: InvoiceRecord | None) -> bool:
    if since and record.revision <= since.revision and not record.status.is_final:
        return False
    if since and record.revision <= since.revision and record.status == since.status:
        return False
    return record.is_settled


def print_all(out: Output, found: Iterable[InvoiceRecord]) -> None:
    """Print invoices, one a row."""
    from finops.deployment.descriptions import invoice_document

    out.answer(
        {"invoices": [invoice_document(one) for one in found]}, rows="invoices", columns=COLUMNS
    )


def _correction(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE", param_hint="--set")
    return name.strip(), value


class _Counted:
    """Counts what goes through."""

    def __init__(self, found: Iterable[InvoiceRecord]) -> None:
        self._found = found
        self.count = 0

    def __iter__(self) -> Iterator[InvoiceRecord]:
        for one in self._found:
            self.count += 1
            yield one
