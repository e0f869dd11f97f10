"""What the billing use cases need from outside, as Protocols for adapters and fakes.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must fix
the deployment); other errors are documented at the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from finops.billing.domain import (
    ConvertedBill,
    FileEntry,
    FileStatus,
    Quarantined,
    Reconversion,
    SourceObject,
    Sums,
    Tally,
)
from finops.billing.period_identity import Period
from finops.billing.schemas import Schema
from finops.shared.errors import FinOpsError
from finops.shared.rates import Rate

if TYPE_CHECKING:
    from finops.billing.batches import Batch

#: The time, UTC.
Clock = Callable[[], datetime]


class RowsTakenOver(FinOpsError):
    """Other files changed rows that the parts of a file had written, or counted on.

    The workflow does not try this again; its parts are forgotten, so that a retry loads them.
    """

    def __init__(self, load_id: int, what: str) -> None:
        super().__init__(
            f"{what} since its parts were loaded: all of them are to be loaded again",
            code="rows_taken_over",
            step="finish_file",
            remedy=f"`finops billing retry {load_id}`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The result of writing a batch.

    Attributes:
        kept_sums: Amounts by currency of rows that were already there and stay.
        kept_usd: USD of these rows in the database, without superseded ones.
        duplicates: Lines whose record id occurs on an earlier line of this file.
        elsewhere: How many of the unchanged rows another object brought.
        conflicts: Lines whose record id another object brought with other values, and its URI.
        replaced: How many rows of other objects were updated, by the load that had written them.
    """

    inserted: int
    updated: int
    unchanged: int = 0
    superseded: int = 0
    elsewhere: int = 0
    kept_sums: Mapping[str, Decimal]
    kept_usd: Decimal = Decimal(0)
    duplicates: Sequence[int] = ()
    conflicts: Mapping[int, str] = field(default_factory=dict)
    replaced: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The rows of a load in the database, with their amounts by currency and in USD."""

    rows: int
    sums: Sums
    amount_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodHolder:
    """A loaded file, and all billing periods of its charges."""

    entry: FileEntry
    periods: AbstractSet[Period]


@dataclass(frozen=True, slots=True, kw_only=True)
class SameBills:
    """Bills of a load that count already, in another dataset.

    Attributes:
        entry: The file there that brought most of them.
        count: How many bills of the load that dataset holds.
        of: How many bills the load wrote.
    """

    entry: FileEntry
    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The files of a run of an export, by their names.

    Attributes:
        named: Those that its manifest names; None where no manifest came.
        loaded: Those of which the newest version counts, or waits to.
    """

    named: AbstractSet[str] | None
    loaded: AbstractSet[str]


