"""`finops billing withdraw` and `move`: taking rows of a file back, and loading it elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from finops.billing.domain import BILLING_PREFIX, LOADED, FileEntry, FileStatus, SourceObject
from finops.cli.billing_loads import deployed, find, finish, timeout_option, wait_option
from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.billing.withdrawal import Withdrawal
    from finops.deployment.billing import BillingDeployment

#: Of which nothing counts, nor will.
WITHOUT_ROWS: Final = frozenset(
    {FileStatus.WITHDRAWN, FileStatus.SUPERSEDED, FileStatus.REJECTED, FileStatus.IGNORED}
)

#: Versions of an object that are looked at.
_VERSIONS: Final = 1_000

reason_option = click.option(
    "--reason", required=True, help="The reason; it is recorded with your name and the time."
)


@click.command("withdraw")
@click.argument("file")
@reason_option
@common
def withdraw(environment: Environment, out: Output, *, file: str, reason: str) -> None:
    """Take the rows of FILE (its name, key or load id) back, in all its versions.

    The file stays in the bucket and in the ledger.
    """
    deployment = deployed(environment)
    entry = find(deployment, file, alone=True)
    versions = loaded_versions(deployment, entry)
    done = deployment.withdrawer.withdraw(entry, requested_by=deployment.caller, reason=reason)
    answer_withdrawal(out, done)
    if len(versions) > 1:
        loads = ", ".join(f"finops billing retry {one.load_id}" for one in versions)
        out.say(f"{len(versions)} versions of the file counted. To load all of them again: {loads}")


@click.command("move")
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
    entry = find(deployment, file, alone=True)
    key = f"{BILLING_PREFIX}{dataset}/{Path(entry.source.key).name}"
    if key == entry.source.key:
        out.fail(f"{key} is in dataset {dataset!r} already", Exit.REJECTED)
    versions = loaded_versions(deployment, entry) or [entry]
    before, copies = refuse_taken(deployment, entry, key, versions)
    versions = versions[copies:]
    try:
        done = deployment.withdrawer.withdraw(entry, requested_by=deployment.caller, reason=reason)
        out.say(f"{entry.source.key}: {done.rows_removed} rows taken back")
        tell_replaced(out, done)
    except RejectedInput as error:
        if error.code != "nothing_to_withdraw" or entry.status is not FileStatus.WITHDRAWN:
            raise
        out.say(f"{entry.source.key}: its rows were taken back before")
    copied = {}
    for number, version in enumerate(versions, 1):
        name = key if version is versions[-1] else f"{key} (version {number})"
        copied[name] = deployment.copy(version, key, before)
        before = deployment.newest(key)
    finish(deployment, out, copied, timeout=timeout if wait else 0)


def loaded_versions(deployment: BillingDeployment, entry: FileEntry) -> list[FileEntry]:
    """The loaded versions of a file's object, oldest first: each may hold bills that no other has.

    A bill that a newer version no longer holds stays. Where the file was taken back, they are those
    that were taken back with it.
    """
    key = entry.source.key
    found = [
        one
        for one in reversed(deployment.store.files(ending=key, limit=_VERSIONS))
        if one.source.key == key
    ]
    loaded = [one for one in found if one.status in LOADED]
    return loaded or [
        one
        for one in found
        if one.status is FileStatus.WITHDRAWN is entry.status
        and one.finished_at == entry.finished_at
    ]


def refuse_taken(
    deployment: BillingDeployment, entry: FileEntry, key: str, versions: Sequence[FileEntry] = ()
) -> tuple[SourceObject | None, int]:
    """Refuse a key under which another file counts, or may: a new version would replace its rows.

    A file that was withdrawn counts no more, so a file can be moved back.

    Args:
        deployment: The flow's resources.
        entry: The file that is moved.
        key: Where to.
        versions: Of the file, oldest first. A move that was cut off may have copied the first ones.

    Returns:
        The file that is there, which alone may be replaced: a withdrawn one, or a copy; None where
        the key is free. And how many versions were copied, of which one at least is not yet.

    Raises:
        RejectedInput: The key is taken.
    """
    held = [one for one in deployment.store.files(ending=key, limit=100) if one.source.key == key]
    newest = deployment.newest(key)
    is_known = newest is None or newest.file_id in {one.source.file_id for one in held}
    there = [one.content_sha256 for one in reversed(held) if one.status in LOADED]
    moved = [one.content_sha256 for one in versions]
    is_cut_off = entry.status is FileStatus.WITHDRAWN and 0 < len(there) < len(moved)
    if is_known and is_cut_off and there == moved[: len(there)]:
        return newest, len(there)
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
    return newest, 0


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
            f"{done.entry.source.key} had replaced rows of {one.source.key} (load {one.load_id}), "
            f"which do not count now. To have them count again: finops billing retry {one.load_id}"
        )
