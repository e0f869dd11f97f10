"""What the billing use cases need from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must mend
the deployment); what else a call raises is said at the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Protocol

from finops.billing.batches import Batch
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
from finops.billing.schemas import Schema
from finops.shared.errors import FinOpsError
from finops.shared.rates import Rate

#: The time, UTC.
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a batch.

    Attributes:
        kept_sums: Amounts by currency of rows that were there already, and stay.
        kept_usd: USD of these, as the database holds them; without superseded rows.
        duplicates: Lines whose record id an earlier line of this file has.
    """

    inserted: int
    updated: int
    unchanged: int = 0
    superseded: int = 0
    kept_sums: Mapping[str, Decimal]
    kept_usd: Decimal = Decimal(0)
    duplicates: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the database holds of a load: rows, amounts by currency, and USD."""

    rows: int
    sums: Sums
    amount_usd: Decimal


class LoadTransaction(Protocol):
    """One transaction on the database: all of it is kept, or nothing."""

    def lock(self, load_id: int) -> FileEntry:
        """The ledger's row, held against others until the transaction ends.

        Raises:
            TransientFailure: with code `file_is_busy`, while another loader holds it.
        """

    def newer_version(self, entry: FileEntry) -> FileEntry | None:
        """A version of the same object that is loaded and newer."""

    def write(self, entry: FileEntry, schema: Schema, batch: Batch) -> Written:
        """Write the rows of a batch."""

    def stored(self, entry: FileEntry, schema: Schema, first: int, last: int | None) -> Stored:
        """What the rows of this load from line `first` on, before `last`, add up to."""

    def claim_content(self, entry: FileEntry, sha256: str) -> FileEntry | None:
        """Record the content's digest; returns an earlier loaded file of the same content."""

    def supersede_older(self, entry: FileEntry) -> None:
        """Mark loaded older versions of the same object as replaced by this one."""

    def finish(
        self,
        entry: FileEntry,
        status: FileStatus,
        tally: Tally,
        *,
        schema: str,
        quarantine_uri: str,
    ) -> None:
        """Enter how the file ended, with its counts."""

    def chunk_is_loaded(self, load_id: int, number: int) -> bool:
        """Whether this part was committed; holds its row against others."""

    def enter_chunk(self, load_id: int, number: int, tally: Tally, quarantine_uri: str) -> None:
        """Enter that a part is loaded, with its counts."""

    def chunks(self, load_id: int) -> tuple[int, list[int], Tally, str]:
        """(planned, numbers that are missing, counts of the others, a URI of the quarantine)."""


class BillingStore(Protocol):
    """The database."""

    def receive(self, source: SourceObject, dataset: str) -> FileEntry:
        """Enter a file into the ledger where it is new; returns its row."""

    def find(self, load_id: int) -> FileEntry:
        """The ledger's row of a load."""

    def transaction(self) -> AbstractContextManager[LoadTransaction]:
        """Begin; commits at the end, rolls back on an exception."""

    def mark(
        self, load_id: int, status: FileStatus, error: FinOpsError | None = None, **facts: Any
    ) -> None:
        """Set the status of a file that is not final, by itself."""

    def plan_chunks(self, load_id: int, numbers: Iterable[int]) -> None:
        """Enter the parts of a large file; those that are there stay as they are."""

    def purge_superseded(self, schema: Schema) -> int:
        """Remove rows of files that newer versions replaced. Returns how many."""


class RateStore(Protocol):
    """The table of exchange rates."""

    def rates(self, currency: str, first: date, last: date) -> list[Rate]:
        """The rates of a currency from `first` to `last`, both included, ascending."""

    def put_rates(self, rates: Iterable[Rate]) -> Tally:
        """Insert or correct rates."""


class ReconversionTransaction(Protocol):
    """One transaction in which bills are converted again: all of it is kept, or nothing."""

    def bills(self, dataset: str, first: date, last: date) -> Iterator[Sequence[ConvertedBill]]:
        """The bills of a dataset from one bill date to another, both included, in batches.

        A batch is held against others until the transaction ends.
        """

    def store(self, dataset: str, bills: Sequence[ConvertedBill]) -> None:
        """Store the USD amount and the rate of these bills."""

    def enter(self, reconversion: Reconversion) -> None:
        """Record who had what converted again, and why."""


class ReconversionStore(Protocol):
    """The loaded bills, to be converted again."""

    def transaction(self) -> AbstractContextManager[ReconversionTransaction]:
        """Begin; commits at the end, rolls back on an exception."""


class Objects(Protocol):
    """The bucket."""

    def open(self, source: SourceObject, start: int = 0, end: int | None = None) -> BinaryIO:
        """Stream the bytes of one version of an object, or a range of them (end exclusive).

        Raises:
            RejectedInput: the object, or this version of it, is gone.
        """

    def write(self, key: str, pieces: Iterable[bytes]) -> None:
        """Write an object piece by piece, in bounded memory; nothing is there if it fails."""

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes of an object."""


class Quarantine(Protocol):
    """Where rows go that were not loaded."""

    def put(self, row: Quarantined) -> None:
        """Keep a row."""

    def close(self) -> str:
        """Write what is left. Returns where the rows are, or an empty text where there are none."""

    def abandon(self) -> None:
        """Forget the rows: the load is rolled back."""


class QuarantineFactory(Protocol):
    """Opens the quarantine of a load, or of a part of it."""

    def __call__(self, entry: FileEntry, number: int | None = None) -> Quarantine:
        """Open it."""


class Workflow(Protocol):
    """The Step Functions workflow that loads large files in parts."""

    def is_running(self, entry: FileEntry) -> bool:
        """Whether the newest execution for the file is on its way."""

    def start(self, entry: FileEntry, execution: int) -> None:
        """Start an execution of this number; one that exists is left alone."""