class LoadTransaction(Protocol):
    """One database transaction: everything is committed, or nothing."""

    def lock(self, load_id: int) -> FileEntry:
        """The file's ledger entry, locked until the transaction ends.

        Raises:
            TransientFailure: with code `file_is_busy`, while another loader has locked it.
        """

    def newer_version(self, entry: FileEntry) -> PeriodHolder | None:
        """A newer version of the same object that is loaded, if there is one."""

    def write(
        self,
        entry: FileEntry,
        schema: Schema,
        batch: Batch,
        *,
        replace: bool,
        later: bool = False,
    ) -> Written:
        """Write the rows of a batch. Files whose bills it corrects get the note `BILLS_REPLACED`.

        Args:
            entry: The file.
            schema: Its schema.
            batch: The rows.
            replace: Whether the file may correct what other objects brought; see `DatasetFormat`.
            later: Whether rows that count are changed later, by `apply_pending`.

        Raises:
            TransientFailure: with code `busy`, here or when the transaction ends: it met rows of a
                file that is not loaded, or not any more.
        """

    def apply_pending(self, entry: FileEntry, schema: Schema) -> None:
        """Change the rows that count, as the parts of a load have it.

        Raises:
            RowsTakenOver: another load changed some of them.
        """

    def stored(self, entry: FileEntry, schema: Schema, first: int, last: int | None) -> Stored:
        """The rows of this load from line `first` to before `last`, in the database."""

    def last_line(self, entry: FileEntry, schema: Schema) -> int:
        """The last line of this load in the database; -1 if there is none."""

    def claim_content(
        self, entry: FileEntry, sha256: str, schema: Schema | None = None
    ) -> FileEntry | None:
        """Record the content's digest.

        Returns an earlier loaded file of the same content that still holds rows of the schema.
        """

    def same_bills(self, entry: FileEntry, tally: Tally) -> SameBills | None:
        """Bills that this load wrote, and another dataset holds; None where there are none.

        A bill is the same by its id, company, day, currency and amount, as they are stored,
        however a file writes them; a company that is not known may be any. Bills of nothing do not
        count. Where ids are made by other rules, a whole file is the same by the days, currencies
        and amounts of all its bills. Whoever asks for bills of these months waits until this
        transaction has ended.
        """

    def other_ids(self, entry: FileEntry, schema: Schema) -> FileEntry | None:
        """A loaded file of the dataset whose bills have ids of another rule, if there is one.

        Whoever asks for this dataset waits until this transaction has ended.
        """

    def older_versions(self, entry: FileEntry, schema: Schema) -> list[PeriodHolder]:
        """Loaded older versions of the same object, which a file of the schema would replace.

        Where rows have an identity, only those of another schema. Otherwise they stay as they are
        until this transaction has ended.
        """

    def period_holders(self, entry: FileEntry, periods: AbstractSet[Period]) -> list[PeriodHolder]:
        """Loaded files of any dataset, of other objects, with charges of these billing periods.

        Whoever asks for one of these periods afterwards waits until this transaction has ended.
        """

    def loaded_below(self, entry: FileEntry, folder: str) -> Sequence[FileEntry]:
        """Loaded files below a folder of the file's dataset.

        Whoever asks for this dataset waits until this transaction has ended.
        """

    def periods_of(self, entry: FileEntry) -> AbstractSet[Period]:
        """The billing periods of a loaded file's charges."""

    def sub_accounts(self, load_id: int) -> AbstractSet[str]:
        """The sub accounts of a load's charges; an empty one where a charge names none."""

    def on_their_way(self, prefix: str) -> list[str]:
        """Keys of files that are waiting, being loaded or retried, and begin like this."""

    def passed_over(self, prefix: str) -> list[FileEntry]:
        """Newest versions that don't count: another object replaced them, or refused they were.

        Args:
            prefix: The beginning of their keys, or of that of the file which they are parts of.
        """

    def versions_until(self, entry: FileEntry) -> int:
        """How many versions its object has until this one, which is counted, too."""

    def run_files(self, folder: str) -> RunFiles:
        """What is known of a run of an export, by its folder."""

    def hold(self, entry: FileEntry) -> None:
        """Keep a loaded file as it is until this transaction has ended.

        Raises:
            TransientFailure: with code `busy`, where it is not loaded any more.
        """

    def supersede(self, files: Sequence[FileEntry], by: FileEntry) -> None:
        """Mark loaded files as replaced by another one, which the ledger then names."""

    def take_periods(self, entry: FileEntry, periods: Sequence[Period], by: FileEntry) -> None:
        """Remove a loaded file's charges of some billing periods, which another file restates."""

    def finish(
        self,
        entry: FileEntry,
        status: FileStatus,
        tally: Tally,
        *,
        schema: str,
        quarantine_uri: str,
        why: str = "",
    ) -> None:
        """Enter the file's final status, with its counts, and why nothing of it counts yet."""

    def chunk_is_loaded(self, load_id: int, number: int) -> bool:
        """Whether this part is loaded; locks its entry."""

    def enter_chunk(self, load_id: int, number: int, tally: Tally, quarantine_uri: str) -> None:
        """Enter a part as loaded, with its counts."""

    def withdrawn_since_parts(self, entry: FileEntry) -> bool:
        """Whether a file of its dataset was taken back since the first of its parts was loaded."""

    def chunks(self, load_id: int) -> tuple[int, list[int], Tally, str]:
        """(parts planned, numbers of the missing ones, counts of the others, quarantine URI)."""


class BillingStore(Protocol):
    """The database."""

    def receive(self, source: SourceObject, dataset: str) -> FileEntry:
        """The file's ledger entry, which is created where the file is new."""

    def find(self, load_id: int) -> FileEntry:
        """The ledger entry of a load."""

    def transaction(self) -> AbstractContextManager[LoadTransaction]:
        """A transaction that commits at the end, and rolls back on an exception."""

    def mark(
        self, load_id: int, status: FileStatus, error: FinOpsError | None = None, **facts: Any
    ) -> None:
        """Set the status of a file that is not final, in a statement of its own."""

    def waiting(self, folder: str) -> Sequence[FileEntry]:
        """The files of a run that wait until it is whole."""

    def replaced_by_parts(self, prefix: str) -> Sequence[tuple[FileEntry, int]]:
        """Loaded files that replaced others, and the loads of these, which count no more.

        Args:
            prefix: The beginning of their keys, or of that of the file which they are parts of.
        """

    def keep_manifest(self, folder: str, names: AbstractSet[str]) -> None:
        """Keep which files belong to a run of an export."""

    def plan_chunks(self, load_id: int, lines: Mapping[int, int], schema: Schema) -> None:
        """Enter the parts of a large file; existing ones stay as they are.

        Where the file was cut in another way before, what is loaded of it is forgotten.

        Args:
            load_id: The file.
            lines: The first line of each part, by its number.
            schema: Of its rows.
        """

    def forget_parts(self, load_id: int, schema: Schema) -> None:
        """Remove the rows of a large file that is not loaded; none of its parts is loaded then."""

    def purge_superseded(self, schema: Schema) -> int:
        """Remove the rows of files that others replaced, or that were refused. Returns how many."""


