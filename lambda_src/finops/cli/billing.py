"""`finops billing`: load files, and see the result of each file and of its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from finops.billing.domain import (
    BILLING_PREFIX,
    CORRECTS,
    LEAVES_OUT,
    LOADED,
    PART_OF,
    RESTATES,
    FileEntry,
    FileStatus,
)
from finops.cli.billing_formats import check, format_command
from finops.cli.billing_loads import (
    COLUMNS,
    as_day,
    deployed,
    find,
    finish,
    upload,
    wait_option,
    wait_timeout,
)
from finops.cli.billing_moves import move, withdraw
from finops.cli.options import common, limit_option
from finops.cli.output import Output
from finops.deployment.environment import Environment
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.deployment.billing import BillingDeployment


replace_option = click.option(
    "--replace",
    is_flag=True,
    help="It restates the months of charges, or corrects the bills, that other files brought.",
)
part_option = click.option(
    "--part-of",
    metavar="FILE",
    help="It is a further part of this loaded export, or holds other bills: both count.",
)


@click.group()
def billing() -> None:
    """Load billing files, and see their results."""


@billing.command("load")
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--dataset", help="The dataset, within which record ids are unique. Default: each file's name."
)
@replace_option
@part_option
@click.option(
    "--corrects",
    metavar="FILE",
    help="It brings the quarantined rows of this file, corrected, into its dataset.",
)
@click.option(
    "--leave-out-rest",
    is_flag=True,
    help="With --corrects: quarantined rows that it lacks are not to be loaded.",
)
@wait_option
@wait_timeout
@common
def load(
    environment: Environment,
    out: Output,
    *,
    paths: tuple[Path, ...],
    dataset: str | None,
    replace: bool,
    part_of: str | None,
    corrects: str | None,
    leave_out_rest: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Load files of bills, or FOCUS exports: CSV, Excel or Parquet."""
    deployment = deployed(environment)
    said = {RESTATES: "yes"} if replace else {}
    if root := root_key(deployment, part_of, replace=replace):
        said = {PART_OF: quote(root)}
    if corrects:
        corrected = corrected_file(deployment, corrects, dataset)
        dataset = corrected.dataset
        said[CORRECTS] = corrected.source.file_id
        said |= {LEAVES_OUT: "yes"} if leave_out_rest else {}
    elif leave_out_rest:
        raise click.UsageError("--leave-out-rest needs --corrects FILE")
    folder = f"{BILLING_PREFIX}{dataset}/" if dataset else BILLING_PREFIX
    uploaded = upload(deployment, out, paths, folder, said)
    finish(deployment, out, uploaded, timeout=timeout if wait else 0)


@billing.command("files")
@click.option("--dataset", default="", show_default=False, help="Only this dataset.")
@click.option(
    "--status",
    type=click.Choice([one.value for one in FileStatus], case_sensitive=False),
    help="Only this status.",
)
@click.option(
    "--to-fix",
    is_flag=True,
    help="Only those that were refused or failed, or have quarantined rows, and that nothing has"
    " corrected yet.",
)
@limit_option("files")
@common
def files(
    environment: Environment,
    out: Output,
    *,
    dataset: str,
    status: str | None,
    to_fix: bool,
    limit: int,
) -> None:
    """List the files of the ledger, newest first."""
    found = deployed(environment).store.files(
        dataset=dataset, status=status or "", to_fix=to_fix, limit=limit
    )
    from finops.deployment.descriptions import file_document

    described = [file_document(one) for one in found]
    out.answer(
        {"files": described}, rows="files", columns=("load_id", "received_at", "dataset", *COLUMNS)
    )


@billing.command("quarantine")
@click.argument("file")
@common
def quarantine(environment: Environment, out: Output, *, file: str) -> None:
    """Show which rows of FILE (its name, key or load id) were not loaded, and why."""
    deployment = deployed(environment)
    entry = find(deployment, file)
    rows = sorted(deployment.quarantined(entry), key=lambda row: int(row["line"]))
    out.answer(
        {"file": entry.source.key, "load_id": entry.load_id, "rows": rows},
        rows="rows",
        columns=("line", "reason", "field", "message", "raw"),
    )
    if entry.status is FileStatus.REJECTED:
        out.say(f"The whole file was rejected: {entry.error}")


