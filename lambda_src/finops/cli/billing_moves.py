"""`finops billing withdraw` and `move`: taking rows of a file back, and loading it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finops.cli.billing_loads import deployed, find, finish, wait_option, wait_timeout
from finops.cli.options import common
from finops.cli.output import Output
from finops.deployment.environment import Environment

if TYPE_CHECKING:
    from finops.billing.withdrawal import Withdrawal

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
    from finops.billing.moving import loaded_versions

    deployment = deployed(environment)
    entry = find(deployment, file, alone=True)
    versions = loaded_versions(deployment.store.files, entry)
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
@wait_timeout
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
    done = deployment.mover.move(entry, dataset, requested_by=deployment.caller, reason=reason)
    if done.withdrawal:
        out.say(f"{entry.source.key}: {done.withdrawal.rows_removed} rows taken back")
        tell_replaced(out, done.withdrawal)
    else:
        out.say(f"{entry.source.key}: its rows were taken back before")
    finish(deployment, out, done.copies, timeout=timeout if wait else 0)


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
