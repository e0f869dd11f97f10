"""Files that were delivered together: which are parts, and which may not replace others.

A delivery whose parts do not all count takes the place of none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath
from typing import Final

from finops.billing.deliveries import (
    Delivery,
    Relation,
    as_serial,
    delivery_of,
    is_same_scope,
    relation,
    shared_periods,
)
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.ledger_rules import shown_periods
from finops.billing.period_identity import Period, identity_of
from finops.billing.ports import BillingStore, LoadTransaction, PeriodHolder
from finops.billing.schemas import Schema
from finops.shared.errors import RejectedInput


def file_delivery(entry: FileEntry) -> Delivery:
    """The delivery of a file in the ledger."""
    return delivery_of(entry.source.key, entry.source.part_of)


#: Loaded files of runs of an export, by the folders of these.
RunHolders = Mapping[str, Sequence[PeriodHolder]]


def runs_of_the_same_scope(
    transaction: LoadTransaction, entry: FileEntry, periods: AbstractSet[Period]
) -> RunHolders:
    """Other runs of a file's export that hold the same days, and some account of the file.

    Of such runs the newest counts alone. Without an account in common they are other exports.
    """
    mine = file_delivery(entry)
    if not (periods and mine.has_scope) or entry.source.part_of:
        return {}
    runs: dict[str, list[PeriodHolder]] = {}
    for one in transaction.loaded_below(entry, mine.export):
        its = file_delivery(one)
        if is_same_scope(mine, its):
            holder = PeriodHolder(entry=one, periods=transaction.periods_of(one))
            runs.setdefault(its.run, []).append(holder)
    accounts = _accounts(periods)
    is_left_out = bool(runs) and any(
        one.status is FileStatus.SUPERSEDED for one in passed_over(transaction, entry, mine)
    )
    found = {}
    for run, some in runs.items():
        is_newer = relation(mine, file_delivery(some[0].entry)) is Relation.OLDER
        has_account = any(accounts & _accounts(one.periods) for one in some)
        if has_account or (is_newer and is_left_out):
            found[run] = some
    if found:
        # Whoever asks for their periods waits, too.
        all_of_them = {period for some in found.values() for one in some for period in one.periods}
        transaction.period_holders(entry, all_of_them)
    return found


def loaded_siblings(transaction: LoadTransaction, entry: FileEntry) -> list[FileEntry]:
    """The other loaded files of a file's run."""
    mine = file_delivery(entry)
    return [
        one
        for one in transaction.loaded_below(entry, mine.export)
        if file_delivery(one).run == mine.run and one.load_id != entry.load_id
    ]


def _accounts(periods: AbstractSet[Period]) -> set[str]:
    return {identity_of(one).account for one in periods}


def shared_of(
    entry: FileEntry,
    other: PeriodHolder,
    periods: AbstractSet[Period],
    runs: RunHolders,
    *,
    mine: bool = False,
) -> list[Period]:
    """What a file and a loaded one have in common.

    Of two runs of an export the newer one counts for a month of an account whatever providers it
    names, and for all where both hold the same.

    Args:
        entry: The file.
        other: The loaded one.
        periods: Of the file.
        runs: Those of which the newest counts alone.
        mine: Whether the file's periods are given, else those of the loaded one.
    """
    its = file_delivery(other.entry)
    some, others = (periods, other.periods) if mine else (other.periods, periods)
    if its.run in runs:
        return sorted(some)
    if relation(file_delivery(entry), its) in (Relation.NEWER, Relation.OLDER):
        others = {(account, start, "") for account, start, _ in others}
    return shared_periods(some, others)