class RateStore(Protocol):
    """The table of exchange rates."""

    def rates(self, currency: str, first: date, last: date) -> list[Rate]:
        """The rates of a currency from `first` to `last`, both included, ascending."""

    def put_rates(self, rates: Iterable[Rate], version_order: str) -> Tally:
        """Insert or correct rates.

        Args:
            rates: Those of one file.
            version_order: How new it is; see `SourceObject.order`. An older file corrects nothing.
        """


class ReconversionTransaction(Protocol):
    """One transaction that converts bills again: everything is committed, or nothing."""

    def bills(self, dataset: str, first: date, last: date) -> Iterator[Sequence[ConvertedBill]]:
        """The bills of a dataset from one bill date to another, both included, in batches.

        A batch is locked until the transaction ends.
        """

    def store(self, dataset: str, bills: Sequence[ConvertedBill]) -> None:
        """Store the USD amount and the rate of these bills."""

    def enter(self, reconversion: Reconversion) -> None:
        """Enter the reconversion: who asked for it, why, and what it changed."""


class ReconversionStore(Protocol):
    """The loaded bills, to be converted again."""

    def transaction(self) -> AbstractContextManager[ReconversionTransaction]:
        """A transaction that commits at the end, and rolls back on an exception."""


class WithdrawalStore(Protocol):
    """The rows of loaded files, to be taken back."""

    def find(self, load_id: int) -> FileEntry:
        """The ledger entry of a load."""

    def give_up(self, entry: FileEntry, reason: str) -> tuple[int, int]:
        """Mark the loaded versions of the file's object as withdrawn: their rows count no more.

        Returns how many versions, and how many rows stay all the same, since another loaded file
        held them later, and as they are.
        """

    def remove_rows(self, entry: FileEntry) -> int:
        """Remove the rows of the withdrawn versions of the file's object. Returns how many."""

    def replaced_by(self, entry: FileEntry) -> Sequence[FileEntry]:
        """Files of other objects that the file's one took the place of, whatever they are now."""

    def replacing(self, entry: FileEntry) -> Sequence[FileEntry]:
        """Files that took the place of all, or of some months, of a load, whatever they are now."""

    def reopen(self, entry: FileEntry, *, restates: bool, part_of: str) -> None:
        """Make a file that does not count one that waits to be loaded, without any row.

        Args:
            entry: The file.
            restates: See `SourceObject`.
            part_of: See `SourceObject`.
        """

    def files_with_rows_of_others(self, entry: FileEntry) -> Sequence[str]:
        """Keys of loaded files of the dataset, with rows that another file had brought before."""


class Objects(Protocol):
    """The bucket."""

    def open(self, source: SourceObject, start: int = 0, end: int | None = None) -> BinaryIO:
        """Stream the bytes of one version of an object, or a range of them (end exclusive).

        Raises:
            RejectedInput: the object, or this version of it, no longer exists.
        """

    def metadata(self, source: SourceObject) -> Mapping[str, str]:
        """What the object's metadata say, such as who dropped it; nothing where it is gone."""

    def write(self, key: str, pieces: Iterable[bytes]) -> None:
        """Write an object piece by piece, in bounded memory; if it fails, nothing is written."""

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes of an object."""


class Quarantine(Protocol):
    """Where rows that can't be loaded go."""

    def put(self, row: Quarantined) -> None:
        """Add a row."""

    def close(self) -> str:
        """Write what is left. Returns the URI of the rows, empty where there are none."""

    def abandon(self) -> None:
        """Discard the rows, since the load is rolled back."""


class QuarantineFactory(Protocol):
    """Opens the quarantine of a load, or of a part of it."""

    def __call__(self, entry: FileEntry, number: int | None = None) -> Quarantine:
        """Open it."""


class Workflow(Protocol):
    """The Step Functions workflow that loads large files in parts."""

    def is_running(self, entry: FileEntry) -> bool:
        """Whether the newest execution for the file is running."""

    def start(self, entry: FileEntry, execution: int) -> None:
        """Start the execution of this number, unless it exists already."""
