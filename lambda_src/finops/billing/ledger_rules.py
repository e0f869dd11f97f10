"""How a load ends: loaded, superseded or refused in the ledger, and recorded in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from finops.billing.audit_events import ended_event
from finops.billing.dataset_format import LONGEST_FORMAT, UsedFormat, format_key
from finops.billing.deliveries import shared_periods
from finops.billing.domain import FileEntry, FileStatus, SourceObject, Tally
from finops.billing.period_identity import Period
from finops.billing.ports import BillingStore, LoadTransaction, Objects, PeriodHolder
from finops.billing.schemas import Schema
from finops.billing.settings import Settings
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput


def record_outcome(audit: AuditRecorder, entry: FileEntry, now: datetime) -> None:
    """Record a final status in the audit trail.

    A replay records it again, since the first attempt may have been lost.
    """
    if event := ended_event(entry, now):
        audit.record(event)


def enter_left_alone(store: BillingStore, source: SourceObject, why: str) -> FileEntry:
    """Enter a file that is left alone for its name.

    Args:
        store: The ledger.
        source: The file.
        why: What it is; see `why_left_alone`.
    """
    entry = store.receive(source, dataset_or_none(source))
    said = RejectedInput(
        f"{source.uri} is not read, since it is by its name {why}",
        code="ignored_by_name",
        step="receive_file",
        remedy="If it holds bills, drop it under another name",
    )
    store.mark(entry.load_id, FileStatus.IGNORED, said)
    return store.find(entry.load_id)


def dataset_or_none(source: SourceObject) -> str:
    """The dataset of a file; empty where its name is none, for which its load is refused."""
    try:
        return source.dataset
    except RejectedInput:
        return ""


def unexpected(error: Exception) -> FinOpsError:
    """What nobody foresaw, as the ledger says it: no file stays RECEIVED for it."""
    return FinOpsError(
        f"{type(error).__name__}: {error}",
        code="unexpected_error",
        step="load_file",
        remedy="The function's log has the trace; the queue tries again",
    )


def newer_version(
    transaction: LoadTransaction, entry: FileEntry, schema: Schema, tally: Tally
) -> FileEntry | None:
    """A newer version of the object that is loaded, and replaces this one.

    Rows with an identity don't need this rule: each stores the version of the file that wrote it.

    Raises:
        RejectedInput: with code `version_lacks_charges`, where that one does not hold all of the
            periods of this one: in the order of the versions, it would have been refused.
    """
    newer = None if schema.key else transaction.newer_version(entry)
    if newer is None:
        return None
    shared = shared_periods(tally.periods, newer.periods)
    if lost := sorted(tally.periods - set(shared)):
        load = newer.entry.load_id
        beside = "" if shared else "If both shall count, drop it under another name. "
        raise RejectedInput(
            f"a newer version of this file is loaded (load {load}), which lacks charges of "
            f"{shown_periods(lost)} that this version holds, so they would vanish",
            code="version_lacks_charges",
            step="load_file",
            remedy=f"{beside}If this version shall count, take the newer one back first: `finops "
            f"billing withdraw {load}`, then `finops billing retry {entry.load_id}`",
        )
    return newer.entry


def enter_superseded(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    tally: Tally,
    by: FileEntry,
    quarantine_uri: str = "",
) -> None:
    """Enter a file as superseded by another one, which is loaded.

    Raises:
        TransientFailure: with code `busy`, where that one is not loaded any more.
    """
    transaction.hold(by)
    transaction.finish(
        entry, tally.status, tally, schema=schema.name, quarantine_uri=quarantine_uri
    )
    transaction.supersede([entry], by)


def enter_loaded(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    tally: Tally,
    close_quarantine: Callable[[], str],
) -> None:
    """Enter a file as loaded; where rows have no identity, it supersedes its earlier versions.

    Raises:
        RejectedInput: as `replaced_versions` does.
    """
    replaced = replaced_versions(transaction, entry, schema, tally)
    transaction.finish(
        entry, tally.status, tally, schema=schema.name, quarantine_uri=close_quarantine()
    )
    transaction.supersede(replaced, entry)


def replaced_versions(
    transaction: LoadTransaction, entry: FileEntry, schema: Schema, tally: Tally
) -> list[FileEntry]:
    """The earlier versions that a file replaces, which holds all of their periods.

    Raises:
        RejectedInput: with code `version_lacks_charges`, where it would take rows away that it
            does not hold.
    """
    older = transaction.older_versions(entry, schema)
    for one in older:
        _refuse_loss(one, schema, tally)
    return [] if schema.key else [one.entry for one in older]


def _refuse_loss(older: PeriodHolder, schema: Schema, tally: Tally) -> None:
    first = older.entry
    shared = set(shared_periods(older.periods, tally.periods))
    lost = sorted(older.periods - shared)
    is_bills = not schema.key and first.schema != schema.name and first.tally.holds_rows
    if not (lost or is_bills):
        return
    what = "bills" if is_bills else f"charges of {shown_periods(lost)}"
    rejects = (
        f" ({tally.quarantined} of its {tally.read} rows are rejects: `finops billing check` says "
        "why)"
        if tally.quarantined
        else ""
    )
    beside = "Drop a file that holds all of it" if shared else "Drop it under another name"
    raise RejectedInput(
        f"the version of this file that is loaded (load {first.load_id}) holds {what}, which this "
        f"version does not{rejects}, so they would vanish",
        code="version_lacks_charges",
        step="load_file",
        remedy=f"{beside}{'' if shared else ', so that both count'}. If the loaded rows shall go, "
        f"take them back first: `finops billing withdraw {first.load_id}`, then drop this again",
    )


def shown_periods(periods: Sequence[Period], most: int = 5) -> str:
    """Billing periods as a message names them."""
    some = [f"{start[:7]} of billing account {account}" for account, start, _ in periods[:most]]
    further = len(periods) - len(some)
    return ", ".join(some) + (f" and {further} more" if further else "")


def refuse_other_ids(transaction: LoadTransaction, entry: FileEntry, schema: Schema) -> None:
    """Refuse a file whose bills have ids of another rule than those of its dataset.

    The same bill would have two ids, and count twice: in a file that is dropped again after the
    format has changed, or in exports that overlap.

    Raises:
        RejectedInput: with code `other_ids`.
    """
    other = transaction.other_ids(entry, schema) if schema.key else None
    if other is None:
        return
    raise RejectedInput(
        f"ids of this file are {_ids(entry)}, but {other.source.uri} (load {other.load_id}) is "
        f"loaded in dataset {entry.dataset} with {_ids(other)}, so bills of both would count twice",
        code="other_ids",
        step="load_file",
        remedy="Drop this file into a dataset of its own, set the format's ids as they were, or "
        f"take the loaded rows back first: `finops billing withdraw {other.load_id}`",
    )


def _ids(entry: FileEntry) -> str:
    return f"the {entry.id_rule}" if entry.id_rule else "those of its record id"


def read_format(objects: Objects, settings: Settings, source: SourceObject) -> UsedFormat | None:
    """The format of a file's dataset as it is now; None where none is declared.

    Raises:
        RejectedInput: with code `invalid_dataset_format`.
    """
    where = replace(source, key=format_key(source.dataset), version_id="", etag="")
    stored = None
    try:
        stored = objects.open(where).read(LONGEST_FORMAT + 1)
    except RejectedInput as error:
        if error.code != "object_is_gone":
            raise
    return settings.format_of(source.dataset, stored)


def refuse_duplicate_content(first: FileEntry | None, entry: FileEntry) -> None:
    """Refuse a copy of a loaded file whose rows would count twice.

    The same bills in the same dataset change nothing.

    Args:
        first: An earlier loaded file of the same content that still holds rows, if there is one.
        entry: The file that is being loaded.

    Raises:
        RejectedInput: with code `duplicate_content`.
    """
    if first is None or first.source.key_hash == entry.source.key_hash:
        return
    if first.dataset != entry.dataset and not entry.source.part_of:
        raise duplicate_content(first, entry, OTHER_BILLS.format(entry.load_id, first.load_id))


#: What to do where a person knows better; the loads of both files follow.
OTHER_BILLS: Final = ". If they are other bills: `finops billing retry {} --part-of {}`"


def refuse_same_bills(transaction: LoadTransaction, entry: FileEntry, tally: Tally) -> None:
    """Refuse bills that another dataset holds, however the file writes them.

    Raises:
        RejectedInput: with code `duplicate_content`, where it is all of them; with code
            `bills_are_loaded`, where it is some.
    """
    found = None if entry.source.part_of else transaction.same_bills(entry, tally)
    if found is None:
        return
    first = found.entry
    others = OTHER_BILLS.format(entry.load_id, first.load_id)
    if found.count >= found.of:
        raise duplicate_content(first, entry, others)
    raise RejectedInput(
        f"{found.count} of the {found.of} bills that it brings are loaded in dataset "
        f"{first.dataset} already, with the same id, company, day and amount (from "
        f"{first.source.uri}, load {first.load_id}), so they would count twice",
        code="bills_are_loaded",
        step="load_file",
        remedy="If they are the same bills, load this file into that dataset, where each counts "
        f"once: `finops billing load FILE --dataset {first.dataset}`{others}",
    )


def duplicate_content(first: FileEntry, entry: FileEntry, others: str = "") -> RejectedInput:
    """The refusal of a copy, with code `duplicate_content`."""
    return RejectedInput(
        f"its rows are those of {first.source.uri} (load {first.load_id}, dataset "
        f"{first.dataset}), so they would count twice",
        code="duplicate_content",
        step="load_file",
        remedy="Remove this copy. If the first file is in the wrong dataset, take its rows back "
        f"and load this one: `finops billing withdraw {first.load_id} --reason …`, then `finops "
        f"billing retry {entry.load_id}`{others}",
    )