def known_deliveries(
    transaction: LoadTransaction, entry: FileEntry, others: Sequence[FileEntry]
) -> dict[int, Delivery]:
    """The delivery of a file, and of loaded files of its months, by load.

    Numbers such as 00017 are those of parts where the first part is there, or on its way.
    """
    found = {one.load_id: file_delivery(one) for one in (entry, *others)}
    mine = found[entry.load_id]
    named = [one for one in (entry, *others) if found[one.load_id].name == mine.name]
    serial = [one for one in named if found[one.load_id].may_be_serial]
    if len(named) < 2 or not serial or any(found[one.load_id].is_first for one in named):
        return found
    on_their_way = map(delivery_of, transaction.on_their_way(mine.prefix))
    if any(one.is_first and one.name == mine.name for one in on_their_way):
        return found
    roots = {one.source.part_of for one in named}
    for one in serial:
        if one.source.key not in roots:
            found[one.load_id] = as_serial(found[one.load_id])
    return found


def passed_over(transaction: LoadTransaction, entry: FileEntry, mine: Delivery) -> list[FileEntry]:
    """The other parts of a file's delivery that another file replaced, or that were refused."""
    found = transaction.passed_over(mine.prefix) if mine.has_parts else ()
    return [
        one
        for one in found
        if file_delivery(one).whole == mine.whole and one.source.key != entry.source.key
    ]


#: Missing files that a reason names.
_SHOWN: Final = 5
#: The code of a refusal for the sake of another part.
INCOMPLETE: Final = "delivery_is_incomplete"


def refuse_half_a_delivery(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    parts: Sequence[PeriodHolder],
    *,
    replaces: bool,
) -> None:
    """Refuse a part that takes the place of older files while another part was refused.

    A part that is new brings months which the older version of a refused one may hold as well.

    Args:
        transaction: The file's transaction.
        entry: The file.
        mine: Its delivery.
        parts: Loaded parts of its delivery that hold some of its months.
        replaces: Whether it would replace files of an older run.

    Raises:
        RejectedInput: with code `delivery_is_incomplete`.
    """
    for one in passed_over(transaction, entry, mine):
        remedy = "with `--replace` it counts without that part"
        if mine.run:
            is_refused = one.status is FileStatus.REJECTED and one.error_code != INCOMPLETE
            is_half = is_refused and replaces
        elif one.error_code != "version_lacks_charges":
            is_half = False
        elif transaction.versions_until(entry) > 1:
            is_half = True
        else:
            held = [part.entry for part in parts if part.entry.source.key == one.source.key]
            is_half = bool(held)
            if held:
                remedy = f"with `--part-of {held[0].load_id}` it counts beside what is loaded of it"
        if is_half:
            raise RejectedInput(
                f"{one.source.uri} (load {one.load_id}), another part of its delivery, was "
                "refused, so the older files that are loaded go on counting",
                code=INCOMPLETE,
                step="load_file",
                remedy=f"Correct that part: `finops billing files` shows why load {one.load_id} "
                f"was refused. Then `finops billing retry {entry.load_id}`; {remedy}",
            )


def refuse_moved(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    schema: Schema,
    periods: AbstractSet[Period],
    parts: Sequence[PeriodHolder],
) -> None:
    """Refuse a new version of a part where a month has moved from one part to another.

    It is in the old version of another part, or this one lacks what a newer part holds.

    Args:
        transaction: The file's transaction.
        entry: The file.
        mine: Its delivery.
        schema: Its schema.
        periods: The billing periods of its charges.
        parts: Loaded parts of its delivery that hold some of them.

    Raises:
        RejectedInput: with code `period_is_loaded`, or `version_lacks_charges`.
    """
    # Older versions are locked, and with them perhaps files beside them: only where there are some.
    has_older = bool(mine.part) and transaction.versions_until(entry) > 1
    older = transaction.older_versions(entry, schema) if has_older else ()
    if not older:
        return
    held = {period for one in older for period in one.periods}
    new = periods - set(shared_periods(periods, held))
    for one in parts:
        moved = shared_periods(one.periods, new) if new else ()
        if not moved:
            continue
        if transaction.versions_until(one.entry) >= transaction.versions_until(entry):
            continue
        first = one.entry
        raise RejectedInput(
            f"{shown_periods(moved)} is loaded from {first.source.uri} (load {first.load_id}), of "
            "which no new version came yet, and the older version of this part holds nothing of "
            "it: where it has moved from that part to this one, it would count twice",
            code="period_is_loaded",
            step="load_file",
            remedy=f"If it has moved, take that part back, `finops billing withdraw "
            f"{first.load_id}`, then load the new versions of both: `finops billing retry "
            f"{entry.load_id}`. If both shall count: `finops billing retry {entry.load_id} "
            f"--part-of {first.load_id}`",
        )
    _refuse_moved_away(transaction, entry, mine, older[0].entry, held, periods)


