"""Files that the command line loads: uploading them, waiting for results, finding them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from finops.billing.domain import LOADED, FileEntry, FileStatus
from finops.cli.options import timeout_option
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.deployment.billing import BillingDeployment

POLL_SECONDS: Final = 0.2
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
wait_timeout = timeout_option(900.0)


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

    Raises:
        RejectedInput: Two of them have one name, so that the second would be a new version of the
            first; nothing was sent.
    """
    refuse_equal_names(paths, folder)
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


def refuse_equal_names(paths: Sequence[Path], folder: str) -> None:
    """Refuse files of one name: in a folder of the bucket they would be versions of one object."""
    by_name: dict[str, list[str]] = {}
    for path in paths:
        by_name.setdefault(path.name, []).append(str(path))
    for name, some in by_name.items():
        if len(some) > 1:
            raise RejectedInput(
                f"{', '.join(some)} would all be {folder}{name}, each in place of the one before",
                code="equal_names",
                step="upload_file",
                remedy="Nothing was sent. Give each a name of its own, or load them into several "
                "datasets",
            )


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


#: Files of one name that are looked at.
_OF_ONE_NAME: Final = 100


def find(deployment: BillingDeployment, name: str, *, alone: bool = False) -> FileEntry:
    """The newest file of this name, key or load id.

    Args:
        deployment: The flow's resources.
        name: A name is that of the whole file, or the end of its path: not of a part of a name.
        alone: Whether no other object of this name may count.

    Raises:
        RejectedInput: There is no such file, or there are several that count.
    """
    if name.isdigit():
        return deployment.store.find(int(name))
    path = name if "/" in name else f"/{Path(name).name}"
    listed = deployment.store.files(ending=path, limit=_OF_ONE_NAME)
    found = [one for one in listed if f"/{one.source.key}".endswith(f"/{path.lstrip('/')}")]
    if not found:
        raise RejectedInput(
            f"the ledger has no file {name!r}",
            code="unknown_file",
            step="find_file",
            remedy="`finops billing files` lists them",
        )
    loads = {one.source.key: one.load_id for one in reversed(found) if one.status in LOADED}
    if alone and len(loads) > 1:
        shown = ", ".join(f"{key} (load {load})" for key, load in sorted(loads.items()))
        raise RejectedInput(
            f"several files that count are called {name!r}: {shown}",
            code="ambiguous_file",
            step="find_file",
            remedy="Nothing was changed. Name the one that is meant by its load, such as "
            f"{next(iter(loads.values()))}, or by its key",
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
