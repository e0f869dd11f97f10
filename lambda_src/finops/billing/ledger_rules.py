"""How a load ends: loaded, superseded or refused in the ledger, and recorded in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from finops.billing.audit_events import ended_event
from finops.billing.dataset_format import LONGEST_FORMAT, UsedFormat, format_key
from finops.billing.deliveries import delivery_of, later_run, shared_periods
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


def is_superseded(transaction: LoadTransaction, entry: FileEntry, schema: Schema) -> bool:
    """Whether a newer version of the object, which replaces this one, is loaded.

    Rows with an identity don't need this rule: each stores the version of the file that wrote it.
    """
    return not schema.key and transaction.newer_version(entry) is not None


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
    transaction.supersede(replaced)


def replaced_versions(
    transaction: LoadTransaction, entry: FileEntry, schema: Schema, tally: Tally
) -> list[int]:
    """The loads of earlier versions that a file replaces, which holds all of their periods.

    Raises:
        RejectedInput: with code `version_lacks_charges`, where it would take rows away that it
            does not hold.
    """
    older = transaction.older_versions(entry, schema)
    for one in older:
        _refuse_loss(one, schema, tally)
    return [] if schema.key else [one.entry.load_id for one in older]


def _refuse_loss(older: PeriodHolder, schema: Schema, tally: Tally) -> None:
    first = older.entry
    shared = set(shared_periods(older.periods, tally.periods))
    lost = sorted(older.periods - shared)
    is_bills = not schema.key and first.schema != schema.name and first.tally.holds_rows
    if not (lost or is_bills):
        return
    what = "bills" if is_bills else f"charges of {_shown(lost)}"
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


def _shown(periods: Sequence[Period], most: int = 5) -> str:
    """Billing periods as a message names them."""
    some = [f"{start[:7]} of billing account {account}" for account, start, _ in periods[:most]]
    further = len(periods) - len(some)
    return ", ".join(some) + (f" and {further} more" if further else "")


def settle_periods(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    periods: AbstractSet[Period],
    *,
    sha256: str,
    replace: bool,
) -> bool:
    """Settle which file counts for the billing periods of a file whose rows have no identity.

    Parts of one delivery add up. Of files that share a period, the newest counts in a dataset that
    declares `replace`, and the one of the newest run in an export. Runs are as new as their folders
    say, or else as their files. A file is replaced whole or not at all.

    Args:
        transaction: The file's transaction; those that it replaces are marked in it.
        entry: The file.
        schema: Its schema.
        periods: The billing periods of its charges.
        sha256: The digest of its content.
        replace: Whether a file of the dataset replaces those of the same periods.

    Returns:
        Whether a newer file holds its periods, so that this one doesn't count.

    Raises:
        RejectedInput: with code `period_is_loaded` or `duplicate_content`.
    """
    mine = delivery_of(entry.source.key)
    older: list[PeriodHolder] = []
    newer: list[PeriodHolder] = []
    for holder in transaction.period_holders(entry, periods) if periods else ():
        theirs = delivery_of(holder.entry.source.key)
        shared = shared_periods(holder.periods, periods)
        if theirs == mine or not shared:
            continue
        is_run = bool(mine.export) and theirs.export == mine.export
        if not is_run and not replace:
            if holder.entry.content_sha256 == sha256:
                refuse_duplicate_content(holder.entry, entry, schema)
            raise _period_is_loaded(holder.entry, entry, *shared[0][:2])
        later = later_run(theirs, mine) if is_run else None
        is_newer = holder.entry.source.order > entry.source.order if later is None else later
        (newer if is_newer else older).append(holder)
    if newer:
        held = {period for one in newer for period in one.periods}
        if lacking := periods - set(shared_periods(periods, held)):
            raise _lacks_the_newer(newer[0].entry, sorted(lacking))
        return True
    for one in older:
        if other := one.periods - set(shared_periods(one.periods, periods)):
            raise _period_is_loaded(one.entry, entry, *min(other)[:2], beside=True)
    transaction.supersede([one.entry.load_id for one in older])
    return False


def _lacks_the_newer(newer: FileEntry, lacking: Sequence[Period]) -> RejectedInput:
    return RejectedInput(
        f"{newer.source.uri} (load {newer.load_id}) is newer and replaces a part of this file, but "
        f"not its charges of {_shown(lacking)}",
        code="period_is_loaded",
        step="load_file",
        remedy="Drop those charges as a file of their own",
    )


def _period_is_loaded(
    first: FileEntry, entry: FileEntry, account: str, start: str, *, beside: bool = False
) -> RejectedInput:
    what = f"the month {start[:7]} of billing account {account}"
    loaded = f"{first.source.uri} (load {first.load_id})"
    return RejectedInput(
        f"{loaded} also holds {what}, which this file would remove with the rest"
        if beside
        else f"{what} is loaded from {loaded}, so its charges would count twice",
        code="period_is_loaded",
        step="load_file",
        remedy="Drop an export that holds all of it, or take the loaded rows back first: "
        f"`finops billing withdraw {first.load_id}`"
        if beside
        else "Drop a restated export under that file's name. If the newest file of a month shall "
        f"count under any name: `finops billing format {entry.dataset} --replace`",
    )


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


def refuse_duplicate_content(first: FileEntry | None, entry: FileEntry, schema: Schema) -> None:
    """Refuse a copy of a loaded file whose rows would count twice.

    The same rows in the same dataset change nothing. In another dataset, or in a schema whose rows
    have no identity, they would be added once more.

    Args:
        first: An earlier loaded file of the same content that still holds rows, if there is one.
        entry: The file that is being loaded.
        schema: Its schema.

    Raises:
        RejectedInput: with code `duplicate_content`.
    """
    if first is None or first.source.key_hash == entry.source.key_hash:
        return
    if schema.key and first.dataset == entry.dataset:
        return
    raise RejectedInput(
        f"the content is the same as that of {first.source.uri} (load {first.load_id}, dataset "
        f"{first.dataset}), so its rows would count twice",
        code="duplicate_content",
        step="load_file",
        remedy="Remove this copy. If the first file is in the wrong dataset, run `finops billing "
        f"move {first.load_id} --dataset {entry.dataset}`, or take its rows back with `finops "
        f"billing withdraw {first.load_id}` and drop this file again",
    )
