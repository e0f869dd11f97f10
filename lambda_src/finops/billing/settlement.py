"""Which file counts for a billing period: the rules of files whose rows have no identity.

A file that brings a period which is loaded already is certainly a further part of what is loaded,
and added; or certainly a newer or an older version of it, and one replaces the other; or refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from finops.billing.deliveries import (
    Delivery,
    Relation,
    covers,
    relation,
    shared_periods,
)
from finops.billing.domain import FileEntry, FileStatus, Tally
from finops.billing.ledger_rules import (
    duplicate_content,
    enter_loaded,
    enter_superseded,
    shown_periods,
)
from finops.billing.period_identity import Period, identity_of
from finops.billing.ports import LoadTransaction, PeriodHolder
from finops.billing.schemas import Schema
from finops.billing.whole_deliveries import (
    RunWaits,
    file_delivery,
    known_deliveries,
    loaded_siblings,
    passed_over,
    refuse_half_a_delivery,
    refuse_moved,
    runs_of_the_same_scope,
    shared_of,
    wait_for_the_run,
)
from finops.shared.errors import RejectedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What of a file counts.

    Attributes:
        by: A newer file that counts for some of its periods, if there is one.
        lost: The periods for which that one, or another one, counts.
        counts: Whether anything else of the file does.
    """

    by: FileEntry | None
    lost: Sequence[Period]
    counts: bool


def enter_charges(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    tally: Tally,
    *,
    sha256: str,
    close_quarantine: Callable[[], str],
) -> None:
    """Enter a file whose rows have no identity: loaded, superseded by newer files, or waiting.

    Raises:
        RejectedInput: as `settle_periods` and `replaced_versions` do.
        TransientFailure: with code `busy`, where a newer file is not loaded any more.
    """
    try:
        settled = settle_periods(transaction, entry, schema, tally.periods, sha256=sha256)
    except RunWaits as waits:
        transaction.claim_content(entry, sha256, schema)
        transaction.finish(
            entry,
            FileStatus.WAITING,
            tally,
            schema=schema.name,
            quarantine_uri=close_quarantine(),
            why=f"The run before it counts on, until this one is whole: {waits}",
        )
        return
    if settled.by and not settled.counts:
        enter_superseded(transaction, entry, schema, tally, settled.by, close_quarantine())
        return
    transaction.claim_content(entry, sha256, schema)
    enter_loaded(transaction, entry, schema, tally, close_quarantine)
    if settled.by:
        transaction.hold(settled.by)
        transaction.take_periods(replace(entry, tally=tally), settled.lost, settled.by)


def settle_periods(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    periods: AbstractSet[Period],
    *,
    sha256: str,
) -> Settled:
    """Settle which files count for the billing periods of a file, wherever the others lie.

    Keys tell what is certain of parts and runs, see `relation`, and charges of other sub accounts
    are others; people say the rest. What is certainly a part is not replaced. Where a newer file
    holds only some of an older one's periods, only these are replaced, whichever arrives first.

    Args:
        transaction: The file's transaction; those that it replaces are marked in it.
        entry: The file.
        schema: Its schema.
        periods: The billing periods of its charges.
        sha256: The digest of its content.

    Raises:
        RejectedInput: with code `period_is_loaded`, `duplicate_content` or
            `delivery_is_incomplete`.
        RunWaits: its run would replace an older one, and is not whole.
    """
    held = transaction.period_holders(entry, periods) if periods else ()
    runs = runs_of_the_same_scope(transaction, entry, periods)
    holders = [one for one in held if shared_of(entry, one, periods, runs)]
    known = {one.entry.load_id for one in holders}
    holders += [one for some in runs.values() for one in some if one.entry.load_id not in known]
    apart = _other_exports(transaction, entry, holders)
    runs = {run: some for run, some in runs.items() if run not in apart}
    older, newer = _older_and_newer(transaction, entry, schema, periods, holders, sha256, apart)
    lost = sorted(
        {mine for one in newer for mine in shared_of(entry, one, periods, runs, mine=True)}
    )
    kept = periods - set(lost)
    for one in older:
        shared = shared_of(entry, one, kept, runs)
        if one.periods - set(shared):
            transaction.take_periods(one.entry, shared, entry)
        else:
            transaction.supersede([one.entry], entry)
    by = next((one.entry for one in newer if file_delivery(one.entry).run in runs), None)
    if by:
        # As if the newer run had come last: it takes the place of all of this one.
        transaction.supersede(loaded_siblings(transaction, entry), by)
    return Settled(by=newer[0].entry if newer else None, lost=lost, counts=bool(kept or not lost))


