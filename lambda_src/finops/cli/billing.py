"""`finops billing`: load files, and see the result of each file and of its rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from finops.billing.domain import (
    BILLING_PREFIX,
    LOADED,
    PART_OF,
    RESTATES,
    FileEntry,
    FileStatus,
    SourceObject,
)
from finops.cli.billing_formats import check, format_command
from finops.cli.options import common, listing
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.billing.withdrawal import Withdrawal
    from finops.deployment.billing import BillingDeployment

POLL_SECONDS: Final = 0.2
#: Of which nothing counts, nor will.
WITHOUT_ROWS: Final = frozenset(
    {FileStatus.WITHDRAWN, FileStatus.SUPERSEDED, FileStatus.REJECTED, FileStatus.IGNORED}
)
COLUMNS: Final = (
    "file",
    "status",
    "rows_read",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "rows_quarantined",
    "amount_usd",
    "error",
)

wait_option = click.option("--wait", is_flag=True, help="Wait until the files are loaded.")
timeout_option = click.option(
    "--timeout", default=900.0, metavar="SECONDS", help="The longest time that --wait waits."
)

replace_option = click.option(
    "--replace",
    is_flag=True,
    help="It restates the months of charges, or corrects the bills, that other files brought.",
)
part_option = click.option(
    "--part-of",
    metavar="FILE",
    help="It is a further part of this loaded export: the charges of both count.",
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
@wait_option
@timeout_option
@common
def load(
    environment: Environment,
    out: Output,
    *,
    paths: tuple[Path, ...],
    dataset: str | None,
    replace: bool,
    part_of: str | None,
    wait: bool,
    timeout: float,
) -> None:
    """Load files of bills, or FOCUS exports: CSV, Excel or Parquet."""
    deployment = deployed(environment)
    folder = f"{BILLING_PREFIX}{dataset}/" if dataset else BILLING_PREFIX
    said = {RESTATES: "yes"} if replace else {}
    if root := root_key(deployment, part_of, replace=replace):
        said = {PART_OF: quote(root)}
    uploaded = upload(deployment, out, paths, folder, said)
    finish(deployment, out, uploaded, timeout=timeout if wait else 0)


@billing.command("files")
@click.option("--dataset", default="", show_default=False, help="Only this dataset.")
@click.option(
    "--status",
    type=click.Choice([one.value for one in FileStatus], case_sensitive=False),
    help="Only this status.",
)
@click.option("--limit", default=50, help="The maximum number of files.")
@listing
def files(
    environment: Environment, out: Output, *, dataset: str, status: str | None, limit: int
) -> None:
    """List the files of the ledger, newest first."""
    found = deployed(environment).store.files(dataset=dataset, status=status or "", limit=limit)
    from finops.deployment.descriptions import file_document

    described = [file_document(one) for one in found]
    out.answer(
        {"files": described}, rows="files", columns=("load_id", "received_at", "dataset", *COLUMNS)
    )


@billing.command("quarantine")
@click.argument("file")
@listing
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
@timeout_option
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


reason_option = click.option(
    "--reason", required=True, help="The reason; it is recorded with your name and the time."
)


@billing.command("withdraw")
@click.argument("file")
@reason_option
@common
def withdraw(environment: Environment, out: Output, *, file: str, reason: str) -> None:
    """Take the rows of FILE (its name, key or load id) back, in all its versions.

    The file stays in the bucket and in the ledger.
    """
    deployment = deployed(environment)
    done = deployment.withdrawer.withdraw(
        find(deployment, file), requested_by=deployment.caller, reason=reason
    )
    answer_withdrawal(out, done)


@billing.command("move")
@click.argument("file")
@click.option("--dataset", required=True, help="The dataset that the file belongs to.")
@reason_option
@wait_option
@timeout_option
@common
def move(
    environment: Environment,
    out: Output,
    *,
    file: str,
    dataset: str,
    reason: str,
    wait: bool,
    timeout: float,
) -> None:
    """Take the rows of FILE back, and load it into another dataset.

    Where a move was cut off, do it again.
    """
    deployment = deployed(environment)
    entry = find(deployment, file)
    key = f"{BILLING_PREFIX}{dataset}/{Path(entry.source.key).name}"
    if key == entry.source.key:
        out.fail(f"{key} is in dataset {dataset!r} already", Exit.REJECTED)
    before = refuse_taken(deployment, entry, key)
    try:
        done = deployment.withdrawer.withdraw(entry, requested_by=deployment.caller, reason=reason)
        out.say(f"{entry.source.key}: {done.rows_removed} rows taken back")
        tell_replaced(out, done)
    except RejectedInput as error:
        if error.code != "nothing_to_withdraw" or entry.status is not FileStatus.WITHDRAWN:
            raise
        out.say(f"{entry.source.key}: its rows were taken back before")
    copied = deployment.copy(entry, key, before)
    finish(deployment, out, {key: copied}, timeout=timeout if wait else 0)


def refuse_taken(deployment: BillingDeployment, entry: FileEntry, key: str) -> SourceObject | None:
    """Refuse a key under which another file counts, or may: a new version would replace its rows.

    A file that was withdrawn counts no more, so a file can be moved back.

    Args:
        deployment: The flow's resources.
        entry: The file that is moved.
        key: Where to.

    Returns:
        The withdrawn file that is there, which alone may be replaced; None where the key is free.

    Raises:
        RejectedInput: The key is taken.
    """
    held = [one for one in deployment.store.files(ending=key, limit=100) if one.source.key == key]
    newest = deployment.newest(key)
    is_known = newest is None or newest.file_id in {one.source.file_id for one in held}
    is_given_up = not held or (
        held[0].status is FileStatus.WITHDRAWN
        and WITHOUT_ROWS.issuperset(one.status for one in held)
    )
    if not (is_known and is_given_up):
        refused = bool(held) and held[0].status is FileStatus.REJECTED
        raise RejectedInput(
            f"{key} is there already, and would be replaced",
            code="key_is_taken",
            step="move_file",
            remedy="Nothing was changed. Take the rows of this file back first, `finops billing "
            f"withdraw {entry.load_id} --reason …`, then load it under another name, `finops "
            "billing load NEW-NAME --dataset …`"
            + (
                "; or, if the file there is the same and was refused as its copy, `finops billing "
                f"retry {held[0].load_id}`"
                if refused
                else ""
            ),
        )
    return newest


def answer_withdrawal(out: Output, done: Withdrawal) -> None:
    """Print what taking a file back did."""
    from finops.deployment.descriptions import file_document

    answer = file_document(done.entry) | {
        "rows_removed": done.rows_removed,
        "rows_kept": done.rows_kept,
        "also_in": list(done.also_in),
        "replaced": [file_document(one) for one in done.replaced],
    }
    columns = ("file", "status", "rows_removed", "rows_kept")
    out.answer({"files": [answer]}, rows="files", columns=columns)
    if done.also_in:
        out.say(
            "These files may have held some of the removed rows as well; drop them again: "
            + ", ".join(done.also_in)
        )
    tell_replaced(out, done)


def tell_replaced(out: Output, done: Withdrawal) -> None:
    """Say which files had been replaced by the one that was taken back, and how they count."""
    for one in done.replaced:
        out.say(
            f"{done.entry.source.key} had replaced {one.source.key} (load {one.load_id}), which "
            f"does not count now. To have it count again: finops billing retry {one.load_id}"
        )


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


def deployed(environment: Environment) -> BillingDeployment:
    """The flow's resources."""
    from finops.deployment.billing import BillingDeployment

    return BillingDeployment(environment)