@billing.command("retry")
@click.argument("file")
@replace_option
@part_option
@wait_option
@wait_timeout
@common
def retry(
    environment: Environment,
    out: Output,
    *,
    file: str,
    replace: bool,
    part_of: str | None,
    wait: bool,
    timeout: float,
) -> None:
    """Load a FILE again that FAILED, or that does not count: refused, superseded or withdrawn.

    Parts of a FAILED file that are loaded already are kept.
    """
    from finops.billing.audit_events import retried_event

    deployment = deployed(environment)
    entry = find(deployment, file)
    root = root_key(deployment, part_of, replace=replace)
    event = retried_event(
        entry, deployment.caller, datetime.now(UTC), restates=replace, part_of=root
    )
    failed = None if entry.status.is_final or replace or root else entry
    if failed is None:
        entry = deployment.withdrawer.reopen(entry, restates=replace, part_of=root)
    deployment.audit.record(event)
    deployment.deliver_again(entry)
    finish(
        deployment,
        out,
        {entry.source.key: entry.source.file_id},
        timeout=timeout if wait else 0,
        failed=failed,
    )


def corrected_file(deployment: BillingDeployment, name: str, dataset: str | None) -> FileEntry:
    """The file that was refused, or whose quarantined rows are corrected.

    Raises:
        RejectedInput: There is nothing to correct, or it is of another dataset.
    """
    entry = find(deployment, name)
    is_whole = not entry.tally.quarantined and entry.status is not FileStatus.REJECTED
    if is_whole or dataset not in (None, entry.dataset):
        raise RejectedInput(
            f"{entry.source.key} (load {entry.load_id}) has no quarantined rows"
            if is_whole
            else f"{entry.source.key} is of dataset {entry.dataset!r}, not of {dataset!r}",
            code="invalid_corrects",
            step="find_file",
            remedy="`finops billing files --to-fix` lists the files whose rows wait; leave out"
            " --dataset",
        )
    return entry


def root_key(deployment: BillingDeployment, part_of: str | None, *, replace: bool) -> str:
    """The key of the loaded file that others are parts of; empty where none is named.

    Raises:
        RejectedInput: It is not loaded, or the files are said to replace it as well.
    """
    if not part_of:
        return ""
    entry = find(deployment, part_of)
    if replace or entry.status not in LOADED:
        raise RejectedInput(
            f"{entry.source.key} (load {entry.load_id}) is {entry.status}"
            if not replace
            else "a file replaces others, or is a further part of one, but not both",
            code="invalid_part_of",
            step="find_file",
            remedy="Name a loaded file of the same export, and leave out --replace",
        )
    return entry.source.part_of or entry.source.key


billing.add_command(format_command)
billing.add_command(check)
billing.add_command(withdraw)
billing.add_command(move)


@billing.command("reconvert")
@click.option("--dataset", required=True, help="The dataset of the bills.")
@click.option("--from", "first", required=True, metavar="DATE", help="The first bill date.")
@click.option("--to", "last", required=True, metavar="DATE", help="The last bill date, inclusive.")
@click.option(
    "--reason", required=True, help="The reason; it is recorded with your name and the time."
)
@common
def reconvert(
    environment: Environment, out: Output, *, dataset: str, first: str, last: str, reason: str
) -> None:
    """Convert bills again with today's exchange rates. Nothing else changes a loaded bill."""
    deployment = deployed(environment)
    done = deployment.reconverter.reconvert(
        dataset, as_day(first), as_day(last), requested_by=deployment.caller, reason=reason
    )
    answer = {
        "dataset": dataset,
        "rows_changed": done.rows_changed,
        "usd_before": f"{done.usd_before:f}",
        "usd_after": f"{done.usd_after:f}",
    }
    out.answer({"reconversions": [answer], **answer}, rows="reconversions", columns=tuple(answer))