def _other_exports(
    transaction: LoadTransaction, entry: FileEntry, holders: Sequence[PeriodHolder]
) -> set[str]:
    """Runs of which all charges are of other sub accounts than the file's: of other exports.

    Azure exports each subscription of a billing account, perhaps under one name.
    """
    mine = file_delivery(entry)
    runs: dict[str, list[FileEntry]] = defaultdict(list)
    for one in holders:
        run = file_delivery(one.entry).run
        if mine.run and run and run != mine.run and not entry.source.part_of:
            runs[run].append(one.entry)
    if not runs or any(
        one.status is FileStatus.SUPERSEDED for one in passed_over(transaction, entry, mine)
    ):
        return set()
    return {
        run
        for run, files in runs.items()
        if all(_are_other_sub_accounts(transaction, entry, one) for one in files)
    }


def _older_and_newer(
    transaction: LoadTransaction,
    entry: FileEntry,
    schema: Schema,
    periods: AbstractSet[Period],
    holders: Sequence[PeriodHolder],
    sha256: str,
    apart: AbstractSet[str],
) -> tuple[list[PeriodHolder], list[PeriodHolder]]:
    """The loaded files that a file replaces, and those that replace it.

    Runs that are apart are of other exports: parts of the same month.
    """
    known = known_deliveries(transaction, entry, [one.entry for one in holders])
    mine = known[entry.load_id]
    deliveries: dict[str, list[PeriodHolder]] = defaultdict(list)
    for holder in holders:
        deliveries[known[holder.entry.load_id].whole].append(holder)
    found: dict[Relation, list[PeriodHolder]] = {one: [] for one in Relation}
    restated: list[list[PeriodHolder]] = []
    for delivery in deliveries.values():
        unknown: list[PeriodHolder] = []
        for holder in delivery:
            theirs = known[holder.entry.load_id]
            by_key = Relation.PART if theirs.run in apart else relation(mine, theirs)
            (unknown if by_key is Relation.UNKNOWN else found[by_key]).append(holder)
        if unknown:
            said = _as_charges_or_people_say(transaction, entry, mine, unknown, delivery)
            found[said] += unknown
            if said in (Relation.NEWER, Relation.UNKNOWN):
                restated.append(unknown)
    parts = [one for one in found[Relation.PART] if known[one.entry.load_id].name == mine.name]
    if not (entry.source.part_of or entry.source.restates):
        runs = {known[one.entry.load_id].run for one in found[Relation.NEWER]} - {""}
        if not (mine.run and runs and wait_for_the_run(transaction, entry, mine, runs)):
            replaces = bool(found[Relation.NEWER])
            refuse_half_a_delivery(transaction, entry, mine, parts, replaces=replaces)
        refuse_moved(transaction, entry, mine, schema, periods, parts)
    _refuse_copies(found, entry, mine, sha256)
    is_clear = _is_clear(transaction, entry, mine, periods, restated)
    if found[Relation.UNKNOWN] or not is_clear:
        which = [holder for delivery in restated for holder in delivery]
        may_replace = is_clear and not entry.source.restates
        raise _period_is_loaded(which, entry, periods, may_replace=may_replace)
    older, newer = found[Relation.NEWER], found[Relation.OLDER]
    if entry.source.restates and not older and not newer:
        are_plain = parts and not any(one.entry.source.restates for one in parts)
        # By its number it adds to the only files that it may restate.
        if are_plain and not transaction.older_versions(entry, schema):
            raise _period_is_loaded(parts, entry, periods, may_replace=False)
    return older, newer


def _refuse_copies(
    found: dict[Relation, list[PeriodHolder]], entry: FileEntry, mine: Delivery, sha256: str
) -> None:
    """Refuse a file whose content counts already, unless it is a part of a run."""
    others = found[Relation.UNKNOWN] + ([] if mine.run else found[Relation.PART])
    for one in others:
        if one.entry.content_sha256 == sha256:
            raise duplicate_content(one.entry, entry)


def _as_charges_or_people_say(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    unknown: Sequence[PeriodHolder],
    delivery: Sequence[PeriodHolder],
) -> Relation:
    """What a file is to those of a loaded delivery of which keys say nothing."""
    said = _as_declared(transaction, entry, mine, [one.entry for one in delivery])
    are_others = all(_are_other_sub_accounts(transaction, entry, one.entry) for one in unknown)
    # A late part of a delivery whose others were replaced would count without them.
    is_left_out = said is Relation.OLDER and bool(passed_over(transaction, entry, mine))
    return Relation.PART if are_others and not is_left_out else said


