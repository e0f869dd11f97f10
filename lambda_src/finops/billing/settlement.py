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
    delivery_of,
    relation,
    shared_periods,
)
from finops.billing.domain import FileEntry, Tally
from finops.billing.ledger_rules import (
    duplicate_content,
    enter_loaded,
    enter_superseded,
    shown_periods,
)
from finops.billing.period_identity import Period, identity_of
from finops.billing.ports import LoadTransaction, PeriodHolder
from finops.billing.schemas import Schema
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
    """Enter a file whose rows have no identity: loaded, or superseded by newer files.

    Raises:
        RejectedInput: as `settle_periods` and `replaced_versions` do.
        TransientFailure: with code `busy`, where a newer file is not loaded any more.
    """
    settled = settle_periods(transaction, entry, tally.periods, sha256=sha256)
    if settled.by and not settled.counts:
        enter_superseded(transaction, entry, schema, tally, settled.by, close_quarantine())
        return
    transaction.claim_content(entry, sha256, schema)
    enter_loaded(transaction, entry, schema, tally, close_quarantine)
    if settled.by:
        transaction.hold(settled.by)
        transaction.take_periods(replace(entry, tally=tally), settled.lost, settled.by)


def settle_periods(
    transaction: LoadTransaction, entry: FileEntry, periods: AbstractSet[Period], *, sha256: str
) -> Settled:
    """Settle which files count for the billing periods of a file, wherever the others lie.

    Keys tell what is certain of parts and runs, see `relation`; people say the rest. Charges of
    other sub accounts are others. Where a newer file holds only some of an older one's periods,
    only these are replaced, whichever arrives first.

    Args:
        transaction: The file's transaction; those that it replaces are marked in it.
        entry: The file.
        periods: The billing periods of its charges.
        sha256: The digest of its content.

    Raises:
        RejectedInput: with code `period_is_loaded` or `duplicate_content`.
    """
    held = transaction.period_holders(entry, periods) if periods else ()
    holders = [one for one in held if shared_periods(one.periods, periods)]
    mine = _delivery(entry)
    deliveries: dict[str, list[PeriodHolder]] = defaultdict(list)
    for holder in holders:
        deliveries[_delivery(holder.entry).whole].append(holder)
    older: list[PeriodHolder] = []
    newer: list[PeriodHolder] = []
    for delivery in deliveries.values():
        for holder in delivery:
            found = _relation(transaction, entry, mine, holder, delivery)
            if found is Relation.UNKNOWN:
                if holder.entry.content_sha256 == sha256:
                    raise duplicate_content(holder.entry, entry)
                raise _period_is_loaded(holder, entry, periods)
            if found is Relation.PART and holder.entry.content_sha256 == sha256 and not mine.run:
                raise duplicate_content(holder.entry, entry)
            if found is not Relation.PART:
                (newer if found is Relation.OLDER else older).append(holder)
    lost = shared_periods(periods, {period for one in newer for period in one.periods})
    kept = periods - set(lost)
    for one in older:
        shared = shared_periods(one.periods, kept)
        if one.periods - set(shared):
            transaction.take_periods(one.entry, shared, entry)
        else:
            transaction.supersede([one.entry], entry)
    return Settled(by=newer[0].entry if newer else None, lost=lost, counts=bool(kept or not lost))


def _delivery(entry: FileEntry) -> Delivery:
    return delivery_of(entry.source.key, entry.source.part_of)


def _relation(
    transaction: LoadTransaction,
    entry: FileEntry,
    mine: Delivery,
    holder: PeriodHolder,
    delivery: Sequence[PeriodHolder],
) -> Relation:
    """What a file is to a loaded one, whose delivery holds the given files."""
    found = relation(mine, _delivery(holder.entry))
    others = [one.entry for one in delivery]
    if found is Relation.PART:
        restates = entry.source.restates and not any(one.source.restates for one in others)
        return Relation.NEWER if restates else found
    if found is Relation.UNKNOWN:
        found = _as_declared(transaction, entry, mine, others)
    if found is Relation.UNKNOWN and _are_other_sub_accounts(transaction, entry, holder.entry):
        return Relation.PART
    return found


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
    # Where another part of its delivery does not count, this one would count without it.
    if is_restated and mine.has_parts:
        for key, part_of in transaction.passed_over(mine.prefix):
            if delivery_of(key, part_of).whole == mine.whole and key != entry.source.key:
                return Relation.UNKNOWN
    return Relation.NEWER


def _are_other_sub_accounts(
    transaction: LoadTransaction, entry: FileEntry, other: FileEntry
) -> bool:
    """Whether all charges of both files are of sub accounts, and of none in common."""
    mine = {identity_of((one, "", "")).account for one in transaction.sub_accounts(entry.load_id)}
    theirs = {identity_of((one, "", "")).account for one in transaction.sub_accounts(other.load_id)}
    return "" not in mine | theirs and mine.isdisjoint(theirs)


def _period_is_loaded(
    holder: PeriodHolder, entry: FileEntry, periods: AbstractSet[Period]
) -> RejectedInput:
    first = holder.entry
    shared = shared_periods(periods, holder.periods)
    return RejectedInput(
        f"{shown_periods(shared)} is loaded from {first.source.uri} (load {first.load_id}, dataset "
        f"{first.dataset}), so its charges may count twice",
        code="period_is_loaded",
        step="load_file",
        remedy="If this file restates that one, so that only this one shall count: `finops billing "
        f"retry {entry.load_id} --replace`. If it is a further part, so that both shall count: "
        f"`finops billing retry {entry.load_id} --part-of {first.load_id}`. To take the loaded one "
        f"back first: `finops billing withdraw {first.load_id}`",
    )
