"""`finops invoices`: submit documents, see what became of them, review and export them."""

from __future__ import annotations

import getpass
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.deployment.descriptions import invoice_document, invoice_fields, invoice_reviews
from finops.deployment.environment import Environment
from finops.deployment.invoices import InvoiceDeployment
from finops.invoices.audit_events import retried_event
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, invoice_id
from finops.invoices.export import write_csv, write_json
from finops.invoices.rules import parse_rules
from finops.invoices.workbook import write_xlsx
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.periods import last_months

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
#: Of these a person must know.
_BAD: Final = frozenset(
    {InvoiceStatus.REJECTED, InvoiceStatus.VALIDATION_FAILED, InvoiceStatus.DUPLICATE}
)

wait_option = click.option(
    "--wait", is_flag=True, help="Wait until each is through, or needs a person."
)
timeout_option = click.option(
    "--timeout", default=600.0, metavar="SECONDS", help="How long --wait waits."
)
status_option = click.option(
    "--status",
    default="",
    type=click.Choice(["", *(one.value for one in InvoiceStatus)], case_sensitive=False),
    help="Only this status.",
)
month_option = click.option(
    "--month",
    default="",
    metavar="YYYY-MM",
    help="Received in this month; else in the last twelve.",
)


@click.group()
def invoices() -> None:
    """Submit invoices, see what became of them, review and export them."""


@invoices.command("submit")
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@wait_option
@timeout_option
@common
def submit(
    environment: Environment, out: Output, *, paths: tuple[Path, ...], wait: bool, timeout: float
) -> None:
    """Drop documents (PDF, PNG, JPEG, TIFF) and JSON invoices into the bucket."""
    deployment = InvoiceDeployment(environment)
    done, ids = 0, {}
    with out.progress("bytes sent", sum(path.stat().st_size for path in paths)) as show:

        def sent(count: int) -> None:
            nonlocal done
            done += count
            show(done)

        for path in paths:
            ids[str(path)] = deployment.upload(path, getpass.getuser(), sent)
    finish(deployment, out, ids, timeout=timeout if wait else 0)


@invoices.command("list")
@status_option
@month_option
@click.option("--limit", default=50, help="At most so many, the newest first.")
@common
def list_(environment: Environment, out: Output, *, status: str, month: str, limit: int) -> None:
    """List the newest invoices."""
    found = islice(select(InvoiceDeployment(environment), status, month), limit)
    print_all(out, found)


@invoices.command("show")
@click.argument("invoice")
@common
def show(environment: Environment, out: Output, *, invoice: str) -> None:
    """Show INVOICE (its id or our number) with its fields, line items, issues and reviews."""
    record = find(InvoiceDeployment(environment), invoice)
    described = invoice_document(record) | {
        "fields": invoice_fields(record),
        "reviews": invoice_reviews(record),
    }
    if out.as_json:
        out.answer({"invoices": [described]}, rows="invoices", columns=COLUMNS)
        return
    out.answer({"invoices": [described]}, rows="invoices", columns=COLUMNS)
    for rows, columns in (
        ("fields", ("field", "value", "text", "confidence", "page", "reason")),
        ("line_items", ("description", "quantity", "unit_price", "amount", "tax")),
        ("issues", ("severity", "code", "field", "message")),
        ("reviews", ("at", "reviewer", "decision", "reason", "before", "after")),
    ):
        if described[rows]:
            out.stdout.print(f"\n{rows.replace('_', ' ')}", style="bold")
            out.answer(described, rows=rows, columns=columns)


@invoices.command("review")
@click.argument("invoice")
@click.option(
    "--set",
    "corrections",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Correct a field: dates as 2026-03-31, amounts as -1234.50; an empty value clears it.",
)
@click.option("--approve", is_flag=True, help="Take it as it is now.")
@click.option("--reject", is_flag=True, help="Refuse it for good; needs a --reason.")
@click.option("--reason", default="", help="Why; kept with who and when.")
@wait_option
@timeout_option
@common
def review(
    environment: Environment,
    out: Output,
    *,
    invoice: str,
    corrections: tuple[str, ...],
    approve: bool,
    reject: bool,
    reason: str,
    wait: bool,
    timeout: float,
) -> None:
    """Correct INVOICE, approve or reject it; with corrections alone it is checked again."""
    deployment = InvoiceDeployment(environment)
    record = find(deployment, invoice)
    decided = deployment.review_desk.decide(
        record.id,
        getpass.getuser(),
        corrections=dict(_correction(one) for one in corrections),
        approve=approve,
        reject=reject,
        reason=reason,
    )
    if wait:
        finish(deployment, out, {decided.file: decided.id}, timeout=timeout, since=decided)
    else:
        print_all(out, [decided])