def _as_declared(
    transaction: LoadTransaction, entry: FileEntry, mine: Delivery, others: Sequence[FileEntry]
) -> Relation:
    """What people say of a file and a loaded delivery: of the files, or of their dataset."""
    is_dataset = entry.replaces and not entry.source.restates
    is_dataset = is_dataset and all(one.dataset == entry.dataset for one in others)
    restates = is_dataset or entry.source.restates
    is_restated = is_dataset or any(one.source.restates for one in others)
    orders = [one.source.order for one in others]
    if is_restated and entry.source.order < min(orders):
        return Relation.OLDER
    if not restates or (is_restated and entry.source.order < max(orders)):
        return Relation.UNKNOWN
    # Where another part of its delivery does not count, this one would count without it. One that
    # waits for a person's word is no obstacle to the word on this one.
    for one in passed_over(transaction, entry, mine):
        waits = one.error_code == "period_is_loaded" and not one.source.restates
        if not (waits and entry.source.restates) and (
            is_restated or one.status is FileStatus.REJECTED
        ):
            return Relation.UNKNOWN
    return Relation.NEWER


def _is_clear(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    periods: AbstractSet[Period],
    deliveries: Sequence[Sequence[PeriodHolder]],
) -> bool:
    """Whether it is clear which of some loaded deliveries a file restates: one, or all of them.

    Deliveries of one period add up. A file restates them all only where it certainly holds the
    days, or the sub accounts, of each.
    """
    seen: set[Period] = set()
    is_one = True
    for delivery in deliveries:
        shared = set(
            shared_periods(periods, {period for one in delivery for period in one.periods})
        )
        is_one = is_one and not shared & seen
        seen |= shared
    return is_one or all(
        (any(mine.days) and covers(mine, file_delivery(one.entry)))
        or _holds_sub_accounts(transaction, entry, one.entry)
        for delivery in deliveries
        for one in delivery
    )


def _holds_sub_accounts(transaction: LoadTransaction, entry: FileEntry, other: FileEntry) -> bool:
    """Whether all charges of both files are of sub accounts, the other's of some of this one's."""
    mine, theirs = _sub_accounts(transaction, entry), _sub_accounts(transaction, other)
    return "" not in mine | theirs and theirs <= mine


def _are_other_sub_accounts(
    transaction: LoadTransaction, entry: FileEntry, other: FileEntry
) -> bool:
    """Whether all charges of both files are of sub accounts, and of none in common."""
    mine, theirs = _sub_accounts(transaction, entry), _sub_accounts(transaction, other)
    return "" not in mine | theirs and mine.isdisjoint(theirs)


def _sub_accounts(transaction: LoadTransaction, entry: FileEntry) -> AbstractSet[str]:
    return {identity_of((one, "", "")).account for one in transaction.sub_accounts(entry.load_id)}


def _period_is_loaded(
    holders: Sequence[PeriodHolder],
    entry: FileEntry,
    periods: AbstractSet[Period],
    *,
    may_replace: bool,
    most: int = 5,
) -> RejectedInput:
    first = holders[0].entry
    shared = shared_periods(periods, {period for one in holders for period in one.periods})
    shown = ", ".join(
        f"{one.entry.source.uri} (load {one.entry.load_id}, dataset {one.entry.dataset})"
        for one in holders[:most]
    )
    further = f" and {len(holders) - most} more" if len(holders) > most else ""
    is_one = len(holders) == 1
    if not may_replace:
        replaced = (
            "It is not certain what this file restates. Take back what it restates with `finops "
            f"billing withdraw LOAD`, then `finops billing retry {entry.load_id}`"
        )
    else:
        what = "that one" if is_one else f"all {len(holders)} of them"
        replaced = (
            f"If this file restates {what}, so that only this one shall count: `finops billing "
            f"retry {entry.load_id} --replace`"
        )
    return RejectedInput(
        f"{shown_periods(shared)} is loaded from {shown}{further}, so its charges may count twice",
        code="period_is_loaded",
        step="load_file",
        remedy=f"{replaced}. If it is a further part, so that "
        f"{'both' if is_one else 'all'} shall count: `finops billing retry {entry.load_id} "
        f"--part-of {first.load_id}`. To take {'the loaded one' if is_one else 'one of them'} "
        f"back first: `finops billing withdraw {first.load_id}`",
    )