def _refuse_moved_away(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    older: FileEntry,
    held: AbstractSet[Period],
    periods: AbstractSet[Period],
) -> None:
    """Refuse a new version that lacks months of the older one which a newer part holds."""
    lost = held - set(shared_periods(held, periods))
    for one in transaction.period_holders(entry, lost) if lost else ():
        theirs = file_delivery(one.entry)
        is_part = theirs.name == mine.name and theirs.part != mine.part
        moved = shared_periods(lost, one.periods) if is_part else ()
        if moved and one.entry.source.order > older.source.order:
            first = one.entry
            raise RejectedInput(
                f"it lacks {shown_periods(moved)}, which the loaded version of this part (load "
                f"{older.load_id}) holds, and {first.source.uri} (load {first.load_id}), a newer "
                "part of the delivery, as well: where it has moved to that part, it counts twice "
                "now",
                code="version_lacks_charges",
                step="load_file",
                remedy=f"If it has moved, take the loaded version of this part back, `finops "
                f"billing withdraw {older.load_id}`, then load this one: `finops billing retry "
                f"{entry.load_id}`. If not, drop a version that holds all of it",
            )


def refused_part(store: BillingStore, entry: FileEntry, error: RejectedInput) -> RejectedInput:
    """The refusal of a file; where other parts of its delivery replaced older files, it says so.

    These do not count any more, and the refused part does not count instead.
    """
    mine = file_delivery(entry)
    if not mine.has_parts or error.code in (INCOMPLETE, "duplicate_content", "period_is_loaded"):
        return error
    found = [
        (by.load_id, replaced)
        for by, replaced in store.replaced_by_parts(mine.prefix)
        if file_delivery(by).whole == mine.whole and by.source.key != entry.source.key
    ]
    if not found:
        return error
    parts = sorted({by for by, _ in found})
    older = sorted({replaced for _, replaced in found})
    back = ", ".join(f"`finops billing withdraw {one}`" for one in parts[:_SHOWN])
    again = ", ".join(f"`finops billing retry {one}`" for one in older[:_SHOWN])
    return RejectedInput(
        f"{error.message}. Other parts of its delivery (load {_listed(parts)}) count already, in "
        f"place of older files (load {_listed(older)}), so the month lacks this part",
        code=error.code,
        step=error.step,
        remedy=f"{error.remedy}. Or let the older files count again: {back}, then {again}",
    )


def _listed(loads: Sequence[int]) -> str:
    return ", ".join(map(str, loads[:_SHOWN]))


class RunWaits(Exception):
    """A file of a run that would replace an older one, but is not whole; the text says why."""


def wait_for_the_run(
    transaction: LoadTransaction, entry: FileEntry, mine: Delivery, older: Collection[str]
) -> bool:
    """Whether a run that replaces older ones is whole by its manifest; False where it has none.

    Providers write the manifest after all files of a run.

    Args:
        transaction: The file's transaction.
        entry: The file.
        mine: Its delivery.
        older: The folders of the runs that it replaces.

    Raises:
        RunWaits: its manifest is not there, though that of an older run is; or it names files that
            are not loaded.
    """
    files = transaction.run_files(mine.run)
    if files.named is None:
        if any(transaction.run_files(run).named is not None for run in older):
            raise RunWaits("the manifest of its run did not come yet")
        return False
    missing = sorted(files.named - files.loaded - {PurePosixPath(entry.source.key).name})
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        raise RunWaits(
            f"{len(missing)} of the {len(files.named)} files that the manifest of its run names "
            f"are not loaded: {shown}"
        )
    return True