@invoices.command("retry")
@click.argument("invoice")
@wait_option
@timeout_option
@common
def retry(
    environment: Environment, out: Output, *, invoice: str, wait: bool, timeout: float
) -> None:
    """Go on with INVOICE whose processing failed, from the step that failed."""
    deployment = InvoiceDeployment(environment)
    record = find(deployment, invoice)
    deployment.workflow.redrive(record.id)
    deployment.audit.record(retried_event(record, getpass.getuser(), datetime.now(UTC)))
    finish(deployment, out, {record.file: record.id}, timeout=timeout if wait else 0, since=record)


@invoices.command("export")
@click.argument("chosen", metavar="[INVOICE...]", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice(["xlsx", "csv", "json"]), default="xlsx", help="As what."
)
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to; CSV and JSON go to stdout unless it is set.",
)
@status_option
@month_option
@common
def export_(
    environment: Environment,
    out: Output,
    *,
    chosen: tuple[str, ...],
    form: str,
    path: Path | None,
    status: str,
    month: str,
) -> None:
    """Export invoices, all or the named ones, to Excel, CSV or JSON."""
    deployment = InvoiceDeployment(environment)
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
        out.say(f"{counted.count} invoices written to {path}")


@invoices.command("agreement")
@month_option
@common
def agreement(environment: Environment, out: Output, *, month: str) -> None:
    """Show how often the text layer's reading agreed with Textract's, in shadow mode."""
    compared: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for record in select(InvoiceDeployment(environment), "", month):
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
    """Check a file of rules (a JSON list) before it is deployed."""
    try:
        rules = parse_rules(path.read_text())
    except ConfigurationError as error:
        out.fail(str(error), Exit.REJECTED, code=error.code)
    described = [
        {"name": one.name, "severity": one.severity.value, "expression": one.expression}
        for one in rules
    ]
    out.answer({"rules": described}, rows="rules", columns=("name", "severity", "expression"))


def select(deployment: InvoiceDeployment, status: str, month: str) -> Iterator[InvoiceRecord]:
    """Invoices of a status, or received in a month or the last twelve, newest first."""
    if status:
        found = deployment.store.all(status=status.upper())
        return (one for one in found if not month or f"{one.received_at:%Y-%m}" == month)
    return deployment.store.all(months=[month] if month else last_months(datetime.now(UTC)))


def find(deployment: InvoiceDeployment, name: str) -> InvoiceRecord:
    """The invoice of this id or number of ours.

    Raises:
        RejectedInput: there is none.
    """
    try:
        return deployment.store.find(name)
    except RejectedInput:
        for record in deployment.store.all(status=InvoiceStatus.PROCESSED.value):
            if record.serial_number == name:
                return record
        raise


def finish(
    deployment: InvoiceDeployment,
    out: Output,
    ids: dict[str, str],
    *,
    timeout: float,
    since: InvoiceRecord | None = None,
) -> None:
    """Wait for invoices, print what became of them, and exit by that."""
    deadline = time.monotonic() + timeout
    known: dict[str, list[InvoiceRecord]] = {}
    with out.progress("invoices", len(ids)) as show_done:
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
    out.answer({"invoices": answers}, rows="invoices", columns=COLUMNS)
    statuses = {one["status"] for one in answers}
    if timeout and open_:
        out.fail(f"not through within {timeout:.0f} s: {', '.join(open_)}", Exit.INFRASTRUCTURE)
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
    """Whether a document's invoices, as far as they are known, have all come to an end."""
    if not parts:
        return False
    first, *further = parts
    return _ended(first, since) and all(_ended(one, None) for one in further)


def _ended(record: InvoiceRecord, since: InvoiceRecord | None) -> bool:
    if since and record.revision <= since.revision and not record.status.is_final:
        return False
    if since and record.revision <= since.revision and record.status == since.status:
        return False
    waits = record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision
    return record.status.is_final or waits


def print_all(out: Output, found: Iterable[InvoiceRecord]) -> None:
    """Print invoices, one a row."""
    out.answer(
        {"invoices": [invoice_document(one) for one in found]}, rows="invoices", columns=COLUMNS
    )


def _correction(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} does not read FIELD=VALUE", param_hint="--set")
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
