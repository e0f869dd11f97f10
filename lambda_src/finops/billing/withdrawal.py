"""Taking the rows of a loaded file back, on a person's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finops.billing.audit_events import withdrawn_event
from finops.billing.deliveries import Relation, delivery_of, relation
from finops.billing.domain import LOADED, RATES_PREFIX, FileEntry, FileStatus
from finops.billing.ports import Clock, WithdrawalStore
from finops.billing.schemas import BILLING
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What taking a file back did.

    Attributes:
        entry: The file, as it is now in the ledger.
        rows_removed: Rows that are no longer in the database.
        rows_kept: Rows that another file, which held them as well, now has.
        also_in: Keys of loaded files that may have held removed rows as well: drop them again.
        replaced: Files that it had replaced, which do not count: load them again.
    """

    entry: FileEntry
    rows_removed: int
    rows_kept: int
    also_in: Sequence[str]
    replaced: Sequence[FileEntry] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of a file counts, and what taking it back would do.

    Attributes:
        rows: Rows that would be removed.
        kept: Rows that would stay, since another loaded file held them later, and as they are.
        amounts: Of the removed rows, by currency.
        amount_usd: The same by the rates of their days, in USD.
    """

    rows: int
    kept: int
    amounts: Mapping[str, Decimal]
    amount_usd: Decimal


@dataclass(slots=True)
class Withdrawer:
    """Takes files back.

    Attributes:
        actor: Who does it for whom a request names; empty where the request's is proven.
    """

    store: WithdrawalStore
    audit: AuditRecorder
    clock: Clock
    actor: str = ""

    def withdraw(self, entry: FileEntry, *, requested_by: str, reason: str) -> Withdrawal:
        """Take back the rows that an object brought, in all its versions.

        Done again, it removes what an attempt that was cut off left.

        Args:
            entry: A load of the object.
            requested_by: Who asked for it.
            reason: Why; kept with who and when.

        Raises:
            RejectedInput: nothing of the object counts, or it is being loaded.
        """
        if entry.source.key.startswith(RATES_PREFIX):
            raise RejectedInput(
                f"{entry.source.uri} holds rates, which are corrected and not taken back",
                code="nothing_to_withdraw",
                step="withdraw_file",
                remedy="Load a file with the right rates: `finops fx load`",
            )
        if not entry.is_settled:
            raise RejectedInput(
                f"{entry.source.uri} (load {entry.load_id}) is {entry.status}",
                code="file_is_loading",
                step="withdraw_file",
                remedy="Wait until it is loaded; `finops billing files` shows when",
            )
        versions, kept = self.store.give_up(entry, f"withdrawn by {requested_by}: {reason}")
        removed = self.store.remove_rows(entry)
        if not (versions or removed):
            raise RejectedInput(
                f"no version of {entry.source.uri} is loaded: nothing of it counts",
                code="nothing_to_withdraw",
                step="withdraw_file",
                remedy="`finops billing files` shows which files are loaded",
            )
        done = Withdrawal(
            entry=self.store.find(entry.load_id),
            rows_removed=removed,
            rows_kept=kept,
            also_in=self.store.files_with_rows_of_others(entry),
            replaced=self._replaced(entry),
        )
        counts = {"rows_removed": removed, "rows_kept": kept}
        self.audit.record(
            withdrawn_event(
                entry,
                self.actor or requested_by,
                reason,
                counts,
                self.clock(),
                said_to_be=requested_by if self.actor else "",
            )
        )
        return done

    def _replaced(self, entry: FileEntry) -> list[FileEntry]:
        """Files that lost rows to the one that is taken back, or to those that it had replaced.

        A file between them that was taken back before has handed on nothing.
        """
        found: dict[int, FileEntry] = {}
        left, seen = [entry], {entry.source.key_hash}
        while left:
            for one in self.store.replaced_by(left.pop()):
                if one.status is FileStatus.WITHDRAWN and one.source.key_hash not in seen:
                    seen.add(one.source.key_hash)
                    left.append(one)
                elif one.status is FileStatus.SUPERSEDED or one.status in LOADED:
                    found[one.load_id] = one
        return [found[load_id] for load_id in sorted(found)]

    def reopen(self, entry: FileEntry, *, restates: bool = False, part_of: str = "") -> FileEntry:
        """Make a file that does not count wait to be loaded again, as its event then does.

        Args:
            entry: The file: refused, superseded, withdrawn or failed, or one that lost some months.
            restates: See `SourceObject`.
            part_of: The key of the file that it is a further part of.

        Raises:
            RejectedInput: it counts, or is being loaded; with code `restated_since`, where a file
                counts that goes before it whatever is said now.
        """
        counts = entry.status in LOADED and not (entry.lost_rows or self.store.replacing(entry))
        if counts or not entry.is_settled or entry.status is FileStatus.IGNORED:
            raise RejectedInput(
                f"{entry.source.key} is {entry.status}: there is nothing to retry",
                code="nothing_to_retry",
                step="reopen_file",
            )
        newer = self._newer(entry) if restates else None
        if newer:
            raise RejectedInput(
                f"{entry.source.key} (load {entry.load_id}) restates nothing, since "
                f"{newer.source.uri} (load {newer.load_id}), which is newer, took the place of its "
                "months",
                code="restated_since",
                step="reopen_file",
                remedy=f"Nothing was changed. Take that one back first: `finops billing withdraw "
                f"{newer.load_id} --reason …`, then `finops billing retry {entry.load_id}`",
            )
        self.store.reopen(entry, restates=restates, part_of=part_of)
        return self.store.find(entry.load_id)

    def _newer(self, entry: FileEntry) -> FileEntry | None:
        """A loaded file that took the place of a file's months, and does so again."""
        seen = {entry.load_id}
        left = [entry]
        while left:
            for by in self.store.replacing(left.pop()):
                if by.status in LOADED and _goes_before(by, entry):
                    return by
                if by.status is FileStatus.SUPERSEDED and by.load_id not in seen:
                    seen.add(by.load_id)
                    left.append(by)
        return None


def _goes_before(by: FileEntry, entry: FileEntry) -> bool:
    """Whether a file that replaced another one is newer by its key, version or a person's word.

    Of bills, the newer file has the last word, whatever is said of the older one.
    """
    is_newer = by.source.order > entry.source.order
    if by.source.key_hash == entry.source.key_hash or (
        is_newer and (by.source.restates or by.schema == BILLING.name)
    ):
        return True
    theirs = delivery_of(by.source.key, by.source.part_of)
    return relation(delivery_of(entry.source.key), theirs) is Relation.OLDER