def upload(
    deployment: BillingDeployment,
    out: Output,
    paths: tuple[Path, ...],
    folder: str,
    said: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Upload files, with a progress bar in bytes. Returns their ids by name.

    Args:
        deployment: The flow's resources.
        out: Shows the progress.
        paths: The files.
        folder: Where they go.
        said: What is said of them, as metadata.
    """
    done = 0
    ids = {}
    total = sum(path.stat().st_size for path in paths)
    with out.progress("Bytes sent", total) as show:

        def sent(count: int) -> None:
            nonlocal done
            done += count
            show(done)

        for path in paths:
            ids[str(path)] = deployment.upload(path, f"{folder}{path.name}", sent, said)
    return ids


def finish(
    deployment: BillingDeployment,
    out: Output,
    ids: Mapping[str, str],
    *,
    timeout: float,
    failed: FileEntry | None = None,
) -> None:
    """Wait for the files, print their results, and exit with the code that these call for.

    Args:
        deployment: The flow's resources.
        out: What the command answers.
        ids: The files' ids in the ledger, by name.
        timeout: Seconds to wait.
        failed: The entry of a file that is loaded again, as it was before.
    """
    from finops.deployment.descriptions import file_document

    deadline = time.monotonic() + timeout
    entries: dict[str, FileEntry] = {}
    with out.progress("Files loaded", len(ids)) as show:
        while True:
            for name, file_id in ids.items():
                if name not in entries or not entries[name].is_settled:
                    found = deployment.store.by_file_id(file_id)
                    if found and not found.is_same_attempt(failed):
                        entries[name] = found
            open_ = [name for name in ids if name not in entries or not entries[name].is_settled]
            show(len(ids) - len(open_))
            if not open_ or time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
    answers: list[dict[str, Any]] = [
        file_document(entries[name]) | {"file": name}
        if name in entries
        else {"file": name, "status": FileStatus.RECEIVED.value}
        for name in ids
    ]
    late = f"not loaded within {timeout:.0f} s: {', '.join(open_)}" if timeout and open_ else ""
    document = {"files": answers} | ({"error": late} if late else {})
    out.answer(document, rows="files", columns=COLUMNS)
    for one in answers:
        for note in one.get("notes", ()):
            out.say(f"{one['file']}: {note['message']}")
    statuses = {one["status"] for one in answers}
    if late:
        out.fail(late, Exit.INFRASTRUCTURE)
    if FileStatus.FAILED in statuses:
        raise SystemExit(Exit.INFRASTRUCTURE)
    if statuses & {FileStatus.REJECTED, FileStatus.LOADED_WITH_REJECTS}:
        raise SystemExit(Exit.REJECTED)


def find(deployment: BillingDeployment, name: str) -> FileEntry:
    """The newest file of this name, key or load id.

    Raises:
        RejectedInput: There is no such file.
    """
    if name.isdigit():
        return deployment.store.find(int(name))
    found = deployment.store.files(ending=Path(name).name if "/" not in name else name, limit=1)
    if not found:
        raise RejectedInput(
            f"the ledger has no file {name!r}",
            code="unknown_file",
            step="find_file",
            remedy="`finops billing files` lists them",
        )
    return found[0]


def as_day(text: str) -> date:
    """A date that a person typed.

    Raises:
        RejectedInput: It is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RejectedInput(
            f"{text!r} is not a date: write it as YYYY-MM-DD", code="invalid_date", value=text
        ) from None
